//! Benchmarks next to the raw cost of the disk.
//!
//! A stored figure says little on another machine. So each benchmark measures the floor, which is the bare system calls
//! on the same disk, in the same run, and what counts is the ratio. No check depends on a time.
//!
//! - [`report`]: the rows of one run with the facts of the machine, as JSON
//! - [`machine`]: those facts
//! - [`page`]: the block of `docs/dev/performance.md` that is made from the reports

mod machine;
mod page;
mod report;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use cl_testkit::bench_data;
use cl_testkit::bench_rows::{self, DATA_VARIABLE, JSON_VARIABLE, Row};

use self::machine::Machine;
use self::report::Report;
use crate::checks;
use crate::workspace::{Depth, Workspace};

/// Tasks of the generated roots, and runs of each task.
const ROOTS: &[(u32, u32)] = &[(1000, 3), (10_000, 3), (33_334, 3)];
/// Messages of the generated buses.
const BUSES: &[u32] = &[1000, 100_000, 1_000_000];

/// What is to be done.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Rows of the table of goals, for example B1; all of them if none is named
    #[arg(value_name = "ROW")]
    rows: Vec<String>,
    /// Only write the data that benchmarks read
    #[arg(long, conflicts_with_all = ["rows", "write_docs"])]
    r#gen: bool,
    /// Measure nothing, put the newest figures of each row into the docs
    #[arg(long, conflicts_with = "rows")]
    write_docs: bool,
}

/// Does what the options say.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<String> {
    let folder = folder(workspace)?;
    if options.r#gen {
        return generate(&folder.join("data"));
    }
    if options.write_docs {
        let reports = report::all(&folder)?;
        return page::write(workspace.root(), &reports);
    }
    measure(workspace, &folder, &options.rows)
}

/// Returns the folder of data and reports, and makes it.
fn folder(workspace: &Workspace) -> Result<PathBuf> {
    let target = workspace.metadata(Depth::Workspace)?.target_directory;
    let folder = target.join("bench").into_std_path_buf();
    std::fs::create_dir_all(folder.join("data"))
        .with_context(|| format!("could not make {}", folder.display()))?;
    Ok(folder)
}

fn generate(data: &Path) -> Result<String> {
    for &(tasks, runs) in ROOTS {
        let root = bench_data::root(data, tasks, runs)?;
        println!("{} tasks × {runs}: {}", tasks, root.display());
    }
    for &messages in BUSES {
        let bus = bench_data::bus(data, messages)?;
        println!("{messages} messages: {}", bus.display());
    }
    Ok(format!("bench: data in {}", data.display()))
}

fn measure(workspace: &Workspace, folder: &Path, wanted: &[String]) -> Result<String> {
    let temporary = tempfile::tempdir_in(folder)?;
    let json = temporary.path().join("rows");
    let targets = targets(workspace)?;
    ensure!(!targets.is_empty(), "no crate has a benchmark");
    let names = targets
        .iter()
        .flat_map(|(package, target)| ["--package", package, "--bench", target]);
    workspace
        .cargo("bench")
        .args(names)
        .arg("--")
        .args(wanted)
        .env(JSON_VARIABLE, &json)
        .env(DATA_VARIABLE, folder.join("data"))
        .run()?;
    // A benchmark without a wanted row appends nothing, and so makes no file.
    let text = match std::fs::read_to_string(&json) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(e.into()),
    };
    let rows = select(
        bench_rows::read_json(&text).context("a benchmark wrote a row that is none")?,
        wanted,
    );
    ensure!(!rows.is_empty(), "no benchmark has any of these rows");
    let report = Report {
        date: report::now(),
        commit: checks::commit(workspace),
        machine: Machine::look(folder)?,
        rows,
    };
    println!("\n{} at {}, {}", report.commit, report.date, report.machine);
    print!("{}", bench_rows::table(&report.rows));
    let path = report.save(folder)?;
    Ok(format!("bench: {}; {}", report.summary(), path.display()))
}

/// Returns the benchmarks of the workspace, by package and name.
fn targets(workspace: &Workspace) -> Result<Vec<(String, String)>> {
    let metadata = workspace.metadata(Depth::Workspace)?;
    let mut found: Vec<(String, String)> = Vec::new();
    for package in metadata.workspace_packages() {
        for target in package.targets.iter().filter(|target| target.is_bench()) {
            found.push((package.name.to_string(), target.name.clone()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Keeps the wanted rows, for benchmarks that measure more than they are asked for, in the order of their ids.
fn select(mut rows: Vec<Row>, wanted: &[String]) -> Vec<Row> {
    rows.retain(|row| {
        wanted.is_empty() || wanted.iter().any(|id| id.eq_ignore_ascii_case(&row.id))
    });
    rows.sort_by_key(|row| report::place(&row.id));
    rows
}

#[cfg(test)]
mod tests {
    use cl_testkit::bench_rows::Samples;

    use super::*;

    fn row(id: &str, what: &str) -> Row {
        Row::new(id, what, "ms", &Samples::one(1.0))
    }

    fn names(rows: &[Row]) -> Vec<&str> {
        rows.iter().map(|row| row.what.as_str()).collect()
    }

    #[test]
    fn wanted_rows_are_kept_in_order() {
        let rows = vec![
            row("R1", "run"),
            row("B6", "tail"),
            row("B10", "later"),
            row("B6", "all"),
        ];
        assert_eq!(
            names(&select(rows.clone(), &[])),
            ["tail", "all", "later", "run"]
        );
        assert_eq!(
            names(&select(rows, &["b6".to_owned(), "R1".to_owned()])),
            ["tail", "all", "run"]
        );
    }

    #[test]
    fn the_data_of_the_benchmarks_is_what_is_generated() {
        assert!(ROOTS.iter().all(|(_, runs)| *runs == 3));
        assert!(BUSES.contains(&100_000) && BUSES.contains(&1000));
    }
}
