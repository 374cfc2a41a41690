//! A server from start to end.

use std::net::SocketAddr;
use std::sync::Arc;

use cl_config::Serving;
use cl_storage::{Clock, Root, SystemClock};
use cl_wire::{Announcement, Problem, ProblemCode};
use tokio_util::sync::CancellationToken;

use crate::app::App;
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
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .map_err(|error| internal(format!("could not start the server's threads: {error}")))?;
    runtime.block_on(run(serving, announce))
}

async fn run(serving: Serving, announce: &mut dyn FnMut(&Announcement)) -> Result<(), Problem> {
    let root = Root::at(&serving.root)
        .map_err(|error| Problem::new(ProblemCode::BadRequest, cl_view::chain(&error)))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ending = CancellationToken::new();
    let listener = listen::bind(&serving).await?;
    let address = listener
        .local_addr()
        .map_err(|error| internal(format!("could not ask for the address: {error}")))?;
    let said = announcement(address);
    let url = said.api_url.clone();
    let app = App::new(serving, root, clock, ending.clone(), url)
        .map_err(|error| internal(format!("could not start the server's threads: {error}")))?;
    announce(&said);
    let router = routes::router(app);
    tokio::spawn({
        let ending = ending.clone();
        async move {
            wait_for_end().await;
            ending.cancel();
        }
    });
    listen::accept(listener, router, ending).await;
    Ok(())
}

fn announcement(address: SocketAddr) -> Announcement {
    let host = if address.ip().is_unspecified() {
        "localhost".to_owned()
    } else {
        address.ip().to_string()
    };
    let api_url = format!("http://{host}:{}/", address.port());
    Announcement {
        ui_url: format!("{api_url}ui/"),
        api_url,
        login_url: None,
    }
}

/// Waits for SIGINT or SIGTERM.
async fn wait_for_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminated) = signal(SignalKind::terminate()) else {
        // Without the handler the signal ends the process anyway.
        return std::future::pending().await;
    };
    let Ok(mut interrupted) = signal(SignalKind::interrupt()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        // Both only wait; nothing is lost when the other one came first.
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
}

fn internal(message: String) -> Problem {
    Problem::new(ProblemCode::Internal, message)
}
