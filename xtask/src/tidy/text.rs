//! Rules about single lines: blanks, tabs, leftovers, paths of one machine.

use super::{File, Finding};

/// Macros that are fine while working and wrong in a commit.
const LEFTOVERS: &[&str] = &[
    concat!("dbg", "!("),
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
];
/// Words that promise work; each needs the number of the issue that tracks it.
const PROMISES: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME")];
/// Home folders that belong to nobody and may stand in examples.
const EXAMPLE_USERS: &[&str] = &[
    "alice", "bob", "dev", "example", "me", "name", "someone", "u", "user", "you",
];

/// Checks one file line by line; `root` is the checkout's own path.
pub(super) fn check(file: &File, root: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for (number, line) in file.lines() {
        found.extend(
            line_problems(file, line, root)
                .into_iter()
                .map(|what| file.finding(number, what)),
        );
    }
    if !file.is_evidence() && !file.text.is_empty() && !file.text.ends_with('\n') {
        found.push(file.finding(0, "does not end with a line break"));
    }
    found
}

fn line_problems(file: &File, line: &str, root: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let is_rust = file.has_extension(&["rs"]);
    if !file.is_evidence() && line.ends_with([' ', '\t', '\r']) {
        problems.push("blank at the end of the line".to_owned());
    }
    if is_rust && line.contains('\t') {
        problems.push("tab; use spaces, or an escape inside a string".to_owned());
    }
    if is_rust {
        let leftover = LEFTOVERS.iter().find(|name| has_word(line, name));
        problems.extend(leftover.map(|name| format!("{} left behind", name.trim_end_matches('('))));
    }
    if let Some(comment) = comment_of(file, line)
        && let Some(word) = promise_without_issue(comment)
    {
        problems.push(format!("{word} without an issue: write {word}(#123)"));
    }
    if root.len() > 1 && line.contains(root) {
        problems.push("names the path of this checkout".to_owned());
    }
    if !file.is_evidence()
        && let Some(path) = home_path(line)
    {
        problems.push(format!("names a home folder: {path}"));
    }
    problems
}

/// Tells whether the text stands in the line at the start of a word.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_')
    })
}

/// Returns the comment of a line of code, in files whose comments we know.
fn comment_of<'a>(file: &File, line: &'a str) -> Option<&'a str> {
    let mark = if file.has_extension(&["rs", "ts", "tsx", "js", "mjs"]) {
        "//"
    } else if file.has_extension(&["toml", "yml", "yaml", "sh"]) || file.path.starts_with(".ci/") {
        "#"
    } else {
        return None;
    };
    line.split_once(mark).map(|(_, comment)| comment)
}

fn promise_without_issue(comment: &str) -> Option<&'static str> {
    PROMISES.iter().copied().find(|word| {
        comment.match_indices(word).any(|(at, _)| {
            let rest = &comment[at + word.len()..];
            let is_word = !comment[..at].ends_with(char::is_alphanumeric)
                && !rest.starts_with(|after: char| after.is_alphanumeric() || after == '.');
            let number = rest
                .strip_prefix("(#")
                .and_then(|rest| rest.split_once(')'))
                .map(|(number, _)| number);
            let has_issue = number.is_some_and(|number| {
                !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
            });
            is_word && !has_issue
        })
    })
}

/// Finds a path below somebody's home folder.
fn home_path(line: &str) -> Option<&str> {
    [
        concat!("/ho", "me/"),
        concat!("/Us", "ers/"),
        concat!("/ro", "ot/."),
    ]
    .iter()
    .flat_map(|start| line.match_indices(start))
    .find_map(|(at, start)| {
        let is_inside_path = line[..at].ends_with(|before: char| {
            before.is_alphanumeric() || matches!(before, '.' | '_' | '-' | '>' | '}' | '~')
        });
        let rest = &line[at + start.len()..];
        let name_end = rest
            .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.')))
            .unwrap_or(rest.len());
        let name = &rest[..name_end];
        let is_example = name.is_empty() || EXAMPLE_USERS.contains(&name);
        (!is_inside_path && !is_example).then(|| &line[at..at + start.len() + name_end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file;

    #[track_caller]
    fn check_text(path: &str, text: &str, expected: &[&str]) {
        let found: Vec<String> = check(&file(path, text), "/place/of/checkout")
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn blanks_at_line_ends_are_found() {
        let blank = "a.md:1: blank at the end of the line";
        check_text("a.md", "text \n", &[blank]);
        check_text("a.md", "text\r\n", &[blank]);
        check_text("a.md", "text\n", &[]);
        check_text("crates/x/tests/fixtures/a.txt", "text \n", &[]);
    }

    #[test]
    fn missing_last_line_break_is_found() {
        check_text("a.md", "text", &["a.md: does not end with a line break"]);
        check_text("a.md", "", &[]);
    }

    #[test]
    fn tabs_in_rust_are_found() {
        check_text(
            "a.rs",
            "\tlet a;\n",
            &["a.rs:1: tab; use spaces, or an escape inside a string"],
        );
        check_text("Makefile", "\ttrue\n", &[]);
    }

    #[test]
    fn leftovers_are_found() {
        let text = format!("{}1);\n", LEFTOVERS[0]);
        check_text("a.rs", &text, &[concat!("a.rs:1: dbg", "! left behind")]);
        let text = format!("{});\n", LEFTOVERS[1]);
        check_text("a.rs", &text, &[concat!("a.rs:1: todo", "! left behind")]);
        let text = format!("{});\n", LEFTOVERS[2]);
        check_text(
            "a.rs",
            &text,
            &[concat!("a.rs:1: unimplemented", "! left behind")],
        );
        check_text("a.rs", &format!("my_{}1);\n", LEFTOVERS[0]), &[]);
    }

    #[test]
    fn promises_need_an_issue() {
        let word = PROMISES[0];
        let expected = format!("a.rs:2: {word} without an issue: write {word}(#123)");
        check_text("a.rs", &format!("//\n// {word}: later\n"), &[&expected]);
        check_text("a.rs", &format!("// {word}(#12): later\n"), &[]);
        check_text("a.rs", &format!("// reads {word}s.md\n"), &[]);
        check_text("a.rs", &format!("let name = \"{word}\";\n"), &[]);
        let expected = format!("a.yml:1: {word} without an issue: write {word}(#123)");
        check_text("a.yml", &format!("a: b # {word}(#x)\n"), &[&expected]);
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        check_text(
            "a.md",
            "see /place/of/checkout/docs\n",
            &["a.md:1: names the path of this checkout"],
        );
        let home = format!("{}jane", concat!("/ho", "me/"));
        check_text(
            "a.toml",
            &format!("path = \"{home}/x\"\n"),
            &[&format!("a.toml:1: names a home folder: {home}")],
        );
        check_text("a.rs", "let home = \"/home/user/x\";\n", &[]);
        check_text("a.rs", "let below = \"{root}/home/jane\";\n", &[]);
    }
}
