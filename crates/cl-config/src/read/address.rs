//! Addresses: whether a text is one, and what of it may be shown.
//!
//! The path of a chat service's hook is its secret, so is a password before the host; the host
//! alone never is one.

use cl_storage::redact::MASK;

use crate::secret::is_secret_name;

/// Returns whether `text` is an address that can be asked over HTTP.
pub(super) fn is_http_url(text: &str) -> bool {
    let Some((_, authority, _)) = parts(text) else {
        return false;
    };
    let host_and_port = authority.rsplit('@').next().unwrap_or("");
    let port_is_valid = match host_and_port.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => port.parse::<u16>().is_ok(),
        _ => true,
    };
    let host_is_given = !host_and_port.is_empty() && !host_and_port.starts_with(':');
    host_is_given && port_is_valid && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// Returns whether an address names a user, or a key in its query.
pub(super) fn holds_secret(text: &str) -> bool {
    let Some((_, authority, rest)) = parts(text) else {
        return text.contains('@');
    };
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    let mut names = query
        .split(['&', ';', '#'])
        .filter_map(|pair| pair.split('=').next());
    authority.contains('@') || names.any(is_secret_name)
}

/// Returns `text` with a mask for all that stands behind or before the host of an address in it.
pub(crate) fn without_paths(text: &str) -> String {
    masked(text, |rest| if rest.len() > 1 { MASK } else { "" })
}

/// Returns `text` with a mask for users and passwords of addresses in it.
pub(crate) fn without_users(text: &str) -> String {
    masked(text, |_| "")
}

/// Masks users, and what stands behind the host where `mask` returns something for it.
fn masked(text: &str, mask: impl Fn(&str) -> &'static str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = next_start(rest) {
        shown.push_str(&rest[..at]);
        rest = &rest[at..];
        let is_end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>');
        let (address, after) = rest.split_at(rest.find(is_end).unwrap_or(rest.len()));
        rest = after;
        let Some((scheme, authority, path)) = parts(address) else {
            shown.push_str(address);
            continue;
        };
        shown.push_str(scheme);
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                shown.push_str(MASK);
                shown.push('@');
                shown.push_str(host);
            }
            None => shown.push_str(authority),
        }
        match mask(path) {
            "" => shown.push_str(path),
            mask => {
                shown.push('/');
                shown.push_str(mask);
            }
        }
    }
    shown.push_str(rest);
    shown
}

fn next_start(text: &str) -> Option<usize> {
    let starts = ["https://", "http://"].map(|start| text.find(start));
    starts.into_iter().flatten().min()
}

/// Cuts an address into scheme, authority and all the rest.
fn parts(text: &str) -> Option<(&str, &str, &str)> {
    let start = ["https://", "http://"]
        .into_iter()
        .find(|start| text.starts_with(start))?;
    let (scheme, rest) = text.split_at(start.len());
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    Some((scheme, authority, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_url(text: &str, expected: bool) {
        assert_eq!(is_http_url(text), expected, "{text}");
    }

    #[test]
    fn urls_need_scheme_and_host() {
        check_url("http://localhost", true);
        check_url("https://example.invalid/hook?x=1#y", true);
        check_url("http://127.0.0.1:8080/v1", true);
        check_url("http://[::1]:8080", true);
        check_url("http://[::1]", true);
        check_url("https://user:secret@host/", true);
        check_url("http://", false);
        check_url("https:///path", false);
        check_url("http://:80", false);
        check_url("http://host:port", false);
        check_url("http://host:99999", false);
        check_url("ftp://host", false);
        check_url("example.invalid/hook", false);
        check_url("https://a b", false);
    }

    #[test]
    fn users_and_keys_are_secrets() {
        for (text, expected) in [
            ("https://host/v1?api-version=2", false),
            ("https://host:81/a@b", false),
            ("https://user@host", true),
            ("https://user:pass@host/v1", true),
            ("https://host/v1?x=1&key=abc", true),
            ("https://host?access_token=abc", true),
            ("user:pass@host", true),
            ("host", false),
        ] {
            assert_eq!(holds_secret(text), expected, "{text}");
        }
    }

    #[test]
    fn hosts_are_shown_and_the_rest_is_not() {
        for (text, users, paths) in [
            ("http://h", "http://h", "http://h"),
            ("http://h/", "http://h/", "http://h/"),
            (
                "https://h:81/services/canary",
                "https://h:81/services/canary",
                "https://h:81/[REDACTED]",
            ),
            (
                "https://h?key=canary",
                "https://h?key=canary",
                "https://h/[REDACTED]",
            ),
            (
                "https://u:canary@h/v1",
                "https://[REDACTED]@h/v1",
                "https://[REDACTED]@h/[REDACTED]",
            ),
            (
                "curl 'http://h/canary' -d @- http://u@i",
                "curl 'http://h/canary' -d @- http://[REDACTED]@i",
                "curl 'http://h/[REDACTED]' -d @- http://[REDACTED]@i",
            ),
            ("no address: http", "no address: http", "no address: http"),
        ] {
            assert_eq!(without_users(text), users);
            assert_eq!(without_paths(text), paths);
        }
    }
}
