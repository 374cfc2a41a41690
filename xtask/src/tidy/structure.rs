//! Rules about what must exist beside what.

use std::collections::BTreeSet;

use super::{File, Finding, Tree};
use crate::layers;

/// Checks the rules that need more than one file.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(crates_without_layer(tree));
    found.extend(tests_left_out(tree));
    found.extend(decision_gaps(tree));
    found.extend(lock_files_with_hosts(tree));
    found
}

fn finding(path: &str, what: impl Into<String>) -> Finding {
    Finding {
        path: path.to_owned(),
        line: 0,
        what: what.into(),
    }
}

fn crates_without_layer(tree: &Tree) -> Vec<Finding> {
    let names: BTreeSet<&str> = tree
        .paths
        .iter()
        .filter_map(|path| path.strip_prefix("crates/")?.split('/').next())
        .collect();
    names
        .into_iter()
        .filter(|name| !layers::has_row(name))
        .map(|name| {
            finding(
                &format!("crates/{name}"),
                "has no row in the table of layers",
            )
        })
        .collect()
}

/// Finds test files that no `main.rs` names: they would never run.
fn tests_left_out(tree: &Tree) -> Vec<Finding> {
    let mains = tree.files.iter().filter(|file| is_test_main(&file.path));
    mains
        .flat_map(|main| modules_left_out(tree, main))
        .collect()
}

fn is_test_main(path: &str) -> bool {
    let Some(folder) = path.strip_suffix("/main.rs") else {
        return false;
    };
    matches!(
        folder.split('/').collect::<Vec<_>>()[..],
        ["crates", _, "tests", _] | ["tests", _]
    )
}

fn modules_left_out(tree: &Tree, main: &File) -> Vec<Finding> {
    let folder = main.path.trim_end_matches("main.rs");
    tree.paths
        .iter()
        .filter_map(|path| {
            let below = path.strip_prefix(folder)?;
            let module = below
                .strip_suffix("/mod.rs")
                .or_else(|| below.strip_suffix(".rs"))?;
            let is_named = module == "main" || module.contains('/') || names_module(main, module);
            (!is_named).then(|| finding(path, format!("is not named in {}", main.path)))
        })
        .collect()
}

fn names_module(main: &File, module: &str) -> bool {
    main.text.lines().any(|line| {
        let line = line.trim();
        let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
        line == format!("mod {module};") || line == format!("pub mod {module};")
    })
}

fn decision_gaps(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut expected = 1;
    for path in &tree.paths {
        let Some(name) = path.strip_prefix("docs/decisions/") else {
            continue;
        };
        let number = name
            .split_once('-')
            .filter(|(number, _)| number.len() == 4)
            .and_then(|(number, _)| number.parse::<u32>().ok());
        match number {
            Some(number) if number == expected => expected += 1,
            Some(number) => {
                found.push(finding(
                    path,
                    format!("number {number}, but {expected:04} is next"),
                ));
                expected = number + 1;
            }
            None => found.push(finding(path, "is not named NNNN-title.md")),
        }
    }
    found
}

fn lock_files_with_hosts(tree: &Tree) -> Vec<Finding> {
    tree.files
        .iter()
        .filter(|file| file.path.rsplit('/').next() == Some("package-lock.json"))
        .flat_map(|file| {
            file.lines()
                .filter(|(_, line)| line.trim_start().starts_with("\"resolved\":"))
                .filter(|(_, line)| !line.contains("\"resolved\": \"file:"))
                .map(|(number, _)| {
                    file.finding(
                        number,
                        "names a registry's address: set omit-lockfile-registry-resolved",
                    )
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file;

    #[track_caller]
    fn check_tree(files: &[(&str, &str)], expected: &[&str]) {
        let tree = Tree {
            paths: files.iter().map(|(path, _)| (*path).to_owned()).collect(),
            files: files.iter().map(|(path, text)| file(path, text)).collect(),
            root: String::new(),
        };
        let found: Vec<String> = check(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn crate_outside_the_table_is_found() {
        check_tree(&[("crates/cl-bus/Cargo.toml", "")], &[]);
        check_tree(
            &[("crates/cl-stray/Cargo.toml", "")],
            &["crates/cl-stray: has no row in the table of layers"],
        );
    }

    #[test]
    fn test_file_left_out_of_main_is_found() {
        let main = (
            "crates/cl-bus/tests/it/main.rs",
            "mod locks;\nmod faults;\n",
        );
        check_tree(
            &[
                main,
                ("crates/cl-bus/tests/it/locks.rs", ""),
                ("crates/cl-bus/tests/it/faults/mod.rs", ""),
                ("crates/cl-bus/tests/it/faults/torn.rs", ""),
            ],
            &[],
        );
        check_tree(
            &[main, ("crates/cl-bus/tests/it/forgotten.rs", "")],
            &[
                "crates/cl-bus/tests/it/forgotten.rs: is not named in crates/cl-bus/tests/it/main.rs",
            ],
        );
        check_tree(
            &[
                ("tests/run-agent/main.rs", ""),
                ("tests/run-agent/stop.rs", ""),
            ],
            &["tests/run-agent/stop.rs: is not named in tests/run-agent/main.rs"],
        );
    }

    #[test]
    fn decisions_are_numbered_without_gaps() {
        check_tree(
            &[
                ("docs/decisions/0001-a.md", ""),
                ("docs/decisions/0002-b.md", ""),
            ],
            &[],
        );
        check_tree(
            &[
                ("docs/decisions/0001-a.md", ""),
                ("docs/decisions/0003-c.md", ""),
            ],
            &["docs/decisions/0003-c.md: number 3, but 0002 is next"],
        );
        check_tree(
            &[
                ("docs/decisions/0001-a.md", ""),
                ("docs/decisions/0001-b.md", ""),
            ],
            &["docs/decisions/0001-b.md: number 1, but 0002 is next"],
        );
        check_tree(
            &[("docs/decisions/notes.md", "")],
            &["docs/decisions/notes.md: is not named NNNN-title.md"],
        );
    }

    #[test]
    fn lock_file_with_addresses_is_found() {
        check_tree(
            &[(
                "tests/agents/package-lock.json",
                "{\n  \"resolved\": \"https://example.org/a.tgz\",\n  \"integrity\": \"sha512-\"\n}\n",
            )],
            &[
                "tests/agents/package-lock.json:2: names a registry's address: set omit-lockfile-registry-resolved",
            ],
        );
    }
}
