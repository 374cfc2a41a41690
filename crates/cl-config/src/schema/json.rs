//! The JSON schema of the config file, for editors.

use serde_json::{Map, Value, json};

use super::{Field, Kind, ROOT};

/// Returns the JSON schema of the config file.
pub fn schema() -> Value {
    let mut schema = mapping(ROOT);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("Conductor Loop configuration");
    schema
}

fn mapping(fields: &[Field]) -> Value {
    let properties: Map<_, _> = fields
        .iter()
        .map(|field| (field.key.to_owned(), described(field)))
        .collect();
    // An empty section reads as null, and means the same as none.
    json!({
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": properties,
    })
}

fn described(field: &Field) -> Value {
    let mut value = of_kind(field.kind);
    value["description"] = json!(field.doc);
    if let Some(default) = default_value(field) {
        value["default"] = default;
    }
    value
}

/// Returns the default as JSON; none where it depends on something else.
fn default_value(field: &Field) -> Option<Value> {
    let text = field.default;
    match field.kind {
        _ if text.is_empty() => None,
        Kind::Truth => Some(json!(text == "true")),
        Kind::Number { .. } => text.parse::<u64>().ok().map(|number| json!(number)),
        Kind::Choice(words) => words.contains(&text).then(|| json!(text)),
        Kind::Variables => Some(json!({})),
        _ => match text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
            Some(items) => Some(items.split(", ").filter(|item| !item.is_empty()).collect()),
            None if text.contains(' ') => None,
            None => Some(json!(text)),
        },
    }
}

fn of_kind(kind: Kind) -> Value {
    let scalar = json!({"type": ["string", "number", "boolean", "null"]});
    let list = |items: Value| json!({"type": ["array", "null"], "items": items});
    match kind {
        Kind::Text | Kind::Secret => scalar,
        Kind::Path | Kind::JsonPath => json!({"type": ["string", "null"]}),
        Kind::Url => json!({"type": ["string", "null"], "pattern": "^https?://"}),
        Kind::Truth => json!({"type": ["boolean", "null"]}),
        Kind::Number { min, max } => {
            json!({"type": ["integer", "null"], "minimum": min, "maximum": max})
        }
        Kind::Money => json!({"type": ["number", "null"], "exclusiveMinimum": 0}),
        Kind::Duration => json!({"type": ["integer", "string", "null"], "minimum": 0}),
        Kind::Choice(words) => {
            let words = words.iter().map(|word| json!(word));
            json!({"enum": words.chain([Value::Null]).collect::<Vec<_>>()})
        }
        Kind::Command => json!({"type": ["string", "array", "null"], "items": scalar}),
        Kind::Variables => json!({"type": ["object", "null"], "additionalProperties": scalar}),
        Kind::VariableNames => list(json!({
            "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*\\*?$",
        })),
        Kind::Texts => list(scalar),
        Kind::Choices(words) => list(json!({"enum": words})),
        Kind::Paths => list(json!({"type": "string"})),
        Kind::Weights => list(json!({"type": "integer", "minimum": 1, "maximum": u32::MAX})),
        Kind::Gates(fields) => {
            let mut gate = mapping(fields);
            gate["type"] = json!("object");
            gate["required"] = json!(["run"]);
            list(json!({"anyOf": [{"type": "string"}, gate]}))
        }
        Kind::Section(fields) => mapping(fields),
        Kind::Entries(fields) => {
            json!({"type": ["object", "null"], "additionalProperties": mapping(fields)})
        }
    }
}
