//! What follows a failure, by its kind.

use std::collections::BTreeMap;
use std::time::Duration;

pub use cl_config::RetryAction;
use cl_storage::FailureKind;

use super::policy::optional_millis;

/// How often a failing model service is asked again.
const SERVICE_ATTEMPTS: u32 = 8;

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The longest pause after a failure of the model service.
const LONGEST_SERVICE_PAUSE: Duration = Duration::from_mins(5);

/// What follows one kind of failure, as far as it is not the usual.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct RetryOverride {
    /// What is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<RetryAction>,
    /// How many attempts in a row may fail like this; 0 is no limit of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// The pause after the first.
    #[serde(
        rename = "backoff_ms",
        with = "optional_millis",
        skip_serializing_if = "Option::is_none"
    )]
    pub backoff: Option<Duration>,
    /// The longest pause, which it doubles up to.
    #[serde(
        rename = "max_backoff_ms",
        with = "optional_millis",
        skip_serializing_if = "Option::is_none"
    )]
    pub max_backoff: Option<Duration>,
}

/// What follows one kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryRule {
    /// What is done.
    pub action: RetryAction,
    /// How many attempts in a row may fail like this; none is no limit of its own.
    pub attempts: Option<u32>,
    /// The pause after the first; none is the restart delay.
    pub backoff: Option<Duration>,
    /// The longest pause.
    pub max_backoff: Duration,
    /// Whether every failure in a row doubles the pause, or the fast ones only.
    pub doubles_always: bool,
}

/// What follows each kind of failure, where it is not the usual.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct RetryTable {
    /// By the word for the kind.
    pub overrides: BTreeMap<String, RetryOverride>,
}

impl RetryTable {
    /// Returns what follows a failure of `kind`.
    pub fn rule(&self, kind: FailureKind) -> RetryRule {
        let usual = usual(kind);
        let Some(given) = self.overrides.get(kind.as_str()) else {
            return usual;
        };
        RetryRule {
            action: given.action.unwrap_or(usual.action),
            attempts: match given.attempts {
                Some(0) => None,
                Some(attempts) => Some(attempts),
                None => usual.attempts,
            },
            backoff: given.backoff.or(usual.backoff),
            max_backoff: given.max_backoff.unwrap_or(usual.max_backoff),
            doubles_always: usual.doubles_always || given.backoff.is_some(),
        }
    }
}

/// The table of kinds.
fn usual(kind: FailureKind) -> RetryRule {
    let retry = RetryRule {
        action: RetryAction::Retry,
        attempts: None,
        backoff: None,
        max_backoff: LONGEST_PAUSE,
        doubles_always: false,
    };
    match kind {
        FailureKind::LimitWindow => RetryRule {
            action: RetryAction::Wait,
            ..retry
        },
        FailureKind::Overloaded | FailureKind::ApiTransient => RetryRule {
            attempts: Some(SERVICE_ATTEMPTS),
            max_backoff: LONGEST_SERVICE_PAUSE,
            doubles_always: true,
            ..retry
        },
        FailureKind::Auth
        | FailureKind::LimitCredit
        | FailureKind::LimitAdmin
        | FailureKind::PermissionBlocked
        | FailureKind::InputRequired
        | FailureKind::SpawnFailed
        | FailureKind::Cancelled => RetryRule {
            action: RetryAction::Stop,
            ..retry
        },
        _ => retry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_configuration_changes_what_it_names_only() {
        let overrides = BTreeMap::from([
            (
                "api_transient".to_owned(),
                RetryOverride {
                    attempts: Some(0),
                    ..RetryOverride::default()
                },
            ),
            (
                "auth".to_owned(),
                RetryOverride {
                    action: Some(RetryAction::Switch),
                    backoff: Some(Duration::from_secs(7)),
                    ..RetryOverride::default()
                },
            ),
        ]);
        let table = RetryTable { overrides };
        let service = table.rule(FailureKind::ApiTransient);
        assert_eq!(
            (service.attempts, service.action),
            (None, RetryAction::Retry)
        );
        assert_eq!(service.max_backoff, LONGEST_SERVICE_PAUSE);
        let auth = table.rule(FailureKind::Auth);
        assert_eq!(auth.action, RetryAction::Switch);
        assert_eq!(auth.backoff, Some(Duration::from_secs(7)));
        assert_eq!(table.rule(FailureKind::Overloaded).attempts, Some(8));
        assert_eq!(
            table.rule(FailureKind::LimitWindow).action,
            RetryAction::Wait
        );
        let text = serde_json::to_string(&table).unwrap();
        assert_eq!(serde_json::from_str::<RetryTable>(&text).unwrap(), table);
    }
}
