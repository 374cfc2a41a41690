//! What single programs and services say when a limit is reached, as data.
//!
//! [`super::classify`] knows the words that many use. Here stands what is said in one
//! place only, or means something else there than the common words suggest. Each entry
//! names where the fact comes from: a project's source or the reports of its users.
//! A saying is whole enough that no other error contains it, and counts before the
//! HTTP status and the common words. Where a reset is told, [`super::reset`] reads it.

use cl_storage::FailureKind::{self, LimitAdmin, LimitCredit, LimitWindow, Overloaded};

/// One way to say that a limit is reached.
#[derive(Debug)]
pub(super) struct Saying {
    /// What it means.
    pub(super) kind: FailureKind,
    /// The window that it is about, where the common words for windows do not tell.
    pub(super) window: Option<&'static str>,
    /// All of these stand in the text; lower case, with plain apostrophes.
    words: &'static [&'static str],
}

const fn says(kind: FailureKind, words: &'static [&'static str]) -> Saying {
    Saying {
        kind,
        window: None,
        words,
    }
}

const fn closes(window: &'static str, words: &'static [&'static str]) -> Saying {
    Saying {
        kind: LimitWindow,
        window: Some(window),
        words,
    }
}

/// The first one whose words are all there counts.
const SAYINGS: &[Saying] = &[
    // OpenCode, `packages/opencode/src/session/retry.ts` and anomalyco/opencode#13005,
    // #50093: what its free models answer when they are used up for the day.
    says(LimitWindow, &["free usage exceeded"]),
    // anomalyco/opencode#40747: the answer of its subscription service.
    says(LimitWindow, &["go usage limit exceeded"]),
    // `retry.ts`, without the name of the window: it is spent for hours, not money.
    says(LimitWindow, &["subscription quota exceeded"]),
    // Pi, `openai-codex-responses`: "You have hit your ChatGPT usage limit (plus plan).
    // Try again in ~47 min."; earendil-works/pi#4172.
    says(LimitWindow, &["hit your chatgpt usage limit"]),
    // Qwen Code, `packages/core/src/utils/retry.ts`: no time brings that back.
    says(LimitAdmin, &["qwen oauth free tier has been discontinued"]),
    says(LimitAdmin, &["qwen oauth free tier was discontinued"]),
    // QwenLM/qwen-code#3296, #3281, before that: a number of requests each day.
    closes("day", &["qwen oauth free tier quota exceeded"]),
    // QwenLM/qwen-code#1742. The service says it of a spent quota and of too many
    // requests in a minute alike, so it is waited out and asked again.
    says(LimitWindow, &["free allocated quota exceeded"]),
    // The plan for coding of Alibaba's Model Studio, on its page of questions: the
    // windows are five hours, a week and a month; the last one is about requests at once.
    closes("five_hour", &["hour allocated quota exceeded"]),
    closes("seven_day", &["week allocated quota exceeded"]),
    closes("month", &["month allocated quota exceeded"]),
    says(Overloaded, &["concurrency allocated quota exceeded"]),
    // Model Studio, code `AllocationQuota.FreeTierOnly`: used up for good.
    says(LimitCredit, &["free quota has been exhausted"]),
    says(LimitCredit, &["free tier of the model has been exhausted"]),
    // Copilot CLI, errors of type `quota`: github/copilot-cli#3431, earendil-works/pi#3643.
    says(LimitCredit, &["you have no quota"]),
    says(LimitCredit, &["included ai credits"]),
    says(LimitCredit, &["exceeded your premium request allowance"]),
    says(LimitCredit, &["no remaining quota for premium requests"]),
    says(LimitCredit, &["quota is insufficient to finish"]),
    // Gemini CLI: google-gemini/gemini-cli#4300, #11461.
    closes("day", &["reached your daily ", " quota limit"]),
    // Codex, `codex-rs/protocol/src/error.rs`: a cap that the owner of the workspace set.
    says(LimitAdmin, &["hit your spend cap"]),
    // Grok: "You've hit your spending cap."
    says(LimitAdmin, &["hit your spending cap"]),
    // Grok, "You have run out of credits or need a Grok subscription." with status 403.
    says(LimitCredit, &["run out of credits"]),
];

/// Words in the place of an error's code or type, and what they mean whatever the status is.
const CODES: &[(FailureKind, &[&str])] = &[
    (
        LimitWindow,
        &[
            // OpenCode's own services, `retry.ts`; seen with the statuses 400 to 429.
            "freeusagelimiterror",
            "gousagelimiterror",
            // Codex and its service; Pi passes them on (earendil-works/pi#4172).
            "usage_limit_reached",
            "usage_limit_exceeded",
            // Copilot's service (github/copilot-cli#2740, microsoft/vscode#311205); a plan
            // may follow behind a colon.
            "user_weekly_rate_limited",
            "user_global_rate_limited",
            "user_model_rate_limited",
            "integration_rate_limited",
            "rate_limited",
        ],
    ),
    (
        LimitCredit,
        &[
            // Copilot: the requests of the month (github/copilot-cli#3431).
            "quota_exceeded",
            // Codex, members of a workspace.
            "workspace_member_credits_depleted",
            // Model Studio's table of errors.
            "allocationquota.freetieronly",
            "arrearage",
            "prepaidbilloverdue",
            "postpaidbilloverdue",
            "commoditynotpurchased",
        ],
    ),
    (
        LimitAdmin,
        &[
            // Codex: the plan does not have it; the owner's own limit.
            "usage_not_included",
            "workspace_owner_usage_limit_reached",
        ],
    ),
];

/// Returns the saying that `text` contains.
pub(super) fn saying_in(text: &str) -> Option<&'static Saying> {
    let text = text.to_lowercase().replace('\u{2019}', "'");
    SAYINGS
        .iter()
        .find(|saying| saying.words.iter().all(|words| text.contains(words)))
}

/// Returns what an error's code means, if that is certain.
pub(super) fn kind_of_code(code: &str) -> Option<FailureKind> {
    let code = code.trim().to_lowercase();
    let code = code.split_once(':').map_or(code.as_str(), |(code, _)| code);
    CODES
        .iter()
        .find(|(_, codes)| codes.contains(&code))
        .map(|(kind, _)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sayings_are_written_so_that_they_can_match() {
        for saying in SAYINGS {
            let text = saying.words.concat();
            assert_eq!(text, text.to_lowercase(), "{saying:?}");
            assert!(!text.contains('\u{2019}'), "{saying:?}");
            assert!(text.len() >= 15, "too short to be told apart: {saying:?}");
            assert_eq!(
                saying_in(&text).map(|found| found.kind),
                Some(saying.kind),
                "{saying:?}"
            );
        }
        for (_, codes) in CODES {
            for code in *codes {
                assert_eq!(*code, code.to_lowercase());
            }
        }
    }

    #[test]
    fn codes_are_whole_words_with_or_without_a_plan() {
        assert_eq!(kind_of_code("GoUsageLimitError"), Some(LimitWindow));
        assert_eq!(
            kind_of_code("user_global_rate_limited:pro"),
            Some(LimitWindow)
        );
        assert_eq!(kind_of_code("quota_exceeded"), Some(LimitCredit));
        for code in ["", "rate_limited_not", "the rate_limited", "server_error"] {
            assert_eq!(kind_of_code(code), None, "{code}");
        }
    }

    #[test]
    fn typographic_apostrophes_are_apostrophes() {
        let found = saying_in("You\u{2019}ve hit your spending cap.").unwrap();
        assert_eq!(found.kind, LimitAdmin);
    }
}
