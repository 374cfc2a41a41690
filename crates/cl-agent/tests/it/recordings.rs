//! Access to the recorded runs below `fixtures/`.

use std::fs;
use std::path::{Path, PathBuf};

use cl_agent::{Dialect, Exit, Outcome, StreamParser};

/// One recorded run.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) case: String,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) exit: Exit,
}

impl Recording {
    /// Feeds the whole output at once and returns the verdict.
    pub(crate) fn outcome(&self, dialect: Dialect) -> Outcome {
        let mut parser = StreamParser::new(dialect);
        parser.feed(&self.stdout);
        parser.finish(self.exit, &self.stderr)
    }
}

/// Returns the folder of one program's recordings.
pub(crate) fn folder(program: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/fixtures")
        .join(program)
}

/// Returns every recording of one program, by name.
pub(crate) fn recordings(program: &str) -> Vec<Recording> {
    let folder = folder(program);
    let mut cases: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".stdout").map(str::to_owned))
        .collect();
    cases.sort();
    assert!(!cases.is_empty(), "no recordings of {program}");
    cases
        .into_iter()
        .map(|case| Recording {
            stdout: fs::read(folder.join(format!("{case}.stdout"))).unwrap(),
            stderr: fs::read(folder.join(format!("{case}.stderr"))).unwrap_or_default(),
            exit: exit(&folder.join(format!("{case}.exit"))),
            case,
        })
        .collect()
}

/// Returns one recording.
pub(crate) fn recording(program: &str, case: &str) -> Recording {
    recordings(program)
        .into_iter()
        .find(|recording| recording.case == case)
        .unwrap_or_else(|| panic!("no recording {case} of {program}"))
}

/// Reads an exit file: a code, a negative signal, or `timeout` for a run that had to be killed.
fn exit(path: &Path) -> Exit {
    let Ok(text) = fs::read_to_string(path) else {
        return Exit::Code(0);
    };
    match text.trim() {
        "timeout" => Exit::Signal(9),
        text => match text.parse::<i32>().unwrap() {
            code if code < 0 => Exit::Signal(-code),
            code => Exit::Code(code),
        },
    }
}
