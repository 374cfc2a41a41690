//! Reading and posting by way of a server.

use std::collections::BTreeMap;

use cl_bus::{Edge, Entry};
use cl_client::Path;
use cl_storage::{ProjectId, TaskId};
use cl_view::BusPage;
use cl_wire::changes::{BusPost, BusPosted};
use serde_json::json;

use super::post::{body, parse_parent, without_own_secrets};
use super::read::{Row, WAIT, Wanted, query, shown, skipped, tell_reset, warn_about_damage};
use crate::args::{DurabilityArg, PostArgs, ReadArgs};
use crate::backend::{About, Backend, News, Server};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::{Origin, Scope};

/// How many messages are asked for at once.
const CHUNK: usize = 1000;

/// Whose bus is meant, without a look at files.
fn target(scope: &Scope) -> Result<(ProjectId, Option<TaskId>), CliError> {
    let is_flag = |from: &Origin| matches!(from, Origin::Flag(_));
    if let Some(task) = scope.task.as_ref().filter(|task| is_flag(&task.from)) {
        return Ok((scope.require_project()?.clone(), Some(task.value.clone())));
    }
    if let Some(project) = scope.project.as_ref().filter(|it| is_flag(&it.from)) {
        return Ok((project.value.clone(), None));
    }
    if let Some(outer) = &scope.enclosing {
        let outer = &outer.value;
        return Ok((outer.project.clone(), Some(outer.task.clone())));
    }
    let task = scope.task.as_ref().map(|task| task.value.clone());
    Ok((scope.require_project()?.clone(), task))
}

fn messages() -> Path {
    Path::of(["api", "v1", "core", "messages"])
}

/// Asks for a part of the bus.
fn page(
    server: &Server,
    bus: &(ProjectId, Option<TaskId>),
    wanted: &Wanted,
    after: Option<String>,
    limit: usize,
) -> Result<BusPage, CliError> {
    // Places on several buses are refused as they are for files.
    query(wanted)?;
    let filter = &wanted.filter;
    let after = after.or_else(|| wanted.after.as_ref().map(shown));
    let keeps_oldest = wanted.keep == Edge::Oldest || wanted.limit.is_none();
    let path = messages()
        .query("project_id", &bus.0)
        .query_some("task_id", bus.1.as_ref())
        .query_some("after", after)
        .query_some("before", wanted.before.as_ref().map(shown))
        .query_some("later_than", filter.later_than)
        .query_some(
            "type",
            (!filter.kinds.is_empty()).then(|| filter.kinds.join(",")),
        )
        .query_some("text", filter.text.as_ref())
        .query_some("run_id", filter.run_id.as_ref())
        .query_some("issue_id", filter.issue_id.as_ref())
        .query("limit", limit)
        .query("oldest", keeps_oldest);
    server.ask(async |client| client.get(&path).await)
}

/// Prints messages.
pub(super) fn read(
    ctx: &mut Context,
    backend: &Backend,
    server: &Server,
    args: &ReadArgs,
) -> Result<Exit, CliError> {
    for (what, is_given) in [
        ("--bus", args.bus.is_some()),
        ("--all", args.all),
        ("--thread", args.thread.is_some()),
    ] {
        if is_given {
            backend.must_be_local(&format!("`bus read {what}`"))?;
        }
    }
    let scope = ctx.scope()?;
    let bus = target(&scope)?;
    let wanted = Wanted::of(args, ctx.now())?;
    let is_whole = wanted.limit.is_none();
    let limit = wanted.limit.unwrap_or(CHUNK);
    let mut found = page(server, &bus, &wanted, None, limit)?;
    while is_whole && found.has_more && found.reset.is_none() {
        let Some(last) = found.entries.last() else {
            break;
        };
        let next = page(
            server,
            &bus,
            &wanted,
            Some(last.cursor().to_string()),
            CHUNK,
        )?;
        found.entries.extend(next.entries);
        found.damage.extend(next.damage);
        found.has_more = next.has_more;
    }
    if let Some(place) = &found.reset {
        tell_reset(ctx, place);
    }
    warn_about_damage(ctx, &found.damage.iter().collect::<Vec<_>>());
    if args.follow {
        return follow(ctx, server, &bus, &wanted, found);
    }
    if ctx.console.is_json() {
        print_json(ctx, &wanted, &found)?;
    } else if found.entries.is_empty() {
        let which = if found.is_empty { "" } else { "such " };
        let shown = &found.bus;
        ctx.console
            .note(format_args!("There are no {which}messages in {shown}"));
    } else {
        for entry in &found.entries {
            Row::of(&entry.message, None).print(ctx)?;
        }
    }
    Ok(Exit::Success)
}

/// Prints the document in the order of keys that reading the file has.
fn print_json(ctx: &mut Context, wanted: &Wanted, found: &BusPage) -> Result<(), CliError> {
    let cursor = |entry: &Entry| entry.cursor().to_string();
    let is_reset = found.reset.is_some();
    let given = wanted.after.as_ref().filter(|_| !is_reset).map(shown);
    let next = found.entries.last().map(cursor).or(given);
    let previous = found.entries.first().map(cursor);
    let rows = found.entries.iter().map(|it| Row::of(&it.message, None));
    if wanted.limit.is_some() || is_reset {
        return ctx.console.json(&json!({
            "bus": found.bus,
            "messages": rows.collect::<Vec<_>>(),
            "next": next,
            "previous": previous,
            "has_more": found.has_more,
            "skipped_entries": skipped(&found.damage),
            "reset": is_reset,
            "damage": found.damage,
        }));
    }
    let failed =
        |error: serde_json::Error| CliError::failed("could not write JSON").caused_by(error);
    let rows: Vec<String> = rows
        .map(|row| serde_json::to_string(&row).map_err(failed))
        .collect::<Result<_, _>>()?;
    let rest = json!({
        "next": next,
        "previous": previous,
        "has_more": false,
        "skipped_entries": skipped(&found.damage),
        "reset": false,
        "damage": found.damage,
    })
    .to_string();
    ctx.console.line(format_args!(
        "{{\"bus\":{},\"messages\":[{}],{}",
        json!(found.bus),
        rows.join(","),
        rest.trim_start_matches('{')
    ))
}

/// Prints what is posted from now on; asks when the server tells of messages, or else once a
/// second, like a look at the file.
fn follow(
    ctx: &mut Context,
    server: &Server,
    bus: &(ProjectId, Option<TaskId>),
    wanted: &Wanted,
    mut found: BusPage,
) -> Result<Exit, CliError> {
    let mut behind = wanted.after.as_ref().map(shown);
    let wanted = Wanted {
        limit: None,
        keep: Edge::Oldest,
        ..wanted.clone()
    };
    let mut is_silent = false;
    let mut news = News::new(server, About::Messages, &bus.0, bus.1.as_ref());
    loop {
        for entry in &found.entries {
            let row = Row::of(&entry.message, None);
            row.with_cursor(|| entry.cursor().to_string()).print(ctx)?;
        }
        ctx.console.flush()?;
        if let Some(last) = found.entries.last() {
            behind = Some(last.cursor().to_string());
        }
        if !found.has_more || found.entries.is_empty() {
            news.within(if is_silent { WAIT } else { news.patience(WAIT) });
        }
        found = match page(server, bus, &wanted, behind.clone(), CHUNK) {
            Ok(page) => {
                is_silent = false;
                page
            }
            Err(error) if error.exit() == Exit::Unreachable => {
                if !is_silent {
                    let text = error.chain();
                    ctx.console.note(format_args!("{text}; trying again"));
                }
                is_silent = true;
                found.entries.clear();
                continue;
            }
            Err(error) => return Err(error),
        };
        if let Some(place) = &found.reset {
            ctx.console.warn(format_args!(
                "{place} is not on the bus any more; reading on"
            ));
        }
    }
}

/// Posts a message.
pub(super) fn post(
    ctx: &mut Context,
    backend: &Backend,
    server: &Server,
    args: &PostArgs,
) -> Result<Exit, CliError> {
    for (what, is_given) in [("--bus", args.bus.is_some()), ("--force", args.force)] {
        if is_given {
            backend.must_be_local(&format!("`bus post {what}`"))?;
        }
    }
    let scope = ctx.scope()?;
    let (project_id, task_id) = target(&scope)?;
    let body = without_own_secrets(ctx, &scope, body(ctx, args)?);
    let body = String::from_utf8(body).map_err(|_| {
        CliError::usage("the body is no UTF-8, and servers take only text")
            .hint("`run-agent` without --server posts bytes")
    })?;
    let outer = scope.enclosing.as_ref().map(|outer| &outer.value);
    let outer = outer.filter(|outer| outer.project == project_id);
    let parents = args.parents.iter().map(|parent| {
        let parent = parse_parent(parent)?;
        Ok((parent.msg_id, parent.kind))
    });
    let asked = BusPost {
        body,
        durability: match args.durability {
            DurabilityArg::Disk => "disk",
            DurabilityArg::Os => "os",
        }
        .to_owned(),
        issue_id: args.issue.clone().unwrap_or_default(),
        kind: args.kind.trim().to_owned(),
        links: args.links.clone(),
        meta: args.meta.iter().cloned().collect::<BTreeMap<_, _>>(),
        parents: parents.collect::<Result<_, CliError>>()?,
        run_id: match &scope.run {
            Some(run) => Some(run.value.clone()),
            None => outer.map(|outer| outer.run.clone()),
        },
        project_id,
        task_id,
    };
    let posted: BusPosted = server.ask(async |client| client.post(&messages(), &asked).await)?;
    if ctx.console.is_json() {
        ctx.console.json(&posted)?;
    } else {
        if let Some(path) = &posted.attachment {
            ctx.console
                .note(format_args!("The body is attached as {path}"));
        }
        ctx.console
            .line(format_args!("msg_id: {}", posted.msg_id))?;
    }
    Ok(Exit::Success)
}
