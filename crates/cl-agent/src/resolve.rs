//! From a config entry to an agent that can be started.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::adapter::adapter;
use crate::kind::{AgentKind, Dialect, KindError, PromptChannel};
use crate::spec::AgentSpec;
use crate::stream::JsonlMapping;

/// What was asked for about one agent; everything but the name may be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Definition {
    /// Name of the config entry.
    pub name: String,
    /// Kind, as written; the name counts where it is absent.
    pub kind: Option<String>,
    /// Program: a name to look up or a path.
    pub program: Option<PathBuf>,
    /// Additional arguments.
    pub args: Vec<String>,
    /// Model to ask for.
    pub model: Option<String>,
    /// How the prompt is handed over.
    pub prompt: Option<PromptChannel>,
    /// What the program prints.
    pub dialect: Option<Dialect>,
    /// How to read [`Dialect::Jsonl`].
    pub mapping: Option<JsonlMapping>,
    /// Variables for the agent.
    pub env: BTreeMap<String, String>,
    /// Additional inherited variables, as names and `PREFIX_*`.
    pub inherit_env: Vec<String>,
    /// Variable that receives the token, where the kind does not say.
    pub token_var: Option<String>,
    /// Script of a scripted agent.
    pub script: Option<PathBuf>,
}

/// What the machine looks like to [`resolve`].
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// The environment that agents would inherit from; its `PATH` is searched.
    pub env: &'a BTreeMap<String, String>,
    /// The running executable, which is also the scripted agent.
    pub executable: &'a Path,
    /// Folder that relative paths of the definition are relative to.
    pub base_dir: &'a Path,
    /// Whether agents would run as the superuser.
    pub is_root: bool,
}

/// Why an agent cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// Its type cannot be run.
    #[error("agent {agent:?}")]
    Kind {
        /// Name of the agent.
        agent: String,
        /// What is wrong with the type.
        #[source]
        source: KindError,
    },
    /// The program is not there.
    #[error("agent {agent:?}: program {program:?} was not found in PATH ({path}); {hint}")]
    ProgramMissing {
        /// Name of the agent.
        agent: String,
        /// The program that was looked for.
        program: String,
        /// The `PATH` that was searched.
        path: String,
        /// What to do about it.
        hint: String,
    },
    /// The program is named by its path, and there is no executable file.
    #[error("agent {agent:?}: {} is not an executable file; {hint}", program.display())]
    NotExecutable {
        /// Name of the agent.
        agent: String,
        /// The path.
        program: PathBuf,
        /// What to do about it.
        hint: String,
    },
    /// Something that this kind cannot do without is not configured.
    #[error("agent {agent:?} of type {kind} needs `{key}` in the config")]
    KeyMissing {
        /// Name of the agent.
        agent: String,
        /// Its kind.
        kind: AgentKind,
        /// The missing key.
        key: &'static str,
    },
    /// The script of a scripted agent is not there.
    #[error("agent {agent:?}: the script {} does not exist", script.display())]
    ScriptMissing {
        /// Name of the agent.
        agent: String,
        /// The path.
        script: PathBuf,
    },
    /// The program refuses to run as root.
    #[error(
        "agent {agent:?}: Claude Code refuses to run unattended as root unless {switch}=1 is set, which tells it that this machine is a sandbox; set it in the environment or under `agents.{agent}.env`, or run as another user"
    )]
    RefusesRoot {
        /// Name of the agent.
        agent: String,
        /// The variable that allows it.
        switch: &'static str,
    },
}

/// Makes `definition` concrete: finds the program and checks what would fail later.
pub fn resolve(
    definition: &Definition,
    around: &Surroundings<'_>,
) -> Result<AgentSpec, ResolveError> {
    let agent = &definition.name;
    let kind: AgentKind = definition
        .kind
        .as_deref()
        .unwrap_or(agent)
        .parse()
        .map_err(|source| ResolveError::Kind {
            agent: agent.clone(),
            source,
        })?;
    let table = adapter(kind);
    let spec = AgentSpec {
        name: agent.clone(),
        kind,
        program: find_program(definition, kind, around)?,
        args: definition.args.clone(),
        model: definition.model.clone(),
        prompt: definition.prompt.unwrap_or(table.prompt),
        dialect: definition.dialect.unwrap_or(table.dialect),
        mapping: definition.mapping.clone(),
        env: definition.env.clone(),
        inherit_env: definition.inherit_env.clone(),
        token_var: definition
            .token_var
            .clone()
            .or_else(|| table.token_var.map(str::to_owned)),
        script: find_script(definition, kind, around)?,
    };
    if let Some(switch) = table.root_switch.filter(|_| around.is_root) {
        let value = spec.env.get(switch).or_else(|| around.env.get(switch));
        if value.is_none_or(|value| value.trim() != "1") {
            return Err(ResolveError::RefusesRoot {
                agent: agent.clone(),
                switch,
            });
        }
    }
    Ok(spec)
}

fn find_program(
    definition: &Definition,
    kind: AgentKind,
    around: &Surroundings<'_>,
) -> Result<PathBuf, ResolveError> {
    if kind == AgentKind::Scripted {
        return Ok(around.executable.to_owned());
    }
    let table = adapter(kind);
    let program = match &definition.program {
        Some(program) => program.clone(),
        None if table.program.is_empty() => {
            return Err(ResolveError::KeyMissing {
                agent: definition.name.clone(),
                kind,
                key: "command",
            });
        }
        None => PathBuf::from(table.program),
    };
    let hint = format!(
        "{}, or set `agents.{}.command` to its path",
        table.install_hint, definition.name
    );
    if program.components().count() > 1 || program.is_absolute() {
        let path = around.base_dir.join(&program);
        return if is_executable(&path) {
            Ok(path)
        } else {
            Err(ResolveError::NotExecutable {
                agent: definition.name.clone(),
                program: path,
                hint,
            })
        };
    }
    let path = definition
        .env
        .get("PATH")
        .or_else(|| around.env.get("PATH"))
        .map_or("", String::as_str);
    std::env::split_paths(path)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(&program))
        .find(|candidate| is_executable(candidate))
        .ok_or_else(|| ResolveError::ProgramMissing {
            agent: definition.name.clone(),
            program: program.to_string_lossy().into_owned(),
            path: path.to_owned(),
            hint,
        })
}

fn find_script(
    definition: &Definition,
    kind: AgentKind,
    around: &Surroundings<'_>,
) -> Result<Option<PathBuf>, ResolveError> {
    if kind != AgentKind::Scripted {
        return Ok(None);
    }
    let Some(script) = &definition.script else {
        return Err(ResolveError::KeyMissing {
            agent: definition.name.clone(),
            kind,
            key: "script",
        });
    };
    let script = around.base_dir.join(script);
    if script.is_file() {
        Ok(Some(script))
    } else {
        Err(ResolveError::ScriptMissing {
            agent: definition.name.clone(),
            script,
        })
    }
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    path.is_file()
}
