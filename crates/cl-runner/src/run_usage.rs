//! What a run used: while it goes on, at its end, and when its supervisor has died.
//!
//! The `usage` of a record is the total of its run so far and is replaced whole, so that
//! nothing counts twice, however often it is written and by whom.

use std::fs::File;
use std::io::Read as _;

use cl_agent::{AgentKind, Dialect, Exit, StreamParser};
use cl_storage::run_info::RunInfo;
use cl_storage::{RunDir, RunId, TaskDir, Usage, budget};

/// The most that is read of a file in which an agent says what it used.
const LONGEST_USAGE: u64 = 1024 * 1024;

/// Returns what earlier runs of `task` used in `session`, without `run`.
pub(crate) fn earlier_in_session(task: &TaskDir, run: &RunId, session: &str) -> Usage {
    let mut earlier = Usage::default();
    for other in task.runs().unwrap_or_default() {
        if other.id() == run {
            continue;
        }
        let Ok(Some(info)) = RunInfo::read(&other) else {
            continue;
        };
        if let Some(used) = info.usage.filter(|_| info.session_id == session) {
            budget::add(&mut earlier, &used);
        }
    }
    earlier
}

/// Reads what the agent of `run` says in a file that it used, where its stream does not tell.
pub(crate) fn in_file(run: &RunDir, dialect: Dialect) -> Option<Usage> {
    let path = run.path().join(dialect.usage_file()?);
    // A link is not what was asked for, and could lead to something endless.
    let is_file = std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file());
    let file = is_file.then(|| File::open(&path).ok()).flatten()?;
    let mut text = String::new();
    file.take(LONGEST_USAGE).read_to_string(&mut text).ok()?;
    cl_agent::usage_in_file(dialect, &text)
}

/// Reads from the stream of `run`, whose supervisor is dead, what it used.
///
/// None if the stream tells nothing, or if nobody knows how to read it: `dialect` is that of
/// an agent whose settings are known; otherwise the record's word for the agent decides.
/// Reads the whole stream, in bounded memory.
pub(crate) fn of_dead_run(run: &RunDir, info: &RunInfo, dialect: Option<Dialect>) -> Option<Usage> {
    let dialect = dialect.or_else(|| {
        let kind = AgentKind::from_name(&info.agent)?;
        Some(cl_agent::adapter(kind).dialect)
    })?;
    let mut parser = StreamParser::new(dialect);
    let is_cumulative = parser.usage_is_cumulative_per_session();
    // A link is not what the agent was given.
    let is_file = std::fs::symlink_metadata(run.stdout()).is_ok_and(|meta| meta.is_file());
    let mut file = is_file.then(|| File::open(run.stdout()).ok()).flatten()?;
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read) = file.read(&mut buffer)
        && read > 0
    {
        parser.feed(&buffer[..read]);
    }
    let outcome = parser.finish(Exit::Code(-1), b"");
    let total = outcome.usage.or_else(|| in_file(run, dialect))?;
    Some(match outcome.session_id {
        Some(session) if is_cumulative => {
            let earlier = earlier_in_session(run.task(), run.id(), &session);
            cl_agent::usage_since(&total, &earlier)
        }
        _ => total,
    })
}
