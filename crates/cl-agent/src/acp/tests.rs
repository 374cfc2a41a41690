//! A conversation, line by line.
#![expect(
    clippy::needless_pass_by_value,
    reason = "messages are written where they are used"
)]

use cl_storage::FailureKind;
use serde_json::{Value, json};

use super::*;

/// A conversation and all that it wanted done so far.
struct Bench {
    conversation: Conversation,
    sent: Vec<Value>,
    printed: Vec<Event>,
    notes: Vec<String>,
    code: Option<i32>,
}

impl Bench {
    fn new(flags: &[&str]) -> Self {
        let args = [flags, &["--", "/bin/agent"]].concat();
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        let settings = Settings::read(&args).unwrap();
        let conversation = Conversation::new(settings, "/work".to_owned(), "Do it.".to_owned());
        let mut bench = Self {
            conversation,
            sent: Vec::new(),
            printed: Vec::new(),
            notes: Vec::new(),
            code: None,
        };
        let steps = bench.conversation.begin();
        bench.take(steps);
        bench
    }

    /// A conversation whose prompt was sent.
    fn begun(flags: &[&str]) -> Self {
        let mut bench = Self::new(flags);
        bench.answer(json!({"protocolVersion": 1}));
        bench.answer(json!({"sessionId": "s"}));
        assert_eq!(bench.asked(), "session/prompt");
        bench
    }

    fn take(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Send(line) => {
                    assert_eq!(line.find('\n'), Some(line.len() - 1), "{line}");
                    self.sent.push(serde_json::from_str(&line).unwrap());
                }
                Step::Print(event) => self.printed.push(event),
                Step::Note(text) => self.notes.push(text),
                Step::Over(code) => assert_eq!(self.code.replace(code), None, "over twice"),
            }
        }
    }

    fn hear(&mut self, line: &str) {
        let steps = self.conversation.receive(line.as_bytes());
        self.take(steps);
    }

    /// Answers what was asked last.
    fn answer(&mut self, result: Value) {
        let id = self.sent.last().unwrap()["id"].clone();
        self.hear(&json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string());
    }

    fn refuse(&mut self, error: Value) {
        let id = self.sent.last().unwrap()["id"].clone();
        self.hear(&json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string());
    }

    fn update(&mut self, update: Value) {
        let params = json!({"sessionId": "s", "update": update});
        self.hear(&json!({"method": "session/update", "params": params}).to_string());
    }

    fn last_sent(&self) -> &Value {
        self.sent.last().unwrap()
    }

    fn asked(&self) -> &str {
        self.last_sent()["method"].as_str().unwrap()
    }

    /// Returns the failure that was printed last.
    #[track_caller]
    fn failure(&self) -> (Option<FailureKind>, String) {
        assert_eq!(self.code, Some(1));
        match self.printed.last() {
            Some(Event::Error { kind, message, .. }) => (*kind, message.clone()),
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn assert_failed(&self, kind: FailureKind, part: &str) {
        let (found, message) = self.failure();
        assert_eq!(found, Some(kind), "{message}");
        assert!(message.contains(part), "{message}");
    }
}

fn chunk(text: &str) -> Value {
    json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}})
}

#[test]
fn a_turn_is_asked_for_and_told() {
    let mut bench = Bench::new(&[]);
    let first = bench.last_sent();
    assert_eq!(first["method"], "initialize");
    assert_eq!(first["params"]["protocolVersion"], 1);
    let offered = &first["params"]["clientCapabilities"];
    assert_eq!(offered["fs"]["readTextFile"], false);
    assert_eq!(offered["terminal"], false);
    bench.answer(json!({"protocolVersion": 1, "agentInfo": {"name": "a", "version": "1"}}));
    assert_eq!(bench.asked(), "session/new");
    assert_eq!(
        bench.last_sent()["params"],
        json!({"cwd": "/work", "mcpServers": []})
    );
    assert!(!bench.conversation.has_begun());
    bench.answer(json!({"sessionId": "s", "models": {"currentModelId": "m"}}));
    let prompt = json!([{"type": "text", "text": "Do it."}]);
    assert_eq!(
        bench.last_sent()["params"],
        json!({"sessionId": "s", "prompt": prompt})
    );
    assert!(bench.conversation.has_begun());
    bench.update(chunk("Hello"));
    bench.update(
        json!({"sessionUpdate": "agent_thought_chunk", "content": {"type": "text", "text": "hm"}}),
    );
    bench.update(json!({"sessionUpdate": "tool_call", "toolCallId": "t", "title": "Read\nx"}));
    bench.update(
        json!({"sessionUpdate": "tool_call_update", "toolCallId": "t", "status": "in_progress"}),
    );
    bench.update(
        json!({"sessionUpdate": "tool_call_update", "toolCallId": "t", "status": "failed"}),
    );
    bench.update(
        json!({"sessionUpdate": "plan", "entries": [{"content": "c", "status": "pending"}]}),
    );
    bench.update(json!({"sessionUpdate": "usage_update", "used": 1, "size": 2, "cost": {"amount": 0.5, "currency": "USD"}}));
    bench.update(json!({"sessionUpdate": "from_the_future"}));
    bench.answer(json!({
        "stopReason": "end_turn",
        "usage": {"totalTokens": 9, "inputTokens": 1, "outputTokens": 2, "thoughtTokens": 3, "cachedReadTokens": 4},
    }));
    assert_eq!(bench.code, Some(0));
    let text = |text: &str| text.to_owned();
    let expected = [
        Event::Start {
            version: 1,
            program: text("/bin/agent"),
        },
        Event::Agent {
            name: text("a"),
            release: text("1"),
            protocol: 1,
        },
        Event::Session {
            session_id: text("s"),
            resumed: false,
        },
        Event::Model { model: text("m") },
        Event::Text {
            text: text("Hello"),
        },
        Event::Thought { text: text("hm") },
        Event::ToolCall {
            id: text("t"),
            title: text("Read x"),
        },
        Event::ToolEnd {
            id: text("t"),
            status: text("failed"),
        },
        Event::Plan {
            entries: vec![PlanEntry {
                content: text("c"),
                status: text("pending"),
            }],
        },
        Event::Usage {
            input_tokens: 1,
            output_tokens: 5,
            cache_read_tokens: 4,
            cache_write_tokens: 0,
            cost_usd: Some(0.5),
        },
        Event::End {
            stop_reason: text("end_turn"),
        },
    ];
    assert_eq!(bench.printed, expected);
    bench.update(chunk("late"));
    assert_eq!(bench.printed.len(), expected.len());
}

#[test]
fn a_turn_that_ends_otherwise_is_no_success() {
    let mut bench = Bench::begun(&[]);
    bench.answer(json!({"stopReason": "refusal"}));
    assert_eq!(bench.code, Some(1));
    let end = Event::End {
        stop_reason: "refusal".to_owned(),
    };
    assert_eq!(bench.printed.last(), Some(&end));
}

#[track_caller]
fn check_opening(capabilities: Value, expected: &str) -> Bench {
    let mut bench = Bench::new(&["--session", "old"]);
    bench.answer(json!({"protocolVersion": 1, "agentCapabilities": capabilities}));
    assert_eq!(bench.asked(), expected);
    let session = if expected == "session/new" {
        Value::Null
    } else {
        json!("old")
    };
    assert_eq!(bench.last_sent()["params"]["sessionId"], session);
    bench
}

#[test]
fn an_earlier_session_goes_on_in_the_best_way_there_is() {
    check_opening(
        json!({"loadSession": true, "sessionCapabilities": {"resume": {}}}),
        "session/resume",
    );
    check_opening(json!({"loadSession": true}), "session/load");
    let bench = check_opening(json!({}), "session/new");
    assert_eq!(bench.notes.len(), 1);
}

#[test]
fn what_a_loaded_session_repeats_is_not_said_again() {
    let mut bench = check_opening(json!({"loadSession": true}), "session/load");
    let repeated = json!({"sessionId": "old", "update": chunk("earlier")});
    bench.hear(&json!({"method": "session/update", "params": repeated}).to_string());
    bench.answer(json!({}));
    assert_eq!(bench.asked(), "session/prompt");
    assert!(
        !bench
            .printed
            .iter()
            .any(|event| matches!(event, Event::Text { .. }))
    );
    let session = Event::Session {
        session_id: "old".to_owned(),
        resumed: true,
    };
    assert!(bench.printed.contains(&session));
}

#[test]
fn a_session_that_is_gone_is_replaced_by_a_new_one() {
    let mut bench = check_opening(json!({"loadSession": true}), "session/load");
    bench.refuse(json!({"code": -32002, "message": "Resource not found"}));
    assert_eq!(bench.asked(), "session/new");
    bench.answer(json!({"sessionId": "s"}));
    assert_eq!(bench.asked(), "session/prompt");
    assert!(
        bench.notes[0].contains("Resource not found"),
        "{:?}",
        bench.notes
    );
}

#[test]
fn model_and_mode_are_chosen_as_the_agent_offers_it() {
    let mut bench = Bench::new(&["--model", "big", "--mode", "plan"]);
    bench.answer(json!({"protocolVersion": 1}));
    bench.answer(json!({
        "sessionId": "s",
        "modes": {"currentModeId": "ask", "availableModes": [{"id": "ask"}, {"id": "plan"}]},
        "configOptions": [{"id": "which", "category": "model", "type": "select", "currentValue": "small",
            "options": [{"group": "g", "options": [{"value": "small"}, {"value": "big"}]}]}],
    }));
    assert_eq!(bench.asked(), "session/set_mode");
    assert_eq!(
        bench.last_sent()["params"],
        json!({"sessionId": "s", "modeId": "plan"})
    );
    bench.answer(json!({}));
    assert_eq!(bench.asked(), "session/set_config_option");
    let params = json!({"sessionId": "s", "configId": "which", "value": "big"});
    assert_eq!(bench.last_sent()["params"], params);
    bench.answer(json!({}));
    assert_eq!(bench.asked(), "session/prompt");

    let mut bench = Bench::new(&["--model", "big"]);
    bench.answer(json!({"protocolVersion": 1}));
    bench.answer(json!({"sessionId": "s", "models": {"availableModels": [{"modelId": "big"}]}}));
    assert_eq!(bench.asked(), "session/set_model");
    bench.answer(json!({}));
    let model = Event::Model {
        model: "big".to_owned(),
    };
    assert_eq!(bench.printed.last(), Some(&model));
}

#[test]
fn a_model_that_cannot_be_had_is_a_failure_that_says_what_can() {
    let mut bench = Bench::new(&["--model", "huge"]);
    bench.answer(json!({"protocolVersion": 1}));
    bench.answer(json!({"sessionId": "s", "models": {"availableModels": [{"modelId": "big"}]}}));
    bench.assert_failed(FailureKind::SpawnFailed, "it offers big");
    let mut bench = Bench::new(&["--mode", "plan"]);
    bench.answer(json!({"protocolVersion": 1}));
    bench.answer(json!({"sessionId": "s"}));
    bench.assert_failed(FailureKind::SpawnFailed, "remove `mode`");
}

#[track_caller]
fn check_permission(flags: &[&str], kinds: &[&str], expected: Option<&str>) {
    let mut bench = Bench::begun(flags);
    let options: Vec<Value> = kinds
        .iter()
        .map(|kind| json!({"optionId": format!("o-{kind}"), "kind": kind, "name": "n"}))
        .collect();
    let params = json!({"sessionId": "s", "toolCall": {"toolCallId": "t", "title": "Run it"}, "options": options});
    let request = json!({"id": "p-1", "method": "session/request_permission", "params": params});
    bench.hear(&request.to_string());
    assert_eq!(bench.last_sent()["id"], "p-1");
    let outcome = &bench.last_sent()["result"]["outcome"];
    match expected {
        Some(option) => {
            assert_eq!(*outcome, json!({"outcome": "selected", "optionId": option}));
        }
        None => assert_eq!(*outcome, json!({"outcome": "cancelled"})),
    }
    let Some(Event::Permission { title, allowed, .. }) = bench.printed.last() else {
        panic!("{:?}", bench.printed)
    };
    assert_eq!(
        (title.as_str(), *allowed),
        ("Run it", expected.is_some_and(|o| o.contains("allow")))
    );
}

#[test]
fn permission_is_given_once_or_as_configured() {
    let all = ["allow_always", "reject_always", "reject_once", "allow_once"];
    check_permission(&[], &all, Some("o-allow_once"));
    check_permission(
        &[],
        &["reject_once", "allow_always"],
        Some("o-allow_always"),
    );
    check_permission(&[], &["reject_once"], None);
    let reject = ["--permissions", "reject"];
    check_permission(&reject, &all, Some("o-reject_once"));
    check_permission(&reject, &["allow_once"], None);
}

#[test]
fn what_is_not_offered_is_refused_but_not_without_end() {
    let mut bench = Bench::begun(&[]);
    let request =
        json!({"id": 7, "method": "fs/read_text_file", "params": {"path": "/etc/passwd"}});
    for _ in 0..MOST_REFUSALS {
        bench.hear(&request.to_string());
    }
    assert_eq!(bench.last_sent()["error"]["code"], -32601);
    assert_eq!((bench.code, bench.notes.len()), (None, 20));
    bench.hear(&request.to_string());
    bench.assert_failed(FailureKind::AgentCrash, "fs/read_text_file");
}

#[test]
fn lines_that_are_no_messages_are_put_up_with_for_a_while() {
    let strays = [
        "Loading...",
        "[]",
        "{}",
        "7",
        r#"{"id":99,"result":{}}"#,
        r#"{"method":3}"#,
        r#"{"id":{},"method":"x"}"#,
    ];
    let mut bench = Bench::new(&[]);
    for stray in strays {
        bench.hear(stray);
    }
    bench.hear("");
    assert_eq!((bench.code, bench.notes.len()), (None, strays.len()));
    for _ in 0..=MOST_STRAY_LINES {
        bench.hear("\u{1b}[31mnoise");
    }
    bench.assert_failed(FailureKind::SpawnFailed, "noise");
    let steps = bench.conversation.receive(b"more");
    assert_eq!(steps, []);
}

#[test]
fn an_agent_of_another_time_is_not_spoken_to() {
    for answer in [json!({"protocolVersion": 2}), json!({})] {
        let mut bench = Bench::new(&[]);
        bench.answer(answer);
        bench.assert_failed(FailureKind::SpawnFailed, "version 1 is needed");
    }
}

#[track_caller]
fn check_refusal(error: Value, expected: Option<FailureKind>, part: &str) {
    let mut bench = Bench::begun(&[]);
    bench.refuse(error);
    let (kind, message) = bench.failure();
    assert_eq!(kind, expected, "{message}");
    assert!(message.contains(part), "{message}");
}

#[test]
fn errors_keep_what_they_say() {
    check_refusal(
        json!({"code": -32603, "message": "Internal error", "data": {"details": "quota exceeded"}}),
        None,
        "quota exceeded",
    );
    check_refusal(
        json!({"code": 429, "message": "slow down"}),
        None,
        "slow down",
    );
    check_refusal(
        json!({"code": -32601, "message": "Method not found"}),
        Some(FailureKind::SpawnFailed),
        "session/prompt",
    );
    check_refusal(json!("odd"), None, "no message");
}

#[test]
fn a_login_that_is_missing_is_told_with_the_ways_there_are() {
    let mut bench = Bench::new(&[]);
    bench.answer(
        json!({"protocolVersion": 1, "authMethods": [{"id": "a", "name": "Log in with X"}]}),
    );
    bench.refuse(json!({"code": -32000, "message": "Authentication required"}));
    bench.assert_failed(FailureKind::Auth, "Log in with X");
}

#[test]
fn a_stop_ends_the_turn_or_prevents_it() {
    let mut bench = Bench::begun(&[]);
    let steps = bench.conversation.cancel();
    bench.take(steps);
    assert_eq!(bench.asked(), "session/cancel");
    assert!(bench.last_sent().get("id").is_none());
    assert_eq!(bench.conversation.cancel(), [], "once");
    let params = json!({"options": [{"optionId": "o", "kind": "allow_once"}]});
    bench.hear(
        &json!({"id": 1, "method": "session/request_permission", "params": params}).to_string(),
    );
    assert_eq!(
        bench.last_sent()["result"]["outcome"]["outcome"],
        "cancelled"
    );
    bench.hear(r#"{"id":2,"result":{"stopReason":"cancelled"}}"#);
    assert_eq!(bench.code, Some(1));

    let mut bench = Bench::new(&[]);
    let steps = bench.conversation.cancel();
    bench.take(steps);
    bench.assert_failed(FailureKind::Cancelled, "before its turn");
}

#[test]
fn an_agent_that_ends_early_is_told_with_its_own_last_words() {
    let mut bench = Bench::new(&[]);
    let steps = bench
        .conversation
        .agent_ended("ended with exit code 3", Some("no such model"));
    bench.take(steps);
    let (kind, message) = bench.failure();
    assert_eq!(kind, None);
    assert_eq!(
        message,
        "the agent ended with exit code 3 before it answered initialize: no such model"
    );
}

#[test]
fn lines_are_cut_from_any_pieces_and_have_a_limit() {
    let mut lines = Vec::new();
    let mut cutter = LineCutter::default();
    for piece in [&b"a\nb"[..], b"c\n\nd"] {
        cutter
            .feed(piece, |line| lines.push(line.to_vec()))
            .unwrap();
    }
    assert_eq!(lines, [&b"a"[..], b"bc", b""]);
    let chunk = vec![b'x'; MESSAGE_CAP_BYTES / 4];
    let mut cutter = LineCutter::default();
    let fed: Vec<_> = (0..5).map(|_| cutter.feed(&chunk, |_| {})).collect();
    assert_eq!(fed[3..], [Ok(()), Err(TooLong)]);
}

#[test]
fn the_arguments_of_the_worker_are_flags_and_a_program() {
    let read = |args: &[&str]| {
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        Settings::read(&args)
    };
    let settings = read(&["--model", "m", "--", "/bin/a", "--model", "x"]).unwrap();
    assert_eq!(settings.program, "/bin/a");
    assert_eq!(settings.args, ["--model", "x"]);
    for bad in [
        &[][..],
        &["--"],
        &["--model"],
        &["--x", "y", "--", "a"],
        &["--permissions", "ask", "--", "a"],
    ] {
        assert!(read(bad).is_err(), "{bad:?}");
    }
}
