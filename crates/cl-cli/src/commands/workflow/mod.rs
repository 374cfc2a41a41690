//! `workflow run`: the stages of a template, one run each, in one task.
//!
//! Before a run is launched the state says that its stage runs, and after its end
//! how it ended. A command that is killed in between leaves a stage that runs;
//! `--resume` waits for its run if that still works, takes its result if it has
//! ended well, and marks the stage as failed and runs it again otherwise.

pub(super) mod stages;
mod state;

use std::path::PathBuf;

use cl_runner::launch::{Kind, Step};
use cl_storage::durable::{self, Mode};
use cl_storage::lock::HeldLock;
use cl_storage::run_info::RunStatus;
use cl_storage::{RunDir, RunId, TaskDir};
use jiff::Timestamp;
use serde_json::json;

use self::state::{StageStatus, State};
use super::launching;
use super::series::{self, Common, Outcome, Part, StepEnd, Waiting};
use crate::args::{LaunchArgs, WorkflowArgs};
use crate::context::Context;
use crate::error::{CliError, Exit};

/// The role of the runs.
const STAGE: &str = "stage";

/// Runs the stages of a template.
pub fn run(ctx: &mut Context, args: &WorkflowArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let (project, task) = scope.require_task()?;
    let Some(template) = stages::template(&args.template) else {
        return Err(
            CliError::usage(format!("unknown template {:?}", args.template))
                .hint(format!("there is {}", stages::TEMPLATE)),
        );
    };
    let (from, to) = (usize::from(args.from_stage), usize::from(args.to_stage));
    if from > to {
        return Err(CliError::usage(format!(
            "--from-stage {from} is behind --to-stage {to}"
        )));
    }
    let enclosing = scope.enclosing.as_ref().map(|found| &found.value);
    if enclosing.is_some_and(|around| around.task == *task && around.project == *project) {
        return Err(
            CliError::usage(format!("{task} is the task around this command"))
                .hint("name another task; it becomes a child of this one"),
        );
    }
    let launch = LaunchArgs {
        prompt: args.prompt.clone(),
        prompt_file: args.prompt_file.clone(),
        ..args.step.launch()
    };
    let prompt = launching::prompt(ctx, &launch)?;
    let task = scope.root().task(project, task)?;
    if prompt.is_none() && !task.prompt().is_file() {
        return Err(
            CliError::usage(format!("task {} has no TASK.md", task.id()))
                .hint("say what the task is with --prompt or --prompt-file"),
        );
    }
    if launching::keeps_other_prompt(&task, prompt.as_deref()) {
        return Err(CliError::usage(format!(
            "task {} has a TASK.md that says something else than the prompt",
            task.id()
        ))
        .hint("leave the prompt out, or name another task"));
    }
    let path = match &args.state_file {
        Some(path) => ctx.absolute(path),
        None => State::default_path(&task),
    };
    let found = State::read(&path, &task, template)?;
    if args.dry_run {
        let planned = match &found {
            Some(state) => state.planned(from, to, args.resume),
            None => (from..=to).collect(),
        };
        let report = Report {
            path,
            template,
            range: (from, to),
            resumes: args.resume,
            is_dry: true,
            planned,
            executed: Vec::new(),
            skipped: Vec::new(),
        };
        report.print(ctx, found.as_ref(), None)?;
        return Ok(Exit::Success);
    }
    let cwd = launching::working_folder(ctx, &launch, ctx.environment.current_dir())?;
    let common = Common::of(ctx, &scope, &launch)?;
    common.check_agent(ctx, launch.agent.as_deref())?;
    series::check_free(ctx, &task)?;
    if !args.resume && series::launch_under_way(&task)?.is_some() {
        return Err(
            CliError::conflict(format!("task {} is running already", task.id()))
                .hint("`--resume` waits for it, if it belongs to a workflow that was left"),
        );
    }
    let _series = series::lock(&task)?;
    let _state = lock(&path)?;
    if let Some(prompt) = prompt.filter(|_| !task.prompt().exists()) {
        let text = format!("{}\n", prompt.trim_end_matches('\n'));
        durable::replace(&task.prompt(), text.as_bytes(), Mode::Private)
            .map_err(|error| CliError::failed("could not write TASK.md").caused_by(error))?;
    }
    // Another command may have changed it before the lock was taken.
    let found = State::read(&path, &task, template)?;
    let mut state = found.unwrap_or_else(|| State::new(&task, template, ctx.now()));
    let planned = state.planned(from, to, args.resume);
    state.begin(from, to, args.resume);
    let mut workflow = Workflow {
        waiting: Waiting::prepare(&common)?,
        common,
        task,
        cwd,
        launch,
        state,
        report: Report {
            path,
            template,
            range: (from, to),
            resumes: args.resume,
            is_dry: false,
            planned,
            executed: Vec::new(),
            skipped: Vec::new(),
        },
    };
    workflow.run(ctx)
}

/// Makes sure that nobody else changes the state at `path`, which two tasks may share by mistake.
fn lock(path: &std::path::Path) -> Result<HeldLock, CliError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let wait = std::time::Duration::ZERO;
    HeldLock::acquire(&PathBuf::from(name), Mode::Shared, wait).map_err(|error| {
        let exit = if error.is_timeout() {
            Exit::Conflict
        } else {
            Exit::Failed
        };
        CliError::new(exit, format!("could not lock the state {}", path.display())).caused_by(error)
    })
}

/// What is told at the end.
#[derive(Debug)]
struct Report {
    path: PathBuf,
    template: &'static str,
    range: (usize, usize),
    resumes: bool,
    is_dry: bool,
    planned: Vec<usize>,
    executed: Vec<usize>,
    skipped: Vec<usize>,
}

impl Report {
    fn print(
        &self,
        ctx: &mut Context,
        state: Option<&State>,
        error: Option<&str>,
    ) -> Result<(), CliError> {
        let (from, to) = self.range;
        if ctx.console.is_json() {
            return ctx.console.json(&json!({
                "template": self.template, "from_stage": from, "to_stage": to,
                "resume": self.resumes, "dry_run": self.is_dry, "state_path": self.path,
                "planned_stages": self.planned, "executed_stages": self.executed,
                "skipped_stages": self.skipped, "state": state, "error": error,
            }));
        }
        let out = &mut ctx.console;
        out.line(format_args!("workflow state: {}", self.path.display()))?;
        out.line(format_args!(
            "template: {} stages: {from}..{to}",
            self.template
        ))?;
        if self.is_dry {
            return out.line(format_args!("dry-run planned stages: {:?}", self.planned));
        }
        out.line(format_args!("executed stages: {:?}", self.executed))?;
        if !self.skipped.is_empty() {
            out.line(format_args!("skipped stages: {:?}", self.skipped))?;
        }
        match state.and_then(|state| state.completed_at) {
            Some(at) => out.line(format_args!("completed at: {at}")),
            None => Ok(()),
        }
    }
}

/// A workflow on its way.
#[derive(Debug)]
struct Workflow {
    common: Common,
    waiting: Waiting,
    task: TaskDir,
    cwd: PathBuf,
    launch: LaunchArgs,
    state: State,
    report: Report,
}

impl Workflow {
    fn run(&mut self, ctx: &mut Context) -> Result<Exit, CliError> {
        let (from, to) = self.report.range;
        self.save(ctx)?;
        let how = if self.report.resumes {
            "resume"
        } else {
            "fresh"
        };
        let template = self.report.template;
        let text = format!("workflow run started ({how}) template={template} stages={from}..{to}");
        self.post(ctx, "DECISION", &text, None);
        let result = self.stages(ctx);
        let error = match &result {
            Ok(()) => {
                self.state.completed_at = Some(ctx.now());
                self.save(ctx)?;
                let text = format!("workflow completed template={template} stages={from}..{to}");
                self.post(ctx, "FACT", &text, None);
                None
            }
            Err(broken) => Some(broken.text()),
        };
        self.report
            .print(ctx, Some(&self.state), error.as_deref())?;
        match result {
            Ok(()) => Ok(Exit::Success),
            Err(Broken::Aborted(exit, why)) => {
                ctx.console
                    .note(format_args!("{why}; --resume goes on from here"));
                Ok(exit)
            }
            Err(Broken::Failed(error)) => Err(error),
        }
    }

    fn stages(&mut self, ctx: &mut Context) -> Result<(), Broken> {
        let (from, to) = self.report.range;
        let mut previous = None;
        for number in from..=to {
            let stage = self.state.stage(number);
            if stage.status == StageStatus::Completed {
                previous.clone_from(&stage.run_id);
                self.report.skipped.push(number);
                let text = format!("workflow stage {number} skipped (already completed)");
                self.post(ctx, "DECISION", &text, None);
                continue;
            }
            self.report.executed.push(number);
            previous = self.stage(ctx, number, previous)?;
        }
        Ok(())
    }

    /// Has one stage done and returns its run.
    fn stage(
        &mut self,
        ctx: &mut Context,
        number: usize,
        previous: Option<RunId>,
    ) -> Result<Option<RunId>, Broken> {
        let outcome = match self.left_run(ctx, number)? {
            Some(outcome) => outcome,
            None => self.make_run(ctx, number, previous)?,
        };
        let run = outcome.run.as_ref().map(|run| run.id().clone());
        let (why, broken) = match outcome.end {
            StepEnd::Left => {
                // It runs, and the state says so; a claim is still its own.
                let why = format!("stage {number} goes on without being waited for");
                return Err(Broken::Aborted(Exit::Terminated, why));
            }
            StepEnd::Good => (None, None),
            StepEnd::Bad(why) => {
                let text = format!("workflow stage {number} failed: {why}");
                (Some(why), Some(Broken::Failed(CliError::failed(text))))
            }
            StepEnd::Stopped(why) => {
                let text = format!("workflow stage {number} was stopped: {why}");
                (Some(why), Some(Broken::Failed(CliError::failed(text))))
            }
            StepEnd::Interrupted(exit) => {
                let why = format!("stage {number} was interrupted");
                (Some("interrupted".into()), Some(Broken::Aborted(exit, why)))
            }
        };
        series::set_claim_aside(ctx, &self.task)?;
        let now = ctx.now();
        let stage = self.state.stage(number);
        stage.status = if why.is_none() {
            StageStatus::Completed
        } else {
            StageStatus::Failed
        };
        stage.run_id.clone_from(&run);
        stage.ended_at = Some(now);
        stage.error.clone_from(&why);
        self.save(ctx)?;
        match &why {
            None => {
                let text = format!("workflow stage {number} completed");
                self.post(ctx, "FACT", &text, run.as_ref());
            }
            Some(why) => {
                let text = format!("workflow stage {number} failed: {why}");
                self.post(ctx, "ERROR", &text, run.as_ref());
            }
        }
        match broken {
            None => Ok(run),
            Some(broken) => Err(broken),
        }
    }

    fn make_run(
        &mut self,
        ctx: &mut Context,
        number: usize,
        previous: Option<RunId>,
    ) -> Result<Outcome, Broken> {
        let previous_run = match previous {
            Some(run) => Some(run),
            None => series::newest_run(&self.task)?,
        };
        let now = ctx.now();
        let earlier = self.earlier(number);
        let stage = self.state.stage(number);
        stage.status = StageStatus::Running;
        stage.attempts += 1;
        stage.started_at = Some(now);
        (stage.run_id, stage.ended_at, stage.error) = (None, None, None);
        self.save(ctx)?;
        let text = format!("workflow stage {number} started");
        self.post(ctx, "PROGRESS", &text, None);
        let part = Part {
            kind: Kind::Job,
            task: self.task.clone(),
            prompt: Some(stages::prompt(&self.task, number, &earlier)),
            cwd: self.cwd.clone(),
            agent: self.launch.agent.clone(),
            policy: self.common.policy.clone(),
            env: launching::extra_env(&self.launch),
            previous_run,
            depends_on: None,
            step: Some(Step {
                role: STAGE.to_owned(),
                iteration: u32::try_from(number).unwrap_or(u32::MAX),
            }),
        };
        let made = series::run_part(ctx, &self.common, &mut self.waiting, part);
        Ok(made.unwrap_or_else(|error| Outcome {
            run: None,
            end: StepEnd::Bad(error.chain()),
        }))
    }

    /// Returns the end of a stage's run that a killed command has left and that is of use.
    fn left_run(&mut self, ctx: &mut Context, number: usize) -> Result<Option<Outcome>, Broken> {
        let stage = self.state.stage(number);
        let since: Option<Timestamp> = stage.started_at;
        let Some(since) = since.filter(|_| stage.status == StageStatus::Running) else {
            return Ok(None);
        };
        let iteration = u32::try_from(number).unwrap_or(u32::MAX);
        let find = || series::find_run(&self.task, STAGE, iteration, since, &[]);
        if let Some((run, _)) = find()? {
            if let Some(launch_id) = series::launch_under_way(&self.task)? {
                let grace = self.common.policy.grace;
                let waiting = &mut self.waiting;
                let end = series::wait_for_found(ctx, waiting, &self.task, launch_id, grace)?;
                let run = Some(run);
                return Ok(Some(Outcome { run, end }));
            }
            let ended = find()?.filter(|(_, info)| info.status == RunStatus::Completed);
            if let Some((run, _)) = ended {
                let (run, end) = (Some(run), StepEnd::Good);
                return Ok(Some(Outcome { run, end }));
            }
        }
        let now = ctx.now();
        let stage = self.state.stage(number);
        stage.status = StageStatus::Failed;
        stage.ended_at = Some(now);
        stage.error = Some("previous run interrupted".to_owned());
        self.save(ctx)?;
        Ok(None)
    }

    /// Returns the runs of completed stages before `number`.
    fn earlier(&self, number: usize) -> Vec<(usize, RunDir)> {
        let done = self
            .state
            .stages
            .iter()
            .filter(|stage| stage.stage < number && stage.status == StageStatus::Completed);
        done.filter_map(|stage| {
            let run = self.task.run(stage.run_id.as_ref()?).ok()?;
            Some((stage.stage, run))
        })
        .collect()
    }

    fn save(&mut self, ctx: &Context) -> Result<(), CliError> {
        self.state.write(&self.report.path, ctx.now())
    }

    fn post(&self, ctx: &mut Context, kind: &str, body: &str, run: Option<&RunId>) {
        series::post(ctx, &self.task, kind, body, run, &[]);
    }
}

/// Why a workflow ends before its last stage.
#[derive(Debug)]
enum Broken {
    /// It was interrupted, or told to leave what runs.
    Aborted(Exit, String),
    /// A stage failed, or something could not be written.
    Failed(CliError),
}

impl Broken {
    fn text(&self) -> String {
        match self {
            Self::Aborted(_, why) => why.clone(),
            Self::Failed(error) => error.chain(),
        }
    }
}

impl From<CliError> for Broken {
    fn from(error: CliError) -> Self {
        Self::Failed(error)
    }
}
