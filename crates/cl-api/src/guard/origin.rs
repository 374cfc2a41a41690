//! Which pages may change something.
//!
//! Browsers say which site's page a request comes from; other programs say nothing. A page of
//! another site has no business here unless it is in `api.cors_origins`.

use axum::http::{HeaderMap, HeaderName, header};
use cl_wire::ProblemCode;

use crate::answer::{Answer, Refusal};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whose page a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page {
    /// Nobody says so: it is no browser, or an old one.
    Unknown,
    Own,
    Foreign,
}

/// Refuses a change that comes from a page of another site.
pub(super) fn may_change(headers: &HeaderMap, configured: &[String]) -> Answer<()> {
    if is_configured(headers, configured) || page(headers) != Page::Foreign {
        return Ok(());
    }
    Err(Refusal::new(
        ProblemCode::Forbidden,
        "pages of other sites may not change anything here",
    )
    .hint("a page that may is named in api.cors_origins in the configuration"))
}

/// Whether the request comes from a page of this server, as far as it says where from.
///
/// A browser sends the cookie to this server from pages of other ports of the same machine, too.
pub(super) fn is_own_page(headers: &HeaderMap) -> bool {
    page(headers) != Page::Foreign
}

/// Whether the page's origin is one that the user named.
pub(super) fn is_configured(headers: &HeaderMap, configured: &[String]) -> bool {
    one(headers, &header::ORIGIN).is_ok_and(|origin| {
        origin.is_some_and(|origin| {
            configured
                .iter()
                .any(|known| known == origin || known == "*")
        })
    })
}

fn page(headers: &HeaderMap) -> Page {
    let Ok(host) = one(headers, &header::HOST) else {
        return Page::Foreign;
    };
    let host = host.unwrap_or_default();
    let said = [
        one(headers, &FETCH_SITE).map(|site| site.map(|s| matches!(s, "same-origin" | "none"))),
        one(headers, &header::ORIGIN).map(|origin| origin.map(|o| is_at(o, host))),
        one(headers, &header::REFERER).map(|from| from.map(|f| is_at(origin_of(f), host))),
    ];
    let mut page = Page::Unknown;
    for said in said {
        match said {
            Ok(None) => {}
            Ok(Some(true)) => page = Page::Own,
            Ok(Some(false)) | Err(()) => return Page::Foreign,
        }
    }
    page
}

/// Whether `origin` is that of a page at `host`.
fn is_at(origin: &str, host: &str) -> bool {
    let schemes = ["http://", "https://"];
    let mut authority = schemes.iter().filter_map(|s| origin.strip_prefix(s));
    authority
        .next()
        .is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

/// Cuts the path off an address.
fn origin_of(address: &str) -> &str {
    let Some(start) = address.find("://").map(|at| at + 3) else {
        return address;
    };
    let end = address[start..].find(['/', '?', '#']);
    end.map_or(address, |end| &address[..start + end])
}

/// Returns the one value of a header; an error where it has several, or no text.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        (Some(_), Some(_)) => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(said: &[(&str, &str)], configured: &[&str], expected: bool) {
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, "localhost:14355".parse().unwrap());
        for (name, value) in said {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        let configured: Vec<_> = configured.iter().map(|&c| c.to_owned()).collect();
        let judged = may_change(&headers, &configured);
        assert_eq!(judged.is_ok(), expected, "{said:?} {configured:?}");
    }

    #[test]
    fn programs_and_own_pages_may_change() {
        check(&[], &[], true);
        check(&[("origin", "http://localhost:14355")], &[], true);
        check(&[("origin", "HTTP://localhost:14355")], &[], false);
        check(&[("origin", "http://LOCALHOST:14355")], &[], true);
        check(&[("sec-fetch-site", "same-origin")], &[], true);
        check(&[("sec-fetch-site", "none")], &[], true);
        check(&[("referer", "http://localhost:14355/ui/?a#b")], &[], true);
    }

    #[test]
    fn foreign_pages_may_not() {
        for origin in [
            "http://evil.example",
            "http://localhost",
            "http://localhost:3000",
            "http://localhost:14355.evil.example",
            "http://127.0.0.1:14355",
            "file://",
            "null",
            "",
        ] {
            check(&[("origin", origin)], &[], false);
        }
        for site in ["cross-site", "same-site", "SAME-ORIGIN", ""] {
            check(&[("sec-fetch-site", site)], &[], false);
        }
        check(
            &[("referer", "http://evil.example/localhost:14355")],
            &[],
            false,
        );
        check(&[("referer", "about:blank")], &[], false);
    }

    #[test]
    fn contradictions_are_foreign() {
        let own = ("origin", "http://localhost:14355");
        check(&[own, ("sec-fetch-site", "cross-site")], &[], false);
        check(&[own, own], &[], false);
        check(&[own, ("referer", "http://evil.example/")], &[], false);
    }

    #[test]
    fn configured_pages_may_change() {
        let said = [
            ("origin", "https://ui.example"),
            ("sec-fetch-site", "cross-site"),
        ];
        check(&said, &["https://ui.example"], true);
        check(&said, &["*"], true);
        check(&said, &["https://ui.example.com"], false);
        check(&[("sec-fetch-site", "cross-site")], &["*"], false);
    }
}
