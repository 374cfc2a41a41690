//! What tests of the workspace share: stand-ins for what is outside of it.
//!
//! * [`model_server`]: the model services that coding agents talk to.
//! * [`scenario`]: a root, a configuration and scripted agents for the real binary.
//! * [`acp_peer`]: an agent that speaks the Agent Client Protocol.
//! * [`receiver`]: a receiver of webhooks.
//! * [`run_agent`]: one command of the binary, with a deadline.
//! * [`served`]: a server of its own process, and a client that asks it.
//! * [`server_end`]: the end of a server in the background.
//! * [`following`]: a client of one event stream.
//! * [`survivors`]: proof that no process of a tree is left.
//! * [`terminal`]: a program on a terminal, with its user.
//! * [`bench_rows`], [`bench_data`], [`bench_process`], [`bench_floor`]: what benchmarks report, read,
//!   start and are held against; [`bench_server`]: a server that is measured.
//! * [`patience`]: waiting for a condition with a deadline.

pub mod acp_peer;
pub mod bench_data;
pub mod bench_floor;
pub mod bench_process;
pub mod bench_rows;
pub mod bench_server;
pub mod following;
pub mod model_server;
pub mod patience;
pub mod receiver;
pub mod run_agent;
pub mod scenario;
pub mod served;
pub mod server_end;
pub mod survivors;
pub mod terminal;
