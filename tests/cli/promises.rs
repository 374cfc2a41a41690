//! Which schema the output of a command line must keep.

use serde_json::Value;

use crate::schema::{assert_valid, folder};

/// Holds the document that the words of `line` printed against its command's schema.
///
/// Does nothing where a command prints several documents, or has no schema.
#[track_caller]
pub(crate) fn check_output(line: &str, stdout: &[u8]) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let Some(command) = command_of(&words).filter(|_| words.contains(&"--json")) else {
        return;
    };
    if let Ok(document) = serde_json::from_slice::<Value>(stdout) {
        assert_valid(&command, &document);
    }
}

/// Returns the name of the schema of what `words` print.
fn command_of(words: &[&str]) -> Option<String> {
    if words.iter().any(|word| OTHER_SHAPES.contains(word)) {
        return None;
    }
    // The bare word of one task.
    let is_word = |pair: &[&str]| pair[0] == "--status" && pair[1].starts_with('-');
    if words.last() == Some(&"--status") || words.windows(2).any(is_word) {
        return None;
    }
    let has = |flag| words.contains(&flag);
    if has("--activity") {
        return Some("status-activity".to_owned());
    }
    if words.first() == Some(&"serve") && has("--print-config") {
        return Some("serve-print-config".to_owned());
    }
    let is_plain = |word: &&&str| !word.starts_with('-') && !word.contains(['/', '=']);
    let plain: Vec<&str> = words.iter().take_while(is_plain).copied().collect();
    if plain.first() == Some(&"list") {
        return Some(match (has("--project"), has("--task")) {
            (_, true) => "list-runs".to_owned(),
            (true, false) if has("--blocked") => "list-blocked".to_owned(),
            (true, false) => "list-tasks".to_owned(),
            (false, false) => "list-projects".to_owned(),
        });
    }
    if plain.first() == Some(&"doctor") && plain.len() > 1 {
        let is_part = |part: &&&str| ["storage", "agents", "processes"].contains(*part);
        // Any other word is an agent's name.
        let part = plain.get(1).filter(is_part).unwrap_or(&"agents");
        return Some(format!("doctor-{part}"));
    }
    if plain.starts_with(&["task", "resume"]) && has("--no-start") {
        return Some("task-resume-no-start".to_owned());
    }
    (1..=plain.len().min(2))
        .rev()
        .map(|count| plain[..count].join("-"))
        .find(|name| folder().join(format!("{name}.json")).is_file())
}

/// What makes a command print something of another shape.
const OTHER_SHAPES: &[&str] = &["--follow", "-f", "--all", "--thread", "--explain-scope"];
