//! `pid.txt` of a run: who its agent is, for those who find no record.
//!
//! ```text
//! pid of the agent
//! its process group
//! its start token
//! ```

use std::fs;
use std::io::Read as _;

use crate::layout::RunDir;
use crate::process::{ProcessIdentity, ProcessStart};

/// Three short lines are far below this.
const LARGEST: u64 = 4096;

/// Returns the text of a process for the file.
pub fn text_of(agent: &ProcessIdentity) -> String {
    let ProcessIdentity { pid, start } = agent;
    format!("{pid}\n{pid}\n{start}\n")
}

/// Returns the agent that `pid.txt` of `run` names, alive or not.
///
/// `None` if there is no such file, or no start token in it: a number alone
/// identifies nobody. Links are not followed.
pub fn read(run: &RunDir) -> Option<ProcessIdentity> {
    let text = text(run)?;
    let mut lines = text.lines().map(str::trim);
    let pid = lines.next()?.parse().ok().filter(|pid| *pid > 0)?;
    let start = lines.nth(1).and_then(ProcessStart::parse)?;
    Some(ProcessIdentity { pid, start })
}

/// Returns the number in `pid.txt` of `run`, which may be a stranger's by now.
pub(crate) fn read_number(run: &RunDir) -> Option<i32> {
    text(run)?.lines().next()?.trim().parse().ok()
}

fn text(run: &RunDir) -> Option<String> {
    let path = run.pid_file();
    if !path.symlink_metadata().ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    let file = fs::File::open(path).ok()?;
    file.take(LARGEST).read_to_string(&mut text).ok()?;
    Some(text)
}
