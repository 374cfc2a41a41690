//! Event streams: what happens, told as it happens.
//!
//! Every client has its own place in each file that it follows, and reads on from there when
//! it is woken; shared is only what wakes: the index' one notifier and its changes
//! ([`Ear`](crate::state::Ear), [`Index::changes`](crate::state::Index::changes)). So nothing
//! is kept in memory for a client that is behind, and nothing is ever dropped: the file is the
//! buffer, a client that takes nothing makes its own reader wait, and one that is cut off goes
//! on at its `Last-Event-ID`, which is a place on disk. What several clients read of one file
//! at the same time comes from the system's cache of it.
//!
//! ```text
//!  notifier ──rings──► Ear ─┐
//!  index ───changes────────┼──► one stream: look, read a bounded piece, send ──► Outlet ──► socket
//!  clock ───looks, beats───┘                    ▲______ waits while the client takes nothing
//! ```
//!
//! - A stream is the body of its answer and nothing else ([`outlet`]): it runs when the client
//!   takes something and ends when the connection does. No task, thread or open file stays.
//! - Without notifications files are looked at every `api.sse.poll_interval_ms`, with them every
//!   ten seconds; a look at what has not changed reads nothing of it.
//! - The head of the answer and a comment are sent at once, then heartbeats while nothing else
//!   is. All streams end with the server.
//! - Who may be here: [`seats`]. Lines of a file: [`log_file`]. One run: [`one_run`]; several:
//!   [`many_runs`]; one file as it is: [`file`]; one bus: [`bus`]; what changes below the root:
//!   [`changes`], made once for all clients; files of which only the size is told: [`grown`].

mod bus;
mod changes;
mod file;
mod grown;
mod lane;
mod log_file;
mod many_runs;
mod one_run;
mod outlet;
mod place;
mod seats;

pub(crate) use self::log_file::read_at;
pub(crate) use bus::follow_bus;
pub(crate) use changes::{Feed, follow_changes};
pub(crate) use file::follow_file;
pub(crate) use grown::{FollowedFile, MOST_FILES};
pub(crate) use many_runs::{Of, follow_runs};
pub(crate) use one_run::follow_run;
pub(crate) use place::Resuming;
pub(crate) use seats::Seats;

use std::time::Duration;

use crate::app::App;
use crate::state::Ear;

/// How often files are looked at although their changes are told.
const SLOW_LOOK: Duration = Duration::from_secs(10);
/// The shortest time between two looks, whatever is configured.
const SHORTEST_LOOK: Duration = Duration::from_millis(10);

/// Returns when the files behind `ear` are looked at without having been rung for.
fn next_look(app: &App, ear: &Ear) -> tokio::time::Instant {
    let poll = app.serving.config.api.sse.poll_interval.max(SHORTEST_LOOK);
    let pause = if ear.is_told() { SLOW_LOOK } else { poll };
    tokio::time::Instant::now() + pause
}
