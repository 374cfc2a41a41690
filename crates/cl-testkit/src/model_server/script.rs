//! What the stand-in answers: turns, faults, and the rule that picks the next one.

use std::time::Duration;

use serde_json::Value;

use super::conversation::Conversation;

/// What every conversation with the server is answered.
#[derive(Debug, Clone)]
pub struct Script {
    branches: Vec<Branch>,
    otherwise: Progress,
    usage: Usage,
}

impl Script {
    /// Makes a script that answers every conversation with these turns.
    pub fn new(turns: impl Into<Turns>) -> Self {
        Self {
            branches: Vec::new(),
            otherwise: Progress::new(turns.into()),
            usage: Usage::default(),
        }
    }

    /// Answers every request with the same turn, without end.
    pub fn always(turn: Turn) -> Self {
        Self::new(Turns::always(turn))
    }

    /// Gives conversations that contain `marker` their own turns.
    ///
    /// The marker is looked for in what the user and the system said, not in the
    /// answers or in the output of tools. If several are there, the one found last
    /// counts: in a resumed session that is the newest prompt.
    #[must_use]
    pub fn when_prompt_contains(
        mut self,
        marker: impl Into<String>,
        turns: impl Into<Turns>,
    ) -> Self {
        self.branches.push(Branch {
            marker: marker.into(),
            progress: Progress::new(turns.into()),
        });
        self
    }

    /// Sets the token counts reported with every answer.
    #[must_use]
    pub fn with_usage(mut self, usage: Usage) -> Self {
        self.usage = usage;
        self
    }

    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    /// Takes the turn for this request, or `None` for a request on the side.
    pub(super) fn take_turn(&mut self, conversation: &Conversation) -> Option<Turn> {
        let found = self
            .branches
            .iter()
            .enumerate()
            .filter_map(|(at, branch)| {
                let position = conversation.said.rfind(&branch.marker)?;
                Some((position, at))
            })
            .max();
        let progress = match found {
            Some((_, at)) => &mut self.branches[at].progress,
            None => &mut self.otherwise,
        };
        let is_main = conversation.shell_tool().is_some() || progress.turns.plain_requests;
        is_main.then(|| progress.next(conversation.tool_results))
    }
}

/// A list of turns and the rule for walking through it.
#[derive(Debug, Clone)]
pub struct Turns {
    listed: Vec<Turn>,
    rest: Turn,
    order: Order,
    plain_requests: bool,
}

impl Turns {
    /// Lists turns to be used one after the other, and then a short closing text.
    pub fn new(listed: impl IntoIterator<Item = Turn>) -> Self {
        Self {
            listed: listed.into_iter().collect(),
            rest: Turn::text("All done."),
            order: Order::Arrival,
            plain_requests: false,
        }
    }

    /// Repeats one turn without end.
    pub fn always(turn: Turn) -> Self {
        Self::new([]).then_always(turn)
    }

    /// Sets what is answered when the listed turns are used up.
    #[must_use]
    pub fn then_always(mut self, rest: Turn) -> Self {
        self.rest = rest;
        self
    }

    /// Reads the place in the list from each request instead of counting requests.
    ///
    /// A request with `n` tool results since the user's last words is answered with
    /// turn `n`, faults not counted. Faults listed before that turn come first, each
    /// once for the life of the server.
    #[must_use]
    pub fn by_tool_results(mut self) -> Self {
        self.order = Order::ToolResults;
        self
    }

    /// Lets requests that offer no shell tool take turns too.
    ///
    /// For agents that only ask a question and get a text, and so offer no tools. A
    /// [`Turn::Shell`] cannot answer them; it is refused with status 400.
    #[must_use]
    pub fn for_plain_requests(mut self) -> Self {
        self.plain_requests = true;
        self
    }
}

impl From<Vec<Turn>> for Turns {
    fn from(listed: Vec<Turn>) -> Self {
        Self::new(listed)
    }
}

impl<const N: usize> From<[Turn; N]> for Turns {
    fn from(listed: [Turn; N]) -> Self {
        Self::new(listed)
    }
}

/// One answer of the model.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Turn {
    /// A text, which ends the agent's turn.
    Text(String),
    /// A call of the agent's shell tool with this command.
    ///
    /// The tool is picked among the offered ones by name and its required arguments
    /// are filled from its own schema.
    Shell(String),
    /// A call of the named tool, whether offered or not.
    Tool {
        /// The tool's name.
        name: String,
        /// Its arguments, a JSON object.
        arguments: Value,
    },
    /// No proper answer.
    Fault(Fault),
}

impl Turn {
    /// A text, which ends the agent's turn.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A call of the agent's shell tool.
    pub fn shell(command: impl Into<String>) -> Self {
        Self::Shell(command.into())
    }

    /// A call of the named tool.
    pub fn tool(name: impl Into<String>, arguments: Value) -> Self {
        Self::Tool {
            name: name.into(),
            arguments,
        }
    }
}

/// A way of not answering properly.
///
/// Those that break a stream break a plain answer likewise: half of the body, or an
/// error status in place of an error event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Status 401: the key is refused.
    Unauthorized,
    /// Status 400: the prompt is too long.
    BadRequest,
    /// Status 429, with a `retry-after` header in whole seconds if one is given.
    RateLimited {
        /// When the client may ask again.
        retry_after: Option<Duration>,
    },
    /// Status 500.
    ServerError,
    /// Status 529: overloaded.
    Overloaded,
    /// Another status or another text.
    Status {
        /// The HTTP status.
        status: u16,
        /// The message in the error body.
        message: String,
    },
    /// The connection is closed without a single byte of an answer.
    Reset,
    /// The connection is closed after the first piece of the answer.
    CutStream,
    /// A web page in place of the events.
    Garbage,
    /// The first event is not valid JSON.
    BrokenJson,
    /// The event after the first piece of the answer is not valid JSON.
    BrokenJsonMidway,
    /// An error event follows the first piece of the answer.
    ErrorEvent,
    /// The request is never answered.
    Hang,
    /// Headers and the first piece of the answer, and then silence.
    Stall,
}

/// The token counts reported with every answer.
///
/// The protocols name and split them differently: Anthropic's `input_tokens` leaves
/// out the cached ones, the others' include them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// All tokens of the request.
    pub input_tokens: u64,
    /// Those of the request that came from a cache.
    pub cached_tokens: u64,
    /// All tokens of the answer.
    pub output_tokens: u64,
    /// Those of the answer that were spent on reasoning.
    pub reasoning_tokens: u64,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            input_tokens: 150,
            cached_tokens: 30,
            output_tokens: 25,
            reasoning_tokens: 5,
        }
    }
}

impl Usage {
    pub(super) fn total_tokens(self) -> u64 {
        self.input_tokens + self.output_tokens
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Arrival,
    ToolResults,
}

#[derive(Debug, Clone)]
struct Branch {
    marker: String,
    progress: Progress,
}

/// Turns and how far they are used up.
#[derive(Debug, Clone)]
struct Progress {
    turns: Turns,
    /// Turns used, or in [`Order::ToolResults`] the faults used.
    used: usize,
}

impl Progress {
    fn new(turns: Turns) -> Self {
        Self { turns, used: 0 }
    }

    fn next(&mut self, tool_results: usize) -> Turn {
        match self.turns.order {
            Order::Arrival => self.next_by_arrival(),
            Order::ToolResults => self.next_by_tool_results(tool_results),
        }
    }

    fn next_by_arrival(&mut self) -> Turn {
        match self.turns.listed.get(self.used) {
            Some(turn) => {
                self.used += 1;
                turn.clone()
            }
            None => self.turns.rest.clone(),
        }
    }

    fn next_by_tool_results(&mut self, tool_results: usize) -> Turn {
        let mut answers = 0;
        let mut faults = 0;
        for turn in &self.turns.listed {
            if let Turn::Fault(_) = turn {
                faults += 1;
                if faults > self.used {
                    self.used = faults;
                    return turn.clone();
                }
            } else if answers == tool_results {
                return turn.clone();
            } else {
                answers += 1;
            }
        }
        self.turns.rest.clone()
    }
}
