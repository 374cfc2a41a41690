//! From what an agent offers to the requests that come before its turn.

use serde_json::{Value, json};

use super::message::short;

/// How a session comes to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// An earlier one goes on.
    Resume,
    /// An earlier one goes on, and the agent repeats all that was said in it.
    Load,
    /// A new one.
    New,
}

/// Returns how to open a session with an agent of these capabilities.
pub(super) fn opening(capabilities: &Value, session: Option<&str>) -> Opening {
    let can_resume = capabilities["sessionCapabilities"]["resume"].is_object();
    let can_load = capabilities["loadSession"] == true;
    match session {
        Some(_) if can_resume => Opening::Resume,
        Some(_) if can_load => Opening::Load,
        _ => Opening::New,
    }
}

/// A request that chooses something for the session; the session's id is still missing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Choice {
    pub(super) method: &'static str,
    pub(super) params: Value,
    /// What is chosen, for messages.
    pub(super) what: String,
}

/// Returns the requests that choose `model` and `mode` in a session that was `opened`.
///
/// Fails with a message for people if the agent does not offer what is wanted.
pub(super) fn choices(
    opened: &Value,
    model: Option<&str>,
    mode: Option<&str>,
) -> Result<Vec<Choice>, String> {
    let mut choices = Vec::new();
    // The mode comes first: agents offer different models in different modes.
    let wanted = [
        (
            "mode",
            mode,
            "modes",
            "availableModes",
            "id",
            "session/set_mode",
            "modeId",
        ),
        (
            "model",
            model,
            "models",
            "availableModels",
            "modelId",
            "session/set_model",
            "modelId",
        ),
    ];
    for (what, value, state, list, id, method, param) in wanted {
        let Some(value) = value else { continue };
        let config = config_option(opened, what);
        let known = match config {
            Some(option) => option_values(&option["options"]),
            None => ids(&opened[state][list], id),
        };
        if known.is_empty() {
            return Err(format!(
                "the agent lets nobody choose a {what}; remove `{what}` of this agent, or name it in `args` if its program has a flag for that"
            ));
        }
        if !known.contains(&value) {
            let known: Vec<String> = known.iter().take(40).map(|id| short(id, 80)).collect();
            let known = known.join(", ");
            return Err(format!(
                "the agent has no {what} {value:?}; it offers {known}"
            ));
        }
        let (method, params) = match config {
            Some(option) => (
                "session/set_config_option",
                json!({"configId": option["id"], "value": value}),
            ),
            None => (method, json!({param: value})),
        };
        let what = format!("{what} {value:?}");
        choices.push(Choice {
            method,
            params,
            what,
        });
    }
    Ok(choices)
}

/// Returns the model that answers in a session that was `opened`, if that is told.
pub(super) fn current_model(opened: &Value) -> Option<&str> {
    let option = config_option(opened, "model").map(|option| &option["currentValue"]);
    option
        .unwrap_or(&opened["models"]["currentModelId"])
        .as_str()
}

fn config_option<'v>(opened: &'v Value, category: &str) -> Option<&'v Value> {
    let options = opened["configOptions"].as_array()?;
    let of_category =
        |option: &&Value| option["category"] == category && option["type"] == "select";
    options.iter().find(of_category)
}

/// Returns the values of a selection, which may stand in groups.
fn option_values(options: &Value) -> Vec<&str> {
    let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut values = Vec::new();
    for option in options {
        match &option["options"] {
            Value::Array(_) => values.extend(ids(&option["options"], "value")),
            _ => values.extend(option["value"].as_str()),
        }
    }
    values
}

fn ids<'v>(list: &'v Value, key: &str) -> Vec<&'v str> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter()
        .filter_map(|entry| entry[key].as_str())
        .collect()
}

/// Returns the option that answers a question for permission; none cancels the question.
///
/// What holds for this once comes first: agents write down what holds always, and that
/// would outlive the run.
pub(super) fn permission(options: &Value, allows: bool) -> Option<&str> {
    let kinds = if allows {
        ["allow_once", "allow_always"]
    } else {
        ["reject_once", "reject_always"]
    };
    let options = options.as_array()?;
    kinds.iter().find_map(|kind| {
        let option = options.iter().find(|option| option["kind"] == *kind)?;
        option["optionId"].as_str()
    })
}
