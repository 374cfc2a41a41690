//! `iterate`: work and review in turns, until the reviewers approve.
//!
//! All runs are runs of one task. What happens is written down before and after
//! each of them, so that a summary left by a killed command is true and
//! `--resume` goes on from it:
//!
//! | killed | the summary says | `--resume` |
//! |---|---|---|
//! | before a run is launched | iteration running, no run | launches it |
//! | while a run works, which goes on | the same | finds the run by role and iteration, waits for it |
//! | after its end, before it is noted | the same | finds the run and takes its result |
//! | between two runs | the runs so far | goes on with the next one |

mod decide;
mod prompts;
mod summary;

use cl_runner::launch::{Kind, Step};
use cl_runner::verdict::Verdict;
use cl_storage::marker::{Marker, Markers};
use cl_storage::run_info::{RunInfo, RunStatus};
use cl_storage::{RunDir, RunId, TaskDir};

use self::decide::{IterationResult, Next};
use self::prompts::Feedback;
use self::summary::{Iteration, OutcomeWord, Review, Summary};
use super::launching;
use super::series::{self, Common, Outcome, Part, StepEnd, Waiting};
use crate::args::{IterateArgs, LaunchArgs};
use crate::context::Context;
use crate::error::{CliError, Exit};

/// How much of a review is searched for its verdict; one that is longer is read from its end.
const SEARCHED: u64 = 4 * 1024 * 1024;

/// The roles of the runs.
const IMPLEMENT: &str = "implement";
const REVIEW: &str = "review";

/// Repeats work and review until it passes.
pub fn run(ctx: &mut Context, args: &IterateArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let (project, task) = scope.require_task()?;
    let launch = args.step.launch();
    let prompt = prompts::one_of(
        ctx,
        "--prompt",
        args.prompt.as_ref(),
        args.prompt_file.as_ref(),
    )?;
    let review_prompt = prompts::one_of(
        ctx,
        "--review-prompt",
        args.review_prompt.as_ref(),
        args.review_prompt_file.as_ref(),
    )?;
    let reviewers: Vec<Option<String>> = match args.reviewers.as_slice() {
        [] => vec![launch.agent.clone()],
        named => named.iter().cloned().map(Some).collect(),
    };
    let required = args.required.map_or(reviewers.len(), usize::from);
    if required > reviewers.len() {
        return Err(CliError::usage(format!(
            "--required is {required}, and there are only {} reviewers",
            reviewers.len()
        )));
    }
    let enclosing = scope.enclosing.as_ref().map(|found| &found.value);
    if enclosing.is_some_and(|around| around.task == *task && around.project == *project) {
        return Err(
            CliError::usage(format!("{task} is the task around this command"))
                .hint("name another task; it becomes a child of this one"),
        );
    }
    let cwd = launching::working_folder(ctx, &launch, ctx.environment.current_dir())?;
    let common = Common::of(ctx, &scope, &launch)?;
    for agent in std::iter::once(&launch.agent).chain(&reviewers) {
        common.check_agent(ctx, agent.as_deref())?;
    }
    let task = scope.root().task(project, task)?;
    series::check_free(ctx, &task)?;
    if !args.resume && series::launch_under_way(&task)?.is_some() {
        return Err(
            CliError::conflict(format!("task {} is running already", task.id()))
                .hint("`--resume` waits for it, if it belongs to iterations that were left"),
        );
    }
    let _lock = series::lock(&task)?;
    let mut summary = match Summary::read(&task)?.filter(|_| args.resume) {
        Some(found) => found,
        None => Summary::new(&task, ctx.now()),
    };
    summary.max_iterations = u32::from(args.max_iterations);
    summary.required = u32::try_from(required).unwrap_or(u32::MAX);
    summary.reviewers.clone_from(&reviewers);
    summary.outcome = OutcomeWord::Running;
    (summary.reason, summary.ended_at) = (None, None);
    let mut iterate = Iterate {
        waiting: Waiting::prepare(&common)?,
        common,
        task,
        prompt,
        review_prompt,
        reviewers,
        required,
        launch,
        cwd,
        summary,
        has_launched: false,
    };
    iterate.run(ctx)
}

/// Why the loop ends before its time.
#[derive(Debug)]
enum Broken {
    /// It was interrupted, or told to leave what runs.
    Aborted(Exit, String),
    /// Somebody stopped or cancelled the task.
    Stopped(String),
    /// A run could not be launched, or something could not be written.
    Failed(CliError),
}

impl From<CliError> for Broken {
    fn from(error: CliError) -> Self {
        Self::Failed(error)
    }
}

/// An `iterate` on its way.
#[derive(Debug)]
struct Iterate {
    common: Common,
    waiting: Waiting,
    task: TaskDir,
    prompt: String,
    review_prompt: String,
    reviewers: Vec<Option<String>>,
    required: usize,
    launch: LaunchArgs,
    cwd: std::path::PathBuf,
    summary: Summary,
    has_launched: bool,
}

impl Iterate {
    fn run(&mut self, ctx: &mut Context) -> Result<Exit, CliError> {
        loop {
            let over: Vec<IterationResult> = self
                .summary
                .iterations
                .iter()
                .map(|iteration| iteration.result)
                .filter(|result| result.is_final())
                .collect();
            let most = usize::try_from(self.summary.max_iterations).unwrap_or(usize::MAX);
            let (outcome, exit, reason) = match decide::next(&over, most) {
                Next::Iterate => match self.iterate(ctx) {
                    Ok(()) => continue,
                    Err(Broken::Failed(error)) => {
                        let reason = error.chain();
                        self.end(ctx, OutcomeWord::Error, Some(reason.clone()))?;
                        // Code 1 says that nothing passed; this is no verdict.
                        return Err(CliError::usage(reason));
                    }
                    Err(Broken::Stopped(why)) => (OutcomeWord::Stopped, Exit::Usage, Some(why)),
                    Err(Broken::Aborted(exit, why)) => (OutcomeWord::Aborted, exit, Some(why)),
                },
                Next::Passed => (OutcomeWord::Passed, Exit::Success, None),
                Next::Exhausted => (OutcomeWord::Exhausted, Exit::Failed, None),
                Next::Error => {
                    let why = "two iterations in a row failed".to_owned();
                    (OutcomeWord::Error, Exit::Usage, Some(why))
                }
            };
            self.end(ctx, outcome, reason)?;
            return Ok(exit);
        }
    }

    /// Makes one iteration, or goes on with one that was left.
    fn iterate(&mut self, ctx: &mut Context) -> Result<(), Broken> {
        let is_left = |last: &Iteration| !last.result.is_final();
        if !self.summary.iterations.last().is_some_and(is_left) {
            let number = u32::try_from(self.summary.iterations.len()).unwrap_or(u32::MAX) + 1;
            self.summary.iterations.push(Iteration {
                iteration: number,
                result: IterationResult::Running,
                implement_run: None,
                reviews: Vec::new(),
                error: None,
                started_at: ctx.now(),
                ended_at: None,
                duration_ms: None,
            });
        }
        let Some(current) = self.summary.current() else {
            return Ok(());
        };
        current.result = IterationResult::Running;
        let (number, most) = (current.iteration, self.summary.max_iterations);
        self.summary.write(&self.task)?;
        self.say(ctx, format_args!("[iterate] iteration {number}/{most}"))?;
        let text = format!("iterate: iteration {number}/{most} started");
        series::post(ctx, &self.task, "PROGRESS", &text, None, &[]);
        let made = self.make(ctx, number);
        if made.is_err()
            && let Some(current) = self.summary.current()
        {
            current.result = IterationResult::Aborted;
        }
        let result = made?;
        self.conclude_iteration(ctx, number, result)?;
        Ok(())
    }

    fn make(&mut self, ctx: &mut Context, number: u32) -> Result<IterationResult, Broken> {
        let Some(work) = self.implement(ctx, number)? else {
            return Ok(IterationResult::Error);
        };
        let mut votes = Vec::new();
        let mut has_failed = Vec::new();
        for index in 0..self.reviewers.len() {
            let known = self
                .summary
                .current()
                .and_then(|current| current.reviews.get(index).cloned());
            let review = if let Some(review) = known {
                review
            } else {
                let review = self.review(ctx, number, index, &work)?;
                if let Some(current) = self.summary.current() {
                    current.reviews.push(review.clone());
                }
                self.summary.write(&self.task)?;
                self.tell_review(ctx, number, &review)?;
                review
            };
            votes.push(review.verdict);
            has_failed.push(review.error.is_some());
        }
        if has_failed.iter().all(|failed| *failed) {
            if let Some(current) = self.summary.current() {
                let why = current
                    .reviews
                    .iter()
                    .find_map(|review| review.error.clone());
                current.error = why.map(|why| format!("no review could be made: {why}"));
            }
            return Ok(IterationResult::Error);
        }
        Ok(decide::count(&votes, self.required))
    }

    /// Has the work done; none if that failed.
    fn implement(&mut self, ctx: &mut Context, number: u32) -> Result<Option<RunDir>, Broken> {
        let current = self.summary.current();
        if current.as_ref().is_some_and(|now| now.error.is_some()) {
            return Ok(None);
        }
        if let Some(run) = current.and_then(|now| now.implement_run.clone()) {
            let run = self.task.run(&run).map_err(CliError::from)?;
            if has_ended_well(&run)? {
                return Ok(Some(run));
            }
        }
        // One that was interrupted is known, and made again or waited for.
        if let Some(current) = self.summary.current() {
            current.implement_run = None;
        }
        let feedback = self.feedback(ctx, number)?;
        let prompt = prompts::implement(&self.prompt, feedback.as_ref());
        let previous = self
            .summary
            .iterations
            .iter()
            .rev()
            .find_map(|iteration| iteration.implement_run.clone());
        let previous = match previous {
            Some(run) => Some(run),
            None => series::newest_run(&self.task)?,
        };
        let agent = self.launch.agent.clone();
        let outcome = self.step(ctx, IMPLEMENT, number, prompt, agent, previous)?;
        let run = outcome.run.as_ref().map(|run| run.id().clone());
        self.say_run(ctx, "impl run", run.as_ref())?;
        if let Some(current) = self.summary.current() {
            // Also of one that was interrupted: it has done something, and it can be looked at.
            current.implement_run.clone_from(&run);
        }
        let why = match outcome.end {
            StepEnd::Good => None,
            StepEnd::Bad(why) => Some(why),
            other => return Err(broken(other)),
        };
        if let Some(current) = self.summary.current() {
            current.error.clone_from(&why);
        }
        self.summary.write(&self.task)?;
        if let Some(why) = why {
            self.say(ctx, format_args!("impl run failed: {why}"))?;
            return Ok(None);
        }
        Ok(outcome.run)
    }

    fn review(
        &mut self,
        ctx: &mut Context,
        number: u32,
        index: usize,
        work: &RunDir,
    ) -> Result<Review, Broken> {
        let answer = series::answer(ctx, work, prompts::QUOTED)?;
        let prompt = prompts::review(&self.review_prompt, work, &answer);
        let reviewer = self.reviewers[index].clone();
        let previous = Some(work.id().clone());
        let outcome = self.step(ctx, REVIEW, number, prompt, reviewer.clone(), previous)?;
        let run_id = outcome.run.as_ref().map(|run| run.id().clone());
        self.say_run(ctx, "review run", run_id.as_ref())?;
        let (verdict, error) = match (outcome.end, &outcome.run) {
            (StepEnd::Good, Some(run)) => {
                let answer = series::answer(ctx, run, SEARCHED)?;
                (Verdict::of_review(&answer), None)
            }
            (StepEnd::Good, None) => (Verdict::Unknown, Some("it made no run".to_owned())),
            (StepEnd::Bad(why), _) => (Verdict::Unknown, Some(why)),
            (other, _) => return Err(broken(other)),
        };
        Ok(Review {
            reviewer,
            run_id,
            verdict,
            error,
        })
    }

    /// Makes one run, or takes up one that was left; then no claim to be done is there.
    fn step(
        &mut self,
        ctx: &mut Context,
        role: &str,
        number: u32,
        prompt: String,
        agent: Option<String>,
        previous_run: Option<RunId>,
    ) -> Result<Outcome, Broken> {
        let outcome = if let Some(outcome) = self.left_run(ctx, role, number)? {
            outcome
        } else {
            self.check_markers(ctx)?;
            let part = Part {
                kind: Kind::Job,
                task: self.task.clone(),
                prompt: Some(prompt),
                cwd: self.cwd.clone(),
                agent,
                policy: self.common.policy.clone(),
                env: launching::extra_env(&self.launch),
                previous_run,
                depends_on: None,
                step: Some(Step {
                    role: role.to_owned(),
                    iteration: number,
                }),
            };
            self.has_launched = true;
            series::run_part(ctx, &self.common, &mut self.waiting, part)?
        };
        if outcome.end != StepEnd::Left {
            series::set_claim_aside(ctx, &self.task)?;
        }
        Ok(outcome)
    }

    /// Returns the end of a run that a killed command has left and that is of use.
    fn left_run(
        &mut self,
        ctx: &Context,
        role: &str,
        number: u32,
    ) -> Result<Option<Outcome>, Broken> {
        let Some(current) = self.summary.current() else {
            return Ok(None);
        };
        let since = current.started_at;
        let reviews = current
            .reviews
            .iter()
            .filter_map(|review| review.run_id.clone());
        let known: Vec<RunId> = reviews.chain(current.implement_run.clone()).collect();
        let find = || series::find_run(&self.task, role, number, since, &known);
        let Some((run, _)) = find()? else {
            return Ok(None);
        };
        if let Some(launch_id) = series::launch_under_way(&self.task)? {
            let grace = self.common.policy.grace;
            let end = series::wait_for_found(ctx, &mut self.waiting, &self.task, launch_id, grace)?;
            let run = Some(run);
            return Ok(Some(Outcome { run, end }));
        }
        // Its owner has recorded the end; one that did not end well is made again.
        Ok(find()?
            .filter(|(_, info)| info.status == RunStatus::Completed)
            .map(|(run, _)| Outcome {
                run: Some(run),
                end: StepEnd::Good,
            }))
    }

    fn check_markers(&self, ctx: &Context) -> Result<(), Broken> {
        let markers = Markers::read(&self.task, ctx.now())
            .map_err(|error| CliError::failed("could not look at the markers").caused_by(error))?;
        // The first launch of this command takes away what stood there before.
        let has_begun = self.has_launched;
        for marker in [Marker::Cancelled, Marker::StopRequested] {
            if markers.has(marker) && (has_begun || marker == Marker::Cancelled) {
                return Err(Broken::Stopped(format!(
                    "the task is marked {}",
                    marker.file_name()
                )));
            }
        }
        Ok(())
    }

    /// Returns what the work of iteration `number` is told of the one before.
    fn feedback(&self, ctx: &Context, number: u32) -> Result<Option<Feedback>, CliError> {
        let mut before = self.summary.iterations.iter().rev();
        let Some(last) = before.find(|iteration| iteration.iteration < number) else {
            return Ok(None);
        };
        if last.reviews.is_empty() || last.result == IterationResult::Error {
            let why = last.error.clone().unwrap_or_default();
            return Ok(Some(Feedback::Failed(last.iteration, why)));
        }
        let mut reviews = Vec::new();
        for review in &last.reviews {
            let who = review.reviewer.as_deref().unwrap_or("review");
            let text = match &review.run_id {
                Some(run) => series::answer(ctx, &self.task.run(run)?, prompts::QUOTED)?,
                None => String::new(),
            };
            reviews.push((format!("{who}: {}", review.verdict), text));
        }
        Ok(Some(Feedback::Reviews(last.iteration, reviews)))
    }

    fn tell_review(
        &mut self,
        ctx: &mut Context,
        number: u32,
        review: &Review,
    ) -> Result<(), CliError> {
        let verdict = review.verdict.as_str();
        let run = review.run_id.as_ref().map_or("-", RunId::as_str);
        let failed = review.error.as_deref().map(|why| format!(" ({why})"));
        let failed = failed.unwrap_or_default();
        let text =
            format!("iterate: iteration {number}: review run {run}: verdict {verdict}{failed}");
        let meta = [("verdict", verdict)];
        series::post(
            ctx,
            &self.task,
            "DECISION",
            &text,
            review.run_id.as_ref(),
            &meta,
        );
        self.say(ctx, format_args!("verdict: {verdict}{failed}"))
    }

    fn conclude_iteration(
        &mut self,
        ctx: &mut Context,
        number: u32,
        result: IterationResult,
    ) -> Result<(), CliError> {
        let now = ctx.now();
        let Some(current) = self.summary.current() else {
            return Ok(());
        };
        current.result = result;
        current.ended_at = Some(now);
        let took = now.duration_since(current.started_at);
        current.duration_ms = u64::try_from(took.as_millis()).ok();
        let implement = current
            .implement_run
            .as_ref()
            .map_or("-", RunId::as_str)
            .to_owned();
        let reviews: Vec<&str> = current
            .reviews
            .iter()
            .map(|review| review.run_id.as_ref().map_or("-", RunId::as_str))
            .collect();
        let reviews = if reviews.is_empty() {
            "-".to_owned()
        } else {
            reviews.join(", ")
        };
        self.summary.write(&self.task)?;
        let most = self.summary.max_iterations;
        let text = format!(
            "iterate: iteration {number}/{most} ended: {}; implement run {implement}; review runs {reviews}",
            result.as_str()
        );
        series::post(ctx, &self.task, "FACT", &text, None, &[]);
        self.say(
            ctx,
            format_args!(
                "iteration {number}/{most}: {} in {} s",
                result.as_str(),
                took.as_secs()
            ),
        )
    }

    fn end(
        &mut self,
        ctx: &mut Context,
        outcome: OutcomeWord,
        reason: Option<String>,
    ) -> Result<(), CliError> {
        self.summary.outcome = outcome;
        self.summary.reason = reason;
        self.summary.ended_at = Some(ctx.now());
        self.summary.write(&self.task)?;
        if ctx.console.is_json() {
            return ctx.console.json(&self.summary);
        }
        let count = self.summary.iterations.len();
        let most = self.summary.max_iterations;
        let reason = self.summary.reason.as_deref().unwrap_or_default();
        match outcome {
            OutcomeWord::Passed => ctx
                .console
                .line(format_args!("PASSED on iteration {count}")),
            OutcomeWord::Exhausted => ctx.console.line(format_args!(
                "EXHAUSTED max iterations ({most}) without a review that passed"
            )),
            OutcomeWord::Aborted => {
                ctx.console
                    .line(format_args!("ABORTED in iteration {count}: {reason}"))?;
                ctx.console
                    .note("the same command with --resume goes on from here");
                Ok(())
            }
            other => ctx.console.line(format_args!(
                "{} in iteration {count}: {reason}",
                other.as_str().to_uppercase()
            )),
        }
    }

    fn say_run(&self, ctx: &mut Context, what: &str, run: Option<&RunId>) -> Result<(), CliError> {
        match run {
            Some(run) => self.say(ctx, format_args!("{what}: {run}")),
            None => Ok(()),
        }
    }

    /// Prints a line; in JSON the summary at the end says it all.
    #[expect(clippy::unused_self, reason = "reads like the other steps")]
    fn say(&self, ctx: &mut Context, line: std::fmt::Arguments<'_>) -> Result<(), CliError> {
        if ctx.console.is_json() {
            return Ok(());
        }
        ctx.console.line(line)?;
        ctx.console.flush()
    }
}

/// Tells whether the work of an iteration need not be done again.
fn has_ended_well(run: &RunDir) -> Result<bool, CliError> {
    let info = RunInfo::read(run).map_err(|error| {
        CliError::failed(format!("could not look at run {}", run.id())).caused_by(error)
    })?;
    Ok(info.is_some_and(|info| info.status == RunStatus::Completed))
}

fn broken(end: StepEnd) -> Broken {
    match end {
        StepEnd::Interrupted(exit) => Broken::Aborted(exit, "it was interrupted".into()),
        StepEnd::Left => Broken::Aborted(
            Exit::Terminated,
            "nobody waits any more; the run goes on".into(),
        ),
        StepEnd::Stopped(why) => Broken::Stopped(format!("the task was stopped ({why})")),
        StepEnd::Good | StepEnd::Bad(_) => {
            Broken::Failed(CliError::failed("a run ended in an unexpected way"))
        }
    }
}
