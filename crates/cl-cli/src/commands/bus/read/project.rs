//! Reads the buses of a project as one.

use std::time::Duration;

use cl_bus::view::{self, Cut, Item, SourceBus, ViewEvent, ViewFollower, ViewPage, ViewQuery};
use cl_bus::{Damage, ReadError};
use cl_storage::ProjectDir;
use serde_json::json;

use super::{Row, WAIT, Wanted, cut_of, gone, skipped, tell_reset, warn_about_damage};
use crate::args::ReadArgs;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Origin;

/// What the project's own bus is called among those of its tasks.
const PROJECT: &str = "project";
/// How often the buses are looked at while they are followed.
const POLL: Duration = Duration::from_millis(200);

/// Prints messages of the project and of all its tasks.
pub(super) fn read(ctx: &mut Context, args: &ReadArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let is_flag = |from: &Origin| matches!(from, Origin::Flag(_));
    if scope.task.as_ref().is_some_and(|task| is_flag(&task.from)) {
        return Err(CliError::usage("--all reads every task of the project")
            .hint("leave out --task; for every message of one bus, say --tail 0"));
    }
    let project = scope.existing_project()?;
    let buses = buses(&project)?;
    let wanted = Wanted::of(args, ctx.now())?;
    let (page, reset) = select(&buses, &wanted)?;
    tell(ctx, &page, reset.as_deref());
    if args.follow {
        return follow(ctx, project, &wanted, &page);
    }
    if ctx.console.is_json() {
        let rows = page.items.iter().map(row);
        let damage = page.damage.iter().map(|(source, damage)| {
            let mut value = serde_json::to_value(damage).unwrap_or_default();
            value["source"] = source.as_str().into();
            value
        });
        ctx.console.json(&json!({
            "project_id": project.id(),
            "messages": rows.collect::<Vec<_>>(),
            "next": page.next,
            "previous": page.previous,
            "has_more": page.has_more,
            "skipped_entries": skipped(page.damage.iter().map(|(_, damage)| damage)),
            "reset": reset.is_some() || !page.reset.is_empty(),
            "reset_sources": page.reset,
            "failed": failed(&page.failed),
            "damage": damage.collect::<Vec<_>>(),
        }))?;
    } else if page.items.is_empty() {
        let id = project.id();
        ctx.console
            .note(format_args!("There are no such messages in project {id}"));
    } else {
        for item in &page.items {
            row(item).print(ctx)?;
        }
    }
    Ok(Exit::Success)
}

/// Lists the buses of a project: its own and those of its tasks.
pub(super) fn buses(project: &ProjectDir) -> Result<Vec<SourceBus>, CliError> {
    let own = SourceBus {
        name: PROJECT.to_owned(),
        path: project.bus(),
    };
    let tasks = project.tasks()?.into_iter().map(|task| SourceBus {
        // A folder of that name may be a task.
        name: match task.id().as_str() {
            PROJECT => format!("task:{PROJECT}"),
            id => id.to_owned(),
        },
        path: task.bus(),
    });
    Ok(std::iter::once(own).chain(tasks).collect())
}

/// Reads what was asked for; also tells which place was named and is not there.
fn select(buses: &[SourceBus], wanted: &Wanted) -> Result<(ViewPage, Option<String>), CliError> {
    let mut query = ViewQuery {
        filter: wanted.filter.clone(),
        limit: wanted.limit,
        keep: wanted.keep,
        ..ViewQuery::default()
    };
    let mut reset = None;
    if let Some(place) = &wanted.after {
        query.after = cut_of(place, |after| Cut::behind(buses, after))?;
        if query.after.is_none() {
            reset = Some(gone(place)?);
        }
    }
    if let Some(place) = &wanted.before {
        query.before = cut_of(place, |before| Cut::ahead_of(buses, before))?;
        if query.before.is_none() {
            reset = Some(gone(place)?);
        }
    }
    if reset.is_some() {
        let instead = wanted.instead();
        query = ViewQuery {
            filter: instead.filter,
            limit: instead.limit,
            keep: instead.keep,
            ..ViewQuery::default()
        };
    }
    Ok((view::page(buses, &query), reset))
}

/// The buses that could not be read, as JSON.
pub(super) fn failed(failed: &[(String, ReadError)]) -> serde_json::Value {
    let rows = failed
        .iter()
        .map(|(source, error)| json!({ "source": source, "error": error.to_string() }));
    rows.collect()
}

pub(super) fn row(item: &Item) -> Row<'_> {
    Row::of(&item.entry.message, Some(&item.source))
}

fn tell(ctx: &mut Context, page: &ViewPage, gone: Option<&str>) {
    if let Some(place) = gone {
        tell_reset(ctx, place);
    }
    for source in &page.reset {
        tell_gone(ctx, source);
    }
    for (source, error) in &page.failed {
        tell_failed(ctx, source, error);
    }
    let damage: Vec<&Damage> = page.damage.iter().map(|(_, damage)| damage).collect();
    warn_about_damage(ctx, &damage);
}

fn tell_gone(ctx: &mut Context, source: &str) {
    ctx.console.note(format_args!(
        "The place on the bus of {source} is gone; its last messages are shown, if it has any"
    ));
}

pub(super) fn tell_failed(ctx: &mut Context, source: &str, error: &ReadError) {
    ctx.console
        .warn(format_args!("the bus of {source} is left out: {error}"));
}

fn follow(
    ctx: &mut Context,
    project: ProjectDir,
    wanted: &Wanted,
    page: &ViewPage,
) -> Result<Exit, CliError> {
    // The last row's cursor is the one behind the whole page.
    let mut cut = page.previous.clone();
    for (at, item) in page.items.iter().enumerate() {
        cut.pass(item);
        if at + 1 == page.items.len() {
            cut.clone_from(&page.next);
        }
        row(item).with_cursor(|| cut.to_string()).print(ctx)?;
    }
    ctx.console.flush()?;
    let mut cut = page.next.clone();
    let mut known = buses(&project)?;
    let list = move || {
        // A folder that cannot be listed for a moment is no project without tasks.
        if let Ok(found) = buses(&project) {
            known = found;
        }
        known.clone()
    };
    let mut follower = ViewFollower::new(list, cut.clone(), wanted.filter.clone(), POLL);
    loop {
        for event in follower.poll(WAIT) {
            match event {
                ViewEvent::Message(item) => {
                    cut.pass(&item);
                    row(&item).with_cursor(|| cut.to_string()).print(ctx)?;
                }
                ViewEvent::Damage(_, damage) => warn_about_damage(ctx, &[&damage]),
                ViewEvent::Reset(source) => tell_gone(ctx, &source),
                ViewEvent::Failed(source, error) => tell_failed(ctx, &source, &error),
                _ => {}
            }
        }
        cut.clone_from(follower.cut());
        ctx.console.flush()?;
    }
}
