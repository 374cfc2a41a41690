//! Streams of events that connect again by themselves.
//!
//! ```text
//!            answer 200               bytes, within the silence allowed
//! Connecting ----------> Connected <---.  |
//!     ^  |                   |  '---------'
//!     |  | may pass          | ended, broken, silent
//!     |  v                   v
//!   Waiting <----------------'      `done`, 204, a refusal that stays: Ended
//! ```
//!
//! An attempt to connect is kept in the stream as well, so that short waits, one after
//! the other, come to the end of a long one. What was read and not yet handed out stays in the stream, and the place of an event
//! counts as reached when it is handed out. So a future of [`EventStream::next`] can be
//! dropped at any time, and nothing is lost or handed out twice.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use cl_wire::events;
use cl_wire::sse::{self, Decoder, Event, Part};
use reqwest::header::{ACCEPT, CACHE_CONTROL};
use reqwest::{Method, Response, StatusCode};
use tokio::time::Instant;

use crate::answer::{Asked, content_type};
use crate::backoff::Backoff;
use crate::client::Client;
use crate::error::ClientError;
use crate::path::Path;

/// After so long a connection counts as one that works.
const SETTLED: Duration = Duration::from_secs(5);

/// What a stream says.
#[derive(Debug)]
pub enum Said {
    /// An event.
    Event(Event),
    /// The connection is lost; it is tried again by itself after `wait`.
    Lost {
        /// Why.
        why: ClientError,
        /// How long until then.
        wait: Duration,
    },
    /// The connection is there again.
    Connected,
}

/// A stream of events.
#[derive(Debug)]
pub struct EventStream {
    client: Client,
    path: Path,
    state: State,
    /// The place of the last event that was handed out.
    last_id: Option<String>,
    /// What was read and not yet handed out.
    ready: VecDeque<Event>,
    backoff: Backoff,
    /// Since when there is no connection that has sent anything.
    failing_since: Option<Instant>,
}

type Connecting = Pin<Box<dyn Future<Output = Result<State, ClientError>> + Send>>;

enum State {
    Connecting(Connecting),
    Connected {
        response: Box<Response>,
        decoder: Decoder,
        since: Instant,
        /// Since when somebody listens and nothing comes.
        silent_since: Option<Instant>,
    },
    Waiting(Instant),
    Ended,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connecting(_) => "Connecting",
            Self::Connected { .. } => "Connected",
            Self::Waiting(_) => "Waiting",
            Self::Ended => "Ended",
        })
    }
}

impl EventStream {
    pub(crate) async fn open(
        client: Client,
        path: Path,
        after: Option<String>,
    ) -> Result<Self, ClientError> {
        let mut stream = Self {
            client,
            path,
            state: State::Ended,
            last_id: after,
            ready: VecDeque::new(),
            backoff: Backoff::default(),
            failing_since: None,
        };
        stream.state = stream.connect().await?;
        Ok(stream)
    }

    /// Returns the place of the last event that was handed out; behind it a later stream
    /// goes on.
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// Waits for what the stream says next; `None` once it has ended.
    ///
    /// Cancel safe. An error is final: the server does not let the stream go on, or did
    /// not answer for as long as the client is patient.
    pub async fn next(&mut self) -> Result<Option<Said>, ClientError> {
        let said = self.advance().await;
        if said.is_err() {
            self.state = State::Ended;
        }
        said
    }

    /// Waits for the next event and passes over losses of the connection.
    ///
    /// Cancel safe. An error is final.
    pub async fn next_event(&mut self) -> Result<Option<Event>, ClientError> {
        loop {
            match self.next().await? {
                Some(Said::Event(event)) => return Ok(Some(event)),
                Some(Said::Lost { why, wait }) => {
                    tracing::debug!(%why, wait_ms = wait.as_millis(), "a stream was interrupted");
                }
                Some(Said::Connected) => {}
                None => return Ok(None),
            }
        }
    }

    async fn advance(&mut self) -> Result<Option<Said>, ClientError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(self.hand_out(event)));
            }
            match &mut self.state {
                State::Ended => return Ok(None),
                State::Waiting(until) => {
                    tokio::time::sleep_until(*until).await;
                    self.state = State::Connecting(self.connect());
                }
                State::Connecting(attempt) => match attempt.await {
                    Ok(state) => {
                        self.state = state;
                        return Ok(Some(Said::Connected));
                    }
                    Err(why) => return self.lost(why).map(Some),
                },
                State::Connected { .. } => match self.read().await {
                    Ok(()) => {}
                    Err(why) => return self.lost(why).map(Some),
                },
            }
        }
    }

    fn hand_out(&mut self, event: Event) -> Said {
        if let Some(id) = &event.id {
            // An empty one says that the stream cannot be resumed.
            self.last_id = Some(id.clone()).filter(|id| !id.is_empty());
        }
        if event.name() == events::name::DONE {
            self.ready.clear();
            self.state = State::Ended;
        }
        if let State::Connected { silent_since, .. } = &mut self.state {
            *silent_since = None;
        }
        Said::Event(event)
    }

    /// Reads one piece of the stream.
    async fn read(&mut self) -> Result<(), ClientError> {
        let limits = self.client.limits();
        let name = format!("GET {}", self.path);
        let asked = Asked {
            server: self.client.server(),
            request: &name,
            largest: limits.body,
        };
        let State::Connected {
            response,
            decoder,
            since: connected,
            silent_since,
        } = &mut self.state
        else {
            return Ok(());
        };
        // Time in which nobody listened is not the server's silence.
        let since = *silent_since.get_or_insert_with(Instant::now);
        let piece = tokio::time::timeout_at(since + limits.silence, response.chunk()).await;
        let piece = piece.map_err(|_| ClientError::Protocol {
            request: name.clone(),
            what: format!("nothing came for {} s", limits.silence.as_secs_f32()),
            may_pass: true,
        })?;
        let piece = piece.map_err(|error| asked.broken(&error.without_url().to_string()))?;
        let Some(piece) = piece else {
            return Err(asked.broken("the server has closed it"));
        };
        *silent_since = None;
        let mut parts = Vec::new();
        let end = decoder.feed(&piece, &mut parts);
        for part in parts {
            match part {
                Part::Event(event) => self.ready.push_back(event),
                Part::Retry(wait) => self.backoff.ask_first(wait),
            }
        }
        // A server that greets and hangs up makes no progress.
        let has_progress = self.ready.iter().any(|event| event.id.is_some());
        if has_progress || connected.elapsed() > SETTLED {
            self.backoff.reset();
            self.failing_since = None;
        }
        end.map_err(|error| ClientError::Protocol {
            request: name,
            what: error.to_string(),
            may_pass: false,
        })
    }

    /// Prepares to connect again, unless that is of no use.
    fn lost(&mut self, why: ClientError) -> Result<Said, ClientError> {
        if !why.may_pass() {
            return Err(why);
        }
        let now = Instant::now();
        let since = *self.failing_since.get_or_insert(now);
        let give_up = self.client.limits().give_up;
        if give_up.is_some_and(|patience| now - since >= patience) {
            return Err(why);
        }
        let wait = self.backoff.next(why.retry_after());
        self.state = State::Waiting(now + wait);
        Ok(Said::Lost { why, wait })
    }

    fn connect(&self) -> Connecting {
        Box::pin(connect(
            self.client.clone(),
            self.path.clone(),
            self.last_id.clone(),
        ))
    }
}

async fn connect(client: Client, path: Path, after: Option<String>) -> Result<State, ClientError> {
    let limits = client.limits();
    let name = format!("GET {path}");
    let asked = Asked {
        server: client.server(),
        request: &name,
        largest: limits.body,
    };
    let mut request = client
        .request(Method::GET, &path)?
        .header(ACCEPT, sse::CONTENT_TYPE)
        .header(CACHE_CONTROL, "no-cache");
    if let Some(id) = &after {
        request = request.header(sse::LAST_EVENT_ID, id);
    }
    let answer = async {
        let response = request.send().await;
        let response = response.map_err(|error| asked.no_answer(error))?;
        let response = asked.accepted(response).await?;
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(State::Ended);
        }
        if content_type(response.headers()) != sse::CONTENT_TYPE {
            return Err(asked.foreign(response).await);
        }
        Ok(State::Connected {
            response: Box::new(response),
            decoder: Decoder::default(),
            since: Instant::now(),
            silent_since: None,
        })
    };
    let late = || ClientError::Timeout {
        request: name.clone(),
        after: limits.answer,
    };
    tokio::time::timeout(limits.answer, answer)
        .await
        .unwrap_or_else(|_| Err(late()))
}
