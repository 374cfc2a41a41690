//! Gates: commands that must succeed before a claim to be done is believed.
//!
//! What each found is on disk before its word counts, see [`cl_storage::evidence`].

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cl_agent::Exit;
use cl_storage::durable::{self, Mode};
use cl_storage::evidence::{self, Evidence, Verdict};
use cl_storage::marker::{self, Presence};
use cl_storage::process::ProcessIdentity;
use cl_storage::run_info;
use cl_storage::task_state::ClaimRecord;

use super::{Broken, GateVerdict, Supervisor};
use crate::evidence::{Printed, environment_digest};
use crate::launch::Gate;
use crate::output;
use crate::process::census::GATE_MARKER;
use crate::process::end::{Ending, LOOK_AGAIN};
use crate::process::spawn::{Program, spawn, why_not_started};
use crate::process::tree::{self, Search};

/// How much of a gate's output goes into the next prompt and onto the bus.
const SHOWN_LINES: usize = 50;
const SHOWN_BYTES: usize = 8 * 1024;

/// What the refusal of a claim without any change is called.
const REQUIRE_CHANGE: &str = "require-change";

/// The shell that runs gates.
pub(crate) const SHELL: &str = "/bin/sh";

/// Said of a gate whose folder leads out of the working folder, by links or by `..`.
pub(crate) const LED_OUT: &str = "its folder is not in the task's working folder";

/// Said of a gate behind which the claim was not there any more.
const VANISHED: &str = "DONE was gone when it ended";

/// How a gate ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum GateEnd {
    Passed,
    Refused(String),
    /// Somebody wants the task to end, or its time is over; the claim is left as it is.
    Interrupted,
}

/// A shell that is to run to its end.
pub(super) struct Shell<'a> {
    pub(super) args: &'a [String],
    pub(super) env: &'a BTreeMap<String, String>,
    pub(super) cwd: &'a Path,
    pub(super) stdout: File,
    pub(super) stderr: Option<File>,
    pub(super) limit: Duration,
}

/// A gate in one claim.
struct Judging<'a> {
    gate: &'a Gate,
    claim: u32,
    number: u32,
    tree: &'a str,
}

impl Supervisor {
    /// Runs the gates in their order, up to the first that refuses.
    pub(super) async fn run_gates(&mut self) -> Result<GateVerdict, Broken> {
        durable::create_folders(&self.task.gates_folder(), Mode::Shared)?;
        let Some(mut tree) = self.working_tree().await? else {
            return Ok(GateVerdict::Pending);
        };
        let gates = self.record.policy.gates.clone();
        let earlier = self.state.claim.as_ref().map_or(0, |claim| claim.number);
        let mut claim = ClaimRecord {
            number: earlier + 1,
            gates: u32::try_from(gates.len()).unwrap_or(u32::MAX),
            suspicious: self.is_without_work(&tree),
            ..ClaimRecord::default()
        };
        if self.record.policy.require_change && !self.has_change(&tree) {
            self.state.claim = Some(claim);
            let text = "Nothing in the working folder has changed since the task was started.";
            self.refuse(REQUIRE_CHANGE, text.to_owned(), tree);
            return Ok(GateVerdict::Refused);
        }
        for gate in gates {
            let number = evidence::next_number(&self.task)?;
            let judging = Judging {
                gate: &gate,
                claim: claim.number,
                number,
                tree: &tree,
            };
            let Some((found, digest)) = self.judge(&judging).await? else {
                return Ok(GateVerdict::Pending);
            };
            claim.evidence.push(number);
            claim.seals.push(found.seal.clone());
            if found.verdict == Verdict::Refused {
                self.state.claim = Some(claim);
                let printed = self.task.gates_folder().join(&found.output);
                let tail = clip(&self.redactor.redact(&output::tail(&printed, SHOWN_LINES)));
                let name = format!("{} ({})", gate.name, found.reason);
                self.refuse(&name, tail, digest);
                return Ok(GateVerdict::Refused);
            }
            claim.passed += 1;
            tree = found.tree_after;
            let text = format!("gate passed: {}", gate.name);
            self.post("INFO", &text, &[("gate", gate.name.clone())]);
        }
        claim.tree = tree;
        let suspicious = claim.suspicious;
        self.state.claim = Some(claim);
        self.state.gate_failures.forget_last();
        self.state.write(&self.task)?;
        cl_storage::crash::point("claim-recorded");
        if suspicious {
            self.tell_suspicion();
        }
        Ok(GateVerdict::Passed)
    }

    /// Counts a refusal; on disk when the claim is taken back.
    fn refuse(&mut self, gate: &str, tail: String, digest: String) {
        let gate = self.redactor.redact(gate).into_owned();
        self.state.gate_failures.count(gate, tail, digest);
    }

    /// Runs one gate and writes down what it found; `None` if somebody wants the task to end.
    ///
    /// Also returns the digest by which refusals are known to be alike.
    async fn judge(&mut self, judging: &Judging<'_>) -> Result<Option<(Evidence, String)>, Broken> {
        let Judging {
            gate,
            claim,
            number,
            tree,
        } = *judging;
        let output = format!("{number}.out");
        let path = self.task.gates_folder().join(&output);
        // Raw, like an agent's streams: for the owner's eyes only.
        let printed = durable::open_append(&path, Mode::Private)?;
        let unquiet = !self.active_children().is_empty();
        let mut env = self.agent_environment(self.previous_run.as_ref(), None);
        env.insert(GATE_MARKER.to_owned(), gate.name.clone());
        let args = ["-c".to_owned(), gate.run.clone()];
        let cwd = gate_folder(gate, &self.record.cwd);
        let limit = gate.timeout.unwrap_or(self.record.policy.gate_timeout);
        let (started_at, started) = (self.now(), Instant::now());
        let shell = Shell {
            args: &args,
            env: &env,
            cwd: &cwd,
            stdout: printed.try_clone()?,
            stderr: Some(printed.try_clone()?),
            limit,
        };
        let (end, exit) = if leads_out(&cwd, &self.record.cwd) {
            (GateEnd::Refused(LED_OUT.to_owned()), None)
        } else {
            self.run_shell(shell).await?
        };
        let duration = started.elapsed();
        let how = match end {
            GateEnd::Interrupted => return Ok(None),
            GateEnd::Passed => None,
            GateEnd::Refused(how) => Some(how),
        };
        let markers = marker::Markers::read(&self.task, self.now())?;
        let how = match (how, markers.done) {
            (None, Presence::Absent) => Some(VANISHED.to_owned()),
            (Some(how), Presence::Absent) => Some(format!("{how}; {VANISHED}")),
            (how, _) => how,
        };
        let Some(tree_after) = self.working_tree().await? else {
            return Ok(None);
        };
        let digests = Printed::of(&printed)?;
        durable::keep(&path)?;
        let text = |text: &str| self.redactor.redact(text).into_owned();
        let (exit_code, signal) = match exit {
            Some(Exit::Code(code)) => (Some(code), None),
            Some(Exit::Signal(signal)) => (None, Some(signal)),
            None => (None, None),
        };
        let reason = how.as_deref().map(text).unwrap_or_default();
        // What was cut short by us says no more than that: where it was cut is chance.
        let compared = exit.map_or("", |_| digests.plain_sha256.as_str());
        let alike = cl_storage::digest::sha256_hex(format!("{reason}\n{compared}").as_bytes());
        let mut found = Evidence {
            version: evidence::KNOWN_VERSION,
            name: text(&gate.name),
            run: text(&gate.run),
            argv: vec![SHELL.to_owned(), "-c".to_owned(), text(&gate.run)],
            cwd,
            timeout_ms: millis(limit),
            launch_id: self.record.launch_id.clone(),
            claim,
            run_id: self.previous_run.clone(),
            verdict: if how.is_none() {
                Verdict::Passed
            } else {
                Verdict::Refused
            },
            reason,
            exit_code,
            signal,
            started_at,
            duration_ms: millis(duration),
            tree: tree.to_owned(),
            tree_after,
            output,
            output_bytes: digests.bytes,
            output_sha256: digests.sha256,
            environment: environment_digest(&env),
            unquiet,
            command_sha256: String::new(),
            seal: String::new(),
        };
        found.seal();
        cl_storage::crash::point("evidence-unrecorded");
        found.write(&self.task, number)?;
        cl_storage::crash::point("evidence-recorded");
        Ok(Some((found, alike)))
    }

    /// Takes the claim back: the reason is on disk before DONE is gone.
    ///
    /// One that vanished while a gate ran is told of and counted like the others.
    pub(super) fn reject_done(&mut self) -> Result<(), Broken> {
        self.state.write(&self.task)?;
        cl_storage::crash::point("refusal-recorded");
        self.note_rejected_run();
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

    /// Tells in the record of the run behind the claim that it was for nothing.
    fn note_rejected_run(&self) {
        let run = self.previous_run.as_ref();
        let Some(run) = run.and_then(|run| self.task.run(run).ok()) else {
            return;
        };
        let gate = &self.state.gate_failures.last_gate;
        let noted = run_info::update_for_now(&run, |info| info.rejected_by.clone_from(gate));
        if let Err(error) = noted {
            // The refusal itself stands in the task's state; only the account is less exact.
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "could not note the refusal in the run's record");
        }
    }

    /// Runs a shell to its end, and ends whatever it leaves.
    ///
    /// Its exit is not known if it was ended by us, or could not be started.
    pub(super) async fn run_shell(
        &mut self,
        shell: Shell<'_>,
    ) -> Result<(GateEnd, Option<Exit>), Broken> {
        let program_path = Path::new(SHELL);
        let printed = shell.stdout.try_clone()?;
        let program = Program {
            path: program_path,
            args: shell.args,
            env: shell.env,
            cwd: shell.cwd,
            stdin: None,
            stdout: Some(shell.stdout),
            stderr: shell.stderr,
        };
        self.enter_group();
        let process = match spawn(program) {
            Ok(process) => process,
            Err(error) => {
                let why = why_not_started(program_path, shell.cwd, &error);
                let end = GateEnd::Refused(format!("could not be started: {why}"));
                return Ok((end, None));
            }
        };
        self.reaper.watch(process.pid);
        let end = self.wait_for_gate(&process, shell.limit, &printed).await;
        let ended = self.end_gate(&process).await;
        if !ended {
            tracing::error!(
                pid = process.pid,
                "a gate left processes that cannot be ended"
            );
        }
        Ok(end)
    }

    async fn wait_for_gate(
        &mut self,
        gate: &ProcessIdentity,
        limit: Duration,
        printed: &File,
    ) -> (GateEnd, Option<Exit>) {
        let largest = self.record.policy.max_output_bytes;
        let until = tokio::time::Instant::now() + limit;
        loop {
            if let Some(exit) = self.reaper.take(gate.pid) {
                return (end_of(exit), Some(exit));
            }
            // The time of the task goes on while its gates run, and ends them.
            if self.stop.is_some() || self.note_overtime_of(Some("a gate")) {
                return (GateEnd::Interrupted, None);
            }
            if printed.metadata().is_ok_and(|meta| meta.len() > largest) {
                let text = format!("wrote more than {largest} bytes");
                return (GateEnd::Refused(text), None);
            }
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            if left.is_zero() {
                let text = format!("took longer than {limit:?}");
                return (GateEnd::Refused(text), None);
            }
            let left = self.within_time(left.min(super::events::LONGEST_WAIT));
            self.next_event(left).await;
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
                supervisor: None,
                root: self.root.path(),
            };
            let alive = tree::find(&search);
            if alive.is_empty() || ending.is_over() {
                return alive.is_empty();
            }
            ending.signal(&alive, started.elapsed() >= grace);
            if ending.is_outrun() {
                self.kill_group(&alive);
            }
            self.next_event(LOOK_AGAIN).await;
        }
    }
}

/// Says what an exit means.
fn end_of(exit: Exit) -> GateEnd {
    match refusal_of(exit) {
        None => GateEnd::Passed,
        Some(how) => GateEnd::Refused(how),
    }
}

/// Returns why a gate with this exit refuses; `None` if it passes.
pub(crate) fn refusal_of(exit: Exit) -> Option<String> {
    match exit {
        Exit::Code(0) => None,
        Exit::Code(code) => Some(format!("exit {code}")),
        Exit::Signal(signal) => Some(format!("killed by signal {signal}")),
    }
}

/// Tells whether `folder` exists and is not below `base`, all links followed.
pub(crate) fn leads_out(folder: &Path, base: &Path) -> bool {
    match (folder.canonicalize(), base.canonicalize()) {
        (Ok(folder), Ok(base)) => !folder.starts_with(base),
        // It cannot be started in a folder that is not there.
        _ => false,
    }
}

fn gate_folder(gate: &Gate, cwd: &Path) -> PathBuf {
    gate.cwd
        .as_ref()
        .map_or_else(|| cwd.to_owned(), |folder| cwd.join(folder))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
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
