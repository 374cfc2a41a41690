//! How much of whom the server takes.

use std::io::Read as _;
use std::time::{Duration, Instant};

use cl_testkit::patience;

use crate::http::Connection;
use crate::server::{Server, Setup};

/// The server answers as if nothing had been.
#[track_caller]
fn check_healthy(server: &Server) {
    let asked = Instant::now();
    server.get("/api/v1/version").expect(200);
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
}

#[test]
fn a_slow_head_is_cut_off_and_an_idle_connection_is_not() {
    let server = Server::with(&Setup::yaml("api: {limits: {header_timeout: 1s}}"));
    let request = server.anonymous("GET", "/api/v1/version");
    let mut idle = server.connect();
    idle.send(request.bytes());
    idle.reply().expect(200);
    let mut silent = server.connect();
    let mut slow = server.connect();
    slow.send("GET / HTTP/1.1\r\nHost: loc");
    let started = Instant::now();
    assert_eq!(slow.rest(), b"");
    assert_eq!(silent.rest(), b"");
    assert!(started.elapsed() < Duration::from_secs(10));
    // It was idle for longer than a head may take.
    idle.send(request.bytes());
    idle.reply().expect(200);
    // A trickle is no excuse, nor is it in a later request.
    idle.send("GET / HTTP/1.1\r\n");
    while idle.try_send("X: y\r\n").is_ok() && started.elapsed() < patience::PATIENCE {
        std::thread::yield_now();
    }
    idle.rest();
    assert!(started.elapsed() < patience::PATIENCE);
    check_healthy(&server);
}

#[test]
fn an_idle_connection_ends_in_time() {
    let server = Server::with(&Setup::yaml("api: {limits: {idle_timeout: 1s}}"));
    let mut connection = server.connect();
    connection.send(server.anonymous("GET", "/api/v1/version").bytes());
    connection.reply().expect(200);
    let started = Instant::now();
    assert_eq!(connection.rest(), b"");
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn a_connection_in_use_is_not_idle_however_long_it_lasts() {
    let limit = Duration::from_secs(1);
    let server = Server::with(&Setup::yaml("api: {limits: {idle_timeout: 1s}}"));
    let request = server.anonymous("GET", "/api/v1/version");
    let mut connection = server.connect();
    let started = Instant::now();
    while started.elapsed() < 2 * limit {
        connection.send(request.bytes());
        connection.reply().expect(200);
    }
}

#[test]
fn a_large_head_is_refused() {
    let server = Server::start();
    let large = "x".repeat(70_000);
    for request in [
        server
            .request("GET", "/api/v1/version")
            .header("x-large", &large),
        server.request("GET", &format!("/api/v1/version?{large}")),
    ] {
        let mut connection = server.connect();
        connection.try_send(request.bytes()).ok();
        let reply = connection.reply();
        assert!(matches!(reply.status, 414 | 431), "{}", reply.status);
        assert_eq!(connection.rest(), b"");
    }
    let mut many = server.request("GET", "/api/v1/version");
    for n in 0..200 {
        many = many.header(&format!("x-{n}"), "y");
    }
    server.ask(&many).expect(431);
    let fits = "x".repeat(50_000);
    let request = server
        .request("GET", "/api/v1/version")
        .header("x-large", &fits);
    server.ask(&request).expect(200);
    check_healthy(&server);
}

#[test]
fn a_large_body_is_refused_before_it_is_read() {
    let server = Server::start();
    for path in [
        "/api/v1/tasks",
        "/api/v1/version",
        "/api/projects/p/messages",
        "/ui/logout",
    ] {
        let request = server
            .request("POST", path)
            .header("content-type", "application/json")
            .header("content-length", "1048577");
        let mut connection = server.connect();
        connection.send(request.bytes());
        let reply = connection.reply();
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (413, "PAYLOAD_TOO_LARGE"),
            "{path}"
        );
        connection.rest();
        // The answer arrives although the client goes on.
        let request = server
            .request("POST", path)
            .header("content-type", "application/json")
            .body(vec![b' '; 3_000_000]);
        let mut connection = server.connect();
        connection.try_send(request.bytes()).ok();
        assert_eq!(connection.reply().status, 413, "{path}");
    }
    check_healthy(&server);
}

#[test]
fn more_connections_than_allowed_wait_while_others_are_in_use() {
    let server = Server::with(&Setup::yaml("api: {limits: {max_connections: 2}}"));
    let request = server.anonymous("GET", "/api/v1/version");
    let upload = server.request("POST", "/api/v1/tasks");
    let upload = upload
        .header("content-type", "application/json")
        .header("content-length", "100");
    let mut inside: Vec<Connection> = (0..2).map(|_| server.connect()).collect();
    for connection in &mut inside {
        connection.send(upload.bytes());
    }
    let mut outside = server.connect();
    outside.send(request.bytes());
    let short = Some(Duration::from_millis(500));
    outside.stream().set_read_timeout(short).unwrap();
    let early = { outside.stream() }.read(&mut [0]);
    assert!(
        early.is_err(),
        "it is answered although two others are inside"
    );
    outside
        .stream()
        .set_read_timeout(Some(patience::PATIENCE))
        .unwrap();
    inside.pop();
    outside.reply().expect(200);
    // Those who were inside were not disturbed.
    let mut first = inside.remove(0);
    first.send("x".repeat(100));
    assert_eq!(first.reply().status, 400);
}

#[test]
fn connections_on_which_nothing_goes_on_make_room_for_requests() {
    raise_limit();
    let server = Server::with(&Setup::yaml(
        "api: {limits: {max_connections: 40, header_timeout: 10m, idle_timeout: 10m}}",
    ));
    let request = server.anonymous("GET", "/api/v1/health");
    let mut asked = server.connect();
    asked.send(request.bytes());
    asked.reply().expect(200);
    let mut crowd: Vec<Connection> = (0..60).map(|_| server.connect()).collect();
    for half in crowd.iter_mut().step_by(2) {
        half.try_send("GET / HTTP/1.1\r\n").ok();
    }
    let started = Instant::now();
    for _ in 0..60 {
        let mut connection = server.connect();
        connection.send(request.bytes());
        connection.reply().expect(200);
        crowd.push(connection);
    }
    let took = started.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    drop(crowd);
    check_healthy(&server);
}

/// Lets this process, and servers that it starts, have as many files open as it may.
fn raise_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Some systems name a maximum that they do not give; what there was may do.
    setrlimit(Resource::Nofile, limit).ok();
}

#[test]
fn five_hundred_idle_connections_keep_nobody_out() {
    raise_limit();
    let server = Server::with(&Setup::yaml("api: {limits: {header_timeout: 3s}}"));
    check_healthy(&server);
    let before = server.sockets();
    let mut idle: Vec<Connection> = (0..500).map(|_| server.connect()).collect();
    for connection in &mut idle {
        connection.send("GET / HTTP/1.1\r\n");
    }
    check_healthy(&server);
    for connection in &mut idle {
        assert_eq!(connection.rest(), b"");
    }
    check_healthy(&server);
    patience::until("nothing is left of them", || server.sockets() <= before);
}

#[test]
fn a_server_out_of_descriptors_waits_and_goes_on() {
    let setup = Setup {
        open_files: Some(40),
        ..Setup::yaml("api: {limits: {header_timeout: 1m}}")
    };
    let server = Server::with(&setup);
    let crowd: Vec<Connection> = (0..60).map(|_| server.connect()).collect();
    let said = || {
        server
            .place()
            .log()
            .matches("cannot take connections")
            .count()
    };
    patience::until("it runs out", || said() >= 4);
    assert!(said() < 100, "it spins");
    drop(crowd);
    check_healthy(&server);
}

#[test]
fn a_server_ends_although_a_client_does_not() {
    let server = Server::start();
    let mut half = server.connect();
    half.send("GET /api/v1/version HTTP/1.1\r\n");
    let _silent = server.connect();
    let mut idle = server.connect();
    idle.send(server.anonymous("GET", "/api/v1/version").bytes());
    idle.reply().expect(200);
    let mut body = server.connect();
    let request = server.request("POST", "/api/v1/tasks");
    let request = request
        .header("content-type", "application/json")
        .header("content-length", "100");
    body.send(request.bytes());
    let started = Instant::now();
    server.stop();
    let took = started.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
}

/// What would be answered if the second request of `bytes` were taken for one.
#[track_caller]
fn check_one_answer(server: &Server, bytes: &str) {
    let bytes = bytes.replace("HOST", server.authority());
    let mut connection = server.connect();
    connection.send(&bytes);
    let mut statuses = Vec::new();
    while let Some(reply) = connection.try_reply() {
        statuses.push(reply.status);
    }
    let is_refused = statuses.iter().all(|status| (400..500).contains(status));
    assert!(is_refused && statuses.len() <= 1, "{statuses:?}: {bytes:?}");
}

#[test]
fn hidden_requests_are_not_answered() {
    let server = Server::with(&Setup::yaml(
        "api: {limits: {header_timeout: 2s, idle_timeout: 2s}}",
    ));
    let hidden = "GET /api/v1/version HTTP/1.1\r\nHost: HOST\r\n\r\n";
    let post = "POST /api/v1/tasks HTTP/1.1\r\nHost: HOST\r\n";
    for shape in [
        "Content-Length: 0\r\nContent-Length: 44\r\n\r\n",
        "Content-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0;\r\n\r\n",
        "Content-Length: +0\r\n\r\n",
        "Content-Length: -0\r\n\r\n",
        "Content-Length: 0, 44\r\n\r\n",
        "Content-Length: 0x0\r\n\r\n",
        "Content-Length: 99999999999999999999\r\n\r\n",
        "Content-Length : 0\r\n\r\n",
        "X: y\r\n Content-Length: 0\r\n\r\n",
        "X\0: y\r\n\r\n",
    ] {
        check_one_answer(&server, &format!("{post}{shape}{hidden}"));
    }
    check_one_answer(&server, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    check_one_answer(&server, "GET / HTTP/9.9\r\nHost: HOST\r\n\r\n");
    check_one_answer(&server, "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n\r\n");
    check_healthy(&server);
}
