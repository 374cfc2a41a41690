//! What a task is doing, as far as it can be told from outside.
//!
//! The judgement is a pure function over a few facts ([`judge`]). Looking costs nothing for
//! tasks that write; only where nothing was written for a while is their processor time
//! compared over a third of a second.

use std::path::PathBuf;
use std::time::Duration;

use cl_storage::owner::OwnerState;
use cl_storage::process::{ProcessIdentity, ProcessStat};
use cl_storage::run_info::RunInfo;
use cl_storage::snapshot::{RunView, TaskView};
use cl_storage::{Root, RunDir};
use jiff::Timestamp;

use crate::process::tree::{self, Search};

/// Who has written nothing for so long is quiet.
pub const QUIET_AFTER: Duration = Duration::from_mins(1);
/// Who has neither written nor computed for so long is idle.
pub const IDLE_AFTER: Duration = Duration::from_mins(5);
/// Who has neither written nor computed for so long is stuck, as far as anybody can tell.
pub const STUCK_AFTER: Duration = Duration::from_mins(15);

/// How long processor time is watched.
const WATCHED: Duration = Duration::from_millis(300);
/// Programs that only wait take a tick now and then.
const LEAST_TICKS: u64 = 2;

/// What a task that has something running is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It writes, or it computes.
    Working,
    /// It has been silent for a minute, as agents are while they think.
    Quiet,
    /// It has neither written nor computed for five minutes.
    Idle,
    /// It has neither written nor computed for fifteen minutes.
    Stuck,
    /// It waits for something that is known.
    Waiting,
}

impl State {
    /// Returns the word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Quiet => "quiet",
            Self::Idle => "idle",
            Self::Stuck => "stuck",
            Self::Waiting => "waiting",
        }
    }
}

/// Whether the processes of a run compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cpu {
    /// They do.
    Busy,
    /// They do not.
    Still,
    /// Nobody has looked, because it was not needed.
    Unknown,
}

/// What the judgement is about.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What the owner waits for, as the task's state says.
    pub waiting_for: Option<&'a str>,
    /// Whether an agent or an owner is alive.
    pub is_active: bool,
    /// How long nothing was written; none if nothing runs that could.
    pub silent: Option<Duration>,
    /// Whether its processes compute.
    pub cpu: Cpu,
    /// How many child tasks are active.
    pub active_children: usize,
}

/// What a task is doing.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Activity {
    /// The word for it.
    pub state: State,
    /// What it waits for: `children`, `slot`, `limit`, `delay`, …
    pub waiting_for: Option<String>,
    /// Seconds since something was last written to its streams, its answer or its bus.
    pub silent_seconds: Option<u64>,
    /// Whether its processes compute.
    pub cpu: Cpu,
    /// When the streams or the answer of the run last grew.
    pub latest_output_at: Option<Timestamp>,
}

/// Says what a task is doing; `None` if it does nothing any more.
///
/// Pure. What the owner says counts before what it looks like; then writing, then computing,
/// then children that are at work.
pub fn judge(facts: &Facts<'_>) -> Option<(State, Option<String>)> {
    if !facts.is_active {
        return None;
    }
    if let Some(what) = facts.waiting_for {
        return Some((State::Waiting, Some(what.to_owned())));
    }
    let silent = facts.silent.unwrap_or_default();
    let state = if silent < QUIET_AFTER || facts.cpu == Cpu::Busy {
        State::Working
    } else if facts.active_children > 0 {
        return Some((State::Waiting, Some("children".to_owned())));
    } else if silent < IDLE_AFTER {
        State::Quiet
    } else if silent < STUCK_AFTER {
        State::Idle
    } else {
        State::Stuck
    };
    Some((state, None))
}

/// Looks at what each of `views` is doing; `None` for those that do nothing any more.
///
/// Blocks for 300 ms if one of them is silent.
pub fn of(root: &Root, views: &[TaskView], now: Timestamp) -> Vec<Option<Activity>> {
    let silences: Vec<_> = views.iter().map(|view| Silence::of(view, now)).collect();
    let is_watched = |silence: &Silence| silence.length.is_some_and(|length| length >= QUIET_AFTER);
    let sample = || -> Vec<Option<Vec<(ProcessIdentity, u64)>>> {
        let of = |(view, silence): (&TaskView, &Silence)| {
            is_watched(silence).then(|| ticks_of(root, view))
        };
        views.iter().zip(&silences).map(of).collect()
    };
    let before = sample();
    let mut after = before.clone();
    if before.iter().any(Option::is_some) {
        std::thread::sleep(WATCHED);
        after = sample();
    }
    let cpus = before
        .into_iter()
        .zip(after)
        .map(|(before, after)| cpu(before, after));
    (views.iter().zip(&silences).zip(cpus))
        .map(|((view, silence), cpu)| {
            let is_owned = view.owner_state == OwnerState::Alive;
            let state = view.state.as_ref().filter(|_| is_owned);
            let (state, waiting_for) = judge(&Facts {
                waiting_for: state.and_then(|state| state.waiting_for.as_deref()),
                is_active: is_owned || view.is_active(),
                silent: silence.length,
                cpu,
                active_children: view.active_children.len(),
            })?;
            Some(Activity {
                state,
                waiting_for,
                silent_seconds: silence.length.map(|length| length.as_secs()),
                cpu,
                latest_output_at: silence.latest_output_at,
            })
        })
        .collect()
}

/// How long nothing was written.
struct Silence {
    length: Option<Duration>,
    latest_output_at: Option<Timestamp>,
}

impl Silence {
    fn of(view: &TaskView, now: Timestamp) -> Self {
        let run = view.runs.iter().rev().find(|run| run.is_active);
        let latest_output_at = run.and_then(|run| latest_output(&run.run));
        let since = run.map(|run| {
            let signs = [latest_output_at, changed(&view.task.bus())];
            let latest = signs.into_iter().flatten().max();
            // What was written before the run says nothing about it.
            latest.map_or(run.sort_time(), |latest| latest.max(run.sort_time()))
        });
        let length = since.map(|since| {
            let length = now.duration_since(since);
            Duration::try_from(length).unwrap_or(Duration::ZERO)
        });
        Self {
            length,
            latest_output_at,
        }
    }
}

/// Returns when the streams or the answer of `run` last grew; an empty stream has not.
pub fn latest_output(run: &RunDir) -> Option<Timestamp> {
    let files = [run.stdout(), run.stderr(), run.output()];
    files.iter().filter_map(changed).max()
}

fn changed(path: &PathBuf) -> Option<Timestamp> {
    let meta = std::fs::metadata(path).ok().filter(|meta| meta.len() > 0)?;
    Timestamp::try_from(meta.modified().ok()?).ok()
}

/// Returns the processor time of every process of the active run.
fn ticks_of(root: &Root, view: &TaskView) -> Vec<(ProcessIdentity, u64)> {
    let Some(run) = view.runs.iter().rev().find(|run| run.is_active) else {
        return Vec::new();
    };
    let agent = agent_of(run);
    let supervisor = run.info.as_ref().ok().and_then(RunInfo::supervisor);
    let search = Search {
        run: run.run.id(),
        agent: agent.as_ref(),
        adopted_by: None,
        supervisor: supervisor.as_ref(),
        root: root.path(),
    };
    let ticks = |process: ProcessIdentity| {
        let stat = ProcessStat::read(process.pid).ok()??;
        Some((process, stat.cpu_ticks))
    };
    tree::find(&search).into_iter().filter_map(ticks).collect()
}

/// Returns the recorded agent; one whose record is damaged is found by its environment alone.
pub(crate) fn agent_of(run: &RunView) -> Option<ProcessIdentity> {
    let info = run.info.as_ref().ok()?;
    if info.pid <= 0 {
        // The worker of a service, which records name without a number.
        return cl_storage::pid_file::read(&run.run);
    }
    let start = info.process_start.clone()?;
    info.has_agent_process().then_some(ProcessIdentity {
        pid: info.pid,
        start,
    })
}

/// Compares two looks at processor time.
fn cpu(
    before: Option<Vec<(ProcessIdentity, u64)>>,
    after: Option<Vec<(ProcessIdentity, u64)>>,
) -> Cpu {
    let (Some(before), Some(after)) = (before, after) else {
        return Cpu::Unknown;
    };
    let grown: u64 = (after.iter())
        .map(|(process, ticks)| {
            let earlier = before.iter().find(|(known, _)| known == process);
            // A process that is new has done all of it meanwhile, and being born is work.
            earlier.map_or(LEAST_TICKS, |(_, earlier)| ticks.saturating_sub(*earlier))
        })
        .sum();
    if grown >= LEAST_TICKS {
        Cpu::Busy
    } else {
        Cpu::Still
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITING: Facts<'_> = Facts {
        waiting_for: None,
        is_active: true,
        silent: Some(Duration::ZERO),
        cpu: Cpu::Unknown,
        active_children: 0,
    };

    fn silent(minutes: u64, cpu: Cpu) -> Facts<'static> {
        Facts {
            silent: Some(Duration::from_mins(minutes)),
            cpu,
            ..WRITING
        }
    }

    #[track_caller]
    fn check(facts: &Facts<'_>, state: State, waiting_for: Option<&str>) {
        let found = judge(facts).unwrap();
        assert_eq!((found.0, found.1.as_deref()), (state, waiting_for));
    }

    #[test]
    fn silence_without_computing_goes_from_quiet_to_stuck() {
        check(&WRITING, State::Working, None);
        check(&silent(1, Cpu::Still), State::Quiet, None);
        check(&silent(4, Cpu::Still), State::Quiet, None);
        check(&silent(5, Cpu::Still), State::Idle, None);
        check(&silent(14, Cpu::Still), State::Idle, None);
        check(&silent(15, Cpu::Still), State::Stuck, None);
        check(&silent(600, Cpu::Busy), State::Working, None);
    }

    #[test]
    fn who_waits_for_something_known_is_not_stuck() {
        for what in ["slot", "limit", "delay", "children"] {
            let facts = Facts {
                waiting_for: Some(what),
                ..silent(600, Cpu::Still)
            };
            check(&facts, State::Waiting, Some(what));
        }
        let parent = Facts {
            active_children: 2,
            ..silent(600, Cpu::Still)
        };
        check(&parent, State::Waiting, Some("children"));
        let busy_parent = Facts {
            active_children: 2,
            ..WRITING
        };
        check(&busy_parent, State::Working, None);
    }

    #[test]
    fn what_has_ended_does_nothing() {
        let ended = Facts {
            is_active: false,
            silent: None,
            ..WRITING
        };
        assert_eq!(judge(&ended), None);
        let between_attempts = Facts {
            silent: None,
            ..WRITING
        };
        check(&between_attempts, State::Working, None);
    }

    #[test]
    fn computing_is_growth_of_the_same_processes_or_a_new_one() {
        let me = ProcessIdentity::current().unwrap();
        let other = ProcessIdentity {
            pid: me.pid + 1,
            ..me.clone()
        };
        let look = |ticks| Some(vec![(me.clone(), ticks)]);
        assert_eq!(cpu(look(5), look(5)), Cpu::Still);
        assert_eq!(cpu(look(5), look(6)), Cpu::Still, "one tick is nothing");
        assert_eq!(cpu(look(5), look(7)), Cpu::Busy);
        assert_eq!(cpu(look(5), Some(vec![(other, 0)])), Cpu::Busy);
        assert_eq!(cpu(None, None), Cpu::Unknown);
    }
}
