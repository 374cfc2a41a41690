//! Asking an agent's program about itself, from a command and without a supervisor.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use crate::process::spawn::{Program, spawn};
use crate::wishes::{Wish, Wishes};

/// A program that needs longer is hanging.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How often the program is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The most that is read of what it prints, and more than it may print.
const LONGEST_ANSWER: u64 = 1024 * 1024;

/// How long processes that were sent SIGKILL are waited for.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// What the program printed on both of its streams.
    Text(String),
    /// It was still running, or printing, when its time was over.
    TooLong,
    /// This process was asked to end by a signal of this number.
    Interrupted(i32),
}

/// Asks programs, which must not outlive this process.
#[derive(Debug)]
pub struct Inspector {
    wishes: Wishes,
}

impl Inspector {
    /// Installs handlers for INT, TERM and HUP, which stay installed.
    pub fn prepare() -> io::Result<Self> {
        let wishes = Wishes::prepare()?;
        Ok(Self { wishes })
    }

    /// Returns the number of a signal that asked this process to end since the handlers were
    /// installed and that no question has taken note of: nobody else will.
    pub fn interruption(&mut self) -> Option<i32> {
        // Not zero: what has come is noticed by waiting for it.
        self.wishes
            .within(Duration::from_millis(1))
            .map(Wish::signal)
    }

    /// Starts `program` with `args` and returns what it printed.
    ///
    /// Blocks for up to 10 s. Afterwards nothing of its process group is alive.
    /// Fails if the program cannot be started.
    pub fn ask(
        &mut self,
        program: &Path,
        args: &[String],
        env: &BTreeMap<String, String>,
        cwd: &Path,
    ) -> io::Result<Answer> {
        let out = File::from(rustix::fs::memfd_create(
            "answer",
            rustix::fs::MemfdFlags::CLOEXEC,
        )?);
        let asked = spawn(Program {
            path: program,
            args,
            env,
            cwd,
            stdin: None,
            stdout: Some(out.try_clone()?),
            stderr: Some(out.try_clone()?),
        })?;
        let leader = Pid::from_raw(asked.pid)
            .ok_or_else(|| io::Error::other("a process without a number"))?;
        let Wishes { runtime, signals } = &mut self.wishes;
        let until = Instant::now() + ANSWER_WITHIN;
        let ended = runtime.block_on(async {
            loop {
                if has_ended(leader)? {
                    return Ok(None);
                }
                let is_flooding = out.metadata()?.len() > LONGEST_ANSWER;
                if is_flooding || Instant::now() >= until {
                    return Ok(Some(Answer::TooLong));
                }
                if let Some(wish) = signals.within(LOOK_EVERY).await {
                    return Ok(Some(Answer::Interrupted(wish.signal())));
                }
            }
        });
        end_group(leader);
        match ended {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => read(&out).map(Answer::Text),
            Err(error) => Err(error),
        }
    }
}

/// Tells whether a child has ended, and leaves it to be waited for: so its number,
/// which is that of its group, is not given to anybody else.
fn has_ended(child: Pid) -> io::Result<bool> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Ok(rustix::process::waitid(WaitId::Pid(child), options)?.is_some())
}

/// Kills what is left of the group of a child that was not waited for yet, and waits for it.
fn end_group(leader: Pid) {
    let until = Instant::now() + GONE_WITHIN;
    // Only the leader, which has ended, may be left of it: then nobody can be reached.
    rustix::process::kill_process_group(leader, Signal::KILL).unwrap_or_default();
    while !has_ended(leader).unwrap_or(true) && Instant::now() < until {
        std::thread::sleep(LOOK_EVERY);
    }
    rustix::process::waitpid(Some(leader), rustix::process::WaitOptions::NOHANG)
        .map(drop)
        .unwrap_or_default();
}

fn read(file: &File) -> io::Result<String> {
    use std::os::unix::fs::FileExt as _;
    let length = file.metadata()?.len().min(LONGEST_ANSWER);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_comes_between_questions_is_kept() {
        let mut inspector = Inspector::prepare().unwrap();
        assert_eq!(inspector.interruption(), None);
        rustix::process::kill_process(rustix::process::getpid(), Signal::HUP).unwrap();
        let until = Instant::now() + ANSWER_WITHIN;
        let mut found = None;
        while found.is_none() && Instant::now() < until {
            found = inspector.interruption();
        }
        assert_eq!((found, inspector.interruption()), (Some(1), None));
    }
}
