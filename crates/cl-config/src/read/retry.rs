//! Reading `defaults.retry`: what follows which kind of failure.

use std::collections::BTreeMap;

use crate::error::first_word;
use crate::model::{Retry, RetryAction};
use crate::schema::{self, Kind, RETRY_KINDS};
use crate::tree::Value;

use super::Reader;
use super::section::Section;

/// Reads the lines that are given; a kind that there is not is reported.
pub(super) fn read<'d>(reader: &mut Reader<'d>, defaults: &Section<'d>) -> BTreeMap<String, Retry> {
    let mut table = BTreeMap::new();
    let Some(entry) = defaults.get("retry") else {
        return table;
    };
    let dotted = defaults.dotted("retry");
    let Kind::Entries(fields) = entry.kind else {
        panic!("\"retry\" holds no entries in the table of keys")
    };
    let Value::Map(entries) = &entry.node.value else {
        reader.wrong_kind(entry.node, entry.kind, &dotted);
        return table;
    };
    for (key, node) in entries {
        if !RETRY_KINDS.contains(&key.name.as_str()) {
            let name = first_word(&key.name);
            let hint = match schema::nearest(&name, RETRY_KINDS) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("kinds of failure: {}", RETRY_KINDS.join(", ")),
            };
            let message = format!("{dotted} \"{name}\" is not a kind of failure");
            reader.problem_with_hint(key.at, dotted.clone(), message, Some(hint));
            continue;
        }
        let rule = Section::open(reader, &format!("{dotted}.{}", key.name), node, fields);
        let action = reader.choice(&rule, "action").map(|word| match word {
            "wait" => RetryAction::Wait,
            "switch" => RetryAction::Switch,
            "stop" => RetryAction::Stop,
            _ => RetryAction::Retry,
        });
        let retry = Retry {
            action,
            attempts: reader.count(&rule, "attempts"),
            backoff: reader.duration(&rule, "backoff"),
            max_backoff: reader.duration(&rule, "max_backoff"),
        };
        if action == Some(RetryAction::Wait) && key.name != "limit_window" {
            let at = rule.get("action").map_or(key.at, |entry| entry.node.at);
            let message = format!(
                "{dotted}.{}.action: only limit_window can be waited for",
                key.name
            );
            reader.problem(at, format!("{dotted}.{}", key.name), message);
        }
        table.insert(key.name.clone(), retry);
    }
    table
}
