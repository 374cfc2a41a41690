//! What is asked for below a server's address.

use std::fmt;

use reqwest::Url;

/// A path and a query below a server's address; parts are escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    segments: Vec<String>,
    query: Vec<(&'static str, String)>,
}

impl Path {
    /// Names a path by its parts.
    pub fn of<const N: usize>(segments: [&str; N]) -> Self {
        Self {
            segments: segments.map(str::to_owned).into(),
            query: Vec::new(),
        }
    }

    /// Adds a part.
    #[must_use]
    pub fn then(mut self, segment: impl AsRef<str>) -> Self {
        self.segments.push(segment.as_ref().to_owned());
        self
    }

    /// Adds a fact to the query.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "numbers and words are written where they are asked for"
    )]
    pub fn query(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// Adds a fact to the query if there is one.
    #[must_use]
    pub fn query_some(self, name: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// Returns the address below `base`; `None` if a part would lead elsewhere.
    pub(crate) fn below(&self, base: &Url) -> Option<Url> {
        let leads_elsewhere = |part: &String| matches!(part.as_str(), "" | "." | "..");
        if self.segments.iter().any(leads_elsewhere) {
            return None;
        }
        let mut url = base.clone();
        url.path_segments_mut()
            .ok()?
            .pop_if_empty()
            .extend(&self.segments);
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        Some(url)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The query is left out: it may hold what a person has searched for.
        self.segments
            .iter()
            .try_for_each(|part| write!(f, "/{part}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(base: &str, path: &Path, url: &str) {
        let base = Url::parse(base).unwrap();
        assert_eq!(path.below(&base).unwrap().as_str(), url);
    }

    #[test]
    fn parts_are_escaped_and_stay_below_the_address() {
        let path = Path::of(["api", "v1", "runs"]).then("a/b?c#d e%");
        check(
            "http://h:1/",
            &path,
            "http://h:1/api/v1/runs/a%2Fb%3Fc%23d%20e%25",
        );
        let path = Path::of(["healthz"])
            .query("a b", "c&d=e")
            .query_some("n", None::<u8>);
        check(
            "http://h/loop/",
            &path,
            "http://h/loop/healthz?a+b=c%26d%3De",
        );
        check("http://h/loop", &Path::of(["x"]), "http://h/loop/x");
        let base = Url::parse("http://h/loop/").unwrap();
        for part in ["", ".", ".."] {
            assert_eq!(Path::of(["api"]).then(part).below(&base), None);
        }
    }
}
