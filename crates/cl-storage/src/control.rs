//! Requests to the owner of a task, as files in `<task>/control/`.
//!
//! ```text
//! requester                          owner
//! write <id>.request.yaml  ─────▶    rename to <id>.claimed.yaml
//! (wake the owner by signal)         act
//! read <id>.answer.yaml    ◀─────    write <id>.answer.yaml, remove the claim
//! remove the answer
//! ```
//!
//! A request is claimed by rename, so it is acted on at most once at a time;
//! what it asks for must be idempotent, because an owner may die between acting
//! and answering, and the next one finds the claim and acts again. A requester
//! that gives up withdraws its request by rename; if that fails, the owner has
//! claimed it and an answer will come. Before an owner releases its lock it
//! answers everything that is left with `refused`.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::durable::{self, Mode};
use crate::id::{self, ProjectId, TaskId};
use crate::layout::TaskDir;
use crate::process::ProcessStart;
use crate::record::{self, RecordError};

const KNOWN_VERSION: u32 = 1;
const REQUEST: &str = ".request.yaml";
const CLAIMED: &str = ".claimed.yaml";
const WITHDRAWN: &str = ".withdrawn.yaml";
const ANSWER: &str = ".answer.yaml";

/// A request to the owner of a task.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Request {
    /// Format of the file.
    pub version: u32,
    /// Names the request and its answer; one path component.
    pub id: String,
    /// When it was made.
    pub at: Timestamp,
    /// The launch that is meant; an owner of another launch refuses.
    pub launch_id: String,
    /// The requesting process.
    pub from_pid: i32,
    /// Start token of the requesting process.
    pub from_start: ProcessStart,
    /// What is asked for.
    pub body: RequestBody,
}

/// What is asked of an owner.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestBody {
    /// Stop the task and everything below it.
    Stop(StopRequest),
    /// Look around now.
    Wake,
    /// Launch a child task.
    LaunchChild(LaunchChildRequest),
}

/// How a task is to be stopped.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StopRequest {
    /// Who or what asks, for the record.
    pub by: String,
    /// When the agents are killed if they have not ended; the same for all children.
    pub kill_at: Timestamp,
    /// Exit code that the stop stands for: 130, 143, or 0 for the `stop` command.
    pub exit_code: i32,
    /// How long the monitor leaves the task alone, in milliseconds; none is until it
    /// is started or resumed.
    #[serde(default)]
    pub suppress_ms: Option<u64>,
}

/// Which child task is to be launched.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LaunchChildRequest {
    /// Project of the child.
    pub project: ProjectId,
    /// The child; launching the same task twice is one launch.
    pub task: TaskId,
    /// How it is to be run; JSON that the runner defines.
    pub options: String,
}

/// What the owner answers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Answer {
    /// Format of the file.
    pub version: u32,
    /// Whether it was done.
    pub outcome: Outcome,
    /// Why not, or what.
    pub message: String,
}

/// Whether a request was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Done,
    /// The owner is stopping or ending and takes no more requests.
    Refused,
    /// It was tried and failed.
    Failed,
}

impl Answer {
    /// Returns an answer.
    pub fn new(outcome: Outcome, message: impl Into<String>) -> Self {
        Self {
            version: KNOWN_VERSION,
            outcome,
            message: message.into(),
        }
    }
}

impl Request {
    /// Returns a request by this process, with a fresh id, to the owner of `launch_id`.
    pub fn new(body: RequestBody, launch_id: &str, now: Timestamp) -> std::io::Result<Self> {
        let me = crate::process::ProcessIdentity::current()?;
        let id = format!("{}-{}-{}", id::stamp(now), me.pid, id::random_text(8));
        Ok(Self {
            version: KNOWN_VERSION,
            id,
            at: now,
            launch_id: launch_id.to_owned(),
            from_pid: me.pid,
            from_start: me.start,
            body,
        })
    }

    fn path(&self, task: &TaskDir, ending: &str) -> PathBuf {
        task.control_folder().join(format!("{}{ending}", self.id))
    }

    /// Hands the request in; returns after it is on disk.
    pub fn submit(&self, task: &TaskDir) -> Result<(), RecordError> {
        let folder = task.control_folder();
        durable::create_folders(&folder, Mode::Private).map_err(RecordError::io(&folder))?;
        record::write(&self.path(task, REQUEST), self, Mode::Private)
    }

    /// Reads the answer; `None` if there is none yet.
    pub fn answer(&self, task: &TaskDir) -> Result<Option<Answer>, RecordError> {
        record::read(&self.path(task, ANSWER), KNOWN_VERSION)
    }

    /// Takes the request back; false if the owner has claimed or answered it.
    pub fn withdraw(&self, task: &TaskDir) -> Result<bool, RecordError> {
        let from = self.path(task, REQUEST);
        let to = self.path(task, WITHDRAWN);
        match durable::rename(&from, &to) {
            Ok(()) => durable::remove(&to)
                .map(|()| true)
                .map_err(RecordError::io(&to)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(RecordError::io(&from)(e)),
        }
    }

    /// Removes what is left of an answered request.
    pub fn forget(&self, task: &TaskDir) -> Result<(), RecordError> {
        let path = self.path(task, ANSWER);
        durable::remove(&path).map_err(RecordError::io(&path))
    }

    /// Answers a claimed request. Only for the owner.
    pub fn reply(&self, task: &TaskDir, answer: &Answer) -> Result<(), RecordError> {
        record::write(&self.path(task, ANSWER), answer, Mode::Private)?;
        let claim = self.path(task, CLAIMED);
        durable::remove(&claim).map_err(RecordError::io(&claim))
    }
}

/// Claims all requests, also those that an earlier owner claimed and never answered.
///
/// Sorted by id, which begins with the time. Damaged requests are moved aside
/// with the ending `.damaged` and left out. Only for the owner.
pub fn claim_all(task: &TaskDir) -> Result<Vec<Request>, RecordError> {
    let folder = task.control_folder();
    let mut requests = Vec::new();
    for name in names(&folder)? {
        let claimed = if let Some(id) = name.strip_suffix(REQUEST) {
            let to = folder.join(format!("{id}{CLAIMED}"));
            match durable::rename(&folder.join(&name), &to) {
                Ok(()) => to,
                // Withdrawn in this moment.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => return Err(RecordError::io(&to)(e)),
            }
        } else if name.ends_with(CLAIMED) {
            folder.join(&name)
        } else {
            continue;
        };
        match record::read::<Request>(&claimed, KNOWN_VERSION) {
            Ok(Some(request)) if is_own_name(&claimed, &request) => requests.push(request),
            // What cannot be read now may be readable at the next look.
            Ok(None) | Err(RecordError::Io { .. }) => {}
            Ok(Some(_)) | Err(_) => {
                tracing::warn!(path = %claimed.display(), "request is damaged and was moved aside");
                // Whoever waits for it must not wait for ever.
                let answer = claimed.with_file_name(name_of_answer(&claimed));
                let said = Answer::new(
                    Outcome::Failed,
                    "the request could not be read by this version",
                );
                record::write(&answer, &said, Mode::Private)?;
                let aside = claimed.with_extension("damaged");
                durable::rename(&claimed, &aside).map_err(RecordError::io(&claimed))?;
            }
        }
    }
    Ok(requests)
}

/// Returns the name of the answer to the request that was claimed as `claimed`.
fn name_of_answer(claimed: &Path) -> String {
    let name = claimed.file_name().and_then(|name| name.to_str());
    let id = name.and_then(|name| name.strip_suffix(CLAIMED));
    format!("{}{ANSWER}", id.unwrap_or_default())
}

/// Tells whether there is anything to claim; cheap.
pub fn has_requests(task: &TaskDir) -> bool {
    names(&task.control_folder()).is_ok_and(|names| {
        names
            .iter()
            .any(|name| name.ends_with(REQUEST) || name.ends_with(CLAIMED))
    })
}

/// Removes answers that nobody came for. Only for an owner that has just begun.
pub fn remove_stale_answers(task: &TaskDir, now: Timestamp) -> Result<(), RecordError> {
    let folder = task.control_folder();
    let an_hour_ago = now - jiff::SignedDuration::from_hours(1);
    for name in names(&folder)?.iter().filter(|name| name.ends_with(ANSWER)) {
        let path = folder.join(name);
        let written = std::fs::metadata(&path)
            .and_then(|meta| meta.modified())
            .ok();
        let written = written.and_then(|time| Timestamp::try_from(time).ok());
        if written.is_some_and(|at| at < an_hour_ago) {
            durable::remove(&path).map_err(RecordError::io(&path))?;
        }
    }
    Ok(())
}

fn is_own_name(path: &Path, request: &Request) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .and_then(|name| name.strip_suffix(CLAIMED))
        == Some(request.id.as_str())
}

fn names(folder: &Path) -> Result<Vec<String>, RecordError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(RecordError::io(folder)(e)),
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !name.ends_with(durable::TEMPORARY_SUFFIX))
        .collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Root;

    fn task() -> (tempfile::TempDir, TaskDir) {
        let folder = tempfile::tempdir().unwrap();
        let task = Root::at(folder.path())
            .unwrap()
            .task(
                &ProjectId::parse("p").unwrap(),
                &TaskId::parse("task-20260101-000000-abc").unwrap(),
            )
            .unwrap();
        task.ensure().unwrap();
        (folder, task)
    }

    fn stop() -> Request {
        let body = RequestBody::Stop(StopRequest {
            by: "test".into(),
            kill_at: Timestamp::UNIX_EPOCH,
            exit_code: 0,
            suppress_ms: None,
        });
        Request::new(body, "l", Timestamp::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn a_request_is_claimed_answered_and_forgotten() {
        let (_folder, task) = task();
        let request = stop();
        request.submit(&task).unwrap();
        assert!(has_requests(&task));
        assert_eq!(request.answer(&task).unwrap(), None);
        let claimed = claim_all(&task).unwrap();
        assert_eq!(claimed, std::slice::from_ref(&request));
        assert!(!request.withdraw(&task).unwrap(), "too late to withdraw");
        claimed[0]
            .reply(&task, &Answer::new(Outcome::Done, "ok"))
            .unwrap();
        assert_eq!(
            request.answer(&task).unwrap().unwrap().outcome,
            Outcome::Done
        );
        assert!(!has_requests(&task));
        request.forget(&task).unwrap();
        assert_eq!(std::fs::read_dir(task.control_folder()).unwrap().count(), 0);
    }

    #[test]
    fn a_withdrawn_request_is_never_claimed() {
        let (_folder, task) = task();
        let request = stop();
        request.submit(&task).unwrap();
        assert!(request.withdraw(&task).unwrap());
        assert_eq!(claim_all(&task).unwrap(), []);
    }

    #[test]
    fn a_claim_of_a_dead_owner_is_found_again() {
        let (_folder, task) = task();
        let options = "{\"prompt\":\"a\\nb: c\"}".to_owned();
        let child = TaskId::parse("task-20260101-000000-child").unwrap();
        let body = LaunchChildRequest {
            project: task.project().clone(),
            task: child,
            options,
        };
        let request =
            Request::new(RequestBody::LaunchChild(body), "l", Timestamp::UNIX_EPOCH).unwrap();
        request.submit(&task).unwrap();
        assert_eq!(claim_all(&task).unwrap(), claim_all(&task).unwrap());
        assert_eq!(claim_all(&task).unwrap(), [request]);
    }

    #[test]
    fn damaged_requests_are_moved_aside() {
        let (_folder, task) = task();
        stop().submit(&task).unwrap();
        std::fs::write(task.control_folder().join("x.request.yaml"), "garbage: [").unwrap();
        assert_eq!(claim_all(&task).unwrap().len(), 1);
        assert!(task.control_folder().join("x.claimed.damaged").exists());
        let said = std::fs::read_to_string(task.control_folder().join("x.answer.yaml")).unwrap();
        assert!(said.contains("failed"), "whoever waits hears of it: {said}");
    }
}
