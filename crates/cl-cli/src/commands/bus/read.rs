//! `bus read`.

use std::time::Duration;

use cl_bus::{After, Bus, Damage, Event, FollowOptions, Message, Reading, Start};
use serde_json::json;

use super::target;
use crate::args::{ReadArgs, Since};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::view::{harmless, local_text};

/// How many messages are shown if nothing else is asked for.
const USUAL_TAIL: usize = 20;

/// How long one wait for messages lasts.
const WAIT: Duration = Duration::from_secs(1);

/// Prints messages.
pub fn read(ctx: &mut Context, args: &ReadArgs) -> Result<Exit, CliError> {
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
    let (messages, reading) = select(&bus, args)?;
    warn_about_damage(ctx, &reading.damage);
    if args.follow {
        return follow(ctx, args, &bus, &messages, &reading);
    }
    if ctx.console.is_json() {
        ctx.console.json(&json!({
            "bus": target.path,
            "messages": messages,
            "damage": reading.damage,
        }))?;
    } else if messages.is_empty() {
        let which = if reading.entries.is_empty() {
            ""
        } else {
            "such "
        };
        let shown = target.path.display();
        ctx.console
            .note(format_args!("There are no {which}messages in {shown}"));
    } else {
        for message in &messages {
            print(ctx, message)?;
        }
    }
    Ok(Exit::Success)
}

/// Reads what was asked for; the reading tells where following starts.
fn select(bus: &Bus, args: &ReadArgs) -> Result<(Vec<Message>, Reading), CliError> {
    let usual = if args.since.is_some() { 0 } else { USUAL_TAIL };
    let most = if args.all {
        0
    } else {
        args.tail.unwrap_or(usual)
    };
    let reading = match &args.since {
        Some(Since::Message(id)) => bus.since(&After::Id(id.clone()))?,
        None if args.kinds.is_empty() => bus.tail(most)?,
        _ => bus.all()?,
    };
    let mut messages: Vec<Message> = reading
        .messages()
        .filter(|message| is_wanted(message, args))
        .cloned()
        .collect();
    if most > 0 && messages.len() > most {
        messages.drain(..messages.len() - most);
    }
    Ok((messages, reading))
}

fn is_wanted(message: &Message, args: &ReadArgs) -> bool {
    let has_kind = args.kinds.is_empty()
        || args
            .kinds
            .iter()
            .any(|kind| kind.trim().eq_ignore_ascii_case(&message.kind));
    let is_recent = match &args.since {
        Some(Since::Time(time)) => message.timestamp >= *time,
        _ => true,
    };
    has_kind && is_recent
}

fn follow(
    ctx: &mut Context,
    args: &ReadArgs,
    bus: &Bus,
    messages: &[Message],
    reading: &Reading,
) -> Result<Exit, CliError> {
    for message in messages {
        print_line(ctx, message)?;
    }
    ctx.console.flush()?;
    let start = match (reading.last_cursor(), &args.since) {
        (Some(cursor), _) => Start::After(After::Cursor(cursor)),
        (None, Some(Since::Message(id))) => Start::After(After::Id(id.clone())),
        (None, _) => Start::Beginning,
    };
    let mut follower = bus.follow(&start, FollowOptions::default())?;
    loop {
        for event in follower.poll(WAIT)? {
            match event {
                Event::Message(entry) if is_wanted(&entry.message, args) => {
                    print_line(ctx, &entry.message)?;
                }
                Event::Message(_) => {}
                Event::Damage(damage) => warn_about_damage(ctx, &[damage]),
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

fn print_line(ctx: &mut Context, message: &Message) -> Result<(), CliError> {
    if ctx.console.is_json() {
        ctx.console.json(message)
    } else {
        print(ctx, message)
    }
}

fn print(ctx: &mut Context, message: &Message) -> Result<(), CliError> {
    let (time, kind) = (local_text(message.timestamp), &message.kind);
    let flag = match (message.truncated, message.edited) {
        (true, _) => " [truncated]",
        (_, true) => " [edited]",
        _ => "",
    };
    let text = format!("[{time}] ({kind}){flag} {}", message.body.trim_end());
    if ctx.console.out_is_terminal() {
        ctx.console.line(harmless(&text))
    } else {
        ctx.console.line(text)
    }
}

fn warn_about_damage(ctx: &mut Context, damage: &[Damage]) {
    match damage {
        [] => {}
        [one] => ctx
            .console
            .warn(format_args!("the bus file is damaged: {one}")),
        many => ctx.console.warn(format_args!(
            "the bus file is damaged in {} places; `run-agent bus check` lists them",
            many.len()
        )),
    }
}
