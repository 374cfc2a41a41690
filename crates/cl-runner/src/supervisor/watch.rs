//! Watching a running agent until nothing of it is left.

use std::fs::File;
use std::time::Duration;

use cl_agent::{Exit, Outcome};
use cl_storage::process::ProcessIdentity;
use cl_storage::run_info::StopRecord;
use cl_storage::{Clock as _, RunDir, SystemClock, crash};
use jiff::Timestamp;
use tokio::time::Instant;

use super::Supervisor;
use super::attempt::{Ended, RunEnd};
use super::limits::{self, Progress};
use super::live::LiveAccount;
use crate::process::end::{Ending, LOOK_AGAIN};
use crate::process::pids::PidSpan;
use crate::process::tree::{self, Search};
use crate::{output, run_usage};

/// How long writers of an agent's stdout may go on after its leader has ended.
///
/// Some agents are started by a small launcher that can die before the real
/// program has written its last lines.
const DRAIN: Duration = Duration::from_secs(2);

/// How much of a stream is read in one look, so that the supervisor stays attentive.
const READ_AT_ONCE: u64 = 8 * 1024 * 1024;

/// The longest time from SIGTERM to SIGKILL for a run whose budget is used up.
const BUDGET_GRACE: Duration = Duration::from_secs(1);

/// The number of SIGKILL.
const KILLED: i32 = 9;

impl Supervisor {
    /// Watches the agent until nothing of it is left; `before` is of just before its start.
    pub(super) async fn wait_for_agent(
        &mut self,
        run: &RunDir,
        agent: &ProcessIdentity,
        problem: Option<String>,
        before: Option<&PidSpan>,
    ) -> RunEnd {
        let started = Instant::now();
        let mut policy = self.record.policy.clone();
        policy.max_duration = self.longest_attempt();
        let idle = self.idle_limit().map(|limit| limit + self.idle_slack());
        let look_every = limits::look_every(idle, policy.max_duration);
        let mut last_growth = (started, 0);
        let mut stream = LiveStream::new(self.agent.spec.stream_parser());
        let mut meter = self.meter(run);
        let mut account = LiveAccount::default();
        let mut ended = problem.map_or(Ended::ByItself, Ended::Unrecorded);
        let mut ending = Ending::default();
        let mut kill_at = (!matches!(ended, Ended::ByItself)).then(|| started + policy.grace);
        let exit = loop {
            if let Some(exit) = self.reaper.take(agent.pid) {
                break exit;
            }
            if self.stop.is_some() && !matches!(ended, Ended::Stop) {
                ended = Ended::Stop;
            }
            if matches!(ended, Ended::ByItself) {
                let size = stream_bytes(run);
                if size != last_growth.1 {
                    last_growth = (Instant::now(), size);
                }
                let progress = Progress {
                    elapsed: started.elapsed(),
                    silent: last_growth.0.elapsed(),
                    output_bytes: size,
                };
                if let Some((kind, text)) = limits::exceeded(&policy, idle, &progress) {
                    ended = Ended::Limit(kind, text);
                    kill_at = Some(Instant::now() + policy.grace);
                } else {
                    stream.read(run, READ_AT_ONCE);
                    self.keep_account(&mut account, run, stream.parser());
                    if let Some(failure) = self.spend(&mut meter, run, stream.parser()) {
                        ended = Ended::Limit(failure.kind, failure.detail);
                        // What goes on costs more: there is less patience than elsewhere.
                        kill_at = Some(Instant::now() + policy.grace.min(BUDGET_GRACE));
                    }
                }
            }
            if let Some(moment) = self.kill_moment(&ended, kill_at) {
                let mut alive = self.processes(run, agent);
                let kill = Instant::now() >= moment;
                if !kill && self.agent.spec.kind == cl_agent::AgentKind::Acp {
                    // Its worker asks it to end its turn, and ends it itself.
                    alive.retain(|process| process == agent);
                }
                ending.signal(&alive, kill);
                if ending.is_outrun() {
                    self.kill_group(&alive);
                }
                if ending.is_over() {
                    // It hangs in the kernel; the record will name it a survivor.
                    break Exit::Signal(KILLED);
                }
                self.next_event(LOOK_AGAIN).await;
            } else {
                self.next_event(look_every).await;
            }
        };
        crash::point("exited-unrecorded");
        let stop_started = Instant::now();
        let outcome = self
            .drain(run, agent, exit, matches!(ended, Ended::ByItself), stream)
            .await;
        crash::point("draining");
        let survivors = self
            .end_rest(run, agent, before, &ended, kill_at, ending)
            .await;
        let stop = self.stop_record(&ended, survivors, stop_started);
        let exit_code = exit_code(exit);
        RunEnd {
            outcome,
            exit_code,
            ended,
            stop,
        }
    }

    /// When SIGKILL follows SIGTERM; `None` while the agent is left alone.
    fn kill_moment(&self, ended: &Ended, kill_at: Option<Instant>) -> Option<Instant> {
        match (ended, &self.stop) {
            (Ended::ByItself, _) => None,
            // The wish may have become more urgent since.
            (Ended::Stop, Some(stop)) => {
                let left = stop.kill_at.duration_since(self.now());
                Some(Instant::now() + Duration::try_from(left).unwrap_or(Duration::ZERO))
            }
            _ => kill_at,
        }
    }

    fn processes(&self, run: &RunDir, agent: &ProcessIdentity) -> Vec<ProcessIdentity> {
        tree::find(&self.search(run, agent))
    }

    fn search<'a>(&'a self, run: &'a RunDir, agent: &'a ProcessIdentity) -> Search<'a> {
        Search {
            run: run.id(),
            agent: Some(agent),
            adopted_by: i32::try_from(std::process::id()).ok(),
            supervisor: None,
            root: self.root.path(),
        }
    }

    /// Reads the stream to its end, giving late writers a moment to finish.
    async fn drain(
        &mut self,
        run: &RunDir,
        agent: &ProcessIdentity,
        exit: Exit,
        by_itself: bool,
        mut stream: LiveStream,
    ) -> Outcome {
        let until = Instant::now() + DRAIN;
        // What the agent had written when it ended is read, whatever its leftovers add.
        let written = stream_length(run);
        loop {
            let is_behind = stream.read(run, READ_AT_ONCE);
            let late = Late {
                is_behind,
                is_short: stream.position < written,
                may_wait: by_itself && Instant::now() < until,
                is_stopping: self.stop.is_some(),
                is_closed: stream.parser().closing_event_seen(),
            };
            match late.next() {
                Next::ReadOn => self.next_event(Duration::ZERO).await,
                Next::WaitForWriters if self.has_writer(run, agent) => {
                    self.next_event(LOOK_AGAIN).await;
                }
                Next::WaitForWriters | Next::End => break,
            }
        }
        // A writer that was gone at the last look may have written just before.
        stream.read(run, READ_AT_ONCE);
        let stderr = output::tail(&run.stderr(), 200);
        let mut outcome = stream.finish(exit, stderr.as_bytes(), self.now());
        if outcome.usage.is_none() {
            outcome.usage = run_usage::in_file(run, self.agent.spec.dialect);
        }
        outcome
    }

    /// Tells whether a process of the agent still holds its stdout file open.
    fn has_writer(&mut self, run: &RunDir, agent: &ProcessIdentity) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let file = |path: &std::path::Path| {
            std::fs::metadata(path)
                .ok()
                .map(|meta| (meta.dev(), meta.ino()))
        };
        // Late writers are what the agent has left behind.
        if !self.reaper.reap() {
            return false;
        }
        let Some(stdout) = file(&run.stdout()) else {
            return false;
        };
        self.processes(run, agent).iter().any(|process| {
            let Ok(fds) = std::fs::read_dir(format!("/proc/{}/fd", process.pid)) else {
                return false;
            };
            fds.filter_map(Result::ok)
                .any(|fd| file(&fd.path()) == Some(stdout))
        })
    }

    /// Ends every process that is left of the run; returns how many survive.
    async fn end_rest(
        &mut self,
        run: &RunDir,
        agent: &ProcessIdentity,
        before: Option<&PidSpan>,
        ended: &Ended,
        kill_at: Option<Instant>,
        mut ending: Ending,
    ) -> u32 {
        let leftover_grace = Instant::now() + self.record.policy.grace;
        loop {
            let alive = if self.reaper.reap() {
                self.processes(run, agent)
            } else {
                tree::find_strangers(&self.search(run, agent), before)
            };
            if alive.is_empty() {
                return 0;
            }
            let ended = if self.stop.is_some() {
                &Ended::Stop
            } else {
                ended
            };
            let moment = self.kill_moment(ended, kill_at).unwrap_or(leftover_grace);
            if ending.is_over() {
                let pids: Vec<i32> = alive.iter().map(|process| process.pid).collect();
                tracing::error!(?pids, "processes survive SIGKILL");
                return u32::try_from(alive.len()).unwrap_or(u32::MAX);
            }
            ending.signal(&alive, Instant::now() >= moment);
            if ending.is_outrun() {
                self.kill_group(&alive);
            }
            self.next_event(LOOK_AGAIN).await;
        }
    }

    /// What a record says of the stop; none if the agent ended by itself.
    pub(super) fn stop_record(
        &self,
        ended: &Ended,
        survivors: u32,
        since: Instant,
    ) -> Option<StopRecord> {
        let now = self.now();
        let (by, requested_at) = match (ended, &self.stop) {
            (Ended::Stop, Some(stop)) => (stop.by.clone(), stop.requested_at),
            (Ended::Limit(kind, _), _) => (kind.to_string(), now),
            _ if survivors > 0 => ("end of the run".to_owned(), now),
            _ => return None,
        };
        let took = now
            .duration_since(requested_at)
            .as_millis()
            .max(since.elapsed().as_millis().try_into().unwrap_or(0));
        Some(StopRecord {
            requested_at,
            by,
            survivors,
            took_ms: u64::try_from(took).unwrap_or(0),
        })
    }
}

fn exit_code(exit: Exit) -> i32 {
    match exit {
        Exit::Code(code) => code,
        Exit::Signal(signal) => 128 + signal,
    }
}

fn stream_bytes(run: &RunDir) -> u64 {
    let size = |path: std::path::PathBuf| std::fs::metadata(path).map_or(0, |meta| meta.len());
    size(run.stdout()) + size(run.stderr())
}

fn stream_length(run: &RunDir) -> u64 {
    std::fs::metadata(run.stdout()).map_or(0, |meta| meta.len())
}

/// What is known of a stream whose agent has ended, after each part that was read of it.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each the answer to one question"
)]
struct Late {
    /// There was more than is read at once.
    is_behind: bool,
    /// Some of what the agent itself has written is unread.
    is_short: bool,
    /// There is time for what is written since.
    may_wait: bool,
    /// Somebody wants the task to end.
    is_stopping: bool,
    /// The agent has said its last word.
    is_closed: bool,
}

/// What follows a part of such a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The next part, after a look at what else has happened.
    ReadOn,
    /// A moment for late writers, if there are any.
    WaitForWriters,
    /// Nothing more is read.
    End,
}

impl Late {
    /// Decides; a leftover that writes faster than is read holds up nothing for longer than [`DRAIN`].
    fn next(self) -> Next {
        match () {
            // How the run went is known, and its tree is to be ended.
            () if self.is_stopping => Next::End,
            () if self.is_behind && (self.is_short || self.may_wait) => Next::ReadOn,
            () if self.is_closed || !self.may_wait => Next::End,
            () => Next::WaitForWriters,
        }
    }
}

/// An agent's standard output as it grows: each byte is read once.
struct LiveStream {
    parser: cl_agent::StreamParser,
    file: Option<File>,
    position: u64,
}

impl LiveStream {
    fn new(parser: cl_agent::StreamParser) -> Self {
        Self {
            parser,
            file: None,
            position: 0,
        }
    }

    fn parser(&self) -> &cl_agent::StreamParser {
        &self.parser
    }

    /// Reads what the file has gained, `at_most` so many bytes; true if there may be more.
    fn read(&mut self, run: &RunDir, at_most: u64) -> bool {
        use std::os::unix::fs::FileExt as _;
        if self.file.is_none() {
            self.file = File::open(run.stdout()).ok();
        }
        let Some(file) = &self.file else {
            return false;
        };
        let end = self.position.saturating_add(at_most);
        let mut buffer = vec![0; 64 * 1024];
        while self.position < end {
            let left = usize::try_from(end - self.position).unwrap_or(usize::MAX);
            let part = left.min(buffer.len());
            let Ok(read @ 1..) = file.read_at(&mut buffer[..part], self.position) else {
                return false;
            };
            // Agents say "in two hours" and "at 3am", and mean when they said it.
            self.parser.tell_time(SystemClock.now());
            self.parser.feed(&buffer[..read]);
            self.position += read as u64;
        }
        true
    }

    /// Decides how the run went; times of day in what was said are those around `now`.
    fn finish(mut self, exit: Exit, stderr_tail: &[u8], now: Timestamp) -> Outcome {
        self.parser.tell_time(now);
        self.parser.finish(exit, stderr_tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cl_storage::{ProjectId, Root, TaskId};

    #[test]
    fn a_stream_is_read_in_parts_and_no_byte_twice() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let id = TaskId::parse("task-20260101-000000-abc").unwrap();
        let task = root.task(&ProjectId::parse("p").unwrap(), &id).unwrap();
        task.ensure().unwrap();
        let run = task.create_run(SystemClock.now()).unwrap();
        let parser = cl_agent::StreamParser::new(cl_agent::Dialect::Text);
        let mut stream = LiveStream::new(parser);
        assert!(!stream.read(&run, 10), "there is no file");
        std::fs::write(run.stdout(), "x".repeat(25)).unwrap();
        for (is_behind, position) in [(true, 10), (true, 20), (false, 25), (false, 25)] {
            assert_eq!(stream.read(&run, 10), is_behind);
            assert_eq!(stream.position, position);
        }
    }

    #[test]
    fn whoever_writes_on_behind_an_agent_holds_up_nothing() {
        let facts = |bits: u32| Late {
            is_behind: bits & 1 != 0,
            is_short: bits & 2 != 0,
            may_wait: bits & 4 != 0,
            is_stopping: bits & 8 != 0,
            is_closed: bits & 16 != 0,
        };
        for late in (0..32).map(facts) {
            let next = late.next();
            if late.is_stopping {
                assert_eq!(next, Next::End, "{late:?}");
            }
            if !late.is_short && !late.may_wait {
                assert_eq!(next, Next::End, "only what was there at the end: {late:?}");
            }
            if late.is_behind && late.is_short && !late.is_stopping {
                assert_eq!(next, Next::ReadOn, "the agent's own words: {late:?}");
            }
        }
        let open = facts(4);
        assert_eq!(open.next(), Next::WaitForWriters);
        assert_eq!(
            Late {
                is_closed: true,
                ..open
            }
            .next(),
            Next::End
        );
    }
}
