//! `gc`: deletes old runs and finished tasks, and moves large buses aside.

use std::path::PathBuf;

use cl_storage::gc::{self, Event, GcError, Kept, Policy, RunDeleted, TaskDeleted};
use cl_storage::{ProjectDir, ProjectId, Root};
use serde::Serialize;

use super::flat;
use crate::args::GcArgs;
use crate::console::Console;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;

/// Everything that was done, or would be.
#[derive(Debug, Default, Serialize)]
struct Account {
    dry_run: bool,
    runs: Vec<RunDeleted>,
    tasks: Vec<TaskDeleted>,
    rotated: Vec<Rotated>,
    leftovers: Vec<PathBuf>,
    kept: Vec<KeptThing>,
    problems: Vec<Problem>,
    summary: Summary,
}

/// A bus that was moved aside.
#[derive(Debug, Serialize)]
struct Rotated {
    path: PathBuf,
    /// Where to; unknown as long as it was not done.
    archive: Option<PathBuf>,
    size_bytes: u64,
}

#[derive(Debug, Serialize)]
struct KeptThing {
    path: PathBuf,
    reason: Kept,
    message: String,
}

#[derive(Debug, Serialize)]
struct Problem {
    path: PathBuf,
    message: String,
}

#[derive(Debug, Default, Serialize)]
struct Summary {
    runs: usize,
    tasks: usize,
    rotated: usize,
    freed_bytes: u64,
}

/// Collects garbage.
pub fn run(ctx: &mut Context, args: &GcArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    if !ctx.global.tasks.is_empty() {
        return Err(CliError::usage("gc is about projects, not about one task")
            .hint("leave --task out; --project ID limits it to one project"));
    }
    // Deleting is never limited by where one happens to stand.
    let only = match &ctx.global.project {
        Some(_) => Some(project(ctx, &scope)?),
        None => None,
    };
    let mut account = Account {
        dry_run: args.dry_run,
        ..Account::default()
    };
    if scope.has_root()? {
        let policy = Policy {
            older_than: args.older_than,
            keep_failed: args.keep_failed,
            orphans: args.orphans,
            delete_done_tasks: args.delete_done_tasks,
            dry_run: args.dry_run,
        };
        let now = ctx.now();
        let mut printed = Ok(());
        let mut tell = |event| {
            let told = account.tell(&mut ctx.console, event);
            if printed.is_ok() {
                printed = told;
            }
        };
        gc::collect(scope.root(), only.as_ref(), &policy, now, &mut tell)
            .map_err(|error| CliError::failed("could not list projects").caused_by(error))?;
        if args.rotate_bus {
            account.rotate(ctx, scope.root(), only.as_ref(), args.bus_max_size)?;
        }
        if !args.dry_run {
            cl_runner::notify::start::kick(scope.root());
            cl_runner::process::leaf::remove_all_dead();
        }
        // What was deleted is deleted even if nobody could be told.
        printed?;
    }
    account.finish(ctx)
}

/// Returns the project that was named; one of old folders only has no garbage of ours.
fn project(ctx: &mut Context, scope: &Scope) -> Result<ProjectId, CliError> {
    let old = flat::scan(ctx);
    match flat::existing_project(scope, &old)? {
        Some(project) => Ok(project.id().clone()),
        None => Err(CliError::conflict(format!(
            "cannot collect in {}: it has folders of the old layout only, which are only read",
            scope.require_project()?
        ))
        .hint("remove such folders by hand when they are not needed any more")),
    }
}

impl Account {
    fn tell(&mut self, console: &mut Console, event: Event) -> Result<(), CliError> {
        match event {
            Event::Run(run) => {
                let line = self.line(format_args!(
                    "{} (status={}, started={}, size={} MB)",
                    run.path.display(),
                    run.status.as_str(),
                    run.started
                        .map_or_else(|| "unknown".to_owned(), |time| time.to_string()),
                    megabytes(run.size_bytes),
                ));
                self.runs.push(run);
                print(console, line)
            }
            Event::Task(task) => {
                let line = self.line(format_args!(
                    "{} (DONE, no runs, size={} MB)",
                    task.path.display(),
                    megabytes(task.size_bytes)
                ));
                self.tasks.push(task);
                print(console, line)
            }
            Event::Leftover(path) => {
                let line = self.line(format_args!("{} (left by an earlier gc)", path.display()));
                self.leftovers.push(path);
                print(console, line)
            }
            Event::Kept(path, reason) => {
                console.warn(format_args!("kept {}: {reason}", path.display()));
                let message = reason.to_string();
                self.kept.push(KeptThing {
                    path,
                    reason,
                    message,
                });
                Ok(())
            }
            Event::Problem(error) => {
                self.problem(console, &error);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn problem(&mut self, console: &mut Console, error: &GcError) {
        let path = error.path().to_owned();
        let message = CliError::failed(error.to_string());
        let message = match std::error::Error::source(error) {
            Some(cause) => format!("{}: {cause}", message.chain()),
            None => message.chain(),
        };
        console.warn(&message);
        self.problems.push(Problem { path, message });
    }

    fn line(&self, what: std::fmt::Arguments<'_>) -> String {
        if self.dry_run {
            format!("[dry-run] would delete {what}")
        } else {
            format!("deleting {what}")
        }
    }

    fn rotate(
        &mut self,
        ctx: &mut Context,
        root: &Root,
        only: Option<&ProjectId>,
        limit: u64,
    ) -> Result<(), CliError> {
        let is_meant = |project: &&ProjectDir| only.is_none_or(|only| only == project.id());
        for project in root.projects()?.iter().filter(is_meant) {
            let mut buses = vec![project.bus()];
            // A project that cannot be listed was told of already.
            let mut tasks = project.tasks().unwrap_or_default();
            // What would be deleted, with its bus, is still there in a dry run.
            tasks.retain(|task| self.tasks.iter().all(|gone| gone.path != task.path()));
            buses.extend(tasks.iter().map(cl_storage::TaskDir::bus));
            for path in buses {
                self.rotate_one(ctx, path, limit)?;
            }
        }
        Ok(())
    }

    fn rotate_one(&mut self, ctx: &mut Context, path: PathBuf, limit: u64) -> Result<(), CliError> {
        let size_bytes = match path.symlink_metadata() {
            Ok(meta) if meta.is_file() && meta.len() > limit => meta.len(),
            _ => return Ok(()),
        };
        let mut archive = None;
        if !self.dry_run {
            // A bus of exactly the limit is left alone here, as the size was understood before.
            match cl_bus::Bus::new(&path).rotate(limit.saturating_add(1)) {
                Ok(Some(to)) => archive = Some(to),
                Ok(None) => return Ok(()),
                Err(error) => {
                    let what = format!("could not move {} aside", path.display());
                    let message = CliError::failed(what).caused_by(error).chain();
                    ctx.console.warn(&message);
                    self.problems.push(Problem { path, message });
                    return Ok(());
                }
            }
        }
        let (shown, size) = (path.display(), megabytes(size_bytes));
        let line = match &archive {
            Some(to) => format!("rotated {shown} to {} (size={size} MB)", to.display()),
            None => format!("[dry-run] would rotate {shown} (size={size} MB)"),
        };
        print(&mut ctx.console, line)?;
        self.rotated.push(Rotated {
            path,
            archive,
            size_bytes,
        });
        Ok(())
    }

    fn finish(mut self, ctx: &mut Context) -> Result<Exit, CliError> {
        let in_runs: u64 = self.runs.iter().map(|run| run.size_bytes).sum();
        let in_tasks: u64 = self.tasks.iter().map(|task| task.size_bytes).sum();
        self.summary = Summary {
            runs: self.runs.len(),
            tasks: self.tasks.len(),
            rotated: self.rotated.len(),
            freed_bytes: in_runs + in_tasks,
        };
        if ctx.console.is_json() {
            ctx.console.json(&self)?;
        } else {
            self.print_summary(&mut ctx.console)?;
        }
        Ok(if self.problems.is_empty() {
            Exit::Success
        } else {
            Exit::Failed
        })
    }

    fn print_summary(&self, console: &mut Console) -> Result<(), CliError> {
        let Summary {
            runs,
            tasks,
            rotated,
            freed_bytes,
        } = self.summary;
        let [delete, free, rotate] = if self.dry_run {
            ["Would delete", "would free", "Would rotate"]
        } else {
            ["Deleted", "freed", "Rotated"]
        };
        let freed = megabytes(freed_bytes);
        console.line(format_args!("{delete} {runs} runs, {free} {freed} MB"))?;
        if tasks > 0 {
            console.line(format_args!(
                "{delete} {tasks} task directories (DONE + empty runs)"
            ))?;
        }
        if rotated > 0 {
            console.line(format_args!("{rotate} {rotated} message bus file(s)"))?;
        }
        Ok(())
    }
}

fn print(console: &mut Console, line: String) -> Result<(), CliError> {
    if console.is_json() {
        return Ok(());
    }
    console.line(line)?;
    // What is gone has been told, whatever happens next.
    console.flush()
}

/// Returns a size in units of 1024 times 1024 bytes, with one decimal.
fn megabytes(bytes: u64) -> String {
    let tenths = (u128::from(bytes) * 10 + (1 << 19)) >> 20;
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded() {
        for (bytes, text) in [
            (0, "0.0"),
            (52_428, "0.0"),
            (52_429, "0.1"),
            (1 << 20, "1.0"),
            (10 * (1 << 20) + (1 << 19), "10.5"),
        ] {
            assert_eq!(megabytes(bytes), text, "{bytes}");
        }
    }
}
