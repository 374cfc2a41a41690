//! The real agent CLIs: installing them at pinned versions, and pointing them at a stand-in model server.
//!
//! The versions stand in `tests/agents`, with a lock file that names no registry: npm takes what the user has
//! configured. Nothing outside of `target/agents` is changed, and no agent runs while it is installed.
//!
//! Each agent is made to work without account, network and questions by its environment and the files of a home of its
//! own. No flags are needed beside those that `run-agent` passes.

mod probe;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use xshell::{Shell, cmd};

pub(crate) use self::probe::probe;

/// What describes an installation.
const PACKAGE_FILES: [&str; 3] = [".npmrc", "package.json", "package-lock.json"];

/// A copy of the lock file that belongs to what is installed.
const STAMP: &str = "installed-lock.json";

/// Makes the `bin` of Claude Code and of OpenCode the native program; the only install steps of all packages that are wanted.
const INSTALL_STEPS: [&str; 2] = [
    "node_modules/@anthropic-ai/claude-code/install.cjs",
    "node_modules/opencode-ai/postinstall.mjs",
];

/// The oldest Node that Gemini CLI and the installed npm packages work with.
const MINIMUM_NODE: u32 = 20;

/// Seconds for downloading and unpacking about 1.8 GB.
const INSTALL_SECONDS: u32 = 900;

/// Accepted by the stand-in and by nobody else.
const KEY: &str = "test-key";

/// The stand-in's model for agents that name their provider with it.
pub(crate) const STANDIN_MODEL: &str = "standin/standin-model";

/// Variables to set for an agent, besides `PATH`.
pub(crate) type Environment = Vec<(&'static str, String)>;

/// Where the agents' programs are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InstalledAgents {
    /// Holds all of [`PROGRAMS`] under their usual names; Node must be on `PATH` as well.
    pub(crate) bin_dir: PathBuf,
}

/// What is installed, by the names that users type.
const PROGRAMS: [&str; 7] = [
    "claude", "codex", "gemini", "opencode", "qwen", "copilot", "pi",
];

impl InstalledAgents {
    fn below(folder: &Path) -> Self {
        let bin_dir = folder.join("node_modules").join(".bin");
        Self { bin_dir }
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.bin_dir.join(name)
    }

    fn check(&self) -> Result<()> {
        for program in PROGRAMS.map(|name| self.program(name)) {
            ensure!(
                program.is_file(),
                "{} is missing: remove target/agents and try again",
                program.display()
            );
        }
        Ok(())
    }
}

/// Installs the pinned agents below `target/agents`, unless they are already there.
///
/// Needs `node`, `npm` and `timeout` on `PATH`. An installation that was interrupted has no stamp and is done again.
pub(crate) fn install(repo_root: &Path) -> Result<InstalledAgents> {
    let source = repo_root.join("tests").join("agents");
    let folder = repo_root.join("target").join("agents");
    let agents = InstalledAgents::below(&folder);
    let shell = Shell::new().context("could not open a shell")?;
    let lock = shell.read_file(source.join("package-lock.json"))?;
    let stamp = folder.join(STAMP);
    if stamp.is_file() && shell.read_file(&stamp)? == lock {
        agents.check()?;
        return Ok(agents);
    }
    check_node(&shell)?;
    shell.remove_path(&stamp)?;
    shell.create_dir(&folder)?;
    for file in PACKAGE_FILES {
        shell.copy_file(source.join(file), folder.join(file))?;
    }
    shell.change_dir(&folder);
    // Install steps are left out because one of an optional package would download and compile.
    install_step(
        &shell,
        // Not `npm ci`: it refuses a lock file that leaves out programs for other platforms
        // which the registry does not have. Versions and digests are those of the lock file
        // all the same, and it is not changed.
        &[
            "npm",
            "install",
            "--no-save",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
        ],
    )?;
    for step in INSTALL_STEPS {
        install_step(&shell, &["node", step])?;
    }
    agents.check()?;
    shell.write_file(&stamp, lock)?;
    Ok(agents)
}

/// The environment that makes Claude Code talk to the server at `url`.
///
/// It repeats a failed request once. As root it skips permission questions only in what it takes for a sandbox.
pub(crate) fn claude_setup(url: &str, home: &Path) -> Result<Environment> {
    let mut environment = own_home(home)?;
    environment.extend([
        ("ANTHROPIC_BASE_URL", url.to_owned()),
        ("ANTHROPIC_API_KEY", KEY.to_owned()),
        ("ANTHROPIC_MODEL", "claude-sonnet-4-5".to_owned()),
        ("IS_SANDBOX", "1".to_owned()),
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1".to_owned()),
        ("CLAUDE_CODE_MAX_RETRIES", "1".to_owned()),
        ("DISABLE_AUTOUPDATER", "1".to_owned()),
    ]);
    Ok(environment)
}

/// The environment and `config.toml` that make Codex talk to the server at `url`.
///
/// A provider of its own is needed: the built-in one tries a web socket first and ignores `OPENAI_BASE_URL`. Analytics
/// would hold up the exit for seconds where there is no network.
pub(crate) fn codex_setup(url: &str, home: &Path) -> Result<Environment> {
    let codex_home = home.join(".codex");
    let config = format!(
        r#"model = "gpt-5-codex"
model_provider = "standin"
check_for_update_on_startup = false

[analytics]
enabled = false

[model_providers.standin]
name = "standin"
base_url = "{url}/v1"
env_key = "CODEX_API_KEY"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 1
stream_idle_timeout_ms = 5000
"#
    );
    let mut environment = own_home(home)?;
    Shell::new()?.write_file(codex_home.join("config.toml"), config)?;
    environment.extend([
        ("CODEX_HOME", codex_home.display().to_string()),
        ("CODEX_API_KEY", KEY.to_owned()),
    ]);
    Ok(environment)
}

/// The environment and `settings.json` that make Gemini CLI talk to the server at `url`.
///
/// The settings must name the way to log in, because the address alone selects one that is then refused.
pub(crate) fn gemini_setup(url: &str, home: &Path) -> Result<Environment> {
    let settings = serde_json::json!({
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": false},
        "general": {
            "enableAutoUpdate": false,
            "enableAutoUpdateNotification": false,
            "maxAttempts": 2,
        },
        "telemetry": {"enabled": false},
    });
    let mut environment = own_home(home)?;
    Shell::new()?.write_file(
        home.join(".gemini").join("settings.json"),
        settings.to_string(),
    )?;
    environment.extend([
        ("GOOGLE_GEMINI_BASE_URL", url.to_owned()),
        ("GEMINI_API_KEY", KEY.to_owned()),
        ("GEMINI_MODEL", "gemini-2.5-pro".to_owned()),
        ("GEMINI_CLI_TRUST_WORKSPACE", "true".to_owned()),
    ]);
    Ok(environment)
}

/// The environment and settings that make OpenCode talk to the server at `url`.
///
/// The key comes from a variable named after the provider, as for OpenCode's own providers.
pub(crate) fn opencode_setup(url: &str, home: &Path) -> Result<Environment> {
    let settings = home.join(".config/opencode/opencode.json");
    let config = serde_json::json!({
        "share": "disabled",
        "small_model": STANDIN_MODEL,
        "enabled_providers": ["standin"],
        "provider": {"standin": {
            "npm": "@ai-sdk/openai-compatible",
            "options": {"baseURL": format!("{url}/v1"), "apiKey": "{env:STANDIN_API_KEY}"},
            "models": {"standin-model": {
                "limit": {"context": 128_000, "output": 8192},
                "cost": {"input": 1, "output": 2},
            }},
        }},
    });
    let mut environment = own_home(home)?;
    Shell::new()?.write_file(settings, config.to_string())?;
    environment.extend([
        ("STANDIN_API_KEY", KEY.to_owned()),
        ("OPENCODE_DISABLE_MODELS_FETCH", "1".to_owned()),
        ("OPENCODE_DISABLE_DEFAULT_PLUGINS", "1".to_owned()),
    ]);
    Ok(environment)
}

/// The environment and `settings.json` that make Qwen Code talk to the server at `url`.
///
/// Without the setting it asks the model after some runs what to remember of them, with a shell tool of its own.
pub(crate) fn qwen_setup(url: &str, home: &Path) -> Result<Environment> {
    let settings = serde_json::json!({"memory": {"enableManagedAutoMemory": false}});
    let mut environment = own_home(home)?;
    Shell::new()?.write_file(home.join(".qwen/settings.json"), settings.to_string())?;
    environment.extend([
        ("OPENAI_BASE_URL", format!("{url}/v1")),
        ("OPENAI_API_KEY", KEY.to_owned()),
    ]);
    Ok(environment)
}

/// The environment that makes Copilot CLI talk to the server at `url`, and to nobody else.
pub(crate) fn copilot_setup(url: &str, home: &Path) -> Result<Environment> {
    let mut environment = own_home(home)?;
    environment.extend([
        ("COPILOT_PROVIDER_BASE_URL", format!("{url}/v1")),
        ("COPILOT_PROVIDER_API_KEY", KEY.to_owned()),
        ("COPILOT_OFFLINE", "true".to_owned()),
    ]);
    Ok(environment)
}

/// The environment and `models.json` that make Pi talk to the server at `url`.
pub(crate) fn pi_setup(url: &str, home: &Path) -> Result<Environment> {
    let models = serde_json::json!({"providers": {"standin": {
        "baseUrl": format!("{url}/v1"),
        "api": "openai-completions",
        // The name of a variable.
        "apiKey": "STANDIN_API_KEY",
        "models": [{
            "id": "standin-model",
            "contextWindow": 128_000,
            "maxTokens": 8192,
            "cost": {"input": 1, "output": 2, "cacheRead": 0.1, "cacheWrite": 0},
        }],
    }}});
    let mut environment = own_home(home)?;
    Shell::new()?.write_file(home.join(".pi/agent/models.json"), models.to_string())?;
    environment.push(("STANDIN_API_KEY", KEY.to_owned()));
    Ok(environment)
}

/// A home with a temporary folder of its own: Gemini leaves whole conversations in there after an error.
fn own_home(home: &Path) -> Result<Environment> {
    let temporary = home.join("tmp");
    Shell::new()?.create_dir(&temporary)?;
    Ok(vec![
        ("HOME", home.display().to_string()),
        ("TMPDIR", temporary.display().to_string()),
        ("NO_COLOR", "1".to_owned()),
    ])
}

fn check_node(shell: &Shell) -> Result<()> {
    let version = cmd!(shell, "node --version")
        .quiet()
        .read()
        .context("node is needed for the agents: install Node.js 20 or newer with npm")?;
    let major = version
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(major) if major >= MINIMUM_NODE => Ok(()),
        _ => bail!(
            "node {version} is too old for the agents: install Node.js {MINIMUM_NODE} or newer"
        ),
    }
}

/// Runs an install step, which shows its own output.
fn install_step(shell: &Shell, words: &[&str]) -> Result<()> {
    let seconds = INSTALL_SECONDS.to_string();
    cmd!(shell, "timeout --kill-after=10 {seconds} {words...}")
        .run()
        .with_context(|| {
            format!("could not install the agents (exit code 124: not done after {seconds} s)")
        })
}
