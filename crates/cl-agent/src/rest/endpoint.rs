//! Where a service listens and what it is asked.

use crate::kind::AgentKind;

/// What distinguishes one service from another.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) kind: AgentKind,
    /// Where it listens, unless somebody says otherwise.
    pub(super) base_url: &'static str,
    /// What stands between a bare host and `/chat/completions`.
    pub(super) prefix: &'static str,
    /// The model that is asked for, unless somebody says otherwise.
    pub(super) model: &'static str,
    pub(super) token_var: &'static str,
    /// Variables with another address, the first one wins.
    pub(super) url_vars: &'static [&'static str],
    pub(super) model_var: Option<&'static str>,
    pub(super) user_agent: &'static str,
    /// Whether it must be asked to tell what a streamed answer used.
    pub(super) wants_usage_option: bool,
}

static PERPLEXITY: Service = Service {
    kind: AgentKind::Perplexity,
    base_url: "https://api.perplexity.ai/chat/completions",
    prefix: "",
    model: "sonar-pro",
    token_var: "PERPLEXITY_API_KEY",
    url_vars: &[],
    model_var: None,
    user_agent: "conductor-loop/perplexity",
    wants_usage_option: false,
};

static XAI: Service = Service {
    kind: AgentKind::Xai,
    base_url: "https://api.x.ai",
    prefix: "/v1",
    model: "grok-4",
    token_var: "XAI_API_KEY",
    url_vars: &["XAI_API_ENDPOINT", "XAI_BASE_URL", "XAI_API_BASE"],
    model_var: Some("XAI_MODEL"),
    user_agent: "conductor-loop/xai",
    wants_usage_option: true,
};

impl Service {
    /// Finds the service that `name` stands for.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        [&PERPLEXITY, &XAI]
            .into_iter()
            .find(|service| service.kind.as_str() == name)
    }

    /// Completes a base address to that of the endpoint.
    ///
    /// A full endpoint stays as it is; a query stays behind the path.
    pub(super) fn endpoint(&self, base: &str) -> String {
        const PATH: &str = "/chat/completions";
        let (path, query) = match base.find('?') {
            Some(at) => base.split_at(at),
            None => (base, ""),
        };
        let path = path.trim_end_matches('/');
        if path.ends_with(PATH) {
            return format!("{path}{query}");
        }
        let prefix = if path.ends_with("/v1") {
            ""
        } else {
            self.prefix
        };
        format!("{path}{prefix}{PATH}{query}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(service: &Service, base: &str, expected: &str) {
        assert_eq!(service.endpoint(base), expected, "{base}");
    }

    #[test]
    fn addresses_are_completed() {
        let full = "https://h/x/chat/completions";
        for service in [&PERPLEXITY, &XAI] {
            check(service, full, full);
            check(service, "https://h/v1", "https://h/v1/chat/completions");
            check(service, "https://h/v1/", "https://h/v1/chat/completions");
        }
        check(&PERPLEXITY, "https://h", "https://h/chat/completions");
        check(&XAI, "https://h/", "https://h/v1/chat/completions");
        check(&XAI, "http://h:1?a=b", "http://h:1/v1/chat/completions?a=b");
        assert!(Service::named("claude").is_none());
    }

    #[test]
    fn defaults_are_whole_addresses() {
        check(&PERPLEXITY, PERPLEXITY.base_url, PERPLEXITY.base_url);
        check(&XAI, XAI.base_url, "https://api.x.ai/v1/chat/completions");
    }
}
