//! Hints that there is something new at a server, for commands that wait.
//!
//! They are hints: whoever waits asks again when one comes, and now and then although none does.
//! Where the server has no stream for us, or it breaks and stays broken, the caller asks as
//! often as without it.

use std::time::{Duration, Instant};

use cl_client::Said;
use cl_client::blocking::{Events, Waited};
use cl_storage::{ProjectId, TaskId};
use cl_wire::events::{Changed, Event};

use super::Server;

/// How often to ask again although the stream says nothing.
const REASSURE: Duration = Duration::from_secs(15);
/// How soon a stream that was not to be had is asked for again.
const TRY_AGAIN: Duration = Duration::from_secs(30);
/// Hints that come within this are one.
const GATHER: Duration = Duration::from_millis(50);

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// Tasks of the project, or the one task.
    Tasks,
    /// Messages on the bus of the project, or on that of the one task.
    Messages,
}

/// Hints about a project of a server.
#[derive(Debug)]
pub(crate) struct News<'a> {
    server: &'a Server,
    project: ProjectId,
    /// Only what is about it counts.
    task: Option<TaskId>,
    about: About,
    stream: Option<Events<'a>>,
    not_before: Option<Instant>,
}

impl<'a> News<'a> {
    /// Gets ready; nothing is asked until somebody waits.
    pub(crate) fn new(
        server: &'a Server,
        about: About,
        project: &ProjectId,
        task: Option<&TaskId>,
    ) -> Self {
        Self {
            server,
            project: project.clone(),
            task: task.cloned(),
            about,
            stream: None,
            not_before: None,
        }
    }

    /// Returns how long to wait at the most: `usual` without a stream, and longer with one.
    pub(crate) fn patience(&self, usual: Duration) -> Duration {
        match self.stream {
            Some(_) => usual.max(REASSURE),
            None => usual,
        }
    }

    /// Waits for a hint, for `limit` at the most; tells whether there was one.
    ///
    /// The first one comes when the stream stands: what has changed before that is not told.
    /// Blocks.
    pub(crate) fn within(&mut self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        self.open();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Some(stream) = &mut self.stream else {
                std::thread::sleep(left);
                return false;
            };
            match stream.next_within(left) {
                Ok(Waited::Nothing) => return false,
                Ok(Waited::Said(said)) if !self.counts(&said) => {}
                Ok(Waited::Said(_)) => {
                    self.gather(until);
                    return true;
                }
                Ok(Waited::Ended) | Err(_) => {
                    // From now on the caller asks as often as without a stream, beginning now.
                    self.close();
                    return true;
                }
            }
        }
    }

    fn open(&mut self) {
        let may_try = self.not_before.is_none_or(|at| Instant::now() >= at);
        if self.stream.is_some() || !may_try {
            return;
        }
        match self.server.changes_of(&self.project) {
            Ok(stream) => self.stream = Some(stream),
            Err(error) => {
                tracing::debug!(%error, "there is no stream; asking again and again");
                self.close();
            }
        }
    }

    fn close(&mut self) {
        self.stream = None;
        self.not_before = Some(Instant::now() + TRY_AGAIN);
    }

    /// Takes what comes along with a hint.
    fn gather(&mut self, until: Instant) {
        let until = until.min(Instant::now() + GATHER);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let stream = self.stream.as_mut().filter(|_| !left.is_zero());
            match stream.map(|stream| stream.next_within(left)) {
                Some(Ok(Waited::Said(_))) => {}
                Some(Ok(Waited::Ended) | Err(_)) => return self.close(),
                Some(Ok(Waited::Nothing)) | None => return,
            }
        }
    }

    fn counts(&self, said: &Said) -> bool {
        let event = match said {
            Said::Event(event) => event,
            // Whoever asks finds out whether the server is gone.
            Said::Lost { .. } => return true,
            Said::Connected => return false,
        };
        let change = match Event::read(event.clone()) {
            Ok(Event::Change(change)) => change,
            // All that there is was told; it is asked for once more, and then only changes come.
            Ok(Event::Ready(_) | Event::Reset(_)) => return true,
            _ => return false,
        };
        let is_its = match (&self.task, self.about) {
            (None, About::Tasks) => true,
            (task, _) => change.task_id == *task,
        };
        match change.what {
            Changed::Reset | Changed::ProjectGone => true,
            Changed::Task | Changed::TaskGone | Changed::Project => {
                is_its && self.about == About::Tasks
            }
            Changed::Bus => is_its && self.about == About::Messages,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_stream_that_ends_is_a_hint_and_no_silence() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answering = std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                client.read_exact(&mut byte).unwrap();
                asked.push(byte[0]);
            }
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
            let body = "Connection: close\r\n\r\nevent: done\ndata: over\n\n";
            client
                .write_all(format!("{head}{body}").as_bytes())
                .unwrap();
        });
        let server = Server::at(&url);
        let project = ProjectId::parse("p").unwrap();
        let mut news = News::new(&server, About::Tasks, &project, None);
        assert!(news.within(Duration::from_mins(5)));
        let usual = Duration::from_millis(1);
        assert_eq!(news.patience(usual), usual);
        answering.join().unwrap();
    }
}
