//! `doctor storage`: looks for damage below the root.

use std::path::PathBuf;

use cl_storage::Root;
use cl_storage::doctor::{self, Code, Finding, Level};
use serde_json::json;

use super::flat;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;

/// Looks for damage below the root and explains it.
pub fn storage(ctx: &mut Context) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let root = scope.root();
    let (findings, looked_at) = look(ctx, &scope)?;
    let of_level = |level| findings.iter().filter(|found| found.level == level).count();
    let (errors, warnings) = (of_level(Level::Error), of_level(Level::Warning));
    if ctx.console.is_json() {
        ctx.console.json(&json!({
            "root": root.path(),
            "looked_at": looked_at,
            "findings": findings,
            "summary": {"errors": errors, "warnings": warnings},
        }))?;
    } else {
        for found in &findings {
            print(ctx, found)?;
        }
        ctx.console.line(format_args!(
            "{}: {} projects, {} tasks, {} runs; {errors} errors, {warnings} warnings",
            root.path().display(),
            looked_at.projects,
            looked_at.tasks,
            looked_at.runs,
        ))?;
    }
    Ok(if errors == 0 {
        Exit::Success
    } else {
        Exit::Failed
    })
}

/// Looks for damage; changes nothing.
pub(super) fn look(
    ctx: &Context,
    scope: &Scope,
) -> Result<(Vec<Finding>, doctor::LookedAt), CliError> {
    let root = scope.root();
    let mut findings = Vec::new();
    let mut looked_at = doctor::LookedAt::default();
    if scope.has_root()? {
        let report = doctor::examine(root, ctx.now());
        (findings, looked_at) = (report.findings, report.looked_at);
        findings.extend(buses(root).into_iter().filter_map(|bus| look_at(&bus)));
    }
    // What is wrong with the configuration is told by `validate`.
    let loaded = ctx.config();
    let extra = loaded.map_or_else(|_| Vec::new(), |it| it.config.storage.extra_roots.clone());
    let missing = flat::once_each(extra).into_iter();
    findings.extend(
        missing
            .filter(|extra| !extra.is_dir())
            .map(|extra| Finding::new(Code::MissingExtraRoot, &extra, "")),
    );
    Ok((findings, looked_at))
}

fn print(ctx: &mut Context, found: &Finding) -> Result<(), CliError> {
    let (level, path) = (found.level.as_str(), found.path.display());
    ctx.console
        .line(format_args!("{level}: {path} {}", found.what))?;
    ctx.console.line(format_args!("    why: {}", found.why))?;
    ctx.console.line(format_args!("    do:  {}", found.advice))
}

/// Returns every bus file; what cannot be listed was found before.
fn buses(root: &Root) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for project in root.projects().unwrap_or_default() {
        found.push(project.bus());
        let tasks = project.tasks().unwrap_or_default();
        found.extend(tasks.iter().map(cl_storage::TaskDir::bus));
    }
    // A link was found before, and is not followed.
    found.retain(|path| path.symlink_metadata().is_ok_and(|meta| !meta.is_symlink()));
    found
}

fn look_at(bus: &std::path::Path) -> Option<Finding> {
    if bus.symlink_metadata().is_ok_and(|meta| !meta.is_file()) {
        return Some(Finding::new(Code::NotAFile, bus, ""));
    }
    match cl_bus::check(bus) {
        Ok(report) if report.is_clean() => None,
        Ok(report) => {
            let places: Vec<String> = report.damage.iter().map(ToString::to_string).collect();
            Some(Finding::new(Code::DamagedBus, bus, places.join("; ")))
        }
        Err(error) => {
            let error = CliError::failed(error.to_string()).chain();
            Some(Finding::new(Code::Unreadable, bus, error))
        }
    }
}
