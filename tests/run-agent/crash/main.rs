//! What is left when processes are killed with SIGKILL, and what comes of it.
//!
//! Whatever dies, at whatever moment: `status` tells the truth, `stop` ends what
//! lives, `resume` reaches `DONE`, two agents of a task are never alive at once,
//! and no acknowledged message is lost. The rig holds these as one check.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod bus;
mod deleted;
mod deleting;
mod dependencies;
mod facts;
mod gc;
mod group;
mod identity;
mod killed;
mod lost;
mod notifying;
mod points;
mod propagation;
mod random;
mod recovery;
mod rig;
mod server;
mod starters;
mod stop_race;
mod torture;
mod unwritable;
