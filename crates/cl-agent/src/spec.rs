//! One agent, resolved and free of secrets, and the command line that starts it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    /// How the prompt is handed over.
    pub prompt: PromptChannel,
    /// What the program prints.
    pub dialect: Dialect,
    /// Arguments that belong to the program's name and stand before all others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command_args: Vec<String>,
    /// Additional arguments from the config.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Model to ask for; the program's default if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Server to talk to; the program's default if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// How to read [`Dialect::Jsonl`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<JsonlMapping>,
    /// Variables of the config entry that are no secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Names of the config entry's variables that are secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secret_env: Vec<String>,
    /// Additional inherited variables, as names and `PREFIX_*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inherit_env: Vec<String>,
    /// Variables that receive the token; none means that there is no place for one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub token_vars: Vec<String>,
    /// Whether a token or a server of the config is used instead of a login of the program's own.
    #[serde(default)]
    pub is_keyed: bool,
    /// Whether the program is used without its stream of events, because it does not know one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_plain: bool,
    /// Script of a scripted agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<PathBuf>,
    /// Arguments of a `command` agent that resume a session; `{session}` is its id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resume_args: Vec<String>,
    /// Arguments of a `command` agent that choose a model; `{model}` is its name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub model_args: Vec<String>,
    /// Arguments that make the program print its version; empty if it has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub version_args: Vec<String>,
    /// How long it may be silent, in milliseconds; zero switches the limit off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
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
    /// The arguments with the prompt's text replaced by `@<prompt path>`.
    shown: Vec<String>,
    prompt_path: PathBuf,
}

impl AgentSpec {
    /// Returns the table of this agent's kind.
    pub fn adapter(&self) -> &'static Adapter {
        adapter(self.kind)
    }

    /// Returns the flag for a stream of events that can be left out, and its value.
    pub fn stream_flag(&self) -> Option<(&'static str, &'static str)> {
        let mut pieces = self.adapter().args.iter();
        pieces.find_map(|piece| match piece {
            Arg::Stream(flag, value) => Some((*flag, *value)),
            _ => None,
        })
    }

    /// From now on the program is used without its stream of events.
    pub fn make_plain(&mut self) {
        self.is_plain = true;
        self.dialect = Dialect::Text;
    }

    /// Returns the variable that a configured token is known by.
    pub fn token_var(&self) -> Option<&str> {
        self.token_vars.first().map(String::as_str)
    }

    /// Returns whether a session of this agent can be resumed.
    pub fn resumes(&self) -> bool {
        self.adapter().resumes || !self.resume_args.is_empty()
    }

    /// Returns how long the agent may be silent, if that is limited.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout_ms
            .filter(|ms| *ms > 0)
            .map(Duration::from_millis)
    }

    /// Returns a parser for what this agent prints.
    pub fn stream_parser(&self) -> StreamParser {
        let parser = StreamParser::new(self.dialect);
        match &self.mapping {
            Some(mapping) => parser.with_mapping(mapping.clone()),
            None => parser,
        }
    }

    /// Returns the file in which the program says what it used, beside the prompt of its run.
    pub fn usage_file(&self, prompt_path: &Path) -> Option<PathBuf> {
        let name = self.dialect.usage_file()?;
        Some(prompt_path.parent()?.join(name))
    }

    /// Returns how to start one run.
    ///
    /// A session is ignored where the agent cannot resume. The working folder is
    /// never an argument: it is set on the process.
    pub fn command_line(&self, request: &CommandRequest<'_>) -> CommandLine {
        let session = request.resume_session.filter(|_| self.resumes());
        let mut builder = Builder {
            spec: self,
            request,
            session,
            args: Vec::new(),
            shown: Vec::new(),
            has_prompt: false,
        };
        builder.push_all(&self.command_args);
        for piece in self.adapter().args {
            builder.push_piece(*piece);
        }
        CommandLine {
            program: self.program.clone(),
            args: builder.args,
            stdin: match self.prompt {
                PromptChannel::Stdin => Stdin::PromptFile,
                PromptChannel::Argument | PromptChannel::File => Stdin::Empty,
            },
            shown: builder.shown,
            prompt_path: request.prompt_path.to_owned(),
        }
    }
}

impl CommandLine {
    /// Returns the line for run records: `<program> <arguments> < <prompt path>`.
    ///
    /// The text of a prompt that is an argument is replaced by its path.
    pub fn display(&self) -> String {
        let mut line = self.program.to_string_lossy().into_owned();
        for arg in &self.shown {
            line.push(' ');
            line.push_str(arg);
        }
        if self.stdin == Stdin::PromptFile {
            line.push_str(" < ");
            line.push_str(&self.prompt_path.to_string_lossy());
        }
        line
    }

    /// Returns the arguments as they may be shown: a prompt's text as `@<prompt path>`.
    pub fn display_args(&self) -> &[String] {
        &self.shown
    }
}

/// Fills the template of an argument list.
struct Builder<'a> {
    spec: &'a AgentSpec,
    request: &'a CommandRequest<'a>,
    session: Option<&'a str>,
    args: Vec<String>,
    shown: Vec<String>,
    /// Whether a placeholder has put the prompt into the arguments already.
    has_prompt: bool,
}

impl Builder<'_> {
    fn push_piece(&mut self, piece: Arg) {
        let spec = self.spec;
        match piece {
            Arg::Word(word) => self.push(word),
            Arg::Model(flag) => self.push_flag(flag, spec.model.as_deref()),
            Arg::BaseUrl(flag, key) => {
                let setting = spec.base_url.as_ref().map(|url| format!("{key}=\"{url}\""));
                self.push_flag(flag, setting.as_deref());
            }
            Arg::Url(flag) => self.push_flag(flag, spec.base_url.as_deref()),
            Arg::Resume(flag) => self.push_flag(flag, self.session),
            Arg::ResumeJoined(prefix) => {
                if let Some(session) = self.session {
                    self.push(&format!("{prefix}{session}"));
                }
            }
            Arg::WhenKeyed(flag, value) => {
                // What the user asks for comes later and may say otherwise.
                if spec.is_keyed && !spec.args.iter().any(|arg| arg == flag) {
                    self.push_flag(flag, Some(value));
                }
            }
            Arg::Stream(flag, value) => {
                if !spec.is_plain {
                    self.push_flag(flag, Some(value));
                }
            }
            Arg::UsageFile(flag) => {
                let file = spec.usage_file(self.request.prompt_path);
                let file = file.as_ref().map(|path| path.to_string_lossy());
                self.push_flag(flag, file.as_deref());
            }
            Arg::WhenResuming(word) => {
                if self.session.is_some() {
                    self.push(word);
                }
            }
            Arg::Session => {
                if let Some(session) = self.session {
                    self.push(session);
                }
            }
            Arg::Script(flag) => {
                let script = spec.script.as_ref().map(|path| path.to_string_lossy());
                self.push_flag(flag, script.as_deref());
            }
            Arg::Extra => self.push_all(&spec.args),
            Arg::ConfigModel => {
                if spec.model.is_some() {
                    self.push_all(&spec.model_args);
                }
            }
            Arg::ConfigResume => {
                if self.session.is_some() {
                    self.push_all(&spec.resume_args);
                }
            }
            Arg::Prompt => self.push_prompt(),
        }
    }

    fn push(&mut self, arg: &str) {
        self.args.push(arg.to_owned());
        self.shown.push(arg.to_owned());
    }

    fn push_flag(&mut self, flag: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.push(flag);
            self.push(value);
        }
    }

    /// Adds arguments of the config; those of a `command` agent hold placeholders.
    fn push_all(&mut self, args: &[String]) {
        for arg in args {
            if self.spec.kind == AgentKind::Command {
                self.has_prompt |= arg.contains("{prompt}") || arg.contains("{prompt_file}");
                let shown = self.fill(arg, &self.prompt_shown());
                self.args.push(self.fill(arg, self.request.prompt_text));
                self.shown.push(shown);
            } else {
                self.push(arg);
            }
        }
    }

    /// Replaces each placeholder once, never looking at what was put in.
    fn fill(&self, template: &str, prompt: &str) -> String {
        let path = self.request.prompt_path.to_string_lossy();
        let values = [
            ("{prompt}", prompt),
            ("{prompt_file}", path.as_ref()),
            ("{session}", self.session.unwrap_or_default()),
            ("{model}", self.spec.model.as_deref().unwrap_or_default()),
        ];
        let mut filled = String::with_capacity(template.len());
        let mut rest = template;
        while let Some(start) = rest.find('{') {
            filled.push_str(&rest[..start]);
            rest = &rest[start..];
            if let Some((name, value)) = values.iter().find(|(name, _)| rest.starts_with(name)) {
                filled.push_str(value);
                rest = &rest[name.len()..];
            } else {
                filled.push('{');
                rest = &rest[1..];
            }
        }
        filled + rest
    }

    fn push_prompt(&mut self) {
        if self.has_prompt {
            return;
        }
        let table = self.spec.adapter();
        match self.spec.prompt {
            PromptChannel::Stdin => {
                if let Some(mark) = table.stdin_mark {
                    self.push(mark);
                }
            }
            PromptChannel::Argument => {
                if let Some(flag) = table.prompt_flag {
                    self.push(flag);
                }
                self.args.push(self.request.prompt_text.to_owned());
                self.shown.push(self.prompt_shown());
            }
            PromptChannel::File => self.push(&self.request.prompt_path.to_string_lossy()),
        }
    }

    fn prompt_shown(&self) -> String {
        format!("@{}", self.request.prompt_path.display())
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// Returns an agent about which nothing is configured.
    pub(crate) fn spec(kind: AgentKind) -> AgentSpec {
        let table = adapter(kind);
        AgentSpec {
            name: kind.to_string(),
            kind,
            program: PathBuf::from("/bin/agent"),
            prompt: table.prompt,
            dialect: table.dialect,
            command_args: Vec::new(),
            args: Vec::new(),
            model: None,
            base_url: None,
            mapping: None,
            env: BTreeMap::new(),
            secret_env: Vec::new(),
            inherit_env: Vec::new(),
            token_vars: table.token_vars.iter().map(|&var| var.to_owned()).collect(),
            is_keyed: false,
            is_plain: false,
            script: None,
            resume_args: Vec::new(),
            model_args: Vec::new(),
            version_args: Vec::new(),
            timeout_ms: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::spec;
    use super::*;

    fn line(spec: &AgentSpec, resume_session: Option<&str>) -> CommandLine {
        spec.command_line(&CommandRequest {
            prompt_path: Path::new("/run/prompt.md"),
            prompt_text: "do {session} it",
            resume_session,
        })
    }

    #[track_caller]
    fn check(spec: &AgentSpec, resume: Option<&str>, expected: &str) {
        assert_eq!(line(spec, resume).display(), expected);
    }

    #[test]
    fn claude_command_lines() {
        let mut claude = spec(AgentKind::Claude);
        let fixed = "/bin/agent -p --input-format text --output-format stream-json --verbose --tools default --permission-mode bypassPermissions";
        check(&claude, None, &format!("{fixed} < /run/prompt.md"));
        claude.model = Some("opus".to_owned());
        claude.args = vec!["--max-turns".to_owned(), "3".to_owned()];
        check(
            &claude,
            Some("s-1"),
            &format!("{fixed} --model opus --resume s-1 --max-turns 3 < /run/prompt.md"),
        );
    }

    #[test]
    fn codex_command_lines() {
        let mut codex = spec(AgentKind::Codex);
        let flags = "--json --dangerously-bypass-approvals-and-sandbox --skip-git-repo-check -c allow_login_shell=false";
        check(
            &codex,
            None,
            &format!("/bin/agent exec {flags} - < /run/prompt.md"),
        );
        codex.model = Some("m".to_owned());
        codex.base_url = Some("http://x/v1".to_owned());
        codex.args = vec!["-c".to_owned(), "a=b".to_owned()];
        let own = "-m m -c openai_base_url=\"http://x/v1\" -c a=b";
        check(
            &codex,
            None,
            &format!("/bin/agent exec {flags} {own} - < /run/prompt.md"),
        );
        check(
            &codex,
            Some("t-1"),
            &format!("/bin/agent exec resume {flags} {own} t-1 - < /run/prompt.md"),
        );
    }

    #[test]
    fn gemini_command_lines() {
        let mut gemini = spec(AgentKind::Gemini);
        let fixed = "/bin/agent --screen-reader true --approval-mode yolo --skip-trust --output-format stream-json";
        check(&gemini, None, &format!("{fixed} < /run/prompt.md"));
        gemini.model = Some("m".to_owned());
        check(
            &gemini,
            Some("s"),
            &format!("{fixed} -m m --resume s < /run/prompt.md"),
        );
    }

    #[test]
    fn scripted_command_lines() {
        let mut scripted = spec(AgentKind::Scripted);
        scripted.script = Some(PathBuf::from("/s.yaml"));
        check(
            &scripted,
            Some("s"),
            "/bin/agent __scripted-agent --script /s.yaml --resume s < /run/prompt.md",
        );
    }

    #[test]
    fn any_other_program_is_called_as_described() {
        let mut tool = spec(AgentKind::Command);
        tool.command_args = vec!["run".to_owned()];
        tool.args = vec!["--yes".to_owned()];
        tool.model_args = vec!["--model={model}".to_owned()];
        check(&tool, Some("s"), "/bin/agent run --yes < /run/prompt.md");
        tool.model = Some("m".to_owned());
        tool.resume_args = vec!["--continue".to_owned(), "{session}".to_owned()];
        check(
            &tool,
            None,
            "/bin/agent run --model=m --yes < /run/prompt.md",
        );
        check(
            &tool,
            Some("s"),
            "/bin/agent run --model=m --yes --continue s < /run/prompt.md",
        );
    }

    #[test]
    fn a_prompt_in_the_arguments_is_passed_whole_and_never_shown() {
        let mut tool = spec(AgentKind::Command);
        tool.prompt = PromptChannel::Argument;
        let last = line(&tool, None);
        assert_eq!(
            (last.args, last.stdin),
            (vec!["do {session} it".to_owned()], Stdin::Empty)
        );
        check(&tool, None, "/bin/agent @/run/prompt.md");

        tool.args = vec!["-m={prompt}!{x}".to_owned(), "{prompt_file}".to_owned()];
        let inside = line(&tool, Some("s"));
        assert_eq!(inside.args, ["-m=do {session} it!{x}", "/run/prompt.md"]);
        assert_eq!(
            inside.display_args(),
            ["-m=@/run/prompt.md!{x}", "/run/prompt.md"]
        );

        tool.args.clear();
        tool.prompt = PromptChannel::File;
        check(&tool, None, "/bin/agent /run/prompt.md");
    }

    #[test]
    fn the_youngest_agents_are_started_with_their_flags() {
        use AgentKind::{Copilot, Opencode, Pi, Qwen};
        let mut asked = [Opencode, Qwen, Copilot, Pi].map(spec);
        for spec in &mut asked {
            spec.model = Some("p/m".to_owned());
        }
        let [opencode, mut qwen, copilot, pi] = asked;
        let check = |spec: &AgentSpec, expected: &str| {
            assert_eq!(line(spec, Some("s1")).args.join(" "), expected);
        };
        check(&opencode, "run --format json --auto -m p/m --session s1");
        check(
            &copilot,
            "--output-format json --allow-all --no-ask-user --no-auto-update \
             --usage-output-file /run/agent-usage.json --model p/m --resume=s1",
        );
        check(&pi, "-p --mode json --model p/m --session s1");
        let plain = "--approval-mode yolo --output-format stream-json --model p/m --resume s1";
        check(&qwen, plain);
        qwen.is_keyed = true;
        check(&qwen, &format!("--auth-type openai {plain}"));
        qwen.args = vec!["--auth-type".to_owned(), "anthropic".to_owned()];
        check(&qwen, &format!("{plain} --auth-type anthropic"));
    }

    #[test]
    fn a_spec_travels_as_json() {
        for kind in AgentKind::ALL {
            let mut sent = spec(kind);
            sent.mapping = Some(JsonlMapping {
                error: Some("a.b".to_owned()),
                ..JsonlMapping::default()
            });
            sent.timeout_ms = Some(5);
            let text = serde_json::to_string(&sent).unwrap();
            let received: AgentSpec = serde_json::from_str(&text).unwrap();
            assert_eq!(received, sent);
            assert_eq!(received.timeout(), Some(Duration::from_millis(5)));
        }
    }
}
