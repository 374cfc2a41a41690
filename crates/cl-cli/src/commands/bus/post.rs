//! `bus post`.

use std::fs::File;
use std::io::{self, Read as _};

use cl_bus::message::MAX_BODY_BYTES;
use cl_bus::{
    After, AppendError, Bus, Draft, Durability, Link, MAX_ATTACHMENT_BYTES, Parent, Query,
};
use cl_storage::MessageId;
use cl_storage::redact::{Redactor, shapes};
use serde_json::json;

use super::target::{self, Target};
use crate::args::{DurabilityArg, PostArgs};
use crate::backend::{self, Backend, Need};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::{Origin, Scope};

/// Posts a message and prints its id once it is as durable as was asked for.
pub fn post(ctx: &mut Context, args: &PostArgs) -> Result<Exit, CliError> {
    let backend = backend::open(ctx, Need::Change)?;
    if let Backend::Server(server) = &backend {
        return super::served::post(ctx, &backend, server, args);
    }
    let scope = ctx.scope()?;
    let target = target::find(ctx, &scope, args.bus.as_deref())?;
    let body = without_own_secrets(ctx, &scope, body(ctx, args)?);
    let draft = draft(&scope, &target, args, body)?;
    let durability = match args.durability {
        DurabilityArg::Disk => Durability::Disk,
        DurabilityArg::Os => Durability::Os,
    };
    let mut bus = target.bus().with_durability(durability);
    if args.force {
        bus = bus.taking_foreign_ids();
    } else if args.bus.is_some() {
        refuse_other_text(&bus)?;
    }
    warn_about_parents(ctx, &bus, &draft);
    let posted = bus.append_large(&draft).map_err(refused)?;
    let appended = posted.message;
    if ctx.console.is_json() {
        ctx.console.json(&json!({
            "msg_id": appended.id,
            "bus": target.path,
            "position": appended.position,
            "durability": appended.durability,
            "project_id": draft.project_id,
            "task_id": draft.task_id,
            "run_id": draft.run_id,
            "attachment": posted.attachment,
        }))?;
    } else {
        if let Some(path) = &posted.attachment {
            ctx.console
                .note(format_args!("The body is attached as {}", path.display()));
        }
        ctx.console.line(format_args!("msg_id: {}", appended.id))?;
    }
    Ok(Exit::Success)
}

/// A file that was named by mistake must not get messages behind its text.
fn refuse_other_text(bus: &Bus) -> Result<(), CliError> {
    // The end of a bus tells quickly that it is one.
    if !bus.tail(1)?.entries.is_empty() || !bus.check()?.is_no_bus() {
        return Ok(());
    }
    let shown = bus.path().display();
    Err(
        CliError::conflict(format!("{shown} holds text and not a single message"))
            .hint("name another file with --bus, or add --force to post behind the text"),
    )
}

/// An id may be on another bus, or a slip of the hand.
fn warn_about_parents(ctx: &mut Context, bus: &Bus, draft: &Draft) {
    for parent in &draft.parents {
        let behind = Query {
            after: Some(After::Id(parent.msg_id.clone())),
            limit: Some(1),
            ..Query::default()
        };
        // A bus that cannot be read is told by the posting itself.
        if bus.page(&behind).is_err_and(|e| e.is_unknown_message()) {
            ctx.console.warn(format_args!(
                "{} is not on this bus; it was posted as a parent all the same",
                parent.msg_id
            ));
        }
    }
}

/// Returns the body: the flag or the file, else what is piped in.
pub(super) fn body(ctx: &Context, args: &PostArgs) -> Result<Vec<u8>, CliError> {
    if let Some(body) = args.body.as_deref().filter(|body| !body.is_empty()) {
        return Ok(body.as_bytes().to_vec());
    }
    if let Some(path) = &args.body_file {
        let path = ctx.absolute(path);
        let shown = path.display();
        let opened = File::open(&path).and_then(bounded);
        return opened.map_err(|error| {
            let exit = match error.kind() {
                io::ErrorKind::NotFound => Exit::NotFound,
                _ => Exit::Failed,
            };
            CliError::new(exit, format!("could not read the body from {shown}"))
                .caused_by(error)
                .hint("check the path given with --body-file")
        });
    }
    if ctx.console.in_is_terminal() {
        return Err(
            CliError::usage("message body is empty").hint("add --body TEXT, or pipe the text in")
        );
    }
    bounded(io::stdin().lock()).map_err(|error| {
        CliError::failed("could not read the body from standard input").caused_by(error)
    })
}

/// Masks, in what an agent posts, the secrets that it was given and those that are configured.
///
/// What only looks like a secret is its own word and stays. People post what they like.
pub(super) fn without_own_secrets(ctx: &Context, scope: &Scope, body: Vec<u8>) -> Vec<u8> {
    if scope.enclosing.is_none() {
        return body;
    }
    // A configuration that cannot be read must not keep an agent from posting.
    let configured = ctx.config().map(|it| it.config.all_secrets());
    let own = ctx.environment.variables().filter_map(|(name, value)| {
        let is_secret = name.to_str().is_some_and(shapes::is_secret_name);
        value.to_str().filter(|_| is_secret)
    });
    let own = own.map(|value| value.to_owned().into());
    let redactor = Redactor::new(configured.unwrap_or_default().into_iter().chain(own));
    match String::from_utf8(body) {
        Ok(text) => redactor.redact_known(&text).into_owned().into_bytes(),
        // Bytes are attached or kept as they are: nothing in them is text.
        Err(bytes) => bytes.into_bytes(),
    }
}

fn bounded(from: impl io::Read) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    // One byte more than fits tells that it does not.
    from.take(MAX_ATTACHMENT_BYTES as u64 + 1)
        .read_to_end(&mut body)?;
    // The line end of the last line is the pipe's, not the message's; what is attached
    // stays byte by byte.
    if body.last() == Some(&b'\n') && body.len() <= MAX_BODY_BYTES + 1 {
        body.pop();
    }
    Ok(body)
}

fn draft(
    scope: &Scope,
    target: &Target,
    args: &PostArgs,
    body: Vec<u8>,
) -> Result<Draft, CliError> {
    let flagged = |from: &Origin| matches!(from, Origin::Flag(_));
    let named = scope.project.as_ref().filter(|part| flagged(&part.from));
    let project = named
        .map(|part| part.value.clone())
        .or_else(|| target.project.clone())
        .or_else(|| scope.project.as_ref().map(|part| part.value.clone()));
    let project = project.ok_or_else(|| {
        CliError::usage("cannot infer project: run from inside a task or project directory")
            .hint("or add --project ID")
    })?;
    let mut draft = Draft::new(args.kind.trim(), project.clone(), body);
    let outer = scope
        .enclosing
        .as_ref()
        .map(|outer| &outer.value)
        .filter(|outer| outer.project == project);
    let named = scope.task.as_ref().filter(|part| flagged(&part.from));
    draft.task_id = named
        .map(|part| part.value.clone())
        .or_else(|| target.task.clone())
        .or_else(|| outer.map(|outer| outer.task.clone()));
    draft.run_id = match &scope.run {
        Some(run) => Some(run.value.clone()),
        None => outer.map(|outer| outer.run.clone()),
    };
    draft.issue_id = args.issue.clone().unwrap_or_default();
    for (name, value) in &args.meta {
        draft = draft.meta(name, value);
    }
    for url in &args.links {
        draft = draft.link(Link {
            url: url.clone(),
            ..Link::default()
        });
    }
    for parent in &args.parents {
        draft = draft.parent(parse_parent(parent)?);
    }
    Ok(draft)
}

/// Reads `ID` or `KIND:ID`.
pub(super) fn parse_parent(text: &str) -> Result<Parent, CliError> {
    let (kind, id) = text.rsplit_once(':').unwrap_or(("", text));
    let id = MessageId::parse(id)
        .map_err(|error| CliError::usage(format!("{error} (from --parent)")))?;
    Ok(Parent::new(id, kind))
}

/// Tells why the bus did not take the message.
fn refused(error: AppendError) -> CliError {
    if error.is_lock_timeout() {
        return CliError::conflict("the message bus is locked by another process")
            .caused_by(error)
            .hint("nothing was posted; try again");
    }
    match error {
        AppendError::Draft(error) => CliError::usage(error.to_string())
            .hint("`run-agent bus post --help` shows what a message needs"),
        AppendError::Misplaced { .. } => CliError::conflict(error.to_string())
            .hint("name the right bus with --project and --task, or add --force"),
        AppendError::File(error) => error.into(),
        AppendError::Unsynced { ref id, .. } => {
            let hint = format!("do not post it again: it is there as {id}");
            CliError::failed("the message may be lost in a power failure")
                .caused_by(error)
                .hint(hint)
        }
        error => CliError::failed("the message was not posted")
            .caused_by(error)
            .hint("make room on the disk or correct the permissions, and post it again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_may_say_how_they_are_related() {
        let parent = parse_parent("answers:MSG-1").unwrap();
        assert_eq!(
            (parent.msg_id.as_str(), parent.kind.as_str()),
            ("MSG-1", "answers")
        );
        assert_eq!(parse_parent("MSG-1").unwrap().kind, "");
        assert_eq!(parse_parent("a b").unwrap_err().exit(), Exit::Usage);
    }
}
