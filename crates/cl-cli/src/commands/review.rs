//! `review`.

use std::ops::ControlFlow;
use std::path::PathBuf;

use cl_bus::{Bus, Found, Query};
use cl_runner::quorum::{Ballot, Outcome};
use cl_runner::verdict::Verdict;
use cl_storage::{MessageId, RunId};
use serde_json::json;

use super::run_selector;
use crate::args::QuorumArgs;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;

/// Tells whether enough of the named runs approve.
pub fn quorum(ctx: &mut Context, args: &QuorumArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let runs = named(&args.runs)?;
    let ballot = Ballot::new(runs.iter().map(RunId::to_string));
    let (asked, required) = (ballot.runs().len(), args.required as usize);
    if required > asked {
        return Err(CliError::usage(format!(
            "--required {required} can never be met: {asked} runs are named"
        ))
        .hint("name more runs with --runs, or require fewer approvals"));
    }
    let places = Places::of(&scope, &runs)?;
    for id in &places.unknown {
        ctx.console.warn(format_args!("run {id} is not known here"));
    }
    let account = Account {
        ballot: read(ctx, &places.buses, ballot)?,
        unknown: places.unknown,
    };
    let outcome = account.ballot.count(required);
    account.tell(ctx, outcome)?;
    Ok(if outcome.is_met() {
        Exit::Success
    } else {
        Exit::Failed
    })
}

fn named(texts: &[String]) -> Result<Vec<RunId>, CliError> {
    let mut runs: Vec<RunId> = Vec::new();
    for text in texts
        .iter()
        .map(|text| text.trim())
        .filter(|text| !text.is_empty())
    {
        let run = RunId::parse(text)?;
        if !runs.contains(&run) {
            runs.push(run);
        }
    }
    if runs.is_empty() {
        return Err(CliError::usage("--runs names no run"));
    }
    Ok(runs)
}

/// Where reviewers may have posted.
struct Places {
    buses: Vec<PathBuf>,
    /// Runs without a folder in the project.
    unknown: Vec<RunId>,
}

impl Places {
    /// The project's bus, the named task's, and that of every task with one of the runs.
    fn of(scope: &Scope, runs: &[RunId]) -> Result<Self, CliError> {
        let project = scope.existing_project()?;
        let mut buses = vec![project.bus()];
        if scope.task.is_some() {
            buses.push(scope.existing_task()?.bus());
        }
        let mut unknown = Vec::new();
        for run in runs {
            let found = run_selector::in_project(&project, run)?;
            if found.is_empty() {
                unknown.push(run.clone());
            }
            buses.extend(found.iter().map(|run| run.task().bus()));
        }
        let mut seen = std::collections::HashSet::new();
        buses.retain(|bus| seen.insert(bus.clone()));
        Ok(Self { buses, unknown })
    }
}

/// Reads the votes; a bus that is not there holds none.
fn read(ctx: &mut Context, buses: &[PathBuf], mut ballot: Ballot) -> Result<Ballot, CliError> {
    for path in buses {
        let mut damaged = 0_usize;
        let read = Bus::new(path).for_each(&Query::default(), |found| {
            match found {
                Found::Entry(entry) => ballot.take(&entry.message),
                Found::Damage(_) => damaged += 1,
            }
            ControlFlow::Continue(())
        });
        // Nothing was decided, which is not the same as a quorum that is not met.
        read.map_err(|error| {
            CliError::usage(format!("could not read {}", path.display())).caused_by(error)
        })?;
        if damaged > 0 {
            ctx.console.warn(format_args!(
                "{damaged} damaged places in {} may have held votes; `run-agent bus check` tells more",
                path.display()
            ));
        }
    }
    Ok(ballot)
}

/// Everything that is told of a quorum.
struct Account {
    ballot: Ballot,
    unknown: Vec<RunId>,
}

impl Account {
    fn messages(&self, verdict: Verdict) -> Vec<&MessageId> {
        let votes = self
            .ballot
            .runs()
            .iter()
            .filter_map(|run| self.ballot.vote(run));
        votes
            .filter(|vote| vote.verdict == verdict)
            .map(|vote| &vote.message)
            .collect()
    }

    fn without_verdict(&self) -> Vec<&String> {
        let silent = |run: &&String| {
            let vote = self.ballot.vote(run);
            vote.is_none_or(|vote| vote.verdict == Verdict::Unknown)
        };
        self.ballot.runs().iter().filter(silent).collect()
    }

    fn tell(&self, ctx: &mut Context, outcome: Outcome) -> Result<(), CliError> {
        if ctx.console.is_json() {
            return self.tell_json(ctx, outcome);
        }
        let out = &mut ctx.console;
        out.line("review quorum check")?;
        out.line(format_args!(
            "runs considered: {}",
            listed(self.ballot.runs())
        ))?;
        let Outcome {
            approvals,
            rejections,
            required,
        } = outcome;
        out.line(format_args!(
            "approvals: {approvals} (required: {required})"
        ))?;
        out.line(format_args!("rejections: {rejections}"))?;
        let approving = listed(&self.messages(Verdict::Pass));
        out.line(format_args!("approval messages: {approving}"))?;
        let rejecting = listed(&self.messages(Verdict::Fail));
        out.line(format_args!("rejection messages: {rejecting}"))?;
        let silent = listed(&self.without_verdict());
        out.line(format_args!("runs without verdict: {silent}"))?;
        out.line(format_args!("unknown runs: {}", listed(&self.unknown)))?;
        match outcome.reason() {
            None => out.line("result: QUORUM MET"),
            Some(reason) => out.line(format_args!("result: QUORUM NOT MET — {reason}")),
        }
    }

    fn tell_json(&self, ctx: &mut Context, outcome: Outcome) -> Result<(), CliError> {
        let votes = self.ballot.runs().iter().map(|run| {
            let vote = self.ballot.vote(run);
            json!({
                "run_id": run,
                "vote": vote.map_or(Verdict::Unknown, |vote| vote.verdict),
                "message_id": vote.map(|vote| &vote.message),
                "at": vote.map(|vote| vote.at),
            })
        });
        ctx.console.json(&json!({
            "met": outcome.is_met(),
            "reason": outcome.reason(),
            "required": outcome.required,
            "approvals": outcome.approvals,
            "rejections": outcome.rejections,
            "runs": self.ballot.runs(),
            "votes": votes.collect::<Vec<_>>(),
            "approval_messages": self.messages(Verdict::Pass),
            "rejection_messages": self.messages(Verdict::Fail),
            "runs_without_verdict": self.without_verdict(),
            "unknown_runs": self.unknown,
        }))
    }
}

fn listed<T: ToString>(items: &[T]) -> String {
    if items.is_empty() {
        return "none".to_owned();
    }
    items
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
