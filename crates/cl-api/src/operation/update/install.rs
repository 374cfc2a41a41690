//! Putting another build in the place of this one.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cl_runner::service::{self, Output};
use cl_storage::crash;
use cl_storage::digest::Sha256Stream;
use cl_storage::durable::{self, Mode};
use cl_storage::update::{UpdateJournal, UpdateStep, switch};
use jiff::Timestamp;

use super::Candidate;
use crate::app::App;

/// How long a program may take to say its version.
const VERSION_WITHIN: Duration = Duration::from_secs(10);
/// How long a trial start may take.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// The folder beside the program that holds the builds.
const VERSIONS: &str = "versions";

/// Puts `candidate` in the place of this program and becomes it; returns why that failed.
///
/// Blocks. After an error this program is what its name leads to.
pub(super) fn apply(app: &App, candidate: &Candidate, requested_at: Timestamp) -> String {
    let place = match Place::of(&app.serving.executable) {
        Ok(place) => place,
        Err(error) => return format!("where this program is kept is not known: {error}"),
    };
    let new = match stage(app, candidate, &place) {
        Ok(new) => new,
        Err(why) => return why,
    };
    let old = match place.keep_old(&app.serving.version) {
        Ok(old) => old,
        Err(error) => return format!("this program could not be kept: {error}"),
    };
    crash::point("update-kept");
    let mut journal = UpdateJournal {
        version: UpdateJournal::VERSION,
        step: UpdateStep::Applying,
        link: place.link.clone(),
        old,
        new,
        candidate: candidate.path.clone(),
        port: app.port,
        tries: 0,
        requested_at,
        started_at: app.now(),
        finished_at: None,
        error: None,
    };
    if let Err(error) = journal.write(&app.root) {
        return format!("the journal could not be written: {error}");
    }
    crash::point("update-journalled");
    let why = match switch(&journal.link, &journal.new) {
        Ok(()) => {
            crash::point("update-switched");
            tracing::info!(program = %journal.new.display(), "the server becomes another build");
            let error = become_build(&journal.new, &place, &app.serving.operation.arguments);
            format!("it could not be executed: {error}")
        }
        Err(error) => format!("its name could not be made: {error}"),
    };
    // Leads to this program again, whether or not it led elsewhere.
    match switch(&journal.link, &journal.old) {
        Ok(()) => {
            journal.step = UpdateStep::Failed;
            journal.error = Some(why.clone());
            journal.finished_at = Some(app.now());
            // Were it not written, the next start would find the old build and write it.
            journal.write(&app.root).ok();
            why
        }
        Err(error) => format!("{why}; its name could not be taken back: {error}"),
    }
}

/// Becomes the build at `program`, with the arguments that this process was started with.
pub(super) fn become_build(program: &Path, place: &Place, arguments: &[OsString]) -> io::Error {
    // A server in the background has its log there; what is announced is for its starter.
    let output = if arguments.iter().any(|arg| arg == "--in-background") {
        Output::None
    } else {
        Output::Ours
    };
    service::become_program(program, &place.name, arguments, output)
}

/// Copies the candidate to its place and looks whether it is a program that can serve.
fn stage(app: &App, candidate: &Candidate, place: &Place) -> Result<PathBuf, String> {
    let failed = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    durable::create_folders(&place.versions, Mode::Shared)
        .map_err(failed("the folder of versions could not be made"))?;
    let part = place.versions.join(".part");
    let staged = copy(&candidate.path, &part).map_err(failed("it could not be copied"))?;
    if staged != candidate.sha256 {
        durable::discard(&part).ok();
        return Err(format!(
            "its SHA-256 is {staged} and not {}",
            candidate.sha256
        ));
    }
    crash::point("update-staged");
    // From here on it is the copy that is looked at, which nobody else changes.
    let tried = must_be_ours(&part, &place.current).and_then(|version| {
        try_serving(app, &part)?;
        Ok(version)
    });
    let version = match tried {
        Ok(version) => version,
        Err(why) => {
            durable::discard(&part).ok();
            return Err(why);
        }
    };
    crash::point("update-tried");
    let folder = place.folder_of(&version, &staged);
    durable::create_folders(&folder, Mode::Shared)
        .map_err(failed("the folder of its version could not be made"))?;
    let program = folder.join(&place.name);
    durable::rename(&part, &program).map_err(failed("it could not be put in its place"))?;
    Ok(program)
}

/// Returns the version of `program`, which must be another build of the same program as `current`.
///
/// `conductor` and `run-agent` serve alike, but what is started under the name of one must not be
/// the other: they take other arguments, and ask others where they are not told whom.
fn must_be_ours(program: &Path, current: &Path) -> Result<String, String> {
    let said = service::ask_version(program, VERSION_WITHIN)
        .map_err(|error| format!("--version failed: {error}"))?;
    let ours = service::ask_version(current, VERSION_WITHIN)
        .map_err(|error| format!("this program does not say what it is: {error}"))?;
    let name_in = |said: &str| {
        said.split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let (name, our_name) = (name_in(&said), name_in(&ours));
    if name != our_name {
        return Err(format!(
            "it is another program: {name:?} and not {our_name:?}"
        ));
    }
    Ok(said
        .split_whitespace()
        .last()
        .unwrap_or_default()
        .to_owned())
}

/// Has `program` serve the root on a port of its own, changing nothing, and asks it. Before that
/// it is seen whether it understands the arguments that it is to be started with.
fn try_serving(app: &App, program: &Path) -> Result<(), String> {
    let mut real = app.serving.operation.arguments.clone();
    real.push("--print-config".into());
    service::accepts(program, &real, VERSION_WITHIN)
        .map_err(|error| format!("a trial start failed: {error}"))?;
    let mut args: Vec<OsString> = ["serve", "--read-only", "--host", "127.0.0.1", "--port", "0"]
        .map(OsString::from)
        .to_vec();
    args.push("--root".into());
    args.push(app.root.path().into());
    if let Some(config) = app.serving.source.path() {
        args.push("--config".into());
        args.push(app.serving.environment.current_dir().join(config).into());
    }
    service::try_out(program, &args, READY_WITHIN, |line| {
        let address = address_in(line).ok_or_else(|| format!("it says {line:?}"))?;
        service::probe(address, READY_WITHIN).map_err(|error| error.to_string())
    })
    .map_err(|error| format!("a trial start failed: {error}"))
}

fn address_in(line: &str) -> Option<SocketAddr> {
    let url = line.trim().strip_prefix("API listening on http://")?;
    url.trim_end_matches('/').to_socket_addrs().ok()?.next()
}

/// Copies a file; returns the SHA-256 of what was copied, after it is on disk.
#[expect(
    clippy::disallowed_methods,
    reason = "the program is not below the root, which losses of power are tested for"
)]
fn copy(from: &Path, to: &Path) -> io::Result<String> {
    durable::discard(to).ok();
    let mut from = File::open(from)?;
    let mut file = File::options().write(true).create_new(true).open(to)?;
    let mut digest = Sha256Stream::default();
    let mut room = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut room)?;
        if read == 0 {
            break;
        }
        digest.update(&room[..read]);
        file.write_all(&room[..read])?;
    }
    file.set_permissions(std::fs::Permissions::from_mode(0o755))?;
    file.sync_data()?;
    Ok(digest.finish())
}

/// Where the program and its builds are.
#[derive(Debug)]
pub(super) struct Place {
    /// The name under which it is started.
    link: PathBuf,
    name: OsString,
    versions: PathBuf,
    /// This build.
    current: PathBuf,
}

impl Place {
    /// Finds the place of a program: `DIR/NAME`, or `DIR/versions/VERSION/NAME`.
    pub(super) fn of(executable: &Path) -> io::Result<Self> {
        let current = std::fs::canonicalize(executable)?;
        let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
        let name = current.file_name().ok_or_else(invalid)?.to_owned();
        let folder = current.parent().ok_or_else(invalid)?;
        let above = folder.parent();
        let base = match (
            above.and_then(Path::file_name),
            above.and_then(Path::parent),
        ) {
            (Some(inside), Some(base)) if inside == VERSIONS => base,
            _ => folder,
        };
        Ok(Self {
            link: base.join(&name),
            versions: base.join(VERSIONS),
            name,
            current,
        })
    }

    fn folder_of(&self, version: &str, sha256: &str) -> PathBuf {
        let is_plain = |c: &char| c.is_ascii_alphanumeric() || ".-+".contains(*c);
        let version: String = version.chars().filter(is_plain).take(64).collect();
        let version = version.trim_start_matches('.');
        let digest = sha256.get(..12).unwrap_or(sha256);
        self.versions.join(format!("{version}-{digest}"))
    }

    /// Returns where this build stays; puts it there if it is kept nowhere yet.
    fn keep_old(&self, version: &str) -> io::Result<PathBuf> {
        if self.current != self.link {
            return Ok(self.current.clone());
        }
        let part = self.versions.join(".old");
        let digest = copy(&self.current, &part)?;
        let folder = self.folder_of(version, &digest);
        durable::create_folders(&folder, Mode::Shared)?;
        let kept = folder.join(&self.name);
        durable::rename(&part, &kept)?;
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_before_and_after_an_update() {
        let folder = tempfile::tempdir().unwrap();
        let base = std::fs::canonicalize(folder.path()).unwrap();
        std::fs::create_dir_all(base.join("versions/1-a")).unwrap();
        for program in ["conductor", "versions/1-a/conductor"] {
            let program = base.join(program);
            std::fs::write(&program, "").unwrap();
            let place = Place::of(&program).unwrap();
            assert_eq!(place.link, base.join("conductor"));
            assert_eq!(place.versions, base.join("versions"));
        }
        let place = Place::of(&base.join("conductor")).unwrap();
        let odd = place.folder_of("../1.2 3", "0123456789abcdef");
        assert_eq!(odd, base.join("versions/1.23-0123456789ab"));
    }
}
