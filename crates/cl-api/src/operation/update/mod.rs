//! How the server replaces its own program.
//!
//! ```text
//! ask ──▶ deferred: no new root run; waits until none is active
//!      ──▶ applying: copy, digest, --version, a trial start that changes nothing
//!           journal "applying" ──▶ the name leads to the new build ──▶ exec
//!                ──▶ the new build listens and answers ──▶ journal "done"
//!                └─▶ it does not: the name leads to the old build again ──▶ exec of that
//! ```
//!
//! At every moment the name under which the program is started leads to a whole program, so
//! that a crash leaves the old or the new one. A new build that died while it was tried out is
//! not tried again: the next start goes back ([`trial::settle`]).

mod install;
pub(crate) mod trial;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cl_storage::status::TaskStatus;
use cl_storage::update::{UpdateJournal, UpdateStep};
use cl_wire::admin::{SelfUpdate, SelfUpdateState, SelfUpdateStatus};

use crate::answer::{Answer, Refusal};
use crate::app::App;

/// How often it is looked whether root runs are active.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is asked for and how far it has come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Updater(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    status: SelfUpdateStatus,
    candidate: Option<Candidate>,
}

/// A program that is to become the server.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    path: PathBuf,
    sha256: String,
}

impl Updater {
    /// Remembers how the last update of the root ended.
    pub(crate) fn remember(&self, journal: &UpdateJournal) {
        self.state().status = status_of(journal);
    }

    /// Returns how far it has come.
    pub(crate) fn status(&self, app: &App) -> SelfUpdateStatus {
        let mut status = self.state().status.clone();
        status.active_runs_now = active_root_runs(app);
        status
    }

    /// Begins an update, or replaces the candidate of one that waits. Blocks for a moment.
    pub(crate) fn ask(&self, app: &App, wish: &SelfUpdate) -> Answer<SelfUpdateStatus> {
        if app.serving.is_read_only {
            let message = "this server changes nothing";
            return Err(Refusal::new(cl_wire::ProblemCode::Forbidden, message)
                .hint("it was started with --read-only"));
        }
        if !app.serving.config.update.enabled {
            let message = "self-update is not enabled";
            return Err(Refusal::new(cl_wire::ProblemCode::Forbidden, message)
                .hint("set update.enabled in the configuration"));
        }
        let candidate = candidate(wish)?;
        let active = active_root_runs(app);
        let is_new = {
            let mut state = self.state();
            if state.status.state == SelfUpdateState::Applying {
                return Err(Refusal::conflict("self-update is already in progress"));
            }
            let is_new = state.status.state != SelfUpdateState::Deferred;
            state.status = SelfUpdateStatus {
                state: SelfUpdateState::Deferred,
                binary_path: Some(wish.binary_path.clone()),
                requested_at: Some(app.now()),
                active_runs_at_request: Some(active),
                ..SelfUpdateStatus::default()
            };
            state.candidate = Some(candidate);
            is_new
        };
        app.conductor.drain(true);
        if is_new {
            let (updater, thread_app) = (self.clone(), app.clone());
            let thread = std::thread::Builder::new().name("self-update".to_owned());
            if let Err(error) = thread.spawn(move || updater.run(&thread_app)) {
                self.fail(app, "could not start a thread for it");
                return Err(Refusal::internal("could not begin the self-update", &error));
            }
        }
        Ok(self.status(app))
    }

    /// Waits until nothing is active and applies; returns only if that fails or the server ends.
    fn run(&self, app: &App) {
        while active_root_runs(app) > 0 {
            if app.ending.is_cancelled() {
                return;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        let candidate = {
            let mut state = self.state();
            state.status.state = SelfUpdateState::Applying;
            state.status.started_at = Some(app.now());
            state.candidate.take()
        };
        let Some(candidate) = candidate else { return };
        let requested_at = self.state().status.requested_at;
        let error = install::apply(app, &candidate, requested_at.unwrap_or_else(|| app.now()));
        tracing::error!(error, "the server was not replaced");
        self.fail(app, &error);
    }

    fn fail(&self, app: &App, error: &str) {
        {
            let mut state = self.state();
            state.candidate = None;
            state.status.state = SelfUpdateState::Failed;
            state.status.last_error = Some(error.to_owned());
            state.status.finished_at = Some(app.now());
        }
        app.conductor.drain(false);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in it is ever half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Checks what can be checked of a wish at once.
fn candidate(wish: &SelfUpdate) -> Answer<Candidate> {
    use std::os::unix::fs::PermissionsExt as _;
    if wish.binary_path.is_empty() {
        return Err(Refusal::bad_request("binary_path is required"));
    }
    let path = PathBuf::from(&wish.binary_path);
    if !path.is_absolute() {
        return Err(Refusal::bad_request("binary_path must be absolute"));
    }
    let sha256 = wish.sha256.as_deref().unwrap_or_default();
    let sha256 = sha256.trim().to_ascii_lowercase();
    if sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let message = "sha256 is required: the digest of the program, 64 hexadecimal digits";
        return Err(Refusal::bad_request(message).hint("`sha256sum FILE` prints it"));
    }
    let meta = std::fs::metadata(&path)
        .map_err(|error| Refusal::bad_request(format!("stat binary_path: {error}")))?;
    if !meta.is_file() {
        return Err(Refusal::bad_request("binary_path must point to a file"));
    }
    if meta.permissions().mode() & 0o111 == 0 {
        return Err(Refusal::bad_request("binary_path is not executable"));
    }
    Ok(Candidate { path, sha256 })
}

/// Counts the root tasks that run.
fn active_root_runs(app: &App) -> i64 {
    let view = app.index.view();
    let count = view.tasks().filter(|task| {
        let row = &task.row;
        let runs = matches!(row.status, TaskStatus::Running | TaskStatus::PartialFailure);
        runs && row.active && row.parent.is_none()
    });
    i64::try_from(count.count()).unwrap_or(i64::MAX)
}

fn status_of(journal: &UpdateJournal) -> SelfUpdateStatus {
    let (state, note) = match journal.step {
        UpdateStep::Applying => (SelfUpdateState::Applying, None),
        UpdateStep::Done => {
            let note = format!("{} serves", journal.new.display());
            (SelfUpdateState::Idle, Some(note))
        }
        UpdateStep::Failed => {
            let note = format!("{} serves again", journal.old.display());
            (SelfUpdateState::Failed, Some(note))
        }
    };
    SelfUpdateStatus {
        state,
        binary_path: Some(journal.candidate.display().to_string()),
        requested_at: Some(journal.requested_at),
        started_at: Some(journal.started_at),
        finished_at: journal.finished_at,
        last_error: journal.error.clone(),
        last_note: note,
        ..SelfUpdateStatus::default()
    }
}
