//! The documents that commands print and servers send.

use cl_wire::evidence::{GateAgain, TreeAgain, Verified};
use cl_wire::ps::{Activity, ProcessRow, ProcessTotals, Processes, TaskActivity};
use cl_wire::usage::{UsageBy, UsageReport, UsageRow};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Expects keys in the order of the alphabet, and that what was written is read.
#[track_caller]
fn check<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(document: &T) {
    let text = serde_json::to_string(document).expect("JSON");
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(text, value.to_string());
    let read: T = serde_json::from_str(&text).expect("what was written");
    assert_eq!(&read, document);
}

#[test]
fn documents_keep_the_order_of_their_keys() {
    check(&UsageReport {
        by: UsageBy::Agent,
        problems: vec!["a".into()],
        rows: vec![UsageRow {
            key: Some("claude".into()),
            cost_usd: Some(0.5),
            ..UsageRow::default()
        }],
        since: None,
        total: UsageRow::default(),
    });
    let (project, task) = ("p", "task-20260223-204858-docs-pass");
    check(&Verified {
        gates: vec![GateAgain {
            cwd: "/srv".into(),
            duration_ms: None,
            flaws: vec![cl_storage::evidence::Flaw::OutputChanged],
            name: "tests".into(),
            now: None,
            reason: None,
            run: "cargo test".into(),
            same_environment: None,
            same_output: Some(true),
            then: cl_storage::evidence::Verdict::Passed,
            unquiet: false,
        }],
        project: project.parse().expect("an id"),
        reproduced: false,
        task: task.parse().expect("an id"),
        tree: TreeAgain {
            now: "none".into(),
            same: None,
            then: "none".into(),
        },
    });
    check(&Processes {
        processes: vec![ProcessRow {
            adopted: false,
            age_seconds: 1,
            command: String::new(),
            cpu_ms: 2,
            cpu_percent: 0.5,
            level: 0,
            name: "claude".into(),
            note: None,
            owner: cl_storage::owner::OwnerState::Lost,
            parent_pid: 1,
            pid: 7,
            project: project.parse().expect("an id"),
            role: "agent".into(),
            rss_bytes: 3,
            run: None,
            state: "sleeping".into(),
            task: task.parse().expect("an id"),
        }],
        tasks: vec![TaskActivity {
            activity: Some(Activity {
                cpu: "still".into(),
                latest_output_at: None,
                silent_seconds: None,
                state: "working".into(),
                waiting_for: None,
            }),
            owner: cl_storage::owner::OwnerState::Alive,
            project: project.parse().expect("an id"),
            run: None,
            status: cl_storage::status::TaskStatus::Running,
            task: task.parse().expect("an id"),
        }],
        totals: ProcessTotals::default(),
    });
}
