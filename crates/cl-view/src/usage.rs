//! What the runs of tasks have used, added up.

use cl_storage::run_info::RunInfo;
use cl_storage::{LayoutError, TaskDir};
use cl_wire::usage::{UsageBy, UsageReport};
use jiff::Timestamp;

use crate::account::Account;
use crate::words::describe_record_error;

/// How many records that could not be read are named; the others are counted.
const NAMED_PROBLEMS: usize = 20;

/// Adds up what the runs of tasks have used.
#[derive(Debug)]
pub struct UsageSums {
    by: UsageBy,
    since: Option<Timestamp>,
    account: Account,
    problems: Vec<String>,
    unnamed: usize,
}

impl UsageSums {
    /// Begins with nothing; runs that began before `since` are passed over.
    pub fn new(by: UsageBy, since: Option<Timestamp>) -> Self {
        Self {
            by,
            since,
            account: Account::default(),
            problems: Vec::new(),
            unnamed: 0,
        }
    }

    /// Adds the runs of a task. Reads their records.
    pub fn task(&mut self, task: &TaskDir) -> Result<(), LayoutError> {
        for run in task.runs()? {
            let info = match RunInfo::read(&run) {
                Ok(Some(info)) => info,
                Ok(None) => continue,
                Err(error) if self.problems.len() < NAMED_PROBLEMS => {
                    self.problems.push(describe_record_error(&error));
                    continue;
                }
                Err(_) => {
                    self.unnamed += 1;
                    continue;
                }
            };
            if self.since.is_none_or(|since| info.sort_time() >= since) {
                let key = self.key(&info);
                self.account.add(key, &info);
            }
        }
        Ok(())
    }

    /// Returns the one JSON form.
    pub fn report(&self) -> UsageReport {
        let mut problems = self.problems.clone();
        if self.unnamed > 0 {
            problems.push(format!("{} more records could not be read", self.unnamed));
        }
        let rows = self.account.rows();
        UsageReport {
            by: self.by,
            problems,
            rows: rows.map(|(key, spent)| spent.to_row(Some(key))).collect(),
            since: self.since,
            total: self.account.total().to_row(None),
        }
    }

    fn key(&self, info: &RunInfo) -> String {
        let known = |names: &[&str]| {
            let name = names.iter().find(|name| !name.is_empty());
            (*name.unwrap_or(&"unknown")).to_owned()
        };
        match self.by {
            UsageBy::Agent => known(&[&info.agent_name, &info.agent]),
            UsageBy::Task => format!("{}/{}", info.project_id, info.task_id),
            UsageBy::Project => info.project_id.to_string(),
            UsageBy::Day => info.sort_time().strftime("%Y-%m-%d").to_string(),
            UsageBy::Model => known(&[&info.backend_model]),
        }
    }
}
