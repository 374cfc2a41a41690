//! `bus check`.

use std::path::{Path, PathBuf};

use cl_bus::{ReadError, Repaired, Report};
use serde::Serialize;

use super::target;
use crate::args::CheckArgs;
use crate::context::Context;
use crate::error::{CliError, Exit};

/// The report, with what was done.
#[derive(Debug, Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    report: &'a Report,
    repaired: Option<Copied>,
}

#[derive(Debug, Serialize)]
struct Copied {
    path: PathBuf,
    #[serde(flatten)]
    what: Repaired,
}

/// Lists everything that is wrong with a bus file; copies what is right if asked to.
pub fn check(ctx: &mut Context, args: &CheckArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let target = target::find(ctx, &scope, args.bus.as_deref())?;
    let copy = args.repair_to.as_deref().map(|path| ctx.absolute(path));
    let report = target.bus().check()?;
    let repaired = match copy {
        Some(path) => Some(Copied {
            what: repair(&report, &path)?,
            path,
        }),
        None => None,
    };
    if ctx.console.is_json() {
        let report = &report;
        ctx.console.json(&Row { report, repaired })?;
    } else {
        print(ctx, &report)?;
        if let Some(copied) = &repaired {
            print_copied(ctx, copied)?;
        }
    }
    Ok(if report.is_clean() {
        Exit::Success
    } else {
        Exit::Failed
    })
}

fn repair(report: &Report, copy: &Path) -> Result<Repaired, CliError> {
    let shown = copy.display();
    let bus = report.path.display();
    if !report.path.exists() && report.archives == 0 {
        return Err(CliError::not_found(format!("the bus {bus} does not exist"))
            .hint("there is nothing to copy"));
    }
    if report.is_no_bus() {
        return Err(
            CliError::conflict(format!("{bus} holds text and not a single message"))
                .hint("there is nothing to copy"),
        );
    }
    if !copy.parent().is_some_and(Path::is_dir) {
        return Err(
            CliError::not_found(format!("the folder of {shown} does not exist"))
                .hint("check the path given with --repair-to"),
        );
    }
    cl_bus::repair_to(&report.path, copy).map_err(|error| match error {
        ReadError::File(file) if file.is_in_the_way() => {
            CliError::conflict(format!("{shown} exists already"))
                .hint("name a new file with --repair-to")
        }
        other => other.into(),
    })
}

fn print(ctx: &mut Context, report: &Report) -> Result<(), CliError> {
    for damage in &report.damage {
        ctx.console.line(damage)?;
    }
    for name in &report.archive_names {
        ctx.console.line(format_args!("archive {name}"))?;
    }
    for what in &report.missing {
        ctx.console.line(format_args!("missing: {what}"))?;
    }
    let (shown, bytes) = (report.path.display(), report.size_bytes);
    let (messages, damaged) = (report.messages, report.damage.len());
    if report.is_no_bus() {
        let other = report.other_bytes;
        ctx.console.line(format_args!(
            "{shown}: no message and {other} bytes of other text"
        ))
    } else {
        ctx.console.line(format_args!(
            "{shown}: {messages} messages in {bytes} bytes, {damaged} damaged"
        ))
    }
}

fn print_copied(ctx: &mut Context, copied: &Copied) -> Result<(), CliError> {
    let (what, shown) = (&copied.what, copied.path.display());
    for damage in &what.left_out {
        ctx.console.line(format_args!("left out: {damage}"))?;
    }
    let flagged = match what.flagged {
        0 => String::new(),
        count => format!(", {count} of them with a damaged body"),
    };
    let messages = what.messages;
    ctx.console.line(format_args!(
        "copied {messages} messages to {shown}{flagged}"
    ))
}
