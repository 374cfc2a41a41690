//! From settings to an agent that can be started, on a temporary file system.

use std::error::Error as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cl_agent::{AgentSpec, Dialect, PromptChannel, ResolveError, Surroundings, resolve};
use cl_config::{AgentConfig, AgentKind, EnvValue, Environment, JsonPath, OutputFormat};
use secrecy::SecretString;
use tempfile::TempDir;

/// A machine with some programs on its `PATH`.
struct Machine {
    folder: TempDir,
    variables: Vec<(&'static str, String)>,
    is_root: bool,
}

impl Machine {
    fn with_programs(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let machine = Self {
            variables: vec![("PATH", folder.path().display().to_string())],
            folder,
            is_root: false,
        };
        for name in names {
            machine.add_program(name, 0o755);
        }
        machine
    }

    fn add_program(&self, name: &str, mode: u32) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn resolve(&self, config: &AgentConfig) -> Result<AgentSpec, ResolveError> {
        let environment = Environment::new(self.variables.clone(), self.folder.path());
        resolve(
            "mine",
            config,
            &Surroundings {
                environment: &environment,
                executable: Path::new("/own/run-agent"),
                is_root: self.is_root,
            },
        )
    }

    #[track_caller]
    fn check_error(&self, config: &AgentConfig, parts: &[&str]) {
        let error = self.resolve(config).unwrap_err();
        let mut text = error.to_string();
        if let Some(source) = error.source() {
            text = format!("{text}: {source}");
        }
        for part in parts {
            assert!(text.contains(part), "{text}");
        }
    }
}

fn value(text: &str, is_secret: bool) -> EnvValue {
    EnvValue {
        value: SecretString::from(text.to_owned()),
        is_secret,
    }
}

#[test]
fn a_built_in_agent_is_found_on_the_path() {
    let machine = Machine::with_programs(&["claude", "codex", "gemini"]);
    for (kind, dialect) in [
        (AgentKind::Claude, Dialect::Claude),
        (AgentKind::Codex, Dialect::Codex),
        (AgentKind::Gemini, Dialect::Gemini),
    ] {
        let spec = machine.resolve(&AgentConfig::new(kind)).unwrap();
        assert_eq!(spec.program, machine.folder.path().join(kind.as_str()));
        assert_eq!((spec.dialect, spec.prompt), (dialect, PromptChannel::Stdin));
        assert_eq!(spec.version_args, ["--version"]);
        assert!(spec.resumes() && spec.token_var().is_some());
    }
}

#[test]
fn the_youngest_agents_are_found_as_well() {
    let machine = Machine::with_programs(&["opencode", "qwen", "copilot", "pi"]);
    for (kind, dialect) in [
        (AgentKind::Opencode, Dialect::Opencode),
        (AgentKind::Qwen, Dialect::Qwen),
        (AgentKind::Copilot, Dialect::Copilot),
        (AgentKind::Pi, Dialect::Pi),
    ] {
        let spec = machine.resolve(&AgentConfig::new(kind)).unwrap();
        assert_eq!((spec.dialect, spec.prompt), (dialect, PromptChannel::Stdin));
        assert!(spec.resumes());
    }
}

#[test]
fn the_token_goes_where_the_program_looks_for_it() {
    let mut machine = Machine::with_programs(&["opencode", "qwen", "copilot", "pi"]);
    let vars = |machine: &Machine, kind, model: Option<&str>, base_url: Option<&str>| {
        let mut config = AgentConfig::new(kind);
        config.model = model.map(str::to_owned);
        config.base_url = base_url.map(str::to_owned);
        machine.resolve(&config).unwrap().token_vars.join(" ")
    };
    let (opencode, pi, copilot) = (AgentKind::Opencode, AgentKind::Pi, AgentKind::Copilot);
    let check = |kind, model, expected| assert_eq!(vars(&machine, kind, model, None), expected);
    check(opencode, None, "OPENCODE_API_KEY");
    check(opencode, Some("anthropic/x"), "ANTHROPIC_API_KEY");
    check(pi, None, "");
    check(pi, Some("plain-name"), "");
    check(pi, Some("my-own.one/a/b"), "MY_OWN_ONE_API_KEY");
    check(
        pi,
        Some("google/x"),
        "GEMINI_API_KEY GOOGLE_GENERATIVE_AI_API_KEY",
    );
    check(AgentKind::Qwen, Some("a/b"), "OPENAI_API_KEY");
    check(copilot, None, "COPILOT_GITHUB_TOKEN");
    let own = Some("http://127.0.0.1:1/v1");
    assert_eq!(
        vars(&machine, copilot, None, own),
        "COPILOT_PROVIDER_API_KEY"
    );
    machine
        .variables
        .push(("COPILOT_PROVIDER_BASE_URL", "http://127.0.0.1:1".to_owned()));
    assert_eq!(
        vars(&machine, copilot, None, None),
        "COPILOT_PROVIDER_API_KEY"
    );
}

#[test]
fn a_missing_program_is_named_with_the_path_and_what_to_do() {
    let machine = Machine::with_programs(&[]);
    machine.add_program("codex", 0o644);
    let path = machine.folder.path().display().to_string();
    machine.check_error(
        &AgentConfig::new(AgentKind::Codex),
        &[
            "\"mine\"",
            "\"codex\"",
            &path,
            "npm install -g @openai/codex",
            "`agents.mine.command`",
        ],
    );
    let mut config = AgentConfig::new(AgentKind::Claude);
    config.command = vec!["/nowhere/claude".to_owned()];
    machine.check_error(&config, &["/nowhere/claude is not an executable file"]);
}

#[test]
fn missing_keys_are_errors_and_services_need_no_program() {
    let machine = Machine::with_programs(&[]);
    for kind in [AgentKind::Perplexity, AgentKind::Xai] {
        let spec = machine.resolve(&AgentConfig::new(kind)).unwrap();
        assert_eq!(spec.program, Path::new("/own/run-agent"));
        assert_eq!(spec.dialect, Dialect::Rest);
    }
    machine.check_error(&AgentConfig::new(AgentKind::Command), &["needs `command`"]);
    machine.check_error(&AgentConfig::new(AgentKind::Scripted), &["needs `script`"]);
}

#[test]
fn claude_as_root_needs_the_sandbox_switch() {
    let mut machine = Machine::with_programs(&["claude", "codex"]);
    machine.is_root = true;
    let mut config = AgentConfig::new(AgentKind::Claude);
    machine.check_error(&config, &["root", "IS_SANDBOX=1", "agents.mine.env"]);
    config
        .env
        .insert("IS_SANDBOX".to_owned(), value("0", false));
    machine.check_error(&config, &["IS_SANDBOX=1"]);
    config
        .env
        .insert("IS_SANDBOX".to_owned(), value("1", false));
    assert!(machine.resolve(&config).is_ok());
    machine
        .resolve(&AgentConfig::new(AgentKind::Codex))
        .unwrap();

    machine.variables.push(("IS_SANDBOX", "1".to_owned()));
    machine
        .resolve(&AgentConfig::new(AgentKind::Claude))
        .unwrap();
}

#[test]
fn settings_are_taken_over_and_secrets_only_by_name() {
    let machine = Machine::with_programs(&["tool"]);
    let mut config = AgentConfig::new(AgentKind::Command);
    config.command = vec!["tool".to_owned(), "run".to_owned()];
    config.model = Some("m".to_owned());
    config.output = OutputFormat::Jsonl;
    config.output_map.final_text = JsonPath::parse("a.0.b");
    config.prompt = cl_config::PromptChannel::File;
    config.resume_args = vec!["--continue={session}".to_owned()];
    config.timeout = Some(Duration::from_secs(5));
    config.env.insert("PLAIN".to_owned(), value("p", false));
    config
        .env
        .insert("TOOL_KEY".to_owned(), value("canary", true));
    let spec = machine.resolve(&config).unwrap();
    assert_eq!(spec.command_args, ["run"]);
    assert_eq!(
        (spec.dialect, spec.prompt),
        (Dialect::Jsonl, PromptChannel::File)
    );
    assert_eq!(
        spec.mapping.as_ref().unwrap().final_text.as_deref(),
        Some("a.0.b")
    );
    assert_eq!(spec.secret_env, ["TOOL_KEY"]);
    assert_eq!(spec.env["PLAIN"], "p");
    assert_eq!(spec.timeout(), Some(Duration::from_secs(5)));
    assert!(spec.resumes());
    let written = serde_json::to_string(&spec).unwrap() + &format!("{spec:?}");
    assert!(!written.contains("canary"), "{written}");
}

#[test]
fn a_script_is_read_before_anything_starts() {
    let machine = Machine::with_programs(&[]);
    let mut config = AgentConfig::new(AgentKind::Scripted);
    let script = machine.folder.path().join("script.yaml");
    config.script = Some(script.clone());
    machine.check_error(&config, &["could not read the script", "No such file"]);
    let endless = fs::File::create(&script).unwrap();
    endless.set_len(16 * 1024 * 1024 + 1).unwrap();
    machine.check_error(
        &config,
        &["could not read the script", "larger than 16 MiB"],
    );
    fs::write(&script, "version: 1\nsteps: [sya: x]\n").unwrap();
    machine.check_error(&config, &["is not a script", "unknown step `sya`"]);
    fs::write(&script, "version: 1\ndialect: gemini\nsteps: []\n").unwrap();
    let spec = machine.resolve(&config).unwrap();
    assert_eq!(spec.program, Path::new("/own/run-agent"));
    assert_eq!(spec.dialect, Dialect::Gemini);
    assert_eq!(spec.script, Some(script));
}
