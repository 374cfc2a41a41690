//! The format of a script, and how it is read.

use std::collections::BTreeMap;
use std::time::Duration;

use cl_storage::yaml;
use jiff::Timestamp;
use serde_json::Value;

use super::stage::{Background, Output, WriteMode};
use super::steps::read_step;
use crate::kind::Dialect;

/// A script, read and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    pub(super) dialect: Dialect,
    pub(super) model: Option<String>,
    pub(super) session: Option<String>,
    /// Never empty.
    pub(super) attempts: Vec<Vec<Step>>,
}

/// One thing that a script does.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Say(String),
    Sleep(Duration),
    Write {
        path: String,
        content: String,
        mode: WriteMode,
    },
    Run {
        command: String,
        env: BTreeMap<String, String>,
        background: Background,
        ignore_failure: bool,
    },
    Post {
        kind: String,
        body: String,
    },
    Spawn {
        prompt: String,
        task: Option<String>,
        args: Vec<String>,
    },
    Done,
    Output(String),
    Hang,
    IgnoreTerm,
    Flood {
        amount: Flood,
        to: Output,
    },
    Exit {
        code: i32,
        /// Whether the closing event is printed before.
        closing: bool,
    },
    Close,
    Signal(String),
    Event(Value),
    Print {
        text: String,
        to: Output,
    },
    Usage {
        input_tokens: u64,
        output_tokens: u64,
        cost_usd: Option<f64>,
    },
    Limit {
        resets: Option<Resets>,
    },
    /// Tells how much of a usage window is used, and goes on.
    LimitUse {
        used_percent: u8,
        resets: Option<Resets>,
    },
    Error {
        status: u16,
        message: Option<String>,
    },
    WaitFor {
        file: String,
        timeout: Duration,
    },
    ExpectPrompt(String),
}

/// How much a flood prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flood {
    Bytes(u64),
    Lines(u64),
}

/// When a usage window opens again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resets {
    /// At this number of seconds since 1970.
    At(i64),
    /// This long after the event.
    In(Duration),
}

impl Resets {
    /// Returns the seconds since 1970, for an event at `now`.
    pub(super) fn second(self, now: Timestamp) -> i64 {
        match self {
            Self::At(second) => second,
            Self::In(wait) => now.as_second().saturating_add_unsigned(wait.as_secs()),
        }
    }
}

/// Why a text is not a script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ScriptError {
    /// What is wrong, and where.
    pub message: String,
}

impl ScriptError {
    pub(super) fn new(place: &str, message: impl std::fmt::Display) -> Self {
        Self {
            message: if place.is_empty() {
                message.to_string()
            } else {
                format!("{place}: {message}")
            },
        }
    }
}

impl Script {
    /// Reads a script.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let value: Value = yaml::parse(text).map_err(|error| ScriptError::new("", error))?;
        let mut keys = Keys::new("", value)?;
        match keys.take("version") {
            Some(Value::Number(n)) if n.as_u64() == Some(1) => {}
            Some(other) => {
                return Err(ScriptError::new(
                    "version",
                    format!("{other} is not known to this build, which plays version 1"),
                ));
            }
            None => return Err(ScriptError::new("", "`version: 1` is missing")),
        }
        let dialect = match keys.text("dialect")?.as_deref() {
            None | Some("text") => Dialect::Text,
            Some(word) => {
                let spoken = Dialect::OF_PROGRAMS;
                let found = spoken.into_iter().find(|known| known.as_str() == word);
                found.ok_or_else(|| {
                    let known = spoken.map(Dialect::as_str).join(", ");
                    ScriptError::new("dialect", format!("`{word}` is none of {known}, text"))
                })?
            }
        };
        let model = keys.text("model")?;
        let session = keys.text("session")?;
        let attempts = match (keys.take("attempts"), keys.take("steps")) {
            (Some(attempts), None) => read_attempts(attempts)?,
            (None, Some(steps)) => vec![read_steps("steps", steps)?],
            _ => {
                return Err(ScriptError::new(
                    "",
                    "a script has either `steps` or `attempts`",
                ));
            }
        };
        keys.end(&[
            "version", "dialect", "model", "session", "attempts", "steps",
        ])?;
        Ok(Self {
            dialect,
            model,
            session,
            attempts,
        })
    }

    /// Returns the stream format in which the script is played.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Returns the steps of an attempt, counted from 1; the last one repeats.
    pub(super) fn attempt(&self, number: usize) -> &[Step] {
        let index = number.saturating_sub(1).min(self.attempts.len() - 1);
        &self.attempts[index]
    }
}

fn read_attempts(value: Value) -> Result<Vec<Vec<Step>>, ScriptError> {
    let Value::Array(attempts) = value else {
        return Err(ScriptError::new("attempts", "must be a list of attempts"));
    };
    if attempts.is_empty() {
        return Err(ScriptError::new("attempts", "must not be empty"));
    }
    attempts
        .into_iter()
        .zip(1..)
        .map(|(attempt, number)| read_steps(&format!("attempt {number}"), attempt))
        .collect()
}

fn read_steps(place: &str, value: Value) -> Result<Vec<Step>, ScriptError> {
    match value {
        Value::Array(steps) => steps
            .into_iter()
            .zip(1..)
            .map(|(step, number)| read_step(&format!("{place}, step {number}"), step))
            .collect(),
        Value::Null => Ok(Vec::new()),
        _ => Err(ScriptError::new(place, "must be a list of steps")),
    }
}

/// The keys of a mapping, taken one by one, so that unknown ones are left over.
pub(super) struct Keys<'a> {
    place: &'a str,
    values: serde_json::Map<String, Value>,
}

impl<'a> Keys<'a> {
    pub(super) fn new(place: &'a str, value: Value) -> Result<Self, ScriptError> {
        match value {
            Value::Object(values) => Ok(Self { place, values }),
            _ => Err(ScriptError::new(place, "must be a mapping")),
        }
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.values.remove(key).filter(|value| !value.is_null())
    }

    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, ScriptError> {
        self.take(key)
            .map(|value| scalar(&self.under(key), value))
            .transpose()
    }

    pub(super) fn needed_text(&mut self, key: &str) -> Result<String, ScriptError> {
        self.text(key)?
            .ok_or_else(|| ScriptError::new(self.place, format!("`{key}` is missing")))
    }

    pub(super) fn flag(&mut self, key: &str) -> Result<bool, ScriptError> {
        match self.take(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(ScriptError::new(&self.under(key), "must be true or false")),
        }
    }

    pub(super) fn under(&self, key: &str) -> String {
        if self.place.is_empty() {
            key.to_owned()
        } else {
            format!("{}, {key}", self.place)
        }
    }

    /// Returns the keys that nobody took, with their values.
    pub(super) fn into_entries(self) -> serde_json::Map<String, Value> {
        self.values
    }

    /// Complains about a key that nobody took.
    pub(super) fn end(self, known: &[&str]) -> Result<(), ScriptError> {
        match self.values.keys().next() {
            None => Ok(()),
            Some(key) => Err(ScriptError::new(
                self.place,
                format!("unknown key `{key}`; known are {}", known.join(", ")),
            )),
        }
    }
}

/// Reads a text; numbers and truth values are texts that were not quoted.
pub(super) fn scalar(place: &str, value: Value) -> Result<String, ScriptError> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        _ => Err(ScriptError::new(place, "must be a text")),
    }
}
