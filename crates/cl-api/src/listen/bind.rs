//! The addresses that the server listens on.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::Poll;

use cl_config::Serving;
use cl_wire::{Problem, ProblemCode};
use tokio::net::{TcpListener, TcpStream};

/// How many ports are tried one after the other when nobody named one.
const PORTS: u16 = 100;
/// How many ports that the kernel chose are tried until both families have it free.
const TRIES: u32 = 20;

/// Where the server listens: one address, or both that `localhost` means.
#[derive(Debug)]
pub(crate) struct Listeners {
    first: TcpListener,
    second: Option<TcpListener>,
    address: SocketAddr,
}

impl Listeners {
    /// Returns the address, with the port that was taken; the first one where there are two.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening and listens on the same addresses again, with sockets of its own.
    pub(super) async fn anew(self) -> Result<Self, (Again, io::Error)> {
        let again = Again {
            address: self.address,
            is_on_both: self.second.is_some(),
        };
        drop(self);
        again.listen().await
    }

    /// Takes the next connection of any address. Nothing is lost when the call is dropped.
    pub(super) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|cx| {
            if let Poll::Ready(accepted) = self.first.poll_accept(cx) {
                return Poll::Ready(accepted);
            }
            match &self.second {
                Some(second) => second.poll_accept(cx),
                None => Poll::Pending,
            }
        })
        .await
    }
}

/// Where to listen again.
#[derive(Debug)]
pub(super) struct Again {
    address: SocketAddr,
    is_on_both: bool,
}

impl Again {
    /// Listens there; returns itself with what went wrong.
    pub(super) async fn listen(self) -> Result<Listeners, (Self, io::Error)> {
        let listening = if self.is_on_both {
            listen_on_both(self.address.port()).await
        } else {
            TcpListener::bind(self.address)
                .await
                .map(|first| Listeners {
                    first,
                    second: None,
                    address: self.address,
                })
        };
        listening.map_err(|error| (self, error))
    }
}

/// Listens where it was asked to.
pub(crate) async fn bind(serving: &Serving) -> Result<Listeners, Problem> {
    let first = serving.port;
    let last = if serving.may_move {
        first.saturating_add(PORTS - 1)
    } else {
        first
    };
    let host = serving.host.trim_start_matches('[').trim_end_matches(']');
    for port in first..=last {
        match listen(host, port).await {
            Ok(listeners) => return Ok(listeners),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
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

async fn listen(host: &str, port: u16) -> io::Result<Listeners> {
    if host.eq_ignore_ascii_case("localhost") {
        return listen_on_both(port).await;
    }
    let first = TcpListener::bind((host, port)).await?;
    Ok(Listeners {
        address: first.local_addr()?,
        first,
        second: None,
    })
}

/// Listens on both addresses that `localhost` means: clients try either one first.
async fn listen_on_both(port: u16) -> io::Result<Listeners> {
    let mut tries = TRIES;
    loop {
        let first = TcpListener::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), port)).await?;
        let address = first.local_addr()?;
        let second = TcpListener::bind((IpAddr::V6(Ipv6Addr::LOCALHOST), address.port())).await;
        let second = match second {
            Ok(second) => Some(second),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                tries -= 1;
                if port == 0 && tries > 0 {
                    continue;
                }
                return Err(error);
            }
            // A machine need not speak IPv6.
            Err(_) => None,
        };
        return Ok(Listeners {
            first,
            second,
            address,
        });
    }
}
