//! One mapping of the file, checked against the table of keys.

use crate::error::first_word;
use crate::schema::{self, Field, Kind};
use crate::tree::{Key, Node, Value};

use super::Reader;

/// One mapping of the file.
pub(crate) struct Section<'d> {
    /// The dotted key of the mapping; empty for the whole file.
    pub(super) path: String,
    fields: &'static [Field],
    entries: Vec<(&'d Key, &'d Node)>,
}

/// A key of a mapping together with its value and what the table says about it.
#[derive(Clone, Copy)]
pub(super) struct Entry<'d> {
    pub(super) key: &'d Key,
    pub(super) node: &'d Node,
    pub(super) kind: Kind,
}

impl<'d> Section<'d> {
    /// Takes `node` as a mapping with the keys `fields`; reports what does not fit.
    pub(super) fn open(
        reader: &mut Reader<'d>,
        path: &str,
        node: &'d Node,
        fields: &'static [Field],
    ) -> Self {
        let mut section = Self {
            path: path.to_owned(),
            fields,
            entries: Vec::new(),
        };
        match &node.value {
            Value::Null => {}
            Value::Map(entries) => {
                for (key, value) in entries {
                    if fields.iter().any(|field| field.key == key.name) {
                        section.entries.push((key, value));
                    } else {
                        section.report_unknown(reader, key, value);
                    }
                }
            }
            _ => {
                let message = format!("{path} must be a mapping, found {}", reader.found(node));
                reader.problem(node.at, path, message);
            }
        }
        section
    }

    /// Takes the keys `fields` of the mapping `node`, and leaves others to others.
    pub(super) fn open_part(node: &'d Node, fields: &'static [Field]) -> Self {
        let Value::Map(entries) = &node.value else {
            panic!("only mappings have parts")
        };
        let is_ours = |key: &Key| fields.iter().any(|field| field.key == key.name);
        let entries = entries.iter().filter(|(key, _)| is_ours(key));
        Self {
            path: String::new(),
            fields,
            entries: entries.map(|(key, value)| (key, value)).collect(),
        }
    }

    /// Returns the dotted form of a key of this mapping.
    pub(super) fn dotted(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Returns the entry of `key`, which must be in the table; none if it is absent or empty.
    pub(super) fn get(&self, key: &str) -> Option<Entry<'d>> {
        let kind = schema::field(self.fields, key).kind;
        let (key, node) = *self.entries.iter().find(|(found, _)| found.name == key)?;
        let is_null = matches!(node.value, Value::Null);
        (!is_null).then_some(Entry { key, node, kind })
    }

    /// Opens the mapping at `key`, whose keys the table names; none if it is absent.
    pub(super) fn section(&self, reader: &mut Reader<'d>, key: &str) -> Option<Self> {
        let entry = self.get(key)?;
        let Kind::Section(fields) = entry.kind else {
            panic!("\"{key}\" is read as a section but is none in the table of keys")
        };
        Some(Self::open(reader, &self.dotted(key), entry.node, fields))
    }

    fn report_unknown(&self, reader: &mut Reader<'d>, key: &Key, value: &'d Node) {
        let name = first_word(&key.name);
        let keys = self.fields.iter().map(|field| field.key);
        let advice = if let Some(near) = schema::nearest(&name, keys.clone()) {
            format!("did you mean \"{near}\"?")
        } else if let Some(elsewhere) = schema::elsewhere(&name) {
            format!("did you mean \"{elsewhere}\"?")
        } else {
            format!("valid keys: {}", keys.collect::<Vec<_>>().join(", "))
        };
        let message = format!("unknown key \"{name}\"; {advice}");
        reader.problem(key.at, self.dotted(&name), message);
        reader.hide_value_of(key, value);
    }
}
