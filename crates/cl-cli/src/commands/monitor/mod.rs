//! `monitor`: keeps the tasks of a list going.
//!
//! It looks at the unchecked boxes of a Markdown file, decides about each task by
//! its files alone, and launches supervised task loops. It owns no task: killing it
//! hurts nothing, and the next one finds everything on disk.
//!
//! A pass happens every `--interval`, and earlier if one of a few small files has
//! changed; those are looked at once a second, and agents that only write output
//! never cause a pass.

mod decide;
mod look;
mod post;
mod status;
mod stops;
mod todo;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cl_runner::launch::{Kind, LaunchFile, Mode, reap};
use cl_storage::process::ProcessIdentity;
use cl_storage::{ProjectDir, TaskDir, TaskId, marker};
use jiff::Timestamp;
use serde_json::json;

use self::decide::{Action, Skip};
use self::look::{Fingerprint, Settings, Sight};
use self::post::{Memories, Post};
use self::todo::Entry;
use super::launching::{self, Order};
use super::series::{Request, Waiting};
use crate::args::{LaunchArgs, MonitorArgs};
use crate::commands::launch_policy;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;

/// How often the small files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a change is given to be followed by more.
const DEBOUNCE: Duration = Duration::from_millis(500);

/// The shortest time between two passes.
const SPACING: Duration = Duration::from_secs(2);

/// How many boxes are told of that name no task.
const MOST_TOLD: usize = 100;

/// Keeps the tasks of a list going.
pub fn run(ctx: &mut Context, args: &MonitorArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let project_id = launching::project(ctx, &scope)?;
    let project = scope.root().project(&project_id)?;
    if args.status {
        return status::tell(ctx, &scope, &project);
    }
    if args.interval.is_zero() && !args.once {
        return Err(
            CliError::usage("--interval must be longer than 0").hint("--once looks a single time")
        );
    }
    let list = ctx.absolute(&args.todo);
    todo::read(&list).map_err(|error| {
        let exit = if error.kind() == std::io::ErrorKind::NotFound {
            Exit::NotFound
        } else {
            Exit::Failed
        };
        CliError::new(exit, format!("could not read the list {}", list.display()))
            .caused_by(error)
            .hint("name it with --todo")
    })?;
    let launch = LaunchArgs {
        agent: args.agent.clone(),
        cwd: args.cwd.clone(),
        ..LaunchArgs::default()
    };
    let cwd = launching::working_folder(ctx, &launch, ctx.environment.current_dir())?;
    if args.agent.is_some() {
        launching::ready(ctx, args.agent.as_deref())?;
    }
    let config = &ctx.config()?.config.defaults;
    let max_parallel = args.max_parallel.or_else(|| {
        config
            .max_concurrent_root_tasks
            .map(std::num::NonZeroU32::get)
    });
    let waiting = Waiting::plain()?;
    let post = if args.once && args.dry_run {
        None
    } else {
        let now = ctx.now();
        Some(Post::take(scope.root(), &project, list.clone(), now)?)
    };
    let mut monitor = Monitor {
        memories: Memories::read(&project)?,
        scope,
        project,
        list,
        cwd,
        agent: args.agent.clone(),
        settings: Settings {
            stale_after: args.stale_after,
            retry_delay: args.retry_delay,
            max_launches: args.max_attempts,
            finalize_on_output: args.finalize_on_output,
        },
        rate_limit: args.rate_limit,
        max_parallel: max_parallel.map(|n| usize::try_from(n).unwrap_or(usize::MAX)),
        dry_run: args.dry_run,
        waiting,
        supervisors: Vec::new(),
        stops: HashMap::new(),
        told: BTreeMap::new(),
        last_start: None,
        has_failed: false,
        is_ended: false,
        is_listless: false,
        misnamed: BTreeSet::new(),
    };
    let result = if args.once {
        monitor.once(ctx)
    } else {
        monitor.keep_going(ctx, args.interval, post.as_ref())
    };
    let ended = monitor.finish_stops(ctx);
    if let Some(post) = post {
        post.leave();
    }
    let exit = result?;
    ended.map(|()| exit)
}

/// A monitor at work.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each the answer to one question"
)]
struct Monitor {
    scope: Scope,
    project: ProjectDir,
    list: PathBuf,
    cwd: PathBuf,
    agent: Option<String>,
    settings: Settings,
    rate_limit: Duration,
    max_parallel: Option<usize>,
    dry_run: bool,
    waiting: Waiting,
    memories: Memories,
    /// Those that this process has started, for the process table.
    supervisors: Vec<ProcessIdentity>,
    /// Runs that are being stopped.
    stops: HashMap<TaskId, JoinHandle<Result<(), String>>>,
    /// What was told last of each task.
    told: BTreeMap<TaskId, String>,
    last_start: Option<Instant>,
    has_failed: bool,
    /// Somebody wants the monitor to end.
    is_ended: bool,
    /// The list could not be read, and that was told.
    is_listless: bool,
    /// Boxes that were told of because they name no task.
    misnamed: BTreeSet<String>,
}

impl Monitor {
    fn once(&mut self, ctx: &mut Context) -> Result<Exit, CliError> {
        self.pass(ctx)?;
        while !self.stops.is_empty() && !self.is_ended {
            self.rest(Duration::from_millis(50));
            if self.collect_stops(ctx)? {
                self.pass(ctx)?;
            }
        }
        Ok(if self.has_failed {
            Exit::Failed
        } else {
            Exit::Success
        })
    }

    fn keep_going(
        &mut self,
        ctx: &mut Context,
        interval: Duration,
        post: Option<&Post>,
    ) -> Result<Exit, CliError> {
        while !self.is_ended {
            if post.is_some_and(|post| !post.is_in_place()) {
                return Err(CliError::failed(format!(
                    "the folder of project {} was removed or replaced",
                    self.project.id()
                )));
            }
            let tasks = self.pass(ctx)?;
            let seen = Fingerprint::of(&self.list, &tasks);
            let began = Instant::now();
            loop {
                self.rest(LOOK_EVERY.min(interval));
                let stopped = self.collect_stops(ctx)?;
                let elapsed = began.elapsed();
                if self.is_ended || elapsed >= interval {
                    break;
                }
                if elapsed < SPACING.min(interval) {
                    continue;
                }
                if stopped || Fingerprint::of(&self.list, &tasks) != seen {
                    self.rest(DEBOUNCE.min(interval));
                    break;
                }
            }
        }
        Ok(Exit::Success)
    }

    /// Waits, and takes note of a signal that ends the monitor.
    fn rest(&mut self, limit: Duration) {
        // A terminal that is gone ends nothing: the monitor is meant to outlive it.
        if let Some(Request::Stop(_)) = self.waiting.within(limit) {
            self.is_ended = true;
        }
        self.supervisors.retain(|supervisor| !reap(supervisor));
    }

    /// Looks at every task of the list and does what is to be done; returns the tasks.
    fn pass(&mut self, ctx: &mut Context) -> Result<Vec<TaskDir>, CliError> {
        let Some(entries) = self.entries(ctx)? else {
            return Ok(Vec::new());
        };
        let mut tasks = Vec::new();
        for entry in &entries {
            tasks.push(self.project.task(&entry.task)?);
        }
        let mut sights = Vec::new();
        for (entry, task) in entries.iter().zip(&tasks) {
            sights.push(self.look(ctx, entry, task)?);
        }
        let is_running = |sight: &Option<Sight>| sight.as_ref().is_some_and(|s| s.view.is_active);
        let mut running = sights.iter().filter(|sight| is_running(sight)).count();
        for ((entry, task), sight) in entries.iter().zip(&tasks).zip(sights) {
            if self.is_ended {
                break;
            }
            let Some(mut sight) = sight else { continue };
            sight.view.has_room = self.max_parallel.is_none_or(|most| running < most);
            let action = decide::decide(&sight.view, sight.memory.given_up);
            if self.act(ctx, entry, task, &sight, action)? {
                running += 1;
            }
        }
        ctx.console.flush()?;
        Ok(tasks)
    }

    /// Reads the list; none if it cannot be read just now.
    fn entries(&mut self, ctx: &mut Context) -> Result<Option<Vec<Entry>>, CliError> {
        let shown = self.list.display().to_string();
        let bytes = match todo::read(&self.list) {
            Ok(bytes) => bytes,
            Err(error) => {
                // An editor may be saving it, or somebody moves it: tasks go on meanwhile.
                if !std::mem::replace(&mut self.is_listless, true) {
                    ctx.console
                        .warn(format_args!("could not read {shown}: {error}"));
                }
                return Ok(None);
            }
        };
        self.is_listless = false;
        let todo::List { entries, misnamed } = todo::parse(&bytes);
        for wrong in misnamed {
            // Once, wherever it moves to.
            if self.misnamed.len() < MOST_TOLD && self.misnamed.insert(wrong.id.clone()) {
                let (line, why) = (wrong.line, wrong.why);
                ctx.console
                    .warn(format_args!("{shown}:{line}: the box names no task: {why}"));
            }
        }
        let line = match entries.len() {
            0 => format!("monitor: no pending task IDs found in {shown}"),
            n => format!("monitor: checking {n} pending task(s) from {shown}"),
        };
        let list = TaskId::parse_existing("list")?;
        if !ctx.console.is_json() && self.told.insert(list, line.clone()).as_ref() != Some(&line) {
            ctx.console.line(line)?;
        }
        Ok(Some(entries))
    }

    fn look(
        &mut self,
        ctx: &mut Context,
        entry: &Entry,
        task: &TaskDir,
    ) -> Result<Option<Sight>, CliError> {
        let memory = self
            .memories
            .tasks
            .get(&entry.task)
            .cloned()
            .unwrap_or_default();
        let now = ctx.now();
        match look::look(self.scope.root(), task, &memory, &self.settings, now) {
            Ok(mut sight) => {
                sight.view.is_being_stopped = self.stops.contains_key(&entry.task);
                Ok(Some(sight))
            }
            Err(error) => {
                let error = CliError::failed("could not look at it").caused_by(error);
                self.tell(ctx, &entry.task, "skip", &error.chain(), "failed", "")?;
                Ok(None)
            }
        }
    }

    /// Does one thing; tells whether one more task runs now.
    fn act(
        &mut self,
        ctx: &mut Context,
        entry: &Entry,
        task: &TaskDir,
        sight: &Sight,
        action: Action,
    ) -> Result<bool, CliError> {
        let (word, reason) = (action.word(), action.reason());
        if let Action::Skip(skip) = action {
            // Each wish to stop is told once, and so is everything else that stays as it is.
            let key = if skip == Skip::Stopped {
                &sight.marker
            } else {
                ""
            };
            self.tell(ctx, &entry.task, word, &reason, "skipped", key)?;
            return Ok(false);
        }
        if self.dry_run {
            self.tell(ctx, &entry.task, word, &reason, "planned", "")?;
            return Ok(matches!(action, Action::Start | Action::Resume));
        }
        let done = match action {
            Action::Start | Action::Resume => self.start(ctx, entry, task, sight, action),
            Action::Recover => {
                self.stop(task);
                Ok(true)
            }
            Action::Finalize => self.finalize(task).map(|()| true),
            Action::Tick => self.tick(&entry.task).map(|()| true),
            Action::GiveUp => self.give_up(ctx, task, sight).map(|()| true),
            Action::Skip(_) => Ok(false),
        };
        match done {
            Ok(true) => {
                let key = ctx.now().to_string();
                self.tell(ctx, &entry.task, word, &reason, "ok", &key)?;
                Ok(matches!(action, Action::Start | Action::Resume))
            }
            // The monitor was ended before it came to that.
            Ok(false) => Ok(false),
            Err(error) => {
                self.has_failed = true;
                self.tell(ctx, &entry.task, word, &error.chain(), "failed", "")?;
                Ok(false)
            }
        }
    }

    /// Launches the task's loop, after a pause since the last launch.
    ///
    /// Tells whether it did: a monitor that is ended during the pause starts nothing.
    fn start(
        &mut self,
        ctx: &mut Context,
        entry: &Entry,
        task: &TaskDir,
        sight: &Sight,
        action: Action,
    ) -> Result<bool, CliError> {
        while let Some(last) = self.last_start {
            let left = self.rate_limit.saturating_sub(last.elapsed());
            if left.is_zero() || self.is_ended {
                break;
            }
            self.rest(left);
        }
        if self.is_ended {
            return Ok(false);
        }
        self.last_start = Some(Instant::now());
        // Counted before it happens: a monitor that dies here must not forget it.
        let mut memory = sight.memory.clone();
        memory.launches += 1;
        memory.launched_at = Some(ctx.now());
        memory.launch_id.clear();
        self.memories
            .tasks
            .insert(entry.task.clone(), memory.clone());
        self.memories.write(&self.project)?;
        let order = self.order(ctx, entry, task, sight.view.is_lost, action)?;
        let ready = launching::ready(ctx, order.agent.as_deref())?;
        let (launch_id, supervisor) = launching::launch_supervised(ctx, order, ready)?;
        self.supervisors.push(supervisor);
        memory.launch_id = launch_id;
        self.memories.tasks.insert(entry.task.clone(), memory);
        self.memories.write(&self.project)?;
        Ok(true)
    }

    fn order(
        &self,
        ctx: &Context,
        entry: &Entry,
        task: &TaskDir,
        is_lost: bool,
        action: Action,
    ) -> Result<Order, CliError> {
        let file = LaunchFile::read(task).map_err(|error| {
            CliError::failed("could not tell how it was launched").caused_by(error)
        })?;
        let file = file.filter(|_| action == Action::Resume);
        let has_prompt = task.prompt().is_file();
        let of_launch = file.as_ref().and_then(|file| file.prompt.clone());
        let mut policy = match &file {
            Some(file) => file.policy.clone(),
            None => launch_policy::configured_policy(&ctx.config()?.config),
        };
        launch_policy::add_task_gates(ctx, &mut policy, task)?;
        Ok(Order {
            kind: Kind::Task,
            mode: if is_lost { Mode::Recover } else { Mode::TakeUp },
            task: task.clone(),
            prompt: of_launch.or_else(|| (!has_prompt).then(|| entry.text.clone())),
            cwd: file
                .as_ref()
                .map_or_else(|| self.cwd.clone(), |file| file.cwd.clone()),
            policy,
            agent: self
                .agent
                .clone()
                .or_else(|| file.as_ref().map(|file| file.agent_name.clone())),
            extra_env: file
                .as_ref()
                .map(|file| file.env.clone())
                .unwrap_or_default(),
            parent_run: None,
            parent: file.as_ref().and_then(|file| file.parent.clone()),
            depth: file.as_ref().map_or(0, |file| file.depth),
            previous_run: None,
            depends_on: None,
            takes_up_cancelled: false,
            is_detached: true,
            step: None,
        })
    }

    fn finalize(&mut self, task: &TaskDir) -> Result<(), CliError> {
        marker::create_done(task)
            .map_err(|error| CliError::failed("could not leave DONE").caused_by(error))?;
        self.tick(task.id())
    }

    fn tick(&mut self, task: &TaskId) -> Result<(), CliError> {
        todo::tick(self.scope.root(), &self.list, task).map_err(|error| {
            CliError::failed(format!("could not tick the box in {}", self.list.display()))
                .caused_by(error)
        })?;
        if self.memories.tasks.remove(task).is_some() {
            self.memories.write(&self.project)?;
        }
        Ok(())
    }

    /// Calls a person, once.
    fn give_up(
        &mut self,
        ctx: &mut Context,
        task: &TaskDir,
        sight: &Sight,
    ) -> Result<(), CliError> {
        let text = format!(
            "monitor: task {} was started {} times without getting done; it needs a person. \
             `run-agent task resume {} --project {}` takes it up again",
            task.id(),
            sight.memory.launches,
            task.id(),
            task.project()
        );
        let mut memory = sight.memory.clone();
        memory.given_up = true;
        self.memories.tasks.insert(task.id().clone(), memory);
        self.memories.write(&self.project)?;
        for bus in [task.bus(), self.project.bus()] {
            let draft = cl_bus::Draft::new("ERROR", task.project().clone(), text.as_str())
                .task(task.id().clone());
            if let Err(error) = cl_bus::Bus::new(bus).append(&draft) {
                ctx.console.warn(
                    CliError::failed("a message could not be posted")
                        .caused_by(error)
                        .chain(),
                );
            }
        }
        Ok(())
    }

    /// Tells what was done about a task, unless the same was told last.
    fn tell(
        &mut self,
        ctx: &mut Context,
        task: &TaskId,
        action: &str,
        reason: &str,
        outcome: &str,
        key: &str,
    ) -> Result<(), CliError> {
        let told = format!("{action}\n{reason}\n{outcome}\n{key}");
        if self.told.insert(task.clone(), told.clone()).as_ref() == Some(&told) {
            return Ok(());
        }
        if ctx.console.is_json() {
            let at: Timestamp = ctx.now();
            return ctx.console.json(&json!({
                "at": at, "project": self.project.id(), "task": task, "action": action,
                "reason": reason, "outcome": outcome,
            }));
        }
        let mark = match outcome {
            "ok" => "[OK]",
            "failed" => "[ERROR]",
            "planned" => "[PLAN]",
            _ => "[SKIP]",
        };
        ctx.console.line(format_args!(
            "  [{action}] {task} — {reason}\n  {mark} {task}"
        ))
    }
}
