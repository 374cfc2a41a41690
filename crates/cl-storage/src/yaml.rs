//! The one door to YAML.
//!
//! Reading goes through `serde-saphyr`, which keeps positions (decision 0001).
//! Files with a fixed key order that other programs read (run records, bus
//! headers) are written with [`Mapping`]; our own files with [`to_text`].

mod strict;

use std::fmt::Write as _;

use serde_saphyr::budget::BudgetBreach;
pub use serde_saphyr::{Location, Spanned};

/// Why a text is not the YAML that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", position(*line, *column))]
pub struct YamlError {
    /// What is wrong, without position.
    pub message: String,
    /// Line, from 1; 0 if unknown.
    pub line: u64,
    /// Column, from 1; 0 if unknown.
    pub column: u64,
}

fn position(line: u64, column: u64) -> String {
    if line == 0 {
        String::new()
    } else {
        format!("line {line}, column {column}: ")
    }
}

impl From<serde_saphyr::Error> for YamlError {
    fn from(error: serde_saphyr::Error) -> Self {
        let (line, column) = error
            .location()
            .map_or((0, 0), |at| (at.line(), at.column()));
        let error = error.without_snippet();
        let text = match error {
            serde_saphyr::Error::Budget { breach, .. } => too_much(breach),
            other => other.to_string(),
        };
        let message = text.lines().next().unwrap_or("not valid YAML");
        // The library repeats the position in its text; ours stands in front.
        let message = message
            .split(" at line ")
            .next()
            .unwrap_or(message)
            .to_owned();
        Self {
            message,
            line,
            column,
        }
    }
}

/// Tells in words which limit of the library a document exceeds.
fn too_much(breach: &BudgetBreach) -> String {
    match breach {
        BudgetBreach::Depth { depth } => format!("nested {depth} levels deep, which is too deep"),
        BudgetBreach::Nodes { nodes: found } | BudgetBreach::Events { events: found } => {
            format!("too large: {found} values and more")
        }
        BudgetBreach::Aliases { .. }
        | BudgetBreach::Anchors { .. }
        | BudgetBreach::AliasAnchorRatio { .. }
        | BudgetBreach::RecordedAnchorEvents { .. }
        | BudgetBreach::RecordedAnchorBytes { .. } => "too many anchors and aliases".to_owned(),
        BudgetBreach::Documents { .. } => "too many documents in one file".to_owned(),
        BudgetBreach::MergeKeys { .. } => "too many merge keys".to_owned(),
        BudgetBreach::SequenceUnbalanced => "brackets do not match".to_owned(),
        _ => "too large or too complex".to_owned(),
    }
}

/// Reads one YAML document.
pub fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, YamlError> {
    serde_saphyr::from_str(text.trim_start_matches('\u{feff}')).map_err(YamlError::from)
}

/// Reads one YAML document of ours; the plain shape in which we write is read fast.
///
/// Value and error are those of [`parse`].
pub fn parse_record<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, YamlError> {
    strict::parse(text).map_or_else(|| parse(text), Ok)
}

/// Writes `value` as a YAML document, four-space indent, nothing folded.
pub fn to_text<T: serde::Serialize>(value: &T) -> Result<String, YamlError> {
    let options = serde_saphyr::ser_options! {
        indent_step: 4,
        prefer_block_scalars: false,
        yaml_12: false,
    };
    serde_saphyr::to_string_with_options(value, options).map_err(|e| YamlError {
        message: e.to_string(),
        line: 0,
        column: 0,
    })
}

/// Builds a block mapping key by key, in the order of the calls.
#[derive(Debug, Default)]
pub struct Mapping {
    text: String,
    indent: usize,
}

impl Mapping {
    /// Starts an empty mapping.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text, quoted where a reader would take it for something else.
    pub fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.key(key);
        self.text.push(' ');
        write_scalar(&mut self.text, value);
        self.text.push('\n');
        self
    }

    /// Adds a text unless it is empty.
    pub fn text_unless_empty(&mut self, key: &str, value: &str) -> &mut Self {
        if value.is_empty() {
            self
        } else {
            self.text(key, value)
        }
    }

    /// Adds a number, time or word that needs no quotes.
    pub fn plain(&mut self, key: &str, value: impl std::fmt::Display) -> &mut Self {
        self.key(key);
        // Writing to a String cannot fail.
        writeln!(self.text, " {value}").unwrap_or_default();
        self
    }

    /// Adds a list of texts; nothing if it is empty.
    pub fn list<'a>(&mut self, key: &str, values: impl IntoIterator<Item = &'a str>) -> &mut Self {
        let mut values = values.into_iter().peekable();
        if values.peek().is_some() {
            self.key(key);
            self.text.push('\n');
            for value in values {
                self.push_indent(self.indent + 4);
                self.text.push_str("- ");
                write_scalar(&mut self.text, value);
                self.text.push('\n');
            }
        }
        self
    }

    /// Adds a nested mapping; nothing if `fill` adds no key.
    pub fn mapping(&mut self, key: &str, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let mut inner = Self {
            text: String::new(),
            indent: self.indent + 4,
        };
        fill(&mut inner);
        if !inner.text.is_empty() {
            self.key(key);
            self.text.push('\n');
            self.text.push_str(&inner.text);
        }
        self
    }

    /// Adds a list of mappings; nothing if it is empty.
    pub fn mappings<T>(
        &mut self,
        key: &str,
        values: impl IntoIterator<Item = T>,
        mut fill: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        let mut started = false;
        for value in values {
            if !started {
                self.key(key);
                self.text.push('\n');
                started = true;
            }
            let mut inner = Self {
                text: String::new(),
                indent: self.indent + 6,
            };
            fill(&mut inner, value);
            // The first key stands behind the dash, the others below it.
            self.push_indent(self.indent + 4);
            self.text.push_str("- ");
            self.text.push_str(inner.text.trim_start_matches(' '));
        }
        self
    }

    /// Returns the mapping; every line ends with a line feed.
    pub fn finish(self) -> String {
        self.text
    }

    fn key(&mut self, key: &str) {
        self.push_indent(self.indent);
        write_scalar(&mut self.text, key);
        self.text.push(':');
    }

    fn push_indent(&mut self, width: usize) {
        self.text.extend(std::iter::repeat_n(' ', width));
    }
}

/// Appends `value` as a scalar that every YAML reader takes for exactly this text.
///
/// Plain where that is safe; double quotes for what would be read as another
/// type, or holds control characters; single quotes for what holds indicators.
pub fn write_scalar(out: &mut String, value: &str) {
    if value.is_empty() || value.chars().any(needs_escape) || reads_as_other_type(value) {
        out.push('"');
        for c in value.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                c if needs_escape(c) => write_code_point(out, c),
                c => out.push(c),
            }
        }
        out.push('"');
    } else if has_indicator(value) {
        out.push('\'');
        out.push_str(&value.replace('\'', "''"));
        out.push('\'');
    } else {
        out.push_str(value);
    }
}

fn write_code_point(out: &mut String, c: char) {
    let code = u32::from(c);
    // Writing to a String cannot fail.
    match code {
        0..=0xff => write!(out, "\\x{code:02x}"),
        0x100..=0xffff => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    }
    .unwrap_or_default();
}

/// Characters that are not printable in YAML, or that end a line in some version of it.
fn needs_escape(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

fn reads_as_other_type(value: &str) -> bool {
    reads_as_word_or_number(value) || looks_like_date(value)
}

fn reads_as_word_or_number(value: &str) -> bool {
    const WORDS: [&str; 13] = [
        "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", ".inf", ".nan", "<<",
    ];
    let unsigned = value.strip_prefix(['+', '-']).unwrap_or(value);
    WORDS
        .iter()
        .any(|word| value.eq_ignore_ascii_case(word) || unsigned.eq_ignore_ascii_case(word))
        || looks_like_number(unsigned)
}

/// Errs on the side of quoting: a leading digit and nothing but number characters.
///
/// A sign inside stands only behind an exponent, so run ids and UUIDs are no numbers.
fn looks_like_number(unsigned: &str) -> bool {
    let bytes = unsigned.as_bytes();
    let fits = |(at, byte): (usize, &u8)| match byte {
        b'+' | b'-' => at > 0 && matches!(bytes[at - 1], b'e' | b'E'),
        b'.' | b'_' | b':' | b'x' | b'o' => true,
        byte => byte.is_ascii_hexdigit(),
    };
    unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && bytes.iter().any(u8::is_ascii_digit)
        && bytes.iter().enumerate().all(fits)
}

fn looks_like_date(value: &str) -> bool {
    let bytes = value.as_bytes();
    bytes.len() >= 8
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && bytes[4] == b'-'
        && bytes[5].is_ascii_digit()
}

fn has_indicator(value: &str) -> bool {
    const LEADING: &str = "-?:,[]{}#&*!|>'\"%@`= ";
    value.starts_with(|c| LEADING.contains(c))
        || value.ends_with([' ', ':'])
        || value.contains(": ")
        || value.contains(" #")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check_scalar(value: &str, expected: &str) {
        let mut text = String::new();
        write_scalar(&mut text, value);
        assert_eq!(text, expected);
    }

    #[test]
    fn scalars_are_quoted_only_where_needed() {
        check_scalar("", r#""""#);
        check_scalar("plain text", "plain text");
        check_scalar("one: two", "'one: two'");
        check_scalar("a #b", "'a #b'");
        check_scalar("[x]", "'[x]'");
        check_scalar("it's", "it's");
        check_scalar("'it's", "'''it''s'");
        check_scalar("2026-02-23T19:18:00Z", r#""2026-02-23T19:18:00Z""#);
        check_scalar("42", r#""42""#);
        check_scalar("0x1f", r#""0x1f""#);
        check_scalar("Yes", r#""Yes""#);
        check_scalar("a\nb\t\u{1}", r#""a\nb\t\x01""#);
        check_scalar("20260223-2048580000-66788-1", "20260223-2048580000-66788-1");
        check_scalar("2.1.50 (Claude Code)", "2.1.50 (Claude Code)");
        check_scalar("/srv/x/prompt.md", "/srv/x/prompt.md");
    }

    #[test]
    fn nesting_indents_by_four() {
        let mut mapping = Mapping::new();
        mapping
            .text("a", "x")
            .list("l", ["p", "q: r"])
            .mapping("m", |m| {
                m.plain("count", 1).text_unless_empty("e", "");
            });
        mapping.mappings("o", [("k", "v"), ("k2", "")], |m, (key, value)| {
            m.text("id", key).text("value", value);
        });
        assert_eq!(
            mapping.finish(),
            "a: x\nl:\n    - p\n    - 'q: r'\nm:\n    count: 1\no:\n    - id: k\n      value: v\n    - id: k2\n      value: \"\"\n"
        );
    }

    #[test]
    fn errors_have_a_position() {
        #[derive(Debug, serde::Deserialize)]
        struct Record {
            #[expect(dead_code, reason = "only its type matters")]
            number: u32,
        }
        let error = parse::<Record>("number: x\n").unwrap_err();
        assert_eq!((error.line, error.column), (1, 9), "{error}");
        assert!(parse::<Record>("a: [").is_err());
    }

    #[test]
    fn what_is_too_much_is_told_in_words() {
        let wide = format!("[{}]", "1,".repeat(300_000));
        let deep = "[".repeat(5_000);
        let aliases = format!("a: &a x\nb: [{}]", "*a,".repeat(60_000));
        for (text, part) in [
            (wide, "too large: "),
            (deep, "recursion limit"),
            (aliases, "anchors"),
        ] {
            let error = parse::<serde_json::Value>(&text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
            assert!(!error.contains('{') && !error.contains("budget"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_reads_back(value in any::<String>(), key in "[a-z_]{1,8}") {
            let mut mapping = Mapping::new();
            mapping.text(&key, &value);
            let text = mapping.finish();
            let read: std::collections::BTreeMap<String, String> = parse(&text).unwrap();
            prop_assert_eq!(&read[&key], &value, "{}", text);
        }

        #[test]
        fn number_like_texts_read_back_as_text(value in "[-+0-9.:_xoe]{1,12}") {
            let mut mapping = Mapping::new();
            mapping.text("k", &value);
            let text = mapping.finish();
            let read: std::collections::BTreeMap<String, String> = parse(&text).unwrap();
            prop_assert_eq!(&read["k"], &value, "{}", text);
        }
    }
}
