//! What an agent printed, understood while it is being printed.
//!
//! A [`StreamParser`] takes the bytes of an agent's standard output in any
//! pieces. Lines are cut, an event is looked for on each, and the reader of the
//! dialect notes what it tells. Lines without an event are ignored. At the end
//! [`StreamParser::finish`] decides, from the notes and the way the process
//! ended, how the run went.
//!
//! Neither half is enough by itself (all observed): Claude Code exits with 0 on
//! SIGINT although its last event says `is_error`, Gemini CLI exits with 0 on
//! SIGTERM without any last event, and Codex's last words can be lost.

mod acp;
mod classify;
mod claude;
mod codex;
mod copilot;
mod facts;
mod gemini;
mod jsonl;
mod lines;
mod opencode;
mod outcome;
mod pi;
mod qwen;
mod reset;
mod rest;
mod spending;
mod wording;

use cl_storage::ledger::WindowReport;
use cl_storage::{Failure, Usage};
use serde::{Deserialize, Serialize};

use crate::kind::Dialect;
pub(crate) use classify::classify;
use facts::Facts;
pub(crate) use facts::Reported;
pub(crate) use lines::plain_text;
use lines::{LineSplitter, TextPieces, json_part};
pub use outcome::telling_line;

/// How much of a line is shown while the agent runs.
const SHOWN_CHARS: usize = 500;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// With this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// How a run went, as told by its stream and its end together.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and every combination can occur"
)]
pub struct Outcome {
    /// Whether the agent did what it set out to do; not whether the task is done.
    pub success: bool,
    /// Why not; present exactly when `success` is false.
    pub failure: Option<Failure>,
    /// The agent's answer; after a failure, what it said until then.
    pub final_text: Option<String>,
    /// How much of a very long answer is missing at its start.
    pub left_out_bytes: u64,
    /// The agent's own name for the conversation.
    pub session_id: Option<String>,
    /// The model that answered, if the stream names it.
    pub model: Option<String>,
    /// Whether a tool was called; `None` for dialects that do not tell.
    pub called_tools: Option<bool>,
    /// What was used, as reported; less than that if it was cut off before it told.
    pub usage: Option<Usage>,
    /// Whether `usage` is the total of the session rather than of this run; see [`usage_since`].
    pub usage_is_cumulative_per_session: bool,
    /// Whether the closing event was seen; always true for dialects without one.
    pub complete: bool,
    /// Whether anything but blanks came out on standard output.
    pub produced_output: bool,
    /// Whether the run failed because the session to resume does not exist.
    pub session_not_found: bool,
    /// What the agent's program told of the usage limits of its account; a window that
    /// is rejected here is the reason of a failure of kind `limit_window`.
    pub limits: Vec<WindowReport>,
}

/// The state of a running agent, for display.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The last line that the agent said.
    pub last_line: Option<String>,
    /// The tool in use.
    pub tool: Option<String>,
    /// The agent's own name for the conversation.
    pub session_id: Option<String>,
    /// The model, if the stream names it.
    pub model: Option<String>,
}

/// Where the fields of a [`Dialect::Jsonl`] stream are, as dotted paths.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JsonlMapping {
    /// The final answer; the last line that has it wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub final_text: Option<String>,
    /// The id of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The text of an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl From<&cl_config::OutputMap> for JsonlMapping {
    fn from(map: &cl_config::OutputMap) -> Self {
        let text = |path: &Option<cl_config::JsonPath>| path.as_ref().map(ToString::to_string);
        Self {
            final_text: text(&map.final_text),
            session: text(&map.session),
            error: text(&map.error),
        }
    }
}

/// Reads the standard output of one run piece by piece.
///
/// It holds at most one line (64 MiB) and the end of what the agent said
/// (32 MiB); a longer line is passed over, unless all the output is text.
#[derive(Debug)]
pub struct StreamParser {
    dialect: Dialect,
    paths: jsonl::Paths,
    splitter: LineSplitter,
    text: TextPieces,
    facts: Facts,
    called_tools: bool,
    produced_output: bool,
}

impl StreamParser {
    /// Returns a parser for output in `dialect`.
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            paths: jsonl::Paths::default(),
            splitter: LineSplitter::default(),
            text: TextPieces::default(),
            facts: Facts::default(),
            called_tools: false,
            produced_output: false,
        }
    }

    /// Sets how [`Dialect::Jsonl`] is read; other dialects ignore it.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a builder takes what it is given"
    )]
    pub fn with_mapping(mut self, mapping: JsonlMapping) -> Self {
        self.paths = jsonl::Paths::new(&mapping);
        self
    }

    /// Says when the stream is read, so that `try again in two hours` can be understood.
    ///
    /// Without it only points in time are understood.
    #[must_use]
    pub fn as_of(mut self, now: &jiff::Zoned) -> Self {
        self.tell_time(now.timestamp());
        self.facts.zone = Some(now.time_zone().clone());
        self
    }

    /// Says when what comes next is read, for a stream that takes hours.
    ///
    /// Times of day are those of the zone of [`StreamParser::as_of`], else of the system's, which
    /// is looked up when it is needed: that takes a walk through all zones.
    pub fn tell_time(&mut self, now: jiff::Timestamp) {
        self.facts.now = Some(now);
    }

    /// Takes the next bytes; they may end anywhere, even inside a character.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.produced_output |= bytes.iter().any(|b| !b.is_ascii_whitespace());
        let Self {
            dialect,
            paths,
            splitter,
            text,
            facts,
            called_tools,
            ..
        } = self;
        if *dialect == Dialect::Text {
            facts.said.push_piece(&text.feed(bytes));
        } else {
            splitter.feed(bytes, |line| {
                read_line(*dialect, paths, line, facts);
                *called_tools |= facts.tool.is_some();
            });
        }
    }

    /// Returns the state so far, for display.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            last_line: self.facts.said.last_line().map(shown_line),
            tool: self.facts.tool.clone(),
            session_id: self.facts.session_id.clone(),
            model: self.facts.model.clone(),
        }
    }

    /// Returns what the agent has reported as used so far; `None` if it has not reported anything.
    ///
    /// Like [`Outcome::usage`], it may be the total of the session. An agent that counts
    /// as it goes reports tokens before it reports their cost.
    pub fn usage(&self) -> Option<Usage> {
        self.facts.spending.with(self.facts.usage.as_ref())
    }

    /// Returns whether [`StreamParser::usage`] is the total of the session rather than of this run.
    pub fn usage_is_cumulative_per_session(&self) -> bool {
        outcome::is_cumulative(self.dialect)
    }

    /// Returns what the agent's program has told of the usage limits of its account so far.
    pub fn limits(&self) -> &[WindowReport] {
        &self.facts.windows
    }

    /// Returns the agent's own name for the conversation, once it has told it.
    pub fn session_id(&self) -> Option<&str> {
        self.facts.session_id.as_deref()
    }

    /// Returns whether the agent has said that this was all.
    ///
    /// It becomes false again if the agent starts another turn by itself.
    pub fn closing_event_seen(&self) -> bool {
        self.facts.closing.is_some()
    }

    /// Decides how the run went.
    ///
    /// `stderr_tail` is the end of what the agent wrote to its standard error; a
    /// first line that is cut does no harm. Who ended the process on purpose (a
    /// stop, a timeout) knows better than [`Outcome::failure`] why it ended.
    pub fn finish(self, exit: Exit, stderr_tail: &[u8]) -> Outcome {
        let Self {
            dialect,
            paths,
            splitter,
            text,
            mut facts,
            called_tools,
            produced_output,
        } = self;
        if dialect == Dialect::Text {
            facts.said.push_piece(&text.finish());
        } else {
            splitter.finish(|line| read_line(dialect, &paths, line, &mut facts));
        }
        let called_tools = called_tools || facts.tool.is_some();
        let mut outcome = outcome::decide(dialect, facts, exit, stderr_tail, produced_output);
        let tells = !matches!(dialect, Dialect::Text | Dialect::Jsonl);
        outcome.called_tools = tells.then_some(called_tools);
        outcome
    }
}

/// Returns the start of a line for display, however long the line is.
fn shown_line(line: &str) -> String {
    let start: String = line.chars().take(4 * SHOWN_CHARS).collect();
    plain_text(&start).chars().take(SHOWN_CHARS).collect()
}

fn read_line(dialect: Dialect, paths: &jsonl::Paths, line: &[u8], facts: &mut Facts) {
    let Some(event) = json_part(line) else {
        if facts.events == 0 {
            let line = shown_line(&String::from_utf8_lossy(line));
            facts.plain_line = Some(line).filter(|line| !line.trim().is_empty());
        }
        return;
    };
    // A byte that is not UTF-8 must not cost the whole event.
    let event = String::from_utf8_lossy(event);
    let event = event.as_bytes();
    match dialect {
        Dialect::Claude => claude::read(event, facts),
        Dialect::Codex => codex::read(event, facts),
        Dialect::Gemini => gemini::read(event, facts),
        Dialect::Opencode => opencode::read(event, facts),
        Dialect::Qwen => qwen::read(event, facts),
        Dialect::Copilot => copilot::read(event, facts),
        Dialect::Pi => pi::read(event, facts),
        Dialect::Rest => rest::read(event, facts),
        Dialect::Acp => acp::read(event, facts),
        Dialect::Jsonl => paths.read(event, facts),
        Dialect::Text => {}
    }
}

/// Returns what the file of an adapter's `usage_file` says; none if it says nothing.
pub fn usage_in_file(dialect: Dialect, text: &str) -> Option<Usage> {
    match dialect {
        Dialect::Copilot => copilot::usage_file(text),
        _ => None,
    }
}

/// Returns what one run used, given the totals of its session after and before it.
pub fn usage_since(total: &Usage, previous: &Usage) -> Usage {
    Usage {
        input_tokens: total.input_tokens.saturating_sub(previous.input_tokens),
        output_tokens: total.output_tokens.saturating_sub(previous.output_tokens),
        cache_read_tokens: total
            .cache_read_tokens
            .saturating_sub(previous.cache_read_tokens),
        cache_write_tokens: total
            .cache_write_tokens
            .saturating_sub(previous.cache_write_tokens),
        cost_usd: total
            .cost_usd
            .map(|cost| (cost - previous.cost_usd.unwrap_or(0.0)).max(0.0)),
        turns: total
            .turns
            .map(|turns| turns.saturating_sub(previous.turns.unwrap_or(0))),
    }
}
