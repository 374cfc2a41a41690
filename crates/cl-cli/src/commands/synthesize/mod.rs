//! `output synthesize`: one document of the answers of several runs.

mod document;
mod vote;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use cl_bus::{Bus, Draft};
use cl_storage::RunDir;
use cl_storage::durable::{self, Mode};
use cl_storage::redact::Redactor;
use serde_json::json;

use super::run_selector::{self, Selected};
use crate::args::{Strategy, SynthesizeArgs};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::view::{harmless, open_regular};
use document::{concatenated, merged};

/// The most that one run contributes; the document is built in memory.
const LARGEST_ANSWER: u64 = 16 * 1024 * 1024;

/// The most that all runs contribute together.
const LARGEST_DOCUMENT: u64 = 64 * 1024 * 1024;

/// What one run has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    run_id: String,
    /// Where it was read from; the run's folder, if nothing was found there.
    source: PathBuf,
    /// The text without blanks at its end; none if the run left nothing.
    text: Option<String>,
}

/// Makes one document of several answers.
pub fn run(ctx: &mut Context, args: &SynthesizeArgs) -> Result<Exit, CliError> {
    if args.strategy == Strategy::Reduce {
        return Err(CliError::usage("strategy not implemented: reduce").hint(
            "it takes an agent to read the answers: write them to a file with --out and give that \
             to `run-agent job`",
        ));
    }
    let scope = ctx.scope()?;
    let selected = run_selector::select(&scope, &args.runs)?;
    let task = args.post_fact.then(|| scope.existing_task()).transpose()?;
    let out = args.out.as_deref().map(|path| ctx.absolute(path));
    if let Some(folder) = out.as_ref().filter(|path| path.is_dir()) {
        return Err(CliError::usage(format!("{} is a folder", folder.display()))
            .hint("name a file with --out"));
    }
    let redactor = Redactor::new(ctx.config()?.config.all_secrets());
    let answers = read_all(&selected, &redactor)?;
    let missing: Vec<&Answer> = answers
        .iter()
        .filter(|answer| answer.text.is_none())
        .collect();
    for answer in &missing {
        let (id, path) = (&answer.run_id, answer.source.display());
        ctx.console.warn(format_args!(
            "run {id} has left no answer: looked in {path}"
        ));
    }
    if args.strict && !missing.is_empty() {
        return Err(CliError::failed(format!(
            "{} of {} runs have left no answer, so nothing was written",
            missing.len(),
            answers.len()
        ))
        .hint("leave --strict out to go on without them"));
    }
    let vote = (args.strategy == Strategy::Vote).then(|| vote::count(&answers));
    let text = match &vote {
        Some(vote) => vote::document(vote, &answers),
        None if args.strategy == Strategy::Merge => merged(&answers),
        None => concatenated(&answers),
    };
    if let Some(path) = &out {
        durable::replace_in_place(path, text.as_bytes(), Mode::Shared).map_err(|error| {
            CliError::failed(format!("could not write {}", path.display())).caused_by(error)
        })?;
    }
    print(ctx, args, &answers, out.as_deref(), &text, vote.as_ref())?;
    let summary = summary(args.strategy, &answers, out.as_deref());
    if let Some(task) = task {
        post(&task, &redactor.redact(&summary))?;
    }
    ctx.console.note(&summary);
    match vote {
        Some(vote) if vote.winner.is_none() => {
            ctx.console.note("no majority");
            Ok(Exit::Failed)
        }
        _ => Ok(Exit::Success),
    }
}

fn read_all(selected: &[Selected], redactor: &Redactor) -> Result<Vec<Answer>, CliError> {
    let mut left = LARGEST_DOCUMENT;
    let mut answers = Vec::new();
    for run in selected {
        let answer = read(run, left.min(LARGEST_ANSWER), redactor)?;
        left = left.saturating_sub(answer.text.as_ref().map_or(0, |text| text.len() as u64));
        answers.push(answer);
    }
    Ok(answers)
}

/// Returns the answer of a run without its configured secrets; none if it left nothing.
pub(super) fn answer_of(run: &RunDir, redactor: &Redactor) -> Result<Option<String>, CliError> {
    let selected = Selected {
        id: run.id().to_string(),
        folder: run.path().to_owned(),
    };
    Ok(read(&selected, LARGEST_ANSWER, redactor)?.text)
}

/// Reads the answer of a run, or its raw output where it has none.
fn read(run: &Selected, most: u64, redactor: &Redactor) -> Result<Answer, CliError> {
    for name in ["output.md", "agent-stdout.txt"] {
        let path = run.folder.join(name);
        let unreadable =
            |error| CliError::failed(format!("could not read {}", path.display())).caused_by(error);
        let Some(file) = open_regular(&path).map_err(unreadable)? else {
            continue;
        };
        let mut bytes = Vec::new();
        file.take(most + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        if bytes.len() as u64 > most {
            return Err(CliError::failed(format!(
                "{} is too large: a run may contribute 16 MiB, and all together 64 MiB",
                path.display()
            ))
            .hint("leave the run out, or write a shorter output.md into its folder"));
        }
        let text = String::from_utf8_lossy(&bytes);
        return Ok(Answer {
            run_id: run.id.clone(),
            source: path,
            text: Some(redactor.redact(text.trim_end()).into_owned()),
        });
    }
    Ok(Answer {
        run_id: run.id.clone(),
        source: run.folder.clone(),
        text: None,
    })
}

fn print(
    ctx: &mut Context,
    args: &SynthesizeArgs,
    answers: &[Answer],
    out: Option<&Path>,
    text: &str,
    vote: Option<&vote::Count>,
) -> Result<(), CliError> {
    if ctx.console.is_json() {
        let runs = answers.iter().map(|answer| {
            json!({
                "run_id": answer.run_id,
                "source": answer.source,
                "bytes": answer.text.as_ref().map_or(0, String::len),
                "missing": answer.text.is_none(),
            })
        });
        return ctx.console.json(&json!({
            "strategy": args.strategy.as_str(),
            "runs": runs.collect::<Vec<_>>(),
            "missing": answers.iter().filter(|answer| answer.text.is_none()).count(),
            "out": out,
            "document": out.is_none().then_some(text),
            "vote": vote,
        }));
    }
    if out.is_some() {
        return Ok(());
    }
    if ctx.console.out_is_terminal() {
        ctx.console.out().write_all(harmless(text).as_bytes())?;
    } else {
        ctx.console.out().write_all(text.as_bytes())?;
    }
    Ok(())
}

fn summary(strategy: Strategy, answers: &[Answer], out: Option<&Path>) -> String {
    let missing = answers
        .iter()
        .filter(|answer| answer.text.is_none())
        .count();
    let without = match missing {
        0 => String::new(),
        missing => format!(", {missing} without an answer"),
    };
    let into = out.map(|path| format!(" into {}", path.display()));
    format!(
        "synthesized {} runs ({}{without}){}",
        answers.len(),
        strategy.as_str(),
        into.unwrap_or_default()
    )
}

fn post(task: &cl_storage::TaskDir, summary: &str) -> Result<(), CliError> {
    let draft = Draft::new("FACT", task.project().clone(), summary.to_owned());
    let posted = Bus::new(task.bus()).append(&draft.task(task.id().clone()));
    posted.map(drop).map_err(|error| {
        CliError::failed("the document was made, but the fact was not posted").caused_by(error)
    })
}

/// Returns an answer for the tests of the strategies.
#[cfg(test)]
fn answer(run_id: &str, text: Option<&str>) -> Answer {
    Answer {
        run_id: run_id.to_owned(),
        source: PathBuf::from(format!("/runs/{run_id}/output.md")),
        text: text.map(str::to_owned),
    }
}
