//! The one table of all keys, and what is made from it.
//!
//! The reader follows this table: a key that is not in it is an unknown key, and
//! reading one that is not in it is a mistake in this crate. The JSON schema and
//! the reference in the documentation are generated from it.

mod json;
mod nearest;
mod reference;
mod table;

pub use json::schema;
pub use reference::reference;
pub use table::ROOT;

pub(crate) use nearest::nearest;
pub(crate) use table::RETRY_KINDS;
pub(crate) use table::TASK_GATES;

/// One key of a mapping in the config file.
#[derive(Debug)]
pub struct Field {
    /// The key.
    pub key: &'static str,
    /// What its value must be.
    pub kind: Kind,
    /// The value it has if it is not given, as it would be written; empty if none.
    pub default: &'static str,
    /// What it is for: one or two sentences.
    pub doc: &'static str,
}

/// What a value must be.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Kind {
    /// Any text; a number or truth value is taken as it is written.
    Text,
    /// A text that is never shown.
    Secret,
    /// A path: `~` is the home folder, relative to the config file's folder.
    Path,
    /// An `http` or `https` URL.
    Url,
    /// `true` or `false`.
    Truth,
    /// A whole number.
    Number {
        /// The smallest allowed.
        min: u64,
        /// The largest allowed.
        max: u64,
    },
    /// An amount of US dollars above zero.
    Money,
    /// Seconds, or a text such as `1h30m`.
    Duration,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A dotted path into a JSON value.
    JsonPath,
    /// A program, or a list of a program and its arguments.
    Command,
    /// Names and values of environment variables.
    Variables,
    /// Names of environment variables, or prefixes that end in `*`.
    VariableNames,
    /// A list of texts.
    Texts,
    /// A list of these words.
    Choices(&'static [&'static str]),
    /// A list of paths.
    Paths,
    /// A list of whole numbers from 1.
    Weights,
    /// A list of shell commands, or of mappings with these keys.
    Gates(&'static [Field]),
    /// A mapping with these keys.
    Section(&'static [Field]),
    /// A mapping from names of the user's choice to mappings with these keys.
    Entries(&'static [Field]),
}

impl Kind {
    /// Returns what a value of this kind is called in messages and the reference.
    pub fn describe(self) -> String {
        match self {
            Self::Text | Self::Secret => "text".to_owned(),
            Self::Path => "a path".to_owned(),
            Self::Url => "an http or https URL".to_owned(),
            Self::Truth => "true or false".to_owned(),
            Self::Number { .. } => "a whole number".to_owned(),
            Self::Money => "an amount of US dollars above zero".to_owned(),
            Self::Duration => "a duration (seconds, or a text such as 1h30m)".to_owned(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::JsonPath => "a dotted path".to_owned(),
            Self::Command => "a program or a list of a program and its arguments".to_owned(),
            Self::Variables => "a mapping from variables to values".to_owned(),
            Self::VariableNames => "a list of names of variables".to_owned(),
            Self::Texts => "a list of texts".to_owned(),
            Self::Choices(words) => format!("a list of words (valid: {})", words.join(", ")),
            Self::Paths => "a list of paths".to_owned(),
            Self::Weights => "a list of whole numbers from 1".to_owned(),
            Self::Gates(_) => "a list of commands".to_owned(),
            Self::Section(_) | Self::Entries(_) => "a mapping".to_owned(),
        }
    }

    /// Returns the keys of the mapping that this kind is, if it is one with fixed keys.
    pub fn fields(self) -> Option<&'static [Field]> {
        match self {
            Self::Section(fields) | Self::Entries(fields) | Self::Gates(fields) => Some(fields),
            _ => None,
        }
    }
}

/// Returns the field for `key`, which must be in `fields`.
pub(crate) fn field(fields: &'static [Field], key: &str) -> &'static Field {
    fields
        .iter()
        .find(|field| field.key == key)
        .unwrap_or_else(|| panic!("\"{key}\" is read but not in the table of keys"))
}

/// Returns every key with its field, dotted; `<name>` stands for a name of the user's choice.
pub fn keys() -> Vec<(String, &'static Field)> {
    let mut found = Vec::new();
    collect("", ROOT, &mut found);
    found
}

fn collect(prefix: &str, fields: &'static [Field], found: &mut Vec<(String, &'static Field)>) {
    for field in fields {
        let key = format!("{prefix}{}", field.key);
        let inner = match field.kind {
            Kind::Entries(_) => format!("{key}.<name>."),
            Kind::Gates(_) => format!("{key}[]."),
            _ => format!("{key}."),
        };
        found.push((key, field));
        if let Some(fields) = field.kind.fields() {
            collect(&inner, fields, found);
        }
    }
}

/// Finds the dotted key elsewhere in the table whose last part is exactly `key`.
///
/// The one nearest to the top of the file, and before those of single agents.
pub(crate) fn elsewhere(key: &str) -> Option<String> {
    let ending = format!(".{key}");
    keys()
        .into_iter()
        .map(|(dotted, _)| dotted)
        .filter(|dotted| dotted == key || dotted.ends_with(&ending))
        .min_by_key(|dotted| (dotted.contains("<name>"), dotted.matches('.').count()))
}
