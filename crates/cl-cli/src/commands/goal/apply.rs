//! `goal apply`: starts the tasks of a plan, each after those it depends on.
//!
//! What has been started is known from the tasks' own folders, so applying a plan
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

use super::prompt;
use super::spec::{self, Spec};
use crate::args::{ApplyArgs, LaunchArgs};
use crate::commands::launch_policy;
use crate::commands::launching;
use crate::commands::plan::{self, Next, State, View, Why};
use crate::commands::series::{self, Common, Part, Request, Waiting};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;

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
            state: State::Pending,
        });
    }
    let folder = project.path().join("workflow").join(&spec.workflow_id);
    let mut apply = Apply {
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
    state: State,
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
    is_dry: bool,
}

impl Apply {
    fn run(&mut self, ctx: &mut Context) -> Result<Exit, CliError> {
        loop {
            self.look(ctx)?;
            let items: Vec<(State, Vec<usize>)> = self
                .items
                .iter()
                .map(|item| (item.state, item.needs.clone()))
                .collect();
            let next = plan::next(&View {
                items: &items,
                parallel: self.parallel,
                continues: true,
                interrupted: false,
            });
            let is_idle = next == Next::default();
            self.perform(ctx, next)?;
            if self.is_dry && is_idle {
                return Ok(Exit::Success);
            }
            ctx.console.flush()?;
            if self
                .items
                .iter()
                .all(|item| matches!(item.state, State::Done | State::Failed))
            {
                return self.conclude();
            }
            if !is_idle {
                continue;
            }
            if let Some(Request::Stop(exit)) = self.waiting.within(LOOK_EVERY) {
                ctx.console
                    .note("what was started goes on; apply the plan again to start the rest");
                return Ok(exit);
            }
        }
    }

    /// Learns from the tasks' folders where they stand, and tells what has changed.
    fn look(&mut self, ctx: &mut Context) -> Result<(), CliError> {
        for index in 0..self.items.len() {
            let item = &self.items[index];
            if matches!(item.state, State::Done | State::Failed)
                || (self.is_dry && item.state == State::Running)
            {
                continue;
            }
            let view = TaskView::read(self.scope.root(), &item.task, ctx.now())?;
            let has_launch = view.launch.is_some() || !view.runs.is_empty();
            let state = match view.status {
                _ if view.is_active() => State::Running,
                TaskStatus::AllFinished => State::Done,
                status if status.is_terminal() => State::Failed,
                // A loop that ended leaves a launch, whatever became of its runs.
                _ if has_launch => State::Failed,
                _ => State::Pending,
            };
            let before = std::mem::replace(&mut self.items[index].state, state);
            if state != before {
                let word = match state {
                    State::Pending => continue,
                    State::Running => "running",
                    State::Done => "done",
                    State::Failed => "failed",
                };
                let reason = (state == State::Failed).then(|| {
                    let failure = view.failure().map(|failure| failure.to_string());
                    failure.unwrap_or_else(|| format!("it is {}", view.status))
                });
                self.tell(ctx, index, word, reason.as_deref())?;
            }
        }
        Ok(())
    }

    fn perform(&mut self, ctx: &mut Context, next: Next) -> Result<(), CliError> {
        for (index, why) in next.give_up {
            self.items[index].state = State::Failed;
            let reason = match why {
                Why::Dependency(need) => format!("it depends on {}", self.items[need].task.id()),
                Why::Interrupted | Why::OtherFailed => "another task failed".to_owned(),
            };
            self.tell(ctx, index, "not_started", Some(&reason))?;
        }
        for index in next.start {
            if self.is_dry {
                // As if it had ended, so that the order of all is shown.
                self.items[index].state = State::Done;
                self.tell(ctx, index, "planned", None)?;
                continue;
            }
            match self.start(ctx, index) {
                Ok(()) => {
                    self.items[index].state = State::Running;
                    self.tell(ctx, index, "started", None)?;
                }
                // Somebody else has started it; the next look tells how it stands.
                Err(error) if error.exit() == Exit::Conflict && self.is_owned(ctx, index) => {}
                Err(error) => {
                    self.items[index].state = State::Failed;
                    self.tell(ctx, index, "failed", Some(&error.chain()))?;
                }
            }
        }
        Ok(())
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
        let bad = self
            .items
            .iter()
            .filter(|item| item.state == State::Failed)
            .count();
        if bad == 0 {
            return Ok(Exit::Success);
        }
        Err(
            CliError::failed(format!("{bad} of {} tasks are not done", self.items.len()))
                .hint("`run-agent task resume` takes one up again; then apply the plan again"),
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
