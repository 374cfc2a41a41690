//! The config file as a tree in which every key and value knows its place.
//!
//! Reading into typed structs stops at the first mistake. This tree takes any
//! well-formed YAML, so that one walk over it can report all mistakes at once.
//! Nothing here derives `Debug`: the values may be secrets.

use std::fmt;

use cl_storage::yaml::{Location, Spanned, YamlError};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::schema::ROOT;

/// A value and its place.
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) at: Location,
}

/// What stands at a place.
pub(crate) enum Value {
    Null,
    Truth(bool),
    Number(i128),
    Fraction,
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping and its place.
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) at: Location,
}

/// A text and the tree it was read into.
pub(crate) struct Document {
    /// The text as it was parsed: repeated keys are masked in it.
    text: String,
    original: String,
    /// The tree.
    pub(crate) root: Node,
    /// The keys that stand twice in one mapping; they are not in the tree.
    pub(crate) repeated: Vec<Repeated>,
}

/// A key that stands in its mapping already.
pub(crate) struct Repeated {
    pub(crate) line: u64,
    pub(crate) column: u64,
    pub(crate) length: u64,
    /// The key as it is written.
    pub(crate) name: String,
}

/// How many repeated keys are looked for before the rest is left for the next time.
const MOST_REPEATED: u32 = 64;

/// The first of the characters that repeated keys are masked with; nobody has keys of these.
const MASK: u32 = 0xe000;

impl Document {
    /// Reads `text`; fails only if it is not well-formed YAML.
    ///
    /// The parser gives up at a repeated key. To find the other mistakes too, the
    /// key is masked by characters that no key has, in the same length so that
    /// all positions stay true, and the text is parsed again.
    pub(crate) fn parse(text: &str) -> Result<Self, YamlError> {
        // The parser removes the mark too; byte positions must agree with our text.
        let original = text.trim_start_matches('\u{feff}').to_owned();
        let mut document = Self {
            text: original.clone(),
            original,
            root: Node {
                value: Value::Null,
                at: Location::UNKNOWN,
            },
            repeated: Vec::new(),
        };
        if has_no_content(&document.text) {
            return Ok(document);
        }
        for mask in MASK..MASK + MOST_REPEATED {
            match cl_storage::yaml::parse(&document.text) {
                Ok(root) => {
                    document.root = root;
                    return Ok(document);
                }
                Err(error) => {
                    let mask = char::from_u32(mask).unwrap_or('\u{e000}');
                    document.mask_repeated(error, mask)?;
                }
            }
        }
        document.root = cl_storage::yaml::parse(&document.text)?;
        Ok(document)
    }

    /// Masks the repeated key that `error` is about; gives any other error back.
    fn mask_repeated(&mut self, error: YamlError, mask: char) -> Result<(), YamlError> {
        if !error.message.contains("duplicate") {
            return Err(error);
        }
        let Some((start, name)) = key_at(&self.text, error.line, error.column) else {
            return Err(error);
        };
        let length = name.chars().count();
        let end = start + name.len();
        let name = name.to_owned();
        let masked: String = std::iter::repeat_n(mask, length).collect();
        self.text.replace_range(start..end, &masked);
        self.repeated.push(Repeated {
            line: error.line,
            column: error.column,
            length: length as u64,
            name: name.trim_matches(['"', '\'']).to_owned(),
        });
        Ok(())
    }

    /// Returns the text of line `line`, counted from 1.
    pub(crate) fn line(&self, line: u64) -> &str {
        line_of(&self.original, line)
    }

    /// Whether this is a mapping without a single key that a config file has.
    pub(crate) fn is_foreign(&self) -> bool {
        match &self.root.value {
            Value::Map(entries) => !entries
                .iter()
                .any(|(key, _)| ROOT.iter().any(|field| field.key == key.name)),
            _ => false,
        }
    }

    /// Returns a scalar as text: a number or truth value as it is written.
    pub(crate) fn scalar<'n>(&'n self, node: &'n Node) -> Option<&'n str> {
        match &node.value {
            Value::Text(text) => Some(text),
            Value::Truth(_) | Value::Number(_) | Value::Fraction => self.written(node),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Returns `node` as it is written in the file.
    fn written(&self, node: &Node) -> Option<&str> {
        let span = node.at.span();
        let start = usize::try_from(span.byte_offset()?).ok()?;
        let length = usize::try_from(span.byte_len()?).ok()?;
        self.text.get(start..start.checked_add(length)?)
    }
}

/// Returns the key that begins at this position, and its byte offset.
fn key_at(text: &str, line: u64, column: u64) -> Option<(usize, &str)> {
    let line_start = match usize::try_from(line.checked_sub(1)?).ok()? {
        0 => 0,
        n => text.match_indices('\n').nth(n - 1)?.0 + 1,
    };
    let skipped = usize::try_from(column.checked_sub(1)?).ok()?;
    let offset = text[line_start..].char_indices().nth(skipped)?.0;
    let start = line_start + offset;
    let rest = text[start..].lines().next()?;
    let length = match rest.chars().next()? {
        quote @ ('"' | '\'') => rest[1..].find(quote)? + 2,
        _ => rest.find(':')?,
    };
    let name = rest[..length].trim_end();
    (!name.is_empty()).then_some((start, name))
}

/// Returns line `line` of `text`, counted from 1; empty if there is none.
pub(crate) fn line_of(text: &str, line: u64) -> &str {
    let index = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
    text.lines().nth(index).unwrap_or("")
}

fn is_mask(c: char) -> bool {
    (MASK..MASK + MOST_REPEATED).contains(&u32::from(c))
}

fn has_no_content(text: &str) -> bool {
    text.lines()
        .map(str::trim)
        .all(|line| line.is_empty() || line.starts_with('#') || line == "---" || line == "...")
}

impl Value {
    /// Returns what this is called in messages.
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Truth(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Fraction => "a fraction",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self {
            value: spanned.value,
            at: spanned.defined,
        })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Truth(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(i128::try_from(value).map_or(Value::Fraction, Value::Number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Fraction)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<Option<String>>>()? {
            let value = entries.next_value()?;
            let key = Key {
                name: key.value.unwrap_or_else(|| "null".to_owned()),
                at: key.defined,
            };
            if !key.name.starts_with(is_mask) {
                map.push((key, value));
            }
        }
        Ok(Value::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Document {
        Document::parse(text).unwrap_or_else(|error| panic!("{error}"))
    }

    fn entry<'d>(document: &'d Document, name: &str) -> (&'d Key, &'d Node) {
        let Value::Map(entries) = &document.root.value else {
            panic!("not a mapping")
        };
        let (key, node) = entries.iter().find(|(key, _)| key.name == name).unwrap();
        (key, node)
    }

    #[track_caller]
    fn check(text: &str, scalar: Option<&str>, line: u64, column: u64) {
        let document = parse(text);
        let (_, node) = entry(&document, "k");
        assert_eq!(document.scalar(node), scalar, "{text}");
        assert_eq!((node.at.line(), node.at.column()), (line, column), "{text}");
    }

    #[test]
    fn scalars_keep_their_spelling_and_place() {
        check("k: text\n", Some("text"), 1, 4);
        check("a: 1\nk:   007\n", Some("007"), 2, 6);
        check("k: 'it''s'\n", Some("it's"), 1, 4);
        check("ä: ö\nk: yes # x\n", Some("yes"), 2, 4);
        check("k: 1.50\n", Some("1.50"), 1, 4);
        check("k: 0x1F\n", Some("0x1F"), 1, 4);
        check("k: [1]\n", None, 1, 4);
        check("{k: 5}\n", Some("5"), 1, 5);
        check("\u{feff}k: 12\n", Some("12"), 1, 4);
    }

    #[test]
    fn keys_have_places() {
        let document = parse("a: {b: 1}\n\"long key\": [x, y]\n3: z\n");
        let (key, _) = entry(&document, "long key");
        assert_eq!((key.at.line(), key.at.column()), (2, 1));
        assert_eq!(key.at.span().len(), 10);
        assert!(matches!(entry(&document, "3").1.value, Value::Text(_)));
    }

    #[test]
    fn nothing_is_null() {
        for text in ["", "\n", "# only\n\n  # comments\n", "---\n", "---\n...\n"] {
            assert!(matches!(parse(text).root.value, Value::Null), "{text:?}");
        }
        assert!(matches!(entry(&parse("k:\n"), "k").1.value, Value::Null));
        assert!(matches!(entry(&parse("k: ~\n"), "k").1.value, Value::Null));
    }

    #[test]
    fn broken_text_has_a_position() {
        for (text, line) in [("a: [1\nb: 2\n", 2), ("a: \"x\n", 2), ("a: b: c\n", 1)] {
            let Err(error) = Document::parse(text) else {
                panic!("{text:?} is accepted")
            };
            assert!(error.line >= 1 && error.line <= line, "{text:?}: {error}");
            assert!(!error.message.is_empty());
        }
    }

    #[test]
    fn repeated_keys_are_set_aside() {
        let text = "k: 1\nk: 2\nm: {\"ü x\": 1, \"ü x\": 2, n: 3}\nk: 4\n";
        let document = parse(text);
        let repeated: Vec<_> = document
            .repeated
            .iter()
            .map(|key| (key.line, key.column, key.length, key.name.as_str()))
            .collect();
        assert_eq!(repeated.len(), 3, "{repeated:?}");
        assert!(repeated.contains(&(2, 1, 1, "k")), "{repeated:?}");
        assert!(repeated.contains(&(3, 15, 5, "ü x")), "{repeated:?}");
        assert!(repeated.contains(&(4, 1, 1, "k")), "{repeated:?}");
        assert_eq!(document.scalar(entry(&document, "k").1), Some("1"));
        assert_eq!(document.line(2), "k: 2");
    }

    #[test]
    fn anchors_and_merges_are_followed() {
        let document = parse("base: &b {x: 1}\nk:\n  <<: *b\n  y: 2\n");
        let Value::Map(entries) = &entry(&document, "k").1.value else {
            panic!("not a mapping")
        };
        assert_eq!(entries.len(), 2);
        assert_eq!(document.scalar(&entries[0].1).map(str::len), Some(1));
    }
}
