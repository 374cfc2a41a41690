//! The signals of the process that wraps a session.

use std::io;
use std::time::Duration;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

/// The signals of the process that wraps.
pub(super) struct Signals {
    child: tokio::signal::unix::Signal,
    wake: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
    window: tokio::signal::unix::Signal,
}

/// What a signal means for the session.
pub(super) enum Event {
    Nothing,
    /// Is handed on.
    Forward(Signal),
    /// The session is to end; this signal asks it.
    End(Signal, &'static str),
    Resize,
}

impl Signals {
    pub(super) fn install() -> io::Result<Self> {
        Ok(Self {
            child: signal(SignalKind::child())?,
            wake: signal(SignalKind::user_defined1())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            window: signal(SignalKind::window_change())?,
        })
    }

    /// Waits for a signal, `at_most` this long. Every arm only receives or waits.
    pub(super) async fn next(&mut self, at_most: Duration) -> Event {
        tokio::select! {
            _ = self.child.recv() => Event::Nothing,
            _ = self.wake.recv() => Event::Nothing,
            _ = self.interrupt.recv() => Event::Forward(Signal::INT),
            _ = self.quit.recv() => Event::Forward(Signal::QUIT),
            _ = self.terminate.recv() => Event::End(Signal::TERM, "signal TERM to the session"),
            _ = self.hang_up.recv() => Event::End(Signal::HUP, "the terminal hung up"),
            _ = self.window.recv() => Event::Resize,
            () = tokio::time::sleep(at_most) => Event::Nothing,
        }
    }
}
