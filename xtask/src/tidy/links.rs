//! Relative links of Markdown files must lead somewhere.

use super::{File, Finding};

/// Checks the links of one Markdown file against the repository's paths.
pub(super) fn check(file: &File, paths: &[String]) -> Vec<Finding> {
    if !file.has_extension(&["md"]) || file.is_evidence() {
        return Vec::new();
    }
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut found = Vec::new();
    let mut is_code = false;
    for (number, line) in file.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        if is_code {
            continue;
        }
        for target in targets(line) {
            if !leads_somewhere(folder, &target, paths) {
                found.push(file.finding(number, format!("link leads nowhere: {target}")));
            }
        }
    }
    found
}

/// Returns the targets of inline links and of link definitions, those in code spans left out.
fn targets(line: &str) -> Vec<String> {
    let prose: String = line.split('`').step_by(2).collect();
    let mut targets: Vec<String> = prose
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
        .filter_map(|target| target.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    if let Some((name, target)) = prose.split_once("]: ")
        && name.starts_with('[')
    {
        targets.extend(target.split_whitespace().next().map(str::to_owned));
    }
    targets
}

fn leads_somewhere(folder: &str, target: &str, paths: &[String]) -> bool {
    let target = target.trim_start_matches('<').trim_end_matches('>');
    let is_elsewhere = ["http://", "https://", "mailto:", "#"]
        .iter()
        .any(|start| target.starts_with(start));
    if is_elsewhere {
        return true;
    }
    let path = target.split('#').next().unwrap_or_default();
    let Some(resolved) = resolve(folder, path) else {
        return false;
    };
    let below = format!("{resolved}/");
    resolved.is_empty()
        || paths
            .iter()
            .any(|known| *known == resolved || known.starts_with(&below))
}

/// Joins a relative path to a folder; nothing when it leaves the repository or is absolute.
fn resolve(folder: &str, path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file;

    #[track_caller]
    fn check_links(text: &str, expected: &[&str]) {
        let paths = ["README.md".to_owned(), "docs/dev/glossary.md".to_owned()];
        let found: Vec<String> = check(&file("docs/dev/a.md", text), &paths)
            .iter()
            .map(|finding| finding.what.clone())
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn links_to_files_folders_and_sites_pass() {
        check_links("[a](glossary.md#task) [b](../../README.md)", &[]);
        check_links("[a](../dev) [b](https://example.org/x) [c](#here)", &[]);
        check_links("[name]: glossary.md", &[]);
    }

    #[test]
    fn links_to_nowhere_are_found() {
        check_links("[a](missing.md)", &["link leads nowhere: missing.md"]);
        check_links("[a](/README.md)", &["link leads nowhere: /README.md"]);
        check_links(
            "[a](../../../README.md)",
            &["link leads nowhere: ../../../README.md"],
        );
        check_links("[name]: missing.md", &["link leads nowhere: missing.md"]);
    }

    #[test]
    fn code_is_not_a_link() {
        check_links("`[a](missing.md)`\n```\n[a](missing.md)\n```\n", &[]);
    }
}
