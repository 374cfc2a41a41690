//! `limits`: what is known of the usage limits of agents, and of agents that fail.

use std::path::PathBuf;

use cl_config::AccountNames;
use cl_storage::FailureKind;
use cl_storage::ledger::{self, Account, AccountKey, Ledger, LedgerError};
use cl_storage::record::RecordError;
use cl_wire::limits::{Forgotten, ForgottenAccount, Limits};

use crate::args::{ClearLimitsArgs, LimitsArgs, LimitsCommand};
use crate::backend::{self, Backend, Need, Server};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;
use crate::view::{Grid, describe_record_error, duration_text, local_text};

/// Shows or clears them.
pub fn run(ctx: &mut Context, args: &LimitsArgs) -> Result<Exit, CliError> {
    match &args.command {
        None => show(ctx),
        Some(LimitsCommand::Clear(args)) => clear(ctx, args),
    }
}

fn show(ctx: &mut Context) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let document = match backend::open(ctx, Need::Look)? {
        Backend::Local => of_files(ctx, &scope)?,
        Backend::Server(server) => server.limits()?,
    };
    if ctx.console.is_json() {
        ctx.console.json(&document)?;
    } else {
        print(ctx, &document)?;
    }
    Ok(if document.problems.is_empty() {
        Exit::Success
    } else {
        Exit::Failed
    })
}

fn of_files(ctx: &Context, scope: &Scope) -> Result<Limits, CliError> {
    let names = AccountNames::of(&ctx.config()?.config);
    let (accounts, problems) = known(scope)?;
    let names = |account: &Account| names.of_account(&account.agent, &account.account);
    Ok(cl_view::limits(&accounts, &problems, names, ctx.now()))
}

/// Returns what is known of all accounts below the root, and what could not be read.
fn known(scope: &Scope) -> Result<(Vec<Account>, Vec<RecordError>), CliError> {
    Ok(if scope.has_root()? {
        Ledger::of(scope.root()).all()
    } else {
        (Vec::new(), Vec::new())
    })
}

fn print(ctx: &mut Context, document: &Limits) -> Result<(), CliError> {
    let now = ctx.now();
    if document.windows.is_empty() && document.agents.is_empty() {
        ctx.console
            .note("nothing is known of usage limits: no agent has told of any");
    }
    if !document.windows.is_empty() {
        let mut table = Grid::new(&[
            "AGENT",
            "ACCOUNT",
            "WINDOW",
            "USED",
            "STATE",
            "RESETS IN",
            "CLOSED UNTIL",
            "SOURCE",
            "AGE",
        ]);
        for row in &document.windows {
            table.row(
                vec![
                    row.agent.clone(),
                    row.account.clone(),
                    row.window.clone(),
                    row.used_percent
                        .map_or_else(|| "-".to_owned(), |used| format!("{used:.0}%")),
                    row.state.as_str().to_owned(),
                    row.resets_in_seconds
                        .map_or_else(|| "-".to_owned(), duration_text),
                    row.closed_until.map_or_else(|| "-".to_owned(), local_text),
                    row.source.as_str().to_owned(),
                    duration_text(row.age_seconds),
                ],
                "",
            );
        }
        table.print(&mut ctx.console)?;
    }
    for row in &document.agents {
        let kind = row.last_kind.map_or("", FailureKind::as_str);
        let until = match row.degraded_until.filter(|until| *until > now) {
            Some(until) => format!("degraded until {}", local_text(until)),
            None => "still used".to_owned(),
        };
        ctx.console.line(format_args!(
            "{} ({}): {} failures in a row, the last one {kind}; {until}",
            row.agent, row.account, row.failures
        ))?;
    }
    for problem in &document.problems {
        ctx.console.warn(problem);
    }
    Ok(())
}

fn clear(ctx: &mut Context, args: &ClearLimitsArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let wanted = args.agent.trim();
    if wanted.is_empty() {
        return Err(CliError::usage("the agent's name is empty"));
    }
    let cleared = match backend::open(ctx, Need::Change)? {
        Backend::Local => clear_in_files(ctx, &scope, wanted)?,
        Backend::Server(server) => clear_at(ctx, &server, wanted)?,
    };
    if ctx.console.is_json() {
        ctx.console.json(&Forgotten { cleared })?;
    } else {
        for row in &cleared {
            let (agent, account) = (&row.agent, &row.account);
            ctx.console
                .line(format_args!("Forgot the limits of {agent} ({account})"))?;
            if let Some(copy) = &row.damaged_copy {
                ctx.console.line(format_args!(
                    "    the file was damaged and is kept as {copy}"
                ))?;
            }
        }
    }
    Ok(Exit::Success)
}

fn nothing_known(wanted: &str) -> CliError {
    CliError::not_found(format!("nothing is known of the limits of {wanted}"))
        .hint("`run-agent limits` shows the agents of which something is known")
}

fn clear_at(
    ctx: &mut Context,
    server: &Server,
    wanted: &str,
) -> Result<Vec<ForgottenAccount>, CliError> {
    let forgotten = server.forget_limits(wanted);
    // What cannot be read is still there, whatever was cleared.
    for problem in server.limits()?.problems {
        ctx.console.warn(problem);
    }
    match forgotten {
        Ok(forgotten) => Ok(forgotten.cleared),
        Err(error) if error.exit() == Exit::NotFound => Err(nothing_known(wanted)),
        Err(error) => Err(error),
    }
}

fn clear_in_files(
    ctx: &mut Context,
    scope: &Scope,
    wanted: &str,
) -> Result<Vec<ForgottenAccount>, CliError> {
    let names = AccountNames::of(&ctx.config()?.config);
    let (accounts, problems) = known(scope)?;
    let is_meant = |key: &AccountKey| {
        let names = names.of_account(key.agent(), key.account());
        key.agent() == wanted || key.account() == wanted || names.iter().any(|name| name == wanted)
    };
    let failed = |error: LedgerError| {
        CliError::failed(format!("could not forget the limits of {wanted}")).caused_by(error)
    };
    let ledger = Ledger::of(scope.root());
    let mut cleared = Vec::new();
    let known = accounts.iter();
    for key in known.filter_map(|it| AccountKey::parse(&it.agent, &it.account).ok()) {
        if is_meant(&key) && ledger.clear(&key).map_err(failed)? {
            cleared.push(forgotten(&key, None));
        }
    }
    for problem in &problems {
        // One that cannot be read at all, or is of a newer version, stays.
        let key = ledger::account_of(problem).filter(is_meant);
        let copy = match &key {
            Some(key) => ledger.clear_damaged(key).map_err(failed)?,
            None => None,
        };
        match (key, copy) {
            (Some(key), Some(copy)) => cleared.push(forgotten(&key, Some(copy))),
            _ => ctx.console.warn(describe_record_error(problem)),
        }
    }
    if cleared.is_empty() {
        return Err(nothing_known(wanted));
    }
    Ok(cleared)
}

fn forgotten(key: &AccountKey, damaged_copy: Option<PathBuf>) -> ForgottenAccount {
    ForgottenAccount {
        agent: key.agent().to_owned(),
        account: key.account().to_owned(),
        damaged_copy: damaged_copy.map(|copy| copy.display().to_string()),
    }
}
