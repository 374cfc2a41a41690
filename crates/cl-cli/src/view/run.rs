//! One run as it is shown.

use cl_storage::RunId;
use cl_storage::run_info::Phase;
use cl_storage::snapshot::RunView;
use jiff::Timestamp;
use serde::Serialize;

use super::facts::{FailureFact, UsageFact};
use super::problem::describe_record_error;
use super::time::duration_text;

/// One run as it is shown; also its one JSON form.
#[derive(Debug, Serialize)]
pub(crate) struct RunRow {
    pub(crate) run_id: RunId,
    /// The status that holds now.
    pub(crate) status: &'static str,
    pub(crate) phase: Option<&'static str>,
    pub(crate) attempt: Option<u32>,
    /// The configured name of the agent, or its kind.
    pub(crate) agent: Option<String>,
    pub(crate) agent_version: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) session_id: Option<String>,
    pub(crate) exit_code: Option<i32>,
    pub(crate) started: Option<Timestamp>,
    pub(crate) ended: Option<Timestamp>,
    /// In seconds; up to now while it runs.
    pub(crate) duration: Option<i64>,
    pub(crate) pid: Option<i32>,
    pub(crate) pid_alive: bool,
    pub(crate) parent_run_id: Option<RunId>,
    pub(crate) previous_run_id: Option<RunId>,
    pub(crate) depth: Option<u32>,
    /// What it is for within a series of runs.
    pub(crate) role: Option<String>,
    /// Which round or stage of the series it belongs to.
    pub(crate) iteration: Option<u32>,
    pub(crate) failure: Option<FailureFact>,
    pub(crate) usage: Option<UsageFact>,
    pub(crate) path: String,
    /// Of the old flat layout, and only read.
    pub(crate) legacy: bool,
    /// There is no readable record: all but id and place is made up.
    pub(crate) synthetic: bool,
    /// Why its record could not be read.
    pub(crate) problem: Option<String>,
}

impl RunRow {
    /// Makes the row of a run, seen at `now`.
    pub(crate) fn new(view: &RunView, now: Timestamp) -> Self {
        let info = view.info.as_ref().ok();
        let is_running = view.status == cl_storage::run_info::RunStatus::Running;
        let started = info
            .and_then(|info| info.start_time)
            .or_else(|| view.run.id().started_at());
        let ended = info.and_then(|info| info.end_time);
        let until = ended.or_else(|| is_running.then_some(now));
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Self {
            run_id: view.run.id().clone(),
            status: view.status.as_str(),
            phase: info
                .and_then(|info| info.phase)
                .filter(|_| is_running)
                .map(Phase::as_str)
                .or_else(|| view.is_starting(now).then_some("starting")),
            attempt: info.and_then(|info| info.attempt),
            agent: info.and_then(|info| text(&info.agent_name).or_else(|| text(&info.agent))),
            agent_version: info.and_then(|info| text(&info.agent_version)),
            model: info.and_then(|info| text(&info.backend_model)),
            session_id: info.and_then(|info| text(&info.session_id)),
            exit_code: info.map(|info| info.exit_code).filter(|code| *code >= 0),
            started,
            ended,
            duration: started
                .zip(until)
                .map(|(start, end)| end.duration_since(start).as_secs()),
            pid: info
                .filter(|info| info.has_agent_process())
                .map(|info| info.pid),
            pid_alive: view.is_active,
            parent_run_id: info.and_then(|info| info.parent_run_id.clone()),
            previous_run_id: info.and_then(|info| info.previous_run_id.clone()),
            depth: info.and_then(|info| info.depth),
            role: info.and_then(|info| text(&info.role)),
            iteration: info.and_then(|info| info.iteration),
            failure: view.failure().map(FailureFact::from),
            usage: info
                .and_then(|info| info.usage.clone())
                .map(UsageFact::from),
            legacy: view.run.task().is_flat(),
            synthetic: view.is_synthetic(),
            path: view.run.path().to_string_lossy().into_owned(),
            problem: view.info.as_ref().err().map(describe_record_error),
        }
    }

    /// Returns how long it took, or `-`.
    pub(crate) fn duration_text(&self) -> String {
        self.duration.map_or_else(|| "-".to_owned(), duration_text)
    }
}
