//! `doctor processes`: what this machine offers for keeping track of processes.

use cl_config::ControlGroup;
use cl_runner::process::{end, leaf};
use cl_storage::process::ProcessIdentity;
use serde::Serialize;
use serde_json::json;

use crate::context::Context;
use crate::error::{CliError, Exit};

/// One thing that was tried.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) ok: bool,
    /// Whether agents cannot be accounted for without it.
    pub(super) needed: bool,
    pub(super) detail: String,
    /// What it is for, or what holds without it.
    pub(super) why: &'static str,
}

/// Tries everything, leaving nothing behind.
pub(super) fn checks(ctx: &Context) -> Vec<Check> {
    vec![identity(), pidfd(), subreaper(), control_group(ctx)]
}

/// Tries what the loop rests on, leaving nothing behind.
///
/// Ends with 1 if something is missing that is needed.
pub(super) fn run(ctx: &mut Context) -> Result<Exit, CliError> {
    let checks = checks(ctx);
    let is_fit = checks.iter().all(|check| check.ok || !check.needed);
    if ctx.console.is_json() {
        ctx.console.json(&json!({"ok": is_fit, "checks": checks}))?;
    } else {
        for check in &checks {
            let word = match (check.ok, check.needed) {
                (true, _) => "ok",
                (false, true) => "error",
                (false, false) => "absent",
            };
            let (name, detail) = (check.name, &check.detail);
            ctx.console
                .line(format_args!("{word:<7} {name:<14} {detail}"))?;
            if !check.ok {
                ctx.console.line(format_args!("        {}", check.why))?;
            }
        }
    }
    Ok(if is_fit { Exit::Success } else { Exit::Failed })
}

fn identity() -> Check {
    let found = ProcessIdentity::current();
    Check {
        name: "identity",
        ok: found.is_ok(),
        needed: true,
        detail: match found {
            Ok(me) => format!("process {} started at {}", me.pid, me.start),
            Err(error) => error.to_string(),
        },
        why: "a number alone names no process; mount /proc",
    }
}

fn pidfd() -> Check {
    let ok = end::has_pidfd();
    Check {
        name: "pidfd",
        ok,
        needed: false,
        detail: if ok {
            "signals reach exactly one process"
        } else {
            "the kernel offers none or forbids it"
        }
        .to_owned(),
        why: "signals go by number, directly after the identity was checked",
    }
}

fn subreaper() -> Check {
    let found = rustix::process::child_subreaper();
    Check {
        name: "subreaper",
        ok: found.is_ok(),
        needed: true,
        detail: match found {
            Ok(_) => "supervisors adopt the orphans of their agents".to_owned(),
            Err(error) => error.to_string(),
        },
        why: "orphans of agents would be lost from sight",
    }
}

fn control_group(ctx: &Context) -> Check {
    let is_off = ctx
        .config()
        .is_ok_and(|it| it.config.defaults.control_group == ControlGroup::Off);
    let found = leaf::availability();
    Check {
        name: "control group",
        ok: found.is_ok() && !is_off,
        needed: false,
        detail: match found {
            _ if is_off => "switched off (defaults.control_group: off)".to_owned(),
            Ok(base) => format!("below {}", base.display()),
            Err(why) => why.to_string(),
        },
        why: "everything works without it, but a process that hides in every way is lost from \
              sight if its supervisor is killed",
    }
}
