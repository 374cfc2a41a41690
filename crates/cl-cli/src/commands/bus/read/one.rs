//! Reads one bus.

use std::ops::ControlFlow;

use cl_bus::{After, Bus, Event, FollowOptions, Found, Page, Query, Start};
use serde_json::json;

use super::{
    Row, WAIT, Wanted, gone, shown, skipped, tell_reset, warn_about_damage, warn_about_places,
};
use crate::args::{Place, ReadArgs};
use crate::commands::bus::target;
use crate::context::Context;
use crate::error::{CliError, Exit};

/// Prints messages of the bus that the command is about.
pub(super) fn read(ctx: &mut Context, args: &ReadArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let target = target::find(ctx, &scope, args.bus.as_deref())?;
    if args.bus.is_some() && !target.path.exists() && !args.follow {
        let shown = target.path.display();
        return Err(
            CliError::not_found(format!("the bus {shown} does not exist"))
                .hint("check the path given with --bus"),
        );
    }
    let bus = target.bus();
    let wanted = Wanted::of(args, ctx.now())?;
    if wanted.limit.is_none() && !args.follow {
        let is_json = ctx.console.is_json();
        let printed = if is_json {
            print_document(ctx, &bus, &wanted)
        } else {
            print_all(ctx, &bus, &query(&wanted)?)
        };
        match printed {
            Err(Printing::Read(error)) if error.is_unknown_message() => {}
            Err(Printing::Read(error)) => return Err(error.into()),
            Err(Printing::Print(error)) => return Err(error),
            Ok(0) if !is_json => return tell_nothing(ctx, &bus),
            Ok(_) => return Ok(Exit::Success),
        }
    }
    let (page, reset) = select(&bus, &wanted)?;
    if let Some(place) = &reset {
        tell_reset(ctx, place);
    }
    warn_about_damage(ctx, &page.damage.iter().collect::<Vec<_>>());
    if args.follow {
        return follow(ctx, &wanted, &bus, &page, reset.is_some());
    }
    let rows = page
        .entries
        .iter()
        .map(|entry| Row::of(&entry.message, None));
    if ctx.console.is_json() {
        let cursor = |entry: &cl_bus::Entry| entry.cursor().to_string();
        let next = page.entries.last().map(cursor);
        let given = wanted.after.as_ref().filter(|_| reset.is_none()).map(shown);
        ctx.console.json(&json!({
            "bus": target.path,
            "messages": rows.collect::<Vec<_>>(),
            "next": next.or(given),
            "previous": page.entries.first().map(cursor),
            "has_more": page.has_more,
            "skipped_entries": skipped(&page.damage),
            "reset": reset.is_some(),
            "damage": page.damage,
        }))?;
    } else if page.entries.is_empty() {
        return tell_nothing(ctx, &bus);
    } else {
        for row in rows {
            row.print(ctx)?;
        }
    }
    Ok(Exit::Success)
}

/// Why messages could not be printed while they were read.
enum Printing {
    Read(cl_bus::ReadError),
    Print(CliError),
}

/// Prints the messages that `query` asks for while they are read, however many there are;
/// returns how many.
fn print_all(ctx: &mut Context, bus: &Bus, query: &Query) -> Result<u64, Printing> {
    let (mut printed, mut failed) = (0, None);
    // One is told as it is, of several only the number.
    let (mut damage, mut damaged_places) = (None, 0_usize);
    let read = bus.for_each(query, |found| {
        match found {
            Found::Entry(entry) => {
                if let Err(error) = Row::of(&entry.message, None).print(ctx) {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
                printed += 1;
            }
            Found::Damage(found) => {
                damaged_places += 1;
                damage.get_or_insert(found);
            }
        }
        ControlFlow::Continue(())
    });
    if let Some(error) = failed {
        return Err(Printing::Print(error));
    }
    read.map_err(Printing::Read)?;
    warn_about_places(ctx, damage.as_ref(), damaged_places);
    Ok(printed)
}

/// Prints the same as one JSON document, of which only the damage is held; returns the number
/// of messages.
///
/// A place that is not there is found out before anything is printed. After a later error
/// the document has no end.
fn print_document(ctx: &mut Context, bus: &Bus, wanted: &Wanted) -> Result<u64, Printing> {
    let query = query(wanted).map_err(Printing::Print)?;
    let write = |ctx: &mut Context, text: std::fmt::Arguments<'_>| {
        ctx.console.out().write_fmt(text).map_err(CliError::from)
    };
    let text = |value: &serde_json::Value| value.to_string();
    let (mut printed, mut failed) = (0_u64, None);
    let (mut first, mut last, mut damage) = (None, None, Vec::new());
    let path = text(&json!(bus.path()));
    let read = bus.for_each(&query, |found| {
        let entry = match found {
            Found::Entry(entry) => entry,
            Found::Damage(found) => {
                damage.push(found);
                return ControlFlow::Continue(());
            }
        };
        let row = serde_json::to_string(&Row::of(&entry.message, None))
            .map_err(|error| CliError::failed("could not write JSON").caused_by(error));
        let written = row.and_then(|row| match printed {
            0 => write(ctx, format_args!("{{\"bus\":{path},\"messages\":[{row}")),
            _ => write(ctx, format_args!(",{row}")),
        });
        if let Err(error) = written {
            failed = Some(error);
            return ControlFlow::Break(());
        }
        let cursor = entry.cursor().to_string();
        first.get_or_insert_with(|| cursor.clone());
        last = Some(cursor);
        printed += 1;
        ControlFlow::Continue(())
    });
    if let Some(error) = failed {
        return Err(Printing::Print(error));
    }
    read.map_err(Printing::Read)?;
    let next = last.or_else(|| wanted.after.as_ref().map(shown));
    let rest = text(&json!({
        "next": next,
        "previous": first,
        "has_more": false,
        "skipped_entries": skipped(&damage),
        "reset": false,
        "damage": damage,
    }));
    let rest = rest.trim_start_matches('{');
    let end = if printed == 0 {
        write(
            ctx,
            format_args!("{{\"bus\":{path},\"messages\":[],{rest}\n"),
        )
    } else {
        write(ctx, format_args!("],{rest}\n"))
    };
    end.map_err(Printing::Print)?;
    warn_about_damage(ctx, &damage.iter().collect::<Vec<_>>());
    Ok(printed)
}

fn tell_nothing(ctx: &mut Context, bus: &Bus) -> Result<Exit, CliError> {
    let is_empty = bus.tail(1)?.entries.is_empty();
    let which = if is_empty { "" } else { "such " };
    let shown = bus.path().display();
    ctx.console
        .note(format_args!("There are no {which}messages in {shown}"));
    Ok(Exit::Success)
}

/// Reads what was asked for; also tells which place was named and is not there.
fn select(bus: &Bus, wanted: &Wanted) -> Result<(Page, Option<String>), CliError> {
    match bus.page(&query(wanted)?) {
        Ok(page) => Ok((page, None)),
        Err(error) if error.is_unknown_message() => {
            let cl_bus::ReadError::UnknownMessage { id, .. } = error else {
                return Err(error.into());
            };
            for place in [&wanted.after, &wanted.before].into_iter().flatten() {
                if matches!(place, Place::Message(After::Id(named)) if *named == id) {
                    gone(place)?;
                }
            }
            let page = bus.page(&query(&wanted.instead())?)?;
            Ok((page, Some(id.to_string())))
        }
        Err(error) => Err(error.into()),
    }
}

pub(in crate::commands::bus) fn query(wanted: &Wanted) -> Result<Query, CliError> {
    let message = |place: &Option<Place>| match place {
        Some(Place::Message(after)) => Ok(Some(after.clone())),
        None => Ok(None),
        Some(Place::Cut(_)) => Err(CliError::usage("the cursor is one of a whole project")
            .hint("add --all, or name a message of this bus")),
    };
    Ok(Query {
        after: message(&wanted.after)?,
        before: message(&wanted.before)?,
        filter: wanted.filter.clone(),
        limit: wanted.limit,
        keep: wanted.keep,
    })
}

fn follow(
    ctx: &mut Context,
    wanted: &Wanted,
    bus: &Bus,
    page: &Page,
    is_reset: bool,
) -> Result<Exit, CliError> {
    for entry in &page.entries {
        let row = Row::of(&entry.message, None);
        row.with_cursor(|| entry.cursor().to_string()).print(ctx)?;
    }
    ctx.console.flush()?;
    let last = page.entries.last().map(|last| After::Cursor(last.cursor()));
    let given = query(wanted)?.after.filter(|_| !is_reset);
    let start = last.or(given).map_or(Start::Beginning, Start::After);
    let mut follower = bus.follow(&start, FollowOptions::default())?;
    loop {
        for event in follower.poll(WAIT)? {
            match event {
                Event::Message(entry) if wanted.filter.admits(&entry.message) => {
                    let row = Row::of(&entry.message, None);
                    row.with_cursor(|| entry.cursor().to_string()).print(ctx)?;
                }
                Event::Message(_) => {}
                Event::Damage(damage) => warn_about_damage(ctx, &[&damage]),
                Event::Reset(cause) => {
                    let cause = serde_json::to_value(cause).unwrap_or_default();
                    let cause = cause.as_str().unwrap_or("changed").to_owned();
                    ctx.console
                        .warn(format_args!("the bus file was {cause}; reading on"));
                }
            }
        }
        ctx.console.flush()?;
    }
}
