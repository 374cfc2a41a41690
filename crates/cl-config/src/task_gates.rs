//! The gates that a task's own settings, `TASK-CONFIG.yaml`, name.

use std::fs;
use std::io;
use std::path::Path;

use crate::environment::Environment;
use crate::error::{ConfigError, Place, Problem, mask_line};
use crate::model::Gate;
use crate::read;
use crate::tree::{self, Document};

/// The settings of a task are a few lines.
const LARGEST: u64 = 1024 * 1024;

/// Returns the gates that the file at `path` names; none if there is no file.
///
/// They are written like `defaults.gates` of the configuration. All mistakes are
/// returned at once, each with its place; keys beside `gates` are not looked at.
pub fn task_gates(path: &Path, environment: &Environment) -> Result<Vec<Gate>, ConfigError> {
    let text = match read_text(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => {
            return Err(ConfigError::Read {
                path: path.to_owned(),
                source,
            });
        }
    };
    let document = Document::parse(&text).map_err(|error| {
        ConfigError::Problems(vec![Problem {
            place: Place::File {
                path: path.to_owned(),
                line: error.line,
                column: error.column,
                length: 1,
                source_line: mask_line(tree::line_of(&text, error.line)),
            },
            key: String::new(),
            message: error.message,
            hint: None,
        }])
    })?;
    let file = read::File {
        shown: path,
        folder: path.parent().unwrap_or(path),
        is_exposed: false,
    };
    read::read_task_gates(&document, &file, environment).map_err(|mut problems| {
        problems.sort_by(|a, b| a.place.cmp(&b.place));
        ConfigError::Problems(problems)
    })
}

fn read_text(path: &Path) -> io::Result<String> {
    use std::io::Read as _;
    let file = fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut text = String::new();
    file.take(LARGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Gate>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("TASK-CONFIG.yaml");
        fs::write(&path, text).unwrap();
        let environment = Environment::new([("HOME", "/nowhere")], folder.path());
        task_gates(&path, &environment).map_err(|error| match error {
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
            "depends_on: [a, b]\nunblocked: {x: 1}\ngates:\n  - make check\n  - {name: lint, run: make lint, timeout: 90s, cwd: sub}\n",
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
        assert!(read("gates: yes").unwrap_err().starts_with("1:8 "));
        assert!(read("- a").unwrap_err().starts_with("1:1 "));
        assert!(read("gates: [").is_err());
    }
}
