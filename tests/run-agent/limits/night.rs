//! A night of three hours in fast time.

use cl_storage::spool::Spool;
use cl_testkit::patience::until;
use cl_testkit::receiver::Receiver;
use cl_testkit::scenario::PROJECT;
use jiff::Timestamp;
use rustix::process::Signal;

use crate::bed::{Bed, THREE_HOURS, limited};

const TASKS: [(&str, &str, &str); 6] = [
    ("task-20260101-000000-one", "claude-work", "type: claude"),
    (
        "task-20260101-000000-two",
        "claude-home",
        "type: claude, account: home",
    ),
    ("task-20260101-000000-three", "codex-work", "type: codex"),
    ("task-20260101-000000-four", "codex-home", "type: codex"),
    ("task-20260101-000000-five", "gemini", "type: gemini"),
    (
        "task-20260101-000000-six",
        "other",
        "type: command, version_args: []",
    ),
];

fn dialect(settings: &str) -> &str {
    let kind = settings.split([':', ',']).nth(1).unwrap().trim();
    if kind == "command" { "text" } else { kind }
}

#[test]
fn six_tasks_wait_for_the_reset_and_reach_done_each_once() {
    let mut bed = Bed::new();
    for (_, name, settings) in TASKS {
        bed = bed.agent(name, settings, &limited(dialect(settings)));
    }
    for (task, name, _) in TASKS {
        bed.start(task, &["--agent", name]);
    }
    for (task, ..) in TASKS {
        let row = bed.wait_for(task, "waiting");
        assert_eq!(row["waiting_for"], "limit", "{row:#}");
        assert_eq!(row["attempts"], 0, "{row:#}");
        let wake_at: Timestamp = row["wake_at"].as_str().unwrap().parse().unwrap();
        let ended = bed.runs(task)[0].end_time.unwrap();
        let wait = wake_at.duration_since(ended).as_secs() - THREE_HOURS;
        assert!(
            (0..=65).contains(&wait),
            "{wait} s after the reset: {row:#}"
        );
        let run = &bed.runs(task)[0];
        let failure = run.failure.as_ref().unwrap();
        assert_eq!(failure.kind.as_str(), "limit_window");
        assert!(failure.retry_at.is_some(), "{failure:?}");
    }
    assert!(
        !bed.scenario.survivors().exist(),
        "no agent while they wait"
    );
    assert_eq!(bed.scenario.begun().len(), 6);

    // Two supervisors die meanwhile; one of their tasks was started in the foreground's name.
    let killed = [TASKS[0].0, TASKS[4].0];
    for task in killed {
        bed.signal(task, Signal::KILL);
        assert_eq!(bed.row(task)["owner"], "lost");
    }
    bed.set_clock(THREE_HOURS / 2);
    bed.command(&["recover"]).ok();
    for task in killed {
        let row = bed.wait_for(task, "waiting");
        assert_eq!(row["owner"], "alive", "{row:#}");
        assert!(row["wake_at"].is_string(), "{row:#}");
    }
    for (task, ..) in TASKS {
        assert_eq!(bed.row(task)["status"], "waiting");
    }
    assert_eq!(bed.scenario.begun().len(), 6, "nobody was woken too early");

    // The machine sleeps far beyond the reset.
    bed.set_clock(3 * THREE_HOURS);
    for (task, ..) in TASKS {
        let row = bed.wait_for(task, "all_finished");
        assert_eq!(row["attempts"], 1, "the wait is no attempt: {row:#}");
        assert_eq!(bed.runs(task).len(), 2);
        assert!(row["wake_at"].is_null(), "{row:#}");
    }
    assert_eq!(bed.scenario.begun().len(), 12, "nothing was started twice");
    bed.scenario.assert_no_clash();
    until("the end of all", || !bed.scenario.survivors().exist());

    // The agents that can go on with their conversation did so.
    let resumed = |task: &str| {
        let second = bed.runs(task)[1].run_id.to_string();
        let arguments = bed.scenario.arguments();
        let line = arguments.iter().find(|line| line.starts_with(&second));
        line.is_some_and(|line| line.contains("talk-1"))
    };
    for (task, _, settings) in TASKS {
        let may = dialect(settings) != "text";
        assert_eq!(
            resumed(task),
            may,
            "{task}: {:#?}",
            bed.scenario.arguments()
        );
    }
}

#[test]
fn a_foreground_task_that_waits_is_recovered_too() {
    const TASK: &str = "task-20260101-000000-fore";
    let bed = Bed::new().agent("claude", "type: claude", &limited("claude"));
    let args = [
        "task",
        TASK,
        "--project",
        PROJECT,
        "--prompt",
        "Work.",
        "--agent",
        "claude",
    ];
    let command = bed.command(&args).spawn();
    bed.wait_for(TASK, "waiting");
    bed.signal(TASK, Signal::KILL);
    command.finish();
    bed.command(&["recover"]).ok();
    bed.wait_for(TASK, "waiting");
    bed.set_clock(2 * THREE_HOURS);
    bed.wait_for(TASK, "all_finished");
    assert_eq!(bed.scenario.begun().len(), 2);
}

#[test]
fn what_one_task_has_learned_saves_the_next_one_its_attempt() {
    const FIRST: &str = "task-20260101-000000-first";
    const SECOND: &str = "task-20260101-000000-second";
    let done = "version: 1\ndialect: claude\nsteps: [done]\n";
    let bed = Bed::new()
        .agent("work", "type: claude, account: shared", &limited("claude"))
        .agent("also", "type: claude, account: shared", done);
    bed.start(FIRST, &["--agent", "work"]);
    bed.wait_for(FIRST, "waiting");
    bed.start(SECOND, &["--agent", "also"]);
    bed.wait_for(SECOND, "waiting");
    assert!(bed.runs(SECOND).is_empty(), "the ledger knew before");
    bed.set_clock(2 * THREE_HOURS);
    bed.wait_for(FIRST, "all_finished");
    bed.wait_for(SECOND, "all_finished");
    assert_eq!(bed.scenario.begun().len(), 3);
}

#[test]
fn an_unknown_reset_is_tried_after_a_quarter_of_an_hour() {
    const TASK: &str = "task-20260101-000000-unknown";
    let script = "version: 1\ndialect: codex\nattempts: [[limit], [limit], [done]]\n";
    let bed = Bed::new().agent("codex", "type: codex", script);
    bed.start(TASK, &["--agent", "codex"]);
    bed.wait_for(TASK, "waiting");
    bed.set_clock(17 * 60);
    until("the second attempt", || bed.scenario.begun().len() == 2);
    let row = bed.wait_for(TASK, "waiting");
    let wake_at: Timestamp = row["wake_at"].as_str().unwrap().parse().unwrap();
    let wait = wake_at.duration_since(bed.runs(TASK)[1].end_time.unwrap());
    assert!(
        (30 * 60..32 * 60).contains(&wait.as_secs()),
        "it doubles: {wait}"
    );
    bed.set_clock(60 * 60);
    bed.wait_for(TASK, "all_finished");
}

#[test]
fn a_lost_task_that_waited_for_a_limit_is_shown_so_and_goes_on_once() {
    const TASK: &str = "task-20260101-000000-lost";
    let bed = Bed::new().agent("claude", "type: claude", &limited("claude"));
    bed.start(TASK, &["--agent", "claude"]);
    bed.wait_for(TASK, "waiting");
    bed.signal(TASK, Signal::KILL);
    let row = bed.row(TASK);
    let shown = (&row["status"], &row["owner"], &row["waiting_for"]);
    assert_eq!(
        shown,
        (&"waiting".into(), &"lost".into(), &"limit".into()),
        "{row:#}"
    );
    assert_eq!(row["active"], false, "{row:#}");
    assert!(row["wake_at"].is_string(), "{row:#}");
    let list = ["list", "--project", PROJECT, "--json", "--status"];
    let listed = bed.command(&list).args(&["waiting"]).ok().json();
    assert_eq!(listed["tasks"][0]["task_id"], TASK, "{listed:#}");
    let watch = ["watch", TASK, "--project", PROJECT, "--timeout"];
    let watched = bed.command(&watch).args(&["300ms"]).run();
    watched.assert_code(124);
    bed.command(&["recover"]).ok();
    bed.command(&["recover"]).ok();
    let row = bed.wait_for(TASK, "waiting");
    assert_eq!(
        (&row["owner"], &row["attempts"]),
        (&"alive".into(), &0.into())
    );
    assert_eq!(bed.scenario.begun().len(), 1, "the wait goes on");
    bed.set_clock(2 * THREE_HOURS);
    let row = bed.wait_for(TASK, "all_finished");
    assert_eq!(row["attempts"], 1, "{row:#}");
    assert_eq!(bed.scenario.begun().len(), 2);
}

#[test]
fn a_supervisor_that_dies_around_the_wait_loses_nothing_of_it() {
    const TASK: &str = "task-20260101-000000-dies";
    // Behind the run's record alone, and behind the wait that was written.
    for point in ["end-recorded", "limit-waiting"] {
        let receiver = Receiver::start(&[]).unwrap();
        let bed = Bed::new()
            .agent("gemini", "type: gemini", &limited("gemini"))
            .settings(&format!(
                "webhook: {{url: \"{}\", events: [waiting]}}\n",
                receiver.url()
            ));
        let args = [
            "task",
            TASK,
            "--project",
            PROJECT,
            "--prompt",
            "Work.",
            "--detach",
        ];
        let start = bed.command(&args).args(&["--agent", "gemini"]);
        start.crash_at(point).ok();
        until("the fault", || {
            cl_testkit::run_agent::crashes(bed.scenario.path()) == [point]
        });
        until("the supervisor's end", || bed.row(TASK)["owner"] == "lost");
        bed.command(&["recover"]).ok();
        let row = bed.wait_for(TASK, "waiting");
        assert_eq!(row["attempts"], 0, "{point}: {row:#}");
        assert_eq!(bed.scenario.begun().len(), 1, "{point}");
        let spool = Spool::of(&bed.scenario.root());
        until("the wait to be told", || {
            !receiver.received().is_empty() && spool.is_empty() && spool.sender().is_none()
        });
        let received = receiver.received();
        let told: Vec<_> = received.iter().map(|one| one.json()).collect();
        assert!(
            told.iter().all(
                |one| one["event"] == "waiting" && one["delivery_id"] == told[0]["delivery_id"]
            ),
            "{point}: {told:#?}"
        );
        bed.set_clock(2 * THREE_HOURS);
        let row = bed.wait_for(TASK, "all_finished");
        assert_eq!(row["attempts"], 1, "{point}: {row:#}");
        assert_eq!(bed.scenario.begun().len(), 2, "{point}");
    }
}
