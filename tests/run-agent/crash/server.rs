//! A server that is killed, that loses its listener, or that does not move any more.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use cl_storage::Root;
use cl_storage::server::ServerRecord;
use cl_storage::update::UpdateJournal;
use cl_testkit::patience::{eventually, until};
use cl_testkit::server_end::end_server;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Signal, kill_process};

/// A folder with the program, a root and a home; servers of the root are killed at the end.
struct Ground {
    folder: tempfile::TempDir,
    root: Root,
}

impl Drop for Ground {
    fn drop(&mut self) {
        end_server(&self.root);
    }
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["root", "home", "bin"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let root = Root::at(&folder.path().join("root")).unwrap();
        let ground = Self { folder, root };
        fs::copy(env!("CARGO_BIN_EXE_run-agent"), ground.program()).unwrap();
        let config = ground.folder.path().join("conductor.yaml");
        fs::write(config, "update: {enabled: true}\n").unwrap();
        ground
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("bin/run-agent")
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "these tests are about the process that users start"
    )]
    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(self.program());
        command
            .args(line.split_whitespace())
            .env_clear()
            .env("HOME", self.folder.path().join("home"))
            .env("PATH", "/usr/bin:/bin")
            .env("CONDUCTOR_ROOT", self.root.path())
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// Starts a server in the foreground, and waits until it listens.
    fn serve(&self, mut command: Command) -> Child {
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        let stdout = child.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        assert!(line.starts_with("API listening"), "{line}{}", self.log());
        child
    }

    fn record(&self) -> ServerRecord {
        ServerRecord::read(&self.root).unwrap().unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn authority(&self) -> String {
        let url = self.record().api_url;
        url.trim_start_matches("http://")
            .trim_end_matches('/')
            .to_owned()
    }

    /// Tells whether the server answers.
    fn answers(&self) -> bool {
        let authority = self.authority();
        let Ok(mut stream) = TcpStream::connect(&authority) else {
            return false;
        };
        // Where nobody listens, the kernel may choose the port itself as the near end: such a
        // connection leads to its own start and keeps the port from whoever would listen there.
        if stream.local_addr().ok() == stream.peer_addr().ok() {
            return false;
        }
        let request = format!(
            "GET /api/v1/version HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n"
        );
        let mut answer = String::new();
        stream.write_all(request.as_bytes()).is_ok()
            && stream.read_to_string(&mut answer).is_ok()
            && answer.starts_with("HTTP/1.1 200 ")
    }
}

/// Stops the socket on which a process listens, as a broken network stack would.
fn lose_listener(pid: i32, port: u16) {
    let sockets = fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
    let inode = sockets
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|words| words[1].ends_with(&format!(":{port:04X}")) && words[3] == "0A")
        .map(|words| words[9].to_owned())
        .unwrap();
    let number = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .flatten()
        .find(|fd| {
            fs::read_link(fd.path()).is_ok_and(|to| to == Path::new(&format!("socket:[{inode}]")))
        })
        .unwrap();
    let number = number.file_name().to_string_lossy().parse().unwrap();
    let pidfd =
        rustix::process::pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap();
    let socket: OwnedFd =
        rustix::process::pidfd_getfd(&pidfd, number, PidfdGetfdFlags::empty()).unwrap();
    TcpStream::from(socket).shutdown(Shutdown::Both).unwrap();
}

#[test]
fn a_server_that_lost_its_listener_listens_anew() {
    let ground = Ground::new();
    let command = ground.command("serve --port 0 --watchdog-interval 100ms");
    let mut child = ground.serve(command);
    let before = ground.record();
    let port = ground
        .authority()
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(ground.answers());
    lose_listener(before.pid, port);
    until("another listener", || ground.log().contains("listens anew"));
    until("an answer", || ground.answers());
    assert_eq!(ground.record(), before);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_server_that_does_not_move_ends_and_is_started_again() {
    let ground = Ground::new();
    let wedge = ground.folder.path().join("wedge");
    let mut command = ground.command("serve --supervise --port 0 --watchdog-interval 1ms");
    command.env("CL_WEDGE", &wedge);
    let mut child = ground.serve(command);
    let before = ground.record();
    fs::write(&wedge, "").unwrap();
    until("its end", || !before.is_alive());
    fs::remove_file(&wedge).unwrap();
    eventually("another server", || {
        let record = ServerRecord::read(&ground.root).ok()??;
        (record.pid != before.pid && ground.answers()).then_some(())
    });
    assert!(ground.log().contains("exit code 70"), "{}", ground.log());
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}

/// The server dies at each step of an update: what its name leads to serves, and says how it ended.
#[track_caller]
fn check_update_killed_at(point: &str) {
    let ground = Ground::new();
    let crashed = ground.folder.path().join("crashed");
    let mut command = ground.command("serve --port 0");
    command
        .env("CL_CRASH_POINT", point)
        .env("CL_CRASH_LOG", &crashed);
    let mut child = ground.serve(command);
    let candidate = ground.folder.path().join("candidate");
    let mut bytes = fs::read(env!("CARGO_BIN_EXE_run-agent")).unwrap();
    bytes.extend_from_slice(b"another build");
    fs::write(&candidate, &bytes).unwrap();
    fs::set_permissions(&candidate, fs::Permissions::from_mode(0o755)).unwrap();
    let mut digest = cl_storage::digest::Sha256Stream::default();
    digest.update(&bytes);
    let body = format!(
        r#"{{"binary_path":"{}","sha256":"{}"}}"#,
        candidate.display(),
        digest.finish()
    );
    let token = fs::read_to_string(ground.folder.path().join("home/.run-agent/token")).unwrap();
    let authority = ground.authority();
    let mut stream = TcpStream::connect(&authority).unwrap();
    write!(
        stream,
        "POST /api/v1/admin/self-update HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        token.trim(),
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    child.wait().unwrap();
    let reached = fs::read_to_string(&crashed).unwrap();
    assert_eq!(reached.trim(), point, "{}", ground.log());
    let version = ground.command("--version").output().unwrap();
    assert!(version.status.success(), "{version:?}");
    let mut child = ground.serve(ground.command("serve --port 0"));
    until("an answer", || ground.answers());
    until("the end of the update", || {
        let journal = UpdateJournal::read(&ground.root).unwrap();
        journal.is_none_or(|it| it.finished_at.is_some())
    });
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn an_update_that_is_killed_before_the_switch_leaves_the_old_build() {
    for point in [
        "update-staged",
        "update-tried",
        "update-kept",
        "update-journalled",
    ] {
        check_update_killed_at(point);
    }
}

#[test]
fn an_update_that_is_killed_after_the_switch_leaves_a_build_that_serves() {
    for point in ["update-switched", "update-trial", "update-answered"] {
        check_update_killed_at(point);
    }
}
