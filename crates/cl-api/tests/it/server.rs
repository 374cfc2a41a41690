//! A server under test: this test binary, started again.
//!
//! A process of its own ends surely, whatever happens to the test, and can be killed, limited
//! and asked for its memory without any other test noticing.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use cl_config::{Environment, Flags, Serving};
use cl_testkit::patience;
use cl_wire::{Announcement, Problem};
use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

use crate::http::{Connection, Reply, Request};

/// What the started process is to serve.
const SETUP: &str = "CL_API_TEST_SERVER";

/// What a server under test is to be.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// The configuration file.
    pub(crate) yaml: String,
    /// Overrides the host of the configuration.
    pub(crate) host: Option<String>,
    /// 0 takes any that is free.
    pub(crate) port: u16,
    pub(crate) is_read_only: bool,
    /// How many files it may have open.
    pub(crate) open_files: Option<u64>,
}

impl Setup {
    /// Serves with this configuration.
    pub(crate) fn yaml(yaml: &str) -> Self {
        Self {
            yaml: yaml.to_owned(),
            ..Self::default()
        }
    }
}

/// What the child says on its standard output, a line each.
#[derive(Debug, Serialize, Deserialize)]
enum Said {
    Listening(Announcement),
    Refused(Problem),
    Ended,
}

/// Where a server lives; survives its restarts.
#[derive(Debug)]
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["root", "home", "outside"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// A folder that the server has nothing to do with.
    pub(crate) fn outside(&self) -> PathBuf {
        self.folder.path().join("outside")
    }

    /// Returns all that servers here have logged, at every level.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Starts a server here.
    #[track_caller]
    pub(crate) fn start(self, setup: &Setup) -> Server {
        let mut child = start_child(self.folder.path(), setup);
        match child.said() {
            Some(Said::Listening(announcement)) => Server {
                place: Some(self),
                child,
                announcement,
            },
            said => panic!("the server does not serve: {said:?}\n{}", self.log()),
        }
    }

    /// Starts a server here that is expected to refuse to.
    #[track_caller]
    pub(crate) fn refused(&self, setup: &Setup) -> Problem {
        let mut child = start_child(self.folder.path(), setup);
        match child.said() {
            Some(Said::Refused(problem)) => {
                child.wait();
                problem
            }
            said => panic!("the server does not refuse: {said:?}\n{}", self.log()),
        }
    }
}

/// A server under test; it is ended, and seen to have ended, when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    /// None once it was taken out.
    place: Option<Place>,
    child: ServerChild,
    pub(crate) announcement: Announcement,
}

impl Server {
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::with(&Setup::default())
    }

    #[track_caller]
    pub(crate) fn with(setup: &Setup) -> Self {
        Place::new().start(setup)
    }

    pub(crate) fn place(&self) -> &Place {
        self.place
            .as_ref()
            .expect("only taken when the server goes")
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.place().root()
    }

    /// Returns `host:port` as clients name it.
    pub(crate) fn authority(&self) -> &str {
        let url = self.announcement.api_url.as_str();
        url.trim_start_matches("http://").trim_end_matches('/')
    }

    /// Returns the address that it listens on; a server for every address is met on loopback.
    pub(crate) fn address(&self) -> SocketAddr {
        let authority = self.authority().replace("localhost", "127.0.0.1");
        authority.parse().unwrap()
    }

    /// Returns the token that opens it.
    pub(crate) fn token(&self) -> String {
        let path = self.place().home().join(".run-agent/token");
        let token = std::fs::read_to_string(path).unwrap_or_default();
        token.trim().to_owned()
    }

    /// Counts the files, folders and sockets that it has open.
    pub(crate) fn open_files(&self) -> usize {
        self.descriptors().count()
    }

    /// Counts the sockets that it has open; files of the index come and go as it looks around.
    pub(crate) fn sockets(&self) -> usize {
        self.descriptors()
            .filter_map(|entry| std::fs::read_link(entry.path()).ok())
            .filter(|to| to.to_string_lossy().starts_with("socket:"))
            .count()
    }

    fn descriptors(&self) -> impl Iterator<Item = std::fs::DirEntry> {
        let folder = format!("/proc/{}/fd", self.child.child.id());
        std::fs::read_dir(folder).unwrap().flatten()
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address())
    }

    /// Returns a request that names the server and has its token.
    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        let bearer = format!("Bearer {}", self.token());
        self.anonymous(method, path)
            .header("authorization", &bearer)
    }

    /// Returns a request without credentials.
    pub(crate) fn anonymous(&self, method: &str, path: &str) -> Request {
        Request::new(method, path).header("host", self.authority())
    }

    /// Sends a request on a connection of its own.
    #[track_caller]
    pub(crate) fn ask(&self, request: &Request) -> Reply {
        let mut connection = self.connect();
        connection.send(request.bytes());
        connection.reply()
    }

    /// Gets a path with credentials.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Reply {
        self.ask(&self.request("GET", path))
    }

    /// Posts JSON with credentials.
    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &serde_json::Value) -> Reply {
        self.ask(&self.request("POST", path).json(body))
    }

    /// Asks it to end, and waits until it has.
    #[track_caller]
    pub(crate) fn stop(mut self) -> Place {
        self.child.terminate();
        self.child.ended_by_itself();
        self.place.take().expect("taken here and in kill only")
    }

    /// Ends it without its knowledge.
    #[track_caller]
    pub(crate) fn kill(mut self) -> Place {
        self.child.kill();
        self.place.take().expect("taken here and in stop only")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.place.is_none() {
            return;
        }
        if std::thread::panicking() {
            self.child.kill();
            return;
        }
        self.child.terminate();
        self.child.ended_by_itself();
    }
}

#[derive(Debug)]
struct ServerChild {
    child: Child,
    said: BufReader<ChildStdout>,
    /// The child ends when nobody holds this any more.
    _leash: ChildStdin,
    has_ended: bool,
}

fn start_child(folder: &Path, setup: &Setup) -> ServerChild {
    let log = std::fs::File::options()
        .append(true)
        .create(true)
        .open(folder.join("log"))
        .unwrap();
    #[expect(clippy::disallowed_methods, reason = "the server under test")]
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut child = command
        .args(["--exact", "server::served", "--nocapture"])
        .env_clear()
        .env("RUST_BACKTRACE", "1")
        .env(SETUP, serde_json::to_string(setup).unwrap())
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    ServerChild {
        said: BufReader::new(child.stdout.take().unwrap()),
        _leash: child.stdin.take().unwrap(),
        child,
        has_ended: false,
    }
}

impl ServerChild {
    /// Returns what the child says next; lines of the test runner in it are passed over.
    fn said(&mut self) -> Option<Said> {
        loop {
            let mut line = String::new();
            if self.said.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            // The runner's own line may stand before it, without an end.
            let Some(at) = line.find('{').or_else(|| line.find("\"Ended\"")) else {
                continue;
            };
            if let Ok(said) = serde_json::from_str(&line[at..]) {
                return Some(said);
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).ok();
    }

    fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    #[track_caller]
    fn ended_by_itself(&mut self) {
        let status = patience::within(patience::PATIENCE, || self.child.try_wait().unwrap());
        let Some(status) = status else {
            self.kill();
            panic!("the server did not end");
        };
        self.has_ended = true;
        assert!(status.success(), "the server ended with {status}");
        let ended = self.said();
        assert!(matches!(ended, Some(Said::Ended)), "{ended:?}");
    }

    fn kill(&mut self) {
        self.child.kill().ok();
        self.wait();
    }

    fn wait(&mut self) {
        self.child.wait().unwrap();
        self.has_ended = true;
    }
}

impl Drop for ServerChild {
    fn drop(&mut self) {
        if !self.has_ended {
            self.kill();
        }
    }
}

/// The server. Without a setup it is an empty test.
#[test]
fn served() {
    #[expect(clippy::disallowed_methods, reason = "how the parent tells the setup")]
    let Ok(setup) = std::env::var(SETUP) else {
        return;
    };
    let setup: Setup = serde_json::from_str(&setup).unwrap();
    std::thread::spawn(|| {
        // Ends when the test does, whichever way.
        std::io::stdin().read_to_end(&mut Vec::new()).ok();
        std::process::abort();
    });
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(std::io::stderr)
        .init();
    if let Some(count) = setup.open_files {
        let limit = rustix::process::Rlimit {
            current: Some(count),
            maximum: Some(count),
        };
        rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    }
    let end = cl_api::serve(serving(setup), &mut |announcement| {
        say(&Said::Listening(announcement.clone()));
    });
    match end {
        Ok(()) => say(&Said::Ended),
        Err(problem) => say(&Said::Refused(problem)),
    }
}

fn serving(setup: Setup) -> Serving {
    #[expect(
        clippy::disallowed_methods,
        reason = "the folder that the parent chose"
    )]
    let folder = std::env::current_dir().unwrap();
    let variables = [
        ("HOME", folder.join("home").into_os_string()),
        ("PATH", "/usr/local/bin:/usr/bin:/bin".into()),
    ];
    let environment = Environment::new(variables, folder.join("outside"));
    let file = folder.join("config.yaml");
    std::fs::write(&file, setup.yaml).unwrap();
    let loaded = cl_config::load(&Flags::new(Some(file)), &environment)
        .unwrap_or_else(|error| panic!("{error:?}"));
    let config = loaded.config;
    Serving {
        root: folder.join("root"),
        source: loaded.source,
        environment,
        executable: std::env::current_exe().unwrap(),
        version: "0.0.0-test".to_owned(),
        host: setup.host.unwrap_or_else(|| config.api.host.clone()),
        port: setup.port,
        may_move: false,
        is_read_only: setup.is_read_only,
        operation: cl_config::Operation::default(),
        config: Arc::new(config),
    }
}

#[expect(clippy::print_stdout, reason = "how the child tells the parent")]
fn say(said: &Said) {
    use std::io::Write as _;
    println!("\n{}", serde_json::to_string(said).unwrap());
    std::io::stdout().flush().unwrap();
}
