//! A root with a finished task and tasks that are to go, and agents whose tasks' names say what they do.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use cl_storage::ledger::{AccountKey, Ledger};
use cl_storage::owner::{Owner, OwnerState};
use cl_storage::{Clock as _, FailureKind, SystemClock};
use cl_testkit::patience::{eventually, until};
use cl_testkit::scenario::{PROJECT, Scenario};
use cl_testkit::served::Served;

/// The task that has ended.
pub(crate) const ENDED: &str = "task-20260101-000000-ended";
/// Its run.
pub(crate) const RUN: &str = "20260101-0000000000-1-1";
/// A task that is to be deleted, with two runs.
pub(crate) const SPARE: &str = "task-20260101-000000-spare";
/// Its second run.
pub(crate) const SPARE_RUN: &str = "20260101-0000000000-1-3";

/// Tasks named `wait…` work until they are stopped, `again…` fail once, all others are done at once.
const AGENT: &str = "case $JRUN_TASK_ID in\n\
    *-wait*) while :; do sleep 0.05; done;;\n\
    *-again*) [ -e $JRUN_TASK_FOLDER/tried ] || { : >$JRUN_TASK_FOLDER/tried; exit 1; };;\n\
    esac\necho worked\ntouch $JRUN_TASK_FOLDER/DONE\n";

/// Everything that the routes are asked about.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) scenario: Scenario,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let scenario = Scenario::new(env!("CARGO_BIN_EXE_run-agent"));
        let script = scenario.path().join("agent.sh");
        std::fs::write(&script, AGENT).unwrap();
        // A tap is reached by another port than the server's.
        let scenario = scenario.settings(&format!(
            "agents:\n  actor: {{type: command, version_args: [], command: [/bin/sh, {}]}}\n\
             api: {{hosts: [127.0.0.1]}}\nupdate: {{enabled: true}}\n",
            script.display()
        ));
        let scene = Self { scenario };
        scene.make_run(ENDED, RUN);
        scene.make_run(SPARE, "20260101-0000000000-1-2");
        scene.make_run(SPARE, SPARE_RUN);
        scene.make_evidence();
        let key = AccountKey::parse("claude", "claude").unwrap();
        let fail = |account: &mut cl_storage::ledger::Account| {
            account.attempted(Some(FailureKind::Auth), SystemClock.now());
        };
        Ledger::of(&scene.scenario.root())
            .update(&key, fail)
            .unwrap();
        scene
    }

    fn make_run(&self, task: &str, run: &str) {
        let task_folder = self.scenario.task(task).path().to_owned();
        let folder = task_folder.join("runs").join(run);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(task_folder.join("TASK.md"), "do it\n").unwrap();
        std::fs::write(folder.join("agent-stdout.txt"), "one\ntwo\n").unwrap();
        let (at, work) = (folder.display(), self.scenario.work());
        let record = format!(
            "version: 1\nrun_id: {run}\nproject_id: {PROJECT}\ntask_id: {task}\nagent: actor\n\
             pid: 0\npgid: 0\nstart_time: 2026-01-01T00:00:00Z\nend_time: 2026-01-01T00:01:00Z\n\
             exit_code: 0\nstatus: completed\ncwd: {}\nprompt_path: {at}/prompt.md\n\
             output_path: {at}/output.md\nstdout_path: {at}/agent-stdout.txt\n\
             stderr_path: {at}/agent-stderr.txt\n",
            work.display()
        );
        std::fs::write(folder.join("run-info.yaml"), record).unwrap();
    }

    fn make_evidence(&self) {
        let gates = self.scenario.task(ENDED).path().join("gates");
        std::fs::create_dir(&gates).unwrap();
        let piece = "version: 1\nname: tests\nrun: cargo test\ncwd: /tmp\nlaunch_id: l1\nclaim: 1\n\
            verdict: passed\nreason: ''\nexit_code: 0\nstarted_at: 2026-01-01T00:00:00Z\n\
            duration_ms: 5\ntimeout_ms: 9\noutput: 1.out\noutput_bytes: 3\noutput_sha256: x\n\
            tree: ''\ntree_after: ''\nargv: []\nsignal: null\nenvironment: ''\nunquiet: false\n";
        std::fs::write(gates.join("1.yaml"), piece).unwrap();
        std::fs::write(gates.join("1.out"), "ok\n").unwrap();
    }

    #[track_caller]
    pub(crate) fn serve(&self) -> Served {
        Served::start(&self.scenario)
    }

    /// Says that the task has claimed to be done.
    pub(crate) fn claim(&self, task: &str) {
        let path = self.scenario.task(task).path().join("DONE");
        std::fs::write(path, "").unwrap();
    }

    /// Makes a copy of the program that a server could be asked to become; returns it and its digest.
    pub(crate) fn candidate(&self) -> (PathBuf, String) {
        let path = self.scenario.path().join("candidate");
        std::fs::copy(env!("CARGO_BIN_EXE_run-agent"), &path).unwrap();
        let digest = cl_storage::digest::sha256_hex(&std::fs::read(&path).unwrap());
        (path, digest)
    }

    /// Waits until the agent of a task is at work, and returns its run.
    #[track_caller]
    pub(crate) fn run_at_work(&self, task: &str) -> String {
        let task = self.scenario.task(task);
        eventually(&format!("a run of {}", task.id()), || {
            let owner = Owner::read(&task).ok().flatten();
            let runs = task.runs().unwrap_or_default();
            let run = runs.last().filter(|run| run.stdout().is_file());
            run.filter(|_| OwnerState::of(owner.as_ref()) == OwnerState::Alive)
                .map(|run| run.id().to_string())
        })
    }

    /// Waits until nobody works on a task any more.
    #[track_caller]
    pub(crate) fn wait_for_end(&self, task: &str) {
        let task = self.scenario.task(task);
        until(&format!("the end of {}", task.id()), || {
            let owner = Owner::read(&task).ok().flatten();
            !task.runs().unwrap_or_default().is_empty()
                && OwnerState::of(owner.as_ref()) == OwnerState::None
        });
    }

    /// Waits until a task that has failed once waits for its next attempt.
    #[track_caller]
    pub(crate) fn wait_for_delay(&self, task: &str) {
        let task = self.scenario.task(task);
        until(&format!("the delay of {}", task.id()), || {
            let state = cl_storage::task_state::TaskState::read(&task);
            state
                .ok()
                .flatten()
                .is_some_and(|state| state.waiting_for.as_deref() == Some("delay"))
        });
    }
}

/// A process of somebody else's; it is ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Stranger(Child);

impl Stranger {
    pub(crate) fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "a process that is not ours")]
        let mut command = Command::new("/bin/sleep");
        let command = command.arg("600").stdin(Stdio::null());
        Self(command.spawn().unwrap())
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
