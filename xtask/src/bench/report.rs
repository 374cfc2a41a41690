//! The rows of one run of benchmarks, kept as JSON.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cl_testkit::bench_rows::Row;
use serde::{Deserialize, Serialize};

use super::machine::Machine;

/// What one run of benchmarks found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// When, as `2026-01-31T235959Z`; also the name of the file.
    pub(crate) date: String,
    /// Of what.
    pub(crate) commit: String,
    /// On what.
    pub(crate) machine: Machine,
    pub(crate) rows: Vec<Row>,
}

impl Report {
    /// Writes the report to the folder and returns its path.
    pub(crate) fn save(&self, folder: &Path) -> Result<PathBuf> {
        let path = folder.join(format!("{}.json", self.date));
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        std::fs::write(&path, text)
            .with_context(|| format!("could not write {}", path.display()))?;
        Ok(path)
    }

    /// Says how many goals are met, and which rows miss one.
    pub(crate) fn summary(&self) -> String {
        let judged = self.rows.iter().filter(|row| row.goal_met.is_some());
        let mut missed: Vec<&str> = self
            .rows
            .iter()
            .filter(|row| row.goal_met == Some(false))
            .map(|row| row.id.as_str())
            .collect();
        let (judged, missed_count) = (judged.count(), missed.len());
        missed.dedup();
        let met = judged - missed_count;
        if missed.is_empty() {
            format!("{met} of {judged} goals met")
        } else {
            format!("{met} of {judged} goals met, not {}", missed.join(", "))
        }
    }
}

/// Reads the reports of a folder, the newest first.
pub(crate) fn all(folder: &Path) -> Result<Vec<Report>> {
    let mut reports = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|name| name == "json") {
            let text = std::fs::read_to_string(&path)?;
            let report: Report = serde_json::from_str(&text)
                .with_context(|| format!("{} is no report: remove it", path.display()))?;
            reports.push(report);
        }
    }
    reports.sort_by(|a, b| b.date.cmp(&a.date));
    Ok(reports)
}

/// Returns the time of now as the name of a report.
#[expect(
    clippy::disallowed_methods,
    reason = "a report is named for the time of its making"
)]
pub(crate) fn now() -> String {
    let now = jiff::Timestamp::now();
    now.strftime("%Y-%m-%dT%H%M%SZ").to_string()
}

/// Returns by what a row is sorted: its letter, then its number.
pub(crate) fn place(id: &str) -> (String, u32) {
    let digits = id.find(|c: char| c.is_ascii_digit()).unwrap_or(id.len());
    let (letters, number) = id.split_at(digits);
    (letters.to_owned(), number.parse().unwrap_or(u32::MAX))
}

#[cfg(test)]
pub(super) mod tests {
    use cl_testkit::bench_rows::{Goal, Samples};

    use super::*;

    pub(in crate::bench) fn report(date: &str, rows: Vec<Row>) -> Report {
        Report {
            date: date.to_owned(),
            commit: format!("commit-of-{date}"),
            machine: Machine {
                processor: "Fast One 3".to_owned(),
                cores: 2,
                kernel: "6.1".to_owned(),
                file_system: "ext4".to_owned(),
                load: "0.10".to_owned(),
            },
            rows,
        }
    }

    pub(in crate::bench) fn row(id: &str, figure: f64) -> Row {
        Row::new(id, "what it is", "ms", &Samples::one(figure)).goal(Goal::AtMost(2.0))
    }

    #[test]
    fn reports_are_kept_and_found_newest_first() {
        let folder = tempfile::tempdir().unwrap();
        let old = report("2026-01-01T000000Z", vec![row("B1", 1.0)]);
        let new = report("2026-01-02T000000Z", vec![row("B1", 2.0)]);
        new.save(folder.path()).unwrap();
        old.save(folder.path()).unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        assert_eq!(all(folder.path()).unwrap(), [new, old]);
        std::fs::write(folder.path().join("x.json"), "{}").unwrap();
        let error = all(folder.path()).unwrap_err().to_string();
        assert!(error.contains("x.json is no report"), "{error}");
    }

    #[test]
    fn a_summary_names_the_rows_that_miss_a_goal() {
        let rows = vec![row("B1", 1.0), row("B6", 3.0), row("B6", 4.0)];
        let missed = report("d", rows).summary();
        assert_eq!(missed, "1 of 3 goals met, not B6");
        assert_eq!(
            report("d", vec![row("B1", 1.0)]).summary(),
            "1 of 1 goals met"
        );
    }

    #[test]
    fn ten_comes_after_nine() {
        let mut ids = ["R1", "B10", "B9", "L1", "B"];
        ids.sort_by_key(|id| place(id));
        assert_eq!(ids, ["B9", "B10", "B", "L1", "R1"]);
    }

    #[test]
    fn a_name_sorts_like_its_time() {
        let name = now();
        assert_eq!(name.len(), "2026-01-31T235959Z".len());
        assert!(name.starts_with("20") && name.ends_with('Z'));
    }
}
