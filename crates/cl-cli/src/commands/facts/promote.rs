//! `facts promote`.

use cl_bus::facts::{
    Collected, Fact, Promoted, Promotion, Query, SheetPlace, in_project, in_sheet, in_task,
    in_tasks,
};
use cl_storage::redact::Redactor;
use serde_json::json;

use crate::args::PromoteArgs;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;
use crate::view::{harmless, local_text};

/// Copies facts to where others look for them.
pub fn promote(ctx: &mut Context, args: &PromoteArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let query = query(ctx, args)?;
    let collected = collect(&scope, args, &query)?;
    let place = if args.global {
        SheetPlace::of_root(scope.root())
    } else {
        SheetPlace::of_project(&scope.existing_project()?)
    };
    super::tell(ctx, &collected.warnings);
    let redactor = Redactor::new(ctx.config()?.config.all_secrets());
    let run = ctx.environment.get("JRUN_ID").map(str::trim);
    let promotion = Promotion {
        promoted_by: run.filter(|run| !run.is_empty()).unwrap_or("cli"),
        now: ctx.now(),
        redactor: &redactor,
    };
    let promoted = if args.dry_run {
        promotion.preview(&place, collected.facts)?
    } else {
        promotion.promote(&place, collected.facts)?
    };
    if ctx.console.is_json() {
        let warnings = collected.warnings.iter().map(ToString::to_string);
        ctx.console.json(&json!({
            "file": place.path(),
            "dry_run": args.dry_run,
            "written": !args.dry_run && !promoted.new.is_empty(),
            "promoted": promoted.new.len(),
            "already_present": promoted.present.len(),
            "facts": promoted.new.iter().map(super::describe).collect::<Vec<_>>(),
            "warnings": warnings.collect::<Vec<_>>(),
        }))?;
    } else {
        print(ctx, args, &place, &promoted)?;
    }
    Ok(Exit::Success)
}

fn query(ctx: &Context, args: &PromoteArgs) -> Result<Query, CliError> {
    let kind = args.filter_type.trim();
    if kind.is_empty() {
        return Err(CliError::usage("--filter-type names no type")
            .hint("name a type of message, such as FACT or DECISION"));
    }
    Ok(Query {
        kind: kind.to_owned(),
        since: args.since.map(|since| since.before(ctx.now())),
    })
}

fn collect(scope: &Scope, args: &PromoteArgs, query: &Query) -> Result<Collected, CliError> {
    let project = scope.existing_project()?;
    if !args.global {
        return match &scope.task {
            Some(_) => Ok(in_task(&scope.existing_task()?, query)),
            None => Ok(in_tasks(&project, query)?),
        };
    }
    let mut collected = Collected::default();
    if query.is_about_facts() {
        collected.facts = in_sheet(&SheetPlace::of_project(&project), query)?;
    }
    collected.add(in_project(&project, query));
    Ok(collected)
}

fn print(
    ctx: &mut Context,
    args: &PromoteArgs,
    place: &SheetPlace,
    promoted: &Promoted,
) -> Result<(), CliError> {
    let (new, present) = (promoted.new.len(), promoted.present.len());
    let file = place.path().display();
    if args.dry_run {
        for fact in &promoted.new {
            line(ctx, fact, "")?;
        }
        for fact in &promoted.present {
            line(ctx, fact, "  (already present)")?;
        }
        return ctx.console.line(format_args!(
            "dry-run: would promote {new} fact(s) ({present} already present) to {file}"
        ));
    }
    ctx.console.line(format_args!(
        "promoted {new} fact(s), {present} already present"
    ))?;
    let what = match (new, present) {
        (0, 0) => "nothing to write",
        (0, _) => "unchanged",
        _ => "written",
    };
    ctx.console.line(format_args!("{what}: {file}"))
}

fn line(ctx: &mut Context, fact: &Fact, note: &str) -> Result<(), CliError> {
    let time = fact.time.map(local_text).unwrap_or_default();
    let place = super::place(fact);
    let text = format!("{place}  {time}  {}{note}", fact.title);
    ctx.console.line(harmless(&text))
}
