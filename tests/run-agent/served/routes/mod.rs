//! Every path and method of the OpenAPI document, through a socket of the test's own and by the client.
//!
//! A route that is added to the server without a line in both [`raw`] and [`typed`] fails here.
//! Only what was answered as asked counts. A wake that finds nothing to wake does, too: the tests of
//! limits see a server wake what waits.

mod raw;
mod scene;
mod tap;
mod typed;

use std::collections::BTreeSet;

use cl_testkit::served::Served;

/// A method, and a path as the document names it.
pub(crate) type Route = (String, String);

/// What is for browsers: it answers with cookies and ways back, which the client does not follow.
const FOR_BROWSERS: [(&str, &str); 2] = [("GET", "/ui/login"), ("POST", "/ui/logout")];

/// Tells whether an answer shows that a route does what it promises.
fn counts(path: &str, status: u16) -> bool {
    status < 400 || (status == 409 && path.ends_with("/wake"))
}

/// Returns what the document of a live server promises.
#[track_caller]
fn promised(server: &Served) -> BTreeSet<Route> {
    let document = server.caller().get("/api/openapi.json").unwrap();
    let document = document.expect(200).json();
    let paths = document["paths"].as_object().unwrap();
    let methods = ["get", "post", "put", "patch", "delete", "head"];
    let of_path = |(path, item): (&String, &serde_json::Value)| {
        let there = methods.iter().filter(|method| item.get(**method).is_some());
        let routes = there.map(|method| (method.to_uppercase(), path.clone()));
        routes.collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

/// Panics if any route was not asked, or one that nobody promised.
#[track_caller]
fn assert_whole(door: &str, promised: &BTreeSet<Route>, asked: &BTreeSet<Route>) {
    let missing: Vec<_> = promised.difference(asked).collect();
    assert!(missing.is_empty(), "not asked {door}: {missing:#?}");
    let strange: Vec<_> = asked.difference(promised).collect();
    assert!(
        strange.is_empty(),
        "in no document, but answered {door}: {strange:#?}"
    );
}

#[test]
fn every_route_answers_through_a_socket() {
    let scene = scene::Scene::new();
    let server = scene.serve();
    let promised = promised(&server);
    let asked = raw::ask_everything(&scene, &server);
    assert_whole("through a socket", &promised, &asked);
}

#[test]
fn every_route_answers_the_client() {
    let scene = scene::Scene::new();
    let server = scene.serve();
    let mut promised = promised(&server);
    for (method, path) in FOR_BROWSERS {
        let route = (method.to_owned(), path.to_owned());
        assert!(promised.remove(&route), "{method} {path} is gone");
    }
    let tap = tap::Tap::to(server.address());
    typed::ask_everything(&scene, &server, &tap);
    let asked = tap.routes(&promised);
    assert_whole("by the client", &promised, &asked);
}

#[test]
fn a_route_that_nobody_asks_is_missed() {
    let route = |path: &str| ("GET".to_owned(), path.to_owned());
    let promised = BTreeSet::from([route("/a"), route("/b/{id}")]);
    let asked = BTreeSet::from([route("/a")]);
    let look = || assert_whole("here", &promised, &asked);
    assert!(std::panic::catch_unwind(look).is_err());
    assert_whole("here", &promised, &promised);
}
