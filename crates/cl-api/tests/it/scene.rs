//! A project with a task and a finished run, as files.

use std::path::PathBuf;

use crate::server::{Place, Server};

pub(crate) const PROJECT: &str = "demo";
pub(crate) const TASK: &str = "task-20260101-000000-plain";
pub(crate) const RUN: &str = "20260101-0000000000-1-1";

/// Returns the path of the API for the task.
pub(crate) fn task_path() -> String {
    format!("/api/projects/{PROJECT}/tasks/{TASK}")
}

/// Returns the path of the API for the run.
pub(crate) fn run_path() -> String {
    format!("{}/runs/{RUN}", task_path())
}

/// Returns the folder of the task.
pub(crate) fn task_folder(server: &Server) -> PathBuf {
    server.root().join(PROJECT).join(TASK)
}

/// Makes a place with the scene in it.
pub(crate) fn place() -> Place {
    let place = Place::new();
    let task = place.root().join(PROJECT).join(TASK);
    let run = task.join("runs").join(RUN);
    std::fs::create_dir_all(&run).unwrap();
    std::fs::write(task.join("TASK.md"), "do it\n").unwrap();
    std::fs::write(run.join("agent-stdout.txt"), "one\ntwo\nthree\n").unwrap();
    std::fs::write(run.join("output.md"), "# Done\n").unwrap();
    let folder = run.display();
    let record = format!(
        "version: 1\nrun_id: {RUN}\nproject_id: {PROJECT}\ntask_id: {TASK}\nagent: claude\n\
         pid: 0\npgid: 0\nstart_time: 2026-01-01T00:00:00Z\nend_time: 2026-01-01T00:01:00Z\n\
         exit_code: 0\nstatus: completed\ncwd: /tmp\nprompt_path: {folder}/prompt.md\n\
         output_path: {folder}/output.md\nstdout_path: {folder}/agent-stdout.txt\n\
         stderr_path: {folder}/agent-stderr.txt\nusage:\n    input_tokens: 1200\n    \
         output_tokens: 300\n    cache_read_tokens: 0\n    cache_write_tokens: 0\n    \
         cost_usd: 0.5\n    turns: 2\n"
    );
    std::fs::write(run.join("run-info.yaml"), record).unwrap();
    place
}
