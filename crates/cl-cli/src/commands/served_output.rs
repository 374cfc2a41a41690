//! `output` by way of a server.

use cl_client::Path;
use cl_storage::{ProjectId, TaskId};
use cl_wire::RunRow;
use serde_json::json;

use super::output::{LARGEST_DOCUMENT, LONGEST_NOTE, Printer, Source, last_lines};
use crate::args::{OutputArgs, OutputFile};
use crate::backend::{self, Server};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;
use crate::view::{MaskedText, Renderer, redactor};

/// Prints what a run left.
pub(super) fn run(ctx: &mut Context, server: &Server, args: &OutputArgs) -> Result<Exit, CliError> {
    if args.follow {
        return Err(CliError::usage("servers do not offer `output --follow`")
            .hint("`run-agent` without --server does it with the files of this machine"));
    }
    let scope = ctx.scope()?;
    let (project, task) = backend::named_task(&scope)?;
    let row = chosen(server, &scope, &project, &task)?;
    let (source, bytes) = fetched(server, &project, &task, &row, args)?;
    if ctx.console.is_json() {
        print_json(ctx, (&project, &task), &row, &source, &bytes, args)?;
    } else {
        let mut printer = Printer::new(ctx, &source, args);
        printer.take(ctx, shown_part(&bytes, &source, args))?;
        printer.finish(ctx)?;
    }
    Ok(Exit::Success)
}

/// Returns the run that was named, else the newest with a record or a process.
fn chosen(
    server: &Server,
    scope: &Scope,
    project: &ProjectId,
    task: &TaskId,
) -> Result<RunRow, CliError> {
    let mut runs = server.runs(project, task)?.runs;
    if let Some(named) = &scope.run {
        let id = &named.value;
        let found = runs.into_iter().find(|run| run.run_id == *id);
        return found.ok_or_else(|| {
            CliError::not_found(format!("run {id} does not exist in task {task}")).hint(format!(
                "`run-agent list --project {project} --task {task}` shows its runs"
            ))
        });
    }
    let newest = runs.iter().rposition(|run| run.pid_alive || !run.synthetic);
    match newest.or(runs.len().checked_sub(1)) {
        Some(index) => Ok(runs.swap_remove(index)),
        None => Err(
            CliError::not_found(format!("task {task} has no runs yet")).hint(format!(
                "`run-agent status --project {project} {task}` shows how it stands"
            )),
        ),
    }
}

/// Fetches the file that is meant; the answer comes from the events while there is none.
fn fetched(
    server: &Server,
    project: &ProjectId,
    task: &TaskId,
    row: &RunRow,
    args: &OutputArgs,
) -> Result<(Source, Vec<u8>), CliError> {
    let stdout = ("stdout", "agent-stdout.txt");
    let choices: &[(_, &'static str)] = match args.file {
        OutputFile::Stdout => &[(stdout, "standard output")],
        OutputFile::Stderr => &[(("stderr", "agent-stderr.txt"), "standard error")],
        OutputFile::Prompt => &[(("prompt", "prompt.md"), "prompt")],
        OutputFile::Output => &[(("output.md", "output.md"), "answer"), (stdout, "output")],
    };
    let mut looked_for = String::new();
    let mut last = "output";
    for ((name, file), what) in choices {
        let path = Path::of(["api", "projects"])
            .then(project)
            .then("tasks")
            .then(task)
            .then("runs")
            .then(&row.run_id)
            .then("file")
            .then("raw")
            .query("name", name);
        looked_for = format!("{}/{file}", row.path);
        last = what;
        if let Some(bytes) = server.bytes(&path)? {
            let source = Source {
                path: looked_for.into(),
                what,
                is_rendered: *what == "output" && !args.raw && !row.legacy,
                is_answer: *what == "answer" && !row.legacy,
            };
            return Ok((source, bytes));
        }
    }
    let id = &row.run_id;
    Err(
        CliError::not_found(format!("run {id} has no {last}")).hint(format!(
            "looked for {looked_for}; --file chooses another one"
        )),
    )
}

/// Returns the last lines that were asked for; those of events are counted when they are text.
fn shown_part<'b>(bytes: &'b [u8], source: &Source, args: &OutputArgs) -> &'b [u8] {
    if source.is_rendered || args.tail == 0 {
        return bytes;
    }
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let ends = body.iter().enumerate().rev();
    let mut ends = ends.filter(|(_, byte)| **byte == b'\n');
    match ends.nth(args.tail - 1) {
        Some((at, _)) => &bytes[at + 1..],
        None => bytes,
    }
}

fn print_json(
    ctx: &mut Context,
    (project, task): (&ProjectId, &TaskId),
    row: &RunRow,
    source: &Source,
    all: &[u8],
    args: &OutputArgs,
) -> Result<(), CliError> {
    let mut bytes = shown_part(all, source, args);
    let most = usize::try_from(LARGEST_DOCUMENT).unwrap_or(usize::MAX);
    let cut = bytes.len().saturating_sub(most);
    bytes = &bytes[cut..];
    let mut left_out = cut as u64;
    if source.is_answer && args.tail == 0 {
        let start = usize::try_from(LONGEST_NOTE).unwrap_or(usize::MAX);
        let start = String::from_utf8_lossy(&all[..all.len().min(start)]);
        left_out += cl_runner::left_out_bytes(&start).unwrap_or(0);
    }
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    let is_lossy = text.as_bytes() != bytes;
    if source.is_rendered {
        let mut renderer = Renderer::default();
        text = renderer.feed(bytes) + &renderer.finish();
        text = last_lines(&text, args.tail).to_owned();
    }
    if !args.raw {
        let mut masked = MaskedText::new(Some(&redactor(ctx)));
        text = masked.feed(&text) + &masked.finish();
    }
    ctx.console.json(&json!({
        "project_id": project,
        "task_id": task,
        "run_id": row.run_id,
        "legacy": row.legacy,
        "file": source.path,
        "rendered": source.is_rendered,
        "text": text,
        "lossy": is_lossy,
        "truncated": left_out > 0,
        "left_out_bytes": left_out,
    }))
}
