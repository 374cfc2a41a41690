//! What a command that waits shows: one live line on a terminal, plain lines elsewhere.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use cl_agent::{AgentSpec, StreamParser};
use cl_bus::{Bus, Event, FollowOptions, Follower, Start, Wake};
use cl_runner::launch::LaunchFile;
use cl_storage::redact::Redactor;
use cl_storage::run_info::RunInfo;
use cl_storage::task_state::TaskState;
use cl_storage::{RunDir, TaskDir};

use crate::console::Console;
use crate::view::{MaskedText, Renderer, harmless};

/// How often a live line is drawn anew.
const DRAW_EVERY: Duration = Duration::from_millis(250);

/// How much of an agent's output is read at once, and how often at one look.
const BITE: usize = 64 * 1024;
const MOST_BITES: usize = 64;

/// What is shown of a task while somebody waits for it.
#[derive(Debug)]
pub(super) struct Progress<'a> {
    console: &'a mut Console,
    task: &'a TaskDir,
    follower: Option<Follower>,
    started: Instant,
    drawn: Option<Instant>,
    has_live_line: bool,
    shows_output: bool,
    attempt: u32,
    waiting_for: Option<String>,
    message: String,
    stream: Option<Stream>,
    redactor: Redactor,
}

/// The stream of the current run.
#[derive(Debug)]
struct Stream {
    run: RunDir,
    parser: StreamParser,
    position: u64,
    renderer: Renderer,
    masked: MaskedText,
    last_line: String,
}

impl<'a> Progress<'a> {
    /// Starts to show `task` with the messages from `start` on.
    pub(super) fn new(
        console: &'a mut Console,
        task: &'a TaskDir,
        start: &Start,
        shows_output: bool,
        redactor: Redactor,
    ) -> Self {
        let options = FollowOptions {
            wake: Wake::Poll,
            ..FollowOptions::default()
        };
        // A bus that cannot be followed costs the display its messages, nothing else.
        let follower = Bus::new(task.bus()).follow(start, options).ok();
        Self {
            has_live_line: console.err_is_terminal() && !console.is_json(),
            console,
            task,
            follower,
            started: Instant::now(),
            drawn: None,
            shows_output,
            attempt: 0,
            waiting_for: None,
            message: String::new(),
            stream: None,
            redactor,
        }
    }

    /// Looks at the task and shows what is new.
    pub(super) fn look(&mut self) {
        self.look_at_messages();
        if self.drawn.is_some_and(|drawn| drawn.elapsed() < DRAW_EVERY) {
            return;
        }
        self.drawn = Some(Instant::now());
        self.look_at_state();
        self.look_at_stream();
        self.draw();
    }

    /// Removes the live line, so that what follows starts on a line of its own.
    pub(super) fn finish(&mut self) {
        self.look_at_messages();
        self.look_at_state();
        self.look_at_stream();
        self.end_stream();
        self.clear();
    }

    fn look_at_messages(&mut self) {
        let Some(follower) = &mut self.follower else {
            return;
        };
        let events = follower.poll(Duration::ZERO).unwrap_or_default();
        for event in events {
            if let Event::Message(entry) = event {
                let message = &entry.message;
                let first_line = message.body.lines().next().unwrap_or_default();
                self.message = format!("{}: {first_line}", message.kind);
                let line = format!(
                    "[{}] {}",
                    message.timestamp.strftime("%H:%M:%SZ"),
                    self.message
                );
                self.say(&line);
            }
        }
    }

    fn look_at_state(&mut self) {
        let Some(state) = TaskState::read(self.task).ok().flatten() else {
            return;
        };
        if state.waiting_for != self.waiting_for {
            self.waiting_for = state.waiting_for;
            if let Some(what) = self.waiting_for.clone().filter(|what| what != "delay") {
                let until = state.wake_at.map(crate::view::local_text);
                let until = until.map_or_else(String::new, |until| format!(" until {until}"));
                self.say(&format!("waiting for {what}{until}"));
            }
        }
        if state.attempts.ordinal() != self.attempt {
            // The end of the attempt before is told first.
            self.look_at_stream();
            self.attempt = state.attempts.ordinal();
            self.end_stream();
        }
    }

    fn look_at_stream(&mut self) {
        if self.stream.is_none() {
            self.stream = self.open_stream();
        }
        let Some(stream) = &mut self.stream else {
            return;
        };
        let said = stream.advance();
        let last_line = self.redactor.redact(&stream.last_line).into_owned();
        stream.last_line = last_line;
        self.show(&said);
    }

    /// Shows what was held back of a stream that has ended.
    fn end_stream(&mut self) {
        if let Some(mut stream) = self.stream.take() {
            let rest = stream.masked.feed(&stream.renderer.finish()) + &stream.masked.finish();
            self.show(&rest);
        }
    }

    fn show(&mut self, said: &str) {
        if self.shows_output && !said.is_empty() && !self.console.is_json() {
            self.console.out().write_all(harmless(said).as_bytes()).ok();
            self.console.flush().ok();
        }
    }

    fn open_stream(&self) -> Option<Stream> {
        let runs = self.task.runs().ok()?;
        let run = runs.into_iter().max_by_key(|run| run.id().started_at())?;
        let info = RunInfo::read(&run).ok()??;
        if info.attempt != Some(self.attempt) || !run.stdout().exists() {
            return None;
        }
        let spec: AgentSpec = LaunchFile::read(self.task).ok()??.agent;
        Some(Stream {
            run,
            parser: spec.stream_parser(),
            position: 0,
            renderer: Renderer::default(),
            masked: MaskedText::new(Some(&self.redactor)),
            last_line: String::new(),
        })
    }

    /// Prints a plain line; on a terminal the live line tells it already.
    fn say(&mut self, line: &str) {
        if !self.has_live_line && !self.console.is_json() {
            self.console.note(line);
        }
    }

    fn draw(&mut self) {
        if !self.has_live_line {
            return;
        }
        let elapsed = self.started.elapsed().as_secs();
        let mut line = format!(
            "attempt {} · {}:{:02}:{:02}",
            self.attempt,
            elapsed / 3600,
            elapsed / 60 % 60,
            elapsed % 60
        );
        if let Some(what) = &self.waiting_for {
            // Writing to a String cannot fail.
            write!(line, " · waiting for {what}").unwrap_or_default();
        }
        let output = self
            .stream
            .as_ref()
            .map(|stream| stream.last_line.as_str())
            .unwrap_or_default();
        for part in [self.message.as_str(), output]
            .into_iter()
            .filter(|part| !part.is_empty())
        {
            write!(line, " · {}", part.trim()).unwrap_or_default();
        }
        let width = terminal_width();
        let shown: String = line
            .chars()
            .filter(|c| !c.is_control())
            .take(width.saturating_sub(1))
            .collect();
        write!(self.console.err(), "\r\x1b[K{shown}")
            .and_then(|()| self.console.err().flush())
            .ok();
    }

    fn clear(&mut self) {
        if self.has_live_line {
            write!(self.console.err(), "\r\x1b[K")
                .and_then(|()| self.console.err().flush())
                .ok();
        }
    }
}

impl Stream {
    /// Reads on; returns what the agent has said since, as text.
    fn advance(&mut self) -> String {
        use std::os::unix::fs::FileExt as _;
        let mut said = String::new();
        let Ok(file) = std::fs::File::open(self.run.stdout()) else {
            return said;
        };
        let mut buffer = vec![0; BITE];
        for _ in 0..MOST_BITES {
            let Ok(read @ 1..) = file.read_at(&mut buffer, self.position) else {
                break;
            };
            self.parser.feed(&buffer[..read]);
            said.push_str(&self.masked.feed(&self.renderer.feed(&buffer[..read])));
            self.position += read as u64;
        }
        said.push_str(&self.masked.settle());
        self.last_line = self.parser.snapshot().last_line.unwrap_or_default();
        said
    }
}

fn terminal_width() -> usize {
    rustix::termios::tcgetwinsize(std::io::stderr())
        .map_or(80, |size| usize::from(size.ws_col).max(20))
}
