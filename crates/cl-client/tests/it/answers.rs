//! Questions and answers.

use std::io::Write as _;
use std::time::{Duration, Instant};

use cl_client::{BusOf, Client, ClientError, Fresh, Path};
use cl_storage::{ProjectId, TaskId};
use cl_wire::messages::Post;
use cl_wire::{ProblemCode, projects};

use crate::stand_in::{StandIn, answer, hold, json, send};

fn project() -> ProjectId {
    ProjectId::parse("p").expect("an id")
}

/// Asks for the projects and expects that this fails.
async fn failure(client: &Client) -> ClientError {
    client.projects().await.expect_err("no good answer")
}

#[tokio::test]
async fn questions_name_the_server_the_token_and_the_program() {
    let server = StandIn::always(json("200 OK", r#"{"projects":[]}"#));
    let builder = server.builder().user_agent("test/1");
    let client = builder.token("canary-token").unwrap().build().unwrap();
    assert_eq!(
        client.projects().await.unwrap(),
        projects::Projects::default()
    );
    let request = server.requests().remove(0);
    assert_eq!(request.line, "GET /api/projects HTTP/1.1");
    assert_eq!(request.header("authorization"), Some("Bearer canary-token"));
    assert_eq!(request.header("user-agent"), Some("test/1"));
}

#[tokio::test]
async fn changes_carry_a_body_and_a_key() {
    let id = "MSG-20260223-211000-000000001-PID00700-0001";
    let posted = format!(r#"{{"msg_id":"{id}","timestamp":"2026-02-23T21:10:00Z"}}"#);
    let server = StandIn::always(json("201 Created", &posted));
    let post = Post {
        body: "tests pass".into(),
        ..Post::default()
    };
    let task = TaskId::parse("task-20260223-204858-docs-pass").unwrap();
    let project = project();
    let bus = BusOf::Task(&project, &task);
    let said = server
        .client()
        .post_message(bus, &post, Some("once-7"))
        .await;
    assert_eq!(said.unwrap().msg_id.as_str(), id);
    let request = server.requests().remove(0);
    let path = "/api/projects/p/tasks/task-20260223-204858-docs-pass/messages";
    assert_eq!(request.line, format!("POST {path} HTTP/1.1"));
    assert_eq!(request.header("idempotency-key"), Some("once-7"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.body, r#"{"body":"tests pass"}"#);
}

#[tokio::test]
async fn no_content_is_an_answer() {
    let server = StandIn::always("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
    let task = TaskId::parse("task-20260223-204858-docs-pass").unwrap();
    server
        .client()
        .delete_task(&project(), &task)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_is_known_is_not_sent_again() {
    let server = StandIn::start(|number, stream| {
        let fresh = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\netag: \"v7\"\r\ncontent-length: 1\r\nconnection: close\r\n\r\n7";
        let same = "HTTP/1.1 304 Not Modified\r\nconnection: close\r\n\r\n";
        send(stream, if number == 0 { fresh } else { same });
    });
    let client = server.client();
    let path = Path::of(["x"]);
    let first: Fresh<u32> = client.get_fresh(&path, None).await.unwrap();
    let etag = Some("\"v7\"".to_owned());
    assert_eq!(first, Fresh::New { value: 7, etag });
    let again: Fresh<u32> = client.get_fresh(&path, Some("\"v7\"")).await.unwrap();
    assert_eq!(again, Fresh::Same);
    let requests = server.requests();
    assert_eq!(requests[1].header("if-none-match"), Some("\"v7\""));
}

#[tokio::test]
async fn refusals_say_why_and_what_to_do() {
    let body = r#"{"error":{"code":"TOO_MANY_REQUESTS","message":"too many","hint":"wait"},"message":"too many"}"#;
    let text = json("429 Too Many Requests", body).replacen(
        "\r\n",
        "\r\nretry-after: 7\r\nx-request-id: req-1\r\n",
        1,
    );
    let server = StandIn::always(text);
    let error = failure(&server.client()).await;
    assert_eq!(error.code(), Some(ProblemCode::TooManyRequests));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert_eq!(
        (error.to_string().as_str(), error.hint()),
        ("too many", Some("wait"))
    );
    assert!(error.may_pass());

    let flat = r#"{"error":"unauthorized","message":"valid API key required"}"#;
    let server = StandIn::always(json("401 Unauthorized", flat));
    let error = failure(&server.client()).await;
    assert_eq!(error.code(), Some(ProblemCode::Unauthorized));
    let hint = error.hint().unwrap();
    assert!(
        hint.contains("CONDUCTOR_API_KEY") && !hint.contains("--"),
        "{hint}"
    );
    assert!(!error.may_pass());
}

#[tokio::test]
async fn the_page_of_a_proxy_is_told_as_such() {
    let page = "<html><head><title>502 Bad Gateway</title></head></html>";
    let server = StandIn::always(answer("502 Bad Gateway", "text/html; charset=utf-8", page));
    let error = failure(&server.client()).await;
    assert!(
        matches!(
            error,
            ClientError::NotOurs {
                status: Some(502),
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.to_string().contains("502 Bad Gateway"), "{error}");
    assert!(error.hint().unwrap().contains("proxy"));
    assert!(error.may_pass());
}

#[tokio::test]
async fn other_programs_are_told_as_such() {
    for text in [
        answer("200 OK", "text/html", "<html><title>Photos</title>"),
        answer("404 Not Found", "text/plain", "404 page not found\n"),
        json("404 Not Found", r#"{"detail":"Not Found"}"#),
        "SSH-2.0-OpenSSH_9.9\r\n".to_owned(),
        "\0\0\0\0".to_owned(),
    ] {
        let server = StandIn::always(text.clone());
        let error = failure(&server.client()).await;
        assert!(
            matches!(error, ClientError::NotOurs { .. }),
            "{text}: {error:?}"
        );
        assert!(error.to_string().contains(&server.url()), "{error}");
        assert!(!error.may_pass(), "{error}");
    }
}

#[tokio::test]
async fn redirects_get_neither_the_question_nor_the_token() {
    let elsewhere = StandIn::always(json("200 OK", r#"{"projects":[]}"#));
    let to = elsewhere.url();
    let server = StandIn::always(format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: {to}/api/projects\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    ));
    let client = server.builder().token("canary").unwrap().build().unwrap();
    let error = failure(&client).await;
    assert!(matches!(
        error,
        ClientError::NotOurs {
            status: Some(307),
            ..
        }
    ));
    assert!(error.to_string().contains(&to), "{error}");
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn answers_that_end_early_are_no_answers() {
    for text in [
        "",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{\"projects\":[]}",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nf\r\n{\"projects\":[]}\r\n",
    ] {
        let server = StandIn::always(text);
        let error = failure(&server.client()).await;
        assert!(
            matches!(error, ClientError::Protocol { may_pass: true, .. }),
            "{text:?}: {error:?}"
        );
        assert!(error.hint().unwrap().contains("look whether"));
    }
}

#[tokio::test]
async fn answers_of_another_shape_cannot_be_used() {
    for body in [
        "",
        "[]",
        "{\"projects\":[]",
        r#"{"projects":[{"id":"../x"}]}"#,
    ] {
        let server = StandIn::always(json("200 OK", body));
        let error = failure(&server.client()).await;
        assert!(
            matches!(
                error,
                ClientError::Protocol {
                    may_pass: false,
                    ..
                }
            ),
            "{body}: {error:?}"
        );
    }
}

#[tokio::test]
async fn slow_answers_are_given_up() {
    let silent = StandIn::start(|_, stream| hold(stream));
    let dripping = StandIn::start(|_, stream| {
        send(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{",
        );
        hold(stream);
    });
    for server in [silent, dripping] {
        let time = Duration::from_millis(100);
        let client = server.client().answer_within(time);
        let begun = Instant::now();
        let error = failure(&client).await;
        assert!(matches!(error, ClientError::Timeout { .. }), "{error:?}");
        assert!(begun.elapsed() >= time);
    }
}

#[tokio::test]
async fn huge_bodies_are_not_read() {
    let announced = StandIn::start(|_, stream| {
        send(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n",
        );
        hold(stream);
    });
    let endless = StandIn::start(|_, stream| {
        send(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n",
        );
        // Ends when the client has had enough.
        while stream.write_all(&[b' '; 4096]).is_ok() {}
    });
    for server in [announced, endless] {
        let client = server.builder().body_up_to(100_000).build().unwrap();
        let error = failure(&client).await;
        assert!(
            matches!(
                error,
                ClientError::Protocol {
                    may_pass: false,
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(error.to_string().contains("100000 bytes"), "{error}");
    }
}

#[tokio::test]
async fn nobody_there_is_said_so() {
    let url = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let client = cl_client::Builder::new(&url).unwrap().build().unwrap();
    let error = failure(&client).await;
    assert!(error.is_unreachable(), "{error:?}");
    assert!(error.to_string().contains(&url), "{error}");
}

#[test]
fn programs_without_a_runtime_ask_as_well() {
    let server = StandIn::always(json("200 OK", r#"{"version":"1.2.3"}"#));
    let blocking = cl_client::blocking::Blocking::new(server.client()).unwrap();
    let version = blocking.ask(async |client| client.version().await);
    assert_eq!(version.unwrap().version, "1.2.3");
}
