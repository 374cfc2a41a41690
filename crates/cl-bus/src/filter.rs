//! Picks messages by what they are.

use jiff::Timestamp;

use crate::message::Message;

/// What a message must be like; the default lets everything through.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// One of these types, in any case; any type if empty.
    pub kinds: Vec<String>,
    /// Posted later than this.
    pub later_than: Option<Timestamp>,
    /// Holds this text in its body, in any case of ASCII letters.
    pub text: Option<String>,
    /// Belongs to this run.
    pub run_id: Option<String>,
    /// Belongs to this issue, or is the message that opened it.
    pub issue_id: Option<String>,
}

impl Filter {
    /// Tells whether `message` passes.
    pub fn admits(&self, message: &Message) -> bool {
        let is_kind = |kind: &String| kind.eq_ignore_ascii_case(&message.kind);
        (self.kinds.is_empty() || self.kinds.iter().any(is_kind))
            && self.later_than.is_none_or(|time| message.timestamp > time)
            && self
                .run_id
                .as_ref()
                .is_none_or(|run| *run == message.run_id)
            && self
                .issue_id
                .as_ref()
                .is_none_or(|issue| *issue == message.issue_id || *issue == *message.id.as_str())
            && self
                .text
                .as_ref()
                .is_none_or(|text| contains(&message.body, text))
    }
}

/// Tells whether `text` holds `part`, whatever the case of its ASCII letters.
fn contains(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    part.is_empty()
        || text
            .windows(part.len())
            .any(|window| window.eq_ignore_ascii_case(part))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cl_storage::MessageId;

    use super::*;

    fn message(kind: &str, time: &str, run: &str, body: &str) -> Message {
        Message {
            id: MessageId::parse("MSG-1").unwrap(),
            timestamp: time.parse().unwrap(),
            kind: kind.into(),
            project_id: "p".into(),
            task_id: String::new(),
            run_id: run.into(),
            issue_id: String::new(),
            parents: Vec::new(),
            links: Vec::new(),
            meta: BTreeMap::new(),
            body: body.into(),
            truncated: false,
            edited: false,
            lossy: false,
            raw_body: None,
        }
    }

    #[track_caller]
    fn check_filter(filter: &Filter, expected: [bool; 2]) {
        let fact = message("FACT", "2026-02-01T10:00:00Z", "r1", "One two");
        let info = message("INFO", "2026-02-01T11:00:00Z", "r2", "three");
        assert_eq!(
            [filter.admits(&fact), filter.admits(&info)],
            expected,
            "{filter:?}"
        );
    }

    #[test]
    fn every_condition_counts() {
        let none = Filter::default;
        check_filter(&none(), [true, true]);
        check_filter(
            &Filter {
                kinds: vec!["fact".into(), "x".into()],
                ..none()
            },
            [true, false],
        );
        let ten = "2026-02-01T10:00:00Z".parse().ok();
        check_filter(
            &Filter {
                later_than: ten,
                ..none()
            },
            [false, true],
        );
        check_filter(
            &Filter {
                text: Some("ONE T".into()),
                ..none()
            },
            [true, false],
        );
        check_filter(
            &Filter {
                text: Some(String::new()),
                ..none()
            },
            [true, true],
        );
        check_filter(
            &Filter {
                run_id: Some("r2".into()),
                ..none()
            },
            [false, true],
        );
        check_filter(
            &Filter {
                issue_id: Some("I".into()),
                ..none()
            },
            [false, false],
        );
    }
}
