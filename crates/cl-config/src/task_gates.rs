//! The gates that a task's own settings, `TASK-CONFIG.yaml`, name.

use std::path::Path;

use cl_storage::TaskId;
use cl_storage::task_config::TaskConfig;
use cl_storage::yaml::YamlError;

use crate::environment::Environment;
use crate::error::{ConfigError, Place, Problem, mask_line};
use crate::model::Gate;
use crate::read;
use crate::tree::{self, Document};

/// Returns the gates that `text`, the settings of `task`, names.
///
/// They are written like `defaults.gates` of the configuration. All mistakes are
/// returned at once, each with its place, those in what the task depends on included;
/// other keys are not looked at. `path` is where the text stands, for messages.
pub fn task_gates(
    text: &str,
    path: &Path,
    task: &TaskId,
    environment: &Environment,
) -> Result<Vec<Gate>, ConfigError> {
    let malformed = |error: YamlError| {
        ConfigError::Problems(vec![Problem {
            place: Place::File {
                path: path.to_owned(),
                line: error.line,
                column: error.column,
                length: 1,
                source_line: mask_line(tree::line_of(text, error.line)),
            },
            key: String::new(),
            message: error.message,
            hint: None,
        }])
    };
    let document = Document::parse(text).map_err(malformed)?;
    let file = read::File {
        shown: path,
        folder: path.parent().unwrap_or(path),
        is_exposed: false,
    };
    let gates =
        read::read_task_gates(&document, &file, task, environment).map_err(|mut problems| {
            problems.sort_by(|a, b| a.place.cmp(&b.place));
            ConfigError::Problems(problems)
        })?;
    // Whoever launches the task reads it so: what is refused there is refused here, with its place.
    TaskConfig::parse(text).map_err(malformed)?;
    Ok(gates)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Gate>, String> {
        let path = Path::new("/x/TASK-CONFIG.yaml");
        let environment = Environment::new([("HOME", "/nowhere")], "/x");
        let task = TaskId::parse_existing("me").unwrap();
        task_gates(text, path, &task, &environment).map_err(|error| match error {
            ConfigError::Problems(problems) => {
                let lines = problems.iter().map(|problem| match &problem.place {
                    Place::File { line, column, .. } => {
                        format!("{line}:{column} {}", problem.message)
                    }
                    other @ Place::Variable(_) => format!("{other:?}"),
                });
                lines.collect::<Vec<_>>().join("\n")
            }
            other => other.to_string(),
        })
    }

    #[test]
    fn gates_are_read_and_what_others_keep_there_is_left_alone() {
        let gates = read(
            "depends_on: [a, b]\nunblocked: {x: 1}\nothers: [../x]\ngates:\n  - make check\n  - {name: lint, run: make lint, timeout: 90s, cwd: sub}\n",
        )
        .unwrap();
        assert_eq!(gates.len(), 2);
        assert_eq!(
            (gates[0].name.as_str(), gates[1].name.as_str()),
            ("make check", "lint")
        );
        assert_eq!(gates[1].timeout, Some(std::time::Duration::from_secs(90)));
        assert_eq!(read("depends_on: []\n").unwrap(), []);
        assert_eq!(read("").unwrap(), []);
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let problems =
            read("gates:\n  - {run: x, timout: 3}\n  - {name: y}\n  - [z]\n").unwrap_err();
        let places: Vec<&str> = problems
            .lines()
            .filter_map(|l| l.split(' ').next())
            .collect();
        assert_eq!(places, ["2:14", "3:5", "4:5"], "{problems}");
        assert!(problems.contains("did you mean \"timeout\"?"), "{problems}");
        for (text, expected) in [
            ("gates: [{run: x, cwd: ../..}]", "1:23 "),
            ("gates: [{run: x, cwd: a/../../b}]", "1:23 "),
            ("gates: [{run: x, cwd: /tmp}]", "1:23 "),
            ("depends_on: [a, ../x]", "1:17 depends_on[1]: "),
            (
                "depends_on:\n  - a, me",
                "2:5 task \"me\" cannot depend on itself",
            ),
            (
                "depends_on: {a: b}",
                "1:13 depends_on must be the id of a task",
            ),
            (
                "depends_on: [[a]]",
                "1:14 depends_on[0] must be the id of a task",
            ),
            ("unblocked: x", "1:12 unblocked must be a mapping"),
            ("unblocked: {dependencies: [a/b]}", "1:28 "),
            ("unblocked: {at: soon}", "1:"),
        ] {
            let problems = read(text).unwrap_err();
            assert!(problems.starts_with(expected), "{text}: {problems}");
        }
        for text in [
            "gates: [{run: x, cwd: a/../b}]",
            "depends_on: a,b",
            "depends_on:",
        ] {
            read(text).unwrap();
        }
        assert!(read("gates: yes").unwrap_err().starts_with("1:8 "));
        assert!(read("- a").unwrap_err().starts_with("1:1 "));
        assert!(read("gates: [").is_err());
    }
}
