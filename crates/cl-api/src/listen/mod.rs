//! Connections: where the server listens, and how much of whom it takes.

mod bind;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use bind::bind;

/// How long requests get to end when the server does.
const GRACE: std::time::Duration = std::time::Duration::from_secs(5);

/// Takes connections until `ending`, then lets those that are there end.
pub(crate) async fn accept(listener: TcpListener, router: Router, ending: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            // An accept that was not finished has taken no connection.
            accepted = listener.accept() => accepted,
            () = ending.cancelled() => break,
        };
        let Ok((stream, _)) = accepted else { continue };
        let service = TowerToHyperService::new(router.clone());
        let ending = ending.clone();
        connections.spawn(async move {
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder.timer(TokioTimer::new());
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            let mut connection = std::pin::pin!(connection);
            tokio::select! {
                // The connection is polled again below; nothing of it is lost.
                _ = connection.as_mut() => return,
                () = ending.cancelled() => {}
            }
            connection.as_mut().graceful_shutdown();
            connection.await.ok();
        });
    }
    connections.close();
    tokio::time::timeout(GRACE, connections.wait()).await.ok();
}
