//! The names by which a server is called.
//!
//! A page of another site can make its own name lead to this machine; what its scripts then
//! send names that site as the host, and is refused whatever else it carries.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::{HeaderMap, Uri, header, uri::Authority};
use cl_wire::ProblemCode;

use crate::answer::{Answer, Refusal};

/// The port that a name without one means.
const HTTP: u16 = 80;

/// The names by which a server is called.
#[derive(Debug)]
pub(super) struct Names {
    address: SocketAddr,
    /// Names that the user chose; without a port any port is right.
    chosen: Vec<(Host, Option<u16>)>,
}

#[derive(Debug, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    /// In lower case, without a dot at its end.
    Name(String),
}

impl Names {
    /// Returns the names of a server that was told to listen on `host`, and listens on `address`.
    pub(super) fn new(host: &str, further: &[String], address: SocketAddr) -> Self {
        let mut chosen: Vec<_> = further.iter().filter_map(|name| parse(name)).collect();
        if let Some((Host::Name(name), None)) = parse(host) {
            chosen.push((Host::Name(name), Some(address.port())));
        }
        Self { address, chosen }
    }

    /// Refuses what is meant for another server.
    pub(super) fn must_be_meant(&self, uri: &Uri, headers: &HeaderMap) -> Answer<()> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return Err(Refusal::bad_request("a request names one Host"));
        };
        let host = host.to_str().unwrap_or("?");
        // A request in the form that proxies get names the server a second time.
        let second = uri.authority().map(Authority::as_str);
        for name in [Some(host), second].into_iter().flatten() {
            if !self.hold(name) {
                return Err(self.refuse(name));
            }
        }
        Ok(())
    }

    fn hold(&self, authority: &str) -> bool {
        let Some((host, port)) = parse(authority) else {
            return false;
        };
        let port = port.unwrap_or(HTTP);
        let is_chosen = self.chosen.iter().any(|(chosen, chosen_port)| {
            *chosen == host && chosen_port.is_none_or(|chosen| chosen == port)
        });
        let ours = self.address.ip();
        let leads_here = match host {
            Host::Name(name) => name == "localhost",
            // Browsers take it for this machine, and no honest client writes it.
            Host::Address(address) if address.is_unspecified() => false,
            // Nobody can make an address lead elsewhere.
            Host::Address(address) => {
                address.is_loopback() || ours.is_unspecified() || ours.to_canonical() == address
            }
        };
        is_chosen || (leads_here && port == self.address.port())
    }

    fn refuse(&self, name: &str) -> Refusal {
        let shown: String = name.chars().take(100).collect();
        let message = format!("this server is not called \"{shown}\"");
        let port = self.address.port();
        Refusal::new(ProblemCode::Forbidden, message).hint(format!(
            "call it localhost:{port}, or add the name to api.hosts in the configuration"
        ))
    }
}

/// Cuts `host` or `host:port` apart; none if it is neither.
fn parse(authority: &str) -> Option<(Host, Option<u16>)> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        let host = Host::Address(IpAddr::V6(address).to_canonical());
        match rest {
            "" => (host, None),
            _ => (host, Some(rest.strip_prefix(':')?)),
        }
    } else {
        let (name, port) = match authority.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (authority, None),
        };
        let host = match name.parse::<std::net::Ipv4Addr>() {
            Ok(address) => Host::Address(address.into()),
            Err(_) => Host::Name(host_name(name)?),
        };
        (host, port)
    };
    let port = match port {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
        Some(_) => return None,
        None => None,
    };
    Some((host, port))
}

fn host_name(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    (!name.is_empty() && name.bytes().all(is_valid)).then(|| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(names: &Names, authority: &str, expected: bool) {
        assert_eq!(names.hold(authority), expected, "{authority}");
    }

    #[test]
    fn on_loopback_only_loopback_is_meant() {
        let names = Names::new("127.0.0.1", &[], "127.0.0.1:14355".parse().unwrap());
        for right in [
            "127.0.0.1:14355",
            "localhost:14355",
            "LocalHost.:14355",
            "[::1]:14355",
            "127.9.9.9:14355",
            "[::ffff:127.0.0.1]:14355",
        ] {
            check(&names, right, true);
        }
        for wrong in [
            "",
            "localhost",
            "localhost:80",
            "localhost:14356",
            "localhost:",
            "localhost:+14355",
            "localhost:014355x",
            "localhost:14355:14355",
            "evil.example:14355",
            "localhost.evil.example:14355",
            "127.0.0.1.evil.example:14355",
            "user@localhost:14355",
            "0.0.0.0:14355",
            "[::]:14355",
            "[::1:14355",
            "::1",
            "0x7f.1:14355",
            "2130706433:14355",
            "10.0.0.1:14355",
            "local host:14355",
        ] {
            check(&names, wrong, false);
        }
    }

    #[test]
    fn everywhere_every_address_is_meant_and_no_name() {
        let names = Names::new("0.0.0.0", &[], "0.0.0.0:80".parse().unwrap());
        check(&names, "10.0.0.1:80", true);
        check(&names, "10.0.0.1", true);
        check(&names, "[fe80::1]", true);
        check(&names, "localhost", true);
        check(&names, "0.0.0.0", false);
        check(&names, "box.example", false);
        check(&names, "10.0.0.1:81", false);
    }

    #[test]
    fn chosen_names_are_meant() {
        let further = ["agents.example.com".to_owned(), "localhost:8080".to_owned()];
        let names = Names::new("box.example", &further, "10.0.0.1:14355".parse().unwrap());
        check(&names, "agents.example.com", true);
        check(&names, "Agents.Example.Com:443", true);
        check(&names, "localhost:8080", true);
        check(&names, "localhost:8081", false);
        check(&names, "box.example:14355", true);
        check(&names, "box.example", false);
        check(&names, "10.0.0.1:14355", true);
        check(&names, "10.0.0.2:14355", false);
        check(&names, "agents.example.com.evil.example", false);
    }

    #[track_caller]
    fn check_meant(uri: &str, hosts: &[&str], expected: Option<ProblemCode>) {
        let names = Names::new("127.0.0.1", &[], "127.0.0.1:14355".parse().unwrap());
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, host.parse().unwrap());
        }
        let judged = names.must_be_meant(&uri.parse().unwrap(), &headers);
        assert_eq!(
            judged.err().map(|e| e.0.code()),
            expected,
            "{uri} {hosts:?}"
        );
    }

    #[test]
    fn one_host_is_named() {
        let bad = Some(ProblemCode::BadRequest);
        let forbidden = Some(ProblemCode::Forbidden);
        check_meant("/", &["localhost:14355"], None);
        check_meant("/", &[], bad);
        check_meant("/", &[""], forbidden);
        check_meant("/", &["localhost:14355", "localhost:14355"], bad);
        check_meant("http://localhost:14355/", &["localhost:14355"], None);
        check_meant("http://evil.example/", &["localhost:14355"], forbidden);
        check_meant("http://localhost:14355/", &["evil.example"], forbidden);
    }
}
