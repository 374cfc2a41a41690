//! What `task`, `job`, `task resume` and `recover` have in common: from flags to a launch.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cl_runner::attach::{Flight, OnTerminate};
use cl_runner::launch::{
    Contacts, LaunchError, OrderError, PrepareError, Refusal, is_prompt_of_record, room_for,
};
pub(super) use cl_runner::launch::{Order, Ready};
use cl_storage::dependencies::{self, Graph};
use cl_storage::process::ProcessIdentity;
use cl_storage::space::Room;
use cl_storage::task_config::{TaskConfig, parse_ids};
use cl_storage::{ProjectId, Root, RunId, TaskDir, TaskId};

use super::nesting::{self, Around};
use crate::args::LaunchArgs;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;

/// Prompts are text that a person or an agent wrote; a larger file is a mistake.
const LARGEST_PROMPT: u64 = 16 * 1024 * 1024;

/// Returns the running program, as agents will call it.
pub(super) fn executable() -> Result<PathBuf, CliError> {
    std::env::current_exe().map_err(|error| {
        CliError::failed("could not find this program's own file").caused_by(error)
    })
}

/// Returns what TERM means to a command that waits for a launch.
///
/// Shell tools of agents end slow commands with TERM; what they started must go on.
pub(super) fn on_terminate(ctx: &Context) -> OnTerminate {
    match ctx.environment.get("JRUN_ID") {
        Some(_) => OnTerminate::Detach,
        None => OnTerminate::Stop,
    }
}

/// Returns the project of a new task, or says how to name one.
pub(super) fn project(ctx: &Context, scope: &Scope) -> Result<ProjectId, CliError> {
    scope.require_project().cloned().map_err(|error| {
        let folder = ctx
            .environment
            .current_dir()
            .file_name()
            .and_then(|name| name.to_str());
        match folder.and_then(ProjectId::suggest) {
            Some(id) => CliError::usage(error.to_string()).hint(format!(
                "name one; for this folder, --project {id} would do"
            )),
            None => error,
        }
    })
}

/// Returns the prompt that the flags give; none if they give none.
pub(crate) fn prompt(ctx: &Context, args: &LaunchArgs) -> Result<Option<String>, CliError> {
    let prompt = match (&args.prompt_file, &args.prompt) {
        (Some(path), _) if path == Path::new("-") => piped_prompt(ctx)?,
        (Some(path), _) => read_prompt(&ctx.absolute(path))?,
        (None, Some(text)) => text.clone(),
        (None, None) => return Ok(None),
    };
    if prompt.trim().is_empty() {
        return Err(CliError::usage("the prompt is empty").hint("say what the agent is to do"));
    }
    Ok(Some(prompt))
}

fn piped_prompt(ctx: &Context) -> Result<String, CliError> {
    if ctx.console.in_is_terminal() {
        return Err(CliError::usage(
            "the prompt was to come from standard input, which is a terminal",
        )
        .hint("pipe the prompt in, or say it with --prompt"));
    }
    prompt_text("that was piped in", std::io::stdin().lock(), |error| {
        CliError::failed("could not read the prompt from standard input").caused_by(error)
    })
}

fn read_prompt(path: &Path) -> Result<String, CliError> {
    let failed = |error: std::io::Error| {
        let message = format!("could not read the prompt file {}", path.display());
        let exit = if error.kind() == std::io::ErrorKind::NotFound {
            Exit::NotFound
        } else {
            Exit::Failed
        };
        CliError::new(exit, message)
            .caused_by(error)
            .hint("check the path that --prompt-file names")
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    prompt_text(&format!("in {}", path.display()), file, failed)
}

/// Reads a file of instructions that a person has named, such as a manifest, up to the size of a prompt.
pub(super) fn text_file(what: &str, path: &Path) -> Result<String, CliError> {
    use std::io::Read as _;
    let failed = |error: std::io::Error| {
        let exit = if error.kind() == std::io::ErrorKind::NotFound {
            Exit::NotFound
        } else {
            Exit::Failed
        };
        let message = format!("could not read the {what} {}", path.display());
        CliError::new(exit, message).caused_by(error)
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(LARGEST_PROMPT + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let wrong = |why| CliError::usage(format!("the {what} {} is {why}", path.display()));
    if bytes.len() as u64 > LARGEST_PROMPT {
        return Err(wrong("larger than 16 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| wrong("not UTF-8"))
}

/// Reads a prompt; `which` tells in messages which one it is.
fn prompt_text(
    which: &str,
    from: impl std::io::Read,
    failed: impl Fn(std::io::Error) -> CliError,
) -> Result<String, CliError> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    from.take(LARGEST_PROMPT + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > LARGEST_PROMPT {
        return Err(CliError::usage(format!(
            "the prompt {which} is larger than 16 MiB"
        )));
    }
    String::from_utf8(bytes)
        .map_err(|_| CliError::usage(format!("the prompt {which} is not UTF-8")))
}

/// Returns the working folder of the agents: the flag's, else `default`.
pub(crate) fn working_folder(
    ctx: &Context,
    args: &LaunchArgs,
    default: &Path,
) -> Result<PathBuf, CliError> {
    folder(ctx, args.cwd.as_deref(), default)
}

/// Returns a folder to work in: the one named, else `default`.
pub(super) fn folder(
    ctx: &Context,
    named: Option<&Path>,
    default: &Path,
) -> Result<PathBuf, CliError> {
    let path = named.map_or_else(|| default.to_owned(), |path| ctx.absolute(path));
    if path.is_dir() {
        // Agents compare paths with what the shell tells them, so links are resolved once, here.
        return std::fs::canonicalize(&path).map_err(|error| {
            CliError::failed(format!("could not use {}", path.display())).caused_by(error)
        });
    }
    let exit = if path.exists() {
        Exit::Usage
    } else {
        Exit::NotFound
    };
    let what = if path.exists() {
        "is not a folder"
    } else {
        "does not exist"
    };
    Err(CliError::new(
        exit,
        format!("the working folder {} {what}", path.display()),
    )
    .hint("name a folder with --cwd"))
}

/// The id of the task to launch.
#[derive(Debug)]
pub(super) enum NewId {
    /// It was named.
    Named(TaskId),
    /// It was made up, so the user has yet to hear of it.
    MadeUp(TaskId),
}

impl NewId {
    /// Tells an id that was made up. To be called once the launch is accepted.
    pub(super) fn announce(&self, ctx: &mut Context) {
        if let Self::MadeUp(task) = self {
            ctx.console.note(format_args!("task: {task}"));
        }
    }
}

impl AsRef<TaskId> for NewId {
    fn as_ref(&self) -> &TaskId {
        match self {
            Self::Named(task) | Self::MadeUp(task) => task,
        }
    }
}

/// Returns the id for a new task: the one named, or one made up.
pub(super) fn new_task_id(ctx: &mut Context, scope: &Scope, project: &ProjectId) -> NewId {
    let enclosing = scope.enclosing.as_ref().map(|found| &found.value);
    let named = scope.task.as_ref().map(|task| &task.value);
    if let Some(named) = named {
        let is_enclosing =
            enclosing.is_some_and(|found| found.task == *named && found.project == *project);
        if !is_enclosing {
            return NewId::Named(named.clone());
        }
        ctx.console.note(format_args!(
            "{named} is the task around this command; a sub-task of its own is made"
        ));
    }
    NewId::MadeUp(TaskId::generate(ctx.now(), ""))
}

/// Tells whether `TASK.md` says something else than the prompt given, and so stays as it is.
pub(super) fn keeps_other_prompt(task: &TaskDir, given: Option<&str>) -> bool {
    given.is_some_and(|given| task.prompt().is_file() && !is_prompt_of_record(task, given))
}

/// Says that a launch goes by another prompt than the one in `TASK.md`.
pub(super) fn tell_kept_prompt(ctx: &mut Context) {
    ctx.console
        .note("the new prompt is for this launch; TASK.md keeps the first one");
}

/// Chooses the agent and makes sure that it can be started.
///
/// Where agents take turns, the first of them that can be started stands for all: the
/// supervisor chooses.
pub(super) fn ready(ctx: &Context, agent: Option<&str>) -> Result<Ready, CliError> {
    let config = &ctx.config()?.config;
    cl_runner::launch::ready(config, &ctx.environment, &executable()?, agent).map_err(order_error)
}

/// Launches `order` and returns it as something to wait for.
///
/// The supervisor around this command launches it, if there is one; else it is launched
/// directly, with `ready` or what is found out now.
pub(super) fn launch(
    ctx: &mut Context,
    around: Option<&Around>,
    order: Order,
    ready: Option<Ready>,
) -> Result<Flight, CliError> {
    let (task, grace) = (order.task.clone(), order.policy.grace);
    // What cannot be read keeps nobody from launching through another process.
    let config = ctx.config().ok();
    let suppression = config.map(|loaded| loaded.config.defaults.stop_suppression);
    let nested = match around {
        Some(around) => nesting::launch_through(ctx, around, &order)?,
        None => None,
    };
    if let Some(launch_id) = nested {
        return Ok(Flight::new(task, launch_id, grace, suppression));
    }
    // Around a task whose supervisor has just died, the agents were not looked at yet.
    let ready = match ready {
        Some(ready) => ready,
        None => self::ready(ctx, order.agent.as_deref())?,
    };
    let (launch_id, supervisor) = launch_supervised(ctx, order, ready)?;
    Ok(Flight::new(task, launch_id, grace, suppression).under(supervisor))
}

/// Launches `order` and returns the launch's id and the supervisor.
pub(super) fn launch_supervised(
    ctx: &mut Context,
    order: Order,
    ready: Ready,
) -> Result<(String, ProcessIdentity), CliError> {
    order
        .check_secrets(&ready, &ctx.config()?.config, &ctx.environment)
        .map_err(order_error)?;
    let notify = ctx
        .config()
        .ok()
        .and_then(|loaded| cl_runner::notify::NotifyPlan::of(&loaded.config, &loaded.source));
    let contacts = Contacts {
        notify,
        conductor_url: None,
    };
    let task = order.task.clone();
    let (launch_id, launched) = order
        .launch(ready, contacts, ctx.now())
        .map_err(launch_error)?;
    if room_for(&task) == Room::Low {
        ctx.console
            .warn("less than 1 GiB is free where the root is; `run-agent gc` deletes old runs");
    }
    Ok((launch_id, launched.supervisor))
}

/// Returns what launches need besides their order.
pub(super) fn settings(ctx: &Context) -> Result<cl_conduct::Settings, CliError> {
    let loaded = ctx.config()?;
    Ok(cl_conduct::Settings {
        config: std::sync::Arc::new(loaded.config.clone()),
        source: loaded.source.clone(),
        environment: ctx.environment.clone(),
        executable: executable()?,
        url: None,
    })
}

pub(super) fn order_error(error: OrderError) -> CliError {
    match error {
        OrderError::Choice(error) => CliError::usage(error.to_string())
            .hint("`run-agent validate` shows the agents there are"),
        OrderError::Prepare(error) => {
            let is_token = matches!(error, PrepareError::Token { .. });
            let made = CliError::usage(if is_token {
                "auth: the agent cannot be started"
            } else {
                "the agent cannot be started"
            });
            made.caused_by(error)
                .hint("`run-agent validate` shows what each agent needs")
        }
        OrderError::Secret { ref message, .. } => CliError::failed(message.clone())
            .caused_by(error)
            .hint("provide it again, or name another agent with --agent"),
        other => CliError::failed("the task could not be launched").caused_by(other),
    }
}

pub(super) fn launch_error(error: LaunchError) -> CliError {
    match error {
        LaunchError::Refused { refusal, message } => {
            let exit = match refusal {
                Refusal::Conflict => Exit::Conflict,
                Refusal::NotFound => Exit::NotFound,
                Refusal::Failed => Exit::Failed,
            };
            CliError::new(exit, message)
        }
        LaunchError::NoRoom { .. } => {
            CliError::failed(error.to_string()).hint("make room; `run-agent gc` deletes old runs")
        }
        LaunchError::Overlap(overlap) => CliError::usage(overlap.to_string())
            .hint("give --root a folder of its own: outside the work tree, or below its top and ignored, such as ./runs"),
        other => CliError::failed("the task could not be launched").caused_by(other),
    }
}

/// Returns the tasks that must be done before `task`, if that is known already; none if
/// no flag says so.
pub(crate) fn depends_on(
    args: &LaunchArgs,
    task: Option<&TaskId>,
) -> Result<Option<Vec<TaskId>>, CliError> {
    let Some(texts) = &args.depends_on else {
        return Ok(None);
    };
    let ids =
        parse_ids(texts).map_err(|error| CliError::usage(format!("--depends-on: {error}")))?;
    if let Some(task) = task.filter(|task| ids.contains(task)) {
        let text = format!("task {:?} cannot depend on itself", task.as_str());
        return Err(CliError::usage(text));
    }
    Ok(Some(ids))
}

/// Warns of dependencies that nobody is going to satisfy as things stand.
pub(super) fn warn_of_dependencies(ctx: &mut Context, root: &Root, task: &TaskDir) {
    // What cannot be read was told by the one who launched the task.
    let gating = TaskConfig::read(task).map(|config| config.gating());
    let Some(gating) = gating.ok().filter(|gating| !gating.is_empty()) else {
        return;
    };
    let Ok(project) = root.project(task.project()) else {
        return;
    };
    let mut graph: Graph<'_> = dependencies::graph_of(root, &project, ctx.now());
    for blocker in graph.blockers(&gating) {
        if blocker.standing.is_worth_a_warning() {
            ctx.console.warn(dependencies::warning(&blocker));
        }
    }
}

/// Returns the variables of `--env`.
pub(crate) fn extra_env(args: &LaunchArgs) -> BTreeMap<String, String> {
    args.env.iter().cloned().collect()
}

/// Parses a run id that a flag names.
pub(super) fn run_flag(flag: &str, value: Option<&str>) -> Result<Option<RunId>, CliError> {
    value
        .map(|text| RunId::parse(text).map_err(|error| CliError::usage(format!("{flag}: {error}"))))
        .transpose()
}
