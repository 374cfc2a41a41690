//! Starting a supervisor and hearing whether it took the task.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use cl_storage::TaskDir;
use cl_storage::process::ProcessIdentity;
use cl_storage::space::{self, Room};

use super::record::{LaunchRecord, Mode, RECORD_VERSION};
use super::worktree::{self, Overlap};
use super::{SUPERVISE_COMMAND, SUPERVISED_TASK};

/// Launch records hold prompts and agents' settings; this is far above any.
const LARGEST_RECORD: u32 = 64 * 1024 * 1024;

/// How long a supervisor may take until it is ready; it waits up to 2 s for the
/// owner's lock and makes a handful of durable writes.
const READY_WITHIN: Duration = Duration::from_mins(1);

/// The longest readiness message.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// Why a supervisor did not take a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Somebody else owns the task, or a marker forbids the launch.
    Conflict,
    /// Something that was named does not exist.
    NotFound,
    /// The disk or the system refused.
    Failed,
}

/// What a supervisor says when it has taken a task, or not.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Readiness {
    /// The lock is held and the task exists.
    Ready,
    /// It did not take the task, and left nothing behind.
    Refused {
        /// What kind of reason.
        refusal: Refusal,
        /// The reason for people.
        message: String,
    },
}

/// Why a task was not launched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// The supervisor could not be started or talked to.
    #[error("could not start the supervisor")]
    Io(#[from] io::Error),
    /// It ended or fell silent before it was ready.
    #[error("the supervisor did not become ready; see {log}")]
    NotReady {
        /// Where its log is, if it got that far.
        log: String,
    },
    /// The disk has too little room.
    #[error("less than 100 MiB are free for {}, and a task needs room", path.display())]
    NoRoom {
        /// The task's folder.
        path: PathBuf,
    },
    /// The task's files would get mixed up with the sources of a git work tree.
    #[error(transparent)]
    Overlap(#[from] Overlap),
    /// It said why not.
    #[error("{message}")]
    Refused {
        /// What kind of reason.
        refusal: Refusal,
        /// The reason.
        message: String,
    },
}

/// A task that has been launched.
#[derive(Debug)]
pub struct Launched {
    /// The supervisor.
    pub supervisor: ProcessIdentity,
}

/// Starts a supervisor for `record` and waits until it has taken the task.
///
/// `executable` is the running program, or `/proc/self/exe`, which is still
/// this program after the file was replaced. Blocks for up to a minute. After an
/// error nothing is left of the launch.
pub fn launch(
    record: &LaunchRecord,
    task: &TaskDir,
    executable: &Path,
) -> Result<Launched, LaunchError> {
    // A task that is taken up again is where it is.
    if record.mode == Mode::Start
        && let Some(overlap) = worktree::overlap(&record.root, task, &record.cwd)
    {
        return Err(overlap.into());
    }
    if room_for(task) == Room::TooLittle {
        let path = task.path().to_owned();
        return Err(LaunchError::NoRoom { path });
    }
    let bytes = serde_json::to_vec(record).map_err(io::Error::other)?;
    start_owner(executable, SUPERVISE_COMMAND, &bytes, task)
}

/// Starts a process that is to own `task`, by a hidden sub-command of this program.
///
/// Hands it `bytes`, with their length in front, and waits until it says that it has
/// taken the task. Blocks for up to a minute. After an error it has ended.
pub(crate) fn start_owner(
    executable: &Path,
    sub_command: &str,
    bytes: &[u8],
    task: &TaskDir,
) -> Result<Launched, LaunchError> {
    let length = u32::try_from(bytes.len())
        .ok()
        .filter(|&n| n <= LARGEST_RECORD);
    let length =
        length.ok_or_else(|| io::Error::other("the launch record is larger than 64 MiB"))?;

    #[expect(clippy::disallowed_methods, reason = "the owner of process creation")]
    let mut command = Command::new(executable);
    command
        // What people see in a process list; the task is there for them alone.
        .arg0("run-agent")
        .arg(sub_command)
        .arg(format!("{}/{}", task.project(), task.id()))
        .current_dir("/")
        .env(SUPERVISED_TASK, task.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    for name in RUN_VARIABLES {
        command.env_remove(name);
    }
    // Its first act is `setsid`. A Ctrl-C before that ends it together with this
    // process, while it has not yet read the record: nothing is left.
    let mut child = command.spawn()?;
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    let supervisor = crate::process::spawn::identify(pid)?;
    match hand_over(&mut child, length, bytes, task) {
        // Its end is noticed by whoever waits for the task; the handle is not needed.
        Ok(()) => Ok(Launched { supervisor }),
        Err(error) => {
            if matches!(error, LaunchError::NotReady { .. } | LaunchError::Io(_)) {
                // It may hang; nothing may be left of a launch that failed.
                crate::process::end::signal(&supervisor, rustix::process::Signal::KILL);
            }
            // The supervisor has ended or was killed: this returns at once.
            child.wait()?;
            Err(error)
        }
    }
}

/// Forgets a supervisor that this process has started and that has ended.
///
/// A launcher that lives long would else keep an entry in the process table for each.
/// The control group that it may have left empty goes with it. True if there is nothing
/// left to forget. Never blocks.
pub fn reap(supervisor: &ProcessIdentity) -> bool {
    use rustix::process::{Pid, WaitOptions, waitpid};
    let pid = Pid::from_raw(supervisor.pid);
    // An error means that it is no child of this process, or was waited for already.
    let is_forgotten = !matches!(waitpid(pid, WaitOptions::NOHANG), Ok(None));
    if is_forgotten {
        // Does nothing while it lives: it may be the child of another process.
        crate::process::leaf::remove_of(supervisor);
    }
    is_forgotten
}

/// How long a supervisor that has given its task up may take to end; it has next to nothing to do.
const ENDS_WITHIN: Duration = Duration::from_secs(1);

/// How often its end is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Waits for the end of a supervisor that has given its task up, and forgets it, see [`reap`].
///
/// Blocks, for a second at the most; false if it had not ended by then.
pub fn see_off(supervisor: &ProcessIdentity) -> bool {
    let until = std::time::Instant::now() + ENDS_WITHIN;
    loop {
        // One that has ended and was not waited for is not alive, either.
        if !supervisor.is_alive() && reap(supervisor) {
            return true;
        }
        if std::time::Instant::now() >= until {
            return false;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Judges the room on the disk of `task`; what cannot be measured is enough.
pub fn room_for(task: &TaskDir) -> Room {
    space::free_bytes(task.path()).map_or(Room::Enough, Room::of)
}

/// The variables of an enclosing run, which a supervisor must not inherit.
pub(crate) const RUN_VARIABLES: [&str; 12] = [
    "JRUN_PROJECT_ID",
    "JRUN_TASK_ID",
    "JRUN_ID",
    "JRUN_PARENT_ID",
    "JRUN_RUNS_DIR",
    "JRUN_MESSAGE_BUS",
    "JRUN_TASK_FOLDER",
    "JRUN_RUN_FOLDER",
    "JRUN_CONDUCTOR_URL",
    "JRUN_DEPTH",
    "JRUN_ATTEMPT",
    crate::process::census::GATE_MARKER,
];

fn hand_over(
    child: &mut std::process::Child,
    length: u32,
    bytes: &[u8],
    task: &TaskDir,
) -> Result<(), LaunchError> {
    let not_ready = || LaunchError::NotReady {
        log: task.supervisor_log().display().to_string(),
    };
    let mut stdin = child.stdin.take().ok_or_else(not_ready)?;
    let written = stdin
        .write_all(&length.to_le_bytes())
        .and_then(|()| stdin.write_all(bytes));
    // A supervisor that refuses early may close its end; its answer says why.
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        return Err(error.into());
    }
    drop(stdin);
    let stdout: OwnedFd = child.stdout.take().ok_or_else(not_ready)?.into();
    let answer = read_answer(stdout)?;
    match serde_json::from_slice(&answer) {
        Ok(Readiness::Ready) => Ok(()),
        Ok(Readiness::Refused { refusal, message }) => {
            Err(LaunchError::Refused { refusal, message })
        }
        Err(_) => Err(not_ready()),
    }
}

/// Reads one line from the supervisor, or what there is until it closes or is late.
fn read_answer(pipe: OwnedFd) -> io::Result<Vec<u8>> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let deadline = std::time::Instant::now() + READY_WITHIN;
    let mut pipe = File::from(pipe).take(LONGEST_ANSWER);
    let mut answer = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(std::time::Instant::now());
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        let mut fds = [PollFd::new(pipe.get_ref(), PollFlags::IN)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) => return Ok(answer),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(e) => return Err(e.into()),
        }
        let mut buffer = [0; 4096];
        let read = pipe.read(&mut buffer)?;
        answer.extend_from_slice(&buffer[..read]);
        if read == 0 || answer.ends_with(b"\n") {
            return Ok(answer);
        }
    }
}

/// Reads a launch record from standard input; `None` if it is not whole.
pub(crate) fn read_record() -> Option<Result<LaunchRecord, String>> {
    let bytes = read_framed()?;
    let found = serde_json::from_slice::<Version>(&bytes).ok()?.version;
    if found != RECORD_VERSION {
        return Some(Err(format!(
            "launch record has format {found}, this build knows {RECORD_VERSION}"
        )));
    }
    Some(serde_json::from_slice(&bytes).map_err(|e| format!("launch record cannot be read: {e}")))
}

/// Reads bytes with their length in front from standard input; `None` if they are not whole.
pub(crate) fn read_framed() -> Option<Vec<u8>> {
    let mut stdin = io::stdin().lock();
    let mut length = [0; 4];
    stdin.read_exact(&mut length).ok()?;
    let length = u32::from_le_bytes(length);
    if length > LARGEST_RECORD {
        return None;
    }
    let mut bytes = Vec::new();
    stdin.take(u64::from(length)).read_to_end(&mut bytes).ok()?;
    (bytes.len() == usize::try_from(length).ok()?).then_some(bytes)
}

/// The part of a launch record that is read before all others.
#[derive(serde::Deserialize)]
struct Version {
    version: u32,
}
