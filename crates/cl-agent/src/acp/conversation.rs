//! What is said to an agent, and what is made of its words. No process, no time, no effect.

use cl_storage::FailureKind;
use serde_json::{Value, json};

use super::event::Event;
use super::message::{self, Message, short};
use super::opening::{self, Choice, Opening};
use super::settings::Settings;
use super::update::{self, Told};
use super::{MOST_REFUSALS, MOST_STRAY_LINES, PROTOCOL_VERSION};

/// How many lines that are no messages are shown.
const SHOWN_STRAY_LINES: u32 = 20;

/// What the worker has to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Write this to the agent; it ends with a line end.
    Send(String),
    /// Print this line.
    Print(Event),
    /// Tell people this.
    Note(String),
    /// All is said; the exit code of the worker.
    Over(i32),
}

/// What a request of ours was for.
#[derive(Debug, Clone, PartialEq)]
enum Purpose {
    Initialize,
    Open(Opening),
    Choose(Choice),
    Prompt,
}

impl Purpose {
    fn text(&self) -> String {
        match self {
            Self::Initialize => "initialize".to_owned(),
            Self::Open(Opening::Resume) => "session/resume".to_owned(),
            Self::Open(Opening::Load) => "session/load".to_owned(),
            Self::Open(Opening::New) => "session/new".to_owned(),
            Self::Choose(choice) => format!("{} with {}", choice.method, choice.what),
            Self::Prompt => "session/prompt".to_owned(),
        }
    }
}

/// One turn of one agent, as a state machine that is fed with the agent's lines.
///
/// At most one request of ours is unanswered at any time.
#[derive(Debug)]
pub struct Conversation {
    settings: Settings,
    cwd: String,
    prompt: String,
    /// Number and purpose of the request that has no answer yet.
    awaited: Option<(u64, Purpose)>,
    next_id: u64,
    auth_methods: Vec<String>,
    session: Option<String>,
    to_choose: Vec<Choice>,
    cost_usd: Option<f64>,
    has_begun: bool,
    is_cancelled: bool,
    is_over: bool,
    stray_lines: u32,
    refusals: u32,
}

impl Conversation {
    /// Returns a conversation that has not begun; `cwd` is the agent's working folder.
    pub fn new(settings: Settings, cwd: String, prompt: String) -> Self {
        Self {
            settings,
            cwd,
            prompt,
            awaited: None,
            next_id: 0,
            auth_methods: Vec::new(),
            session: None,
            to_choose: Vec::new(),
            cost_usd: None,
            has_begun: false,
            is_cancelled: false,
            is_over: false,
            stray_lines: 0,
            refusals: 0,
        }
    }

    /// Returns what is done first.
    pub fn begin(&mut self) -> Vec<Step> {
        let start = Event::Start {
            version: 1,
            program: self.settings.program.clone(),
        };
        let params = json!({
            "protocolVersion": PROTOCOL_VERSION,
            "clientCapabilities": {
                "fs": {"readTextFile": false, "writeTextFile": false},
                "terminal": false,
            },
            "clientInfo": {"name": "conductor-loop", "title": "Conductor Loop", "version": env!("CARGO_PKG_VERSION")},
        });
        vec![
            Step::Print(start),
            self.ask("initialize", &params, Purpose::Initialize),
        ]
    }

    /// Returns whether the agent has been given the prompt: from then on it may take its time.
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Returns whether all is said.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Takes a line of the agent.
    pub fn receive(&mut self, line: &[u8]) -> Vec<Step> {
        if self.is_over || line.trim_ascii().is_empty() {
            return Vec::new();
        }
        match Message::parse(line) {
            Some(Message::Notification { method, params }) => self.told(&method, &params),
            Some(Message::Request { id, method, params }) => self.asked(&id, &method, &params),
            Some(Message::Answer { id, result }) => match self.take_awaited(id) {
                Some(purpose) => self.answered(purpose, &result),
                None => self.stray(&format!("an answer to request {id}, which is not open")),
            },
            Some(Message::Refusal { id, error }) => match self.take_awaited(id) {
                Some(purpose) => self.refused(&purpose, &error),
                None => self.stray(&format!("an answer to request {id}, which is not open")),
            },
            None => self.stray(&short(
                &String::from_utf8_lossy(&line[..line.len().min(800)]),
                200,
            )),
        }
    }

    /// Asks the agent to end its turn; where there is none yet, the conversation is over.
    pub fn cancel(&mut self) -> Vec<Step> {
        if self.is_over || std::mem::replace(&mut self.is_cancelled, true) {
            return Vec::new();
        }
        match &self.session {
            Some(session) if self.has_begun => {
                let params = json!({"sessionId": session});
                vec![Step::Send(message::notification("session/cancel", &params))]
            }
            _ => self.fail(
                Some(FailureKind::Cancelled),
                "stopped before its turn began",
            ),
        }
    }

    /// Ends the conversation because the agent has ended; `how` says in which way.
    ///
    /// `stderr_line` is what it said last of its own troubles.
    pub fn agent_ended(&mut self, how: &str, stderr_line: Option<&str>) -> Vec<Step> {
        let before = match &self.awaited {
            Some((_, purpose)) => format!(" before it answered {}", purpose.text()),
            None => String::new(),
        };
        let text = match stderr_line {
            Some(line) => format!("the agent {how}{before}: {line}"),
            None => format!("the agent {how}{before}"),
        };
        let kind = self.is_cancelled.then_some(FailureKind::Cancelled);
        self.fail(kind, &text)
    }

    /// Ends the conversation with a failure that the agent has not told itself.
    ///
    /// Without a kind, the words decide; see [`crate::stream`].
    pub fn fail(&mut self, kind: Option<FailureKind>, text: &str) -> Vec<Step> {
        self.fail_with(kind, text, None)
    }

    fn fail_with(
        &mut self,
        kind: Option<FailureKind>,
        text: &str,
        status: Option<u16>,
    ) -> Vec<Step> {
        if std::mem::replace(&mut self.is_over, true) {
            return Vec::new();
        }
        let mut steps: Vec<Step> = self.cost_so_far().into_iter().collect();
        steps.push(Step::Print(Event::Error {
            kind,
            message: short(text, 2000),
            status,
        }));
        steps.push(Step::Over(1));
        steps
    }

    fn ask(&mut self, method: &str, params: &Value, purpose: Purpose) -> Step {
        let id = self.next_id;
        self.next_id += 1;
        self.awaited = Some((id, purpose));
        Step::Send(message::request(id, method, params))
    }

    fn take_awaited(&mut self, id: u64) -> Option<Purpose> {
        self.awaited
            .take_if(|(awaited, _)| *awaited == id)
            .map(|(_, purpose)| purpose)
    }

    /// Takes note of a line that has no place in the protocol.
    fn stray(&mut self, line: &str) -> Vec<Step> {
        self.stray_lines += 1;
        if self.stray_lines > MOST_STRAY_LINES {
            let text = format!(
                "the agent does not speak the Agent Client Protocol: more than {MOST_STRAY_LINES} lines of its output are no messages, such as: {line}"
            );
            return self.fail(Some(self.breach()), &text);
        }
        if self.stray_lines > SHOWN_STRAY_LINES {
            return Vec::new();
        }
        vec![Step::Note(format!("not a message of the protocol: {line}"))]
    }

    /// The kind of a failure to keep to the protocol: before its turn, it is the wrong program.
    fn breach(&self) -> FailureKind {
        if self.has_begun {
            FailureKind::AgentCrash
        } else {
            FailureKind::SpawnFailed
        }
    }

    fn told(&mut self, method: &str, params: &Value) -> Vec<Step> {
        // What is repeated of an earlier session was printed by an earlier run.
        let is_ours = self.has_begun
            && self.session.is_some()
            && params["sessionId"].as_str() == self.session.as_deref();
        if method != "session/update" {
            return Vec::new();
        }
        match update::read(&params["update"]) {
            Told::Event(event) if is_ours => vec![Step::Print(event)],
            Told::Cost(cost) => {
                self.cost_usd = Some(cost);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn asked(&mut self, id: &Value, method: &str, params: &Value) -> Vec<Step> {
        if method == "session/request_permission" {
            return self.permit(id, params);
        }
        self.refusals += 1;
        if self.refusals > MOST_REFUSALS {
            let text = format!(
                "the agent goes on asking for what it was told that it cannot have: {MOST_REFUSALS} requests were refused, the last for {}",
                short(method, 100)
            );
            return self.fail(Some(self.breach()), &text);
        }
        let mut steps = vec![Step::Send(message::unknown_method(id, method))];
        if self.refusals <= SHOWN_STRAY_LINES {
            let method = short(method, 100);
            steps.push(Step::Note(format!("refused {method}: it is not offered")));
        }
        steps
    }

    fn permit(&mut self, id: &Value, params: &Value) -> Vec<Step> {
        let allows = self.settings.allows;
        let option = (!self.is_cancelled)
            .then(|| opening::permission(&params["options"], allows))
            .flatten();
        let outcome = match option {
            Some(option) => json!({"outcome": "selected", "optionId": option}),
            None => json!({"outcome": "cancelled"}),
        };
        let event = Event::Permission {
            title: update::title(&params["toolCall"]),
            allowed: allows && option.is_some(),
            option: option.map(|option| short(option, 100)),
        };
        vec![
            Step::Send(message::answer(id, &json!({"outcome": outcome}))),
            Step::Print(event),
        ]
    }

    fn answered(&mut self, purpose: Purpose, result: &Value) -> Vec<Step> {
        match purpose {
            Purpose::Initialize => self.initialized(result),
            Purpose::Open(opening) => self.opened(opening, result),
            Purpose::Choose(choice) => {
                let mut steps = Vec::new();
                if let ("session/set_model", Some(model)) =
                    (choice.method, choice.params["modelId"].as_str())
                {
                    steps.push(Step::Print(Event::Model {
                        model: model.to_owned(),
                    }));
                } else if let Some(model) = opening::current_model(result) {
                    steps.push(Step::Print(Event::Model {
                        model: short(model, 200),
                    }));
                }
                steps.extend(self.choose_or_prompt());
                steps
            }
            Purpose::Prompt => self.turn_ended(result),
        }
    }

    fn initialized(&mut self, result: &Value) -> Vec<Step> {
        let protocol = result["protocolVersion"].as_u64();
        if protocol != Some(PROTOCOL_VERSION) {
            let spoken = protocol.map_or("none".to_owned(), |version| version.to_string());
            let text = format!(
                "the agent speaks version {spoken} of the Agent Client Protocol, and version {PROTOCOL_VERSION} is needed"
            );
            return self.fail(Some(FailureKind::SpawnFailed), &text);
        }
        let info = &result["agentInfo"];
        let text = |value: &Value| short(value.as_str().unwrap_or_default(), 200);
        let agent = Event::Agent {
            name: text(&info["name"]),
            release: text(&info["version"]),
            protocol: PROTOCOL_VERSION,
        };
        let methods = result["authMethods"].as_array();
        self.auth_methods = methods
            .into_iter()
            .flatten()
            .take(10)
            .filter_map(|method| method["name"].as_str().or(method["id"].as_str()))
            .map(|name| short(name, 80))
            .collect();
        let mut steps = vec![Step::Print(agent)];
        let wanted = self.settings.session.clone();
        let opening = opening::opening(&result["agentCapabilities"], wanted.as_deref());
        if wanted.is_some() && opening == Opening::New {
            let text = "the agent cannot go on with an earlier session; a new one is begun";
            steps.push(Step::Note(text.to_owned()));
        }
        steps.push(self.open(opening));
        steps
    }

    fn open(&mut self, opening: Opening) -> Step {
        let mut params = json!({"cwd": self.cwd, "mcpServers": []});
        let purpose = Purpose::Open(opening);
        if opening != Opening::New {
            params["sessionId"] = json!(self.settings.session);
        }
        self.ask(&purpose.text(), &params, purpose)
    }

    fn opened(&mut self, opening: Opening, result: &Value) -> Vec<Step> {
        let session = match opening {
            Opening::New => result["sessionId"].as_str().map(str::to_owned),
            Opening::Resume | Opening::Load => self.settings.session.clone(),
        };
        let Some(session) = session.filter(|id| !id.is_empty() && id.len() <= 1000) else {
            let text = "the agent answered session/new without the id of a session";
            return self.fail(Some(FailureKind::SpawnFailed), text);
        };
        self.session = Some(session.clone());
        let mut steps = vec![Step::Print(Event::Session {
            session_id: session,
            resumed: opening != Opening::New,
        })];
        if let Some(model) = opening::current_model(result) {
            steps.push(Step::Print(Event::Model {
                model: short(model, 200),
            }));
        }
        let (model, mode) = (
            self.settings.model.as_deref(),
            self.settings.mode.as_deref(),
        );
        match opening::choices(result, model, mode) {
            Ok(choices) => {
                self.to_choose = choices;
                steps.extend(self.choose_or_prompt());
            }
            Err(text) => steps.extend(self.fail(Some(FailureKind::SpawnFailed), &text)),
        }
        steps
    }

    fn choose_or_prompt(&mut self) -> Vec<Step> {
        let session = self.session.clone().unwrap_or_default();
        if !self.to_choose.is_empty() {
            let choice = self.to_choose.remove(0);
            let mut params = choice.params.clone();
            params["sessionId"] = json!(session);
            return vec![self.ask(choice.method, &params, Purpose::Choose(choice))];
        }
        self.has_begun = true;
        let text = std::mem::take(&mut self.prompt);
        let params = json!({"sessionId": session, "prompt": [{"type": "text", "text": text}]});
        vec![self.ask("session/prompt", &params, Purpose::Prompt)]
    }

    fn refused(&mut self, purpose: &Purpose, error: &Value) -> Vec<Step> {
        let code = error["code"].as_i64().unwrap_or_default();
        if code == -32000 {
            return self.fail(Some(FailureKind::Auth), &self.login_text(error));
        }
        let text = error_text(error);
        if let Purpose::Open(Opening::Resume | Opening::Load) = purpose {
            // The prompt says all that a new session needs to know.
            let note = format!("the earlier session cannot go on ({text}); a new one is begun");
            return vec![Step::Note(note), self.open(Opening::New)];
        }
        let text = format!("the agent refused {}: {text}", purpose.text());
        let kind = match (purpose, code) {
            (_, -32800) if self.is_cancelled => Some(FailureKind::Cancelled),
            (Purpose::Choose(_) | Purpose::Initialize, _) | (_, -32601 | -32602) => {
                Some(FailureKind::SpawnFailed)
            }
            _ => None,
        };
        self.fail_with(kind, &text, status_of(error))
    }

    fn login_text(&self, error: &Value) -> String {
        let text = error_text(error);
        let program = &self.settings.program;
        let ways = self.auth_methods.join(", ");
        let ways = if ways.is_empty() {
            String::new()
        } else {
            format!(" (it offers: {ways})")
        };
        format!(
            "the agent is not logged in: {text}; log in with {program} itself{ways}, or set the variable with its key under `env` or `inherit_env` of this agent"
        )
    }

    fn turn_ended(&mut self, result: &Value) -> Vec<Step> {
        self.is_over = true;
        let reason = result["stopReason"].as_str().unwrap_or("none");
        let mut steps: Vec<Step> = self.usage(&result["usage"]).into_iter().collect();
        steps.push(Step::Print(Event::End {
            stop_reason: short(reason, 100),
        }));
        steps.push(Step::Over(i32::from(reason != "end_turn")));
        steps
    }

    fn usage(&self, usage: &Value) -> Option<Step> {
        if !usage.is_object() {
            return self.cost_so_far();
        }
        let count = |key: &str| usage[key].as_u64().unwrap_or_default();
        Some(Step::Print(Event::Usage {
            input_tokens: count("inputTokens"),
            output_tokens: count("outputTokens").saturating_add(count("thoughtTokens")),
            cache_read_tokens: count("cachedReadTokens"),
            cache_write_tokens: count("cachedWriteTokens"),
            cost_usd: self.cost_usd,
        }))
    }

    fn cost_so_far(&self) -> Option<Step> {
        self.cost_usd.map(|cost| {
            Step::Print(Event::Usage {
                input_tokens: 0,
                output_tokens: 0,
                cache_read_tokens: 0,
                cache_write_tokens: 0,
                cost_usd: Some(cost),
            })
        })
    }
}

/// Returns what an error says, with the details that many agents put beside the message.
fn error_text(error: &Value) -> String {
    let message = short(error["message"].as_str().unwrap_or("no message"), 500);
    let data = &error["data"];
    let details = ["details", "message"]
        .iter()
        .find_map(|key| data[*key].as_str());
    match details.or(data.as_str()) {
        Some(details) if !details.trim().is_empty() => {
            format!("{message}: {}", short(details, 1000))
        }
        _ => message,
    }
}

/// Returns the HTTP status of the model service; some agents use it as the code of the error.
fn status_of(error: &Value) -> Option<u16> {
    let numbers = [
        &error["code"],
        &error["data"]["status"],
        &error["data"]["code"],
    ];
    numbers
        .iter()
        .filter_map(|number| u16::try_from(number.as_u64()?).ok())
        .find(|status| (400..600).contains(status))
}
