//! The markers of a task and what each command does with them.
//!
//! `DONE` is the agent's claim that the task is finished, `CANCELLED` and
//! `STOP-REQUESTED` are a person's wish. All three are created durably and
//! whole.

use std::fs;
use std::io;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::durable::{self, Mode};
use crate::layout::TaskDir;

/// How long a timed stop marker of the earlier implementation counts.
const TIMED_STOP: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

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
    use Command::{Monitor, Resume, Start, Uncancel};
    match (marker, command) {
        (Marker::Done | Marker::StopRequested | Marker::Cancelled, Resume)
        | (Marker::StopRequested, Start)
        | (Marker::Cancelled, Uncancel) => Rule::Clear,
        (Marker::Cancelled, Start | Monitor) | (Marker::StopRequested | Marker::Done, Monitor) => {
            Rule::Refuse
        }
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
        if stop_requested == Presence::Present {
            let text = fs::read_to_string(Marker::StopRequested.path(task)).unwrap_or_default();
            if is_expired(&text, now) {
                stop_requested = Presence::Absent;
            }
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

fn presence(task: &TaskDir, marker: Marker) -> io::Result<Presence> {
    match fs::symlink_metadata(marker.path(task)) {
        Ok(meta) if meta.is_file() => Ok(Presence::Present),
        Ok(_) => Ok(Presence::NotAFile),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Presence::Absent),
        Err(e) => Err(e),
    }
}

/// A timed stop marker counts for 60 s; one that cannot be read never counted.
///
/// Ours begin with the word `permanent`.
fn is_expired(text: &str, now: Timestamp) -> bool {
    let first = text.lines().next().unwrap_or_default().trim();
    if first == "permanent" {
        return false;
    }
    first
        .parse::<Timestamp>()
        .map_or(true, |at| now > at + TIMED_STOP)
}

/// Creates `DONE`; one that is there already is fine.
pub fn create_done(task: &TaskDir) -> io::Result<()> {
    durable::create_if_missing(&Marker::Done.path(task), Mode::Shared)
}

/// Creates `STOP-REQUESTED`; a permanent wish until the next start or resume.
pub fn request_stop(task: &TaskDir, by: &str, now: Timestamp) -> io::Result<()> {
    let content = format!("permanent\nrequested_at: {now}\nby: {}\n", first_line(by));
    durable::replace(
        &Marker::StopRequested.path(task),
        content.as_bytes(),
        Mode::Shared,
    )
}

/// Creates `CANCELLED`.
pub fn cancel(task: &TaskDir, reason: &str, now: Timestamp) -> io::Result<()> {
    let content = format!("cancelled_at: {now}\nreason: {}\n", first_line(reason));
    durable::replace(
        &Marker::Cancelled.path(task),
        content.as_bytes(),
        Mode::Shared,
    )
}

/// Removes a marker durably; a missing one is fine.
pub fn clear(task: &TaskDir, marker: Marker) -> io::Result<()> {
    durable::remove(&marker.path(task))
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
            Attach, Cancel, Delete, DependencyCheck, Gc, Monitor, Resume, Start, Stop, Uncancel,
        };
        use Rule::{Clear, Keep, Refuse};
        let commands = [
            Start,
            Resume,
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
                    Keep, Clear, Keep, Keep, Keep, Keep, Keep, Refuse, Keep, Keep,
                ],
            ),
            (
                Marker::Cancelled,
                [
                    Refuse, Clear, Keep, Keep, Keep, Clear, Keep, Refuse, Keep, Keep,
                ],
            ),
            (
                Marker::StopRequested,
                [
                    Clear, Clear, Keep, Keep, Keep, Keep, Keep, Refuse, Keep, Keep,
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
        let now: Timestamp = "2026-01-01T00:10:00Z".parse().unwrap();
        for (text, expired) in [
            ("permanent\n", false),
            ("permanent\nrequested_at: x\n", false),
            ("2026-01-01T00:09:30Z\n", false),
            ("2026-01-01T00:08:30Z\n", true),
            ("nonsense", true),
            ("", true),
        ] {
            assert_eq!(is_expired(text, now), expired, "{text:?}");
        }
        let (_folder, task) = task();
        request_stop(&task, "test", now).unwrap();
        assert!(
            Markers::read(&task, now)
                .unwrap()
                .has(Marker::StopRequested)
        );
        clear(&task, Marker::StopRequested).unwrap();
        clear(&task, Marker::StopRequested).unwrap();
        assert!(
            !Markers::read(&task, now)
                .unwrap()
                .has(Marker::StopRequested)
        );
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
