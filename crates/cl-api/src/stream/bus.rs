//! The stream of one bus: its messages, each once and in order.
//!
//! What is remembered is the place behind the last message, and what the file looked like when
//! there was nothing behind it any more: while it looks the same, nothing is read. The crate of
//! buses finds the place again when the file was archived, and reads in bounded memory.

use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use axum::response::Response;
use cl_bus::{After, Bus, Found, Message, Query, ReadError};
use cl_storage::MessageId;
use cl_wire::events::{Reset, name};
use cl_wire::messages::STREAM_BACKLOG;
use cl_wire::sse::Event;

use super::next_look;
use super::outlet::{Outlet, respond};
use super::place::{Beginning, Resuming};
use crate::answer::{Answer, blocking};
use crate::app::App;

/// Messages are read together up to this size.
const PIECE: usize = 64 * 1024;
/// What a message takes beside its text.
const AROUND_BODY: usize = 512;

/// Answers with the messages of the bus at `path`.
pub(crate) async fn follow_bus(app: App, path: PathBuf, resuming: Resuming) -> Answer<Response> {
    // Ids of messages have had many forms: one that is none is one that is not there.
    let beginning = resuming.beginning::<MessageId>().ok();
    let seat = app.seats.take(format!("bus {}", path.display()))?;
    let opened =
        blocking(move || Tail::open(path, beginning).map_err(crate::routes::messages::unreadable));
    let (tail, first) = opened.await?;
    Ok(respond(&app, seat, |outlet| {
        run(app.clone(), tail, first, outlet)
    }))
}

async fn run(app: App, mut tail: Tail, mut first: Bite, mut outlet: Outlet) {
    let mut ear = app.index.ear();
    ear.listen(tail.bus.path().parent().unwrap_or(Path::new("/")));
    loop {
        say(&mut outlet, std::mem::take(&mut first)).await;
        loop {
            let read = tokio::task::spawn_blocking(move || {
                let bite = tail.read();
                (tail, bite)
            });
            let bite = match read.await {
                Ok((returned, Ok(bite))) => {
                    tail = returned;
                    bite
                }
                Ok((returned, Err(error))) => {
                    let path = returned.bus.path().display();
                    tracing::warn!(%path, error = %cl_view::chain(&error), "a bus cannot be read");
                    return fail(&mut outlet, "the message bus could not be read").await;
                }
                Err(error) => {
                    tracing::error!(%error, "reading a bus failed");
                    return fail(&mut outlet, "the message bus could not be read").await;
                }
            };
            let has_more = bite.has_more;
            say(&mut outlet, bite).await;
            if !has_more {
                break;
            }
        }
        let look = next_look(&app, &ear);
        let woken = async {
            tokio::select! {
                // Both only wait, and what they say is looked at anyway.
                _ = ear.rung() => {}
                () = tokio::time::sleep_until(look) => {}
            }
        };
        outlet.wait_for(woken).await;
    }
}

async fn fail(outlet: &mut Outlet, why: &str) {
    outlet.event(&Event::named(name::ERROR, why));
    outlet.flush().await;
}

async fn say(outlet: &mut Outlet, bite: Bite) {
    if let Some(reason) = bite.reset {
        let reset = Reset {
            reason: reason.to_owned(),
            run_id: None,
            stream: None,
        };
        outlet.json(name::RESET, None, &reset);
    }
    for message in bite.messages {
        let item = cl_view::message_item(message);
        let id = item.msg_id.to_string();
        outlet.json(name::MESSAGE, Some(id), &item);
        outlet.flush_if_full().await;
    }
    outlet.flush().await;
}

/// A bus that is read on from a place.
#[derive(Debug)]
struct Tail {
    bus: Bus,
    /// The last message that was read; none where there was none.
    after: Option<After>,
    /// What the file looked like when it was read to its end.
    seen: Option<Look>,
}

/// What of a file says whether it is the same.
type Look = (u64, u64, u64, i64, i64);

/// What was read at once.
#[derive(Debug, Default)]
struct Bite {
    /// Why the place is not where it was.
    reset: Option<&'static str>,
    messages: Vec<Message>,
    has_more: bool,
}

impl Tail {
    /// Opens the bus at `path`, and reads what a stream begins with.
    ///
    /// None for a place that is unknown.
    fn open(
        path: PathBuf,
        beginning: Option<Beginning<MessageId>>,
    ) -> Result<(Self, Bite), ReadError> {
        let mut tail = Self {
            bus: Bus::new(path),
            after: None,
            seen: None,
        };
        let bite = match beginning {
            None => tail.newest_instead()?,
            Some(Beginning::Usual) => tail.newest(STREAM_BACKLOG)?,
            Some(Beginning::Start) => Bite::default(),
            Some(Beginning::End) => {
                tail.newest(1)?;
                Bite::default()
            }
            Some(Beginning::Behind(id)) => {
                tail.after = Some(After::Id(id));
                // Whether it is there is found out now, before the first message.
                tail.read()?
            }
        };
        Ok((tail, bite))
    }

    /// Reads the last `count` messages and goes on behind them.
    fn newest(&mut self, count: usize) -> Result<Bite, ReadError> {
        let reading = self.bus.tail(count)?;
        self.after = reading.last_cursor().map(After::Cursor);
        self.seen = None;
        Ok(Bite {
            reset: None,
            messages: reading.into_messages(),
            has_more: true,
        })
    }

    /// Reads the last messages because the place to go on from is not there.
    fn newest_instead(&mut self) -> Result<Bite, ReadError> {
        let mut newest = self.newest(STREAM_BACKLOG)?;
        newest.reset = Some("since_id_not_found");
        Ok(newest)
    }

    /// Reads on.
    fn read(&mut self) -> Result<Bite, ReadError> {
        // Looked at first: what comes in between is read now or at the next look.
        let look = look_at(self.bus.path());
        if look.is_some() && look == self.seen {
            return Ok(Bite::default());
        }
        let query = Query {
            after: self.after.clone(),
            ..Query::default()
        };
        let mut bite = Bite::default();
        let (mut size, mut last) = (0, None);
        let read = self.bus.for_each(&query, |found| {
            let Found::Entry(entry) = found else {
                return ControlFlow::Continue(());
            };
            if size >= PIECE {
                bite.has_more = true;
                return ControlFlow::Break(());
            }
            size += entry.message.body.len() + AROUND_BODY;
            last = Some(entry.cursor());
            bite.messages.push(entry.message);
            ControlFlow::Continue(())
        });
        match read {
            Ok(()) => {}
            Err(error) if error.is_unknown_message() => {
                return self.newest_instead();
            }
            Err(error) => return Err(error),
        }
        if let Some(last) = last {
            self.after = Some(After::Cursor(last));
        }
        self.seen = look.filter(|_| !bite.has_more);
        Ok(bite)
    }
}

fn look_at(path: &Path) -> Option<Look> {
    let found = path.symlink_metadata().ok()?;
    let (device, inode) = (found.dev(), found.ino());
    Some((
        device,
        inode,
        found.len(),
        found.ctime(),
        found.ctime_nsec(),
    ))
}
