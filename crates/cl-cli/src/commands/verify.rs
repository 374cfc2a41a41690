//! `verify`: the gates of a finished task again, on the files as they are now.

use cl_runner::launch::LaunchFile;
use cl_runner::verify::{self, Again, NoProof, Proof, Report, Verified};
use cl_storage::TaskDir;
use cl_storage::evidence::{self, Evidence, Verdict};

use super::launching;
use crate::context::Context;
use crate::error::{CliError, Exit};

/// Asks the gates of a task again.
pub fn run(ctx: &mut Context) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let task = scope.existing_task()?;
    let proof = verify::proof(&task).map_err(|error| no_proof(&task, error))?;
    let launch = LaunchFile::read(&task)
        .map_err(|error| cannot_tell(&task).caused_by(error))?
        .ok_or_else(|| cannot_tell(&task))?;
    let ready = launching::ready(ctx, Some(&launch.agent_name))?;
    let agent = ready.agent().ok_or_else(|| cannot_tell(&task))?;
    let order = verify::Order {
        root: scope.root(),
        task: &task,
        launch: &launch,
        agent,
        environment: &ctx.environment,
        executable: std::path::Path::new("/proc/self/exe"),
    };
    let console = &mut ctx.console;
    let tell = |then: &Evidence, again: &Again| {
        if again.verdict == Verdict::Refused {
            console.note(format_args!("gate {} refuses: {}", then.name, again.reason));
            for line in again.tail.lines() {
                console.note(format_args!("    {line}"));
            }
        }
    };
    let verified = verify::run(&order, &proof, &*ctx.clock, tell).map_err(|error| {
        CliError::failed(format!("could not verify {}", task.id())).caused_by(error)
    })?;
    match verified {
        Verified::Interrupted => Ok(Exit::Interrupted),
        Verified::Terminated => Ok(Exit::Terminated),
        Verified::Done(report) => tell_report(ctx, &task, &proof, &report),
    }
}

fn no_proof(task: &TaskDir, error: NoProof) -> CliError {
    let exit = match error {
        NoProof::None | NoProof::Missing(_) => Exit::NotFound,
        _ => Exit::Failed,
    };
    let id = task.id();
    let (text, hint) = match error {
        NoProof::None => (
            format!("there is nothing to verify for {id}"),
            "only a task that was completed by passing gates has evidence; see `run-agent task show`",
        ),
        _ => (
            format!("the evidence of {id} is damaged and proves nothing"),
            "put the file back, or `run-agent task resume` the task to have its gates asked again",
        ),
    };
    CliError::new(exit, text).caused_by(error).hint(hint)
}

fn cannot_tell(task: &TaskDir) -> CliError {
    CliError::failed(format!("could not tell how {} was launched", task.id()))
}

fn tell_report(
    ctx: &mut Context,
    task: &TaskDir,
    proof: &Proof,
    report: &Report,
) -> Result<Exit, CliError> {
    let exit = if report.is_reproduced(proof) {
        Exit::Success
    } else {
        Exit::Failed
    };
    if ctx.console.is_json() {
        ctx.console.json(&cl_view::verified(task, proof, report))?;
        return Ok(exit);
    }
    let tree = match report.same_tree {
        Some(true) => "the working tree is the one that was proven",
        Some(false) => "the working tree has changed since",
        None => "the working tree could not be compared",
    };
    ctx.console.line(format_args!("tree: {tree}"))?;
    for (then, again) in proof.gates.iter().zip(&report.gates) {
        let name = &then.evidence.name;
        let word = again.as_ref().map_or_else(not_asked, in_words);
        ctx.console.line(format_args!("gate {name}: {word}"))?;
        for flaw in &then.flaws {
            let file = evidence::path(task, then.number);
            let file = file.display();
            ctx.console.line(format_args!(
                "gate {name}: the evidence {file} does not hold: {flaw}"
            ))?;
        }
    }
    let result = if exit == Exit::Success {
        "reproduced"
    } else {
        "not reproduced"
    };
    ctx.console.line(format_args!("{}: {result}", task.id()))?;
    Ok(exit)
}

fn not_asked() -> String {
    "not asked again".to_owned()
}

fn in_words(again: &Again) -> String {
    let word = match again.verdict {
        Verdict::Passed => "passes".to_owned(),
        Verdict::Refused => format!("refuses ({})", again.reason),
    };
    let output = if again.same_output {
        ""
    } else {
        ", with other output"
    };
    let environment = if again.same_environment {
        ""
    } else {
        ", in another environment"
    };
    format!("{word}{output}{environment}")
}
