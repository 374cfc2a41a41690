//! Gates: commands that must succeed before a claim to be done is believed.

use std::time::Duration;

use cl_agent::Exit;
use cl_storage::durable::{self, Mode};
use cl_storage::marker::{self, Presence};
use cl_storage::process::ProcessIdentity;

use super::{Broken, GateVerdict, Supervisor};
use crate::launch::Gate;
use crate::output;
use crate::process::census::GATE_MARKER;
use crate::process::end::{Ending, LOOK_AGAIN};
use crate::process::spawn::{Program, spawn, why_not_started};
use crate::process::tree::{self, Search};

/// How much of a gate's output goes into the next prompt and onto the bus.
const SHOWN_LINES: usize = 50;
const SHOWN_BYTES: usize = 8 * 1024;

/// Said of a gate behind which the claim was not there any more.
const VANISHED: &str = "DONE was gone when it ended";

/// How a gate ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum GateEnd {
    Passed,
    Refused(String),
    /// Somebody wants the task to end; the claim is left as it is.
    Interrupted,
}

impl Supervisor {
    /// Runs the gates in their order, up to the first that refuses.
    pub(super) async fn run_gates(&mut self) -> Result<GateVerdict, Broken> {
        let folder = self.task.gates_folder();
        durable::create_folders(&folder, Mode::Shared)?;
        for gate in self.record.policy.gates.clone() {
            let number = next_number(&folder)?;
            let output = folder.join(format!("{number}.out"));
            let how = match self.run_gate(&gate, &output).await? {
                GateEnd::Interrupted => return Ok(GateVerdict::Pending),
                GateEnd::Passed => None,
                GateEnd::Refused(how) => Some(how),
            };
            let markers = marker::Markers::read(&self.task, self.now())?;
            let how = match (how, markers.done) {
                (None, Presence::Absent) => Some(VANISHED.to_owned()),
                (Some(how), Presence::Absent) => Some(format!("{how}; {VANISHED}")),
                (how, _) => how,
            };
            let Some(how) = how else {
                let text = format!("gate passed: {}", gate.name);
                self.post("INFO", &text, &[("gate", gate.name.clone())]);
                continue;
            };
            let tail = clip(&self.redactor.redact(&output::tail(&output, SHOWN_LINES)));
            let name = format!("{} ({how})", gate.name);
            let failures = &mut self.state.gate_failures;
            failures.count += 1;
            failures.last_gate = self.redactor.redact(&name).into_owned();
            failures.last_output = tail;
            return Ok(GateVerdict::Refused);
        }
        self.state.gate_failures.last_gate.clear();
        self.state.gate_failures.last_output.clear();
        Ok(GateVerdict::Passed)
    }

    /// Takes the claim back: the reason is on disk before DONE is gone.
    ///
    /// One that vanished while a gate ran is told of and counted like the others.
    pub(super) fn reject_done(&mut self) -> Result<(), Broken> {
        self.state.write(&self.task)?;
        cl_storage::crash::point("refusal-recorded");
        let name = match marker::reject_done(&self.task) {
            Ok(name) => Some(name),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(e.into()),
        };
        let what = name.as_ref().map_or_else(
            || "DONE vanished while a gate ran and counts as rejected".to_owned(),
            |name| format!("DONE was rejected ({name})"),
        );
        let failures = &self.state.gate_failures;
        let (gate, printed) = (&failures.last_gate, &failures.last_output);
        let body = format!("{what}: gate failed: {gate}\n\n{printed}");
        let meta: Vec<_> = name.map(|name| ("rejected", name)).into_iter().collect();
        self.post("ERROR", &body, &meta);
        Ok(())
    }

    /// Returns what the next prompt says about the refusal.
    pub(super) fn rejection_text(&self) -> Option<String> {
        let failures = &self.state.gate_failures;
        (!failures.last_gate.is_empty()).then(|| {
            format!(
                "You said that the task was done, but a check failed, so it is not done yet.\n\n\
                 The check: {}\n\nThe end of what it printed:\n\n{}\n\n\
                 Mend this first, then finish the task and create DONE again.",
                failures.last_gate,
                indent(&failures.last_output)
            )
        })
    }

    async fn run_gate(&mut self, gate: &Gate, output: &std::path::Path) -> Result<GateEnd, Broken> {
        // Raw, like an agent's streams: for the owner's eyes only.
        let stdout = durable::open_append(output, Mode::Private)?;
        let stderr = stdout.try_clone()?;
        let mut env = self.gate_environment();
        env.insert(GATE_MARKER.to_owned(), gate.name.clone());
        let args = ["-c".to_owned(), gate.run.clone()];
        let cwd = gate.cwd.as_ref().map_or_else(
            || self.record.cwd.clone(),
            |folder| self.record.cwd.join(folder),
        );
        let program_path = std::path::Path::new("/bin/sh");
        let program = Program {
            path: program_path,
            args: &args,
            env: &env,
            cwd: &cwd,
            stdin: None,
            stdout: Some(stdout),
            stderr: Some(stderr),
        };
        let process = match spawn(program) {
            Ok(process) => process,
            Err(error) => {
                let why = why_not_started(program_path, &cwd, &error);
                return Ok(GateEnd::Refused(format!("could not be started: {why}")));
            }
        };
        self.reaper.watch(process.pid);
        let limit = gate.timeout.unwrap_or(self.record.policy.gate_timeout);
        let end = self.wait_for_gate(&process, limit, output).await;
        let ended = self.end_gate(&process).await;
        if !ended {
            tracing::error!(
                pid = process.pid,
                "a gate left processes that cannot be ended"
            );
        }
        Ok(end)
    }

    fn gate_environment(&self) -> std::collections::BTreeMap<String, String> {
        self.agent_environment(self.previous_run.as_ref(), None)
    }

    async fn wait_for_gate(
        &mut self,
        gate: &ProcessIdentity,
        limit: Duration,
        output: &std::path::Path,
    ) -> GateEnd {
        let largest = self.record.policy.max_output_bytes;
        let until = tokio::time::Instant::now() + limit;
        loop {
            match self.reaper.take(gate.pid) {
                Some(Exit::Code(0)) => return GateEnd::Passed,
                Some(Exit::Code(code)) => return GateEnd::Refused(format!("exit {code}")),
                Some(Exit::Signal(signal)) => {
                    return GateEnd::Refused(format!("killed by signal {signal}"));
                }
                None => {}
            }
            if self.stop.is_some() {
                return GateEnd::Interrupted;
            }
            if std::fs::metadata(output).is_ok_and(|meta| meta.len() > largest) {
                return GateEnd::Refused(format!("wrote more than {largest} bytes"));
            }
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            if left.is_zero() {
                return GateEnd::Refused(format!("took longer than {limit:?}"));
            }
            self.next_event(left.min(super::events::LONGEST_WAIT)).await;
        }
    }

    /// Ends what is left of a gate; false if something survives.
    async fn end_gate(&mut self, gate: &ProcessIdentity) -> bool {
        // Without any run there is no marker to look for; a fresh id matches nobody's.
        let run = self.previous_run.clone();
        let run = run.unwrap_or_else(|| cl_storage::RunId::generate(self.now()));
        let grace = if self.stop.is_some() {
            Duration::ZERO
        } else {
            Duration::from_secs(1)
        };
        let started = tokio::time::Instant::now();
        let mut ending = Ending::default();
        loop {
            let me = i32::try_from(std::process::id()).ok();
            let search = Search {
                run: &run,
                agent: Some(gate),
                adopted_by: me,
                root: self.root.path(),
            };
            let alive = tree::find(&search);
            if alive.is_empty() || ending.is_over() {
                return alive.is_empty();
            }
            ending.signal(&alive, started.elapsed() >= grace);
            self.next_event(LOOK_AGAIN).await;
        }
    }
}

fn next_number(folder: &std::path::Path) -> std::io::Result<u32> {
    let mut highest = 0;
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.split('.').next()?.parse().ok());
        highest = highest.max(number.unwrap_or(0));
    }
    Ok(highest + 1)
}

fn clip(text: &str) -> String {
    let mut start = text.len().saturating_sub(SHOWN_BYTES);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text[start..].to_owned()
}

fn indent(text: &str) -> String {
    text.lines()
        .map(|line| format!("    {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
