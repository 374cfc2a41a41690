//! A server that replaces its own program.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cl_storage::server::ServerRecord;
use cl_testkit::patience::{eventually, until};
use cl_testkit::server_end::end_server;
use serde_json::{Value, json};

use crate::http::ask;
use crate::place::Place;

/// A folder with the program in it, and a server that was started from there.
pub(crate) struct Installed {
    pub(crate) place: Place,
}

impl Drop for Installed {
    fn drop(&mut self) {
        end_server(&self.place.root);
    }
}

impl Installed {
    pub(crate) fn new() -> Self {
        let place = Place::new();
        fs::create_dir(place.path().join("bin")).unwrap();
        let installed = Self { place };
        fs::copy(env!("CARGO_BIN_EXE_run-agent"), installed.program()).unwrap();
        let config = installed.place.work().join("conductor.yaml");
        fs::write(config, "update: {enabled: true}\n").unwrap();
        installed
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.place.path().join("bin/run-agent")
    }

    /// Returns a command of the installed program, whichever build that is now.
    #[expect(
        clippy::disallowed_methods,
        reason = "the program as users start it, from where it is installed"
    )]
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(self.program());
        command
            .args(line.split_whitespace())
            .env_clear()
            .env("HOME", self.place.path().join("home"))
            .env("PATH", "/usr/bin:/bin")
            .env("CONDUCTOR_ROOT", self.place.root.path())
            .current_dir(self.place.work())
            .stdin(Stdio::null());
        command
    }

    #[track_caller]
    pub(crate) fn serve(&self, extra: &str) -> ServerRecord {
        let output = self
            .command(&format!("serve --daemon --port 0 {extra}"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        self.record()
    }

    pub(crate) fn record(&self) -> ServerRecord {
        ServerRecord::read(&self.place.root).unwrap().unwrap()
    }

    fn token(&self) -> String {
        let path = self.place.path().join("home/.run-agent/token");
        fs::read_to_string(path).unwrap().trim().to_owned()
    }

    /// Makes another build: the same program with something behind it.
    pub(crate) fn another_build(&self) -> PathBuf {
        let path = self.place.path().join("candidate");
        let mut bytes = fs::read(env!("CARGO_BIN_EXE_run-agent")).unwrap();
        bytes.extend_from_slice(b"another build");
        write_program(&path, &bytes);
        path
    }

    pub(crate) fn ask(&self, candidate: &Path, sha256: &str, headers: &str) -> (u16, Value) {
        let body = json!({"binary_path": candidate, "sha256": sha256});
        let line = "POST /api/v1/admin/self-update";
        ask(&self.record(), &self.token(), line, headers, Some(&body))
    }

    pub(crate) fn status(&self) -> Value {
        let line = "GET /api/v1/admin/self-update";
        ask(&self.record(), &self.token(), line, "", None).1
    }

    /// Returns the program that the server runs.
    fn running(&self) -> PathBuf {
        fs::read_link(format!("/proc/{}/exe", self.record().pid)).unwrap_or_default()
    }
}

pub(crate) fn write_program(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

pub(crate) fn digest(path: &Path) -> String {
    let mut stream = cl_storage::digest::Sha256Stream::default();
    stream.update(&fs::read(path).unwrap());
    stream.finish()
}

fn in_state<'a>(installed: &'a Installed, state: &'a str) -> impl FnMut() -> Option<Value> + 'a {
    move || {
        let status = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| installed.status()));
        status.ok().filter(|status| status["state"] == state)
    }
}

#[test]
fn the_server_becomes_another_build_in_the_same_place() {
    let installed = Installed::new();
    let before = installed.serve("");
    assert_eq!(installed.status()["state"], "idle");
    let candidate = installed.another_build();
    let (status, body) = installed.ask(&candidate, &digest(&candidate), "");
    assert_eq!(status, 202, "{body}");
    let versions = installed.place.path().join("bin/versions");
    until("the new build", || {
        installed.running().starts_with(&versions)
    });
    let done = eventually("its word", || {
        let said = in_state(&installed, "idle")()?;
        said["last_note"].is_string().then_some(said)
    });
    assert!(
        done["last_note"].as_str().unwrap().ends_with("serves"),
        "{done}"
    );
    let after = installed.record();
    assert_eq!((after.pid, &after.api_url), (before.pid, &before.api_url));
    assert_eq!(
        fs::read_link(installed.program()).unwrap(),
        installed.running()
    );
    let log = fs::read_to_string(cl_storage::server::log_path(&installed.place.root)).unwrap();
    assert!(!log.contains("code="), "{log}");
    installed.place.run("serve stop").ok();
}

#[test]
fn what_is_not_right_is_refused_and_the_server_goes_on() {
    let installed = Installed::new();
    let before = installed.serve("");
    let candidate = installed.another_build();
    let right = digest(&candidate);
    let wrong = "0".repeat(64);
    let (status, body) = installed.ask(&candidate, &right, "Origin: http://elsewhere\r\n");
    assert_eq!(status, 403, "{body}");
    let (status, body) = installed.ask(&candidate, &right, "X-Conductor-Client: web-ui\r\n");
    assert_eq!(status, 403, "{body}");
    let (status, body) = installed.ask(&candidate, "", "");
    assert_eq!(status, 400, "{body}");
    let (status, body) = installed.ask(Path::new("/nowhere"), &right, "");
    assert_eq!(status, 400, "{body}");
    let script = installed.place.path().join("script");
    write_program(&script, b"#!/bin/sh\nexit 3\n");
    for (program, sha256, why) in [
        (&candidate, wrong.clone(), "SHA-256"),
        (&script, digest(&script), "--version failed"),
    ] {
        assert_eq!(installed.ask(program, &sha256, "").0, 202);
        let failed = eventually("its failure", in_state(&installed, "failed"));
        assert!(
            failed["last_error"].as_str().unwrap().contains(why),
            "{failed}"
        );
    }
    // It says a version, and cannot serve.
    write_program(
        &script,
        b"#!/bin/sh\ntest \"$1\" = --version && echo run-agent 9.9\n",
    );
    assert_eq!(installed.ask(&script, &digest(&script), "").0, 202);
    let failed = eventually("its failure", || {
        let failed = in_state(&installed, "failed")()?;
        let error = failed["last_error"].as_str()?.to_owned();
        error.contains("trial start").then_some(failed)
    });
    assert!(failed["finished_at"].is_string());
    assert_eq!(installed.record(), before);
    assert!(!installed.program().is_symlink());
}

#[test]
fn a_program_that_could_not_be_started_as_this_one_is_never_put_in_its_place() {
    let installed = Installed::new();
    let before = installed.serve("");
    let script = installed.place.path().join("script");
    let real = env!("CARGO_BIN_EXE_run-agent");
    for (text, why) in [
        (
            format!("[ \"$1\" = --version ] && exec echo conductor 9.9\nexec {real} \"$@\"\n"),
            "it is another program",
        ),
        (
            format!(
                "case \"$*\" in *--version*|*--read-only*) exec {real} \"$@\";; esac\nexit 2\n"
            ),
            "does not take the arguments of this server",
        ),
    ] {
        write_program(&script, format!("#!/bin/sh\n{text}").as_bytes());
        assert_eq!(installed.ask(&script, &digest(&script), "").0, 202);
        eventually(why, || {
            let failed = in_state(&installed, "failed")()?;
            let error = failed["last_error"].as_str()?.to_owned();
            error.contains(why).then_some(())
        });
        assert_eq!(installed.record(), before);
        assert!(!installed.program().is_symlink());
    }
}

#[test]
fn self_update_is_off_unless_it_is_enabled() {
    let installed = Installed::new();
    fs::remove_file(installed.place.work().join("conductor.yaml")).unwrap();
    installed.serve("");
    let (status, body) = installed.ask(Path::new("/bin/true"), &"0".repeat(64), "");
    assert_eq!(status, 403, "{body}");
    let hint = body["error"]["hint"].as_str().unwrap_or_default();
    assert!(hint.contains("update.enabled"), "{body}");
}

#[test]
fn a_build_that_fails_only_in_earnest_is_taken_back() {
    let installed = Installed::new();
    let before = installed.serve("--supervise");
    let script = installed.place.path().join("script");
    // Passes its trial, and ends at once when it is to serve.
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in *--version*|*--read-only*|*--print-config*) exec {} \"$@\";; esac\nexit 1\n",
        env!("CARGO_BIN_EXE_run-agent")
    );
    write_program(&script, text.as_bytes());
    assert_eq!(installed.ask(&script, &digest(&script), "").0, 202);
    let failed = eventually("the way back", || {
        let record = ServerRecord::read(&installed.place.root).ok()??;
        (record.pid != before.pid && record.is_alive()).then_some(())?;
        in_state(&installed, "failed")()
    });
    assert_eq!(failed["last_error"], "it was interrupted", "{failed}");
    let versions = installed.place.path().join("bin/versions");
    let leads_to = fs::read_link(installed.program()).unwrap();
    assert!(leads_to.starts_with(&versions), "{leads_to:?}");
    let output = installed.command("--version").output().unwrap();
    assert!(output.status.success());
    installed.place.run("serve stop").ok();
}
