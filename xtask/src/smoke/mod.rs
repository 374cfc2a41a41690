//! Real agent CLIs, driven by `run-agent`, with the stand-in for a model.
//!
//! Each pinned agent gets a number of tasks, and each task shows one thing: work that is done, a session that goes on,
//! a failure of the model service that is named for what it is. What is on disk afterwards is compared with what the
//! model server was made to say, and everything is searched for the agent's key.
//!
//! - [`cases`]: what each task is made of and what must come of it
//! - [`stage`]: one task's folders, model server and command line
//! - [`records`]: reading what a task left
//! - [`startup`]: our own binaries as servers
//! - [`watch`]: processes and files that must or must not be there

mod cases;
mod records;
mod stage;
pub(crate) mod startup;
mod watch;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use self::cases::{CASES, Case};
use self::stage::Troupe;
use crate::agents::{self, Environment, InstalledAgents};
use crate::workspace::Workspace;

/// One agent, how it is pointed at the stand-in, and what is particular about it.
#[derive(Debug)]
struct Candidate {
    name: &'static str,
    setup: fn(&str, &Path) -> Result<Environment>,
    /// The variable its key stands in; here it must come from the config instead.
    key_variable: &'static str,
    /// The header that carries the key, and what stands before the key.
    key_header: (&'static str, &'static str),
    /// The model to ask for in the config; the others have one in their environment.
    config_model: Option<&'static str>,
    /// The model that the record must name.
    model: &'static str,
    /// Where it keeps its sessions, below its home.
    sessions: &'static str,
    /// Whether it asks the model for purposes of its own, and counts that too.
    asks_for_itself: bool,
    /// Whether only the core of the cases is played unless all are asked for.
    core_only: bool,
    /// How long it may be silent while it tries again, as text, and seconds for one call.
    patience: (&'static str, u32),
}

/// Silence after which something waits for somebody; an agent that works is never silent for so long.
const QUICK: (&str, u32) = ("30s", 60);

/// For agents that try again for more than a minute and have no setting for that.
const PATIENT: (&str, u32) = ("100s", 240);

const CANDIDATES: &[Candidate] = &[
    Candidate {
        name: "claude",
        setup: agents::claude_setup,
        key_variable: "ANTHROPIC_API_KEY",
        key_header: ("x-api-key", ""),
        config_model: None,
        model: "claude-sonnet-4-5",
        sessions: ".claude/projects",
        asks_for_itself: false,
        core_only: false,
        patience: QUICK,
    },
    Candidate {
        name: "codex",
        setup: agents::codex_setup,
        key_variable: "CODEX_API_KEY",
        key_header: ("authorization", "Bearer "),
        // It never names the model that answered, so the record holds the one asked for.
        config_model: Some("gpt-5-codex"),
        model: "gpt-5-codex",
        sessions: ".codex/sessions",
        asks_for_itself: false,
        core_only: false,
        patience: QUICK,
    },
    Candidate {
        name: "gemini",
        setup: agents::gemini_setup,
        key_variable: "GEMINI_API_KEY",
        key_header: ("x-goog-api-key", ""),
        config_model: None,
        model: "gemini-2.5-pro",
        sessions: ".gemini/tmp",
        asks_for_itself: false,
        core_only: false,
        patience: QUICK,
    },
    Candidate {
        name: "opencode",
        setup: agents::opencode_setup,
        key_variable: "STANDIN_API_KEY",
        key_header: ("authorization", "Bearer "),
        config_model: Some(agents::STANDIN_MODEL),
        // As Codex.
        model: agents::STANDIN_MODEL,
        sessions: ".local/share/opencode",
        asks_for_itself: false,
        core_only: true,
        patience: PATIENT,
    },
    Candidate {
        name: "qwen",
        setup: agents::qwen_setup,
        key_variable: "OPENAI_API_KEY",
        key_header: ("authorization", "Bearer "),
        config_model: Some("standin-model"),
        model: "standin-model",
        sessions: ".qwen/projects",
        asks_for_itself: true,
        core_only: true,
        patience: PATIENT,
    },
    Candidate {
        name: "copilot",
        setup: agents::copilot_setup,
        key_variable: "COPILOT_PROVIDER_API_KEY",
        key_header: ("authorization", "Bearer "),
        config_model: Some("standin-model"),
        model: "standin-model",
        sessions: ".copilot/session-state",
        asks_for_itself: false,
        core_only: true,
        patience: PATIENT,
    },
    Candidate {
        name: "pi",
        setup: agents::pi_setup,
        key_variable: "STANDIN_API_KEY",
        key_header: ("authorization", "Bearer "),
        config_model: Some(agents::STANDIN_MODEL),
        model: "standin-model",
        sessions: ".pi/agent/sessions",
        asks_for_itself: false,
        core_only: true,
        patience: PATIENT,
    },
];

/// What of it is played, and where what it leaves is kept.
#[derive(Debug, Default, Clone)]
pub(crate) struct Wish {
    /// A folder that must not hold anything of an earlier run.
    pub(crate) keep: Option<PathBuf>,
    /// Every case of every agent, which takes some minutes more.
    pub(crate) all: bool,
    /// Only this agent.
    pub(crate) only: Option<String>,
}

/// Installs the pinned agents and gives each of them its tasks.
pub(crate) fn agents(workspace: &Workspace, wish: &Wish) -> Result<String> {
    let names = || CANDIDATES.iter().map(|candidate| candidate.name);
    if let Some(only) = &wish.only {
        ensure!(
            names().any(|name| name == only),
            "there is no agent {only}; known are {}",
            names().collect::<Vec<_>>().join(", ")
        );
    }
    let candidates: Vec<_> = CANDIDATES
        .iter()
        .filter(|candidate| wish.only.as_ref().is_none_or(|only| only == candidate.name))
        .collect();
    let keep = wish.keep.as_deref();
    let installed = agents::install(workspace.root())?;
    let binary = workspace.build_dev("run-agent")?;
    let temporary = tempfile::tempdir().context("could not make a temporary folder")?;
    let folder = std::path::absolute(keep.unwrap_or(temporary.path()))?;
    for candidate in &candidates {
        let place = folder.join(candidate.name);
        ensure!(
            !place.exists(),
            "{} is there already: choose another folder",
            place.display()
        );
    }
    let started = Instant::now();
    let tally = play_all(&candidates, wish.all, &installed, &binary, &folder);
    if tally.failed == 0 {
        return Ok(format!(
            "smoke agents: {} cases of {} agents in {:.0} s",
            tally.passed,
            candidates.len(),
            started.elapsed().as_secs_f64()
        ));
    }
    if keep.is_none() {
        // What explains the failure must outlive this program.
        drop(temporary.keep());
    }
    bail!(
        "{} of {} cases failed; what they left is in {}",
        tally.failed,
        tally.passed + tally.failed,
        folder.display()
    )
}

/// Checks the agents and the stand-in alone, to tell whose fault a failure is.
pub(crate) fn probe(workspace: &Workspace) -> Result<String> {
    let installed = agents::install(workspace.root())?;
    agents::probe(&installed)?;
    Ok("smoke agents --probe: the agents and the stand-in agree".to_owned())
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    passed: usize,
    failed: usize,
}

impl Tally {
    fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
        }
    }
}

/// How many agents play at the same time.
const SIDE_BY_SIDE: usize = 4;

/// Plays the cases of one agent one after the other, and the agents side by side.
///
/// All agents at once would make each so slow that it looks silent, so a group is played after the other.
fn play_all(
    candidates: &[&'static Candidate],
    all: bool,
    installed: &InstalledAgents,
    binary: &Path,
    folder: &Path,
) -> Tally {
    let tallies = candidates
        .chunks(SIDE_BY_SIDE)
        .map(|group| play_group(group, all, installed, binary, folder));
    tallies.fold(Tally::default(), Tally::plus)
}

fn play_group(
    group: &[&'static Candidate],
    all: bool,
    installed: &InstalledAgents,
    binary: &Path,
    folder: &Path,
) -> Tally {
    std::thread::scope(|scope| {
        let threads: Vec<_> = group
            .iter()
            .map(|candidate| {
                let troupe = Troupe {
                    candidate,
                    binary: binary.to_path_buf(),
                    bin_dir: installed.bin_dir.clone(),
                    place: folder.join(candidate.name),
                };
                scope.spawn(move || play(&troupe, all))
            })
            .collect();
        let tallies = threads
            .into_iter()
            .map(|thread| thread.join().expect("a failed case is a result, no panic"));
        tallies.fold(Tally::default(), Tally::plus)
    })
}

fn play(troupe: &Troupe, all: bool) -> Tally {
    let name = troupe.candidate.name;
    let core_only = troupe.candidate.core_only && !all;
    let mut tally = Tally::default();
    let cases = CASES
        .iter()
        .filter(|case| case.concerns(name) && (case.is_core || !core_only));
    for case in cases {
        let started = Instant::now();
        let outcome = case.play(troupe);
        let took = started.elapsed();
        println!("{}", line(name, case, &outcome, took));
        match outcome {
            Ok(_) => tally.passed += 1,
            Err(_) => tally.failed += 1,
        }
    }
    tally
}

fn line(agent: &str, case: &Case, outcome: &Result<String>, took: Duration) -> String {
    let (title, took) = (case.title, took.as_secs_f64());
    match outcome {
        Ok(detail) => format!("{agent}: {title} … ok ({detail}; {took:.1} s)"),
        Err(error) => format!("{agent}: {title} … FAILED after {took:.1} s: {error:#}"),
    }
}

/// Reads a text file; the error names it.
fn read(path: &PathBuf) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_tell_how_a_case_went() {
        let case = &CASES[0];
        let took = Duration::from_millis(1500);
        let good = line("claude", case, &Ok("attempts 2".to_owned()), took);
        assert_eq!(good, "claude: main job … ok (attempts 2; 1.5 s)");
        let bad = line("claude", case, &Err(anyhow::anyhow!("no DONE")), took);
        assert_eq!(bad, "claude: main job … FAILED after 1.5 s: no DONE");
    }
}
