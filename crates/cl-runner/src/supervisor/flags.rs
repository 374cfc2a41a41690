//! Agents whose programs do not know the flags they are given.
//!
//! What a program's help does not name is found out before it gets any work. A
//! stream of events can be done without: then its output is plain text. A program
//! that names the flag and still rejects it gets a second try in the same run.

use std::time::Duration;

use cl_agent::CommandRequest;
use cl_storage::durable;
use cl_storage::{Failure, FailureKind, RunDir};

use super::attempt::{Ended, RunEnd};
use super::{Broken, Supervisor};
use crate::output;

/// A program that has worked for longer than this has not stumbled over its arguments.
const REJECTED_WITHIN: Duration = Duration::from_secs(15);

/// How many lines of what a program said are looked at.
const LINES: usize = 50;

/// The agent's program does not know what it would be told.
#[derive(Debug, thiserror::Error)]
#[error(
    "{program} does not know {flags}, without which it cannot be used (its help does not name it); update it: {hint}"
)]
pub(super) struct UnknownFlags {
    program: String,
    flags: String,
    hint: &'static str,
}

impl Supervisor {
    /// Makes sure that the agent's program knows the flags it is going to get.
    pub(super) async fn check_flags(&mut self, run: &RunDir) -> Result<(), Broken> {
        let Some(known) = self.known_flags(run.id()).await else {
            return Ok(());
        };
        let spec = &self.agent.spec;
        let prompt = run.prompt();
        let line = spec.command_line(&CommandRequest {
            prompt_path: &prompt,
            prompt_text: "",
            resume_session: self.session(),
        });
        let Some(unknown) = cl_agent::help::unknown_flags(&known, spec, &line) else {
            return Ok(());
        };
        if !unknown.required.is_empty() {
            return Err(UnknownFlags {
                program: spec.program.display().to_string(),
                flags: unknown.required.join(", "),
                hint: spec.adapter().install_hint,
            }
            .into());
        }
        if !unknown.optional.is_empty() {
            self.agent.spec.make_plain();
        }
        Ok(())
    }

    /// Says that the agent's output is plain text, where events were wanted.
    pub(super) fn tell_plain(&mut self, run: &RunDir, version: &str) {
        let spec = &self.agent.spec;
        let Some((flag, _)) = spec.stream_flag().filter(|_| spec.is_plain) else {
            return;
        };
        let kind = spec.kind;
        tracing::warn!(run_id = %run.id(), version, flag, "{kind}_stream_json_fallback");
        let text = format!(
            "{kind} {version} does not know {flag}; its output is plain text, without session and tokens"
        );
        self.post_for(run.id(), "WARNING", &text);
    }

    /// Tells whether the program has ended because it rejects the flag for a stream of events.
    pub(super) fn rejects_stream(&self, run: &RunDir, end: &RunEnd, took: Duration) -> bool {
        let ended_alone = matches!(end.ended, Ended::ByItself) && self.stop.is_none();
        ended_alone
            && took < REJECTED_WITHIN
            && end.exit_code != 0
            && end.outcome.final_text.is_none()
            && cl_agent::help::rejects_stream(&self.agent.spec, &said(run))
    }

    /// Names the failure of a program that does without the stream and still rejects its arguments.
    pub(super) fn name_rejection(&self, run: &RunDir, end: &mut RunEnd) {
        if end.exit_code != 0 && cl_agent::help::rejects_arguments(&said(run)) {
            let kind = self.agent.spec.kind;
            let text = format!("{kind} CLI rejected its arguments");
            end.outcome.failure = Some(Failure::new(FailureKind::SpawnFailed, text));
        }
    }
}

/// Keeps the streams of the first try under names of their own.
///
/// A crash in between leaves a run that failed, with all that it said.
pub(super) fn set_first_try_aside(run: &RunDir) -> Result<(), Broken> {
    for (stream, kept) in [
        (run.stdout(), "agent-stdout.attempt1.txt"),
        (run.stderr(), "agent-stderr.attempt1.txt"),
    ] {
        durable::rename(&stream, &run.path().join(kept))?;
    }
    Ok(())
}

fn said(run: &RunDir) -> String {
    let [stderr, stdout] = [run.stderr(), run.stdout()].map(|stream| output::tail(&stream, LINES));
    format!("{stderr}\n{stdout}")
}
