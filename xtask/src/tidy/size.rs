//! Ceilings for the length of source files.

use super::{File, Finding};

/// Lines before the tests. Beyond it a module holds more than one idea.
const MAX_CODE_LINES: usize = 600;
/// All lines, tests included.
const MAX_LINES: usize = 900;

/// Files that may be longer, each with the reason why splitting would make it worse.
const ALLOWED: &[(&str, &str)] = &[];

/// Checks every Rust file against the ceilings, and the allow list against the files.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    check_with(files, ALLOWED)
}

fn check_with(files: &[File], allowed: &[(&str, &str)]) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.has_extension(&["rs"])) {
        let is_allowed = allowed.iter().any(|(path, _)| *path == file.path);
        match (problem(file), is_allowed) {
            (Some(what), false) => found.push(file.finding(0, what)),
            (None, true) => {
                found.push(file.finding(0, "is short enough: take it off the allow list"));
            }
            _ => {}
        }
    }
    for (path, _) in allowed {
        if !files.iter().any(|file| file.path == *path) {
            found.push(Finding {
                path: (*path).to_owned(),
                line: 0,
                what: "does not exist: take it off the allow list".to_owned(),
            });
        }
    }
    found
}

fn problem(file: &File) -> Option<String> {
    let all = file.text.lines().count();
    let code = code_lines(file);
    if code > MAX_CODE_LINES {
        return Some(format!(
            "{code} lines of code; split it by idea, at most {MAX_CODE_LINES}"
        ));
    }
    (all > MAX_LINES).then(|| format!("{all} lines; split it by idea, at most {MAX_LINES}"))
}

/// Counts the lines before the tests. Files that hold nothing but tests have none.
fn code_lines(file: &File) -> usize {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    if name == "tests.rs" || file.path.split('/').any(|part| part == "tests") {
        return 0;
    }
    let lines: Vec<&str> = file.text.lines().collect();
    lines
        .windows(2)
        .position(|pair| {
            pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
        })
        .unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file;

    #[track_caller]
    fn check_size(path: &str, text: &str, allowed: &[(&str, &str)], expected: &[&str]) {
        let found: Vec<String> = check_with(&[file(path, text)], allowed)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn long_code_is_found_and_tests_do_not_count() {
        let code = "fn a() {}\n".repeat(601);
        let too_long = "a.rs: 601 lines of code; split it by idea, at most 600";
        check_size("a.rs", &code, &[], &[too_long]);
        check_size("a.md", &code, &[], &[]);
        check_size("crates/x/tests/it/a.rs", &code, &[], &[]);
        let code = format!(
            "{}#[cfg(test)]\nmod tests {{\n{}}}\n",
            "fn a() {}\n".repeat(600),
            "\n".repeat(290)
        );
        check_size("a.rs", &code, &[], &[]);
    }

    #[test]
    fn long_file_is_found_whatever_it_holds() {
        let text = "\n".repeat(901);
        check_size(
            "crates/x/tests/it/a.rs",
            &text,
            &[],
            &["crates/x/tests/it/a.rs: 901 lines; split it by idea, at most 900"],
        );
    }

    #[test]
    fn allow_list_excuses_and_does_not_grow_stale() {
        let long = "\n".repeat(901);
        check_size("a.rs", &long, &[("a.rs", "a reason")], &[]);
        check_size(
            "a.rs",
            "\n",
            &[("a.rs", "a reason")],
            &["a.rs: is short enough: take it off the allow list"],
        );
        check_size(
            "a.rs",
            "\n",
            &[("b.rs", "a reason")],
            &["b.rs: does not exist: take it off the allow list"],
        );
    }

    #[test]
    fn every_exception_has_a_reason() {
        assert!(ALLOWED.iter().all(|(_, reason)| reason.len() > 10));
    }
}
