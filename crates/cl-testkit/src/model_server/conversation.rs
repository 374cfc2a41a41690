//! A request in one shape, whatever protocol it came in.

use serde_json::Value;

use super::api::{AnswerTarget, Api};
use super::{anthropic, arguments, chat, gemini, responses};

/// What the script and the answers need to know of a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Conversation {
    pub(super) model: String,
    pub(super) streamed: bool,
    pub(super) tools: Vec<OfferedTool>,
    /// Tool results since the last words of the user.
    pub(super) tool_results: usize,
    /// All that the system and the user said, in order, without results of tools.
    pub(super) said: String,
}

/// A tool the agent lets the model call.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OfferedTool {
    pub(super) name: String,
    pub(super) schema: Value,
}

impl Conversation {
    pub(super) fn read(target: &AnswerTarget, body: &Value) -> Self {
        match (target.api, &target.gemini) {
            (Api::AnthropicMessages, _) => anthropic::read(body),
            (Api::OpenAiResponses, _) => responses::read(body),
            (Api::ChatCompletions, _) => chat::read(body),
            (Api::Gemini, path) => gemini::read(body, path.as_ref()),
        }
    }

    /// Puts a conversation together from its entries in order.
    pub(super) fn from_entries(
        model: &Value,
        streamed: bool,
        tools: Vec<OfferedTool>,
        entries: impl IntoIterator<Item = Entry>,
    ) -> Self {
        let mut tool_results = 0;
        let mut said = String::new();
        for entry in entries {
            match entry {
                Entry::System(text) => push_line(&mut said, &text),
                Entry::User(text) => {
                    tool_results = 0;
                    push_line(&mut said, &text);
                }
                Entry::ToolResults { count, text } => {
                    tool_results += count;
                    push_line(&mut said, &text);
                }
                Entry::Model => {}
            }
        }
        Self {
            model: model.as_str().unwrap_or("stand-in").to_owned(),
            streamed,
            tools,
            tool_results,
            said,
        }
    }

    /// The tool that runs shell commands, if one is offered.
    pub(super) fn shell_tool(&self) -> Option<&OfferedTool> {
        let name = arguments::preferred_shell(self.tools.iter().map(|tool| tool.name.as_str()))?;
        self.tools.iter().find(|tool| tool.name == name)
    }
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// Standing instructions.
    System(String),
    /// What the user wants.
    User(String),
    /// Results of tools, and what the agent may have written beside them.
    ToolResults { count: usize, text: String },
    /// An earlier answer of the model.
    Model,
}

/// Joins the texts of a content that is a string or a list of parts with a `text`.
pub(super) fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts: Vec<&str> = parts
                .iter()
                .filter_map(|part| part.as_str().or_else(|| part["text"].as_str()))
                .collect();
            texts.join("\n")
        }
        _ => String::new(),
    }
}

/// The elements of an array, or none of anything else.
pub(super) fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn push_line(said: &mut String, text: &str) {
    said.push_str(text);
    said.push('\n');
}
