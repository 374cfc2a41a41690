//! Reading what a task left.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::read;

/// One run: its folder and the text of its record.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) folder: PathBuf,
    record: String,
}

impl Run {
    /// Lists the task's runs, the oldest first: their names begin with the time.
    pub(super) fn all(task: &Path) -> Result<Vec<Self>> {
        let mut folders = std::fs::read_dir(task.join("runs"))
            .context("the task has no runs")?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<Vec<_>>>()?;
        folders.retain(|folder| folder.join("run-info.yaml").is_file());
        folders.sort();
        folders
            .into_iter()
            .map(|folder| {
                let record = read(&folder.join("run-info.yaml"))?;
                Ok(Self { folder, record })
            })
            .collect()
    }

    /// The value of a key at any depth; the record's keys are different everywhere. None if it is absent or empty.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let value = self.record.lines().find_map(|line| {
            let (found, value) = line.trim_start().split_once(':')?;
            (found == key).then(|| value.trim().trim_matches(['\'', '"']))
        })?;
        (!value.is_empty()).then_some(value)
    }

    /// Compares one value of the record.
    pub(super) fn expect(&self, key: &str, expected: &str) -> Result<()> {
        let found = self.get(key);
        ensure!(
            found == Some(expected),
            "expected {key} {expected:?}, found {found:?} in {}",
            self.folder.join("run-info.yaml").display()
        );
        Ok(())
    }

    /// The run's id, which is the name of its folder.
    pub(super) fn id(&self) -> Result<String> {
        let name = self.folder.file_name().context("a run has no name")?;
        Ok(name.to_string_lossy().into_owned())
    }

    /// The agent's own name for the conversation.
    pub(super) fn session(&self) -> Result<&str> {
        self.get("session_id")
            .with_context(|| format!("{} names no session", self.folder.display()))
    }

    pub(super) fn prompt(&self) -> Result<String> {
        read(&self.folder.join("prompt.md"))
    }

    /// Compares the answer, but for blanks around it.
    pub(super) fn expect_output(&self, expected: &str) -> Result<()> {
        let path = self.folder.join("output.md");
        let found = read(&path)?;
        ensure!(
            found.trim() == expected,
            "expected {expected:?}, found {found:?} in {}",
            path.display()
        );
        Ok(())
    }

    /// Compares the token counts of as many answers of the stand-in, or at least of so many.
    pub(super) fn expect_usage(&self, answers: usize, or_more: bool) -> Result<()> {
        // Cached tokens are recorded apart from the rest of the input.
        for (key, each) in [
            ("input_tokens", 120),
            ("cache_read_tokens", 30),
            ("output_tokens", 25),
        ] {
            let expected = answers * each;
            let found = self.get(key).and_then(|text| text.parse::<usize>().ok());
            let is_right =
                found == Some(expected) || (or_more && found.is_some_and(|found| found > expected));
            ensure!(
                is_right,
                "expected {key} to be {expected}, found {found:?} in {}",
                self.folder.display()
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(record: &str) -> Run {
        Run {
            folder: PathBuf::from("/runs/1"),
            record: record.to_owned(),
        }
    }

    #[test]
    fn values_are_found_with_and_without_quotes_at_any_depth() {
        let run = run("session_id: 'a:b'\nempty:\nfailure:\n    kind: auth\n");
        assert_eq!(run.session().unwrap(), "a:b");
        assert_eq!(run.get("kind"), Some("auth"));
        assert_eq!(run.get("empty"), None);
        assert_eq!(run.get("missing"), None);
        run.expect("kind", "auth").unwrap();
        run.expect("kind", "stall").unwrap_err();
    }

    #[test]
    fn usage_counts_every_answer_once() {
        let run =
            run("usage:\n  input_tokens: 240\n  output_tokens: 50\n  cache_read_tokens: 60\n");
        run.expect_usage(2, false).unwrap();
        run.expect_usage(3, true).unwrap_err();
        run.expect_usage(1, false).unwrap_err();
        run.expect_usage(1, true).unwrap();
    }

    #[test]
    fn runs_come_in_order_and_need_a_record() {
        let task = tempfile::tempdir().unwrap();
        Run::all(task.path()).unwrap_err();
        for name in ["2", "1", "0"] {
            std::fs::create_dir_all(task.path().join("runs").join(name)).unwrap();
        }
        for name in ["2", "1"] {
            let record = task.path().join("runs").join(name).join("run-info.yaml");
            std::fs::write(record, "a: b").unwrap();
        }
        let ids: Vec<String> = Run::all(task.path())
            .unwrap()
            .iter()
            .map(|run| run.id().unwrap())
            .collect();
        assert_eq!(ids, ["1", "2"]);
    }

    #[test]
    fn outputs_are_compared_but_for_blanks() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("output.md"), "done\n").unwrap();
        let run = Run {
            folder: folder.path().to_owned(),
            record: String::new(),
        };
        run.expect_output("done").unwrap();
        run.expect_output("begun").unwrap_err();
        run.prompt().unwrap_err();
    }
}
