//! `logs`: the supervisor's log, or the streams of a task's runs.

use std::collections::BTreeMap;
use std::time::Duration;

use cl_storage::RunId;
use cl_storage::TaskDir;
use cl_storage::redact::Redactor;
use cl_storage::snapshot::TaskView;
use serde_json::json;

use crate::args::LogsArgs;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::view::{GrowingFile, MaskedText, Renderer, harmless, redactor};

/// How often growing files are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Prints the log of a task or the streams of its runs.
pub fn run(ctx: &mut Context, args: &LogsArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let task = scope.existing_task()?;
    let mut logs = Logs::new(ctx, args);
    loop {
        let view = TaskView::read(scope.root(), &task, ctx.now())?;
        let is_over = !args.follow || !view.is_active();
        logs.look(ctx, &task, &view)?;
        if args.follow && !is_over {
            logs.settle(ctx)?;
        }
        ctx.console.flush()?;
        if is_over {
            logs.finish(ctx)?;
            if args.follow {
                let (id, status) = (task.id(), view.status);
                ctx.console.note(format_args!("Task {id}: {status}"));
            }
            break;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    if !logs.has_printed {
        let (id, what) = (task.id(), logs.what());
        ctx.console
            .note(format_args!("Task {id} has no {what} yet"));
    }
    Ok(Exit::Success)
}

/// What is being printed.
struct Logs {
    of_runs: bool,
    tail: usize,
    is_harmless: bool,
    supervisor: Option<GrowingFile>,
    runs: BTreeMap<RunId, RunLog>,
    /// None where nothing is masked.
    redactor: Option<Redactor>,
    /// The supervisor's log is masked when it is written, and once more.
    masked: MaskedText,
    /// What the last line came from.
    last_source: Option<String>,
    /// An unfinished line of the supervisor's log.
    line: Vec<u8>,
    has_printed: bool,
}

/// The standard output of one run.
struct RunLog {
    file: GrowingFile,
    renderer: Renderer,
    masked: MaskedText,
}

impl Logs {
    fn new(ctx: &mut Context, args: &LogsArgs) -> Self {
        let redactor = (!args.raw).then(|| redactor(ctx));
        Self {
            masked: MaskedText::new(redactor.as_ref()),
            redactor,
            of_runs: args.runs,
            tail: args.tail,
            is_harmless: ctx.console.out_is_terminal(),
            supervisor: None,
            runs: BTreeMap::new(),
            last_source: None,
            line: Vec::new(),
            has_printed: false,
        }
    }

    fn what(&self) -> &'static str {
        if self.of_runs {
            "run"
        } else {
            "supervisor log"
        }
    }

    /// Prints what is new.
    fn look(&mut self, ctx: &mut Context, task: &TaskDir, view: &TaskView) -> Result<(), CliError> {
        if self.of_runs {
            for run in &view.runs {
                self.look_at_run(ctx, &run.run)?;
            }
            Ok(())
        } else {
            self.look_at_supervisor(ctx, task)
        }
    }

    fn look_at_run(&mut self, ctx: &mut Context, run: &cl_storage::RunDir) -> Result<(), CliError> {
        let mut log = if let Some(log) = self.runs.remove(run.id()) {
            log
        } else {
            let mut file = GrowingFile::new(run.stdout());
            file.skip_to_last_lines(self.tail)?;
            RunLog {
                file,
                renderer: Renderer::default(),
                masked: MaskedText::new(self.redactor.as_ref()),
            }
        };
        let RunLog {
            file,
            renderer,
            masked,
        } = &mut log;
        file.read_on(|piece| {
            let text = masked.feed(&renderer.feed(piece));
            self.print(ctx, run.id().as_str(), &text)
        })?;
        self.runs.insert(run.id().clone(), log);
        Ok(())
    }

    fn look_at_supervisor(&mut self, ctx: &mut Context, task: &TaskDir) -> Result<(), CliError> {
        let mut file = if let Some(file) = self.supervisor.take() {
            file
        } else {
            let mut file = GrowingFile::new(task.supervisor_log());
            file.skip_to_last_lines(self.tail)?;
            file
        };
        file.read_on(|piece| self.take_supervisor(ctx, piece))?;
        self.supervisor = Some(file);
        Ok(())
    }

    /// Prints the lines that a piece of the log completes.
    fn take_supervisor(&mut self, ctx: &mut Context, piece: &[u8]) -> Result<(), CliError> {
        self.line.extend_from_slice(piece);
        let Some(end) = self.line.iter().rposition(|byte| *byte == b'\n') else {
            return Ok(());
        };
        let rest = self.line.split_off(end + 1);
        let lines = std::mem::replace(&mut self.line, rest);
        let lines = self.masked.feed(&String::from_utf8_lossy(&lines));
        self.print(ctx, "supervisor", &lines)
    }

    /// Prints what is certain of lines that nobody goes on with at the moment.
    fn settle(&mut self, ctx: &mut Context) -> Result<(), CliError> {
        if ctx.console.is_json() {
            return Ok(());
        }
        let mut runs = std::mem::take(&mut self.runs);
        for (id, log) in &mut runs {
            let text = log.masked.settle();
            self.print(ctx, id.as_str(), &text)?;
        }
        self.runs = runs;
        Ok(())
    }

    fn finish(&mut self, ctx: &mut Context) -> Result<(), CliError> {
        let rest = std::mem::take(&mut self.line);
        if !rest.is_empty() {
            let text = String::from_utf8_lossy(&rest).into_owned() + "\n";
            let text = self.masked.feed(&text);
            self.print(ctx, "supervisor", &text)?;
        }
        for (id, mut log) in std::mem::take(&mut self.runs) {
            let text = log.masked.feed(&log.renderer.finish()) + &log.masked.finish();
            self.print(ctx, id.as_str(), &text)?;
        }
        Ok(())
    }

    /// Prints text of one source; a heading tells when the source changes.
    fn print(&mut self, ctx: &mut Context, source: &str, text: &str) -> Result<(), CliError> {
        if text.is_empty() {
            return Ok(());
        }
        if ctx.console.is_json() {
            for line in text.lines() {
                ctx.console.json(&json!({"source": source, "line": line}))?;
            }
        } else {
            let is_new = self.last_source.as_deref() != Some(source);
            if self.of_runs && is_new {
                let blank = if self.has_printed { "\n" } else { "" };
                ctx.console.line(format_args!("{blank}==> {source} <=="))?;
                self.last_source = Some(source.to_owned());
            }
            let text = if self.is_harmless {
                harmless(text)
            } else {
                text.to_owned()
            };
            ctx.console.out().write_all(text.as_bytes())?;
        }
        self.has_printed = true;
        Ok(())
    }
}
