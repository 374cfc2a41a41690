//! The client for programs without an async runtime.

use std::time::Duration;

use crate::client::Client;
use crate::error::ClientError;
use crate::path::Path;
use crate::stream::{EventStream, Said};

/// Asks one server and waits for the answer.
///
/// Must not be used from within an async runtime.
#[derive(Debug)]
pub struct Blocking {
    runtime: tokio::runtime::Runtime,
    client: Client,
}

impl Blocking {
    /// Makes a runtime of its own, on the calling thread.
    pub fn new(client: Client) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(Self { runtime, client })
    }

    /// Returns the client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Asks and waits: `server.ask(async |client| client.projects().await)`.
    pub fn ask<T>(&self, question: impl AsyncFnOnce(&Client) -> T) -> T {
        self.runtime.block_on(question(&self.client))
    }

    /// Follows a stream of events, behind the place `after` if one is given.
    pub fn follow(&self, path: Path, after: Option<String>) -> Result<Events<'_>, ClientError> {
        let stream = self.runtime.block_on(self.client.follow(path, after))?;
        Ok(self.events(stream))
    }

    /// Follows a stream that was opened by [`Blocking::ask`].
    pub fn events(&self, stream: EventStream) -> Events<'_> {
        Events {
            runtime: &self.runtime,
            stream,
        }
    }
}

/// A stream of events that is waited for.
#[derive(Debug)]
pub struct Events<'a> {
    runtime: &'a tokio::runtime::Runtime,
    stream: EventStream,
}

/// What came of waiting for a while.
#[derive(Debug)]
pub enum Waited {
    /// The stream says something.
    Said(Said),
    /// Nothing so far.
    Nothing,
    /// The stream has ended.
    Ended,
}

impl Events<'_> {
    /// Waits for what the stream says next, at most for `time`.
    ///
    /// Nothing is lost if nothing came: call it again and again, and look for signals in
    /// between. An error is final.
    pub fn next_within(&mut self, time: Duration) -> Result<Waited, ClientError> {
        let stream = &mut self.stream;
        let next = async { tokio::time::timeout(time, stream.next()).await };
        match self.runtime.block_on(next) {
            Err(_) => Ok(Waited::Nothing),
            Ok(Ok(Some(said))) => Ok(Waited::Said(said)),
            Ok(Ok(None)) => Ok(Waited::Ended),
            Ok(Err(error)) => Err(error),
        }
    }

    /// Returns the place of the last event that was handed out.
    pub fn last_id(&self) -> Option<&str> {
        self.stream.last_id()
    }
}
