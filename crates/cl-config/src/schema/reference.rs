//! The reference of all keys, as it stands in the documentation.

use std::fmt::Write as _;

use super::{Field, Kind, ROOT};

/// Returns the reference of all keys in Markdown, one section per mapping.
pub fn reference() -> String {
    let mut text = String::new();
    for field in ROOT {
        write_mapping(&mut text, field.key, field);
    }
    text
}

fn write_mapping(text: &mut String, path: &str, field: &Field) {
    let Some(fields) = field.kind.fields() else {
        return;
    };
    let path = match field.kind {
        Kind::Entries(_) => format!("{path}.<name>"),
        Kind::Gates(_) => format!("{path}[]"),
        _ => path.to_owned(),
    };
    // Writing to a String cannot fail.
    write!(
        text,
        "### `{path}`\n\n{}\n\n| Key | Value | Default | Meaning |\n| --- | --- | --- | --- |\n",
        field.doc
    )
    .unwrap_or_default();
    for field in fields {
        let default = default_cell(field);
        let value = value_cell(field.kind);
        writeln!(
            text,
            "| `{}` | {value} | {default} | {} |",
            field.key, field.doc
        )
        .unwrap_or_default();
    }
    text.push('\n');
    for field in fields {
        write_mapping(text, &format!("{path}.{}", field.key), field);
    }
}

fn value_cell(kind: Kind) -> String {
    match kind {
        Kind::Number { min, max } if max == u64::from(u16::MAX) => format!("{min} to {max}"),
        Kind::Number { min, .. } => format!("whole number from {min}"),
        Kind::Duration => "[duration](#values)".to_owned(),
        Kind::Path => "[path](#values)".to_owned(),
        Kind::Paths => "list of [paths](#values)".to_owned(),
        Kind::Choice(words) => words
            .iter()
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(", "),
        Kind::Choices(words) => format!("list of `{}`", words.join("`, `")),
        other => {
            let text = other.describe();
            let text = text.strip_prefix("a ").unwrap_or(&text);
            text.strip_prefix("an ").unwrap_or(text).to_owned()
        }
    }
}

fn default_cell(field: &Field) -> String {
    match field.default {
        "" => "–".to_owned(),
        words if words.contains(' ') => words.to_owned(),
        literal => format!("`{literal}`"),
    }
}
