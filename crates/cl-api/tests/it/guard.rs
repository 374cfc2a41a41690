//! Who is let in, and who is not.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::http::{Reply, Request};
use crate::server::{Place, Server, Setup};

/// A path that needs credentials and is always there.
const CLOSED: &str = "/api/v1/admin/login-link";
/// A configuration with a key of the user's own.
const KEYED: &str = "api: {auth_enabled: true, api_key: test-key-of-the-owner}";

#[track_caller]
fn check_refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!(reply.status, status, "{:?}", reply.text());
    assert_eq!(reply.code(), code);
    check_headers(reply);
}

/// Every answer has these.
#[track_caller]
fn check_headers(reply: &Reply) {
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(reply.header("x-frame-options"), Some("DENY"));
    assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
    let policy = reply.header("content-security-policy").unwrap();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(reply.header("x-request-id").is_some());
    assert_eq!(reply.header("server"), None);
}

#[test]
fn everything_but_the_open_paths_needs_credentials() {
    let server = Server::start();
    for path in [
        "/api/v1/status",
        "/api/v1/tasks",
        "/api/projects",
        "/api/projects/p/tree",
        "/api/openapi.json",
        "/api/v1/runs/stream/all",
        "/api/nowhere",
        "/nowhere",
        "//",
        "/API/V1/HEALTH",
        "/api/v1/health/",
        "/api/v1/health%2f",
        "/uix",
    ] {
        let reply = server.ask(&server.anonymous("GET", path));
        check_refused(&reply, 401, "UNAUTHORIZED");
        let realm = reply.header("www-authenticate");
        assert_eq!(realm, Some("Bearer realm=\"conductor\""), "{path}");
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}");
    }
    for path in [
        "/api/v1/health",
        "/api/v1/version",
        "/metrics",
        "/healthz",
        "/",
        "/ui",
        "/ui/",
        "/ui/x.js",
    ] {
        let reply = server.ask(&server.anonymous("GET", path));
        assert_ne!(reply.status, 401, "{path}");
        check_headers(&reply);
    }
    let reply = server.ask(&server.anonymous("POST", "/api/v1/version"));
    check_refused(&reply, 401, "UNAUTHORIZED");
}

#[test]
fn the_key_opens_in_both_headers_and_nothing_else_does() {
    let server = Server::start();
    let token = server.token();
    assert!(token.len() >= 43, "256 bits");
    let ask = |name: &str, value: &str| {
        let request = server.anonymous("POST", CLOSED).header(name, value);
        server.ask(&request).status
    };
    assert_eq!(ask("authorization", &format!("Bearer {token}")), 200);
    assert_eq!(ask("Authorization", &format!("Bearer {token}")), 200);
    assert_eq!(ask("X-API-Key", &token), 200);
    for (name, value) in [
        ("authorization", format!("bearer {token}")),
        ("authorization", format!("Basic {token}")),
        ("authorization", token.clone()),
        ("authorization", "Bearer ".to_owned()),
        ("authorization", format!("Bearer {}", &token[1..])),
        ("x-api-key", token.to_uppercase() + "x"),
        ("cookie", format!("conductor_session={token}")),
        ("x-token", token.clone()),
    ] {
        assert_eq!(ask(name, &value), 401, "{name}: {value}");
    }
    let in_query = server.anonymous("POST", &format!("{CLOSED}?token={token}&api_key={token}"));
    assert_eq!(server.ask(&in_query).status, 401);
}

#[test]
fn the_token_is_private_lasts_and_is_never_told() {
    let server = Server::start();
    let token = server.token();
    server.post(CLOSED, &json!({})).expect(200);
    let wrong = server
        .anonymous("GET", "/api/v1/tasks")
        .header("x-api-key", "canary-wrong-key");
    server.ask(&wrong).expect(401);
    let file = server.place().home().join(".run-agent/token");
    let mode = std::fs::metadata(file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let place = server.stop();
    let server = place.start(&Setup::default());
    assert_eq!(server.token(), token);
    let log = server.stop().log();
    assert!(!log.contains(&token) && !log.contains("canary"), "{log}");
}

#[test]
fn a_configured_key_replaces_the_token() {
    let server = Server::with(&Setup::yaml(KEYED));
    assert_eq!(server.token(), "", "none is made");
    let ask = |key: &str| {
        let request = server.anonymous("POST", CLOSED).header("x-api-key", key);
        server.ask(&request).status
    };
    assert_eq!(ask("test-key-of-the-owner"), 200);
    assert_eq!(ask("test-key-of-the-owne"), 401);
    let log = server.stop().log();
    assert!(!log.contains("test-key-of-the-owner"), "{log}");
}

#[test]
fn wrong_keys_are_limited_and_right_ones_are_not() {
    let server = Server::start();
    let wrong = server
        .anonymous("GET", "/api/v1/tasks")
        .header("x-api-key", "wrong");
    let mut connection = server.connect();
    let mut limited = None;
    for _ in 0..50 {
        connection.send(wrong.bytes());
        let reply = connection.reply();
        if reply.status == 429 {
            limited = Some(reply);
            break;
        }
        assert_eq!(reply.status, 401);
    }
    let limited = limited.expect("the limit is below 50");
    check_refused(&limited, 429, "TOO_MANY_REQUESTS");
    let wait: u64 = limited.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    server.post(CLOSED, &json!({})).expect(200);
    server
        .ask(&server.anonymous("GET", "/api/v1/version"))
        .expect(200);
}

#[test]
fn another_name_of_the_machine_is_not_this_server() {
    let server = Server::start();
    let port = server.address().port();
    for path in [
        "/",
        "/ui/",
        "/api/v1/version",
        "/api/v1/tasks",
        "/ui/login?code=x",
    ] {
        for host in [
            format!("rebound.example:{port}"),
            "rebound.example".to_owned(),
            format!("localhost.rebound.example:{port}"),
            format!("0.0.0.0:{port}"),
            format!("localhost:{}", port.wrapping_add(1)),
            "localhost".to_owned(),
            String::new(),
        ] {
            let request = server
                .request("GET", path)
                .without("host")
                .header("host", &host);
            check_refused(&server.ask(&request), 403, "FORBIDDEN");
        }
        let nameless = server.request("GET", path).without("host");
        check_refused(&server.ask(&nameless), 400, "BAD_REQUEST");
        let twice = server
            .request("GET", path)
            .header("host", "rebound.example");
        check_refused(&server.ask(&twice), 400, "BAD_REQUEST");
        let absolute = server.request("GET", &format!("http://rebound.example{path}"));
        check_refused(&server.ask(&absolute), 403, "FORBIDDEN");
    }
    for host in [format!("LOCALHOST:{port}"), format!("[::1]:{port}")] {
        let request = server
            .request("GET", "/api/v1/version")
            .without("host")
            .header("host", &host);
        server.ask(&request).expect(200);
    }
}

#[test]
fn a_further_name_is_this_server_if_the_user_says_so() {
    let server = Server::with(&Setup::yaml("api: {hosts: [agents.example.com]}"));
    let named = |host: &str| {
        let request = server.anonymous("GET", "/api/v1/version");
        let request = request.without("host").header("host", host);
        server.ask(&request).status
    };
    assert_eq!(named("agents.example.com"), 200);
    assert_eq!(named("example.com"), 403);
}

#[test]
fn pages_of_other_sites_change_nothing() {
    let server = Server::start();
    let own = format!("http://{}", server.authority());
    let attempt = |headers: &[(&str, &str)]| {
        let mut request = server.request("POST", CLOSED).json(&json!({}));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        server.ask(&request)
    };
    attempt(&[]).expect(200);
    attempt(&[("origin", &own), ("sec-fetch-site", "same-origin")]).expect(200);
    for headers in [
        &[("origin", "http://evil.example")][..],
        &[("origin", "http://localhost:1")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("referer", "http://evil.example/")],
        &[("origin", &own), ("sec-fetch-site", "cross-site")],
    ] {
        check_refused(&attempt(headers), 403, "FORBIDDEN");
    }
    for method in ["PUT", "DELETE", "PATCH", "CONNECT", "TRACE", "BREW"] {
        let request = server
            .request(method, CLOSED)
            .header("origin", "http://evil.example");
        let reply = server.ask(&request);
        assert!(
            matches!(reply.status, 400 | 403),
            "{method}: {}",
            reply.status
        );
    }
}

#[test]
fn a_form_of_another_site_does_nothing() {
    let server = Server::start();
    for kind in [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
    ] {
        let request = server
            .anonymous("POST", "/api/v1/tasks")
            .header("origin", "http://evil.example")
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", "navigate")
            .header("content-type", kind)
            .body("{\"project_id\":\"p\",\"task_id\":\"t\"}=");
        check_refused(&server.ask(&request), 403, "FORBIDDEN");
    }
    assert!(!server.root().join("p").exists());
}

#[test]
fn browsers_are_told_what_configured_pages_may_do() {
    let server = Server::with(&Setup::yaml("api: {cors_origins: ['http://ui.example']}"));
    let ask = |method: &str, origin: &str| {
        let request = server.request(method, "/api/v1/version");
        server.ask(&request.header("origin", origin))
    };
    let preflight = ask("OPTIONS", "http://ui.example").expect(204);
    let header = |name| preflight.header(name).unwrap();
    assert_eq!(header("access-control-allow-origin"), "http://ui.example");
    assert_eq!(
        header("access-control-allow-methods"),
        "GET,POST,DELETE,OPTIONS"
    );
    assert_eq!(header("vary"), "Origin");
    assert_eq!(header("access-control-expose-headers"), "X-Request-ID");
    assert_eq!(preflight.header("access-control-allow-credentials"), None);
    let read = ask("GET", "http://ui.example").expect(200);
    let allowed = read.header("access-control-allow-origin");
    assert_eq!(allowed, Some("http://ui.example"));
    for (method, status) in [("OPTIONS", 204), ("GET", 200)] {
        let foreign = ask(method, "http://evil.example").expect(status);
        assert_eq!(foreign.header("access-control-allow-origin"), None);
        assert_eq!(foreign.header("access-control-allow-methods"), None);
    }
    let change = server
        .request("POST", CLOSED)
        .header("origin", "http://ui.example");
    server.ask(&change).expect(200);
}

#[test]
fn without_configuration_nobody_may_read_from_elsewhere() {
    let server = Server::start();
    let request = Request::new("OPTIONS", "/api/v1/tasks")
        .header("host", server.authority())
        .header("origin", "http://ui.example");
    let reply = server.ask(&request).expect(204);
    assert_eq!(reply.header("access-control-allow-origin"), None);
    check_headers(&reply);
}

#[test]
fn requests_have_ids() {
    let server = Server::start();
    let ask = |id: &str| {
        let request = server.anonymous("GET", "/api/v1/version");
        let reply = server.ask(&request.header("x-request-id", id));
        reply.header("x-request-id").unwrap().to_owned()
    };
    assert_eq!(ask("my-request_1.2"), "my-request_1.2");
    for odd in ["", "a b", "a\"b", &"x".repeat(129)] {
        let made = ask(odd);
        assert!(made.starts_with("req-"), "{odd}: {made}");
    }
}

/// Returns what a browser sends back of the cookie that a login sets.
#[track_caller]
fn logged_in(server: &Server, url: &str) -> String {
    let path = url
        .strip_prefix(server.announcement.api_url.trim_end_matches('/'))
        .unwrap();
    let reply = server.ask(&server.anonymous("GET", path)).expect(303);
    assert_eq!(reply.header("location"), Some("/ui/"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let cookie = reply.header("set-cookie").unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let port = server.address().port();
    let name = format!("conductor_session_{port}=");
    assert!(cookie.starts_with(&name), "{cookie}");
    assert!(!cookie.contains(&server.token()), "{cookie}");
    let again = server.ask(&server.anonymous("GET", path)).expect(403);
    assert!(again.text().contains("conductor open"), "{}", again.text());
    cookie.split(';').next().unwrap().to_owned()
}

#[test]
fn a_link_logs_a_browser_in_once() {
    let server = Server::start();
    let link = server.announcement.login_url.clone().unwrap();
    let cookie = logged_in(&server, &link);
    let ask = |headers: &[(&str, &str)]| {
        let mut request = server.anonymous("POST", CLOSED).header("cookie", &cookie);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        server.ask(&request)
    };
    let own = format!("http://{}", server.authority());
    ask(&[("sec-fetch-site", "same-origin"), ("origin", &own)]).expect(200);
    // The browser sends the cookie along from pages of other ports, too.
    ask(&[
        ("sec-fetch-site", "same-site"),
        ("origin", "http://localhost:1"),
    ])
    .expect(403);
    let read = server
        .anonymous("GET", "/api/v1/tasks")
        .header("cookie", &cookie);
    assert_ne!(server.ask(&read).status, 401);
    server
        .ask(&read.clone().header("sec-fetch-site", "same-site"))
        .expect(401);
    server
        .ask(&read.clone().header("origin", "http://localhost:1"))
        .expect(401);
    let out = server
        .anonymous("POST", "/ui/logout")
        .header("cookie", &cookie);
    let out = server.ask(&out).expect(303);
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    server.ask(&read).expect(401);
}

#[test]
fn a_program_gets_a_link_and_a_browser_stays_in_over_a_restart() {
    let server = Server::start();
    let link = server.post(CLOSED, &json!({})).expect(200).json();
    assert!(
        link["expires_at"].as_str().unwrap().ends_with('Z'),
        "{link}"
    );
    let url = link["login_url"].as_str().unwrap();
    let head = url.find("/ui/").map(|at| &url[at..]).unwrap();
    let looked = server.ask(&server.anonymous("HEAD", head));
    assert_eq!(looked.status, 204, "looking at a link does not use it");
    let cookie = logged_in(&server, url);
    let setup = Setup {
        port: server.address().port(),
        ..Setup::default()
    };
    let server = server.kill().start(&setup);
    let request = server.anonymous("POST", CLOSED).header("cookie", &cookie);
    server.ask(&request).expect(200);
    let log = server.stop().log();
    let code = url.split("code=").nth(1).unwrap();
    let value = cookie.split('=').nth(1).unwrap();
    assert!(!log.contains(code) && !log.contains(value), "{log}");
}

#[test]
fn codes_are_not_guessed() {
    let server = Server::start();
    let guess = server.anonymous("GET", "/ui/login?code=0123456789");
    let statuses: Vec<_> = (0..30).map(|_| server.ask(&guess).status).collect();
    assert_eq!(statuses[0], 403);
    assert_eq!(statuses[29], 429);
    assert_eq!(
        server.ask(&server.anonymous("GET", "/ui/login")).status,
        403
    );
}

#[track_caller]
fn check_not_served(setup: &Setup, expected: &str) {
    let place = Place::new();
    let problem = place.refused(setup);
    assert_eq!(
        problem.code(),
        cl_wire::ProblemCode::BadRequest,
        "exit code 2"
    );
    assert!(problem.message.contains(expected), "{problem:?}");
    let hint = problem.error.hint.unwrap();
    assert!(hint.contains("api.api_key"), "{hint}");
    let token = place.home().join(".run-agent/token");
    assert!(!token.exists());
}

#[test]
fn other_machines_are_not_served_without_a_key() {
    for host in ["0.0.0.0", "::", "[::]", "10.255.255.1", "box.example"] {
        let setup = Setup {
            host: Some(host.to_owned()),
            ..Setup::default()
        };
        check_not_served(&setup, "can be reached from other machines");
        // A key that nobody has to show is none.
        let setup = Setup {
            yaml: "api: {api_key: test-key}".to_owned(),
            ..setup
        };
        check_not_served(&setup, "can be reached from other machines");
    }
    check_not_served(&Setup::yaml("api: {auth_enabled: true}"), "there is no key");
}

#[test]
fn other_machines_are_served_with_a_key() {
    let setup = Setup {
        host: Some("0.0.0.0".to_owned()),
        ..Setup::yaml(KEYED)
    };
    let server = Server::with(&setup);
    assert!(server.announcement.api_url.starts_with("http://localhost:"));
    server.ask(&server.anonymous("POST", CLOSED)).expect(401);
    let request = server
        .anonymous("POST", CLOSED)
        .header("x-api-key", "test-key-of-the-owner");
    server.ask(&request).expect(200);
}

#[test]
fn localhost_is_both_addresses() {
    let setup = Setup {
        host: Some("localhost".to_owned()),
        ..Setup::default()
    };
    let server = Server::with(&setup);
    let port = server.address().port();
    let request = server.anonymous("GET", "/api/v1/version");
    server.ask(&request).expect(200);
    // A machine need not speak IPv6.
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        let address = format!("[::1]:{port}").parse().unwrap();
        let mut connection = crate::http::Connection::open(address);
        connection.send(request.bytes());
        connection.reply().expect(200);
    }
}

#[test]
fn an_exposed_token_is_not_used() {
    let place = Place::new();
    let folder = place.home().join(".run-agent");
    std::fs::create_dir(&folder).unwrap();
    let token = folder.join("token");
    std::fs::write(&token, "canary".repeat(8)).unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o644)).unwrap();
    let problem = place.refused(&Setup::default());
    assert!(
        problem.message.contains("others can read it"),
        "{problem:?}"
    );
    assert!(problem.error.hint.unwrap().contains("chmod 600"));
    assert!(!place.log().contains("canary"));
}
