//! The summary of `iterate`: what it has done, on disk and as JSON.
//!
//! `ITERATE-SUMMARY.json` is what `--resume` goes by; `ITERATE-SUMMARY.md` says
//! the same to people. Both are replaced whole, the first one before the second.

use std::fmt::Write as _;

use cl_runner::verdict::Verdict;
use cl_storage::durable::{self, Mode};
use cl_storage::{ProjectId, RunId, TaskDir, TaskId};
use jiff::Timestamp;

use super::decide::IterationResult;
use crate::error::CliError;

/// The newest format that this build writes.
const KNOWN_VERSION: u32 = 1;

/// How it ended, or that it has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OutcomeWord {
    /// It is under way, or its end was not seen.
    Running,
    /// An iteration passed.
    Passed,
    /// None of as many as may be passed.
    Exhausted,
    /// It could not go on.
    Error,
    /// It was interrupted.
    Aborted,
    /// Somebody stopped or cancelled the task.
    Stopped,
}

impl OutcomeWord {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Passed => "passed",
            Self::Exhausted => "exhausted",
            Self::Error => "error",
            Self::Aborted => "aborted",
            Self::Stopped => "stopped",
        }
    }
}

/// One review.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct Review {
    /// The agent as it was named; none is the default one.
    pub(super) reviewer: Option<String>,
    pub(super) run_id: Option<RunId>,
    pub(super) verdict: Verdict,
    /// Why the run failed.
    pub(super) error: Option<String>,
}

/// One iteration.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[expect(
    clippy::struct_field_names,
    reason = "the keys of the file, which say what is counted"
)]
pub(super) struct Iteration {
    pub(super) iteration: u32,
    pub(super) result: IterationResult,
    pub(super) implement_run: Option<RunId>,
    pub(super) reviews: Vec<Review>,
    /// Why the work failed.
    pub(super) error: Option<String>,
    pub(super) started_at: Timestamp,
    pub(super) ended_at: Option<Timestamp>,
    pub(super) duration_ms: Option<u64>,
}

/// All of it.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct Summary {
    pub(super) version: u32,
    pub(super) project: ProjectId,
    pub(super) task: TaskId,
    pub(super) outcome: OutcomeWord,
    pub(super) reason: Option<String>,
    pub(super) max_iterations: u32,
    pub(super) required: u32,
    pub(super) reviewers: Vec<Option<String>>,
    pub(super) started_at: Timestamp,
    pub(super) ended_at: Option<Timestamp>,
    pub(super) iterations: Vec<Iteration>,
}

/// The part that is read before all others.
#[derive(serde::Deserialize)]
struct Version {
    version: u32,
}

impl Summary {
    pub(super) fn new(task: &TaskDir, now: Timestamp) -> Self {
        Self {
            version: KNOWN_VERSION,
            project: task.project().clone(),
            task: task.id().clone(),
            outcome: OutcomeWord::Running,
            reason: None,
            max_iterations: 0,
            required: 1,
            reviewers: Vec::new(),
            started_at: now,
            ended_at: None,
            iterations: Vec::new(),
        }
    }

    /// Reads the summary of `task`; none if there is none.
    pub(super) fn read(task: &TaskDir) -> Result<Option<Self>, CliError> {
        let path = task.path().join("ITERATE-SUMMARY.json");
        let failed = || CliError::failed(format!("could not read {}", path.display()));
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed().caused_by(error)),
        };
        let found: Version =
            serde_json::from_str(&text).map_err(|error| failed().caused_by(error))?;
        if found.version > KNOWN_VERSION {
            return Err(CliError::conflict(format!(
                "{} was written by a newer version (format {}, this build knows {KNOWN_VERSION})",
                path.display(),
                found.version
            )));
        }
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| failed().caused_by(error))
    }

    /// Writes both files; returns after they are on disk.
    pub(super) fn write(&self, task: &TaskDir) -> Result<(), CliError> {
        let failed = |error: std::io::Error| {
            CliError::failed("could not write the summary of the iterations").caused_by(error)
        };
        let json = serde_json::to_string_pretty(self)
            .map_err(|error| failed(std::io::Error::other(error)))?;
        let file = |name: &str| task.path().join(name);
        durable::replace(
            &file("ITERATE-SUMMARY.json"),
            (json + "\n").as_bytes(),
            Mode::Shared,
        )
        .map_err(failed)?;
        let text = self.to_markdown();
        durable::replace(&file("ITERATE-SUMMARY.md"), text.as_bytes(), Mode::Shared).map_err(failed)
    }

    /// Returns the iteration under way.
    pub(super) fn current(&mut self) -> Option<&mut Iteration> {
        self.iterations.last_mut()
    }

    fn to_markdown(&self) -> String {
        let mut text = format!(
            "# Iterations of {}\n\noutcome: {}\n",
            self.task,
            self.outcome.as_str()
        );
        let mut add = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        if let Some(reason) = &self.reason {
            add(format!("reason: {}", one_line(reason)));
        }
        add(format!(
            "max_iterations: {}\nstarted_at: {}",
            self.max_iterations, self.started_at
        ));
        if let Some(ended_at) = self.ended_at {
            add(format!("ended_at: {ended_at}"));
        }
        add(
            "\n| iteration | impl_run | review_run | verdict | result |\n|---|---|---|---|---|"
                .into(),
        );
        for iteration in &self.iterations {
            let runs: Vec<String> = iteration
                .reviews
                .iter()
                .map(|review| review.run_id.as_ref().map_or("-".into(), RunId::to_string))
                .collect();
            let verdicts: Vec<&str> = iteration
                .reviews
                .iter()
                .map(|review| review.verdict.as_str())
                .collect();
            let or_none = |text: String| if text.is_empty() { "-".into() } else { text };
            let mut row = String::new();
            // Writing to a String cannot fail.
            write!(
                row,
                "| {} | {} | {} | {} | {} |",
                iteration.iteration,
                iteration
                    .implement_run
                    .as_ref()
                    .map_or("-".into(), RunId::to_string),
                or_none(runs.join(", ")),
                or_none(verdicts.join(", ")),
                iteration.result.as_str()
            )
            .unwrap_or_default();
            add(row);
        }
        for iteration in &self.iterations {
            if let Some(error) = &iteration.error {
                add(format!(
                    "\niteration {}: {}",
                    iteration.iteration,
                    one_line(error)
                ));
            }
        }
        text
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
