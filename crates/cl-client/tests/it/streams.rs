//! Streams that break and go on.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use cl_client::blocking::{Blocking, Waited};
use cl_client::{Client, ClientError, EventStream, Path, Said};
use cl_wire::sse::Event;

use crate::stand_in::{StandIn, answer, hold, json, send};

const HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\nretry: 10\n\n";

fn path() -> Path {
    Path::of(["stream"])
}

async fn open(client: &Client) -> EventStream {
    client.follow(path(), None).await.expect("a stream")
}

/// Reads to the end and returns what the events say.
async fn all(stream: &mut EventStream) -> Vec<String> {
    let mut said = Vec::new();
    while let Some(event) = stream.next_event().await.expect("no final error") {
        said.push(event.data);
    }
    said
}

/// Waits for a loss of the connection.
async fn loss(stream: &mut EventStream) -> (ClientError, Duration) {
    loop {
        match stream.next().await.expect("no final error") {
            Some(Said::Lost { why, wait }) => return (why, wait),
            Some(_) => {}
            None => panic!("the stream has ended"),
        }
    }
}

fn event(number: usize) -> String {
    Event::unnamed(number.to_string())
        .at(number.to_string())
        .encode()
}

fn done() -> String {
    Event::named("done", "over").encode()
}

#[tokio::test]
async fn an_interrupted_stream_goes_on_where_it_stopped() {
    let server = StandIn::start(|number, stream| match number {
        // The third event is not complete, so it was never sent.
        0 => send(
            stream,
            format!("{HEAD}{}{}id: 3\ndata: 3\n", event(1), event(2)),
        ),
        1 => send(stream, format!("{HEAD}{}", event(3))),
        2 => {}
        _ => send(stream, format!("{HEAD}{}{}", event(4), done())),
    });
    let mut stream = open(&server.client()).await;
    assert_eq!(all(&mut stream).await, ["1", "2", "3", "4", "over"]);
    assert_eq!(stream.last_id(), Some("4"));
    let places: Vec<_> = server
        .requests()
        .iter()
        .map(|request| request.header("last-event-id").map(str::to_owned))
        .collect();
    let at = |id: &str| Some(id.to_owned());
    assert_eq!(places, [None, at("2"), at("3"), at("3")]);
}

#[tokio::test]
async fn a_place_of_an_earlier_stream_is_where_one_begins() {
    let server = StandIn::always(format!("{HEAD}{}", done()));
    let place = Some("s=12;e=3".to_owned());
    let client = server.builder().token("canary").unwrap().build().unwrap();
    let mut stream = client.follow(path(), place).await.unwrap();
    assert_eq!(all(&mut stream).await, ["over"]);
    let request = server.requests().remove(0);
    assert_eq!(request.header("last-event-id"), Some("s=12;e=3"));
    assert_eq!(request.header("accept"), Some("text/event-stream"));
    assert_eq!(request.header("authorization"), Some("Bearer canary"));
}

#[tokio::test]
async fn a_silent_stream_is_opened_again() {
    let server = StandIn::start(|number, stream| {
        send(stream, format!("{HEAD}{}", event(number)));
        if number < 2 {
            hold(stream);
        } else {
            send(stream, done());
        }
    });
    let client = server.builder().silent_for(Duration::from_millis(80));
    let mut stream = open(&client.build().unwrap()).await;
    assert_eq!(all(&mut stream).await, ["0", "1", "2", "over"]);
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn heartbeats_and_comments_are_signs_of_life() {
    let server = StandIn::start(|_, stream| {
        send(stream, HEAD);
        for _ in 0..20 {
            send(stream, ": ok\n\n");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        send(stream, done());
    });
    let client = server.builder().silent_for(Duration::from_millis(250));
    let mut stream = open(&client.build().unwrap()).await;
    assert_eq!(all(&mut stream).await, ["over"]);
    assert_eq!(server.requests().len(), 1);
}

/// Sends byte by byte, so that characters and lines are cut everywhere.
fn dribble(stream: &mut TcpStream, text: &str) {
    for byte in text.as_bytes() {
        send(stream, [*byte]);
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_wait_can_be_given_up_at_any_time() {
    const EACH: usize = 25;
    let server = StandIn::start(|number, stream| {
        stream.set_nodelay(true).ok();
        send(stream, HEAD);
        for at in number * EACH..(number + 1) * EACH {
            let text = Event::unnamed(format!("{at} é→🦀\n")).at(at.to_string());
            dribble(stream, &text.encode());
        }
        if number == 3 {
            send(stream, done());
        }
    });
    let mut stream = open(&server.client()).await;
    let mut said = Vec::new();
    let mut given_up = 0;
    loop {
        let wait = Duration::from_micros(200 + given_up % 7 * 150);
        match tokio::time::timeout(wait, stream.next_event()).await {
            Err(_) => given_up += 1,
            Ok(Ok(Some(event))) => said.push(event.data),
            Ok(Ok(None)) => break,
            Ok(Err(error)) => panic!("{error}"),
        }
    }
    assert_eq!(said.pop().as_deref(), Some("over"));
    let expected: Vec<_> = (0..4 * EACH).map(|at| format!("{at} é→🦀\n")).collect();
    assert_eq!(said, expected);
    assert!(given_up > 0);
}

#[tokio::test]
async fn what_may_pass_is_waited_out() {
    let server = StandIn::start(|number, stream| match number {
        0 => send(stream, format!("{HEAD}{}", event(1))),
        1 => send(
            stream,
            answer("502 Bad Gateway", "text/html", "<title>x</title>"),
        ),
        2 => send(
            stream,
            json(
                "503 Service Unavailable",
                r#"{"error":{"code":"UNAVAILABLE","message":"m"},"message":"m"}"#,
            ),
        ),
        3 => {}
        _ => send(stream, format!("{HEAD}{}", done())),
    });
    let mut stream = open(&server.client()).await;
    assert_eq!(all(&mut stream).await, ["1", "over"]);
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn a_server_that_is_busy_says_how_long_to_wait() {
    let server = StandIn::start(|number, stream| {
        let busy =
            r#"{"error":{"code":"TOO_MANY_REQUESTS","message":"max clients reached for run"}}"#;
        match number {
            0 => send(stream, HEAD),
            _ => send(
                stream,
                json("429 Too Many Requests", busy).replacen("\r\n", "\r\nretry-after: 77\r\n", 1),
            ),
        }
    });
    let mut stream = open(&server.client()).await;
    let (_, wait) = loss(&mut stream).await;
    assert!(
        wait < Duration::from_millis(100),
        "`retry: 10` counts: {wait:?}"
    );
    let (why, wait) = loss(&mut stream).await;
    assert_eq!(why.to_string(), "max clients reached for run");
    assert_eq!(wait, Duration::from_secs(77));
}

#[tokio::test]
async fn what_will_not_pass_is_final() {
    let server = StandIn::start(|number, stream| {
        let gone = r#"{"error":{"code":"NOT_FOUND","message":"run not found"}}"#;
        match number {
            0 => send(stream, format!("{HEAD}{}", event(1))),
            _ => send(stream, json("404 Not Found", gone)),
        }
    });
    let mut stream = open(&server.client()).await;
    assert_eq!(stream.next_event().await.unwrap().unwrap().data, "1");
    let error = stream.next_event().await.expect_err("a final error");
    assert_eq!(error.to_string(), "run not found");
    assert!(stream.next_event().await.unwrap().is_none());
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn the_first_connection_is_tried_once() {
    let page = answer("502 Bad Gateway", "text/html", "");
    let server = StandIn::always(page);
    assert!(server.client().follow(path(), None).await.is_err());
    assert_eq!(server.requests().len(), 1);
    let server = StandIn::always(json("200 OK", "{}"));
    let error = server
        .client()
        .follow(path(), None)
        .await
        .expect_err("no stream");
    assert!(matches!(error, ClientError::NotOurs { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_has_nothing_more_to_say_ends_the_stream() {
    let server = StandIn::start(|number, stream| match number {
        0 => send(stream, format!("{HEAD}{}", event(1))),
        _ => send(
            stream,
            "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n",
        ),
    });
    let mut stream = open(&server.client()).await;
    assert_eq!(all(&mut stream).await, ["1"]);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn patience_ends() {
    let server = StandIn::always(HEAD);
    let client = server
        .builder()
        .give_up_after(Some(Duration::from_millis(60)));
    let mut stream = open(&client.build().unwrap()).await;
    let error = stream.next_event().await.expect_err("a final error");
    assert!(matches!(error, ClientError::Protocol { .. }), "{error:?}");
    let tried = server.requests().len();
    assert!((2..20).contains(&tried), "{tried}");
}

#[tokio::test]
async fn an_event_without_end_is_refused() {
    let server = StandIn::start(|_, stream| {
        send(stream, HEAD);
        send(stream, "data: ");
        while stream.write_all(&[b'x'; 8192]).is_ok() {}
    });
    let mut stream = open(&server.client()).await;
    let error = stream.next_event().await.expect_err("a final error");
    assert!(error.to_string().contains("has more than"), "{error}");
    assert!(stream.next_event().await.unwrap().is_none());
}

#[test]
fn programs_without_a_runtime_follow_as_well() {
    let server = StandIn::start(|number, stream| match number {
        0 => {
            send(stream, format!("{HEAD}{}", event(1)));
            hold(stream);
        }
        _ => send(stream, format!("{HEAD}{}", done())),
    });
    let client = server.builder().silent_for(Duration::from_millis(150));
    let blocking = Blocking::new(client.build().unwrap()).unwrap();
    let mut events = blocking.follow(path(), None).unwrap();
    let (mut said, mut nothing) = (Vec::new(), 0);
    loop {
        match events.next_within(Duration::from_millis(10)).unwrap() {
            Waited::Said(Said::Event(event)) => said.push(event.data),
            Waited::Said(_) => {}
            Waited::Nothing => nothing += 1,
            Waited::Ended => break,
        }
    }
    assert_eq!(said, ["1", "over"]);
    assert!(nothing > 0);
    assert_eq!(events.last_id(), Some("1"));
}
