//! Asking a server whether it is well, from a thread without a runtime.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Why a server is not known to be well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// It does not take connections, or does not answer in time.
    #[error("{address} does not answer: {source}")]
    Silent {
        /// Who was asked.
        address: SocketAddr,
        /// What went wrong.
        source: io::Error,
    },
    /// It answers otherwise.
    #[error("{address} answers {line:?}")]
    Unwell {
        /// Who was asked.
        address: SocketAddr,
        /// The first line of its answer.
        line: String,
    },
}

/// Asks the server at `address` for `/healthz`. Blocks for about `limit` at the most.
///
/// An answer that refuses is an answer: it was handled.
pub fn probe(address: SocketAddr, limit: Duration) -> Result<(), ProbeError> {
    let line = ask(address, limit).map_err(|source| ProbeError::Silent { address, source })?;
    let status = line.strip_prefix("HTTP/1.1 ");
    if status.is_some_and(|status| status.starts_with(['2', '4'])) {
        Ok(())
    } else {
        Err(ProbeError::Unwell { address, line })
    }
}

/// Returns where a server that listens on `bound` is met on this machine.
pub fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}

/// Returns the first line of the answer.
fn ask(address: SocketAddr, limit: Duration) -> io::Result<String> {
    let until = Instant::now() + limit;
    let left = || {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::from(io::ErrorKind::TimedOut));
        }
        Ok(left)
    };
    let mut stream = TcpStream::connect_timeout(&address, left()?)?;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.set_write_timeout(Some(left()?))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut room = [0; 512];
    loop {
        stream.set_read_timeout(Some(left()?))?;
        let read = stream.read(&mut room)?;
        answer.extend_from_slice(&room[..read]);
        let end = answer.windows(2).position(|two| two == b"\r\n");
        if let Some(end) = end {
            return Ok(String::from_utf8_lossy(&answer[..end]).into_owned());
        }
        if read == 0 || answer.len() > 4096 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[track_caller]
    fn check(answer: Option<&'static str>, expected: Result<(), &str>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let read = stream.read(&mut [0; 512]).unwrap();
            assert!(read > 0);
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).unwrap(),
                // Until the other side gives up.
                None => drop(stream.read(&mut [0; 1])),
            }
        });
        let limit = match answer {
            Some(_) => Duration::from_secs(30),
            None => Duration::from_millis(50),
        };
        match (probe(address, limit), expected) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (found, _) => panic!("{found:?}"),
        }
        server.join().unwrap();
    }

    #[test]
    fn a_server_is_well_or_it_is_said_what_is_wrong() {
        check(Some("HTTP/1.1 200 OK\r\n\r\n"), Ok(()));
        check(Some("HTTP/1.1 404 No\r\n\r\n"), Ok(()));
        check(Some("HTTP/1.1 500 No\r\n\r\n"), Err("500 No"));
        check(Some("nonsense"), Err("does not answer"));
        check(None, Err("does not answer"));
    }

    #[test]
    fn a_server_for_every_address_is_met_on_loopback() {
        for (bound, expected) in [
            ("0.0.0.0:7", "127.0.0.1:7"),
            ("[::]:7", "[::1]:7"),
            ("10.0.0.1:7", "10.0.0.1:7"),
        ] {
            assert_eq!(reachable(bound.parse().unwrap()).to_string(), expected);
        }
    }
}
