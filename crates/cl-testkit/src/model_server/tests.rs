//! The server over real sockets: every protocol, every fault, turns and limits.

mod client;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use self::client::{
    DEADLINE, Question, ask, call_of, connect, for_each_form, receive, start, text_of,
};
use super::{Api, Fault, Script, Turn, Turns, Usage};

#[test]
fn text_turn_arrives_whole_in_every_form() {
    for_each_form(|api, question| {
        let server = start(Script::new([Turn::text("Grüße, all done")]));
        let answered = ask(&server, api, &question);
        assert_eq!(answered.status, 200);
        assert!(answered.complete, "{api:?}");
        assert_eq!(text_of(api, &answered), "Grüße, all done", "{api:?}");
    });
}

#[test]
fn shell_turn_calls_the_offered_shell_in_every_form() {
    for_each_form(|api, question| {
        let server = start(Script::new([Turn::shell("echo \"hi\" > f")]));
        let answered = ask(&server, api, &question);
        assert!(answered.complete, "{api:?}");
        let (name, command) = match api {
            Api::AnthropicMessages => ("Bash", "command"),
            Api::OpenAiResponses => ("exec_command", "cmd"),
            Api::ChatCompletions => ("bash", "command"),
            Api::Gemini => ("run_shell_command", "command"),
        };
        let expected = json!({
            command: "echo \"hi\" > f",
            "description": "run the scripted command",
        });
        assert_eq!(
            call_of(api, &answered),
            (name.to_owned(), expected),
            "{api:?}"
        );
    });
}

#[test]
fn tool_turn_is_passed_on_as_it_is() {
    for_each_form(|api, question| {
        let server = start(Script::new([Turn::tool("mcp__demo", json!({"a": [1]}))]));
        let called = call_of(api, &ask(&server, api, &question));
        assert_eq!(
            called,
            ("mcp__demo".to_owned(), json!({"a": [1]})),
            "{api:?}"
        );
    });
}

#[test]
fn turns_follow_the_conversation_and_then_repeat_the_last_word() {
    let server = start(Script::new([Turn::shell("ls"), Turn::text("seen")]));
    let api = Api::AnthropicMessages;
    let first = ask(&server, api, &Question::default());
    assert_eq!(call_of(api, &first).0, "Bash");
    let second = ask(
        &server,
        api,
        &Question {
            tool_results: 1,
            ..Question::default()
        },
    );
    assert_eq!(text_of(api, &second), "seen");
    let third = ask(&server, api, &Question::default());
    assert_eq!(text_of(api, &third), "All done.");
}

#[test]
fn requests_on_the_side_take_no_turn() {
    for_each_form(|api, question| {
        let server = start(Script::new([Turn::text("main")]));
        let aside = Question {
            with_shell: false,
            ..question
        };
        let title = text_of(api, &ask(&server, api, &aside));
        assert!(title.contains("\"title\""), "{api:?}: {title}");
        assert_eq!(text_of(api, &ask(&server, api, &question)), "main");
        let took_turn: Vec<bool> = server.requests().iter().map(|r| r.took_turn).collect();
        assert_eq!(took_turn, [false, true]);
    });
}

#[test]
fn plain_requests_take_turns_when_asked_to() {
    let turns = Turns::new([Turn::text("plain"), Turn::shell("ls")]).for_plain_requests();
    let server = start(Script::new(turns));
    let plain = Question {
        with_shell: false,
        ..Question::default()
    };
    let answered = ask(&server, Api::ChatCompletions, &plain);
    assert_eq!(text_of(Api::ChatCompletions, &answered), "plain");
    let refused = ask(&server, Api::ChatCompletions, &plain);
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("offers no shell tool"), "{refused:?}");
}

#[test]
fn markers_give_conversations_their_own_turns() {
    let script = Script::new([Turn::text("neither")])
        .when_prompt_contains("task-a", [Turn::text("a1"), Turn::text("a2")])
        .when_prompt_contains("task-b", [Turn::text("b1")]);
    let server = start(script);
    let api = Api::OpenAiResponses;
    let say = |prompt: &str| {
        let question = Question {
            prompt,
            ..Question::default()
        };
        text_of(api, &ask(&server, api, &question))
    };
    assert_eq!(say("work on task-a"), "a1");
    assert_eq!(say("work on task-b"), "b1");
    assert_eq!(say("again task-a"), "a2");
    assert_eq!(say("task-a was before task-b"), "All done.");
    assert_eq!(say("work"), "neither");
}

#[test]
fn place_in_the_list_can_be_read_from_the_request() {
    for_each_form(|api, question| {
        let turns = Turns::new([
            Turn::text("zero"),
            Turn::Fault(Fault::ServerError),
            Turn::text("one"),
        ]);
        let server = start(Script::new(turns.by_tool_results()));
        let say = |tool_results: usize| {
            let answered = ask(
                &server,
                api,
                &Question {
                    tool_results,
                    ..question
                },
            );
            match answered.status {
                200 => text_of(api, &answered),
                status => status.to_string(),
            }
        };
        // The fault comes once; the repeated request goes on, a new prompt starts anew.
        let said: Vec<String> = [0, 0, 1, 1, 0, 1, 2].map(say).into();
        let expected = ["zero", "zero", "500", "one", "zero", "one", "All done."];
        assert_eq!(said, expected, "{api:?}");
    });
}

#[test]
fn another_script_starts_at_its_beginning() {
    let server = start(Script::always(Turn::text("first")));
    let api = Api::Gemini;
    assert_eq!(
        text_of(api, &ask(&server, api, &Question::default())),
        "first"
    );
    server.play(Script::always(Turn::text("second")));
    assert_eq!(
        text_of(api, &ask(&server, api, &Question::default())),
        "second"
    );
}

#[test]
fn refusals_have_the_status_and_the_body_of_their_protocol() {
    let cases = [
        (
            Fault::BadRequest,
            400,
            "invalid_request_error",
            "INVALID_ARGUMENT",
        ),
        (
            Fault::Unauthorized,
            401,
            "authentication_error",
            "UNAUTHENTICATED",
        ),
        (
            Fault::RateLimited { retry_after: None },
            429,
            "rate_limit_error",
            "RESOURCE_EXHAUSTED",
        ),
        (Fault::ServerError, 500, "api_error", "INTERNAL"),
        (Fault::Overloaded, 529, "overloaded_error", "UNAVAILABLE"),
    ];
    for (fault, status, anthropic, gemini) in cases {
        for_each_form(|api, question| {
            let server = start(Script::always(Turn::Fault(fault.clone())));
            let answered = ask(&server, api, &question);
            assert_eq!(answered.status, status, "{api:?}");
            assert!(!answered.head.contains("retry-after"));
            let error = &answered.json()["error"];
            match api {
                Api::AnthropicMessages => assert_eq!(error["type"], anthropic),
                Api::Gemini => {
                    assert_eq!(error["status"], gemini);
                    assert_eq!(error["code"], status);
                }
                _ => assert!(error["code"].is_string(), "{error}"),
            }
        });
    }
}

#[test]
fn rate_limit_tells_when_to_come_back() {
    let retry_after = Some(Duration::from_secs(7));
    let server = start(Script::new([Turn::Fault(Fault::RateLimited {
        retry_after,
    })]));
    let answered = ask(&server, Api::AnthropicMessages, &Question::default());
    assert!(
        answered.head.contains("retry-after: 7"),
        "{}",
        answered.head
    );
    let again = ask(&server, Api::AnthropicMessages, &Question::default());
    assert_eq!(again.status, 200);
}

#[test]
fn own_status_and_text_are_sent() {
    let fault = Fault::Status {
        status: 403,
        message: "usage limit reached".to_owned(),
    };
    let server = start(Script::always(Turn::Fault(fault)));
    let answered = ask(&server, Api::AnthropicMessages, &Question::default());
    assert_eq!(answered.status, 403);
    assert_eq!(answered.json()["error"]["message"], "usage limit reached");
    assert_eq!(answered.json()["error"]["type"], "permission_error");
}

#[test]
fn cut_answer_ends_before_what_was_announced() {
    for_each_form(|api, question| {
        let server = start(Script::always(Turn::Fault(Fault::CutStream)));
        let answered = ask(&server, api, &question);
        assert_eq!(answered.status, 200);
        assert!(!answered.complete, "{api:?}: {answered:?}");
        assert!(!answered.body.is_empty(), "{api:?}");
        if question.streamed {
            assert_eq!(text_of(api, &answered), "This answer doe", "{api:?}");
        }
    });
}

#[test]
fn reset_connection_has_no_answer() {
    let server = start(Script::always(Turn::Fault(Fault::Reset)));
    let answered = ask(&server, Api::ChatCompletions, &Question::default());
    assert_eq!((answered.status, answered.head.as_str()), (0, ""));
}

#[test]
fn garbage_is_a_web_page() {
    for_each_form(|api, question| {
        let server = start(Script::always(Turn::Fault(Fault::Garbage)));
        let answered = ask(&server, api, &question);
        assert!(answered.complete);
        assert!(answered.body.starts_with("<html>"), "{api:?}");
    });
}

#[test]
fn broken_json_cannot_be_parsed() {
    for fault in [Fault::BrokenJson, Fault::BrokenJsonMidway] {
        for_each_form(|api, question| {
            let server = start(Script::always(Turn::Fault(fault.clone())));
            let answered = ask(&server, api, &question);
            assert!(answered.complete);
            if question.streamed {
                let (_, last) = answered.events().pop().expect("an event");
                assert!(last.is_string(), "{api:?}: {last}");
                let has_opening = answered.events().len() > 1;
                assert_eq!(has_opening, fault == Fault::BrokenJsonMidway, "{api:?}");
            } else {
                let parsed = serde_json::from_str::<Value>(&answered.body);
                assert!(parsed.is_err(), "{api:?}");
            }
        });
    }
}

#[test]
fn error_event_follows_the_first_piece() {
    for_each_form(|api, question| {
        let server = start(Script::always(Turn::Fault(Fault::ErrorEvent)));
        let answered = ask(&server, api, &question);
        if question.streamed {
            let (name, data) = answered.events().pop().expect("an event");
            match api {
                Api::AnthropicMessages => assert_eq!(name, "error"),
                Api::OpenAiResponses => assert_eq!(name, "response.failed"),
                _ => assert!(data["error"].is_object(), "{api:?}: {data}"),
            }
            assert!(!text_of(api, &answered).is_empty());
        } else {
            assert_eq!(answered.status, 529, "{api:?}");
        }
    });
}

#[test]
fn hanging_request_is_seen_and_ends_with_the_server() {
    let server = start(Script::always(Turn::Fault(Fault::Hang)));
    let body = Question::default().body(Api::Gemini).to_string();
    let path = Question::default().path(Api::Gemini);
    let stream = connect(&server, "POST", &path, body.as_bytes());
    server.wait_for_requests(1, DEADLINE).expect("seen");
    let reader = thread::spawn(move || receive(stream));
    drop(server);
    let answered = reader.join().expect("received");
    assert_eq!(answered.status, 0);
}

#[test]
fn stalled_answer_begins_and_ends_with_the_server() {
    for_each_form(|api, question| {
        let server = start(Script::always(Turn::Fault(Fault::Stall)));
        let body = question.body(api).to_string();
        let mut stream = connect(&server, "POST", &question.path(api), body.as_bytes());
        let mut first = [0];
        stream.read_exact(&mut first).expect("the answer begins");
        drop(server);
        let mut rest = String::new();
        match stream.read_to_string(&mut rest) {
            Ok(_) => assert!(!rest.ends_with("0\r\n\r\n"), "{api:?}: {rest}"),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        }
    });
}

#[test]
fn events_of_anthropic_come_in_order() {
    let server = start(Script::new([Turn::shell("ls")]));
    let question = Question {
        streamed: true,
        ..Question::default()
    };
    let answered = ask(&server, Api::AnthropicMessages, &question);
    let expected = [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(answered.event_names(), expected);
    let events = answered.events();
    assert!(events.iter().all(|(name, data)| data["type"] == *name));
    assert_eq!(events[9].1["delta"]["stop_reason"], "tool_use");
}

#[test]
fn events_of_responses_are_numbered_and_end_with_the_whole() {
    for turn in [Turn::shell("ls"), Turn::text("hello")] {
        let server = start(Script::new([turn]));
        let question = Question {
            streamed: true,
            ..Question::default()
        };
        let events = ask(&server, Api::OpenAiResponses, &question).events();
        for (at, (name, data)) in events.iter().enumerate() {
            assert_eq!(data["type"], *name);
            assert_eq!(data["sequence_number"], at);
        }
        let (last, data) = &events[events.len() - 1];
        assert_eq!(last, "response.completed");
        assert_eq!(data["response"]["usage"]["total_tokens"], 175);
        let (done, item) = &events[events.len() - 2];
        assert_eq!(done, "response.output_item.done");
        assert_eq!(item["item"], data["response"]["output"][0]);
    }
}

#[test]
fn chunks_of_chat_end_with_usage_and_the_mark() {
    let server = start(Script::new([Turn::text("hello")]));
    let question = Question {
        streamed: true,
        ..Question::default()
    };
    let events = ask(&server, Api::ChatCompletions, &question).events();
    let [.., finish, usage, end] = &events[..] else {
        panic!("too few events: {events:?}");
    };
    assert_eq!(finish.1["choices"][0]["finish_reason"], "stop");
    assert_eq!(usage.1["usage"]["total_tokens"], 175);
    assert_eq!(end.1, "[DONE]");
}

#[test]
fn sources_are_named_for_models_that_search() {
    let turns = Turns::new([Turn::text("found")]).for_plain_requests();
    let server = start(Script::new(turns));
    let body = json!({"model": "sonar-pro", "messages": [{"role": "user", "content": "?"}]});
    let body = body.to_string();
    let answered = receive(connect(
        &server,
        "POST",
        "/chat/completions",
        body.as_bytes(),
    ));
    assert_eq!(answered.json()["citations"][0], "https://example.com/a");
}

#[test]
fn last_event_of_gemini_alone_has_a_finish_reason() {
    let server = start(Script::new([Turn::text("hello")]));
    let question = Question {
        streamed: true,
        ..Question::default()
    };
    let events = ask(&server, Api::Gemini, &question).events();
    let reasons: Vec<&Value> = events
        .iter()
        .map(|(_, data)| &data["candidates"][0]["finishReason"])
        .collect();
    assert_eq!(reasons, [&Value::Null, &json!("STOP")]);
    assert_eq!(events[1].1["usageMetadata"]["totalTokenCount"], 175);
    assert_eq!(events[1].1["modelVersion"], "m");
}

#[test]
fn usage_is_reported_in_the_terms_of_each_protocol() {
    let usage = Usage {
        input_tokens: 1000,
        cached_tokens: 400,
        output_tokens: 50,
        reasoning_tokens: 20,
    };
    let server = start(Script::always(Turn::text("hello")).with_usage(usage));
    let counted = |api, pointer: &str| {
        let answered = ask(&server, api, &Question::default());
        answered.json().pointer(pointer).and_then(Value::as_u64)
    };
    assert_eq!(
        counted(Api::AnthropicMessages, "/usage/input_tokens"),
        Some(600)
    );
    assert_eq!(
        counted(Api::OpenAiResponses, "/usage/input_tokens"),
        Some(1000)
    );
    assert_eq!(
        counted(Api::ChatCompletions, "/usage/prompt_tokens"),
        Some(1000)
    );
    assert_eq!(
        counted(Api::Gemini, "/usageMetadata/candidatesTokenCount"),
        Some(30)
    );
}

#[test]
fn other_paths_are_answered_at_once() {
    let server = start(Script::always(Turn::text("never seen")));
    let get = |method: &str, path: &str| receive(connect(&server, method, path, b""));
    assert_eq!(get("GET", "/v1/models").json()["data"][0]["id"], "stand-in");
    assert_eq!(get("HEAD", "/api/hello").status, 404);
    let unknown = get("POST", "/v1/embeddings");
    assert_eq!(unknown.status, 404);
    assert!(unknown.json()["error"].is_object());
    let count = receive(connect(
        &server,
        "POST",
        "/v1/messages/count_tokens?beta=true",
        b"{}",
    ));
    assert_eq!(count.json(), json!({"input_tokens": 150}));
    let count = receive(connect(
        &server,
        "POST",
        "/v1beta/models/m:countTokens",
        b"{}",
    ));
    assert_eq!(count.json(), json!({"totalTokens": 150}));
    assert!(server.requests().iter().all(|request| !request.took_turn));
}

#[test]
fn body_that_is_not_json_is_refused_and_kept() {
    let server = start(Script::always(Turn::text("never seen")));
    let answered = receive(connect(&server, "POST", "/v1/messages", b"not json"));
    assert_eq!(answered.status, 400);
    assert_eq!(server.requests()[0].body, "not json");
}

#[test]
fn body_above_the_cap_is_refused() {
    let server = start(Script::always(Turn::text("never seen")));
    let mut stream = TcpStream::connect(server.address()).expect("the server listens");
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
        super::BODY_CAP_BYTES + 1
    );
    stream.write_all(head.as_bytes()).expect("sent");
    let piece = vec![b' '; 1024 * 1024];
    for _ in 0..=super::BODY_CAP_BYTES / piece.len() {
        if stream.write_all(&piece).is_err() {
            break;
        }
    }
    assert_eq!(server.request_count(), 0);
    let mut status = [0; 12];
    if stream.read_exact(&mut status).is_ok() {
        assert_eq!(&status, b"HTTP/1.1 413");
    }
}

#[test]
fn requests_are_kept_as_they_came() {
    let server = start(Script::always(Turn::text("hello")));
    ask(&server, Api::AnthropicMessages, &Question::default());
    let seen = server.wait_for_requests(1, DEADLINE).expect("seen");
    let request = &seen[0];
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", "/v1/messages")
    );
    assert_eq!(request.query, "beta=true");
    assert_eq!(request.header("Host"), Some("localhost"));
    assert_eq!(request.api, Some(Api::AnthropicMessages));
    assert!(request.mentions("do it"));
    assert!(request.took_turn);
}

#[test]
fn connections_are_kept_for_the_next_request() {
    let server = start(Script::always(Turn::text("hello")));
    let mut stream = TcpStream::connect(server.address()).expect("the server listens");
    for _ in 0..2 {
        stream
            .write_all(b"GET /unknown HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .expect("sent");
        let mut seen = String::new();
        while !seen.ends_with("}}") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("an answer");
            seen.push(char::from(byte[0]));
        }
    }
    assert_eq!(server.request_count(), 2);
}

#[test]
fn many_conversations_are_served_at_once() {
    let server = start(Script::always(Turn::text("hello")));
    thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| {
                let question = Question {
                    streamed: true,
                    ..Question::default()
                };
                let answered = ask(&server, Api::ChatCompletions, &question);
                assert_eq!(text_of(Api::ChatCompletions, &answered), "hello");
            });
        }
    });
    assert_eq!(server.request_count(), 32);
}
