//! Gates: commands that must succeed before a claim to be done is believed.
//!
//! What each found is on disk before its word counts, see [`cl_storage::evidence`].

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cl_agent::Exit;
use cl_storage::durable::{self, Mode};
use cl_storage::evidence::{self, Evidence, Verdict};
use cl_storage::marker::{self, Presence};
use cl_storage::process::ProcessIdentity;
use cl_storage::task_state::ClaimRecord;
use cl_storage::{RunId, run_info};

use super::{Broken, GateVerdict, Supervisor};
use crate::evidence::{Printed, environment_digest};
use crate::launch::Gate;
use crate::output;
use crate::process::census::GATE_MARKER;
use crate::process::reaper::Reaper;
use crate::process::spawn::Program;
use crate::shell::{self, Keeper, SHELL, Shell, ShellEnd};

/// How much of a gate's output goes into the next prompt and onto the bus.
const SHOWN_LINES: usize = 50;
const SHOWN_BYTES: usize = 8 * 1024;

/// What the refusal of a claim without any change is called.
const REQUIRE_CHANGE: &str = "require-change";

/// Said of a gate behind which the claim was not there any more.
const VANISHED: &str = "DONE was gone when it ended";

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
        let base = self.record.cwd.clone();
        let cwd = gate_folder(gate, &base);
        let limit = gate.timeout.unwrap_or(self.record.policy.gate_timeout);
        let (started_at, started) = (self.now(), Instant::now());
        let shell = Shell {
            args: &args,
            env: &env,
            cwd: &cwd,
            inside: Some(&base),
            stdout: printed.try_clone()?,
            stderr: Some(printed.try_clone()?),
            limit,
            largest: self.record.policy.max_output_bytes,
        };
        let end = self.run_shell(shell).await?;
        let duration = started.elapsed();
        let (how, exit) = match end {
            // The claim is left as it is.
            ShellEnd::Interrupted(()) => return Ok(None),
            ShellEnd::Exited(exit) => (shell::refusal_of(exit), Some(exit)),
            ShellEnd::Cut(how) => (Some(how), None),
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
    pub(super) async fn run_shell(&mut self, shell: Shell<'_>) -> Result<ShellEnd<()>, Broken> {
        let (end, survivors) = shell::run(self, shell).await?;
        if !survivors.is_empty() {
            let pids: Vec<i32> = survivors.iter().map(|process| process.pid).collect();
            tracing::error!(?pids, "a gate left processes that cannot be ended");
        }
        Ok(end)
    }
}

impl Keeper for Supervisor {
    /// Somebody wants the task to end, or its time is over.
    type Wish = ();

    fn reaper(&mut self) -> &mut Reaper {
        &mut self.reaper
    }

    fn root(&self) -> &Path {
        self.root.path()
    }

    fn mark(&self) -> RunId {
        // Without any run there is no marker to look for; a fresh id matches nobody's.
        let run = self.previous_run.clone();
        run.unwrap_or_else(|| RunId::generate(self.now()))
    }

    fn spawn(&mut self, program: Program<'_>) -> io::Result<ProcessIdentity> {
        self.group.spawn(program)
    }

    fn wish(&mut self) -> Option<()> {
        // The time of the task goes on while its gates run, and ends them.
        (self.stop.is_some() || self.note_overtime_of(Some("a gate"))).then_some(())
    }

    fn is_hurried(&self) -> bool {
        self.stop.is_some()
    }

    fn longest_wait(&self, left: Duration) -> Duration {
        self.within_time(left.min(super::events::LONGEST_WAIT))
    }

    async fn next_event(&mut self, at_most: Duration) {
        Self::next_event(self, at_most).await;
    }

    fn outrun(&mut self, alive: &[ProcessIdentity]) {
        self.kill_group(alive);
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
