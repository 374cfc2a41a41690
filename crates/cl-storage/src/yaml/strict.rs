//! A fast reader for the plain shape in which we write records ourselves.
//!
//! Reading a thousand small records through a full YAML parser costs more than
//! everything else a listing does. This reader knows block mappings and lists of
//! one-line scalars, and nothing else: at the first doubt it gives up, and the
//! full parser decides. So it never reports errors of its own, and whatever it
//! does accept, the full parser reads as the same value; a test compares them.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer as _, Visitor};
use serde::forward_to_deserialize_any;

/// Records are flat; what is nested deeper is left to the full parser.
const DEEPEST: u32 = 16;

/// Reads `text` if it has the plain shape; `None` leaves it to the full parser.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Option<T> {
    let mut reader = Reader {
        rest: text,
        depth: 0,
    };
    let value = T::deserialize(Value::Block {
        reader: &mut reader,
        parent: None,
    })
    .ok()?;
    reader.rest.is_empty().then_some(value)
}

/// The text is not of the plain shape, or not of the wanted type; nobody asks which.
#[derive(Debug)]
struct Doubt;

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not of the plain shape")
    }
}

impl std::error::Error for Doubt {}

impl de::Error for Doubt {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// What is left to read; always whole lines.
struct Reader<'a> {
    rest: &'a str,
    depth: u32,
}

impl<'a> Reader<'a> {
    /// Returns indent and content of the next line; `None` at the end.
    fn peek(&self) -> Result<Option<(usize, &'a str)>, Doubt> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let end = self.rest.find('\n').ok_or(Doubt)?;
        let line = &self.rest[..end];
        let content = line.trim_start_matches(' ');
        Ok(Some((line.len() - content.len(), content)))
    }

    /// Passes the line that [`Self::peek`] returned.
    fn pass(&mut self, indent: usize, content: &str) {
        self.rest = &self.rest[indent + content.len() + 1..];
    }

    fn enter(&mut self) -> Result<(), Doubt> {
        self.depth += 1;
        if self.depth > DEEPEST {
            Err(Doubt)
        } else {
            Ok(())
        }
    }
}

/// A value that stands behind a key or a dash, or the whole document.
enum Value<'r, 'a> {
    /// On the same line.
    Scalar(&'a str),
    /// On the lines below, behind a key that is indented by `parent`.
    Block {
        reader: &'r mut Reader<'a>,
        parent: Option<usize>,
    },
    /// A mapping that begins behind a dash.
    Item {
        reader: &'r mut Reader<'a>,
        indent: usize,
        first: &'a str,
    },
}

/// What a block turns out to be.
enum Shape {
    List(usize),
    Mapping(usize),
}

fn shape(reader: &Reader<'_>, parent: Option<usize>) -> Result<Shape, Doubt> {
    let (indent, content) = reader.peek()?.ok_or(Doubt)?;
    let is_list = content.starts_with("- ");
    match parent {
        None if indent == 0 && !is_list => Ok(Shape::Mapping(0)),
        Some(parent) if is_list && indent >= parent => Ok(Shape::List(indent)),
        Some(parent) if !is_list && indent > parent => Ok(Shape::Mapping(indent)),
        _ => Err(Doubt),
    }
}

impl<'a> Value<'_, 'a> {
    /// Returns the text as it stands behind the key, quotes included.
    fn scalar(self) -> Result<&'a str, Doubt> {
        match self {
            Self::Scalar(raw) => Ok(raw),
            _ => Err(Doubt),
        }
    }

    fn text(self) -> Result<Cow<'a, str>, Doubt> {
        let raw = self.scalar()?;
        match unquote(raw)? {
            Some(text) => Ok(text),
            None if super::reads_as_word_or_number(raw) => Err(Doubt),
            None => Ok(Cow::Borrowed(raw)),
        }
    }

    fn number<N: std::str::FromStr>(self) -> Result<N, Doubt> {
        let raw = self.scalar()?;
        if is_whole_number(raw) {
            raw.parse().map_err(|_| Doubt)
        } else {
            Err(Doubt)
        }
    }
}

fn is_whole_number(raw: &str) -> bool {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit())
        && (raw == "0" || !digits.starts_with('0'))
}

/// Returns the text in quotes; `None` for a plain scalar that is one beyond doubt.
fn unquote(raw: &str) -> Result<Option<Cow<'_, str>>, Doubt> {
    if has_odd_character(raw) {
        return Err(Doubt);
    }
    if let Some(inner) = raw.strip_prefix('"') {
        return double_quoted(inner.strip_suffix('"').ok_or(Doubt)?).map(Some);
    }
    if let Some(inner) = raw.strip_prefix('\'') {
        let inner = inner.strip_suffix('\'').ok_or(Doubt)?;
        if !inner.contains('\'') {
            return Ok(Some(Cow::Borrowed(inner)));
        }
        // Every quote inside must be one of a pair.
        if inner.replace("''", "").contains('\'') {
            return Err(Doubt);
        }
        return Ok(Some(Cow::Owned(inner.replace("''", "'"))));
    }
    if raw.is_empty() || super::has_indicator(raw) {
        return Err(Doubt);
    }
    Ok(None)
}

fn has_odd_character(raw: &str) -> bool {
    if raw.is_ascii() {
        raw.bytes().any(|b| b.is_ascii_control())
    } else {
        raw.chars().any(super::needs_escape)
    }
}

/// Reads what stands between double quotes.
fn double_quoted(inner: &str) -> Result<Cow<'_, str>, Doubt> {
    if !inner.contains(['\\', '"']) {
        return Ok(Cow::Borrowed(inner));
    }
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        let c = match c {
            '"' => return Err(Doubt),
            '\\' => match chars.next() {
                Some('"') => '"',
                Some('\\') => '\\',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some('x') => code_point(&mut chars, 2)?,
                Some('u') => code_point(&mut chars, 4)?,
                Some('U') => code_point(&mut chars, 8)?,
                _ => return Err(Doubt),
            },
            c => c,
        };
        text.push(c);
    }
    Ok(Cow::Owned(text))
}

fn code_point(chars: &mut std::str::Chars<'_>, digits: usize) -> Result<char, Doubt> {
    let mut code = 0;
    for _ in 0..digits {
        let digit = chars.next().and_then(|c| c.to_digit(16)).ok_or(Doubt)?;
        code = code * 16 + digit;
    }
    char::from_u32(code).ok_or(Doubt)
}

impl<'de> de::Deserializer<'de> for Value<'_, '_> {
    type Error = Doubt;

    /// Types that do not say what they want are left to the full parser.
    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Doubt> {
        Err(Doubt)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Doubt> {
        match self.scalar()? {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => Err(Doubt),
        }
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Doubt> {
        visitor.visit_i32(self.number()?)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Doubt> {
        visitor.visit_i64(self.number()?)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Doubt> {
        visitor.visit_u32(self.number()?)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Doubt> {
        visitor.visit_u64(self.number()?)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Doubt> {
        let raw = self.scalar()?;
        let (whole, fraction) = raw.split_once('.').ok_or(Doubt)?;
        let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !is_digits(whole) || !is_digits(fraction) {
            return Err(Doubt);
        }
        visitor.visit_f64(raw.parse().map_err(|_| Doubt)?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Doubt> {
        visitor.visit_str(&self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Doubt> {
        visitor.visit_string(self.text()?.into_owned())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Doubt> {
        // A value that might mean "nothing" fails to be what is in the option.
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Doubt> {
        // The full parser gives such names a meaning of their own.
        if name.starts_with("__") {
            return Err(Doubt);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Doubt> {
        match self {
            Self::Scalar("[]") => visitor.visit_seq(Empty),
            Self::Block { reader, parent } => match shape(reader, parent)? {
                Shape::List(indent) => {
                    reader.enter()?;
                    let value = visitor.visit_seq(List { reader, indent })?;
                    reader.depth -= 1;
                    Ok(value)
                }
                Shape::Mapping(_) => Err(Doubt),
            },
            _ => Err(Doubt),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Doubt> {
        let (reader, indent, first) = match self {
            Self::Scalar("{}") => return visitor.visit_map(Empty),
            Self::Scalar(_) => return Err(Doubt),
            Self::Block { reader, parent } => match shape(reader, parent)? {
                Shape::Mapping(indent) => (reader, indent, None),
                Shape::List(_) => return Err(Doubt),
            },
            Self::Item {
                reader,
                indent,
                first,
            } => (reader, indent, Some(first)),
        };
        reader.enter()?;
        let value = visitor.visit_map(Entries {
            reader: &mut *reader,
            indent,
            first,
            scalar: None,
            seen: Seen::default(),
        })?;
        reader.depth -= 1;
        Ok(value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Doubt> {
        if name.starts_with("__") {
            return Err(Doubt);
        }
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Doubt> {
        let text = self.text()?;
        let variant: de::value::StrDeserializer<'_, Doubt> = (&*text).into_deserializer();
        visitor.visit_enum(variant)
    }

    /// What nobody wants is looked through all the same: it may be no plain shape.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Doubt> {
        match self {
            Self::Scalar("[]" | "{}") => visitor.visit_unit(),
            Self::Scalar(raw) => {
                if !is_whole_number(raw) {
                    unquote(raw)?;
                }
                visitor.visit_unit()
            }
            Self::Block { reader, parent } => match shape(reader, parent)? {
                Shape::List(_) => Value::Block { reader, parent }.deserialize_seq(visitor),
                Shape::Mapping(_) => Value::Block { reader, parent }.deserialize_map(visitor),
            },
            item @ Self::Item { .. } => item.deserialize_map(visitor),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct
        identifier
    }
}

/// `[]` or `{}`.
struct Empty;

impl<'de> de::SeqAccess<'de> for Empty {
    type Error = Doubt;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        _: S,
    ) -> Result<Option<S::Value>, Doubt> {
        Ok(None)
    }
}

impl<'de> de::MapAccess<'de> for Empty {
    type Error = Doubt;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, _: S) -> Result<Option<S::Value>, Doubt> {
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, _: S) -> Result<S::Value, Doubt> {
        Err(Doubt)
    }
}

/// The items of a list whose dashes are indented by `indent`.
struct List<'r, 'a> {
    reader: &'r mut Reader<'a>,
    indent: usize,
}

impl<'de> de::SeqAccess<'de> for List<'_, '_> {
    type Error = Doubt;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Doubt> {
        let Some((indent, content)) = self.reader.peek()? else {
            return Ok(None);
        };
        let item = content.strip_prefix("- ");
        if indent < self.indent || (indent == self.indent && item.is_none()) {
            return Ok(None);
        }
        let item = item.filter(|_| indent == self.indent).ok_or(Doubt)?;
        self.reader.pass(indent, content);
        // What looks like a key but is quoted is a text that holds a colon.
        let value = if is_entry(item) {
            Value::Item {
                reader: &mut *self.reader,
                indent: indent + 2,
                first: item,
            }
        } else {
            Value::Scalar(item)
        };
        seed.deserialize(value).map(Some)
    }
}

fn is_entry(item: &str) -> bool {
    !item.starts_with(['"', '\'']) && (item.contains(": ") || item.ends_with(':'))
}

/// The entries of a mapping whose keys are indented by `indent`.
struct Entries<'r, 'a> {
    reader: &'r mut Reader<'a>,
    indent: usize,
    /// The entry that stands behind a dash.
    first: Option<&'a str>,
    /// What stands behind the key that was read last; `None` if it is below.
    scalar: Option<&'a str>,
    seen: Seen<'a>,
}

impl<'de> de::MapAccess<'de> for Entries<'_, '_> {
    type Error = Doubt;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Doubt> {
        let entry = if let Some(first) = self.first.take() {
            first
        } else {
            match self.reader.peek()? {
                None => return Ok(None),
                Some((indent, _)) if indent < self.indent => return Ok(None),
                // The next item of the list that this mapping is an item of.
                Some((indent, content)) if indent == self.indent && !content.starts_with('-') => {
                    self.reader.pass(indent, content);
                    content
                }
                Some(_) => return Err(Doubt),
            }
        };
        let (key, rest) = entry.split_once(':').ok_or(Doubt)?;
        if !is_plain_key(key) || !self.seen.add(key) {
            return Err(Doubt);
        }
        self.scalar = match rest {
            "" => None,
            rest => Some(rest.strip_prefix(' ').ok_or(Doubt)?),
        };
        let key: de::value::StrDeserializer<'_, Doubt> = key.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Doubt> {
        seed.deserialize(match self.scalar.take() {
            Some(raw) => Value::Scalar(raw),
            None => Value::Block {
                reader: &mut *self.reader,
                parent: Some(self.indent),
            },
        })
    }
}

fn is_plain_key(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !super::reads_as_word_or_number(key)
}

/// The keys of one mapping: none may be there twice.
#[derive(Default)]
struct Seen<'a> {
    keys: Vec<&'a str>,
    /// One bit for each length and first letter; a clear bit saves the search.
    bits: u64,
}

impl<'a> Seen<'a> {
    fn add(&mut self, key: &'a str) -> bool {
        let first = key.bytes().next().unwrap_or_default();
        let bit = 1 << ((usize::from(first) * 7 + key.len()) % 64);
        if self.bits & bit != 0 && self.keys.contains(&key) {
            return false;
        }
        self.bits |= bit;
        self.keys.push(key);
        true
    }
}

#[cfg(test)]
mod tests;
