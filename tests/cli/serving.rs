//! The server as a process: one at a root, in the background, kept going, asked and ended.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use cl_storage::process::ProcessIdentity;
use cl_storage::server::{ServerRecord, log_path};
use cl_testkit::patience::{eventually, until};
use cl_testkit::server_end::end_server;
use rustix::process::{Pid, Signal, kill_process};

use crate::place::{Place, Ran};

/// A server in the background, and whoever keeps it going; killed at the end.
struct Served(Place);

impl Drop for Served {
    fn drop(&mut self) {
        end_server(&self.0.root);
    }
}

impl Served {
    fn start(line: &str) -> Self {
        let served = Self(Place::new());
        served.0.run(line).ok();
        served
    }

    fn record(&self) -> ServerRecord {
        ServerRecord::read(&self.0.root).unwrap().unwrap()
    }
}

const DAEMON: &str = "serve --daemon --port 0";

/// Starts a command in the foreground and returns the first line that it prints.
fn announced(mut command: Command) -> (Child, String) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let stdout = child.stdout.as_mut().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    (child, line)
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

#[test]
fn a_server_in_the_background_is_ready_shown_and_ended() {
    let served = Served::start(DAEMON);
    let place = &served.0;
    let record = served.record();
    assert!(record.is_alive());
    let out = place.run("serve status").ok();
    assert!(out.contains(&record.api_url), "{out}");
    let status = place.run("serve status --json").ok();
    assert!(status.contains("\"state\":\"running\""), "{status}");
    let ended = place.run("serve stop --json").ok();
    assert!(ended.contains("\"outcome\":\"ended\""), "{ended}");
    assert!(!record.is_alive());
    assert_eq!(ServerRecord::read(&place.root).unwrap(), None);
    place.run("serve status").fails(3, "");
    place.run("serve stop").fails(3, "no server is at work");
}

#[test]
fn a_second_server_is_refused_by_name_and_may_only_look() {
    let served = Served::start(DAEMON);
    let record = served.record();
    let place = &served.0;
    for line in ["serve --port 0", DAEMON, "serve --supervise --port 0"] {
        let refused = place.run(line);
        let named = format!("by process {} at {}", record.pid, record.api_url);
        refused.fails(4, &named);
    }
    let (mut child, line) = announced(place.command(["serve", "--read-only", "--port", "0"]));
    assert!(
        line.starts_with("API listening on http://127.0.0.1:"),
        "{line}"
    );
    assert_eq!(served.record(), record);
    signal(child.id(), Signal::TERM);
    assert!(child.wait().unwrap().success());
    assert_eq!(served.record(), record);
}

#[test]
fn a_server_whose_root_was_moved_away_ends_and_leaves_the_next_one_alone() {
    let served = Served::start(DAEMON);
    let first = served.record();
    let place = &served.0;
    let root = place.root.path();
    cl_storage::durable::rename(root, &root.with_extension("moved")).unwrap();
    place.run(DAEMON).ok();
    let second = served.record();
    until("the end of the first", || !first.is_alive());
    assert_eq!(served.record(), second);
    assert!(second.is_alive());
    let log = root
        .with_extension("moved")
        .join(".conductor/log/server.log");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("removed, moved or replaced"), "{log}");
}

#[test]
fn what_a_killed_server_left_is_seen_to_be_stale() {
    let served = Served::start(DAEMON);
    let place = &served.0;
    let record = served.record();
    signal(u32::try_from(record.pid).unwrap(), Signal::KILL);
    until("its end", || !record.is_alive());
    place.run("serve status").fails(3, "");
    let status = place.run("serve status --json");
    assert!(status.out.contains("\"state\":\"died\""), "{status:?}");
    place.run("serve stop").fails(3, "no server is at work");
    place.run(DAEMON).ok();
    assert_ne!(served.record().pid, record.pid);
}

#[test]
fn a_server_that_cannot_start_says_so_to_whoever_starts_it() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for how in ["", "--daemon", "--supervise", "--daemon --supervise"] {
        let line = format!("serve --port {port} {how}");
        place
            .run(&line)
            .fails(4, &format!("port {port} of 127.0.0.1 is taken"));
    }
    place.run("serve --watchdog-max-failures 0").fails(2, "0");
    place
        .run("serve --daemon --read-only")
        .fails(2, "cannot be used with");
    place
        .run("serve --port 1 stop")
        .fails(2, "--port belongs to `serve`");
    assert_eq!(ServerRecord::read(&place.root).unwrap(), None);
}

#[test]
fn a_kept_server_is_started_again_and_ends_with_its_keeper() {
    let served = Served::start("serve --daemon --supervise --port 0");
    let place = &served.0;
    let first = served.record();
    let keeper = first.keeper.clone().unwrap().identity();
    signal(u32::try_from(first.pid).unwrap(), Signal::KILL);
    let second = eventually("another server", || {
        let record = ServerRecord::read(&place.root).unwrap()?;
        (record.pid != first.pid).then_some(record)
    });
    assert_eq!(second.keeper, first.keeper);
    let log = std::fs::read_to_string(log_path(&place.root)).unwrap();
    assert!(log.contains("signal 9"), "{log}");
    assert!(!log.contains("code="), "{log}");
    place.run("serve stop").ok();
    assert!(!keeper.is_alive() && !second.is_alive());
}

#[test]
fn a_server_does_not_outlive_its_keeper() {
    let served = Served::start("serve --daemon --supervise --port 0");
    let record = served.record();
    let keeper = record.keeper.clone().unwrap();
    signal(u32::try_from(keeper.pid).unwrap(), Signal::KILL);
    until("the server's end", || !record.is_alive());
}

#[test]
fn signals_end_a_server_well() {
    for (sent, args) in [
        (Signal::INT, &["serve", "--port", "0"][..]),
        (Signal::TERM, &["serve", "--port", "0"]),
        (Signal::TERM, &["serve", "--port", "0", "--supervise"]),
    ] {
        let place = Place::new();
        let (mut child, line) = announced(place.command(args));
        assert!(line.starts_with("API listening on"), "{line}");
        signal(child.id(), sent);
        assert!(child.wait().unwrap().success(), "{args:?}");
        assert_eq!(ServerRecord::read(&place.root).unwrap(), None);
    }
}

#[test]
fn what_a_server_says_of_itself_keeps_its_schema() {
    let place = Place::new();
    // Over several lines, so it is read until it is whole.
    let mut command = place.command(["serve", "--port", "0", "--json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let stdout = child.stdout.as_mut().unwrap();
    let mut documents = serde_json::Deserializer::from_reader(stdout).into_iter();
    let said: serde_json::Value = documents.next().unwrap().unwrap();
    crate::schema::assert_valid("serve", &said);
    assert_eq!(
        (&said["pid"], &said["log"]),
        (&child.id().into(), &serde_json::Value::Null)
    );
    signal(child.id(), Signal::TERM);
    assert!(child.wait().unwrap().success());

    let served = Served(Place::new());
    let said = served.0.run("serve --daemon --port 0 --json").json();
    assert_eq!(said["pid"], served.record().pid);
    let log = said["log"].as_str().unwrap();
    assert!(std::path::Path::new(log).is_file(), "{log}");
}

#[test]
fn settings_are_shown_with_their_origin_and_without_secrets() {
    let place = Place::new();
    let mut command = place.command(["serve", "--print-config", "--port", "9"]);
    command.env("CONDUCTOR_API_KEY", "canary-key");
    let output = command.output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.contains("api.port: 9  # --port\n"), "{out}");
    assert!(out.contains("$CONDUCTOR_API_KEY"), "{out}");
    assert!(!out.contains("canary-key"), "{out}");
    place
        .run_changing_nothing("serve --print-config --json")
        .ok();
}

#[test]
fn units_name_this_program_and_root() {
    let place = Place::new();
    let program = env!("CARGO_BIN_EXE_run-agent");
    let root = place.root.path().display().to_string();
    for manager in ["systemd", "launchd"] {
        let line = format!("serve unit {manager}");
        let unit = place.run_changing_nothing(&line).ok();
        assert!(unit.contains(program) && unit.contains(&root), "{unit}");
    }
    let unit = place.run("serve unit systemd").ok();
    for line in ["KillMode=process", "Restart=on-failure"] {
        assert!(unit.lines().any(|it| it == line), "{unit}");
    }
    place.run("serve unit upstart").fails(2, "upstart");
}

/// The identity of a process that is gone is not taken for one that has its number now.
#[test]
fn a_file_that_names_another_process_is_stale() {
    let served = Served::start(DAEMON);
    let place = &served.0;
    let path = place.root.path().join(".conductor/server.json");
    let text = std::fs::read_to_string(&path).unwrap();
    place.run("serve stop").ok();
    let me = ProcessIdentity::current().unwrap();
    let pid = text.lines().find(|it| it.contains("\"pid\"")).unwrap();
    let forged = text.replace(pid, &format!("  \"pid\": {},", me.pid));
    std::fs::write(&path, forged).unwrap();
    let stopped: Ran = place.run("serve stop");
    stopped.fails(3, "no server is at work");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn open_prints_a_link_that_logs_in_once() {
    let served = Served::start(DAEMON);
    let place = &served.0;
    let link = place.run("open --print").ok();
    let path = link
        .trim()
        .strip_prefix(&served.record().api_url)
        .unwrap_or_else(|| panic!("{link}"))
        .to_owned();
    assert!(path.starts_with("ui/login?code="), "{link}");
    let answers = |path: &str| {
        use std::io::{Read as _, Write as _};
        let record = served.record();
        let authority = record
            .api_url
            .trim_start_matches("http://")
            .trim_end_matches('/');
        let mut stream = std::net::TcpStream::connect(authority).unwrap();
        write!(
            stream,
            "GET /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.lines().next().unwrap_or_default().to_owned()
    };
    assert!(answers(&path).contains(" 303 "));
    assert!(answers(&path).contains(" 403 "));
    place.run("open --json").ok();
    place.run("serve stop").ok();
    place.run("open").fails(3, "no server is at work");
}

#[test]
fn open_leads_a_browser_there_by_a_private_page() {
    use std::os::unix::fs::PermissionsExt as _;
    let served = Served::start(DAEMON);
    let place = &served.0;
    let bin = place.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let browser = bin.join("xdg-open");
    let seen = place.path().join("seen");
    let script = format!(
        "#!/bin/sh\necho \"$@\" >{0}.part\nmv {0}.part {0}\n",
        seen.display()
    );
    std::fs::write(&browser, script).unwrap();
    std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = place.command(["open"]);
    command
        .env("DISPLAY", ":0")
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
    let output = command.output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.starts_with("Opened http://127.0.0.1:"), "{out}");
    let args = eventually("the browser", || std::fs::read_to_string(&seen).ok());
    assert!(!args.contains("code="), "{args}");
    let page = std::path::Path::new(args.trim());
    assert!(
        std::fs::read_to_string(page)
            .unwrap()
            .contains("ui/login?code=")
    );
    assert_eq!(page.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}
