//! The worker that holds a conversation with an ACP agent, as a process of its own.
//!
//! A supervisor starts it like any agent's program. It starts the agent as its child, so
//! the agent is in the supervisor's tree, in the same session and with the same
//! environment. What is said is decided by [`cl_agent::acp::Conversation`]; here it is
//! carried out, and every wait has an end:
//!
//! | what is waited for | how long | then |
//! |---|---|---|
//! | the beginning of the turn | [`BEGIN_WITHIN`] | `timeout` |
//! | the end of the turn | the limits of the supervisor | it ends worker and agent |
//! | the end of the turn behind SIGTERM | [`CANCEL_WAIT`] | `cancelled` |
//! | the last words of an agent that has ended | [`LAST_WORDS`] | `agent_crash` |
//! | the end of an agent that is not needed any more | [`EXIT_WAIT`] | SIGTERM, the same again, SIGKILL |

mod child;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::time::Duration;

use cl_agent::acp::{
    BEGIN_WITHIN, Conversation, Event, LineCutter, PROMPT_CAP_BYTES, Settings, Step,
    UNREAD_CAP_BYTES,
};
use cl_config::Environment;
use cl_storage::FailureKind;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use crate::worker::{self, tell};
use child::{Agent, Happened};

/// How long an agent that was asked to end its turn may take.
///
/// With [`EXIT_WAIT`] behind it, this is less than the usual grace of a stop.
const CANCEL_WAIT: Duration = Duration::from_secs(5);

/// How long is read on when the agent, or its standard input, is gone.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long an agent may take to end, at each step.
const EXIT_WAIT: Duration = Duration::from_secs(2);

/// How often an agent that says nothing of interest is noted.
const ALIVE_EVERY: Duration = Duration::from_secs(5);

/// Lets an agent do what stands on standard input, prints what it tells and returns the exit code.
///
/// `args` are those behind the hidden sub-command. 0 is a turn that has ended well, 1 a
/// failure that was printed, 2 a call that makes no sense. Blocks until the agent has
/// ended. SIGTERM and SIGINT ask the agent to end its turn.
pub fn converse(args: &[OsString], environment: &Environment) -> i32 {
    // Started through a link of the kernel, it would be called "exe".
    rustix::thread::set_name(c"run-agent").ok();
    match prepare(args) {
        Ok((settings, prompt, runtime)) => {
            let cwd = environment.current_dir().to_string_lossy().into_owned();
            runtime.block_on(hold(settings, cwd, prompt))
        }
        Err(message) => {
            tell(&format!("Error: {message}"));
            2
        }
    }
}

fn prepare(args: &[OsString]) -> Result<(Settings, String, tokio::runtime::Runtime), String> {
    let args = worker::texts(args);
    let settings = Settings::read(&args).map_err(|e| e.to_string())?;
    let prompt = worker::prompt(PROMPT_CAP_BYTES)?;
    let runtime = worker::runtime()?;
    Ok((settings, prompt, runtime))
}

/// The signals that ask for an end.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for one of them; cancel safe.
    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn hold(settings: Settings, cwd: String, prompt: String) -> i32 {
    // Before there is an agent: a signal between must not leave it alone.
    let mut stop = match Stop::new() {
        Ok(stop) => stop,
        Err(error) => {
            tell(&format!("Error: could not listen for signals: {error}"));
            return 2;
        }
    };
    let mut talk = Talk::new(Conversation::new(settings.clone(), cwd.clone(), prompt));
    let first = talk.conversation.begin();
    talk.perform(first);
    let mut agent = match Agent::start(&settings, cwd.as_ref()) {
        Ok(agent) => agent,
        Err(why) => {
            let text = format!("could not start {}: {why}", settings.program);
            let steps = talk
                .conversation
                .fail(Some(FailureKind::SpawnFailed), &text);
            talk.perform(steps);
            return 1;
        }
    };
    while talk.code.is_none() {
        let (until, wait) = talk.next_limit();
        // Every arm is cancel safe: `happens` keeps what it has read, and the signals
        // and the clock are asked again.
        tokio::select! {
            happened = agent.happens(&mut talk.unread) => talk.take(happened, &agent),
            () = stop.asked(), if talk.cancel_by.is_none() => talk.cancel(),
            () = tokio::time::sleep_until(until) => talk.out_of_time(wait, &agent),
        }
    }
    agent.finish(EXIT_WAIT).await;
    talk.code.unwrap_or(1)
}

/// What a conversation waits for.
#[derive(Debug, Clone, Copy)]
enum Wait {
    Beginning,
    Cancelled,
    LastWords,
    Forever,
}

/// A conversation and what is being done for it.
struct Talk {
    conversation: Conversation,
    cutter: LineCutter,
    /// What the agent has not taken yet.
    unread: VecDeque<u8>,
    begin_by: Instant,
    cancel_by: Option<Instant>,
    last_words_by: Option<Instant>,
    last_line: Instant,
    /// The exit code, once all is said.
    code: Option<i32>,
}

impl Talk {
    fn new(conversation: Conversation) -> Self {
        Self {
            conversation,
            cutter: LineCutter::default(),
            unread: VecDeque::new(),
            begin_by: Instant::now() + BEGIN_WITHIN,
            cancel_by: None,
            last_words_by: None,
            last_line: Instant::now(),
            code: None,
        }
    }

    fn next_limit(&self) -> (Instant, Wait) {
        let begin_by = (!self.conversation.has_begun()).then_some(self.begin_by);
        let limits = [
            (begin_by, Wait::Beginning),
            (self.cancel_by, Wait::Cancelled),
            (self.last_words_by, Wait::LastWords),
        ];
        limits
            .into_iter()
            .filter_map(|(at, wait)| Some((at?, wait)))
            .min_by_key(|(at, _)| *at)
            // The supervisor limits a turn; this is only a time to sleep for.
            .unwrap_or_else(|| (Instant::now() + BEGIN_WITHIN, Wait::Forever))
    }

    fn take(&mut self, happened: Happened, agent: &Agent) {
        match happened {
            Happened::Said(bytes) => self.hear(&bytes),
            Happened::Wrote | Happened::Complained => {}
            Happened::Deaf | Happened::Silent | Happened::Ended => {
                let until = Instant::now() + LAST_WORDS;
                self.last_words_by.get_or_insert(until);
            }
        }
        if self.code.is_none() && agent.is_gone() {
            self.gone(agent);
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        let mut steps = Vec::new();
        let conversation = &mut self.conversation;
        let fed = self
            .cutter
            .feed(bytes, |line| steps.extend(conversation.receive(line)));
        if let Err(too_long) = fed {
            let text = format!("the agent sent {too_long}");
            steps.extend(
                self.conversation
                    .fail(Some(FailureKind::OutputLimit), &text),
            );
        }
        self.perform(steps);
        if self.code.is_none() && self.last_line.elapsed() >= ALIVE_EVERY {
            self.perform(vec![Step::Print(Event::Alive)]);
        }
    }

    fn cancel(&mut self) {
        self.cancel_by = Some(Instant::now() + CANCEL_WAIT);
        let steps = self.conversation.cancel();
        self.perform(steps);
    }

    fn out_of_time(&mut self, wait: Wait, agent: &Agent) {
        let steps = match wait {
            Wait::Forever => return,
            Wait::LastWords => return self.gone(agent),
            Wait::Beginning => {
                let text =
                    format!("the agent was not ready for its prompt within {BEGIN_WITHIN:?}");
                self.conversation.fail(Some(FailureKind::Timeout), &text)
            }
            Wait::Cancelled => {
                let text = format!(
                    "the agent did not end its turn within {CANCEL_WAIT:?} after it was asked to"
                );
                self.conversation.fail(Some(FailureKind::Cancelled), &text)
            }
        };
        self.perform(steps);
    }

    /// The agent says nothing more.
    fn gone(&mut self, agent: &Agent) {
        let line = agent.telling_line();
        let steps = self
            .conversation
            .agent_ended(&agent.how_it_ended(), line.as_deref());
        self.perform(steps);
    }

    fn perform(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Send(line) => self.send(&line),
                Step::Print(event) => self.print(&event),
                Step::Note(text) => tell(&text),
                Step::Over(code) => self.code = self.code.or(Some(code)),
            }
        }
    }

    fn send(&mut self, line: &str) {
        if self.unread.len() + line.len() > UNREAD_CAP_BYTES {
            let text = "the agent asks, and does not read the answers";
            let steps = self.conversation.fail(Some(FailureKind::AgentCrash), text);
            // Not a circle: a failure sends nothing.
            self.perform(steps);
            return;
        }
        self.unread.extend(line.as_bytes());
    }

    /// Prints a line at once: people follow the file.
    fn print(&mut self, event: &Event) {
        let printed = serde_json::to_string(event)
            .map_err(io::Error::other)
            .and_then(|line| worker::print(&line));
        self.last_line = Instant::now();
        if let Err(error) = printed {
            tell(&format!(
                "Error: could not write what the agent says: {error}"
            ));
            self.code = Some(1);
        }
    }
}
