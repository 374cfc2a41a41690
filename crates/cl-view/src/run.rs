//! From the record of one run to its row.

use cl_storage::run_info::Phase;
use cl_storage::snapshot::RunView;
use cl_wire::RunRow;
use cl_wire::facts::{FailureFact, UsageFact};
use jiff::Timestamp;

use crate::describe_record_error;

/// Makes the row of a run, seen at `now`.
pub fn run_row(view: &RunView, now: Timestamp) -> RunRow {
    let info = view.info.as_ref().ok();
    let is_running = view.status == cl_storage::run_info::RunStatus::Running;
    let started = info
        .and_then(|info| info.start_time)
        .or_else(|| view.run.id().started_at());
    let ended = info.and_then(|info| info.end_time);
    let until = ended.or_else(|| is_running.then_some(now));
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    RunRow {
        run_id: view.run.id().clone(),
        status: view.status,
        phase: info
            .and_then(|info| info.phase)
            .filter(|_| is_running)
            .map(Phase::as_str)
            .or_else(|| view.is_starting(now).then_some("starting"))
            .map(str::to_owned),
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
