//! The block of figures in the docs.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use cl_testkit::bench_rows::{HEADINGS, Row};

use super::report::{self, Report};

const PAGE: &str = "docs/dev/performance.md";
const BEGIN: &str = "<!-- begin: written by cargo xtask bench --write-docs -->";
const END: &str = "<!-- end -->";

/// Puts the newest figures of each row into the docs.
pub(super) fn write(root: &Path, reports: &[Report]) -> Result<String> {
    ensure!(
        !reports.is_empty(),
        "there are no figures yet: run cargo xtask bench"
    );
    let path = root.join(PAGE);
    let page = std::fs::read_to_string(&path).with_context(|| format!("could not read {PAGE}"))?;
    let page = replace_block(&page, &block(reports))?;
    std::fs::write(&path, page).with_context(|| format!("could not write {PAGE}"))?;
    Ok(format!("bench: figures of {PAGE} renewed"))
}

/// Returns the figures as Markdown; a row is taken from the newest report that has it.
fn block(reports: &[Report]) -> String {
    let mut taken: Vec<(&Report, Vec<&Row>)> = Vec::new();
    let mut known: Vec<&str> = Vec::new();
    for report in reports {
        let new = |row: &&Row| !known.contains(&row.id.as_str());
        let rows: Vec<&Row> = report.rows.iter().filter(new).collect();
        known.extend(rows.iter().map(|row| row.id.as_str()));
        if !rows.is_empty() {
            taken.push((report, rows));
        }
    }
    let mut text = String::new();
    for (report, mut rows) in taken {
        rows.sort_by_key(|row| report::place(&row.id));
        if !text.is_empty() {
            text.push('\n');
        }
        let Report {
            date,
            commit,
            machine,
            ..
        } = report;
        writeln!(text, "{commit} at {date}, {machine}:\n").expect(IN_MEMORY);
        push_line(&mut text, &HEADINGS.map(str::to_owned));
        push_line(&mut text, &HEADINGS.map(|_| "---".to_owned()));
        for row in rows {
            push_line(&mut text, &row.cells());
        }
    }
    text
}

const IN_MEMORY: &str = "writing to a string cannot fail";

fn push_line(text: &mut String, cells: &[String]) {
    text.push('|');
    for cell in cells {
        write!(text, " {} |", cell.replace('|', "\\|")).expect(IN_MEMORY);
    }
    text.push('\n');
}

/// Replaces what stands between the two marks.
fn replace_block(page: &str, block: &str) -> Result<String> {
    let marks = page
        .split_once(BEGIN)
        .and_then(|(front, rest)| Some((front, rest.split_once(END)?.1)));
    let (front, back) =
        marks.with_context(|| format!("{PAGE} has lost its marks: {BEGIN} and {END}"))?;
    Ok(format!("{front}{BEGIN}\n\n{block}\n{END}{back}"))
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::{report, row};
    use super::*;

    #[test]
    fn each_row_is_taken_from_the_newest_report_that_has_it() {
        let reports = [
            report("2026-01-02", vec![row("B6", 1.0), row("B6", 1.5)]),
            report(
                "2026-01-01",
                vec![row("L1", 7.0), row("B1", 8.0), row("B6", 9.0)],
            ),
            report("2025-12-31", vec![row("B1", 6.0)]),
        ];
        let expected = "\
commit-of-2026-01-02 at 2026-01-02, 2 × Fast One 3, Linux 6.1, ext4, load 0.10:

| row | what | ours | floor | ratio | goal | met | ref |
| --- | --- | --- | --- | --- | --- | --- | --- |
| B6 | what it is | 1.00 ms | – | – | ≤ 2.00 ms | yes | – |
| B6 | what it is | 1.50 ms | – | – | ≤ 2.00 ms | yes | – |

commit-of-2026-01-01 at 2026-01-01, 2 × Fast One 3, Linux 6.1, ext4, load 0.10:

| row | what | ours | floor | ratio | goal | met | ref |
| --- | --- | --- | --- | --- | --- | --- | --- |
| B1 | what it is | 8.00 ms | – | – | ≤ 2.00 ms | no | – |
| L1 | what it is | 7.00 ms | – | – | ≤ 2.00 ms | no | – |
";
        assert_eq!(block(&reports), expected);
    }

    #[test]
    fn only_the_block_is_replaced() {
        let page = format!("before\n{BEGIN}\n\nold\n\n{END}\nafter\n");
        let first = replace_block(&page, "new\n").unwrap();
        assert_eq!(first, format!("before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"));
        assert_eq!(replace_block(&first, "new\n").unwrap(), first);
    }

    #[test]
    fn a_page_without_marks_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(PAGE);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "no marks").unwrap();
        let reports = [report("d", vec![row("B1", 1.0)])];
        let error = write(folder.path(), &reports).unwrap_err().to_string();
        assert!(error.contains("has lost its marks"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "no marks");
        std::fs::write(&path, format!("{BEGIN}{END}")).unwrap();
        write(folder.path(), &reports).unwrap();
        let page = std::fs::read_to_string(&path).unwrap();
        assert!(page.contains("| B1 | what it is | 1.00 ms |"), "{page}");
        assert!(write(folder.path(), &[]).is_err());
    }
}
