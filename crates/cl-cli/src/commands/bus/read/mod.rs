//! `bus read`.

mod one;
mod project;
mod thread;

use std::time::Duration;

use cl_bus::attach::ATTACHMENT_KEYS;
use cl_bus::view::Cut;
use cl_bus::{After, Damage, Edge, Filter, Message};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::args::{Place, ReadArgs, Since};
use crate::backend::{self, Backend, Need};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::view::{harmless, local_text};

/// How many messages are shown if nothing else is asked for, or if the place is gone.
const USUAL_TAIL: usize = 20;

/// How long one wait for messages lasts.
pub(super) const WAIT: Duration = Duration::from_secs(1);

pub(super) use one::query;

/// Prints messages.
pub fn read(ctx: &mut Context, args: &ReadArgs) -> Result<Exit, CliError> {
    let backend = backend::open(ctx, Need::Look)?;
    if let Backend::Server(server) = &backend {
        return super::served::read(ctx, &backend, server, args);
    }
    if let Some(id) = &args.thread {
        thread::read(ctx, args, id)
    } else if args.all {
        project::read(ctx, args)
    } else {
        one::read(ctx, args)
    }
}

/// What is asked for, whatever the number of buses.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) after: Option<Place>,
    pub(super) before: Option<Place>,
    pub(super) filter: Filter,
    pub(super) limit: Option<usize>,
    pub(super) keep: Edge,
}

impl Wanted {
    pub(super) fn of(args: &ReadArgs, now: Timestamp) -> Result<Self, CliError> {
        let (since_place, since_time) = match &args.since {
            Some(Since::Place(place)) => (Some(place.clone()), None),
            Some(Since::Time(time)) => (None, Some(time.before(now))),
            None => (None, None),
        };
        if args.after.is_some() && since_place.is_some() {
            return Err(
                CliError::usage("--after and --since both name a message to read on from")
                    .hint("give --since a time"),
            );
        }
        let after = args.after.clone().or(since_place);
        let is_forward = after.is_some() || since_time.is_some();
        let (keep, limit) = match (args.limit, args.tail) {
            (Some(limit), _) if is_forward && args.before.is_none() => (Edge::Oldest, Some(limit)),
            (limit, tail) => {
                let usual = if is_forward || args.issue.is_some() {
                    0
                } else {
                    USUAL_TAIL
                };
                let most = limit.or(tail).unwrap_or(usual);
                (Edge::Newest, (most > 0).then_some(most))
            }
        };
        let filter = Filter {
            kinds: args
                .kinds
                .iter()
                .map(|kind| kind.trim().to_owned())
                .collect(),
            // A message of the very time counts.
            later_than: since_time.map(|time| {
                time.checked_sub(SignedDuration::from_nanos(1))
                    .unwrap_or(Timestamp::MIN)
            }),
            text: args.text.clone(),
            run_id: args.run.as_ref().map(ToString::to_string),
            issue_id: args.issue.clone(),
        };
        Ok(Self {
            after,
            before: args.before.clone(),
            filter,
            limit,
            keep,
        })
    }

    /// What is shown instead if the place that was named is gone.
    fn instead(&self) -> Self {
        Self {
            after: None,
            before: None,
            filter: self.filter.clone(),
            limit: Some(USUAL_TAIL),
            keep: Edge::Newest,
        }
    }
}

/// The text by which a place was named.
pub(super) fn shown(place: &Place) -> String {
    match place {
        Place::Message(After::Id(id)) => id.to_string(),
        Place::Message(After::Cursor(cursor)) => cursor.to_string(),
        Place::Cut(cut) => cut.to_string(),
    }
}

/// Returns the text of a place that is not there; an error if there can never have been one.
fn gone(place: &Place) -> Result<String, CliError> {
    match place {
        Place::Message(After::Id(id)) if !id.has_usual_form() => Err(CliError::usage(format!(
            "{id} is neither a time nor a duration nor a message that is there"
        ))
        .hint("write a time such as 2026-01-31, a duration such as 24h, or an id or cursor that `bus read --json` printed")),
        place => Ok(shown(place)),
    }
}

/// Tells that reading did not start where it should.
pub(super) fn tell_reset(ctx: &mut Context, what: &str) {
    ctx.console.note(format_args!(
        "{what} is not there any more; these are the last messages"
    ));
}

/// How many damaged stretches made no message.
pub(super) fn skipped<'a>(damage: impl IntoIterator<Item = &'a Damage>) -> usize {
    let damage = damage.into_iter();
    damage.filter(|found| !found.reason.has_message()).count()
}

/// A message as JSON, with what its place adds to it.
#[derive(Debug, Serialize)]
pub(super) struct Row<'a> {
    #[serde(flatten)]
    message: &'a Message,
    /// The bus, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    /// The place behind it, where each message comes alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

impl<'a> Row<'a> {
    pub(super) fn of(message: &'a Message, source: Option<&'a str>) -> Self {
        Self {
            message,
            source,
            cursor: None,
        }
    }

    pub(super) fn with_cursor(mut self, cursor: impl FnOnce() -> String) -> Self {
        self.cursor = Some(cursor());
        self
    }

    /// Prints it as a line of its own.
    pub(super) fn print(&self, ctx: &mut Context) -> Result<(), CliError> {
        if ctx.console.is_json() {
            return ctx.console.json(self);
        }
        let message = self.message;
        let (time, kind) = (local_text(message.timestamp), &message.kind);
        let flag = match (message.truncated, message.edited) {
            (true, _) => " [truncated]",
            (_, true) => " [edited]",
            _ => "",
        };
        let whole = message
            .meta
            .get(ATTACHMENT_KEYS[0])
            .map(|name| format!(" [whole text in {name}]"))
            .unwrap_or_default();
        let source = self
            .source
            .map(|name| format!("{name} "))
            .unwrap_or_default();
        let text = format!(
            "[{time}] {source}({kind}){flag}{whole} {}",
            message.body.trim_end()
        );
        if ctx.console.out_is_terminal() {
            ctx.console.line(harmless(&text))
        } else {
            ctx.console.line(text)
        }
    }
}

pub(super) fn warn_about_damage(ctx: &mut Context, damage: &[&Damage]) {
    warn_about_places(ctx, damage.first().copied(), damage.len());
}

/// Tells of `count` damaged places, of which `first` is one.
fn warn_about_places(ctx: &mut Context, first: Option<&Damage>, count: usize) {
    match (first, count) {
        (None, _) => {}
        (Some(one), 1) => ctx
            .console
            .warn(format_args!("the bus file is damaged: {one}")),
        _ => ctx.console.warn(format_args!(
            "the bus file is damaged in {count} places; `run-agent bus check` lists them"
        )),
    }
}

/// The cut that `place` is among `buses`; `None` if there is no such place.
fn cut_of(
    place: &Place,
    find: impl FnOnce(&After) -> Result<Option<Cut>, cl_bus::ReadError>,
) -> Result<Option<Cut>, CliError> {
    match place {
        Place::Cut(cut) => Ok(Some(cut.clone())),
        Place::Message(after) => Ok(find(after)?),
    }
}
