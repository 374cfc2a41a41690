//! The two streams of one run, sent on from a place.

use std::path::{Path, PathBuf};

use cl_storage::run_info::RunStatus;
use cl_storage::{ProjectId, RunDir, RunId, TaskId};
use cl_wire::cursor::RunCursor;
use cl_wire::events::{LogLine, Reset, RunState, Stream, name};

use super::log_file::{self, LogFile, Piece};
use super::outlet::Outlet;
use super::place::Beginning;
use crate::app::App;
use crate::state::{RunFacts, TaskEntry};

/// Which run, of which task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Which {
    pub(super) project: ProjectId,
    pub(super) task: TaskId,
    pub(super) run: RunId,
}

/// The two streams of one run, sent on from a place.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) which: Which,
    folder: PathBuf,
    /// Gone while they are being read.
    files: Option<Files>,
    place: RunCursor,
}

#[derive(Debug)]
struct Files {
    stdout: LogFile,
    stderr: LogFile,
}

/// What a run is at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) status: RunStatus,
    pub(super) exit_code: Option<i32>,
    /// Nothing more will be written.
    pub(super) has_ended: bool,
}

impl Moment {
    /// Returns what a run of `entry` is.
    pub(super) fn of(entry: &TaskEntry, facts: &RunFacts) -> Self {
        // A run that is being started has no record yet; its task is at work.
        let begins = facts.status == RunStatus::Unknown && entry.row.active;
        Self {
            status: facts.status,
            exit_code: facts.exit_code,
            has_ended: facts.status != RunStatus::Running && !begins,
        }
    }
}

/// Why a run cannot be followed any more.
#[derive(Debug)]
pub(super) struct Unreadable(pub(super) String);

impl Lane {
    /// Follows the run in `dir` from where a client wants to; blocks.
    pub(super) fn open(dir: &RunDir, beginning: Beginning<RunCursor>) -> std::io::Result<Self> {
        let of = |look: fn(&Path) -> std::io::Result<u64>| {
            Ok::<_, std::io::Error>(RunCursor {
                stdout: look(&dir.stdout())?,
                stderr: look(&dir.stderr())?,
            })
        };
        let place = match beginning {
            Beginning::Usual => of(log_file::tail_of)?,
            Beginning::Start => RunCursor::default(),
            Beginning::End => of(log_file::end_of)?,
            Beginning::Behind(place) => place,
        };
        Ok(Self {
            which: Which {
                project: dir.task().project().clone(),
                task: dir.task().id().clone(),
                run: dir.id().clone(),
            },
            folder: dir.path().to_owned(),
            files: Some(Files {
                stdout: LogFile::new(dir.stdout(), place.stdout),
                stderr: LogFile::new(dir.stderr(), place.stderr),
            }),
            place,
        })
    }

    /// Returns the folder in which the streams are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns how far it was sent.
    pub(super) fn place(&self) -> RunCursor {
        self.place
    }

    /// Sends what there is; `id` names the place behind an event.
    pub(super) async fn send(
        &mut self,
        app: &App,
        outlet: &mut Outlet,
        has_ended: bool,
        id: &mut (dyn FnMut(&Which, RunCursor) -> Option<String> + Send),
    ) -> Result<(), Unreadable> {
        loop {
            let (stdout, stderr) = self.read(has_ended).await?;
            let has_more = stdout.has_more || stderr.has_more;
            for (stream, piece) in [(Stream::Stdout, stdout), (Stream::Stderr, stderr)] {
                self.send_piece(app, outlet, stream, piece, id).await;
            }
            outlet.flush().await;
            if !has_more {
                return Ok(());
            }
        }
    }

    async fn send_piece(
        &mut self,
        app: &App,
        outlet: &mut Outlet,
        stream: Stream,
        piece: Piece,
        id: &mut (dyn FnMut(&Which, RunCursor) -> Option<String> + Send),
    ) {
        if let Some(reason) = piece.reset {
            *self.place_of(stream) = 0;
            let reset = Reset {
                reason: reason.to_owned(),
                run_id: Some(self.which.run.clone()),
                stream: Some(stream),
            };
            outlet.json(name::RESET, id(&self.which, self.place), &reset);
        }
        let now = app.now();
        for line in piece.lines {
            *self.place_of(stream) = line.end;
            let said = LogLine {
                run_id: self.which.run.clone(),
                project_id: Some(self.which.project.clone()),
                task_id: Some(self.which.task.clone()),
                stream,
                line: line.text,
                timestamp: now,
                truncated: line.truncated,
            };
            outlet.json(name::LOG, id(&self.which, self.place), &said);
            outlet.flush_if_full().await;
        }
    }

    fn place_of(&mut self, stream: Stream) -> &mut u64 {
        match stream {
            Stream::Stdout => &mut self.place.stdout,
            Stream::Stderr => &mut self.place.stderr,
        }
    }

    async fn read(&mut self, has_ended: bool) -> Result<(Piece, Piece), Unreadable> {
        let Some(mut files) = self.files.take() else {
            return Err(Unreadable("the run cannot be read any more".to_owned()));
        };
        let read = tokio::task::spawn_blocking(move || {
            let stdout = files.stdout.read(has_ended);
            let stderr = files.stderr.read(has_ended);
            (files, stdout, stderr)
        });
        let (files, stdout, stderr) = read.await.map_err(|error| {
            tracing::error!(%error, "reading a run failed");
            Unreadable("the run could not be read".to_owned())
        })?;
        self.files = Some(files);
        let failed = |error: std::io::Error| {
            tracing::warn!(folder = %self.folder.display(), %error, "a run cannot be read");
            Unreadable(format!("run {} cannot be read: {error}", self.which.run))
        };
        Ok((stdout.map_err(failed)?, stderr.map_err(failed)?))
    }

    /// Adds an event that says what the run is.
    pub(super) fn say(&self, outlet: &mut Outlet, moment: Moment) {
        let state = RunState {
            run_id: self.which.run.clone(),
            project_id: Some(self.which.project.clone()),
            task_id: Some(self.which.task.clone()),
            status: moment.status,
            exit_code: moment.exit_code.unwrap_or(-1),
        };
        outlet.json(name::STATUS, None, &state);
    }
}
