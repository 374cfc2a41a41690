//! `doctor`: is everything well?
//!
//! The parts are those of `doctor storage`, `doctor processes`, `doctor agents` and
//! `validate`; what is wrong is listed once more, by how bad it is.

use std::path::PathBuf;

use cl_runner::processes::{self, ProcessRow, Role};
use cl_storage::doctor::{Finding, Level, LookedAt};
use cl_storage::owner::OwnerState;
use cl_storage::redact::Redactor;
use cl_storage::space::{self, LEAST_BYTES, LOW_BYTES};
use serde::Serialize;
use serde_json::json;

use super::doctor_agents::{self, Report, State};
use super::doctor_processes::{self, Check};
use crate::args::DoctorAgentsArgs;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;

/// Something that is wrong; also its JSON form.
#[derive(Debug, Serialize)]
struct Problem {
    level: Level,
    /// `config`, `root`, `agents`, `storage`, `processes` or `machine`.
    about: &'static str,
    what: String,
    /// What to do; none if `what` says it.
    advice: Option<String>,
}

impl Problem {
    fn new(level: Level, about: &'static str, what: impl Into<String>) -> Self {
        Self {
            level,
            about,
            what: what.into(),
            advice: None,
        }
    }

    fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

#[derive(Debug, Serialize)]
struct ConfigFact {
    /// None if there is no file, or none that can be read.
    path: Option<PathBuf>,
    ok: bool,
}

#[derive(Debug, Serialize)]
struct RootFact {
    path: PathBuf,
    /// Where it was taken from.
    from: String,
    exists: bool,
    free_bytes: Option<u64>,
}

/// A process that nobody looks after; also its JSON form.
#[derive(Debug, Serialize)]
struct Stray {
    pid: i32,
    project: String,
    task: String,
    run: Option<String>,
    command: String,
    why: &'static str,
}

#[derive(Debug, Default, Serialize)]
struct ProcessFact {
    total: usize,
    unaccounted: Vec<Stray>,
}

/// Everything that was found.
#[derive(Debug, Serialize)]
struct Health {
    config: ConfigFact,
    root: Option<RootFact>,
    storage: LookedAt,
    processes: ProcessFact,
    machine: Vec<Check>,
    agents: Vec<Report>,
    problems: Vec<Problem>,
}

/// Looks at everything and sums it up.
pub(super) fn run(ctx: &mut Context, args: &DoctorAgentsArgs) -> Result<Exit, CliError> {
    if args.live {
        return Err(CliError::usage("--live needs the name of an agent here")
            .hint("`run-agent doctor agents --live` tries out all of them"));
    }
    let mut problems = Vec::new();
    let config = config(ctx, &mut problems);
    let scope = ctx.scope().inspect_err(|error| {
        let problem = Problem::new(Level::Error, "root", error.chain());
        problems.push(match error.advice() {
            Some(advice) => problem.advice(advice),
            None => problem,
        });
    });
    let scope = scope.ok();
    let root = scope.as_ref().map(|scope| root(scope, &mut problems));
    let mut storage = LookedAt::default();
    let mut processes = ProcessFact::default();
    if let Some(scope) = &scope {
        match super::doctor::look(ctx, scope) {
            Ok((findings, looked_at)) => {
                storage = looked_at;
                problems.extend(findings.iter().map(of_storage));
            }
            Err(error) => problems.push(Problem::new(Level::Error, "storage", error.chain())),
        }
        match strays(ctx, scope) {
            Ok(found) => processes = found,
            Err(error) => problems.push(Problem::new(Level::Error, "processes", error.chain())),
        }
    }
    problems.extend(processes.unaccounted.iter().map(of_stray));
    let machine = doctor_processes::checks(ctx);
    let missing = machine.iter().filter(|check| !check.ok && check.needed);
    problems.extend(missing.map(|check| {
        let what = format!("{}: {}", check.name, check.detail);
        Problem::new(Level::Error, "machine", what).advice(check.why)
    }));
    // Last, because from here on signals are for the programs that are asked.
    let agents = if config.ok {
        match doctor_agents::survey(ctx, None)? {
            Ok(agents) => agents,
            Err(exit) => return Ok(exit),
        }
    } else {
        Vec::new()
    };
    if config.ok {
        of_agents(&agents, &mut problems);
    }
    problems.sort_by_key(|problem| problem.level);
    let health = Health {
        config,
        root,
        storage,
        processes,
        machine,
        agents,
        problems,
    };
    tell(ctx, &health)
}

fn config(ctx: &Context, problems: &mut Vec<Problem>) -> ConfigFact {
    match ctx.config.load() {
        Ok(loaded) => {
            let warnings = loaded.warnings.iter().map(cl_config::render_warning);
            problems.extend(
                warnings.map(|text| Problem::new(Level::Warning, "config", one_line(&text))),
            );
            ConfigFact {
                path: loaded.source.path().map(Into::into),
                ok: true,
            }
        }
        Err(error) => {
            let text = one_line(&cl_config::render(&error));
            let advice = "`run-agent validate` shows the place";
            problems.push(Problem::new(Level::Error, "config", text).advice(advice));
            ConfigFact {
                path: None,
                ok: false,
            }
        }
    }
}

/// Returns the first line of a message that shows its place in several.
fn one_line(text: &str) -> String {
    let mut lines = text.lines().map(str::trim);
    let line = lines.find(|line| !line.is_empty()).unwrap_or_default();
    line.to_owned()
}

fn root(scope: &Scope, problems: &mut Vec<Problem>) -> RootFact {
    let path = scope.root().path();
    let free_bytes = space::free_bytes(path).ok();
    // The room of a root that exists is judged with its storage.
    if let Some(free) = free_bytes.filter(|free| !scope.root().exists() && *free < LOW_BYTES) {
        let level = if free < LEAST_BYTES {
            Level::Error
        } else {
            Level::Warning
        };
        let what = format!(
            "{} MiB are free where {} will be",
            free >> 20,
            path.display()
        );
        problems.push(Problem::new(level, "root", what).advice("make room"));
    }
    RootFact {
        path: path.to_owned(),
        from: scope.root.from.to_string(),
        exists: scope.root().exists(),
        free_bytes,
    }
}

fn of_storage(finding: &Finding) -> Problem {
    let what = format!("{} {}", finding.path.display(), finding.what);
    Problem::new(finding.level, "storage", what).advice(finding.advice)
}

/// Lists the processes that carry a task's mark and have nobody who ends them.
fn strays(ctx: &Context, scope: &Scope) -> Result<ProcessFact, CliError> {
    if !scope.has_root()? {
        return Ok(ProcessFact::default());
    }
    let secrets = ctx.config().map(|it| it.config.all_secrets());
    let redactor = Redactor::new(secrets.unwrap_or_default());
    let rows = processes::list(scope.root(), &redactor, &*ctx.clock)?;
    Ok(ProcessFact {
        total: rows.len(),
        unaccounted: rows.iter().filter_map(stray).collect(),
    })
}

fn stray(row: &ProcessRow) -> Option<Stray> {
    let why = match (row.note, row.owner) {
        (Some(note), _) => note,
        (None, OwnerState::Alive) => return None,
        (None, _) if row.role == Role::Supervisor => return None,
        (None, OwnerState::Lost) => "its supervisor died",
        (None, OwnerState::None) => "its task has no supervisor",
    };
    Some(Stray {
        pid: row.pid,
        project: row.project.to_string(),
        task: row.task.to_string(),
        run: row.run.as_ref().map(ToString::to_string),
        command: row.command.clone(),
        why,
    })
}

fn of_stray(stray: &Stray) -> Problem {
    let Stray {
        pid, project, task, ..
    } = stray;
    let what = format!("process {pid} of {project}/{task}: {}", stray.why);
    Problem::new(Level::Error, "processes", what).advice(format!(
        "`run-agent stop {task} --project {project}` ends it"
    ))
}

/// An agent that nobody has configured may be missing, but one must be there.
fn of_agents(agents: &[Report], problems: &mut Vec<Problem>) {
    for agent in agents {
        let level = match agent.state {
            State::Unusable => Level::Error,
            State::Degraded => Level::Warning,
            State::Usable | State::NotInstalled => continue,
        };
        let what = format!("{}: {}", agent.name, agent.findings.join("; "));
        problems.push(Problem::new(level, "agents", what));
    }
    if !agents.iter().any(Report::is_usable) {
        problems.push(
            Problem::new(Level::Error, "agents", "no agent can be used").advice(
                "install one, such as claude or codex, or describe one in the configuration",
            ),
        );
    }
}

fn tell(ctx: &mut Context, health: &Health) -> Result<Exit, CliError> {
    let count = |level| {
        (health.problems.iter())
            .filter(|it| it.level == level)
            .count()
    };
    let (errors, warnings) = (count(Level::Error), count(Level::Warning));
    if ctx.console.is_json() {
        let mut document = json!(health);
        document["ok"] = json!(errors == 0);
        document["summary"] = json!({"errors": errors, "warnings": warnings});
        ctx.console.json(&document)?;
    } else {
        print(ctx, health)?;
        ctx.console
            .line(format_args!("Doctor: {errors} errors, {warnings} warnings"))?;
    }
    Ok(if errors == 0 {
        Exit::Success
    } else {
        Exit::Failed
    })
}

fn print(ctx: &mut Context, health: &Health) -> Result<(), CliError> {
    let console = &mut ctx.console;
    match (&health.config.path, health.config.ok) {
        (_, false) => console.line("Config: cannot be used")?,
        (Some(path), true) => console.line(format_args!("Config: {}", path.display()))?,
        (None, true) => console.line("Config: none, defaults are used")?,
    }
    if let Some(root) = &health.root {
        let state = if root.exists {
            "exists"
        } else {
            "will be made"
        };
        let free = match root.free_bytes {
            Some(free) => format!("{} MiB free", free >> 20),
            None => "free room unknown".to_owned(),
        };
        let path = root.path.display();
        console.line(format_args!(
            "Root: {path} ({state}; {}), {free}",
            root.from
        ))?;
    }
    let LookedAt {
        projects,
        tasks,
        runs,
    } = health.storage;
    console.line(format_args!(
        "Storage: {projects} projects, {tasks} tasks, {runs} runs"
    ))?;
    console.line(format_args!(
        "Processes: {} of tasks, {} unaccounted for",
        health.processes.total,
        health.processes.unaccounted.len()
    ))?;
    let absent: Vec<&str> = (health.machine.iter())
        .filter(|check| !check.ok)
        .map(|check| check.name)
        .collect();
    match absent.as_slice() {
        [] => console.line("Machine: offers everything")?,
        absent => console.line(format_args!("Machine: without {}", absent.join(", ")))?,
    }
    let of_state = |state: State| -> Vec<&str> {
        let agents = health.agents.iter().filter(|agent| agent.state == state);
        agents.map(|agent| agent.name.as_str()).collect()
    };
    for (state, word) in [
        (State::Usable, "usable"),
        (State::Degraded, "degraded"),
        (State::Unusable, "unusable"),
        (State::NotInstalled, "not installed"),
    ] {
        let names = of_state(state);
        if !names.is_empty() {
            console.line(format_args!("Agents, {word}: {}", names.join(", ")))?;
        }
    }
    for problem in &health.problems {
        let (level, about, what) = (problem.level.as_str(), problem.about, &problem.what);
        console.line(format_args!("{level}: {about}: {what}"))?;
        if let Some(advice) = &problem.advice {
            console.line(format_args!("    do: {advice}"))?;
        }
    }
    Ok(())
}
