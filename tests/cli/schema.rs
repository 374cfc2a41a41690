//! What `--json` prints, against the checked-in schemas.

use serde_json::Value;
use std::path::PathBuf;

/// Asserts that `value` is what the schema of `command` promises.
///
/// The schemas stand in `tests/cli/schemas/<command>.json`; a key that a schema
/// does not name is a difference, so that nothing is printed unpromised.
#[track_caller]
pub(crate) fn assert_valid(command: &str, value: &Value) {
    let schema = read(command);
    let validator = jsonschema::validator_for(&schema)
        .unwrap_or_else(|e| panic!("schemas/{command}.json is no schema: {e}"));
    let problems: Vec<String> = validator
        .iter_errors(value)
        .map(|problem| format!("{}: {problem}", problem.instance_path()))
        .collect();
    assert!(
        problems.is_empty(),
        "`{command}` does not keep schemas/{command}.json:\n{}\n\n{value:#}",
        problems.join("\n")
    );
}

/// The folder of the schemas.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/cli/schemas")
}

fn read(command: &str) -> Value {
    let path = folder().join(format!("{command}.json"));
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("could not read {}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Objects must say which keys they have, and have them all.
fn check_closed(at: &str, schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(object) => {
            if let Some(properties) = object.get("properties").and_then(Value::as_object) {
                if object.get("additionalProperties") != Some(&Value::Bool(false)) {
                    found.push(format!("{at}: additionalProperties must be false"));
                }
                let required: Vec<&str> = (object.get("required").and_then(Value::as_array))
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
                let optional: Vec<&String> = properties
                    .keys()
                    .filter(|key| !required.contains(&key.as_str()))
                    .collect();
                if !optional.is_empty() {
                    found.push(format!("{at}: keys never disappear, but {optional:?} may"));
                }
            }
            for (key, inner) in object {
                check_closed(&format!("{at}/{key}"), inner, found);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                check_closed(&format!("{at}/{index}"), inner, found);
            }
        }
        _ => {}
    }
}

#[test]
fn schemas_promise_every_key() {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let command = name.strip_suffix(".json").expect("schemas are JSON files");
        check_closed(command, &read(command), &mut found);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
