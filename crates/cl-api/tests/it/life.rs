//! How a server begins and ends.

use crate::server::{Place, Server, Setup};

#[test]
fn a_server_answers_and_ends_when_it_is_asked_to() {
    let server = Server::start();
    let version = server.get("/api/v1/version").expect(200);
    assert_eq!(version.json()["version"], "0.0.0-test");
    server.stop();
}

#[test]
fn a_killed_server_serves_again_at_the_same_place() {
    let place = Server::start().kill();
    let server = place.start(&Setup::default());
    server.get("/api/v1/version").expect(200);
}

#[test]
fn a_taken_port_is_refused_by_name() {
    let server = Server::start();
    let port = server.address().port();
    let setup = Setup {
        port,
        ..Setup::default()
    };
    let problem = Place::new().refused(&setup);
    assert_eq!(
        problem.message,
        format!("port {port} of 127.0.0.1 is taken")
    );
}
