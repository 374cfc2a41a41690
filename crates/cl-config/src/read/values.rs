//! Single values: from what stands in the file to what the settings hold.

use std::path::PathBuf;
use std::time::Duration;

use cl_storage::budget::Usd;
use cl_storage::redact::MASK;
use cl_storage::yaml::write_scalar;
use secrecy::SecretString;

use crate::agent::JsonPath;
use crate::duration::parse_duration;
use crate::error::Place;
use crate::schema::{self, Kind};
use crate::secret::is_secret_name;
use crate::tree::{Key, Node, Value};

use super::section::{Entry, Section};
use super::{Reader, address};

impl<'d> Reader<'d> {
    /// Reads a text; blank counts as absent.
    pub(super) fn text(&mut self, section: &Section<'d>, key: &str) -> Option<String> {
        let entry = section.get(key)?;
        let dotted = section.dotted(key);
        let text = self.scalar(entry, &dotted)?.trim();
        self.note(dotted, shown(text), entry.key.at);
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Reads a text that is never shown; blank counts as absent.
    pub(super) fn secret(&mut self, section: &Section<'d>, key: &str) -> Option<SecretString> {
        let entry = section.get(key)?;
        let dotted = section.dotted(key);
        let text = self.scalar(entry, &dotted)?.trim();
        self.note(dotted, MASK.to_owned(), entry.key.at);
        self.hide(text);
        (!text.is_empty()).then(|| SecretString::from(text.to_owned()))
    }

    /// Reads a path and makes it absolute; blank counts as absent.
    pub(super) fn path(&mut self, section: &Section<'d>, key: &str) -> Option<PathBuf> {
        let entry = section.get(key)?;
        let dotted = section.dotted(key);
        let text = self.scalar(entry, &dotted)?.trim();
        let path = self.resolve_or_report(text, entry.node, &dotted)?;
        self.note(dotted, shown(&path.to_string_lossy()), entry.key.at);
        Some(path)
    }

    pub(super) fn resolve_or_report(
        &mut self,
        text: &str,
        node: &Node,
        dotted: &str,
    ) -> Option<PathBuf> {
        if text.is_empty() {
            return None;
        }
        self.resolve(text)
            .map_err(|reason| self.problem(node.at, dotted, format!("{dotted}: {reason}")))
            .ok()
    }

    /// Reads the address of a server, which is put on command lines; blank counts as absent.
    pub(super) fn url(&mut self, section: &Section<'d>, key: &str) -> Option<String> {
        let text = self.text(section, key)?;
        let entry = section.get(key)?;
        let dotted = section.dotted(key);
        if address::holds_secret(&text) {
            self.note(dotted.clone(), MASK.to_owned(), entry.key.at);
            self.hide(&text);
            let message = format!(
                "{dotted} must hold no user, password or key, for others can see it on command lines; use token or token_file"
            );
            self.problem(entry.node.at, dotted, message);
        } else if !address::is_http_url(&text) {
            let message =
                format!("{dotted} \"{text}\" is not an http or https URL; write https://host/path");
            self.problem(entry.node.at, dotted, message);
        }
        Some(text)
    }

    /// Reads an address of which only the host is ever shown; blank counts as absent.
    pub(super) fn secret_url(&mut self, section: &Section<'d>, key: &str) -> Option<SecretString> {
        let text = self.text(section, key)?;
        let entry = section.get(key)?;
        let dotted = section.dotted(key);
        let shown = address::without_paths(&text);
        self.note(dotted.clone(), shown, entry.key.at);
        self.hide(&text);
        if !address::is_http_url(&text) {
            let message = format!("{dotted} is not an http or https URL; write https://host/path");
            self.problem(entry.node.at, dotted, message);
        }
        Some(SecretString::from(text))
    }

    /// Reads a command, of whose addresses only the hosts are ever shown; blank counts as absent.
    pub(super) fn shell_command(&mut self, section: &Section<'d>, key: &str) -> Option<String> {
        let text = self.text(section, key)?;
        let shown = shown(&address::without_paths(&text));
        self.note(section.dotted(key), shown, section.get(key)?.key.at);
        Some(text)
    }

    /// Reads `true` or `false`.
    pub(super) fn truth(&mut self, section: &Section<'d>, key: &str) -> Option<bool> {
        let entry = section.get(key)?;
        let dotted = section.dotted(key);
        if let Value::Truth(value) = entry.node.value {
            self.note(dotted, value.to_string(), entry.key.at);
            Some(value)
        } else {
            self.wrong_kind(entry.node, entry.kind, &dotted);
            None
        }
    }

    /// Reads an amount of money above zero.
    pub(super) fn money(&mut self, section: &Section<'d>, key: &str) -> Option<Usd> {
        let entry = section.get(key)?;
        let dotted = section.dotted(key);
        let text = self.scalar(entry, &dotted)?.trim();
        let amount = Usd::parse(text).filter(|amount| !amount.is_zero());
        if let Some(amount) = amount {
            self.note(dotted, amount.dollars().to_string(), entry.key.at);
        } else {
            self.wrong_kind(entry.node, entry.kind, &dotted);
        }
        amount
    }

    /// Reads a whole number within the limits that the table names.
    pub(super) fn number(&mut self, section: &Section<'d>, key: &str) -> Option<u64> {
        let entry = section.get(key)?;
        let dotted = section.dotted(key);
        let Kind::Number { min, max } = entry.kind else {
            panic!("\"{key}\" is read as a number but is none in the table of keys")
        };
        let number = self.whole_number(entry.node, entry.kind, &dotted)?;
        self.note(dotted.clone(), number.to_string(), entry.key.at);
        match u64::try_from(number).ok() {
            Some(fits) if (min..=max).contains(&fits) => Some(fits),
            _ => {
                let message = match (number < 0, min, max) {
                    (_, _, 65535) => {
                        format!("{dotted} must be between {min} and {max}, got {number}")
                    }
                    (true, 0, _) => format!("{dotted} must not be negative, got {number}"),
                    (_, 1, _) if number < 1 => {
                        format!("{dotted} must be at least 1, got {number}")
                    }
                    _ => format!("{dotted} must be at most {max}, got {number}"),
                };
                self.problem(entry.node.at, dotted, message);
                None
            }
        }
    }

    /// Reads a count that fits 32 bits, as the table's limits make sure.
    pub(super) fn count(&mut self, section: &Section<'d>, key: &str) -> Option<u32> {
        self.number(section, key)
            .and_then(|number| u32::try_from(number).ok())
    }

    pub(super) fn whole_number(&mut self, node: &Node, kind: Kind, dotted: &str) -> Option<i128> {
        if let Value::Number(number) = node.value {
            Some(number)
        } else {
            self.wrong_kind(node, kind, dotted);
            None
        }
    }

    /// Reads a duration: whole seconds or a text with units.
    pub(super) fn duration(&mut self, section: &Section<'d>, key: &str) -> Option<Duration> {
        let entry = section.get(key)?;
        let dotted = section.dotted(key);
        let text = self.scalar(entry, &dotted)?;
        self.note(dotted.clone(), shown(text), entry.key.at);
        parse_duration(text)
            .map_err(|error| self.problem(entry.node.at, &dotted, format!("{dotted} {error}")))
            .ok()
    }

    /// Reads one of the words that the table names.
    pub(super) fn choice(&mut self, section: &Section<'d>, key: &str) -> Option<&'static str> {
        let entry = section.get(key)?;
        let Kind::Choice(words) = entry.kind else {
            panic!("\"{key}\" is read as a choice but is none in the table of keys")
        };
        let dotted = section.dotted(key);
        let text = self.scalar(entry, &dotted)?.trim();
        let word = self.word(text, words, entry.node, &dotted)?;
        self.note(dotted, word.to_owned(), entry.key.at);
        Some(word)
    }

    pub(super) fn word(
        &mut self,
        text: &str,
        words: &'static [&'static str],
        node: &Node,
        dotted: &str,
    ) -> Option<&'static str> {
        if text.is_empty() {
            return None;
        }
        let found = words.iter().find(|word| word.eq_ignore_ascii_case(text));
        if found.is_none() {
            let near = schema::nearest(text, words.iter().copied());
            let hint = near.map(|near| format!("did you mean \"{near}\"?"));
            let words = words.join(", ");
            let message = format!("{dotted} \"{text}\" is not valid; valid values: {words}");
            self.problem_with_hint(node.at, dotted, message, hint);
        }
        found.copied()
    }

    /// Reads a dotted path into a JSON value.
    pub(super) fn json_path(&mut self, section: &Section<'d>, key: &str) -> Option<JsonPath> {
        let text = self.text(section, key)?;
        let path = JsonPath::parse(&text);
        if path.is_none() {
            let entry = section.get(key)?;
            let dotted = section.dotted(key);
            let message =
                format!("{dotted} \"{text}\" is not a dotted path; write for example result.text");
            self.problem(entry.node.at, dotted, message);
        }
        path
    }

    /// Returns a scalar as text, as it is written; reports anything else.
    pub(super) fn scalar(&mut self, entry: Entry<'d>, dotted: &str) -> Option<&'d str> {
        let text = self.document.scalar(entry.node);
        if text.is_none() {
            self.wrong_kind(entry.node, entry.kind, dotted);
        }
        text
    }

    pub(super) fn wrong_kind(&mut self, node: &Node, kind: Kind, dotted: &str) {
        let found = self.found(node);
        let message = format!("{dotted} must be {}, found {found}", kind.describe());
        self.problem(node.at, dotted, message);
    }

    /// Returns what stands at `node`, as messages call it: itself if it is short.
    pub(super) fn found(&self, node: &Node) -> String {
        match (&node.value, self.document.scalar(node)) {
            (Value::Text(_), Some(text)) if text.chars().count() <= 40 => format!("\"{text}\""),
            (_, Some(text)) if text.chars().count() <= 40 => text.to_owned(),
            (value, _) => value.describe().to_owned(),
        }
    }

    /// Keeps `secret` from being shown when a line of the file is quoted.
    pub(super) fn hide(&mut self, secret: &str) {
        self.secrets.extend(
            secret
                .lines()
                .map(|line| SecretString::from(line.to_owned())),
        );
    }

    /// Cuts the last problem's quoted line behind the unknown `key`: its value may be a secret.
    ///
    /// If the key looks like that of a secret, the value is kept out of all other lines too.
    pub(super) fn hide_value_of(&mut self, key: &Key, node: &'d Node) {
        let secret_keys = ["token", "api_key", "secret"];
        let is_near = schema::nearest(&key.name, secret_keys).is_some();
        let is_broken = key.name.contains(char::is_whitespace);
        if (is_near || is_broken || is_secret_name(&key.name))
            && let Some(value) = self.document.scalar(node)
        {
            self.hide(value);
        }
        let end = key.at.column().saturating_sub(1) + key.at.span().len();
        let end = usize::try_from(end).unwrap_or(usize::MAX);
        if let Some(Place::File { source_line, .. }) =
            self.problems.last_mut().map(|problem| &mut problem.place)
        {
            let kept: String = source_line.chars().take(end).collect();
            if kept.len() < source_line.trim_end().len() {
                *source_line = format!("{kept}: ...");
            }
        }
    }
}

/// Returns `text` as it is listed: quoted only where it could be misread.
pub(super) fn shown(text: &str) -> String {
    let is_plain = !text.is_empty()
        && text.trim() == text
        && !text.contains(|c: char| c.is_control() || ",[]{}\"'#".contains(c));
    if is_plain {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// Returns `texts` as they are listed, on one line.
pub(super) fn shown_list(texts: impl IntoIterator<Item: AsRef<str>>) -> String {
    let items: Vec<_> = texts.into_iter().map(|text| shown(text.as_ref())).collect();
    format!("[{}]", items.join(", "))
}

/// Returns `text` as it would be written in YAML on one line.
pub(super) fn quoted(text: &str) -> String {
    let mut shown = String::new();
    write_scalar(&mut shown, text);
    shown
}
