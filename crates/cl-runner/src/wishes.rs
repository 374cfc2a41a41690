//! INT, TERM and HUP as wishes to a command, which would else die of them.

use std::io;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A signal that a waiting process has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// INT, as Ctrl-C sends it.
    Interrupt,
    /// TERM.
    Terminate,
    /// HUP: the terminal is gone.
    HangUp,
}

impl Wish {
    /// Returns the number of the signal.
    pub fn signal(self) -> i32 {
        match self {
            Self::HangUp => 1,
            Self::Interrupt => 2,
            Self::Terminate => 15,
        }
    }
}

/// The signals of a command that waits or asks, and the runtime that it does so in.
///
/// To be made before what it waits for is started: a Ctrl-C that comes meanwhile must
/// count, and not merely end the one who would have waited.
#[derive(Debug)]
pub struct Wishes {
    pub(crate) runtime: Runtime,
    pub(crate) signals: Signals,
}

impl Wishes {
    /// Installs handlers for INT, TERM and HUP, which stay installed.
    ///
    /// Fails if the system refuses a runtime or a handler.
    pub fn prepare() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let context = runtime.enter();
        let signals = Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        };
        drop(context);
        Ok(Self { runtime, signals })
    }

    /// Waits for a signal, for `limit` at the most; what came since this was made counts.
    ///
    /// Blocks.
    pub fn within(&mut self, limit: Duration) -> Option<Wish> {
        let Self { runtime, signals } = self;
        runtime.block_on(signals.within(limit))
    }
}

/// The handlers.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Waits for a signal. Cancel-safe: one that is not taken stays pending.
    pub(crate) async fn next(&mut self) -> Wish {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => Wish::Interrupt,
            _ = self.terminate.recv() => Wish::Terminate,
            _ = self.hang_up.recv() => Wish::HangUp,
        }
    }

    /// Waits for a signal, for `limit` at the most. Cancel-safe like [`Self::next`].
    pub(crate) async fn within(&mut self, limit: Duration) -> Option<Wish> {
        tokio::time::timeout(limit, self.next()).await.ok()
    }
}
