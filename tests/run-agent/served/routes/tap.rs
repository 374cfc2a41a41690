//! A tap between a client and a server: passes everything on, and writes down what was asked and answered.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Route, counts};

/// What was asked, and with which status it was answered.
type Seen = Arc<Mutex<Vec<(Route, u16)>>>;

/// Listens for one client; its threads end with the test.
#[derive(Debug)]
pub(crate) struct Tap {
    address: SocketAddr,
    seen: Seen,
}

impl Tap {
    /// Begins to pass on what is sent to `server`.
    pub(crate) fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Seen::default();
        let log = Arc::clone(&seen);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(server) else {
                    return;
                };
                pass_on(&client, &server, &log);
            }
        });
        Self { address, seen }
    }

    /// Returns where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the routes of `promised` that were asked and answered as asked, and the paths that are none of them.
    pub(crate) fn routes(&self, promised: &BTreeSet<Route>) -> BTreeSet<Route> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let answered = seen
            .iter()
            .filter(|((_, path), status)| counts(path, *status));
        let routes = answered.map(|((method, path), _)| {
            let is_it = |route: &&Route| route.0 == *method && is_of(&route.1, path);
            // Where a plain path and one with a part of chance fit, the plain one is meant.
            let fitting = promised.iter().filter(is_it);
            let best = fitting.min_by_key(|route| route.1.matches('{').count());
            best.cloned()
                .unwrap_or_else(|| (method.clone(), path.clone()))
        });
        routes.collect()
    }
}

/// Tells whether `path` is one of those that `template` stands for.
fn is_of(template: &str, path: &str) -> bool {
    let (mut wanted, mut parts) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), parts.next()) {
            (None, None) => return true,
            (Some(wanted), Some(part)) if wanted == part || wanted.starts_with('{') => {}
            _ => return false,
        }
    }
}

/// Passes on in both directions until one ends.
fn pass_on(client: &TcpStream, server: &TcpStream, log: &Seen) {
    let asked: Arc<Mutex<Option<Route>>> = Arc::default();
    let open = |stream: &TcpStream| stream.try_clone().unwrap();
    let pending = Arc::clone(&asked);
    copy(open(client), open(server), move |text| {
        if let Some(route) = route(text) {
            *pending.lock().unwrap() = Some(route);
        }
    });
    let log = Arc::clone(log);
    copy(open(server), open(client), move |text| {
        // The client asks the next only when it has this one's answer.
        let status = text.strip_prefix(b"HTTP/1.1 ").and_then(|rest| {
            let digits = std::str::from_utf8(rest.get(..3)?).ok()?;
            digits.parse().ok()
        });
        if let Some(status) = status
            && let Some(route) = asked.lock().unwrap().take()
        {
            log.lock().unwrap().push((route, status));
        }
    });
}

fn copy(mut from: TcpStream, mut to: TcpStream, mut look: impl FnMut(&[u8]) + Send + 'static) {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            look(&buffer[..count]);
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        to.shutdown(Shutdown::Both).ok();
        from.shutdown(Shutdown::Both).ok();
    });
}

/// Reads the first line of a request.
fn route(text: &[u8]) -> Option<Route> {
    let end = text.iter().position(|&byte| byte == b'\r')?;
    let line = std::str::from_utf8(&text[..end]).ok()?;
    let mut words = line.strip_suffix(" HTTP/1.1")?.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let path = target.split('?').next().unwrap_or_default();
    Some((method.to_owned(), path.to_owned()))
}

#[test]
fn paths_are_known_by_their_templates() {
    for (template, path, fits) in [
        ("/a/{b}/c", "/a/x/c", true),
        ("/a/{b}/c", "/a/x/d", false),
        ("/a/{b}", "/a/x/c", false),
        ("/a", "/a", true),
    ] {
        assert_eq!(is_of(template, path), fits, "{template} {path}");
    }
}
