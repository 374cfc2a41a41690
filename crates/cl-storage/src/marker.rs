//! The markers of a task and what each command does with them.
//!
//! `DONE` is the agent's claim that the task is finished, `CANCELLED` and
//! `STOP-REQUESTED` are a person's wish. All three are created durably and
//! whole.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::durable::{self, Mode};
use crate::id::RunId;
use crate::id::TaskId;
use crate::layout::TaskDir;
use crate::yaml;

/// How long a stop keeps the monitor away that does not say so itself.
pub const STOP_SUPPRESSION: Duration = Duration::from_mins(1);

/// A marker file of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// The agent says that the task is finished.
    Done,
    /// A person has given the task up.
    Cancelled,
    /// A person has stopped the task.
    StopRequested,
}

impl Marker {
    /// All markers, in the order of the table.
    pub const ALL: [Self; 3] = [Self::Done, Self::Cancelled, Self::StopRequested];

    /// Returns the file name.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Done => "DONE",
            Self::Cancelled => "CANCELLED",
            Self::StopRequested => "STOP-REQUESTED",
        }
    }

    /// Returns the marker's path in `task`.
    pub fn path(self, task: &TaskDir) -> PathBuf {
        task.path().join(self.file_name())
    }
}

/// A command that meets markers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Start a task.
    Start,
    /// Resume a task.
    Resume,
    /// Resume a task although it was given up.
    ForcedResume,
    /// Watch a running task.
    Attach,
    /// Stop a task.
    Stop,
    /// Give a task up.
    Cancel,
    /// Take the giving up back.
    Uncancel,
    /// Delete a task.
    Delete,
    /// The monitor looks for work.
    Monitor,
    /// Another task asks whether this one satisfies its dependency.
    DependencyCheck,
    /// Collect garbage.
    Gc,
}

/// What a command does when it meets a marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Leave the marker and go on.
    Keep,
    /// Remove the marker and go on.
    Clear,
    /// Do nothing and say why.
    Refuse,
}

/// The table: what `command` does when `marker` is there.
///
/// A start over an old `DONE` keeps it, and the task completes at once without
/// a run: the work is claimed to be finished, and only `resume` doubts that.
pub fn rule(marker: Marker, command: Command) -> Rule {
    use Command::{ForcedResume, Monitor, Resume, Start, Uncancel};
    match (marker, command) {
        (Marker::Done | Marker::StopRequested, Resume | ForcedResume)
        | (Marker::StopRequested, Start)
        | (Marker::Cancelled, ForcedResume | Uncancel) => Rule::Clear,
        (Marker::Cancelled, Start | Resume | Monitor)
        | (Marker::StopRequested | Marker::Done, Monitor) => Rule::Refuse,
        _ => Rule::Keep,
    }
}

/// What stands where a marker would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Nothing.
    Absent,
    /// A regular file.
    Present,
    /// Something else, a folder or a link; it counts as no marker.
    NotAFile,
}

/// The markers of a task at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Markers {
    /// The agent's claim.
    pub done: Presence,
    /// Given up.
    pub cancelled: Presence,
    /// Stopped; an expired timed marker is absent.
    pub stop_requested: Presence,
}

impl Markers {
    /// Looks at the markers of `task`; never changes them.
    pub fn read(task: &TaskDir, now: Timestamp) -> io::Result<Self> {
        Self::of(task, now, |marker| presence(task, marker))
    }

    /// Judges what `presence` says of each marker of `task`.
    pub(crate) fn of(
        task: &TaskDir,
        now: Timestamp,
        presence: impl Fn(Marker) -> io::Result<Presence>,
    ) -> io::Result<Self> {
        let mut stop_requested = presence(Marker::StopRequested)?;
        if stop_requested == Presence::Present && is_expired(task, now) {
            stop_requested = Presence::Absent;
        }
        Ok(Self {
            done: presence(Marker::Done)?,
            cancelled: presence(Marker::Cancelled)?,
            stop_requested,
        })
    }

    /// Tells whether a marker is present.
    pub fn has(&self, marker: Marker) -> bool {
        let presence = match marker {
            Marker::Done => self.done,
            Marker::Cancelled => self.cancelled,
            Marker::StopRequested => self.stop_requested,
        };
        presence == Presence::Present
    }
}

/// Tells whether `task` has a `DONE`; one that cannot be looked at is none.
pub(crate) fn is_done(task: &TaskDir) -> bool {
    presence(task, Marker::Done).is_ok_and(|found| found == Presence::Present)
}

fn presence(task: &TaskDir, marker: Marker) -> io::Result<Presence> {
    match fs::symlink_metadata(marker.path(task)) {
        Ok(meta) if meta.is_file() => Ok(Presence::Present),
        Ok(_) => Ok(Presence::NotAFile),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Presence::Absent),
        Err(e) => Err(e),
    }
}

/// Tells whether the stop marker of `task` is one that has ended by itself.
///
/// One that cannot be understood counts for a minute from its last change: what
/// somebody meant as a stop must not be taken for nothing.
fn is_expired(task: &TaskDir, now: Timestamp) -> bool {
    let path = Marker::StopRequested.path(task);
    let text = fs::read_to_string(&path).unwrap_or_default();
    let until = match end_of_stop(&text) {
        StopEnd::Never => return false,
        StopEnd::At(at) => at,
        StopEnd::Unknown => {
            let changed = fs::metadata(&path).and_then(|meta| meta.modified());
            let Some(at) = changed.ok().and_then(|at| Timestamp::try_from(at).ok()) else {
                return false;
            };
            after(at, STOP_SUPPRESSION)
        }
    };
    now > until
}

/// When a stop marker ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StopEnd {
    Never,
    At(Timestamp),
    /// The text does not tell.
    Unknown,
}

/// The first line is `permanent` or when it was made; then `key: value` lines.
fn end_of_stop(text: &str) -> StopEnd {
    let first = text.lines().next().unwrap_or_default().trim();
    if first == "permanent" {
        return StopEnd::Never;
    }
    let Ok(at) = first.parse::<Timestamp>() else {
        return StopEnd::Unknown;
    };
    let said = text.lines().find_map(|line| {
        let value = line.strip_prefix("expires_at:")?;
        value.trim().parse::<Timestamp>().ok()
    });
    StopEnd::At(said.unwrap_or_else(|| after(at, STOP_SUPPRESSION)))
}

fn after(at: Timestamp, time: Duration) -> Timestamp {
    SignedDuration::try_from(time)
        .ok()
        .and_then(|time| at.checked_add(time).ok())
        .unwrap_or(Timestamp::MAX)
}

/// Creates `DONE`; one that is there already is fine.
pub fn create_done(task: &TaskDir) -> io::Result<()> {
    durable::create_if_missing(&Marker::Done.path(task), Mode::Shared)
}

/// What a stop marker says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopMark<'a> {
    /// Who or what asks.
    pub by: &'a str,
    /// The run that was active.
    pub run: Option<&'a RunId>,
    /// How long the monitor leaves the task alone; none is until it is started or resumed.
    pub lasts: Option<Duration>,
}

impl<'a> StopMark<'a> {
    /// Returns one that counts until the task is started or resumed.
    pub fn permanent(by: &'a str) -> Self {
        Self {
            by,
            run: None,
            lasts: None,
        }
    }
}

/// Creates `STOP-REQUESTED`, or replaces it.
pub fn request_stop(task: &TaskDir, mark: &StopMark<'_>, now: Timestamp) -> io::Result<()> {
    let head = match mark.lasts {
        None => format!("permanent\nrequested_at: {now}"),
        Some(time) => format!("{now}\nexpires_at: {}", after(now, time)),
    };
    let run = mark
        .run
        .map_or_else(String::new, |run| format!("run_id: {run}\n"));
    let content = format!("{head}\nby: {}\n{run}", first_line(mark.by));
    durable::replace(
        &Marker::StopRequested.path(task),
        content.as_bytes(),
        Mode::Shared,
    )
}

/// What `CANCELLED` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancellation {
    /// When the task was given up.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// The task that counts in its place for those that depend on it.
    pub superseded_by: Option<TaskId>,
}

/// Creates `CANCELLED`; one that is there already is kept, and `false` returned.
///
/// Returns after the marker is on disk.
pub fn cancel(task: &TaskDir, cancellation: &Cancellation) -> io::Result<bool> {
    let path = Marker::Cancelled.path(task);
    let mut out = yaml::Mapping::new();
    out.plain("cancelled_at", cancellation.at)
        .text("reason", cancellation.reason.trim());
    if let Some(id) = &cancellation.superseded_by {
        out.text("superseded_by", id.as_str());
    }
    match durable::create_new(&path, out.finish().as_bytes(), Mode::Shared) {
        Ok(()) => Ok(true),
        // Somebody may have died between making and syncing it.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => durable::keep(&path).map(|()| false),
        Err(e) => Err(e),
    }
}

/// Reads what `CANCELLED` says; none if there is no such file.
///
/// Files of the earlier implementation are no YAML if the reason holds a colon, so
/// what cannot be parsed is read line by line; what is not there is empty.
pub fn cancellation(task: &TaskDir) -> Option<Cancellation> {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Text {
        cancelled_at: Option<Timestamp>,
        reason: Option<String>,
        superseded_by: Option<String>,
    }
    let text = crate::record::read_text(&Marker::Cancelled.path(task)).ok()??;
    let line = |key: &str| {
        let found = text
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        found.map(|value| value.trim().to_owned())
    };
    let read: Text = yaml::parse(&text).unwrap_or_else(|_| Text {
        cancelled_at: line("cancelled_at").and_then(|at| at.parse().ok()),
        reason: line("reason"),
        superseded_by: line("superseded_by"),
    });
    Some(Cancellation {
        at: read.cancelled_at.unwrap_or(Timestamp::UNIX_EPOCH),
        reason: read.reason.unwrap_or_default(),
        superseded_by: (read.superseded_by).and_then(|id| TaskId::parse_existing(&id).ok()),
    })
}

/// Who asks for a stop that the monitor itself makes, to start the task anew.
pub const MONITOR: &str = "run-agent monitor";

/// Tells whether a stop marker is there that [`MONITOR`] has asked for.
pub fn is_stopped_by_monitor(task: &TaskDir) -> bool {
    let text = fs::read_to_string(Marker::StopRequested.path(task)).unwrap_or_default();
    text.lines()
        .any(|line| line.strip_prefix("by: ") == Some(MONITOR))
}

/// Removes a marker durably; a missing one is fine.
pub fn clear(task: &TaskDir, marker: Marker) -> io::Result<()> {
    durable::remove(&marker.path(task))
}

/// Removes a marker as [`clear`] does, but for the sync: the caller
/// [settles](durable::settle) the task's folder.
pub fn clear_for_now(task: &TaskDir, marker: Marker) -> io::Result<()> {
    match durable::discard(&marker.path(task)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Renames `DONE` to `DONE.rejected-<n>` with the first free `n`; returns the new name.
pub fn reject_done(task: &TaskDir) -> io::Result<String> {
    let name = free_name(task, "rejected")?;
    set_done_aside(task, &name)?;
    Ok(name)
}

/// Renames a `DONE` that no gate has judged to `DONE.unjudged-<n>` with the first
/// free `n`. `tell` is given the new name before that.
pub fn set_unjudged_aside(task: &TaskDir, tell: impl FnOnce(&str)) -> io::Result<()> {
    let name = free_name(task, "unjudged")?;
    tell(&name);
    set_done_aside(task, &name)
}

fn set_done_aside(task: &TaskDir, name: &str) -> io::Result<()> {
    durable::rename(&Marker::Done.path(task), &task.path().join(name))
}

fn free_name(task: &TaskDir, word: &str) -> io::Result<String> {
    (1..u32::MAX)
        .map(|n| format!("DONE.{word}-{n}"))
        .find(|name| !task.path().join(name).exists())
        .ok_or_else(|| io::Error::other(format!("no free name for a DONE that is {word}")))
}

fn first_line(text: &str) -> &str {
    text.trim().lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ProjectId, TaskId};
    use crate::layout::Root;

    fn task() -> (tempfile::TempDir, TaskDir) {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let task = root
            .task(
                &ProjectId::parse("p").unwrap(),
                &TaskId::parse("task-20260101-000000-abc").unwrap(),
            )
            .unwrap();
        task.ensure().unwrap();
        (folder, task)
    }

    #[test]
    fn every_cell_of_the_table() {
        use Command::{
            Attach, Cancel, Delete, DependencyCheck, ForcedResume, Gc, Monitor, Resume, Start,
            Stop, Uncancel,
        };
        use Rule::{Clear, Keep, Refuse};
        let commands = [
            Start,
            Resume,
            ForcedResume,
            Attach,
            Stop,
            Cancel,
            Uncancel,
            Delete,
            Monitor,
            DependencyCheck,
            Gc,
        ];
        let rows = [
            (
                Marker::Done,
                [
                    Keep, Clear, Clear, Keep, Keep, Keep, Keep, Keep, Refuse, Keep, Keep,
                ],
            ),
            (
                Marker::Cancelled,
                [
                    Refuse, Refuse, Clear, Keep, Keep, Keep, Clear, Keep, Refuse, Keep, Keep,
                ],
            ),
            (
                Marker::StopRequested,
                [
                    Clear, Clear, Clear, Keep, Keep, Keep, Keep, Keep, Refuse, Keep, Keep,
                ],
            ),
        ];
        for (marker, cells) in rows {
            for (command, expected) in commands.into_iter().zip(cells) {
                assert_eq!(rule(marker, command), expected, "{marker:?} x {command:?}");
            }
        }
    }

    #[test]
    fn stop_markers_of_every_kind() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let until = |text: &str| StopEnd::At(at(text));
        for (text, end) in [
            ("permanent\n", StopEnd::Never),
            (
                "permanent\nexpires_at: 2026-01-01T00:00:00Z\n",
                StopEnd::Never,
            ),
            ("2026-01-01T00:09:30Z\n", until("2026-01-01T00:10:30Z")),
            (
                "2026-01-01T00:09:30Z\nexpires_at: 2026-01-01T02:00:00Z\n",
                until("2026-01-01T02:00:00Z"),
            ),
            (
                "2026-01-01T00:09:30Z\nexpires_at: soon\n",
                until("2026-01-01T00:10:30Z"),
            ),
            ("nonsense", StopEnd::Unknown),
            ("", StopEnd::Unknown),
        ] {
            assert_eq!(end_of_stop(text), end, "{text:?}");
        }
    }

    #[test]
    fn a_stop_lasts_as_long_as_it_says() {
        let now: Timestamp = "2026-01-01T00:10:00Z".parse().unwrap();
        let (_folder, task) = task();
        let counts = |at| Markers::read(&task, at).unwrap().has(Marker::StopRequested);
        let run = RunId::parse("20260101-0000000000-1-1").unwrap();
        let mut mark = StopMark {
            by: "test\nsecond line",
            run: Some(&run),
            lasts: Some(Duration::from_secs(2)),
        };
        request_stop(&task, &mark, now).unwrap();
        let text = fs::read_to_string(Marker::StopRequested.path(&task)).unwrap();
        assert_eq!(
            text,
            "2026-01-01T00:10:00Z\nexpires_at: 2026-01-01T00:10:02Z\nby: test\n\
             run_id: 20260101-0000000000-1-1\n"
        );
        assert!(counts(now + SignedDuration::from_secs(2)));
        assert!(!counts(now + SignedDuration::from_secs(3)));
        mark.lasts = None;
        request_stop(&task, &mark, now).unwrap();
        assert!(counts(Timestamp::MAX), "until it is started");
        clear(&task, Marker::StopRequested).unwrap();
        clear(&task, Marker::StopRequested).unwrap();
        assert!(!counts(now));
        // Not understood: for a minute from its last change.
        fs::write(Marker::StopRequested.path(&task), "stop it, please").unwrap();
        assert!(counts(now), "it was changed after that");
        assert!(!counts(Timestamp::MAX));
    }

    #[test]
    fn a_folder_named_done_is_no_marker() {
        let (_folder, task) = task();
        fs::create_dir(Marker::Done.path(&task)).unwrap();
        let markers = Markers::read(&task, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(markers.done, Presence::NotAFile);
        assert!(!markers.has(Marker::Done));
    }

    #[test]
    fn the_first_giving_up_is_kept() {
        let (_folder, task) = task();
        let first = Cancellation {
            at: "2026-01-01T00:10:00Z".parse().unwrap(),
            reason: "done elsewhere: see\nthe log".into(),
            superseded_by: Some(TaskId::parse_existing("other").unwrap()),
        };
        assert_eq!(cancellation(&task), None);
        assert!(cancel(&task, &first).unwrap());
        let second = Cancellation {
            reason: "again".into(),
            ..first.clone()
        };
        assert!(!cancel(&task, &second).unwrap());
        assert_eq!(cancellation(&task), Some(first));
        let text = fs::read_to_string(Marker::Cancelled.path(&task)).unwrap();
        assert!(
            text.starts_with("cancelled_at: 2026-01-01T00:10:00Z\nreason: "),
            "{text}"
        );
    }

    #[test]
    fn older_cancellations_are_read() {
        let (_folder, task) = task();
        let at: Timestamp = "2026-01-01T00:10:00Z".parse().unwrap();
        for (text, expected_at, reason) in [
            (
                "cancelled_at: 2026-01-01T00:10:00Z\nreason: no: use\n",
                at,
                "no: use",
            ),
            (
                "cancelled_at: 2026-01-01T00:10:00Z\nreason: plain\n",
                at,
                "plain",
            ),
            ("", Timestamp::UNIX_EPOCH, ""),
        ] {
            fs::write(Marker::Cancelled.path(&task), text).unwrap();
            let read = cancellation(&task).unwrap();
            assert_eq!(
                (read.at, read.reason.as_str()),
                (expected_at, reason),
                "{text}"
            );
        }
    }

    #[test]
    fn rejected_claims_are_kept_and_numbered() {
        let (_folder, task) = task();
        for expected in ["DONE.rejected-1", "DONE.rejected-2"] {
            create_done(&task).unwrap();
            create_done(&task).unwrap();
            assert_eq!(reject_done(&task).unwrap(), expected);
            assert!(!Marker::Done.path(&task).exists());
        }
        create_done(&task).unwrap();
        let tell = |name: &str| {
            assert_eq!(name, "DONE.unjudged-1");
            assert!(Marker::Done.path(&task).exists(), "it is told of before");
        };
        set_unjudged_aside(&task, tell).unwrap();
        assert!(!Marker::Done.path(&task).exists());
    }
}
