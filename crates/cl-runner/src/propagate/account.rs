//! What there is to tell about the end of a task, and its key.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;

use cl_bus::facts::{FACT, is_bookkeeping};
use cl_bus::{Bus, Entry, Found, Message, Query};
use cl_storage::marker::Marker;
use cl_storage::run_info::{RunInfo, RunStatus};
use cl_storage::{RunDir, TaskDir, digest};
use jiff::Timestamp;

use super::PropagateError;

/// How many facts the message refers to, the last ones.
const REFERRED_FACTS: usize = 20;

/// Everything that is told about the end of a task.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) task: TaskDir,
    pub(super) done_path: PathBuf,
    pub(super) done_at: Timestamp,
    /// Runs by id, with their records where these can be read.
    pub(super) runs: Vec<(RunDir, Option<RunInfo>)>,
    /// How many facts the task stated.
    pub(super) fact_count: usize,
    /// The last of them, in the order of the task's bus.
    pub(super) facts: VecDeque<Message>,
    /// The latest message about the end of the latest run.
    pub(super) latest_event: Option<Message>,
}

impl Account {
    /// Takes stock of `task`; `None` if it is not done.
    pub(super) fn take(task: &TaskDir) -> Result<Option<Self>, PropagateError> {
        let done_path = Marker::Done.path(task);
        let done_error = |source| PropagateError::Done {
            path: done_path.clone(),
            source,
        };
        let done_at = match done_path.symlink_metadata() {
            Ok(found) if found.is_file() => found
                .modified()
                .and_then(|time| Timestamp::try_from(time).map_err(io::Error::other))
                .map_err(done_error)?,
            Ok(_) => return Ok(None),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(done_error(e)),
        };
        let runs: Vec<_> = task
            .runs()?
            .into_iter()
            .map(|run| {
                // A record that cannot be read is told of as missing.
                let info = RunInfo::read(&run).ok().flatten();
                (run, info)
            })
            .collect();
        let mut account = Self {
            task: task.clone(),
            done_path,
            done_at,
            runs,
            fact_count: 0,
            facts: VecDeque::new(),
            latest_event: None,
        };
        account.read_bus()?;
        Ok(Some(account))
    }

    fn read_bus(&mut self) -> Result<(), PropagateError> {
        let latest = self.latest().map(|(run, _)| run.id().to_string());
        Bus::new(self.task.bus()).for_each(&Query::default(), |found| {
            if let Found::Entry(Entry { message, .. }) = found {
                self.take_message(message, latest.as_deref());
            }
            ControlFlow::Continue(())
        })?;
        Ok(())
    }

    fn take_message(&mut self, message: Message, latest: Option<&str>) {
        let is_end = matches!(message.kind.as_str(), "RUN_STOP" | "RUN_CRASH");
        if is_end && latest == Some(message.run_id.as_str()) {
            self.latest_event = Some(message);
        } else if message.kind.eq_ignore_ascii_case(FACT) && !is_bookkeeping(&message) {
            self.fact_count += 1;
            self.facts.push_back(message);
            if self.facts.len() > REFERRED_FACTS {
                self.facts.pop_front();
            }
        }
    }

    /// Returns the run that started last; one without a record only if none has one.
    pub(super) fn latest(&self) -> Option<&(RunDir, Option<RunInfo>)> {
        let recorded = self.runs.iter().filter_map(|run| {
            let info = run.1.as_ref()?;
            Some(((info.sort_time(), &info.run_id), run))
        });
        let latest = recorded.max_by(|one, other| one.0.cmp(&other.0));
        latest.map(|(_, run)| run).or(self.runs.last())
    }

    pub(super) fn count(&self, status: RunStatus) -> usize {
        self.infos().filter(|info| info.status == status).count()
    }

    /// Returns the runs whose records are missing or cannot be read.
    pub(super) fn without_record(&self) -> impl Iterator<Item = &RunDir> {
        let missing = self.runs.iter().filter(|(_, info)| info.is_none());
        missing.map(|(run, _)| run)
    }

    /// Returns the digest of everything that makes this end another one.
    pub(super) fn key(&self) -> String {
        digest::sha256_hex(self.key_text().as_bytes())
    }

    pub(super) fn key_text(&self) -> String {
        let mut text = format!("{}|fact_count={}", self.done_at, self.fact_count);
        let time = |time: Option<Timestamp>| time.map(|t| t.to_string()).unwrap_or_default();
        // Writing to a String cannot fail.
        for (run, _) in &self.runs {
            write!(text, "|run_id={}", run.id()).unwrap_or_default();
        }
        for run in self.without_record() {
            write!(text, "|missing_run_info={}", run.id()).unwrap_or_default();
        }
        for info in self.infos() {
            write!(
                text,
                "|run={},status={},exit={},start={},end={}",
                info.run_id,
                info.status.as_str(),
                info.exit_code,
                time(info.start_time),
                time(info.end_time)
            )
            .unwrap_or_default();
        }
        text
    }

    fn infos(&self) -> impl Iterator<Item = &RunInfo> {
        self.runs.iter().filter_map(|(_, info)| info.as_ref())
    }
}
