//! What runs have used, added up; what is not known stays unknown.

use std::collections::BTreeMap;

use cl_storage::Usage;
use cl_storage::budget::{self, Usd};
use cl_storage::run_info::{RunInfo, RunStatus};
use cl_wire::usage::{UsageRow, UsageSum};

/// Sums by key.
#[derive(Debug, Default)]
pub(crate) struct Account {
    rows: BTreeMap<String, Spent>,
}

/// What the runs of one key used, and how much of it was for nothing.
#[derive(Debug, Default)]
pub(crate) struct Spent {
    /// Of all runs.
    pub all: Sum,
    /// Of the runs that were for nothing.
    pub wasted: Sum,
}

/// What some runs used.
#[derive(Debug, Default)]
pub(crate) struct Sum {
    /// How many there are.
    pub runs: u64,
    /// Those that told nothing of what they used.
    pub runs_without_usage: u64,
    /// Those that told no cost.
    pub runs_without_cost: u64,
    /// What is known.
    pub usage: Usage,
}

impl Account {
    /// Adds a run.
    pub(crate) fn add(&mut self, key: String, info: &RunInfo) {
        let spent = self.rows.entry(key).or_default();
        spent.add(info.usage.as_ref(), worth(info));
    }

    /// Returns the sums by key.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&str, &Spent)> {
        self.rows.iter().map(|(key, spent)| (key.as_str(), spent))
    }

    /// Returns the sum of all keys.
    pub(crate) fn total(&self) -> Spent {
        let mut total = Spent::default();
        for spent in self.rows.values() {
            total.add_spent(spent);
        }
        total
    }
}

/// Whether a run led anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Worth {
    /// As far as can be told.
    Used,
    /// It failed, was stopped or refused, or its claim was.
    Wasted,
}

/// Tells whether a run led anywhere.
pub fn worth(info: &RunInfo) -> Worth {
    let is_wasted =
        info.status == RunStatus::Failed || info.failure.is_some() || !info.rejected_by.is_empty();
    if is_wasted {
        Worth::Wasted
    } else {
        Worth::Used
    }
}

impl Sum {
    fn add(&mut self, usage: Option<&Usage>) {
        self.runs += 1;
        let Some(usage) = usage else {
            self.runs_without_usage += 1;
            self.runs_without_cost += 1;
            return;
        };
        if usage.cost_usd.is_none() {
            self.runs_without_cost += 1;
        }
        budget::add(&mut self.usage, usage);
    }

    fn add_sum(&mut self, other: &Self) {
        self.runs += other.runs;
        self.runs_without_usage += other.runs_without_usage;
        self.runs_without_cost += other.runs_without_cost;
        budget::add(&mut self.usage, &other.usage);
    }

    fn has_usage(&self) -> bool {
        self.runs > self.runs_without_usage
    }

    /// Returns the one JSON form; `null` for what is not known.
    pub(crate) fn to_sum(&self) -> UsageSum {
        let tokens = |count: u64| self.has_usage().then_some(count);
        let usage = &self.usage;
        UsageSum {
            cache_read_tokens: tokens(usage.cache_read_tokens),
            cache_write_tokens: tokens(usage.cache_write_tokens),
            cost_usd: usage.cost_usd,
            input_tokens: tokens(usage.input_tokens),
            output_tokens: tokens(usage.output_tokens),
            runs: self.runs,
            runs_without_cost: self.runs_without_cost,
            runs_without_usage: self.runs_without_usage,
            turns: usage.turns,
        }
    }
}

/// Returns a number of tokens that `runs` used, or that it is not known.
pub fn tokens_text(runs: u64, tokens: Option<u64>) -> String {
    match tokens {
        Some(tokens) => tokens.to_string(),
        None if runs == 0 => "0".to_owned(),
        None => "unknown".to_owned(),
    }
}

/// Returns the cost that is known, and of how many runs none is.
pub fn cost_text(cost_usd: Option<f64>, runs_without_cost: u64) -> String {
    match (cost_usd.and_then(Usd::from_dollars), runs_without_cost) {
        (None, 0) => "-".to_owned(),
        (None, _) => "unknown".to_owned(),
        (Some(cost), 0) => cost.to_string(),
        (Some(cost), runs) => format!("{cost} + {runs} unknown"),
    }
}

impl Spent {
    /// Adds what a run used.
    pub(crate) fn add(&mut self, usage: Option<&Usage>, worth: Worth) {
        self.all.add(usage);
        if worth == Worth::Wasted {
            self.wasted.add(usage);
        }
    }

    /// Adds what other runs used.
    pub(crate) fn add_spent(&mut self, other: &Self) {
        self.all.add_sum(&other.all);
        self.wasted.add_sum(&other.wasted);
    }

    /// Returns the one JSON form; `null` for what is not known.
    pub(crate) fn to_row(&self, key: Option<&str>) -> UsageRow {
        let all = self.all.to_sum();
        UsageRow {
            cache_read_tokens: all.cache_read_tokens,
            cache_write_tokens: all.cache_write_tokens,
            cost_usd: all.cost_usd,
            input_tokens: all.input_tokens,
            key: key.map(str::to_owned),
            output_tokens: all.output_tokens,
            runs: all.runs,
            runs_without_cost: all.runs_without_cost,
            runs_without_usage: all.runs_without_usage,
            turns: all.turns,
            wasted: self.wasted.to_sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cl_storage::{Failure, FailureKind, ProjectId, Root, TaskId};
    use jiff::Timestamp;

    #[test]
    fn what_is_not_known_is_not_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let project = ProjectId::parse("p").unwrap();
        let id = TaskId::parse("task-20260101-000000-abc").unwrap();
        let task = root.task(&project, &id).unwrap();
        task.ensure().unwrap();
        let run = task.create_run(Timestamp::UNIX_EPOCH).unwrap();
        let blank = RunInfo {
            status: RunStatus::Completed,
            ..RunInfo::preparing(&run, "codex", Timestamp::UNIX_EPOCH)
        };
        let used = |cost| {
            Some(Usage {
                input_tokens: 10,
                cost_usd: cost,
                ..Usage::default()
            })
        };
        let mut account = Account::default();
        account.add("none".into(), &blank);
        let costless = RunInfo {
            usage: used(None),
            ..blank.clone()
        };
        account.add("tokens".into(), &costless);
        account.add(
            "both".into(),
            &RunInfo {
                usage: used(Some(0.5)),
                failure: Some(Failure::new(FailureKind::LimitWindow, "")),
                ..blank.clone()
            },
        );
        account.add(
            "both".into(),
            &RunInfo {
                rejected_by: "tests (exit 1)".into(),
                ..costless
            },
        );
        let texts: Vec<_> = account
            .rows()
            .map(|(key, spent)| {
                let row = spent.to_row(Some(key));
                let tokens = tokens_text(row.runs, row.input_tokens);
                let cost = cost_text(row.cost_usd, row.runs_without_cost);
                (key.to_owned(), tokens, cost, row.wasted.runs)
            })
            .collect();
        let row = |key: &str, tokens: &str, cost: &str, wasted| {
            (key.to_owned(), tokens.to_owned(), cost.to_owned(), wasted)
        };
        let expected = [
            row("both", "20", "$0.50 + 1 unknown", 2),
            row("none", "unknown", "unknown", 0),
            row("tokens", "10", "unknown", 0),
        ];
        assert_eq!(texts, expected);
        let total = account.total();
        assert_eq!((total.all.runs, total.all.runs_without_cost), (4, 3));
        assert_eq!(total.to_row(None).cost_usd, Some(0.5));
        assert_eq!(cost_text(None, 0), "-");
        assert_eq!(tokens_text(0, None), "0");
    }
}
