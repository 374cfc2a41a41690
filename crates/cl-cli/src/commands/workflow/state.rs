//! The state of a workflow, a YAML file that is replaced whole at every change.

use std::path::{Path, PathBuf};

use cl_storage::durable::Mode;
use cl_storage::record::{self, RecordError};
use cl_storage::{ProjectId, RunId, TaskDir, TaskId};
use jiff::Timestamp;

use super::stages::STAGES;
use crate::error::CliError;

const KNOWN_VERSION: u32 = 1;

/// Where a stage stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StageStatus {
    Pending,
    Running,
    Completed,
    Failed,
}

/// One stage.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct StageState {
    pub(super) stage: usize,
    pub(super) name: String,
    pub(super) status: StageStatus,
    pub(super) attempts: u32,
    pub(super) run_id: Option<RunId>,
    pub(super) started_at: Option<Timestamp>,
    pub(super) ended_at: Option<Timestamp>,
    pub(super) error: Option<String>,
}

impl StageState {
    fn new(stage: usize) -> Self {
        Self {
            stage,
            name: STAGES[stage].name.to_owned(),
            status: StageStatus::Pending,
            attempts: 0,
            run_id: None,
            started_at: None,
            ended_at: None,
            error: None,
        }
    }
}

/// All of it.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct State {
    pub(super) version: u32,
    pub(super) template: String,
    pub(super) project_id: ProjectId,
    pub(super) task_id: TaskId,
    pub(super) from_stage: usize,
    pub(super) to_stage: usize,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) completed_at: Option<Timestamp>,
    pub(super) stages: Vec<StageState>,
}

impl State {
    pub(super) fn new(task: &TaskDir, template: &str, now: Timestamp) -> Self {
        Self {
            version: KNOWN_VERSION,
            template: template.to_owned(),
            project_id: task.project().clone(),
            task_id: task.id().clone(),
            from_stage: 0,
            to_stage: STAGES.len() - 1,
            created_at: now,
            updated_at: now,
            completed_at: None,
            stages: Vec::new(),
        }
    }

    /// Returns where the state of `task` is kept unless a flag says so.
    pub(super) fn default_path(task: &TaskDir) -> PathBuf {
        task.path().join("workflow-state.yaml")
    }

    /// Reads the state at `path`, which must be one of `task` and `template`.
    pub(super) fn read(
        path: &Path,
        task: &TaskDir,
        template: &str,
    ) -> Result<Option<Self>, CliError> {
        let found: Option<Self> = record::read(path, KNOWN_VERSION).map_err(|error| {
            let made = match &error {
                RecordError::TooNew { .. } => {
                    CliError::conflict("the workflow's state cannot be used")
                }
                _ => CliError::failed("could not read the workflow's state"),
            };
            made.caused_by(error)
        })?;
        let Some(state) = found else { return Ok(None) };
        let is_known = |stage: &StageState| stage.stage < STAGES.len();
        let is_same = state.template == template
            && state.project_id == *task.project()
            && state.task_id == *task.id();
        if !is_same || !state.stages.iter().all(is_known) {
            return Err(CliError::conflict(format!(
                "{} is the state of template {} of task {} (project {})",
                path.display(),
                state.template,
                state.task_id,
                state.project_id
            ))
            .hint("name another file with --state-file"));
        }
        Ok(Some(state))
    }

    /// Writes the state; returns after it is on disk.
    pub(super) fn write(&mut self, path: &Path, now: Timestamp) -> Result<(), CliError> {
        self.updated_at = now;
        record::write(path, self, Mode::Shared).map_err(|error| {
            CliError::failed("could not write the workflow's state").caused_by(error)
        })
    }

    /// Returns a stage, made if it is missing.
    pub(super) fn stage(&mut self, number: usize) -> &mut StageState {
        let at = match self
            .stages
            .binary_search_by_key(&number, |stage| stage.stage)
        {
            Ok(at) => at,
            Err(at) => {
                self.stages.insert(at, StageState::new(number));
                at
            }
        };
        &mut self.stages[at]
    }

    /// Begins the stages from `from` to `to`: anew, or where they were left.
    pub(super) fn begin(&mut self, from: usize, to: usize, resumes: bool) {
        self.stages.sort_by_key(|stage| stage.stage);
        (self.from_stage, self.to_stage) = (from, to);
        self.completed_at = None;
        for number in from..=to {
            let stage = self.stage(number);
            if !resumes {
                *stage = StageState::new(number);
            }
        }
    }

    /// Returns the stages from `from` to `to` that are still to be done.
    pub(super) fn planned(&self, from: usize, to: usize, resumes: bool) -> Vec<usize> {
        let is_done = |number: &usize| {
            self.stages
                .iter()
                .any(|stage| stage.stage == *number && stage.status == StageStatus::Completed)
        };
        (from..=to)
            .filter(|number| !resumes || !is_done(number))
            .collect()
    }
}
