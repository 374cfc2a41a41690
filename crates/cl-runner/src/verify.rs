//! Checking again what gates found: the same commands, folder and environment, on the
//! files as they are now.
//!
//! Nothing of the task changes. The calling process becomes a child subreaper and must
//! have no other children: what a gate leaves is found and ended like elsewhere, also
//! when the caller is interrupted.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cl_config::Environment;
use cl_storage::evidence::{self, Evidence, Flaw, Verdict};
use cl_storage::record::RecordError;
use cl_storage::task_state::{ResultStatus, TaskState};
use cl_storage::{Clock, Root, RunId, TaskDir};

use crate::evidence::{Printed, environment_digest};
use crate::launch::{LaunchAgent, LaunchFile};
use crate::output;
use crate::process::census::GATE_MARKER;
use crate::process::reaper::Reaper;
use crate::shell::{self, Keeper, Shell, ShellEnd, refusal_of, short_text, unnamed_file};
use crate::task_environment::TaskEnvironment;
use crate::wishes::{Signals, Wish, Wishes};
use crate::working_tree::{self, GIT_LIMIT, GitLook};

/// How often a gate is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How much a gate may print: it is kept in memory.
const MOST_PRINTED: u64 = 256 * 1024 * 1024;

/// How many lines of a refusing gate's output are kept.
const SHOWN_LINES: usize = 20;

/// The evidence that a claim stands on.
#[derive(Debug)]
pub struct Proof {
    /// The working tree that was proven.
    pub tree: String,
    /// What each gate found.
    pub gates: Vec<Proven>,
}

/// What one gate found.
#[derive(Debug)]
pub struct Proven {
    /// The number of its files.
    pub number: u32,
    /// The evidence as it stands on disk.
    pub evidence: Evidence,
    /// Which of its parts are not what was written.
    pub flaws: Vec<Flaw>,
}

impl Proven {
    /// Tells whether its command may be run again: somebody may have put another one in its place.
    pub fn may_run(&self) -> bool {
        !self.flaws.iter().any(|flaw| flaw.is_of_record())
    }
}

/// Why there is nothing to verify.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoProof {
    /// No claim of the task has passed gates.
    #[error("no gate has passed a claim of this task to be done")]
    None,
    /// Evidence that the task's state names is gone.
    #[error("the evidence {} is missing", .0.display())]
    Missing(PathBuf),
    /// A file could not be read.
    #[error(transparent)]
    Unreadable(#[from] RecordError),
}

/// Returns the evidence of the claim that completed `task`, and what does not hold of it.
pub fn proof(task: &TaskDir) -> Result<Proof, NoProof> {
    let state = TaskState::read(task)?.ok_or(NoProof::None)?;
    let result = state.result.as_ref().map(|result| result.status);
    let claim = state.claim.ok_or(NoProof::None)?;
    if result != Some(ResultStatus::Completed) || claim.evidence.is_empty() {
        return Err(NoProof::None);
    }
    let mut gates = Vec::new();
    for (index, number) in claim.evidence.into_iter().enumerate() {
        let found = Evidence::read(task, number)?;
        let evidence = found.ok_or_else(|| NoProof::Missing(evidence::path(task, number)))?;
        let flaws = evidence.flaws(task, claim.seals.get(index).map(String::as_str));
        gates.push(Proven {
            number,
            evidence,
            flaws,
        });
    }
    if let Some(last) = gates.last_mut()
        && last.evidence.tree_after != claim.tree
    {
        last.flaws.push(Flaw::Tree);
    }
    Ok(Proof {
        tree: claim.tree,
        gates,
    })
}

/// What a verification needs to know.
#[derive(Debug)]
pub struct Order<'a> {
    /// The root.
    pub root: &'a Root,
    /// The task.
    pub task: &'a TaskDir,
    /// How it was launched.
    pub launch: &'a LaunchFile,
    /// Its agent, whose environment gates share.
    pub agent: &'a LaunchAgent,
    /// The environment of the caller.
    pub environment: &'a Environment,
    /// This program, or a link to it.
    pub executable: &'a Path,
}

/// What a gate says now.
#[derive(Debug, Clone)]
pub struct Again {
    /// Its word.
    pub verdict: Verdict,
    /// Why it refuses; empty if it passes.
    pub reason: String,
    /// How long it took.
    pub took: Duration,
    /// Whether it printed the same bytes as then.
    pub same_output: bool,
    /// Whether its environment is the same as then, our own variables aside.
    pub same_environment: bool,
    /// The end of what it printed, if it refuses.
    pub tail: String,
}

/// What came of a verification.
#[derive(Debug)]
pub struct Report {
    /// The working tree now.
    pub tree: String,
    /// Whether it is the proven one; `None` if one of them is not known.
    pub same_tree: Option<bool>,
    /// What each gate of the proof says now, in its order; `None` for one that was not asked
    /// because its record does not hold.
    pub gates: Vec<Option<Again>>,
}

impl Report {
    /// Tells whether everything is as it was proven, and the evidence of it whole.
    pub fn is_reproduced(&self, proof: &Proof) -> bool {
        let passes = |gate: &Option<Again>| {
            gate.as_ref()
                .is_some_and(|again| again.verdict == Verdict::Passed)
        };
        self.same_tree != Some(false)
            && self.gates.iter().all(passes)
            && proof.gates.iter().all(|gate| gate.flaws.is_empty())
    }
}

/// How a verification ended.
#[derive(Debug)]
pub enum Verified {
    /// Every gate was asked.
    Done(Report),
    /// By Ctrl-C; nothing is left running.
    Interrupted,
    /// By SIGTERM or SIGHUP; nothing is left running.
    Terminated,
}

/// Asks the gates of `proof` again; `tell` hears of each answer. Blocks.
pub fn run(
    order: &Order<'_>,
    proof: &Proof,
    clock: &dyn Clock,
    mut tell: impl FnMut(&Evidence, &Again),
) -> io::Result<Verified> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let Wishes { runtime, signals } = Wishes::prepare()?;
    runtime.block_on(async {
        let mut verifier = Verifier::new(order, signals, clock);
        let tree = match verifier.tree().await? {
            Ok(tree) => tree,
            Err(wish) => return Ok(ended_by(wish)),
        };
        let is_known = working_tree::is_known(&tree) && working_tree::is_known(&proof.tree);
        let mut report = Report {
            same_tree: is_known.then(|| tree == proof.tree),
            tree,
            gates: Vec::new(),
        };
        for then in &proof.gates {
            if !then.may_run() {
                report.gates.push(None);
                continue;
            }
            match verifier.gate(&then.evidence).await? {
                Ok(again) => {
                    tell(&then.evidence, &again);
                    report.gates.push(Some(again));
                }
                Err(wish) => return Ok(ended_by(wish)),
            }
        }
        Ok(Verified::Done(report))
    })
}

/// Returns how a verification ends that somebody wants to end.
fn ended_by(wish: Wish) -> Verified {
    match wish {
        Wish::Interrupt => Verified::Interrupted,
        Wish::Terminate | Wish::HangUp => Verified::Terminated,
    }
}

struct Verifier<'a> {
    order: &'a Order<'a>,
    base_env: BTreeMap<String, String>,
    /// Stands for a run, so that what gates start carries a mark of its own.
    mark: RunId,
    reaper: Reaper,
    signals: Signals,
    /// Somebody wants the verification to end.
    wish: Option<Wish>,
}

impl<'a> Verifier<'a> {
    fn new(order: &'a Order<'a>, signals: Signals, clock: &dyn Clock) -> Self {
        Self {
            order,
            base_env: crate::launch_text_variables(order.environment),
            mark: RunId::generate(clock.now()),
            reaper: Reaper::default(),
            signals,
            wish: None,
        }
    }

    fn environment(&self, gate: &str) -> BTreeMap<String, String> {
        let launch = self.order.launch;
        let parent_run = launch.parent.as_ref().map(|parent| &parent.run);
        let environment = TaskEnvironment {
            task: self.order.task,
            parent_run,
            depth: launch.depth,
            conductor_url: None,
            extra_env: &launch.env,
            agent: self.order.agent,
            base_env: &self.base_env,
            executable: self.order.executable,
        };
        let mut env = environment.of(Some(&self.mark), None, BTreeMap::new());
        env.insert(GATE_MARKER.to_owned(), gate.to_owned());
        env
    }

    async fn tree(&mut self) -> io::Result<Result<String, Wish>> {
        let (root, task, cwd) = (self.order.root, self.order.task, &self.order.launch.cwd);
        let of_files = || working_tree::of_files(cwd, root.path(), task);
        let env = self.environment("tree");
        let Some(look) = GitLook::at(cwd, root.path(), task, &env) else {
            return Ok(Ok(of_files()));
        };
        let printed = unnamed_file("tree")?;
        let shell = Shell {
            args: &look.args,
            env: &look.env,
            cwd,
            inside: None,
            stdout: printed.try_clone()?,
            stderr: Some(printed.try_clone()?),
            limit: GIT_LIMIT,
            largest: u64::MAX,
        };
        Ok(match self.shell(shell).await? {
            ShellEnd::Interrupted(wish) => Err(wish),
            ShellEnd::Exited(exit) => {
                Ok(GitLook::answer(exit, &short_text(&printed)).unwrap_or_else(of_files))
            }
            ShellEnd::Cut(_) => Ok(evidence::NO_TREE.to_owned()),
        })
    }

    async fn gate(&mut self, then: &Evidence) -> io::Result<Result<Again, Wish>> {
        let env = self.environment(&then.name);
        let args = ["-c".to_owned(), then.run.clone()];
        let printed = unnamed_file("gate")?;
        let started = Instant::now();
        let shell = Shell {
            args: &args,
            env: &env,
            cwd: &then.cwd,
            inside: Some(&self.order.launch.cwd),
            stdout: printed.try_clone()?,
            stderr: Some(printed.try_clone()?),
            limit: Duration::from_millis(then.timeout_ms),
            largest: MOST_PRINTED.min(self.order.launch.policy.max_output_bytes),
        };
        let end = self.shell(shell).await?;
        let took = started.elapsed();
        let reason = match end {
            ShellEnd::Interrupted(wish) => return Ok(Err(wish)),
            ShellEnd::Exited(exit) => refusal_of(exit),
            ShellEnd::Cut(why) => Some(why),
        };
        let tail = if reason.is_some() {
            output::tail_of(&printed, SHOWN_LINES)
        } else {
            String::new()
        };
        Ok(Ok(Again {
            verdict: if reason.is_none() {
                Verdict::Passed
            } else {
                Verdict::Refused
            },
            reason: reason.unwrap_or_default(),
            took,
            same_output: Printed::of(&printed)?.sha256 == then.output_sha256,
            same_environment: environment_digest(&env) == then.environment,
            tail,
        }))
    }

    /// Runs a shell to its end and ends what it leaves, whatever the reason.
    async fn shell(&mut self, shell: Shell<'_>) -> io::Result<ShellEnd<Wish>> {
        let (end, survivors) = shell::run(self, shell).await?;
        if !survivors.is_empty() {
            let pids: Vec<i32> = survivors.iter().map(|process| process.pid).collect();
            let text = format!("processes of a gate cannot be ended: {pids:?}");
            return Err(io::Error::other(text));
        }
        Ok(end)
    }
}

impl Keeper for Verifier<'_> {
    type Wish = Wish;

    fn reaper(&mut self) -> &mut Reaper {
        &mut self.reaper
    }

    fn root(&self) -> &Path {
        self.order.root.path()
    }

    fn mark(&self) -> RunId {
        self.mark.clone()
    }

    fn wish(&mut self) -> Option<Wish> {
        self.wish
    }

    fn is_hurried(&self) -> bool {
        self.wish.is_some()
    }

    fn longest_wait(&self, left: Duration) -> Duration {
        left.min(LOOK_EVERY)
    }

    async fn next_event(&mut self, at_most: Duration) {
        if let Some(wish) = self.signals.within(at_most).await {
            self.wish.get_or_insert(wish);
        }
        self.reaper.reap();
    }
}
