//! `goal apply`: starts the tasks of a plan, each after those it depends on.
//!
//! Tasks are launched before their turn as far as [`ahead`](super::ahead) allows; each
//! has a supervisor of its own that waits for the tasks before it, so the plan goes on
//! without this command. What has been started is known from the tasks' own folders, so applying a plan
//! again starts nothing twice and goes on where the last one ended. The tasks are
//! detached: whoever ends this command leaves them alone.

use std::path::PathBuf;
use std::time::Duration;

use cl_config::{find_on_path, select_agent};
use cl_runner::launch::Kind;
use cl_storage::durable::{self, Mode};
use cl_storage::lock::HeldLock;
use cl_storage::snapshot::TaskView;
use cl_storage::status::TaskStatus;
use cl_storage::{ProjectDir, TaskDir};
use serde_json::json;

use super::ahead::{self, Stand, View};
use super::prompt;
use super::spec::{self, Spec};
use crate::args::{ApplyArgs, LaunchArgs};
use crate::commands::launch_policy;
use crate::commands::launching;
use crate::commands::series::{self, Common, Part, Request, Waiting};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;

/// So many supervisors may wait for other tasks: each holds about six mebibytes.
const MOST_AHEAD: usize = 32;

/// How often a task that waits for others looks at them.
const POLL: Duration = Duration::from_secs(1);

/// How often the tasks that run are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Starts the tasks of a plan and waits for them.
pub fn run(ctx: &mut Context, args: &ApplyArgs) -> Result<Exit, CliError> {
    let path = ctx.absolute(&args.spec);
    let text = launching::text_file("plan", &path)?;
    let wrong = |why: String| CliError::usage(format!("{}: {why}", path.display()));
    let spec = spec::read(&text).map_err(wrong)?;
    let needs = spec::needs(&spec).map_err(wrong)?;
    if let Some(named) = &ctx.global.project
        && *named != spec.project_id.as_str()
    {
        return Err(CliError::usage(format!(
            "the plan is one of project {}, and not of {named}",
            spec.project_id
        )));
    }
    let scope = ctx.scope()?;
    let project = scope.root().project(&spec.project_id)?;
    let goal = find_goal(ctx, &spec, args)?;
    let launch = LaunchArgs {
        agent: args.agent.clone(),
        cwd: args.cwd.clone(),
        ..LaunchArgs::default()
    };
    let cwd = launching::working_folder(ctx, &launch, ctx.environment.current_dir())?;
    let common = Common::of(ctx, &scope, &launch)?;
    let mut items = Vec::new();
    for (task, needs) in spec.tasks.iter().zip(needs) {
        let agent = match &args.agent {
            Some(agent) => agent.clone(),
            None => preferred(ctx, &task.agent)?,
        };
        common.check_agent(ctx, Some(&agent))?;
        items.push(Item {
            task: project.task(&task.task_id)?,
            prompt: prompt::prompt(&spec, task, &goal),
            prompt_file: project.path().join(&task.prompt_file),
            agent,
            needs,
            stand: Stand::Pending,
            is_stuck: false,
        });
    }
    let folder = project.path().join("workflow").join(&spec.workflow_id);
    let mut apply = Apply {
        // Tasks of an agent live as long as its run, which waits for them, and are few.
        ahead: if common.around.is_some() || args.dry_run {
            0
        } else {
            MOST_AHEAD
        },
        parallel: usize::try_from(args.max_parallel.unwrap_or(spec.max_parallel)).unwrap_or(1),
        waiting: Waiting::plain()?,
        common,
        scope,
        cwd,
        items,
        is_dry: args.dry_run,
    };
    let _lock = if args.dry_run {
        None
    } else {
        Some(lock(&apply.scope, &project, &folder, &spec)?)
    };
    apply.run(ctx)
}

/// Returns the goal, which the plan names by its digest.
fn find_goal(ctx: &Context, spec: &Spec, args: &ApplyArgs) -> Result<String, CliError> {
    let given = super::goal_text(ctx, &args.text)?;
    let is_given = given.is_some();
    let candidates = if let Some(text) = given {
        vec![text]
    } else {
        let file = spec.goal.source.as_ref();
        let file = file.and_then(|path| launching::text_file("goal", path.as_ref()).ok());
        file.into_iter()
            .chain([spec.goal.preview.clone()])
            .collect()
    };
    let (project, template) = (&spec.project_id, &spec.template);
    let found = candidates.into_iter().find(|goal| {
        spec::digest(project, &spec.strategy, template, goal) == spec.goal.digest_sha256
    });
    found.map(|goal| spec::normalised(&goal)).ok_or_else(|| {
        let why = if is_given {
            "the goal is not the one that the plan was made for"
        } else {
            "the plan does not hold the whole goal"
        };
        CliError::usage(why).hint("give it with --goal or --goal-file, as `goal decompose` got it")
    })
}

/// Returns the agent that a plan prefers if there is one of that name or type, else the usual one.
fn preferred(ctx: &Context, wish: &str) -> Result<String, CliError> {
    let config = &ctx.config()?.config;
    let is_there = if config.agents.is_empty() {
        find_on_path(wish, &ctx.environment).is_some()
    } else {
        config
            .agents
            .iter()
            .any(|(name, agent)| name == wish || agent.kind.as_str() == wish)
    };
    let wish = Some(wish).filter(|_| is_there);
    let choice = select_agent(config, wish, &ctx.environment).map_err(|error| {
        CliError::usage(error.to_string()).hint("`run-agent validate` shows the agents there are")
    })?;
    Ok(choice.name)
}

/// Makes sure that one command at a time applies a plan.
fn lock(
    scope: &Scope,
    project: &ProjectDir,
    folder: &std::path::Path,
    spec: &Spec,
) -> Result<HeldLock, CliError> {
    scope.root().ensure()?;
    let failed = |error: std::io::Error| {
        CliError::failed(format!(
            "could not use the folder of project {}",
            project.id()
        ))
        .caused_by(error)
    };
    durable::create_folders(folder, Mode::Shared).map_err(failed)?;
    let path = folder.join("apply.lock");
    HeldLock::acquire(&path, Mode::Shared, Duration::ZERO).map_err(|error| {
        let id = &spec.workflow_id;
        let refused = if error.is_timeout() {
            CliError::conflict(format!("another command applies {id}"))
        } else {
            CliError::failed(format!("could not lock {id}"))
        };
        refused.caused_by(error)
    })
}

/// One task of the plan.
#[derive(Debug)]
struct Item {
    task: TaskDir,
    prompt: String,
    prompt_file: PathBuf,
    agent: String,
    needs: Vec<usize>,
    stand: Stand,
    /// It waits for one that failed.
    is_stuck: bool,
}

/// A plan on its way.
#[derive(Debug)]
struct Apply {
    common: Common,
    waiting: Waiting,
    scope: Scope,
    cwd: PathBuf,
    items: Vec<Item>,
    parallel: usize,
    ahead: usize,
    is_dry: bool,
}

impl Apply {
    fn run(&mut self, ctx: &mut Context) -> Result<Exit, CliError> {
        let mut is_news = true;
        loop {
            is_news |= self.look(ctx)?;
            if is_news {
                let items: Vec<(Stand, Vec<usize>)> = self
                    .items
                    .iter()
                    .map(|item| (item.stand, item.needs.clone()))
                    .collect();
                let next = ahead::next(&View {
                    items: &items,
                    parallel: self.parallel,
                    ahead: self.ahead,
                });
                is_news = self.perform(ctx, next)?;
                if self.is_dry && !is_news {
                    return Ok(Exit::Success);
                }
                ctx.console.flush()?;
            }
            let is_over =
                |item: &Item| item.is_stuck || matches!(item.stand, Stand::Done | Stand::Failed);
            if self.items.iter().all(is_over) {
                return self.conclude();
            }
            if is_news {
                continue;
            }
            if let Some(Request::Stop(exit)) = self.waiting.within(LOOK_EVERY) {
                let is_pending = |item: &Item| item.stand == Stand::Pending && !item.is_stuck;
                ctx.console.note(if self.items.iter().any(is_pending) {
                    "what was started goes on; apply the plan again to start the rest"
                } else {
                    "all tasks are started; the plan goes on by itself"
                });
                return Ok(exit);
            }
        }
    }

    /// Learns from the tasks' folders where they stand, and tells what has changed.
    fn look(&mut self, ctx: &mut Context) -> Result<bool, CliError> {
        let mut is_news = false;
        for index in 0..self.items.len() {
            let item = &self.items[index];
            if matches!(item.stand, Stand::Done | Stand::Failed)
                || (self.is_dry && item.stand == Stand::Running)
            {
                continue;
            }
            let view = TaskView::read(self.scope.root(), &item.task, ctx.now())?;
            let has_launch = view.launch.is_some() || !view.runs.is_empty();
            let has_turn = || {
                let mut needs = item.needs.iter();
                needs.all(|&need| self.items[need].stand == Stand::Done)
            };
            let stand = match view.status {
                TaskStatus::Blocked if view.is_active() => Stand::Blocked,
                // A supervisor that has just begun has not said yet that it waits.
                _ if view.is_active() && view.runs.is_empty() && !has_turn() => Stand::Blocked,
                _ if view.is_active() => Stand::Running,
                TaskStatus::AllFinished => Stand::Done,
                status if status.is_terminal() => Stand::Failed,
                // A loop that ended leaves a launch, whatever became of its runs.
                _ if has_launch => Stand::Failed,
                _ => Stand::Pending,
            };
            let before = std::mem::replace(&mut self.items[index].stand, stand);
            if stand == before {
                continue;
            }
            is_news = true;
            let (word, reason) = match stand {
                Stand::Pending => continue,
                Stand::Blocked => ("blocked", Some(self.what_is_before(index))),
                Stand::Running => ("running", None),
                Stand::Done => ("done", None),
                Stand::Failed => {
                    let failure = view.failure().map(|failure| failure.to_string());
                    let reason = failure.unwrap_or_else(|| format!("it is {}", view.status));
                    ("failed", Some(reason))
                }
            };
            self.tell(ctx, index, word, reason.as_deref())?;
        }
        Ok(is_news)
    }

    fn what_is_before(&self, index: usize) -> String {
        let open = |need: &&usize| self.items[**need].stand != Stand::Done;
        let needs = self.items[index].needs.iter().filter(open);
        let names: Vec<String> = needs
            .map(|&need| self.items[need].task.id().to_string())
            .collect();
        format!("it waits for {}", names.join(", "))
    }

    /// Does what was decided; tells whether anything came of it.
    fn perform(&mut self, ctx: &mut Context, next: ahead::Next) -> Result<bool, CliError> {
        let mut is_news = !next.start.is_empty();
        for (index, need) in next.stuck {
            if std::mem::replace(&mut self.items[index].is_stuck, true) {
                continue;
            }
            is_news = true;
            let word = match self.items[index].stand {
                Stand::Blocked => "blocked",
                _ => "not_started",
            };
            let reason = format!("it depends on {}", self.items[need].task.id());
            self.tell(ctx, index, word, Some(&reason))?;
        }
        for index in next.start {
            if self.is_dry {
                // As if it had ended, so that the order of all is shown.
                self.items[index].stand = Stand::Done;
                self.tell(ctx, index, "planned", None)?;
                continue;
            }
            match self.start(ctx, index) {
                Ok(()) => {
                    let is_first = |&need: &usize| self.items[need].stand == Stand::Done;
                    let has_turn = self.items[index].needs.iter().all(is_first);
                    let reason = (!has_turn).then(|| self.what_is_before(index));
                    self.items[index].stand = if has_turn {
                        Stand::Running
                    } else {
                        Stand::Blocked
                    };
                    self.tell(ctx, index, "started", reason.as_deref())?;
                }
                // Somebody else has started it; the next look tells how it stands.
                Err(error) if error.exit() == Exit::Conflict && self.is_owned(ctx, index) => {}
                Err(error) => {
                    self.items[index].stand = Stand::Failed;
                    self.tell(ctx, index, "failed", Some(&error.chain()))?;
                    // Those behind it are not launched for nothing.
                    break;
                }
            }
        }
        Ok(is_news)
    }

    fn is_owned(&self, ctx: &Context, index: usize) -> bool {
        let task = &self.items[index].task;
        TaskView::read(self.scope.root(), task, ctx.now()).is_ok_and(|view| view.is_active())
    }

    fn start(&self, ctx: &mut Context, index: usize) -> Result<(), CliError> {
        let item = &self.items[index];
        let failed = |error: std::io::Error| {
            CliError::failed(format!("could not write {}", item.prompt_file.display()))
                .caused_by(error)
        };
        if let Some(folder) = item.prompt_file.parent() {
            durable::create_folders(folder, Mode::Shared).map_err(failed)?;
        }
        durable::replace(&item.prompt_file, item.prompt.as_bytes(), Mode::Private)
            .map_err(failed)?;
        let gates = match &self.common.around {
            Some(_) => Vec::new(),
            None => launch_policy::configured_policy(&ctx.config()?.config).gates,
        };
        let mut policy = cl_runner::launch::Policy {
            gates,
            dependency_poll: POLL,
            ..self.common.policy.clone()
        };
        launch_policy::add_task_gates(ctx, &mut policy, &item.task)?;
        let before = item.needs.iter().map(|&need| self.items[need].task.id());
        let before: Vec<_> = before.cloned().collect();
        let part = Part {
            kind: Kind::Task,
            task: item.task.clone(),
            prompt: Some(item.prompt.clone()),
            cwd: self.cwd.clone(),
            agent: Some(item.agent.clone()),
            policy,
            env: std::collections::BTreeMap::new(),
            previous_run: None,
            // Stored, so that whoever takes the task up later keeps the order of the plan.
            depends_on: (!before.is_empty()).then_some(before),
            step: None,
        };
        series::launch(ctx, &self.common, part).map(drop)
    }

    fn conclude(&self) -> Result<Exit, CliError> {
        let count =
            |wanted: fn(&Item) -> bool| self.items.iter().filter(|item| wanted(item)).count();
        let bad = count(|item| item.stand != Stand::Done);
        if bad == 0 {
            return Ok(Exit::Success);
        }
        let waits = count(|item| item.is_stuck && item.stand == Stand::Blocked);
        let then = if waits == bad - count(|item| item.stand == Stand::Failed) {
            "what waits for it then begins by itself"
        } else {
            "then apply the plan again"
        };
        Err(
            CliError::failed(format!("{bad} of {} tasks are not done", self.items.len())).hint(
                format!("`run-agent task resume` takes one up again; {then}"),
            ),
        )
    }

    fn tell(
        &self,
        ctx: &mut Context,
        index: usize,
        word: &str,
        reason: Option<&str>,
    ) -> Result<(), CliError> {
        let item = &self.items[index];
        let task = item.task.id();
        if ctx.console.is_json() {
            return ctx.console.json(&json!({
                "project": item.task.project(), "task": task, "agent": item.agent,
                "status": word, "reason": reason,
            }));
        }
        let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        let word = word.replace('_', " ");
        ctx.console.line(format_args!("{task} {word}{reason}"))
    }
}
