//! Every process that belongs to tasks below a root, for people.

use std::collections::{HashMap, HashSet};

use cl_storage::owner::OwnerState;
use cl_storage::process::{ProcessIdentity, ProcessStat, environment_value};
use cl_storage::redact::Redactor;
use cl_storage::run_info::RunInfo;
use cl_storage::snapshot::TaskView;
use cl_storage::{Clock, LayoutError, ProjectId, Root, RunId, TaskId};

use crate::activity::agent_of;
use crate::process::census::{self, Part, Place};
use crate::process::tree::{self, Search};

/// What a process is to its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The task's supervisor.
    Supervisor,
    /// The agent.
    Agent,
    /// A gate, or something that it started.
    Gate,
    /// Something that the agent started, or that the supervisor has adopted.
    Descendant,
}

/// What a process does, as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It computes, or wants to.
    Running,
    /// It waits for something.
    Sleeping,
    /// It waits in the kernel and cannot be ended meanwhile, as a rule for a disk.
    Blocked,
    /// Somebody has stopped it.
    Stopped,
    /// Something else.
    Other,
}

impl State {
    fn of(letter: char) -> Self {
        match letter {
            'R' => Self::Running,
            'S' | 'I' => Self::Sleeping,
            'D' => Self::Blocked,
            'T' | 't' => Self::Stopped,
            _ => Self::Other,
        }
    }

    /// Returns the word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Sleeping => "sleeping",
            Self::Blocked => "blocked",
            Self::Stopped => "stopped",
            Self::Other => "other",
        }
    }
}

/// One process of a task.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ProcessRow {
    /// The project.
    pub project: ProjectId,
    /// The task.
    pub task: TaskId,
    /// The run; none for supervisors.
    pub run: Option<RunId>,
    /// Whether the task's owner is alive, lost or none.
    pub owner: OwnerState,
    /// What the process is.
    pub role: Role,
    /// Its id.
    pub pid: i32,
    /// Its parent.
    pub parent_pid: i32,
    /// How many of its ancestors are in the list.
    pub level: usize,
    /// Whether its own parent has died and the supervisor is the parent now.
    pub adopted: bool,
    /// What it does.
    pub state: State,
    /// Name of its executable, cut by the kernel.
    pub name: String,
    /// Its command line without secrets, cut to 4096 bytes; empty if it may not be read.
    pub command: String,
    /// Age in seconds.
    pub age_seconds: u64,
    /// Processor time in milliseconds.
    pub cpu_ms: u64,
    /// Processor time as a part of the age, in percent of one processor.
    pub cpu_percent: f64,
    /// Resident memory in bytes.
    pub rss_bytes: u64,
    /// What is wrong with it.
    pub note: Option<&'static str>,
}

/// What is said of a process whose task's folder was deleted.
const FOLDER_IS_GONE: &str = "folder is gone";

/// How much of a command line is shown.
const LONGEST_COMMAND: usize = 4096;

/// Lists the processes of every task below `root`, each task's together, supervisors first
/// and everything behind its parent.
///
/// What `redactor` knows, and what looks like a secret, is masked in command lines.
pub fn list(
    root: &Root,
    redactor: &Redactor,
    clock: &dyn Clock,
) -> Result<Vec<ProcessRow>, LayoutError> {
    let mut census = census::take(root.path());
    census.sort_by_key(|(process, place)| (place.part != Part::Supervisor, process.pid));
    let mut rows = Vec::new();
    for project in root.projects()? {
        for view in crate::recover::readable(root, &project, clock.now())? {
            let (own, others): (Vec<_>, _) = census.into_iter().partition(|(_, place)| {
                place.task == *view.task.id() && place.project == *view.task.project()
            });
            census = others;
            rows.extend(in_tree_order(of_task(root, &view, &own)));
        }
    }
    // A task that cannot be looked at is there all the same.
    for (process, place) in &census {
        let is_there = root.task(&place.project, &place.task)?.exists();
        let row = row(place, OwnerState::None, process, role(place.part));
        rows.extend(row.map(|row| ProcessRow {
            note: (!is_there).then_some(FOLDER_IS_GONE),
            ..row
        }));
    }
    for row in &mut rows {
        row.command = command(row.pid, redactor);
    }
    Ok(rows)
}

/// Puts every process behind its parent, and says how deep it stands.
fn in_tree_order(rows: Vec<ProcessRow>) -> Vec<ProcessRow> {
    let supervisor = (rows.iter())
        .find(|row| row.role == Role::Supervisor)
        .map(|row| row.pid);
    let listed: HashSet<i32> = rows.iter().map(|row| row.pid).collect();
    let mut below: HashMap<i32, Vec<ProcessRow>> = HashMap::new();
    let mut tops = Vec::new();
    for mut row in rows {
        row.adopted = row.role == Role::Descendant && Some(row.parent_pid) == supervisor;
        if listed.contains(&row.parent_pid) && row.parent_pid != row.pid {
            below.entry(row.parent_pid).or_default().push(row);
        } else {
            tops.push(row);
        }
    }
    let mut ordered = Vec::new();
    let mut stack: Vec<ProcessRow> = tops.into_iter().rev().collect();
    while let Some(row) = stack.pop() {
        for mut child in below.remove(&row.pid).unwrap_or_default().into_iter().rev() {
            child.level = row.level + 1;
            stack.push(child);
        }
        ordered.push(row);
    }
    // The table is no snapshot: a reused number may have closed a circle.
    ordered.extend(below.into_values().flatten());
    ordered
}

/// Returns the command line of `pid` without secrets, in one line.
fn command(pid: i32, redactor: &Redactor) -> String {
    let bytes = cl_storage::process::command_line(pid).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let line = text.trim_end_matches('\0').replace('\0', " ");
    let mut masked = redactor.redact(&line).into_owned();
    let end = (0..=LONGEST_COMMAND.min(masked.len()))
        .rev()
        .find(|at| masked.is_char_boundary(*at));
    masked.truncate(end.unwrap_or(0));
    masked
}

fn role(part: Part) -> Role {
    match part {
        Part::Supervisor => Role::Supervisor,
        Part::Gate => Role::Gate,
        Part::Work => Role::Descendant,
    }
}

fn of_task(root: &Root, view: &TaskView, census: &[(ProcessIdentity, Place)]) -> Vec<ProcessRow> {
    let mut found: Vec<(ProcessIdentity, Place, Role)> = Vec::new();
    let place = |run: Option<&RunId>, part| Place {
        project: view.task.project().clone(),
        task: view.task.id().clone(),
        run: run.cloned(),
        part,
    };
    if let Some(owner) = view.owner.as_ref().filter(|owner| owner.is_alive()) {
        let place = place(None, Part::Supervisor);
        found.push((owner.identity(), place, Role::Supervisor));
    }
    for run in view.runs.iter().filter(|run| run.is_active) {
        let agent = agent_of(run);
        let supervisor = run.info.as_ref().ok().and_then(RunInfo::supervisor);
        let search = Search {
            run: run.run.id(),
            agent: agent.as_ref(),
            adopted_by: None,
            supervisor: supervisor.as_ref(),
            root: root.path(),
        };
        let mut processes = tree::find(&search);
        processes.sort_by_key(|process| process.pid);
        for process in processes {
            let role = if agent.as_ref() == Some(&process) {
                Role::Agent
            } else {
                Role::Descendant
            };
            found.push((process, place(Some(run.run.id()), Part::Work), role));
        }
    }
    let known: HashSet<ProcessIdentity> = found.iter().map(|(known, ..)| known.clone()).collect();
    let more = census
        .iter()
        .filter(|(process, _)| !known.contains(process));
    found.extend(more.map(|(process, place)| (process.clone(), place.clone(), role(place.part))));
    if view.owner_state == OwnerState::Lost {
        let left = left_in_leaf(root, view, &found);
        found.extend(left);
    }
    found
        .iter()
        .filter_map(|(process, place, role)| row(place, view.owner_state, process, *role))
        .collect()
}

/// Returns what is left of a lost task in its supervisor's control group alone.
fn left_in_leaf(
    root: &Root,
    view: &TaskView,
    found: &[(ProcessIdentity, Place, Role)],
) -> Vec<(ProcessIdentity, Place, Role)> {
    let (Some(owner), Some(run)) = (&view.owner, view.shown_run()) else {
        return Vec::new();
    };
    let (supervisor, id) = (owner.identity(), run.run.id());
    let search = Search {
        run: id,
        agent: None,
        adopted_by: None,
        supervisor: Some(&supervisor),
        root: root.path(),
    };
    let place = Place {
        project: view.task.project().clone(),
        task: view.task.id().clone(),
        run: Some(id.clone()),
        part: Part::Work,
    };
    tree::find(&search)
        .into_iter()
        .filter(|process| !found.iter().any(|(known, ..)| known == process))
        .map(|process| {
            // A gate's child may have been born since the census.
            let gate = environment_value(process.pid, census::GATE_MARKER);
            let role = gate.map_or(Role::Descendant, |_| Role::Gate);
            (process, place.clone(), role)
        })
        .collect()
}

fn row(
    place: &Place,
    owner: OwnerState,
    process: &ProcessIdentity,
    role: Role,
) -> Option<ProcessRow> {
    let stat = ProcessStat::read(process.pid).ok()??;
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let age_ms = uptime_ms().saturating_sub(stat.start_ticks.saturating_mul(1000) / ticks);
    let cpu_ms = stat.cpu_ticks.saturating_mul(1000) / ticks;
    Some(ProcessRow {
        project: place.project.clone(),
        task: place.task.clone(),
        run: place.run.clone(),
        owner,
        role,
        pid: process.pid,
        parent_pid: stat.parent,
        level: 0,
        adopted: false,
        state: State::of(stat.state),
        name: stat.name,
        command: String::new(),
        age_seconds: age_ms / 1000,
        cpu_ms,
        cpu_percent: percent(cpu_ms, age_ms),
        rss_bytes: stat
            .resident_pages
            .saturating_mul(rustix::param::page_size() as u64),
        note: None,
    })
}

/// Returns `part` of `whole` in percent, with one digit behind the point.
fn percent(part: u64, whole: u64) -> f64 {
    let tenths = part.saturating_mul(1000) / whole.max(1);
    f64::from(u32::try_from(tenths).unwrap_or(u32::MAX)) / 10.0
}

fn uptime_ms() -> u64 {
    let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let (seconds, hundredths) = text
        .split_ascii_whitespace()
        .next()
        .and_then(|uptime| uptime.split_once('.'))
        .unwrap_or_default();
    let number = |text: &str| text.parse::<u64>().unwrap_or(0);
    number(seconds) * 1000 + number(hundredths) * 10
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    fn made_up(pid: i32, parent_pid: i32, role: Role) -> ProcessRow {
        ProcessRow {
            project: ProjectId::parse("p").unwrap(),
            task: TaskId::parse("task-20260101-000000-abc").unwrap(),
            run: None,
            owner: OwnerState::Alive,
            role,
            pid,
            parent_pid,
            level: 0,
            adopted: false,
            state: State::Sleeping,
            name: String::new(),
            command: String::new(),
            age_seconds: 0,
            cpu_ms: 0,
            cpu_percent: 0.0,
            rss_bytes: 0,
            note: None,
        }
    }

    #[test]
    fn every_process_follows_its_parent_and_adopted_ones_are_told() {
        let rows = vec![
            made_up(10, 1, Role::Supervisor),
            made_up(12, 10, Role::Descendant),
            made_up(11, 10, Role::Agent),
            made_up(13, 11, Role::Descendant),
            made_up(99, 5, Role::Descendant),
        ];
        let ordered = in_tree_order(rows);
        let shown: Vec<_> = (ordered.iter())
            .map(|row| (row.pid, row.level, row.adopted))
            .collect();
        assert_eq!(
            shown,
            [
                (10, 0, false),
                (12, 1, true),
                (11, 1, false),
                (13, 2, false),
                (99, 0, false)
            ]
        );
        let circle = vec![made_up(1, 2, Role::Gate), made_up(2, 1, Role::Gate)];
        assert_eq!(in_tree_order(circle).len(), 2, "nothing is left out");
    }

    #[test]
    fn parts_are_percents_of_one_processor() {
        assert!((percent(500, 1000) - 50.0).abs() < 0.01);
        assert!((percent(1, 3) - 33.3).abs() < 0.01);
        assert!(percent(1, 0) > 0.0, "a process that was born just now");
        assert!(uptime_ms() > 0);
    }

    #[test]
    fn a_command_line_is_shown_without_secrets() {
        let mut sleeper = {
            #[expect(clippy::disallowed_methods, reason = "a process to be shown")]
            let mut command = std::process::Command::new("/bin/sh");
            let script = ": canary-known sk-canary-0123456789abcdef0123; echo; read x";
            command
                .args(["-c", script])
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped());
            command.spawn().unwrap()
        };
        // The command line is there a moment after the start.
        let said = sleeper.stdout.as_mut().map(|out| out.read_exact(&mut [0]));
        assert!(said.is_some_and(|said| said.is_ok()));
        let redactor = Redactor::new(["canary-known".to_owned().into()]);
        let shown = command(i32::try_from(sleeper.id()).unwrap(), &redactor);
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        assert!(
            shown.ends_with(": [REDACTED] [REDACTED]; echo; read x"),
            "{shown}"
        );
    }
}
