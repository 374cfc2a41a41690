//! `output`: what a run left.

use std::collections::VecDeque;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use cl_storage::legacy;
use cl_storage::redact::MaskStream;
use cl_storage::run_info::RunStatus;
use cl_storage::snapshot::{RunView, TaskView};
use cl_storage::{RunDir, RunId, TaskDir};
use serde_json::json;

use super::flat;
use crate::args::{OutputArgs, OutputFile};
use crate::backend::{self, Backend, Need};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;
use crate::view::{GrowingFile, MaskedText, Renderer, harmless, open_regular, redactor};

/// How often a growing file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How many looks at the file pass between two looks at the run.
const LOOKS_PER_STATUS: u32 = 3;

/// The most of a file that one JSON document holds: it is built in memory.
pub(super) const LARGEST_DOCUMENT: u64 = 32 * 1024 * 1024;

/// Longer than the line that tells what an answer lacks.
pub(super) const LONGEST_NOTE: u64 = 200;

/// Prints what a run left.
pub fn run(ctx: &mut Context, args: &OutputArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    if let Backend::Server(server) = backend::open(ctx, Need::Look)? {
        return super::served_output::run(ctx, &server, args);
    }
    let task = flat::existing_task(ctx, &scope)?;
    let named = scope.run.as_ref().map(|run| &run.value);
    let run = match named {
        Some(id) => Scope::existing_run(&task, id)?,
        None => newest_run(ctx, &scope, &task, args.follow)?,
    };
    let is_live = args.follow && !has_ended(ctx, &scope, &run)?;
    let source = Source::choose(&run, args, is_live);
    if is_live {
        return follow(ctx, &scope, &run, &source, args);
    }
    if open(&source.path)?.is_none() {
        let (id, what) = (run.id(), source.what);
        return Err(
            CliError::not_found(format!("run {id} has no {what}")).hint(format!(
                "looked for {}; --file chooses another one",
                source.path.display()
            )),
        );
    }
    if ctx.console.is_json() {
        print_json(ctx, &run, &source, args)?;
    } else {
        let mut printer = Printer::new(ctx, &source, args);
        let mut file = source.open_at(args)?;
        file.read_on(|piece| printer.take(ctx, piece))?;
        printer.finish(ctx)?;
    }
    Ok(Exit::Success)
}

/// What is printed, and whether events in it become text.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) what: &'static str,
    pub(super) is_rendered: bool,
    pub(super) is_answer: bool,
}

impl Source {
    /// Chooses the file; the answer comes from the events while there is no answer yet.
    fn choose(run: &RunDir, args: &OutputArgs, is_live: bool) -> Self {
        let plain = |path, what| Self {
            path,
            what,
            is_rendered: false,
            is_answer: false,
        };
        if run.task().is_flat() {
            let (file, what) = match args.file {
                OutputFile::Stdout => (legacy::File::Stdout, "standard output"),
                OutputFile::Stderr => (legacy::File::Stderr, "standard error"),
                OutputFile::Prompt => (legacy::File::Prompt, "prompt"),
                OutputFile::Output if legacy::file(run, legacy::File::Output).is_file() => {
                    (legacy::File::Output, "answer")
                }
                OutputFile::Output => (legacy::File::Stdout, "output"),
            };
            return plain(legacy::file(run, file), what);
        }
        match args.file {
            OutputFile::Stdout => plain(run.stdout(), "standard output"),
            OutputFile::Stderr => plain(run.stderr(), "standard error"),
            OutputFile::Prompt => plain(run.prompt(), "prompt"),
            OutputFile::Output if !is_live && run.output().is_file() => Self {
                is_answer: true,
                ..plain(run.output(), "answer")
            },
            OutputFile::Output => Self {
                path: run.stdout(),
                what: "output",
                is_rendered: !args.raw,
                is_answer: false,
            },
        }
    }

    /// Opens it where printing starts; lines of events are counted when they are text.
    fn open_at(&self, args: &OutputArgs) -> Result<GrowingFile, CliError> {
        let mut file = GrowingFile::new(&self.path);
        if !self.is_rendered {
            file.skip_to_last_lines(args.tail)
                .map_err(|error| unreadable(&self.path, error))?;
        }
        Ok(file)
    }
}

fn open(path: &std::path::Path) -> Result<Option<std::fs::File>, CliError> {
    open_regular(path).map_err(|error| unreadable(path, error))
}

fn unreadable(path: &std::path::Path, error: std::io::Error) -> CliError {
    CliError::failed(format!("could not read {}", path.display())).caused_by(error)
}

/// Returns the newest run with a record or a process; with `waits`, waits for the first one.
fn newest_run(
    ctx: &mut Context,
    scope: &Scope,
    task: &TaskDir,
    waits: bool,
) -> Result<RunDir, CliError> {
    let mut is_told = false;
    loop {
        let view = TaskView::read(scope.root(), task, ctx.now())?;
        let mut newest_first = view.runs.iter().rev();
        let found = newest_first.find(|run| run.is_active || !run.is_synthetic());
        if let Some(found) = found.or(view.latest_run()) {
            return Ok(found.run.clone());
        }
        let id = task.id();
        if !waits || !view.is_active() {
            return Err(
                CliError::not_found(format!("task {id} has no runs yet")).hint(format!(
                    "`run-agent status --project {} {id}` shows how it stands",
                    task.project()
                )),
            );
        }
        if !is_told {
            ctx.console
                .note(format_args!("Waiting for the first run of {id}"));
            is_told = true;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Looks at one run of a task.
pub(crate) fn look_at(
    ctx: &Context,
    scope: &Scope,
    task: &TaskDir,
    id: &RunId,
) -> Result<Option<RunView>, CliError> {
    let view = TaskView::read(scope.root(), task, ctx.now())?;
    Ok(view.runs.into_iter().find(|run| run.run.id() == id))
}

/// Tells whether nothing will be added to what the run has left.
fn has_ended(ctx: &Context, scope: &Scope, run: &RunDir) -> Result<bool, CliError> {
    let Some(view) = look_at(ctx, scope, run.task(), run.id())? else {
        return Ok(true);
    };
    Ok(match view.status {
        RunStatus::Running => false,
        RunStatus::Completed | RunStatus::Failed => true,
        RunStatus::Unknown => !view.is_starting(ctx.now()),
    })
}

fn follow(
    ctx: &mut Context,
    scope: &Scope,
    run: &RunDir,
    source: &Source,
    args: &OutputArgs,
) -> Result<Exit, CliError> {
    let mut printer = Printer::new(ctx, source, args);
    let mut file = source.open_at(args)?;
    let mut looks = 0_u32;
    loop {
        // The status comes first: what was written before the end is then read below.
        let is_over = looks.is_multiple_of(LOOKS_PER_STATUS) && has_ended(ctx, scope, run)?;
        file.read_on(|piece| printer.take(ctx, piece))?;
        if looks == 0 {
            printer.end_of_backlog(ctx)?;
        }
        looks = looks.wrapping_add(1);
        printer.settle(ctx)?;
        ctx.console.flush()?;
        if is_over {
            break;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    printer.finish(ctx)?;
    let view = look_at(ctx, scope, run.task(), run.id())?;
    tell_end(ctx, run, view.as_ref())?;
    Ok(Exit::Success)
}

/// Says how the run ended, so that nobody takes a silence for success.
fn tell_end(ctx: &mut Context, run: &RunDir, view: Option<&RunView>) -> Result<(), CliError> {
    let status = view.map_or("deleted", |view| view.status.as_str());
    let code = view
        .and_then(|view| view.info.as_ref().ok())
        .map(|info| info.exit_code)
        .filter(|code| *code >= 0);
    if ctx.console.is_json() {
        return ctx.console.json(&json!({
            "line": null,
            "end": {"run_id": run.id(), "status": status, "exit_code": code},
        }));
    }
    let code = code.map(|code| format!(", exit code {code}"));
    let id = run.id();
    ctx.console.note(format_args!(
        "Run {id} ended: {status}{}",
        code.unwrap_or_default()
    ));
    Ok(())
}

fn print_json(
    ctx: &mut Context,
    run: &RunDir,
    source: &Source,
    args: &OutputArgs,
) -> Result<(), CliError> {
    let mut bytes = Vec::new();
    let mut file = source.open_at(args)?;
    let failed = |error| unreadable(&source.path, error);
    let cut = file.limit_to_last(LARGEST_DOCUMENT).map_err(failed)?;
    let left_out = cut + left_out_before(source, args).map_err(failed)?;
    file.read_on(|piece| {
        bytes.extend_from_slice(piece);
        Ok::<_, CliError>(())
    })?;
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    let is_lossy = text.as_bytes() != bytes;
    if source.is_rendered {
        let mut renderer = Renderer::default();
        text = renderer.feed(&bytes) + &renderer.finish();
        text = last_lines(&text, args.tail).to_owned();
    }
    if !args.raw {
        let mut masked = MaskedText::new(Some(&redactor(ctx)));
        text = masked.feed(&text) + &masked.finish();
    }
    let task = run.task();
    ctx.console.json(&json!({
        "project_id": task.project(),
        "task_id": task.id(),
        "run_id": run.id(),
        "legacy": task.is_flat(),
        "file": source.path,
        "rendered": source.is_rendered,
        "text": text,
        "lossy": is_lossy,
        "truncated": left_out > 0,
        "left_out_bytes": left_out,
    }))
}

/// Returns how much of the output an answer lacks; what `--tail` leaves out was asked for.
fn left_out_before(source: &Source, args: &OutputArgs) -> std::io::Result<u64> {
    if !source.is_answer || args.tail > 0 {
        return Ok(0);
    }
    let mut start = Vec::new();
    if let Some(file) = open_regular(&source.path)? {
        file.take(LONGEST_NOTE).read_to_end(&mut start)?;
    }
    let start = String::from_utf8_lossy(&start);
    Ok(cl_runner::left_out_bytes(&start).unwrap_or(0))
}

pub(super) fn last_lines(text: &str, count: usize) -> &str {
    if count == 0 {
        return text;
    }
    let body = text.strip_suffix('\n').unwrap_or(text);
    let start = body.rmatch_indices('\n').nth(count - 1);
    start.map_or(text, |(at, _)| &text[at + 1..])
}

/// Prints pieces: as they are, as text, or as JSON lines.
pub(super) struct Printer {
    renderer: Option<Renderer>,
    /// Lines held back until it is known which are the last ones.
    backlog: Option<(usize, VecDeque<String>)>,
    is_harmless: bool,
    /// None where the bytes are wanted as they are.
    mask: Option<MaskStream>,
    /// An unfinished line, for JSON.
    line: Vec<u8>,
}

impl Printer {
    pub(super) fn new(ctx: &mut Context, source: &Source, args: &OutputArgs) -> Self {
        let mask = (!args.raw).then(|| MaskStream::new(&redactor(ctx)));
        let holds_back = source.is_rendered && args.tail > 0;
        Self {
            renderer: source.is_rendered.then(Renderer::default),
            backlog: holds_back.then(|| (args.tail, VecDeque::new())),
            is_harmless: ctx.console.out_is_terminal() && !args.raw,
            mask,
            line: Vec::new(),
        }
    }

    pub(super) fn take(&mut self, ctx: &mut Context, piece: &[u8]) -> Result<(), CliError> {
        match &mut self.renderer {
            Some(renderer) => {
                let text = renderer.feed(piece);
                self.put_text(ctx, &text)
            }
            None => self.put(ctx, piece),
        }
    }

    fn put_text(&mut self, ctx: &mut Context, text: &str) -> Result<(), CliError> {
        let Some((most, lines)) = &mut self.backlog else {
            return self.put(ctx, text.as_bytes());
        };
        for piece in text.split_inclusive('\n') {
            match lines.back_mut() {
                Some(last) if !last.ends_with('\n') => last.push_str(piece),
                _ => lines.push_back(piece.to_owned()),
            }
            while lines.len() > *most {
                lines.pop_front();
            }
        }
        Ok(())
    }

    /// Prints the last lines of what was there at the start.
    fn end_of_backlog(&mut self, ctx: &mut Context) -> Result<(), CliError> {
        let lines = self.backlog.take().map(|(_, lines)| lines);
        for line in lines.into_iter().flatten() {
            self.put(ctx, line.as_bytes())?;
        }
        Ok(())
    }

    fn put(&mut self, ctx: &mut Context, bytes: &[u8]) -> Result<(), CliError> {
        let Some(mut mask) = self.mask.take() else {
            return self.put_masked(ctx, bytes);
        };
        mask.feed(bytes, |bytes| self.put_masked(ctx, bytes))?;
        self.mask = Some(mask);
        Ok(())
    }

    /// Prints of an unfinished line what is certain.
    fn settle(&mut self, ctx: &mut Context) -> Result<(), CliError> {
        if let Some(mut mask) = self.mask.take() {
            mask.settle(|bytes| self.put_masked(ctx, bytes))?;
            self.mask = Some(mask);
        }
        Ok(())
    }

    fn put_masked(&mut self, ctx: &mut Context, bytes: &[u8]) -> Result<(), CliError> {
        if ctx.console.is_json() {
            return self.put_json(ctx, bytes);
        }
        if self.is_harmless {
            let text = harmless(&String::from_utf8_lossy(bytes));
            ctx.console.out().write_all(text.as_bytes())?;
        } else {
            ctx.console.out().write_all(bytes)?;
        }
        Ok(())
    }

    fn put_json(&mut self, ctx: &mut Context, bytes: &[u8]) -> Result<(), CliError> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.line.pop();
                self.put_json_line(ctx)?;
            }
        }
        Ok(())
    }

    fn put_json_line(&mut self, ctx: &mut Context) -> Result<(), CliError> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        ctx.console.json(&json!({"line": line, "end": null}))
    }

    pub(super) fn finish(&mut self, ctx: &mut Context) -> Result<(), CliError> {
        if let Some(mut renderer) = self.renderer.take() {
            let text = renderer.finish();
            self.put_text(ctx, &text)?;
        }
        self.end_of_backlog(ctx)?;
        if let Some(mut mask) = self.mask.take() {
            mask.finish(|bytes| self.put_masked(ctx, bytes))?;
        }
        if !self.line.is_empty() {
            self.put_json_line(ctx)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_lines_of_a_text() {
        for (text, count, expected) in [
            ("a\nb\nc\n", 1, "c\n"),
            ("a\nb\nc", 2, "b\nc"),
            ("a\n", 5, "a\n"),
            ("a\nb\n", 0, "a\nb\n"),
        ] {
            assert_eq!(last_lines(text, count), expected);
        }
    }
}
