//! One agent, resolved and free of secrets, and the command line that starts it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::adapter::{Adapter, Arg, adapter};
use crate::kind::{AgentKind, Dialect, PromptChannel};
use crate::stream::{JsonlMapping, StreamParser};

/// Everything needed to start one agent and to understand it, except its secrets.
///
/// It travels between processes inside launch records, so that a change of the
/// config does not change a task that is already going.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSpec {
    /// Name of the config entry, or the kind where there is none.
    pub name: String,
    /// Kind of agent.
    pub kind: AgentKind,
    /// Absolute path of the program.
    pub program: PathBuf,
    /// Additional arguments from the config.
    #[serde(default)]
    pub args: Vec<String>,
    /// Model to ask for; the program's default if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How the prompt is handed over.
    pub prompt: PromptChannel,
    /// What the program prints.
    pub dialect: Dialect,
    /// How to read [`Dialect::Jsonl`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<JsonlMapping>,
    /// Variables of the config entry.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Additional inherited variables, as names and `PREFIX_*`.
    #[serde(default)]
    pub inherit_env: Vec<String>,
    /// Variable that receives the token; none means that there is no place for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_var: Option<String>,
    /// Script of a scripted agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<PathBuf>,
}

/// What changes from run to run of the same agent.
#[derive(Debug, Clone, Copy)]
pub struct CommandRequest<'a> {
    /// Absolute path of the prompt file.
    pub prompt_path: &'a Path,
    /// Its content; only used where the prompt is an argument.
    pub prompt_text: &'a str,
    /// Session to go on with.
    pub resume_session: Option<&'a str>,
}

/// What the agent's standard input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stdin {
    /// The prompt file, opened for reading.
    PromptFile,
    /// Nothing.
    Empty,
}

/// A program, its arguments and its standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// Absolute path of the program.
    pub program: PathBuf,
    /// Arguments, without the program's name.
    pub args: Vec<String>,
    /// Standard input.
    pub stdin: Stdin,
    prompt_path: PathBuf,
    /// Index of the argument that is the prompt's text, which is never displayed.
    prompt_arg: Option<usize>,
}

impl AgentSpec {
    /// Returns the table of this agent's kind.
    pub fn adapter(&self) -> &'static Adapter {
        adapter(self.kind)
    }

    /// Returns whether a session of this agent can be resumed.
    pub fn resumes(&self) -> bool {
        self.adapter().resumes
    }

    /// Returns a parser for what this agent prints.
    pub fn stream_parser(&self) -> StreamParser {
        let parser = StreamParser::new(self.dialect);
        match &self.mapping {
            Some(mapping) => parser.with_mapping(mapping.clone()),
            None => parser,
        }
    }

    /// Returns how to start one run.
    ///
    /// A session is ignored where the agent cannot resume. The working folder is
    /// never an argument: it is set on the process.
    pub fn command_line(&self, request: &CommandRequest<'_>) -> CommandLine {
        let mut args: Vec<String> = Vec::new();
        let mut prompt_arg = None;
        let session = request.resume_session.filter(|_| self.resumes());
        for piece in self.adapter().args {
            match *piece {
                Arg::Word(word) => args.push(word.to_owned()),
                Arg::Model(flag) => push_flag(&mut args, flag, self.model.as_deref()),
                Arg::Resume(flag) => push_flag(&mut args, flag, session),
                Arg::WhenResuming(word) => args.extend(session.map(|_| word.to_owned())),
                Arg::Session => args.extend(session.map(str::to_owned)),
                Arg::Script(flag) => {
                    let script = self.script.as_ref().map(|path| path.to_string_lossy());
                    push_flag(&mut args, flag, script.as_deref());
                }
                Arg::Extra => args.extend(self.args.iter().cloned()),
                Arg::Prompt => match self.prompt {
                    PromptChannel::Stdin => {
                        args.extend(self.adapter().stdin_mark.map(str::to_owned));
                    }
                    PromptChannel::Argument => {
                        args.extend(self.adapter().prompt_flag.map(str::to_owned));
                        prompt_arg = Some(args.len());
                        args.push(request.prompt_text.to_owned());
                    }
                    PromptChannel::File => {
                        args.push(request.prompt_path.to_string_lossy().into_owned());
                    }
                },
            }
        }
        CommandLine {
            program: self.program.clone(),
            args,
            stdin: match self.prompt {
                PromptChannel::Stdin => Stdin::PromptFile,
                PromptChannel::Argument | PromptChannel::File => Stdin::Empty,
            },
            prompt_path: request.prompt_path.to_owned(),
            prompt_arg,
        }
    }
}

impl CommandLine {
    /// Returns the line for run records: `<program> <arguments> < <prompt path>`.
    ///
    /// The text of a prompt that is an argument is replaced by its path.
    pub fn display(&self) -> String {
        let mut line = self.program.to_string_lossy().into_owned();
        for arg in self.display_args() {
            line.push(' ');
            line.push_str(&arg);
        }
        if self.stdin == Stdin::PromptFile {
            line.push_str(" < ");
            line.push_str(&self.prompt_path.to_string_lossy());
        }
        line
    }

    /// Returns the arguments as they may be shown: a prompt's text as `@<prompt path>`.
    pub fn display_args(&self) -> Vec<String> {
        let mut args = self.args.clone();
        if let Some(at) = self.prompt_arg {
            args[at] = format!("@{}", self.prompt_path.display());
        }
        args
    }
}

fn push_flag(args: &mut Vec<String>, flag: &str, value: Option<&str>) {
    if let Some(value) = value {
        args.push(flag.to_owned());
        args.push(value.to_owned());
    }
}
