//! The environment of an agent: an allow-list, never the caller's whole one.
//!
//! Order, later wins: inherited variables that are allowed, the config entry's
//! own, the caller's extra ones, the token, the runner's. Then everything that
//! must never reach an agent is removed again, whoever set it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use crate::adapter::adapter;
use crate::kind::AgentKind;
use crate::spec::AgentSpec;

/// What the runner adds to an agent's environment.
#[derive(Clone, Default)]
pub struct RunnerVars {
    /// The `JRUN_*` variables; they beat everything.
    pub vars: BTreeMap<String, String>,
    /// Variables that the launcher asked for; they beat the config and the token.
    pub extra: BTreeMap<String, String>,
    /// Values of the config entry's secret variables; see [`AgentSpec::secret_env`].
    pub secret_env: BTreeMap<String, SecretString>,
    /// Folder of the running executable, put first in `PATH`.
    pub executable_dir: Option<PathBuf>,
}

impl std::fmt::Debug for RunnerVars {
    /// Shows names only: a launcher may have asked for a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunnerVars")
            .field("vars", &self.vars.keys())
            .field("extra", &self.extra.keys())
            .field("secret_env", &self.secret_env.keys())
            .field("executable_dir", &self.executable_dir)
            .finish()
    }
}

/// Inherited by every agent.
const COMMON: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TERM",
    "COLORTERM",
    "NO_COLOR",
    "TMPDIR",
    "TEMP",
    "TMP",
    "TZ",
    "XDG_*",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
    "SSH_AUTH_SOCK",
    "SSH_AGENT_PID",
    "GIT_SSH_COMMAND",
    "GIT_AUTHOR_*",
    "GIT_COMMITTER_*",
    "SYSTEMROOT",
    "SystemRoot",
    "windir",
    "COMSPEC",
    "ComSpec",
    "PATHEXT",
    "USERPROFILE",
    "HOMEDRIVE",
    "HOMEPATH",
    "APPDATA",
    "LOCALAPPDATA",
    "ProgramData",
    "ProgramFiles*",
];

/// Inherited by commands of the user's own that want to show something on the desktop.
const DESKTOP: &[&str] = &[
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
];

/// Tool chains that an agent's shell commands need.
const TOOL_CHAINS: &[&str] = &[
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "CARGO_TARGET_DIR",
    "GOPATH",
    "GOROOT",
    "GOBIN",
    "GOMODCACHE",
    "GOCACHE",
    "GOPROXY",
    "GOFLAGS",
    "JAVA_HOME",
    "GRADLE_USER_HOME",
    "GRADLE_HOME",
    "M2_HOME",
    "MAVEN_HOME",
    "MAVEN_OPTS",
    "ANDROID_HOME",
    "ANDROID_SDK_ROOT",
    "NVM_DIR",
    "NODE_PATH",
    "NPM_CONFIG_PREFIX",
    "NPM_CONFIG_CACHE",
    "PNPM_HOME",
    "BUN_INSTALL",
    "DENO_DIR",
    "VOLTA_HOME",
    "FNM_DIR",
    "PYENV_ROOT",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "CONDA_DEFAULT_ENV",
    "CONDA_EXE",
    "PYTHONPATH",
    "PIP_CACHE_DIR",
    "UV_CACHE_DIR",
    "POETRY_HOME",
    "RBENV_ROOT",
    "GEM_HOME",
    "GEM_PATH",
    "SDKMAN_DIR",
    "ASDF_DIR",
    "ASDF_DATA_DIR",
    "MISE_DATA_DIR",
    "DOTNET_ROOT",
    "HOMEBREW_PREFIX",
    "HOMEBREW_CELLAR",
    "HOMEBREW_REPOSITORY",
    "NIX_PATH",
    "NIX_PROFILES",
    "PKG_CONFIG_PATH",
    "LD_LIBRARY_PATH",
    "DOCKER_HOST",
    "CC",
    "CXX",
];

/// Variables of an enclosing agent session: a nested agent that sees them refuses
/// to start or talks to the wrong editor.
const SESSION: &[&str] = &[
    "CLAUDECODE",
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_CODE_SSE_PORT",
    "CLAUDE_CODE_SESSION_ID",
    "CLAUDE_CODE_CHILD_SESSION",
    "CLAUDE_CODE_REMOTE",
    "CLAUDE_CODE_REMOTE_SESSION_ID",
    "CLAUDE_CODE_MESSAGING_SOCKET",
    "CODEX_SANDBOX",
    "CODEX_SANDBOX_NETWORK_DISABLED",
    "CODEX_THREAD_ID",
    "CODEX_INTERNAL_ORIGINATOR_OVERRIDE",
    "GEMINI_CLI",
    "GEMINI_CLI_IDE_*",
    "OPENCODE",
    "OPENCODE_PID",
    "QWEN_CODE",
    "QWEN_CODE_AGENT_ID",
    "QWEN_CODE_CLI",
    "QWEN_CODE_LAUNCHER_PID",
    "QWEN_CODE_MODEL",
    "QWEN_CODE_MODEL_IDENTITY",
    "QWEN_CODE_NO_RELAUNCH",
    "QWEN_CODE_PRIVATE_*",
    "QWEN_CODE_PROJECT_DIR",
    "QWEN_CODE_PROMPT_ID",
    "QWEN_CODE_SESSION_ID",
    "QWEN_CODE_STARTUP_VERSION",
    "COPILOT_AGENT_SESSION_ID",
    "COPILOT_CLI",
    "COPILOT_CLI_BINARY_VERSION",
    "COPILOT_CLI_RESOLVED_DIST_DIR",
    "COPILOT_LOADER_PID",
    "PI_CODING_AGENT",
];

/// Secrets of agents that no table names.
const OTHER_SECRETS: &[&str] = &["OPENAI_ORG_ID"];

/// Returns the environment of a run of the agent `spec`, sorted by name.
///
/// `base` is the environment to inherit from. With a `token` no inherited secret
/// of the same agent passes, so that the two cannot disagree.
pub fn environment(
    base: &BTreeMap<String, String>,
    spec: &AgentSpec,
    token: Option<&SecretString>,
    runner: &RunnerVars,
) -> BTreeMap<String, String> {
    let table = adapter(spec.kind);
    let switched = table.switched_env.iter().filter_map(|(switch, patterns)| {
        let on = |vars: &BTreeMap<String, String>| vars.get(*switch).is_some_and(|v| is_on(v));
        (on(&runner.extra) || on(&spec.env) || on(base)).then_some(*patterns)
    });
    let patterns: Vec<&str> = [COMMON, TOOL_CHAINS, table.env]
        .into_iter()
        .chain(switched)
        .flatten()
        .copied()
        .chain(spec.inherit_env.iter().map(String::as_str))
        .chain(spec.token_vars.iter().map(String::as_str))
        .collect();

    let mut env: BTreeMap<String, String> = base
        .iter()
        .filter(|(name, _)| patterns.iter().any(|pattern| matches(pattern, name)))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for (name, value) in table.quiet_env {
        env.entry((*name).to_owned())
            .or_insert_with(|| (*value).to_owned());
    }
    if let (Some(var), Some(url)) = (table.base_url_var, &spec.base_url) {
        env.insert(var.to_owned(), url.clone());
    }
    if let (AgentKind::Opencode, Some(content)) = (spec.kind, opencode_server(spec)) {
        env.insert("OPENCODE_CONFIG_CONTENT".to_owned(), content);
    }
    env.extend(spec.env.clone());
    for (name, value) in &runner.secret_env {
        env.insert(name.clone(), value.expose_secret().to_owned());
    }
    if let Some(token) = token.filter(|_| !spec.token_vars.is_empty()) {
        // Another secret of the same agent would compete with the configured one.
        env.retain(|name, _| !table.secret_vars.contains(&name.as_str()));
        for var in &spec.token_vars {
            env.insert(var.clone(), token.expose_secret().trim().to_owned());
        }
    }
    env.extend(runner.extra.clone());
    env.retain(|name, _| !is_forbidden(name, spec, runner));
    env.extend(runner.vars.clone());
    if let Some(dir) = &runner.executable_dir {
        let path = env.remove("PATH").unwrap_or_default();
        env.insert("PATH".to_owned(), path_with_first(dir, &path));
    }
    env
}

/// Returns the environment of a command of the user's own that works for no agent, by name.
///
/// Besides the usual variables it inherits those in `inherit`, names or prefixes such as
/// `MYTOOL_*`. It gets an agent's secret only by its exact name.
pub fn environment_of_hook(
    base: &BTreeMap<String, String>,
    inherit: &[String],
) -> BTreeMap<String, String> {
    let is_usual = |name: &str| {
        let usual = [COMMON, TOOL_CHAINS, DESKTOP];
        usual
            .into_iter()
            .flatten()
            .any(|known| matches(known, name))
    };
    let is_wanted = |name: &str| inherit.iter().any(|pattern| matches(pattern, name));
    let is_secret = |name: &str| is_agent_secret(name) && !inherit.iter().any(|own| own == name);
    base.iter()
        .filter(|(name, _)| is_usual(name) || is_wanted(name))
        .filter(|(name, _)| !is_reserved(&name.to_ascii_uppercase()) && !is_secret(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Returns the settings that make OpenCode ask another server; it merges them with its files.
fn opencode_server(spec: &AgentSpec) -> Option<String> {
    let (provider, _) = spec.model.as_deref()?.split_once('/')?;
    let options = serde_json::json!({"options": {"baseURL": spec.base_url.as_deref()?}});
    Some(serde_json::json!({"provider": {provider: options}}).to_string())
}

/// Returns whether a variable must not reach this agent.
///
/// The config entry may grant another agent's secret by its exact name (a program
/// of type `command` may need it); a pattern or a launcher may not.
fn is_forbidden(name: &str, spec: &AgentSpec, runner: &RunnerVars) -> bool {
    let upper = name.to_ascii_uppercase();
    if is_reserved(&upper) {
        return true;
    }
    let is_own = adapter(spec.kind)
        .env
        .iter()
        .any(|pattern| matches(pattern, &upper))
        || spec.token_vars.contains(&upper);
    let is_granted = spec.env.contains_key(name)
        || runner.secret_env.contains_key(name)
        || spec.inherit_env.iter().any(|granted| granted == name);
    is_agent_secret(&upper) && !is_own && !is_granted
}

/// Returns whether `upper` is for us alone, or belongs to an enclosing agent session.
fn is_reserved(upper: &str) -> bool {
    upper.starts_with("JRUN_")
        || upper == "CONDUCTOR_API_KEY"
        || (upper.starts_with("CONDUCTOR_AGENT_") && upper.ends_with("_TOKEN"))
        || SESSION.iter().any(|pattern| matches(pattern, upper))
}

/// Returns whether a variable is the secret of some agent.
fn is_agent_secret(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let mut kinds = AgentKind::ALL.into_iter();
    OTHER_SECRETS.contains(&upper.as_str())
        || kinds.any(|kind| adapter(kind).secret_vars.contains(&upper.as_str()))
}

/// Returns whether `name` is `pattern`, or starts with it where it ends in `*`.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    }
}

fn is_on(value: &str) -> bool {
    !matches!(
        value.trim().to_ascii_lowercase().as_str(),
        "" | "0" | "false" | "no" | "off"
    )
}

/// Returns `path` with `dir` as its first entry and nowhere else.
fn path_with_first(dir: &Path, path: &str) -> String {
    let rest =
        std::env::split_paths(path).filter(|entry| entry != dir && !entry.as_os_str().is_empty());
    match std::env::join_paths(std::iter::once(dir.to_owned()).chain(rest)) {
        Ok(joined) => joined.to_string_lossy().into_owned(),
        // A folder whose name holds the separator cannot stand in PATH at all.
        Err(_) => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::testing::spec;

    fn vars(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn secret(text: &str) -> SecretString {
        SecretString::from(text.to_owned())
    }

    /// Returns the names that pass from `names`, each with the value `1`.
    fn passing(spec: &AgentSpec, names: &[&str]) -> Vec<String> {
        let base = names
            .iter()
            .map(|name| ((*name).to_owned(), "1".to_owned()));
        environment(&base.collect(), spec, None, &RunnerVars::default())
            .into_keys()
            .filter(|name| names.contains(&name.as_str()))
            .collect()
    }

    #[test]
    fn quiet_settings_are_those_of_the_user_if_there_are_any() {
        let of = |base: &[(&str, &str)]| {
            let quiet = spec(AgentKind::Pi);
            environment(&vars(base), &quiet, None, &RunnerVars::default())
        };
        assert_eq!(of(&[])["PI_OFFLINE"], "1");
        assert_eq!(of(&[("PI_OFFLINE", "0")])["PI_OFFLINE"], "0");
    }

    #[test]
    fn a_program_with_many_providers_gets_the_key_of_the_one_it_asks() {
        let mut many = spec(AgentKind::Opencode);
        let keys = ["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GROQ_API_KEY"];
        assert!(passing(&many, &keys).is_empty());
        many.token_vars = vec!["ANTHROPIC_API_KEY".to_owned()];
        assert_eq!(passing(&many, &keys), ["ANTHROPIC_API_KEY"]);
        let token = secret("test-key-of-config");
        let env = environment(
            &vars(&[("ANTHROPIC_API_KEY", "inherited")]),
            &many,
            Some(&token),
            &RunnerVars::default(),
        );
        assert_eq!(env["ANTHROPIC_API_KEY"], "test-key-of-config");
    }

    #[test]
    fn opencode_is_told_of_another_server_in_its_settings() {
        let mut other = spec(AgentKind::Opencode);
        other.base_url = Some("http://127.0.0.1:1/v1".to_owned());
        let content = |spec: &AgentSpec| {
            let env = environment(&BTreeMap::new(), spec, None, &RunnerVars::default());
            env.get("OPENCODE_CONFIG_CONTENT").cloned()
        };
        assert_eq!(content(&other), None);
        other.model = Some("mine/m".to_owned());
        assert_eq!(
            content(&other).as_deref(),
            Some(r#"{"provider":{"mine":{"options":{"baseURL":"http://127.0.0.1:1/v1"}}}}"#)
        );
    }

    #[track_caller]
    fn check(kind: AgentKind, name: &str, passes: bool) {
        let found = passing(&spec(kind), &[name]);
        assert_eq!(!found.is_empty(), passes, "{name} for {kind}");
    }

    #[test]
    fn the_allow_list_passes_what_tools_need_and_nothing_else() {
        for kind in AgentKind::ALL {
            for name in [
                "PATH",
                "HOME",
                "LC_ALL",
                "XDG_RUNTIME_DIR",
                "TMPDIR",
                "HTTPS_PROXY",
                "no_proxy",
                "SSH_AUTH_SOCK",
                "CARGO_HOME",
                "JAVA_HOME",
                "VIRTUAL_ENV",
                "NODE_EXTRA_CA_CERTS",
            ] {
                check(kind, name, true);
            }
            for name in [
                "CLAUDECODE",
                "CLAUDE_CODE_ENTRYPOINT",
                "CLAUDE_CODE_SSE_PORT",
                "CODEX_SANDBOX",
                "JRUN_ID",
                "JRUN_CONDUCTOR_URL",
                "CONDUCTOR_API_KEY",
                "CONDUCTOR_ROOT",
                "CONDUCTOR_AGENT_CLAUDE_TOKEN",
                "conductor_agent_x_token",
                "AWS_SECRET_ACCESS_KEY",
                "DATABASE_URL",
                "PATHX",
                "MY_LC_ALL",
                "LD_PRELOAD",
            ] {
                check(kind, name, false);
            }
        }
    }

    #[test]
    fn each_agent_has_its_own_variables_and_no_other_agents_token() {
        use AgentKind::{Claude, Codex, Copilot, Gemini, Opencode, Perplexity, Pi, Qwen, Xai};
        let owners = [
            ("ANTHROPIC_API_KEY", Claude),
            ("ANTHROPIC_BASE_URL", Claude),
            ("CLAUDE_CODE_OAUTH_TOKEN", Claude),
            ("CLAUDE_CODE_MAX_RETRIES", Claude),
            ("CLAUDE_CONFIG_DIR", Claude),
            ("IS_SANDBOX", Claude),
            ("OPENAI_API_KEY", Codex),
            ("OPENAI_ORG_ID", Codex),
            ("CODEX_HOME", Codex),
            ("GEMINI_API_KEY", Gemini),
            ("GOOGLE_API_KEY", Gemini),
            ("GOOGLE_GEMINI_BASE_URL", Gemini),
            ("PERPLEXITY_API_KEY", Perplexity),
            ("XAI_API_KEY", Xai),
            ("XAI_BASE_URL", Xai),
            ("XAI_MODEL", Xai),
            ("OPENCODE_API_KEY", Opencode),
            ("OPENCODE_CONFIG", Opencode),
            ("DASHSCOPE_API_KEY", Qwen),
            ("OPENAI_BASE_URL", Qwen),
            ("COPILOT_GITHUB_TOKEN", Copilot),
            ("COPILOT_HOME", Copilot),
            ("GITHUB_TOKEN", Copilot),
            ("PI_CODING_AGENT_DIR", Pi),
        ];
        for (name, owner) in owners {
            for kind in AgentKind::ALL {
                // Both take a key of this service.
                let shares = name.starts_with("OPENAI_") && matches!(kind, Codex | Qwen);
                if !shares {
                    check(kind, name, kind == owner);
                }
            }
        }
    }

    #[test]
    fn cloud_credentials_pass_only_with_their_switch() {
        let claude = spec(AgentKind::Claude);
        let names = ["AWS_SECRET_ACCESS_KEY", "CLAUDE_CODE_USE_BEDROCK"];
        assert_eq!(passing(&claude, &names), names);
        let mut base = vars(&[("AWS_PROFILE", "p"), ("CLAUDE_CODE_USE_BEDROCK", "0")]);
        let env = environment(&base, &claude, None, &RunnerVars::default());
        assert!(!env.contains_key("AWS_PROFILE"));
        base.remove("CLAUDE_CODE_USE_BEDROCK");
        let mut switched = claude.clone();
        switched.env = vars(&[("CLAUDE_CODE_USE_BEDROCK", "1")]);
        let env = environment(&base, &switched, None, &RunnerVars::default());
        assert_eq!(env["AWS_PROFILE"], "p");
    }

    #[test]
    fn inherit_env_adds_names_and_prefixes_but_patterns_grant_no_secrets() {
        let mut agent = spec(AgentKind::Command);
        agent.inherit_env = ["DATABASE_URL", "MY_*", "OPENAI_*", "CONDUCTOR_*", "JRUN_*"]
            .map(str::to_owned)
            .to_vec();
        let names = [
            "CONDUCTOR_AGENT_X_TOKEN",
            "CONDUCTOR_API_KEY",
            "DATABASE_URL",
            "JRUN_ID",
            "MY_THING",
            "OPENAI_API_KEY",
            "OTHER",
        ];
        assert_eq!(passing(&agent, &names), ["DATABASE_URL", "MY_THING"]);
        agent.inherit_env = vec!["OPENAI_API_KEY".to_owned()];
        assert_eq!(passing(&agent, &names), ["OPENAI_API_KEY"]);
    }

    #[test]
    fn a_configured_token_replaces_every_inherited_one_of_the_same_agent() {
        let base = vars(&[
            ("ANTHROPIC_API_KEY", "canary-a"),
            ("ANTHROPIC_AUTH_TOKEN", "canary-b"),
            ("ANTHROPIC_MODEL", "m"),
        ]);
        let token = secret("chosen\n");
        let env = environment(
            &base,
            &spec(AgentKind::Claude),
            Some(&token),
            &RunnerVars::default(),
        );
        let expected = vars(&[("ANTHROPIC_API_KEY", "chosen"), ("ANTHROPIC_MODEL", "m")]);
        assert_eq!(env, expected);

        let codex = environment(
            &base,
            &spec(AgentKind::Codex),
            Some(&token),
            &RunnerVars::default(),
        );
        let expected = vars(&[("CODEX_API_KEY", "chosen"), ("OPENAI_API_KEY", "chosen")]);
        assert_eq!(codex, expected);
    }

    #[test]
    fn the_launcher_beats_the_token_but_never_the_runner() {
        let base = vars(&[("ANTHROPIC_API_KEY", "a")]);
        let runner = RunnerVars {
            vars: vars(&[("JRUN_ID", "true-id"), ("JRUN_PARENT_ID", "")]),
            extra: vars(&[
                ("ANTHROPIC_API_KEY", "c"),
                ("OPENAI_API_KEY", "d"),
                ("JRUN_ID", "x"),
                ("JRUN_CONDUCTOR_URL", "stale"),
                ("CLAUDECODE", "1"),
                ("MINE", "m"),
            ]),
            ..RunnerVars::default()
        };
        let env = environment(&base, &spec(AgentKind::Claude), Some(&secret("b")), &runner);
        let expected = vars(&[
            ("ANTHROPIC_API_KEY", "c"),
            ("JRUN_ID", "true-id"),
            ("JRUN_PARENT_ID", ""),
            ("MINE", "m"),
        ]);
        assert_eq!(env, expected);
    }

    #[test]
    fn the_configs_variables_and_base_url_are_set() {
        let mut agent = spec(AgentKind::Gemini);
        agent.base_url = Some("http://127.0.0.1:1".to_owned());
        agent.env = vars(&[("PLAIN", "p"), ("TERM", "dumb")]);
        let runner = RunnerVars {
            secret_env: [("HIDDEN_KEY".to_owned(), secret("canary"))].into(),
            ..RunnerVars::default()
        };
        let env = environment(&vars(&[("TERM", "xterm")]), &agent, None, &runner);
        let expected = vars(&[
            ("GOOGLE_GEMINI_BASE_URL", "http://127.0.0.1:1"),
            ("HIDDEN_KEY", "canary"),
            ("PLAIN", "p"),
            ("TERM", "dumb"),
        ]);
        assert_eq!(env, expected);
        assert!(!format!("{runner:?}").contains("canary"));
    }

    #[test]
    fn a_hook_gets_no_agents_secret_unless_it_is_named() {
        let base = [
            "ANTHROPIC_API_KEY",
            "CLAUDECODE",
            "CONDUCTOR_API_KEY",
            "DISPLAY",
            "HOME",
            "JRUN_ID",
            "MY_HOOK_KEY",
            "OPENAI_API_KEY",
            "OTHER",
            "PATH",
        ]
        .map(|name| (name.to_owned(), "1".to_owned()))
        .into();
        let names = |inherit: &[&str]| {
            let inherit: Vec<String> = inherit.iter().map(|&name| name.to_owned()).collect();
            let env = environment_of_hook(&base, &inherit);
            env.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(names(&[]), ["DISPLAY", "HOME", "PATH"]);
        let more = ["MY_*", "OPENAI_*", "JRUN_*", "CLAUDECODE", "CONDUCTOR_*"];
        assert_eq!(names(&more), ["DISPLAY", "HOME", "MY_HOOK_KEY", "PATH"]);
        let named = names(&["OPENAI_API_KEY"]);
        assert_eq!(named, ["DISPLAY", "HOME", "OPENAI_API_KEY", "PATH"]);
    }

    #[track_caller]
    fn check_path(path: &str, expected: &str) {
        let runner = RunnerVars {
            executable_dir: Some(PathBuf::from("/own/bin")),
            ..RunnerVars::default()
        };
        let env = environment(
            &vars(&[("PATH", path)]),
            &spec(AgentKind::Codex),
            None,
            &runner,
        );
        assert_eq!(env["PATH"], expected);
    }

    #[test]
    fn our_own_folder_is_first_in_path_and_only_there() {
        check_path("/usr/bin:/bin", "/own/bin:/usr/bin:/bin");
        check_path("/usr/bin:/own/bin:/bin:/own/bin", "/own/bin:/usr/bin:/bin");
        check_path("/own/bin", "/own/bin");
        check_path("", "/own/bin");
        check_path("/usr/bin::/own/binary", "/own/bin:/usr/bin:/own/binary");
    }
}
