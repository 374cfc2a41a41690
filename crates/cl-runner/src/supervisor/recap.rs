//! What the next attempt is told about the one before it.

use std::fmt::Write as _;

use cl_bus::{Bus, Message};
use cl_storage::RunId;
use cl_storage::run_info::{RunInfo, RunStatus};

use super::Supervisor;
use crate::output;

/// How many messages are looked through for those that agents wrote.
const LOOKED_AT: usize = 200;

/// How many of them are told, and how much of each.
const TOLD: usize = 5;
const MESSAGE_CHARS: usize = 300;

/// How much of the last answer is told.
const ANSWER_LINES: usize = 20;
const ANSWER_CHARS: usize = 2000;

impl Supervisor {
    /// Returns what the attempt before this one left: how it ended, its last messages,
    /// the end of its answer. Bounded, and without secrets.
    pub(super) fn recap(&self) -> Option<String> {
        let run = self.task.run(self.previous_run.as_ref()?).ok()?;
        let info = RunInfo::read(&run).ok().flatten()?;
        let mut text = format!("The attempt before this one was run {}.\n", run.id());
        let ending = ending(&info);
        writeln!(text, "\nHow it ended: {ending}").unwrap_or_default();
        let messages = self.last_messages();
        if !messages.is_empty() {
            text.push_str("\nThe last messages on the task's bus:\n\n");
            for message in messages {
                let body = one_line(&message.body, MESSAGE_CHARS);
                writeln!(text, "    {}: {body}", message.kind).unwrap_or_default();
            }
        }
        let answer = output::tail(&run.output(), ANSWER_LINES);
        let answer = last_chars(answer.trim(), ANSWER_CHARS);
        if !answer.is_empty() {
            text.push_str("\nThe end of its answer:\n\n");
            for line in answer.lines() {
                writeln!(text, "    {line}").unwrap_or_default();
            }
        }
        Some(self.redactor.redact(&text).into_owned())
    }

    /// Tells whether an agent of this launch has posted anything of late.
    pub(super) fn has_posted(&self) -> bool {
        let since = self.state.begun_at.unwrap_or(jiff::Timestamp::MIN);
        let is_new = |message: &Message| message.timestamp >= since;
        let is_agents = |message: &Message| RunId::parse(&message.run_id).is_ok();
        (self.said_messages().iter()).any(|message| is_agents(message) && is_new(message))
    }

    fn said_messages(&self) -> Vec<Message> {
        let reading = Bus::new(self.task.bus()).tail(LOOKED_AT);
        reading
            .map(cl_bus::Reading::into_messages)
            .unwrap_or_default()
            .into_iter()
            .filter(is_said)
            .collect()
    }

    fn last_messages(&self) -> Vec<Message> {
        let mut messages = self.said_messages();
        messages.drain(..messages.len().saturating_sub(TOLD));
        messages
    }
}

/// Tells whether an agent or a person wrote the message, and not a supervisor.
fn is_said(message: &Message) -> bool {
    const OWN_WORDS: [&str; 5] = ["FACT", "PROGRESS", "DECISION", "QUESTION", "USER"];
    let is_agents = RunId::parse(&message.run_id).is_ok();
    let is_event = message.kind.starts_with("RUN_");
    OWN_WORDS.contains(&message.kind.as_str())
        || (is_agents && !is_event && matches!(message.kind.as_str(), "ERROR" | "INFO"))
}

fn ending(info: &RunInfo) -> String {
    if !info.rejected_by.is_empty() {
        return format!("it created DONE, which was refused by {}", info.rejected_by);
    }
    match (&info.failure, info.status) {
        (Some(failure), _) => failure.to_string(),
        (None, RunStatus::Completed) => "by itself, without creating DONE".to_owned(),
        (None, _) => "not known".to_owned(),
    }
}

/// Returns the start of a text on one line.
fn one_line(text: &str, most: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    if line.chars().count() <= most {
        return line;
    }
    let start: String = line.chars().take(most).collect();
    format!("{start} […]")
}

fn last_chars(text: &str, most: usize) -> String {
    let left_out = text.chars().count().saturating_sub(most);
    if left_out == 0 {
        return text.to_owned();
    }
    let end: String = text.chars().skip(left_out).collect();
    format!("[…] {end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_where_characters_end() {
        assert_eq!(one_line("a\n  b", 10), "a b");
        assert_eq!(one_line("ééé", 2), "éé […]");
        assert_eq!(last_chars("ééé", 2), "[…] éé");
        assert_eq!(last_chars("ab", 2), "ab");
    }
}
