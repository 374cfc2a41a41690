//! A server from start to end.

use std::net::SocketAddr;
use std::sync::Arc;

use cl_config::Serving;
use cl_storage::{Clock, Root, SystemClock};
use cl_wire::{Announcement, Problem, ProblemCode};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::guard::{self, Guard, Key};
use crate::journal::{self, Observer};
use crate::operation::trial::{self, Settled, Trial};
use crate::operation::{self, Claim, Pulse};
use crate::{listen, routes};

/// Threads that answer requests; blocking work has threads of its own.
const THREADS: usize = 2;

/// Serves until the process is asked to end; says through `announce` where it listens.
///
/// Blocks. Ends on SIGINT and SIGTERM: streams are ended, requests get five seconds. What runs
/// below the root goes on.
///
/// # Errors
///
/// A problem whose code says whose mistake it is: `BAD_REQUEST` for settings that cannot
/// be served, `CONFLICT` where another server is at work, `INTERNAL` for the machine.
pub fn serve(serving: Serving, announce: &mut dyn FnMut(&Announcement)) -> Result<(), Problem> {
    let key = Key::open(&serving)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .map_err(|error| internal(format!("could not start the server's threads: {error}")))?;
    let mut on_trial = None;
    let end = runtime.block_on(run(serving, key, announce, &mut on_trial));
    if let (Err(problem), Some(mut trial)) = (&end, on_trial) {
        // Becomes the old build, which serves in the place of this one.
        trial.give_up(&problem.message, &SystemClock);
    }
    // Work that blocks for longer is cut off like any other; what it changes is safe against that.
    runtime.shutdown_timeout(listen::GRACE);
    // Only now may another server begin.
    end.map(drop)
}

async fn run(
    mut serving: Serving,
    key: Key,
    announce: &mut dyn FnMut(&Announcement),
    on_trial: &mut Option<Trial>,
) -> Result<Claim, Problem> {
    let root = Root::at(&serving.root)
        .map_err(|error| Problem::new(ProblemCode::BadRequest, cl_view::chain(&error)))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ending = CancellationToken::new();
    // Nothing else runs yet that this could keep from working.
    let claim = Claim::take(&serving, &root)?;
    let settled = if serving.is_read_only {
        Settled::Nothing
    } else {
        trial::settle(&serving, &root, &*clock)
    };
    if let Settled::Trial(trial) = &settled {
        // Clients look for it where the old build was.
        (serving.port, serving.may_move) = (trial.port(), false);
        on_trial.get_or_insert_with(|| trial.clone());
    }
    let listeners = listen::bind(&serving).await?;
    let address = listeners.address();
    let mut said = announcement(&serving.host, address);
    let guard = Guard::new(key, &serving, address, &said.api_url, Arc::clone(&clock))?;
    let guard = Arc::new(guard);
    said.login_url = Some(
        guard
            .login_url()
            .map_err(|error| internal(format!("could not make a link to log in with: {error}")))?,
    );
    let limits = serving.config.api.limits.clone();
    let operation = serving.operation.clone();
    let url = said.api_url.clone();
    let threads = |error| internal(format!("could not start the server's threads: {error}"));
    let app = App::new(
        serving,
        root,
        Arc::clone(&clock),
        ending.clone(),
        url,
        address.port(),
    )
    .map_err(threads)?;
    match settled {
        Settled::Nothing => {}
        Settled::Over(journal) => app.update.remember(&journal),
        Settled::Trial(trial) => {
            app.update.remember(trial.journal());
            let (app, clock) = (app.clone(), Arc::clone(&clock));
            std::thread::Builder::new()
                .name("trial".to_owned())
                .spawn(move || app.update.remember(&trial.judge(address, &*clock)))
                .map_err(threads)?;
        }
    }
    let signals = EndSignals::catch()?;
    claim.announce(&said, &*clock)?;
    let root = app.root.path().display().to_string();
    let (listen_anew, anew) = mpsc::channel(1);
    // Before anybody is told, so that a thread that cannot be had is the server's end.
    let (metrics, clock) = (Arc::clone(&app.metrics), Arc::clone(&app.clock));
    let is_read_only = app.serving.is_read_only;
    let observer = Observer::new(metrics, &app.root, is_read_only, clock).map_err(threads)?;
    let pulse = Arc::new(Pulse::default());
    tokio::spawn(Arc::clone(&pulse).beat());
    let watchdog =
        operation::watch(&operation, address, listen_anew, Arc::clone(&pulse)).map_err(threads)?;
    #[cfg(feature = "test-hooks")]
    operation::wedge::arm();
    announce(&said);
    let router = guard::protect(routes::router(app), guard);
    let router = journal::observe(router, observer);
    tokio::spawn({
        let ending = ending.clone();
        async move {
            signals.wait().await;
            drop(watchdog);
            ending.cancel();
        }
    });
    let served = listen::accept(listeners, router, &limits, ending.clone(), anew, pulse);
    let mut served = std::pin::pin!(served);
    tokio::select! {
        // Both go on where they were; nothing is lost by waiting for the other one, too.
        () = &mut served => return Ok(claim),
        () = claim.lost() => {}
    }
    tracing::error!(
        root,
        "the root was removed, moved or replaced; the server ends"
    );
    ending.cancel();
    served.await;
    let message = format!("{root} was removed, moved or replaced while it was served");
    Err(Problem::new(ProblemCode::Conflict, message).hint("start a server where the root is now"))
}

/// Says how clients of this machine reach a server on `address`, that was told `host`.
fn announcement(host: &str, address: SocketAddr) -> Announcement {
    let is_localhost = host.eq_ignore_ascii_case("localhost");
    let api_url = if is_localhost || address.ip().is_unspecified() {
        format!("http://localhost:{}/", address.port())
    } else {
        format!("http://{address}/")
    };
    Announcement {
        ui_url: format!("{api_url}ui/"),
        api_url,
        login_url: None,
    }
}

/// SIGINT and SIGTERM, which ask the server to end.
struct EndSignals {
    terminated: Signal,
    interrupted: Signal,
}

impl EndSignals {
    /// Begins to catch them; one that comes from now on is not missed.
    fn catch() -> Result<Self, Problem> {
        let catch = |kind| {
            let failed = |error| internal(format!("could not catch signals: {error}"));
            signal(kind).map_err(failed)
        };
        Ok(Self {
            terminated: catch(SignalKind::terminate())?,
            interrupted: catch(SignalKind::interrupt())?,
        })
    }

    /// Waits for the first of them.
    async fn wait(mut self) {
        tokio::select! {
            // Both only wait; nothing is lost when the other one came first.
            _ = self.terminated.recv() => {}
            _ = self.interrupted.recv() => {}
        }
    }
}

fn internal(message: String) -> Problem {
    Problem::new(ProblemCode::Internal, message)
}
