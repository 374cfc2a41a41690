//! Arguments for a shell tool whose schema is only known from the request.

use serde_json::{Map, Value, json};

/// Names under which agents offer their shell, the preferred ones first.
const SHELL_TOOLS: [&str; 8] = [
    "Bash",
    "bash",
    "exec_command",
    "shell_command",
    "shell",
    "local_shell",
    "run_shell_command",
    "execute_command",
];

/// The properties that hold the command line, by agent.
const COMMAND_PROPERTIES: [&str; 2] = ["command", "cmd"];

/// Picks the shell among the offered tools.
pub(super) fn preferred_shell<'a>(offered: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    offered
        .filter_map(|name| {
            let rank = SHELL_TOOLS.iter().position(|known| *known == name)?;
            Some((rank, name))
        })
        .min()
        .map(|(_, name)| name)
}

/// Fills the arguments of a shell tool so that it runs `command`.
///
/// Optional properties are left out; a required one that is not the command gets a
/// harmless value of its type.
pub(super) fn shell_arguments(schema: &Value, command: &str) -> Value {
    let mut arguments = Map::new();
    let required: Vec<&str> = schema["required"]
        .as_array()
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if COMMAND_PROPERTIES.contains(&name.as_str()) {
            let value = match property_type(property).as_str() {
                "array" => json!(["bash", "-lc", command]),
                _ => json!(command),
            };
            arguments.insert(name.clone(), value);
        } else if required.contains(&name.as_str()) {
            arguments.insert(name.clone(), harmless_value(property));
        }
    }
    Value::Object(arguments)
}

fn harmless_value(property: &Value) -> Value {
    if let Some(first) = property["enum"]
        .as_array()
        .and_then(|values| values.first())
    {
        return first.clone();
    }
    match property_type(property).as_str() {
        "boolean" => json!(false),
        // As a time limit in seconds long enough, in milliseconds not yet harmful.
        "number" | "integer" => json!(60),
        "array" => json!([]),
        "object" => json!({}),
        _ => json!("run the scripted command"),
    }
}

/// The property's type in lower case; of a list of types, the first.
///
/// Gemini's older schema dialect spells types in upper case.
fn property_type(property: &Value) -> String {
    let named = match &property["type"] {
        Value::Array(types) => types.first().and_then(Value::as_str),
        one => one.as_str(),
    };
    named.unwrap_or("string").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_arguments(schema: &Value, expected: &Value) {
        assert_eq!(shell_arguments(schema, "ls"), *expected);
    }

    #[test]
    fn only_the_command_is_filled_when_nothing_else_is_required() {
        check_arguments(
            &json!({
                "properties": {"command": {"type": "string"}, "timeout": {"type": "number"}},
                "required": ["command"],
            }),
            &json!({"command": "ls"}),
        );
    }

    #[test]
    fn optional_command_property_is_filled() {
        check_arguments(
            &json!({"properties": {"cmd": {"type": ["string", "null"]}}}),
            &json!({"cmd": "ls"}),
        );
    }

    #[test]
    fn array_of_words_gets_a_shell_in_front() {
        check_arguments(
            &json!({"properties": {"command": {"type": "ARRAY"}}}),
            &json!({"command": ["bash", "-lc", "ls"]}),
        );
    }

    #[test]
    fn required_properties_get_harmless_values_of_their_type() {
        check_arguments(
            &json!({
                "properties": {
                    "command": {"type": "string"},
                    "description": {"type": "string"},
                    "mode": {"type": "string", "enum": ["sync", "async"]},
                    "background": {"type": "boolean"},
                    "seconds": {"type": "integer"},
                    "words": {"type": "array"},
                    "env": {"type": "object"},
                },
                "required": ["command", "description", "mode", "background", "seconds", "words", "env"],
            }),
            &json!({
                "command": "ls",
                "description": "run the scripted command",
                "mode": "sync",
                "background": false,
                "seconds": 60,
                "words": [],
                "env": {},
            }),
        );
    }

    #[test]
    fn schema_without_properties_gives_no_arguments() {
        check_arguments(&Value::Null, &json!({}));
    }

    #[test]
    fn shell_is_picked_by_preference_and_not_by_order() {
        let picked = preferred_shell(["Read", "bash", "Bash"].into_iter());
        assert_eq!(picked, Some("Bash"));
        assert_eq!(preferred_shell(["Read", "Write"].into_iter()), None);
    }
}
