//! Telling others: what arrives at a receiver, and what becomes of it when it does not.

use std::fs;

use cl_storage::spool::Spool;
use cl_storage::task_state::ResultStatus;
use cl_testkit::patience::{PATIENCE, eventually};
use cl_testkit::receiver::{Received, Receiver};
use rustix::process::{Pid, Signal, kill_process};

use crate::stage::{Stage, id};

const SECRET: &str = "canary-webhook-secret";

/// The digest that receivers compute, from another implementation than ours.
mod judge {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    /// Returns the code of `body`, or none on a machine without openssl.
    pub(super) fn hmac(key: &str, body: &[u8]) -> Option<String> {
        #[expect(clippy::disallowed_methods, reason = "a judge that is not ours")]
        let mut child = Command::new("openssl")
            .args(["dgst", "-sha256", "-hmac", key])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        child.stdin.take()?.write_all(body).ok()?;
        let output = child.wait_with_output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        Some(text.split_whitespace().next_back()?.to_owned())
    }
}

/// A stage whose webhook, with `more` settings, is `receiver`.
fn stage(steps: &str, receiver: &Receiver, more: &str) -> Stage {
    let url = receiver
        .url()
        .replace("http://", "http://user:canary-password@");
    Stage::new(steps).settings(&format!(
        "webhook: {{url: \"{url}/canary-path?key=canary-query\", secret: {SECRET}{more}}}\n"
    ))
}

/// Waits until `count` requests were answered well, and returns all requests.
#[track_caller]
fn arrived(receiver: &Receiver, count: usize) -> Vec<Received> {
    eventually(&format!("{count} deliveries"), || {
        let received = receiver.received();
        let good = received.iter().filter(|one| one.answered == 200);
        (good.count() >= count).then_some(received)
    })
}

/// Waits until nothing waits and nobody sends.
#[track_caller]
fn quiet(stage: &Stage) {
    let spool = Spool::of(&stage.scenario.root());
    eventually("an empty spool", || {
        (spool.is_empty() && spool.sender().is_none()).then_some(())
    });
}

fn events(received: &[Received]) -> Vec<String> {
    received
        .iter()
        .map(|one| one.json()["event"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_run_and_its_task_are_told_once_and_signed() {
    let receiver = Receiver::start(&[]).unwrap();
    let stage = stage("  - say: Hi.\n  - done: true", &receiver, "");
    stage.task("top", "").assert_code(0);
    let received = arrived(&receiver, 2);
    quiet(&stage);
    assert_eq!(events(&received), ["run_stop", "done"]);
    assert_eq!(receiver.received().len(), 2, "each once");
    let run = &received[0];
    assert_eq!(run.line, "POST /canary-path?key=canary-query HTTP/1.1");
    assert_eq!(run.header("content-type"), "application/json");
    assert_eq!(run.header("user-agent"), "conductor-loop/1.0");
    let body = run.json();
    assert_eq!(
        run.header("x-conductor-delivery"),
        body["delivery_id"].as_str().unwrap()
    );
    if let Some(code) = judge::hmac(SECRET, &run.body) {
        assert_eq!(
            run.header("x-conductor-signature"),
            format!("sha256={code}")
        );
    }
    let info = stage.info("top");
    assert_eq!(body["run_id"], info.run_id.as_str());
    assert_eq!(body["agent_type"], "command");
    assert_eq!(
        (&body["status"], &body["exit_code"]),
        (&"completed".into(), &0.into())
    );
    assert!(body["duration_seconds"].as_f64().unwrap() >= 0.0);
    assert!(body["stopped_at"].is_string() && body.get("error_summary").is_none());
    assert_eq!(received[1].json()["task_id"], id("top"));
}

#[test]
fn only_what_is_asked_for_is_told_also_to_a_chat() {
    let receiver = Receiver::start(&[]).unwrap();
    let more = ", events: [failed, needs_user], format: slack";
    let steps = "
  - run: run-agent bus post --type QUESTION --body 'Which one & why?'
  - exit: 3";
    let stage = stage(steps, &receiver, more);
    stage.task("top", "--max-attempts 1").assert_code(1);
    let received = arrived(&receiver, 2);
    quiet(&stage);
    let texts: Vec<_> = received
        .iter()
        .map(|one| one.json()["text"].to_string())
        .collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(
        texts[0].contains("needs you: Which one &amp; why?"),
        "{texts:?}"
    );
    assert!(texts[1].contains("has failed"), "{texts:?}");
}

#[test]
fn a_receiver_that_fails_is_asked_again_under_the_same_id() {
    let receiver = Receiver::start(&[500, 503]).unwrap();
    let stage = stage(
        "  - say: It is so.\n  - done: true",
        &receiver,
        ", events: [done]",
    );
    stage.task("top", "").assert_code(0);
    let received = arrived(&receiver, 1);
    quiet(&stage);
    assert_eq!(received.len(), 3);
    let ids: Vec<_> = received
        .iter()
        .map(|one| one.header("x-conductor-delivery"))
        .collect();
    assert!(
        ids[0] == ids[1] && ids[1] == ids[2] && ids[0].len() == 36,
        "{ids:?}"
    );
    assert!(stage.said("top", "WARNING").is_empty(), "it has arrived");
}

#[test]
fn what_cannot_arrive_is_told_without_secrets_and_given_up() {
    let receiver = Receiver::start(&[]).unwrap();
    receiver.always(404);
    let stage = stage(
        "  - say: It is so.\n  - done: true",
        &receiver,
        ", events: [done]",
    );
    stage.task("top", "").assert_code(0);
    quiet(&stage);
    assert_eq!(receiver.received().len(), 1, "404 does not pass");
    let warnings = stage.said("top", "WARNING");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let place = receiver.url();
    let expected = format!(
        "webhook delivery failed: webhook delivery failed after 1 attempt: {place} answered with status 404"
    );
    assert!(warnings[0].starts_with(&expected), "{warnings:?}");
    let dead = stage.scenario.root().conductor_folder().join("spool/dead");
    assert_eq!(fs::read_dir(dead).unwrap().count(), 1);
    no_canary_below(stage.scenario.root().path());
}

#[test]
fn a_dead_receiver_costs_the_task_nothing_and_a_killed_sender_loses_nothing() {
    // It never answers. A second sender may wait for the lock of the first, and takes
    // over from it: its tries must not last for ever, either.
    let receiver = Receiver::start(&[]).unwrap();
    receiver.always(0);
    let stage = stage(
        "  - done: true",
        &receiver,
        ", timeout: 2s, events: [run_stop, done]",
    );
    let started = std::time::Instant::now();
    stage.task("top", "").assert_code(0);
    assert!(started.elapsed() < PATIENCE / 2, "it is not waited for");
    assert_eq!(stage.ended("top").status, ResultStatus::Completed);
    let spool = Spool::of(&stage.scenario.root());
    let sender = eventually("the sender at work", || {
        spool.sender().filter(|_| !receiver.received().is_empty())
    });
    no_canary_below(stage.scenario.root().path());
    kill_process(Pid::from_raw(sender.pid).unwrap(), Signal::KILL).unwrap();
    eventually("its death", || (!sender.is_alive()).then_some(()));
    assert_eq!(spool.list().unwrap().waiting.len(), 2, "both wait");
    receiver.always(200);
    stage.ok("gc");
    let received = arrived(&receiver, 2);
    quiet(&stage);
    let id = |one: &Received| one.header("x-conductor-delivery").to_owned();
    let good: Vec<String> = (received.iter())
        .filter(|one| one.answered == 200)
        .map(id)
        .collect();
    assert_eq!(good.len(), 2);
    assert_ne!(good[0], good[1]);
    let early = received.iter().filter(|one| one.answered == 0).map(id);
    let early: Vec<String> = early.collect();
    assert!(
        early.iter().all(|id| good.contains(id)),
        "the same ids as before"
    );
}

#[test]
fn the_next_supervisor_and_recovery_send_what_is_left() {
    for how in ["recover", "task"] {
        let receiver = Receiver::start(&[]).unwrap();
        receiver.always(0);
        let stage = stage("  - done: true", &receiver, ", timeout: 2s, events: [done]");
        stage.task("top", "").assert_code(0);
        let spool = Spool::of(&stage.scenario.root());
        let sender = eventually("the sender at work", || {
            spool.sender().filter(|_| !receiver.received().is_empty())
        });
        kill_process(Pid::from_raw(sender.pid).unwrap(), Signal::KILL).unwrap();
        eventually("its death", || (!sender.is_alive()).then_some(()));
        receiver.always(200);
        let expected = if how == "recover" {
            stage.ok("recover");
            1
        } else {
            stage.task("next", "").assert_code(0);
            2
        };
        arrived(&receiver, expected);
        quiet(&stage);
    }
}

#[test]
fn a_lost_task_is_told_by_whoever_records_its_end() {
    let receiver = Receiver::start(&[]).unwrap();
    let stage = stage("  - wait_for: go", &receiver, "");
    let running = stage.start("top", "");
    stage.works("top");
    let owner = cl_storage::owner::Owner::read(&stage.dir("top"))
        .unwrap()
        .unwrap();
    kill_process(Pid::from_raw(owner.pid).unwrap(), Signal::KILL).unwrap();
    running.finish().assert_code(1);
    stage.ok("recover");
    let received = arrived(&receiver, 2);
    quiet(&stage);
    assert_eq!(events(&received), ["run_stop", "failed"]);
    assert_eq!(received[1].json()["failure"]["kind"], "runner_lost");
}

#[test]
fn a_command_gets_the_event_and_tasks_of_tasks_are_not_told() {
    let steps = "
  - run: run-agent job task-20260101-000000-child --agent child --prompt Part.
  - done: true";
    let stage = Stage::new(steps).actor("child", "  - say: Part done.");
    let file = stage.path("told");
    let command = format!(
        "cat >>{0}; echo $CONDUCTOR_EVENT >>{0}.kinds",
        file.display()
    );
    let stage = stage.settings(&format!(
        "notify: {{command: '{command}', events: [done, failed]}}\n"
    ));
    stage.task("top", "").assert_code(0);
    quiet(&stage);
    assert_eq!(stage.lines("told.kinds"), ["done"]);
    let told: serde_json::Value = serde_json::from_str(&stage.wait_for("told")).unwrap();
    assert_eq!(
        (&told["event"], &told["task_id"]),
        (&"done".into(), &id("top").into())
    );
}

#[test]
fn the_sender_is_no_part_of_the_run_that_started_it() {
    // The first attempt's end starts a sender, which must see the second one's, too.
    let receiver = Receiver::start(&[]).unwrap();
    receiver.always(0);
    let steps = "
attempts:
  - - exit: 1
  - - wait_for: go
    - done: true";
    let stage = stage(steps, &receiver, ", timeout: 60s");
    stage.detach("top", "--restart-delay 0");
    let spool = Spool::of(&stage.scenario.root());
    let sender = eventually("the sender at work", || {
        spool.sender().filter(|_| !receiver.received().is_empty())
    });
    stage.scenario.release("go");
    assert_eq!(stage.ended("top").status, ResultStatus::Completed);
    assert!(sender.is_alive(), "nobody has ended it");
    kill_process(Pid::from_raw(sender.pid).unwrap(), Signal::KILL).unwrap();
    assert_eq!(
        spool.list().unwrap().waiting.len(),
        3,
        "two runs and a task"
    );
}

#[test]
fn a_terminal_is_told_only_if_it_is_one_and_somebody_wants_it() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    // What the other side has written stays readable as long as one is open.
    let slave = fs::File::options().write(true).open(&name).unwrap();
    rustix::fs::fcntl_setfl(&master, rustix::fs::OFlags::NONBLOCK).unwrap();
    let shown = || {
        let mut bytes = vec![0; 64 * 1024];
        let read = rustix::io::read(&master, bytes.as_mut_slice()).unwrap_or(0);
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    };
    let stage = Stage::new("  - done: true");
    let program = env!("CARGO_BIN_EXE_run-agent");
    let line = |task: &str, more: &str| {
        let task = id(task);
        format!("{program} task {task} --project demo --agent actor --prompt x {more}")
    };
    stage.shell(&format!("{} 2>{name}", line("plain", ""))).ok();
    assert!(!shown().contains("\x1b]9;"), "nobody asked");
    stage
        .shell(&format!("{} 2>{name}", line("told", "--notify")))
        .ok();
    let expected = format!("\x1b]9;task {} completed\x07\x07", id("told"));
    assert!(shown().contains(&expected));
    let finished = stage.shell(&line("piped", "--notify")).ok();
    assert!(!finished.stderr.contains('\x1b'), "{finished:?}");
    let stage = stage.settings("notify: {terminal: true}\n");
    stage
        .shell(&format!("{} 2>{name}", line("configured", "")))
        .ok();
    assert!(shown().contains("\x1b]9;"));
    drop(slave);
}

/// Fails if a file below `folder` holds a secret of the webhook.
fn no_canary_below(folder: &std::path::Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            no_canary_below(&path);
        } else if path.is_file() {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            assert!(!text.contains("canary"), "{}: {text}", path.display());
        }
    }
}
