//! Both binaries as servers, from the first line they print to their end.

use std::fs;
use std::io;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use cl_testkit::run_agent::RunAgent;
use cl_testkit::served::Served;

use crate::workspace::{Workspace, into_process, outside_any_run};

/// The binaries that serve.
const BINARIES: &[&str] = &["run-agent", "conductor"];
/// The port that people find the server on.
const PORT: &str = "14355";
/// How long a server may take to end: requests get five seconds.
const ENDS_WITHIN: Duration = Duration::from_secs(8);

/// Starts each binary as a server without any configuration, asks it, and ends it.
pub(crate) fn startup(workspace: &Workspace) -> Result<String> {
    let mut told = Vec::new();
    for name in BINARIES {
        let program = workspace.build_dev(name)?;
        let shell = workspace.shell();
        let help = into_process(outside_any_run(xshell::cmd!(
            shell,
            "{program} serve --help"
        )));
        let mut help = help;
        let help = help.output().context("could not ask for help")?;
        ensure!(
            String::from_utf8_lossy(&help.stdout).contains(PORT),
            "`{name} serve --help` does not name port {PORT}"
        );
        let took = one(&program).with_context(|| format!("{name} serve"))?;
        told.push(format!("{name} healthy after {} ms", took.as_millis()));
    }
    Ok(format!("smoke startup: {}", told.join(", ")))
}

fn one(program: &Path) -> Result<Duration> {
    let folder = tempfile::tempdir().context("could not make a temporary folder")?;
    let home = folder.path().join("home");
    fs::create_dir(&home)?;
    let started = Instant::now();
    let command = RunAgent::new(program, folder.path(), folder.path())
        .args(&["serve", "--port", "0"])
        .env("HOME", home.clone());
    let server = Served::spawn(command, &home);
    let mut caller = server.caller();
    let answer = caller.get("/api/v1/health")?;
    let took = started.elapsed();
    ensure!(answer.status == 200, "health answers {}", answer.status);
    for path in ["/api/v1/version", "/api/projects", "/api/openapi.json"] {
        let answer = caller.get(path)?;
        ensure!(answer.status == 200, "{path} answers {}", answer.status);
        let is_json = serde_json::from_slice::<serde_json::Value>(&answer.body).is_ok();
        ensure!(is_json, "{path} answers no JSON");
    }
    let mode = fs::metadata(home.join(".run-agent/token"))?.permissions();
    ensure!(
        mode.mode().trailing_zeros() >= 6,
        "others may read the token file"
    );
    let address = server.address();
    let ending = Instant::now();
    let ended = server.end();
    ensure!(
        ended.code == Some(0),
        "it ends with {:?}: {}",
        ended.code,
        ended.stderr
    );
    let left = ending.elapsed();
    ensure!(left < ENDS_WITHIN, "it took {left:?} to end");
    let refused = TcpStream::connect(address).map_err(|error| error.kind());
    ensure!(
        refused.err() == Some(io::ErrorKind::ConnectionRefused),
        "something still listens on {address}"
    );
    Ok(took)
}
