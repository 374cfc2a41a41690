//! Tables of the documentation name the tests that prove them; the tests must exist.

use std::collections::BTreeSet;

use super::{File, Finding, Tree};

/// Checks the last column of every table whose head ends with `Test`.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut known = BTreeSet::new();
    for file in tree.files.iter().filter(|file| file.has_extension(&["rs"])) {
        known.extend(tests(&file.text));
    }
    tree.files
        .iter()
        .filter(|file| file.path.starts_with("docs/") && file.has_extension(&["md"]))
        .flat_map(|file| unknown(file, &known))
        .collect()
}

/// Returns the names of the test functions of a source.
fn tests(text: &str) -> impl Iterator<Item = &str> {
    let mut is_test = false;
    text.lines().filter_map(move |line| {
        let line = line.trim();
        is_test |= line.starts_with("#[test]");
        let name = line.strip_prefix("fn ")?.split(['(', '<']).next()?;
        std::mem::take(&mut is_test).then_some(name)
    })
}

fn unknown(file: &File, known: &BTreeSet<&str>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut in_table = false;
    for (number, line) in file.lines() {
        let Some(cells) = line.strip_prefix('|').and_then(|l| l.strip_suffix('|')) else {
            in_table = false;
            continue;
        };
        let last = cells.rsplit('|').next().unwrap_or_default().trim();
        if last.eq_ignore_ascii_case("test") {
            in_table = true;
        } else if in_table && !last.starts_with('-') {
            // What stands between backticks is every second part.
            let names: Vec<&str> = last.split('`').skip(1).step_by(2).collect();
            if names.is_empty() {
                found.push(file.finding(number, "names no test"));
            }
            for name in names.into_iter().filter(|name| !known.contains(name)) {
                found.push(file.finding(number, format!("there is no test {name}")));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    #[track_caller]
    fn check_row(row: &str, expected: &[&str]) {
        let source = "#[test]\n#[should_panic]\nfn it_is_tested() {}\nfn helper() {}\n";
        let page = format!("| Fault | Test |\n|---|---|\n{row}\n\n| a | `b` |\n");
        let tree = Tree {
            files: vec![file("a.rs", source), file("docs/a.md", &page)],
            ..Tree::default()
        };
        let found: Vec<String> = super::check(&tree).into_iter().map(|f| f.what).collect();
        assert_eq!(found, expected, "{row}");
    }

    #[test]
    fn rows_name_tests_that_exist() {
        check_row("| x | `it_is_tested` |", &[]);
        check_row(
            "| `y` | `it_is_tested` `helper` |",
            &["there is no test helper"],
        );
        check_row("| x | `gone` |", &["there is no test gone"]);
        check_row("| x | |", &["names no test"]);
    }
}
