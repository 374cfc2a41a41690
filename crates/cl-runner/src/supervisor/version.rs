//! What an agent's program says of its version and of its flags, asked once per program.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use cl_agent::{ProgramStamp, VersionCache};
use cl_storage::RunId;

use super::Supervisor;
use crate::process::spawn::Program;
use crate::process::{end, tree};

/// A program that needs longer is hanging.
const PROBE_WITHIN: Duration = Duration::from_secs(5);

/// The longest text that is read of what a program prints.
const LONGEST_TEXT: u64 = 256 * 1024;

impl Supervisor {
    /// Returns the version text of the agent's program; empty if it does not tell.
    ///
    /// Never fails a run: a version is good to know and no more. The probe carries
    /// the mark of `run`, so that it is found if this supervisor dies.
    pub(super) async fn agent_version(&mut self, run: &RunId) -> String {
        if !self.may_probe() {
            return String::new();
        }
        let program = self.agent.spec.program.clone();
        let Ok(stamp) = ProgramStamp::of(&program) else {
            return String::new();
        };
        let path = self.version_cache();
        let mut cache = VersionCache::load(&path);
        if let Some(text) = cache.get(&program, &stamp) {
            return text.to_owned();
        }
        let args = self.agent.spec.version_args.clone();
        let text = self.probe(&program, &args, run).await.unwrap_or_default();
        let text = first_line(&text);
        if let Some(warning) = cl_agent::version_warning(self.agent.spec.kind, &text) {
            self.post("WARNING", &warning, &[]);
        }
        if !text.is_empty() {
            cache.put(&program, stamp, &text);
            self.keep_probed(&cache);
        }
        text
    }

    /// Tells whether the agent's program is one that is asked for its version.
    pub(super) fn may_probe(&self) -> bool {
        let spec = &self.agent.spec;
        !spec.version_args.is_empty()
            && spec.kind != cl_agent::AgentKind::Scripted
            && !spec.kind.has_worker()
    }

    fn version_cache(&self) -> PathBuf {
        self.root.conductor_folder().join("agent-versions.json")
    }

    fn keep_probed(&self, cache: &VersionCache) {
        let stored = self.root.ensure_conductor_folder();
        if let Err(error) = stored.and_then(|()| cache.store(&self.version_cache())) {
            tracing::warn!(%error, "could not keep what the agent's program said");
        }
    }

    /// Returns the flags that the program's help names; none if that is not known.
    ///
    /// Asked only of a program whose version is known: one that does not answer
    /// that may take the question for work.
    pub(super) async fn known_flags(&mut self, run: &RunId) -> Option<Vec<String>> {
        let spec = &self.agent.spec;
        let (program, args) = (spec.program.clone(), spec.adapter().help_args);
        if args.is_empty() {
            return None;
        }
        let stamp = ProgramStamp::of(&program).ok()?;
        let mut cache = VersionCache::load(&self.version_cache());
        if let Some(flags) = cache.flags(&program, &stamp) {
            return Some(flags.to_vec());
        }
        cl_agent::Version::find(cache.get(&program, &stamp)?)?;
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        let help = self.probe(&program, &args, run).await.ok()?;
        let flags = cl_agent::help::flags_in(&help);
        if self.stop.is_none() {
            cache.put_flags(&program, &stamp, flags.clone());
            self.keep_probed(&cache);
        }
        Some(flags)
    }

    async fn probe(
        &mut self,
        program: &std::path::Path,
        args: &[String],
        run: &RunId,
    ) -> std::io::Result<String> {
        let out = tempfile_in(&self.root)?;
        let env = self.agent_environment(Some(run), None);
        let probe = self.group.spawn(Program {
            path: program,
            args,
            env: &env,
            cwd: &self.record.cwd.clone(),
            stdin: None,
            stdout: Some(out.try_clone()?),
            stderr: Some(out.try_clone()?),
        })?;
        self.reaper.watch(probe.pid);
        let until = tokio::time::Instant::now() + PROBE_WITHIN;
        while self.reaper.take(probe.pid).is_none() {
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            if left.is_zero() || self.stop.is_some() {
                break;
            }
            self.next_event(left.min(super::events::LONGEST_WAIT)).await;
        }
        let root = self.root.path().to_owned();
        end::end_blocking(Duration::ZERO, || {
            tree::find(&tree::Search {
                run,
                agent: Some(&probe),
                adopted_by: None,
                supervisor: None,
                root: &root,
            })
        });
        self.reaper.reap();
        read_text(&out)
    }
}

/// Returns a file without a name: nothing is left of it, however this ends.
fn tempfile_in(root: &cl_storage::Root) -> std::io::Result<File> {
    use rustix::fs::{Mode as Bits, OFlags};
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::APPEND | OFlags::CLOEXEC;
    Ok(rustix::fs::open(root.path(), flags, Bits::RUSR | Bits::WUSR)?.into())
}

fn read_text(mut file: &File) -> std::io::Result<String> {
    use std::io::Seek as _;
    file.rewind()?;
    let mut bytes = Vec::new();
    file.take(LONGEST_TEXT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn first_line(text: &str) -> String {
    let mut lines = text.lines().map(str::trim);
    let line = lines.find(|line| !line.is_empty()).unwrap_or_default();
    line.to_owned()
}
