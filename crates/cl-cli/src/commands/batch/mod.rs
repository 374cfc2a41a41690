//! `job batch`: one run for each of several prompts.
//!
//! The command waits and starts; each run has a supervisor of its own. Results
//! are printed in the order of the items.

mod manifest;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cl_runner::attach::{AttachEnd, Flight};
use cl_runner::launch::{Kind, Policy};
use cl_storage::marker::{self, Command, Marker, Markers, Rule};
use cl_storage::redact::Redactor;
use cl_storage::snapshot::TaskView;
use cl_storage::task_state::ResultStatus;
use cl_storage::{ProjectId, TaskDir, TaskId};
use serde_json::json;

use super::following::Following;
use super::launching;
use super::plan::{self, Next, State, View, Why};
use super::series::{self, Common, Part, Request, Waiting, newest_run, why};
use crate::args::{BatchArgs, LaunchArgs, PromptSource};
use crate::commands::launch_policy;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;
use crate::view::redactor;

/// One item, checked.
#[derive(Debug)]
struct Item {
    task: TaskDir,
    prompt: String,
    cwd: PathBuf,
    agent: Option<String>,
    policy: Policy,
    env: std::collections::BTreeMap<String, String>,
    needs: Vec<usize>,
}

/// How an item ended.
#[derive(Debug)]
struct End {
    status: &'static str,
    reason: Option<String>,
    launch_id: Option<String>,
}

/// Runs an agent once for each prompt.
pub fn run(ctx: &mut Context, args: &BatchArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let project = launching::project(ctx, &scope)?;
    let launch = args.step.launch();
    let common = Common::of(ctx, &scope, &launch)?;
    let items = match &args.manifest {
        Some(path) => from_manifest(ctx, &scope, &project, &common, &launch, path)?,
        None => from_flags(ctx, &scope, &project, &common, args, &launch)?,
    };
    check(ctx, &scope, &common, &items)?;
    let mut batch = Batch {
        waiting: Waiting::prepare(&common)?,
        common,
        redactor: (args.follow && !ctx.console.is_json()).then(|| redactor(ctx)),
        streams: items.iter().map(|_| None).collect(),
        flights: items.iter().map(|_| None).collect(),
        ends: items.iter().map(|_| None).collect(),
        items,
        parallel: usize::from(args.parallel),
        continues: args.continue_on_fail,
        interrupted: None,
        told: 0,
    };
    batch.run(ctx)
}

fn from_flags(
    ctx: &Context,
    scope: &Scope,
    project: &ProjectId,
    common: &Common,
    args: &BatchArgs,
    launch: &LaunchArgs,
) -> Result<Vec<Item>, CliError> {
    let prompts = &args.prompts.0;
    let tasks = &ctx.global.tasks;
    if prompts.is_empty() {
        return Err(CliError::usage("there is no prompt")
            .hint("say what the agents are to do with --prompt, --prompt-file or --manifest"));
    }
    if !tasks.is_empty() && tasks.len() != prompts.len() {
        return Err(CliError::usage(format!(
            "{} tasks are named for {} prompts",
            tasks.len(),
            prompts.len()
        ))
        .hint("name one --task for each prompt, or none"));
    }
    if prompts.len() > manifest::MOST_ITEMS {
        return Err(CliError::usage(format!(
            "{} prompts are too many; {} is the limit",
            prompts.len(),
            manifest::MOST_ITEMS
        )));
    }
    let stdin = Path::new("-");
    let piped = prompts
        .iter()
        .filter(|prompt| matches!(prompt, PromptSource::File(path) if path == stdin));
    if piped.count() > 1 {
        return Err(CliError::usage(
            "standard input is named as prompt file more than once",
        ));
    }
    let cwd = launching::working_folder(ctx, launch, ctx.environment.current_dir())?;
    let mut items = Vec::new();
    for (index, source) in prompts.iter().enumerate() {
        let mut one = launch.clone();
        match source {
            PromptSource::Text(text) => one.prompt = Some(text.clone()),
            PromptSource::File(path) => one.prompt_file = Some(path.clone()),
        }
        let prompt = launching::prompt(ctx, &one)?.unwrap_or_default();
        items.push(Item {
            task: task_of(ctx, scope, project, tasks.get(index).map(String::as_str))?,
            prompt,
            cwd: cwd.clone(),
            agent: launch.agent.clone(),
            policy: common.policy.clone(),
            env: launching::extra_env(launch),
            needs: Vec::new(),
        });
    }
    Ok(items)
}

fn from_manifest(
    ctx: &Context,
    scope: &Scope,
    project: &ProjectId,
    common: &Common,
    launch: &LaunchArgs,
    path: &Path,
) -> Result<Vec<Item>, CliError> {
    if !ctx.global.tasks.is_empty() {
        return Err(CliError::usage("--task and --manifest exclude each other")
            .hint("name the tasks in the manifest"));
    }
    let path = ctx.absolute(path);
    let text = launching::text_file("manifest", &path)?;
    let placed = manifest::read(&text, &path).map_err(CliError::usage)?;
    let folder = path.parent().unwrap_or(&path);
    let mut items = Vec::new();
    for item in placed {
        let entry = item.entry;
        let duration =
            |text: Option<&String>| text.map(|text| cl_config::parse_duration(text)).transpose();
        let wrong =
            |error: &dyn std::fmt::Display| CliError::usage(format!("{}: {error}", item.place));
        let mut one = LaunchArgs {
            prompt: entry.prompt,
            prompt_file: entry.prompt_file.map(|file| folder.join(file)),
            ..launch.clone()
        };
        if let Some(limit) = duration(entry.idle_timeout.as_ref()).map_err(|e| wrong(&e))? {
            one.idle_timeout = Some(limit);
        }
        if let Some(limit) = duration(entry.max_duration.as_ref()).map_err(|e| wrong(&e))? {
            one.max_duration = Some(limit);
        }
        if let Some(cwd) = &entry.cwd {
            one.cwd = Some(folder.join(cwd));
        }
        let mut env = launching::extra_env(launch);
        env.extend(entry.env);
        items.push(Item {
            task: task_of(ctx, scope, project, entry.task.as_deref())?,
            prompt: launching::prompt(ctx, &one)?.unwrap_or_default(),
            cwd: launching::working_folder(ctx, &one, ctx.environment.current_dir())?,
            agent: entry.agent.or_else(|| launch.agent.clone()),
            policy: launch_policy::policy(common.policy.clone(), &one, None),
            env,
            needs: item.needs,
        });
    }
    Ok(items)
}

fn task_of(
    ctx: &Context,
    scope: &Scope,
    project: &ProjectId,
    name: Option<&str>,
) -> Result<TaskDir, CliError> {
    let id = match name {
        Some(name) => TaskId::parse(name)?,
        None => TaskId::generate(ctx.now(), ""),
    };
    Ok(scope.root().task(project, &id)?)
}

/// Nothing is started if one of the items cannot be.
fn check(ctx: &Context, scope: &Scope, common: &Common, items: &[Item]) -> Result<(), CliError> {
    let mut tasks = BTreeSet::new();
    let mut agents = BTreeSet::new();
    for item in items {
        let task = item.task.id();
        if !tasks.insert(task.clone()) {
            return Err(CliError::usage(format!("task {task} is named twice")));
        }
        let enclosing = scope.enclosing.as_ref().map(|found| &found.value);
        if enclosing
            .is_some_and(|around| around.task == *task && around.project == *item.task.project())
        {
            return Err(CliError::usage(format!(
                "{task} is the task around this command"
            )));
        }
        if agents.insert(item.agent.clone()) {
            common.check_agent(ctx, item.agent.as_deref())?;
        }
        check_task(ctx, scope, &item.task)?;
    }
    Ok(())
}

/// Refuses a task that cannot be started as it stands. The supervisor looks again.
fn check_task(ctx: &Context, scope: &Scope, task: &TaskDir) -> Result<(), CliError> {
    if !task.exists() {
        return Ok(());
    }
    let (id, project, now) = (task.id(), task.project(), ctx.now());
    if TaskView::read(scope.root(), task, now)?.is_active() {
        return Err(CliError::conflict(format!(
            "task {id} is running already; nothing was started"
        ))
        .hint("watch it with `run-agent watch` or stop it with `run-agent stop`"));
    }
    let markers = Markers::read(task, now).map_err(|error| {
        CliError::failed(format!("could not look at task {id}")).caused_by(error)
    })?;
    let refusing = Marker::ALL.into_iter().find(|marker| {
        markers.has(*marker) && marker::rule(*marker, Command::Start) == Rule::Refuse
    });
    refusing.map_or(Ok(()), |marker| {
        let name = marker.file_name();
        Err(
            CliError::conflict(format!("task {id} is marked {name}; nothing was started")).hint(
                format!(
                    "`run-agent task resume {id} --project {project} --force` takes it up again"
                ),
            ),
        )
    })
}

/// A batch on its way.
#[derive(Debug)]
struct Batch {
    common: Common,
    waiting: Waiting,
    items: Vec<Item>,
    /// What masks the words of agents, if they are to be shown.
    redactor: Option<Redactor>,
    streams: Vec<Option<Following>>,
    flights: Vec<Option<Flight>>,
    ends: Vec<Option<End>>,
    parallel: usize,
    continues: bool,
    interrupted: Option<Exit>,
    /// How many items have been told of.
    told: usize,
}

impl Batch {
    fn run(&mut self, ctx: &mut Context) -> Result<Exit, CliError> {
        loop {
            let landed = self.land();
            let next = plan::next(&View {
                items: &self.states(),
                parallel: self.parallel,
                continues: self.continues,
                interrupted: self.interrupted.is_some(),
            });
            let is_idle = next == Next::default();
            self.perform(ctx, next);
            self.show_streams(ctx)?;
            self.tell(ctx)?;
            if self.told == self.items.len() {
                return self.conclude();
            }
            if landed || !is_idle {
                // What has ended may have let another one begin.
                self.waiting.begin();
                continue;
            }
            match self.waiting.pause() {
                Some(Request::Stop(exit)) => self.stop(ctx, exit),
                Some(Request::Leave) => self.leave(),
                None => {}
            }
        }
    }

    fn states(&self) -> Vec<(State, Vec<usize>)> {
        let state = |index: usize| match (&self.ends[index], &self.flights[index]) {
            (Some(end), _) if end.status == "completed" => State::Done,
            (Some(_), _) => State::Failed,
            (None, Some(_)) => State::Running,
            (None, None) => State::Pending,
        };
        self.items
            .iter()
            .enumerate()
            .map(|(index, item)| (state(index), item.needs.clone()))
            .collect()
    }

    /// Prints what the agents have said.
    fn show_streams(&mut self, ctx: &mut Context) -> Result<(), CliError> {
        for (index, slot) in self.streams.iter_mut().enumerate() {
            let Some(stream) = slot else { continue };
            let task = self.items[index].task.id();
            let say = |line: &str| ctx.console.line(format_args!("[{task}] {line}"));
            if self.ends[index].is_none() {
                stream.look(say)?;
            } else {
                stream.finish(say)?;
                *slot = None;
            }
        }
        Ok(())
    }

    /// Takes note of what has ended; tells whether anything has.
    fn land(&mut self) -> bool {
        let mut any = false;
        for (flight, end) in self.flights.iter().zip(&mut self.ends) {
            let Some(flight) = flight.as_ref().filter(|_| end.is_none()) else {
                continue;
            };
            let Some(found) = flight.end() else { continue };
            let (status, reason) = match &found {
                AttachEnd::Ended { result, .. } => match result.status {
                    ResultStatus::Completed => ("completed", None),
                    ResultStatus::Failed => ("failed", why(result)),
                    ResultStatus::Stopped => ("stopped", why(result)),
                },
                AttachEnd::Lost | AttachEnd::Detached => {
                    ("lost", Some("its supervisor died".to_owned()))
                }
            };
            *end = Some(End {
                status,
                reason,
                launch_id: Some(flight.launch_id().to_owned()),
            });
            any = true;
        }
        any
    }

    fn perform(&mut self, ctx: &mut Context, next: Next) {
        for (index, why) in next.give_up {
            let reason = match why {
                Why::Interrupted => "the batch was interrupted".to_owned(),
                Why::OtherFailed => "another item failed".to_owned(),
                Why::Dependency(need) => {
                    format!("it depends on {}", self.items[need].task.id())
                }
            };
            self.ends[index] = Some(End {
                status: "not_started",
                reason: Some(reason),
                launch_id: None,
            });
        }
        for index in next.start {
            let item = &self.items[index];
            let following =
                (self.redactor.clone()).map(|redactor| Following::new(item.task.clone(), redactor));
            let part = Part {
                kind: Kind::Job,
                task: item.task.clone(),
                prompt: Some(item.prompt.clone()),
                cwd: item.cwd.clone(),
                agent: item.agent.clone(),
                policy: item.policy.clone(),
                env: item.env.clone(),
                previous_run: None,
                depends_on: None,
                step: None,
            };
            match series::launch(ctx, &self.common, part) {
                Ok(flight) => {
                    self.flights[index] = Some(flight);
                    // A stream that cannot be followed costs its lines, nothing else.
                    self.streams[index] = following.and_then(Result::ok);
                }
                Err(error) => {
                    self.ends[index] = Some(End {
                        status: "refused",
                        reason: Some(error.chain()),
                        launch_id: None,
                    });
                }
            }
        }
    }

    fn stop(&mut self, ctx: &mut Context, exit: Exit) {
        self.interrupted = Some(exit);
        for (flight, end) in self.flights.iter_mut().zip(&self.ends) {
            if let Some(flight) = flight.as_mut().filter(|_| end.is_none())
                && let Err(error) = series::ask_to_stop(ctx, flight, exit)
            {
                ctx.console.warn(error.chain());
            }
        }
    }

    /// What runs goes on without this command.
    fn leave(&mut self) {
        self.interrupted = Some(Exit::Terminated);
        for (flight, end) in self.flights.iter().zip(&mut self.ends) {
            if let Some(flight) = flight.as_ref().filter(|_| end.is_none()) {
                *end = Some(End {
                    status: "left_running",
                    reason: Some("nobody waits for it any more".to_owned()),
                    launch_id: Some(flight.launch_id().to_owned()),
                });
            }
        }
    }

    /// Tells of items in their order, as far as all before have ended.
    fn tell(&mut self, ctx: &mut Context) -> Result<(), CliError> {
        while let Some(Some(end)) = self.ends.get(self.told) {
            let item = &self.items[self.told];
            self.told += 1;
            tell_item(ctx, item, end, self.told, self.items.len())?;
        }
        ctx.console.flush()
    }

    fn conclude(&self) -> Result<Exit, CliError> {
        let count = |wanted: &[&str]| {
            let ends = self.ends.iter().flatten();
            ends.filter(|end| wanted.contains(&end.status)).count()
        };
        let (done, idle) = (count(&["completed"]), count(&["not_started"]));
        let (of, bad) = (self.items.len(), self.items.len() - done - idle);
        match self.interrupted {
            Some(exit) => Ok(exit),
            None if done == of => Ok(Exit::Success),
            None if idle == 0 => Err(CliError::failed(format!(
                "{bad} of {of} batch items failed"
            ))),
            None => Err(CliError::failed(format!(
                "{bad} of {of} batch items failed, {idle} not started"
            ))),
        }
    }
}

fn tell_item(
    ctx: &mut Context,
    item: &Item,
    end: &End,
    number: usize,
    of: usize,
) -> Result<(), CliError> {
    let task = item.task.id();
    if ctx.console.is_json() {
        let last_run = match end.launch_id {
            Some(_) => newest_run(&item.task)?,
            None => None,
        };
        return ctx.console.json(&json!({
            "item": number, "of": of, "project": item.task.project(), "task": task,
            "status": end.status, "reason": end.reason, "launch_id": end.launch_id,
            "last_run_id": last_run,
        }));
    }
    let reason = end.reason.as_deref().unwrap_or_default();
    match end.status {
        "completed" => ctx
            .console
            .line(format_args!("batch item {number}/{of} completed: {task}"))?,
        "not_started" => ctx.console.note(format_args!(
            "batch item {number}/{of} not started (task {task}): {reason}"
        )),
        "left_running" => ctx.console.note(format_args!(
            "batch item {number}/{of} goes on (task {task}): {reason}"
        )),
        status => ctx.console.note(format_args!(
            "batch item {number}/{of} {status} (task {task}): {reason}"
        )),
    }
    Ok(())
}
