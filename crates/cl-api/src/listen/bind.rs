//! The address that the server listens on.

use cl_config::Serving;
use cl_wire::{Problem, ProblemCode};
use tokio::net::TcpListener;

/// How many ports are tried one after the other when nobody named one.
const PORTS: u16 = 100;

/// Listens where it was asked to.
pub(crate) async fn bind(serving: &Serving) -> Result<TcpListener, Problem> {
    let first = serving.port;
    let last = if serving.may_move {
        first.saturating_add(PORTS - 1)
    } else {
        first
    };
    let host = serving.host.trim_start_matches('[').trim_end_matches(']');
    for port in first..=last {
        match TcpListener::bind((host, port)).await {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(error) => {
                let message = format!("could not listen on {host}:{port}: {error}");
                return Err(Problem::new(ProblemCode::BadRequest, message)
                    .hint("name another address with --host and --port"));
            }
        }
    }
    let message = if first == last {
        format!("port {first} of {host} is taken")
    } else {
        format!("no free port in range {first}-{last}")
    };
    Err(Problem::new(ProblemCode::Conflict, message)
        .hint("end what listens there, or name another port with --port"))
}
