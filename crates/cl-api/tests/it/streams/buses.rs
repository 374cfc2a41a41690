//! Following messages.

use cl_bus::Bus;

use super::{Client, PROJECT, append, bus_stream, json, post, task_at};
use crate::server::{Place, Setup};

#[test]
fn a_hundred_messages_on_an_empty_bus_all_arrive() {
    let place = Place::new();
    let task = task_at(&place, "abc");
    let server = place.start(&Setup::default());
    let paths = [
        bus_stream(&task),
        format!(
            "/api/v1/messages/stream?project_id={PROJECT}&task_id={}",
            task.id()
        ),
    ];
    let mut clients: Vec<Client> = paths
        .iter()
        .map(|path| Client::open(&server, path, None))
        .collect();
    let bus = Bus::new(task.bus());
    // One write, as of somebody who was away: what is in it comes at once.
    let source = tempfile::tempdir().unwrap();
    let other = Bus::new(source.path().join("TASK-MESSAGE-BUS.md"));
    for number in 0..100 {
        post(&other, &format!("message {number}\n---\nmsg_id: no"));
    }
    append(task.bus(), &std::fs::read_to_string(other.path()).unwrap());
    for client in &mut clients {
        for number in 0..100 {
            assert!(client.message().starts_with(&format!("message {number}\n")));
        }
    }
    post(&bus, "later");
    for client in &mut clients {
        assert_eq!(client.message(), "later");
    }
    let project = Bus::new(server.root().join(PROJECT).join("PROJECT-MESSAGE-BUS.md"));
    let mut of_project = Client::open(
        &server,
        &format!("/api/projects/{PROJECT}/messages/stream"),
        None,
    );
    post(&project, "to all");
    assert_eq!(of_project.message(), "to all");
}

#[test]
fn messages_are_resumed_behind_the_last_and_unknown_places_are_told() {
    let place = Place::new();
    let task = task_at(&place, "abc");
    let bus = Bus::new(task.bus());
    for number in 0..30 {
        post(&bus, &format!("{number}"));
    }
    let server = place.start(&Setup::default());
    let path = bus_stream(&task);
    let mut client = Client::open(&server, &path, None);
    for number in 10..30 {
        assert_eq!(client.message(), number.to_string());
    }
    let last = client.last_id.clone().unwrap();
    drop(client);
    for number in 30..200 {
        post(&bus, &format!("{number}"));
        if number % 50 == 0 {
            assert!(bus.rotate(1).unwrap().is_some());
        }
    }
    let mut client = Client::open(&server, &path, Some(&last));
    for number in 30..200 {
        assert_eq!(client.message(), number.to_string());
    }
    // The file is archived while somebody follows it.
    for number in 200..260 {
        post(&bus, &format!("{number}"));
        if number % 20 == 0 {
            assert!(bus.rotate(1).unwrap().is_some());
        }
        assert_eq!(client.message(), number.to_string());
    }
    for unknown in ["MSG-20200101-000000-000000001-PID00001-0001", "rubbish"] {
        let mut client = Client::open(&server, &path, Some(unknown));
        let reset = client.next().unwrap();
        assert_eq!(
            (reset.name(), &json(&reset)["reason"]),
            ("reset", &"since_id_not_found".into())
        );
        for number in 240..260 {
            assert_eq!(client.message(), number.to_string());
        }
    }
    let mut whole = Client::open(&server, &format!("{path}?from=start"), None);
    for number in 0..260 {
        assert_eq!(whole.message(), number.to_string());
    }
}

#[test]
fn every_message_comes_once_however_often_the_client_comes_again() {
    let place = Place::new();
    let task = task_at(&place, "abc");
    let bus = Bus::new(task.bus());
    let server = place.start(&Setup::default());
    let path = format!("{}?from=start", bus_stream(&task));
    let writer = std::thread::spawn(move || {
        for number in 0..1000 {
            post(&bus, &format!("{number}"));
            if number % 300 == 299 {
                bus.rotate(1).unwrap();
            }
        }
    });
    let mut last = None;
    let mut number = 0;
    while number < 1000 {
        let mut client = Client::open(&server, &path, last.as_deref());
        for _ in 0..=(number * 7 % 23) {
            if number < 1000 {
                assert_eq!(client.message(), number.to_string());
                number += 1;
            }
        }
        last = client.last_id.clone();
    }
    writer.join().unwrap();
}
