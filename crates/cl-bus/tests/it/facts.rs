//! Facts are found, promoted once, and read back.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use cl_bus::facts::{
    Fact, FactHash, Origin, Promoted, Promotion, Query, Sheet, SheetPlace, in_project, in_task,
    in_tasks,
};
use cl_bus::{Bus, Draft, Durability};
use cl_storage::redact::Redactor;
use cl_storage::{MessageId, ProjectDir, ProjectId, Root, TaskDir, TaskId};
use proptest::prelude::*;

const FIRST: &str = "task-20260101-000000-first";
const SECOND: &str = "task-20260101-000001-second";

/// A project below a root that goes away with it.
struct Ground {
    folder: tempfile::TempDir,
    root: Root,
    project: ProjectDir,
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let project = root.project(&ProjectId::parse("demo").unwrap()).unwrap();
        let ground = Self {
            folder,
            root,
            project,
        };
        ground.task(FIRST);
        ground
    }

    fn task(&self, id: &str) -> TaskDir {
        let task = self.project.task(&TaskId::parse(id).unwrap()).unwrap();
        task.ensure().unwrap();
        task
    }

    fn sheet(&self) -> SheetPlace {
        SheetPlace::of_project(&self.project)
    }

    fn post(&self, task: &str, body: impl Into<Vec<u8>>) -> MessageId {
        let draft = Draft::new("FACT", self.project.id().clone(), body);
        let bus = Bus::new(self.task(task).bus()).with_durability(Durability::Os);
        bus.append(&draft).unwrap().id
    }

    fn promote(&self) -> Promoted {
        let collected = in_tasks(&self.project, &Query::default()).unwrap();
        promotion(&Redactor::default())
            .promote(&self.sheet(), collected.facts)
            .unwrap()
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.sheet().path()).unwrap()
    }

    fn facts(&self) -> Vec<Fact> {
        Sheet::read(&self.sheet()).unwrap().facts().to_vec()
    }
}

fn promotion(redactor: &Redactor) -> Promotion<'_> {
    Promotion {
        promoted_by: "cli",
        now: "2026-02-23T21:03:11Z".parse().unwrap(),
        redactor,
    }
}

#[test]
fn the_sheet_looks_as_described() {
    let ground = Ground::new();
    let one = ground.post(FIRST, "The schema version is 3");
    let many = ground.post(SECOND, "Steps:\r\n  1. build\r\n\r\n---\r\n");
    assert_eq!(ground.promote().new.len(), 2);
    let times: Vec<_> = ground
        .facts()
        .iter()
        .map(|fact| fact.time.unwrap())
        .collect();
    let text = ground
        .text()
        .replace(one.as_str(), "MSG-1")
        .replace(many.as_str(), "MSG-2")
        .replace(&times[0].to_string(), "T1")
        .replace(&times[1].to_string(), "T2");
    insta::assert_snapshot!(text, @r"
    # Project Facts: demo
    Last updated: 2026-02-23T21:03:11Z

    ---
    ## Fact: The schema version is 3
    <!-- fact-sha256: 32a29f4979a3b80a8f519da244003b0ba2e669724837d373f9b037177bd1632e -->
    - **Body**: The schema version is 3
    - **Source task**: task-20260101-000000-first
    - **Source message**: MSG-1
    - **Original timestamp**: T1
    - **Promoted at**: 2026-02-23T21:03:11Z
    - **Promoted by**: cli

    ---
    ## Fact: Steps:
    <!-- fact-sha256: 2cca13ac919c038f4d31c557b340bda110b0c4f920eaa254702ce01d566ff011 -->
    - **Body**:
        Steps:
          1. build

        ---
    - **Source task**: task-20260101-000001-second
    - **Source message**: MSG-2
    - **Original timestamp**: T2
    - **Promoted at**: 2026-02-23T21:03:11Z
    - **Promoted by**: cli
    ");
}

#[test]
fn promoting_again_changes_nothing() {
    let ground = Ground::new();
    let body = "one\n  two\nthree";
    ground.post(FIRST, body);
    ground.post(SECOND, format!("{body}\n\n"));
    let first = ground.promote();
    assert_eq!((first.new.len(), first.present.len()), (1, 1));
    let text = ground.text();
    for _ in 0..4 {
        let again = ground.promote();
        assert_eq!((again.new.len(), again.present.len()), (0, 2));
        assert_eq!(ground.text(), text);
    }
    let facts = ground.facts();
    assert_eq!(facts.len(), 1);
    assert_eq!(facts[0].text, body);
    assert_eq!(facts[0].task, FIRST);
}

#[test]
fn facts_too_large_for_a_message_are_told_apart_by_their_attachment() {
    let ground = Ground::new();
    let bus = Bus::new(ground.task(FIRST).bus()).with_durability(Durability::Os);
    let attach = |end: &str| {
        let body = format!("Long\n{}{end}", "q".repeat(cl_bus::message::MAX_BODY_BYTES));
        let draft = Draft::new("FACT", ground.project.id().clone(), body);
        let file = bus.append_large(&draft).unwrap().attachment.unwrap();
        file.file_name().unwrap().to_str().unwrap().to_owned()
    };
    let names = [attach("one"), attach("two"), attach("one")];
    let promoted = ground.promote();
    assert_eq!((promoted.new.len(), promoted.present.len()), (2, 1));
    let facts = ground.facts();
    for (fact, name) in facts.iter().zip(&names) {
        assert_eq!(fact.title, "Long");
        let end = format!("bytes is in {name}]");
        assert!(fact.text.ends_with(&end), "{:.40}", fact.text);
    }
    assert_eq!(facts.len(), 2);
    assert_eq!(ground.promote().new.len(), 0);
}

#[test]
fn a_new_fact_leaves_the_others_byte_by_byte() {
    let ground = Ground::new();
    ground.post(FIRST, "one");
    ground.promote();
    let sections = |text: &str| text.split_once("---").unwrap().1.to_owned();
    let before = sections(&ground.text());
    ground.post(FIRST, "two");
    ground.promote();
    let after = sections(&ground.text());
    assert!(after.starts_with(&before), "{after}");
    assert_eq!(ground.facts().len(), 2);
}

#[test]
fn a_title_is_cut_between_characters() {
    let ground = Ground::new();
    ground.post(FIRST, format!("{}\nmore", "ü€😀".repeat(40)));
    let fact = &ground.promote().new[0];
    assert_eq!(fact.title.chars().count(), 80);
    assert_eq!(ground.facts()[0].title, fact.title);
}

#[test]
fn what_people_wrote_survives() {
    let ground = Ground::new();
    let by_hand = b"# Ours\r\nLast updated: never\r\nRead this first \xff\r\n\r\n\
        ---\r\n## Fact: kept\r\n- **Body**: kept\r\n\r\nA note without line end";
    std::fs::write(ground.sheet().path(), by_hand).unwrap();
    ground.post(FIRST, "kept");
    ground.post(FIRST, "new");
    let promoted = ground.promote();
    assert_eq!((promoted.new.len(), promoted.present.len()), (1, 1));
    let bytes = std::fs::read(ground.sheet().path()).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.starts_with("# Ours\r\nLast updated: 2026-02-23T21:03:11Z\r\nRead this first"));
    let rest = &by_hand[by_hand.windows(4).position(|w| w == b"Read").unwrap()..];
    let rest = [rest, b"\n\n---\n## Fact: new\n"].concat();
    assert!(
        bytes.windows(rest.len()).any(|window| window == rest),
        "{text}"
    );
}

#[test]
fn sheets_of_the_earlier_implementation_are_read() {
    let ground = Ground::new();
    let fact = |body: &str| {
        format!(
            "---\n## Fact: x\n- **Body**: {body}\n- **Source task**: {FIRST}\n\
             - **Original timestamp**: 2026-02-05T10:30:45Z\n- **Promoted at**: 2026-02-06T00:00:00Z\n---\n"
        )
    };
    let text = format!(
        "# Project Facts: demo\nLast updated: 2026-02-06T00:00:00Z\n\n{}{}{}",
        fact("one line"),
        fact("three\n---\n\n- lines"),
        fact("last")
    );
    std::fs::write(ground.sheet().path(), text).unwrap();
    let facts = ground.facts();
    let bodies: Vec<_> = facts.iter().map(|fact| fact.text.as_str()).collect();
    assert_eq!(bodies, ["one line", "three\n---\n\n- lines", "last"]);
    assert_eq!(facts[0].time, Some("2026-02-05T10:30:45Z".parse().unwrap()));
    assert_eq!(facts[0].task, FIRST);
    for body in ["one line", " three\n---\n\n- lines\n", "last"] {
        ground.post(FIRST, body);
    }
    assert_eq!(ground.promote().new, []);
}

#[test]
fn secrets_are_masked_and_the_fact_is_still_the_same() {
    let ground = Ground::new();
    let secret = format!("canary-{}", "x".repeat(30));
    ground.post(FIRST, format!("{} {secret} and more", "word".repeat(16)));
    let redactor = Redactor::new([secret.clone().into()]);
    let promote = || {
        let facts = in_tasks(&ground.project, &Query::default()).unwrap().facts;
        promotion(&redactor)
            .promote(&ground.sheet(), facts)
            .unwrap()
    };
    assert_eq!(promote().new.len(), 1);
    assert!(!ground.text().contains("canary"), "{}", ground.text());
    assert_eq!(promote().new.len(), 0);
}

#[test]
fn type_and_time_select() {
    let ground = Ground::new();
    let bus = Bus::new(ground.task(FIRST).bus()).with_durability(Durability::Os);
    for (kind, second) in [("FACT", 1), ("decision", 2), ("FACT", 2), ("DECISION", 3)] {
        let mut draft = Draft::new(kind, ground.project.id().clone(), format!("{kind}{second}"));
        draft.timestamp = Some(format!("2026-01-01T00:00:0{second}Z").parse().unwrap());
        bus.append(&draft).unwrap();
    }
    let found = |kind: &str, since: Option<&str>| {
        let query = Query {
            kind: kind.to_owned(),
            since: since.map(|time| time.parse().unwrap()),
        };
        let facts = in_tasks(&ground.project, &query).unwrap().facts;
        facts.into_iter().map(|fact| fact.text).collect::<Vec<_>>()
    };
    assert_eq!(found("fact", None), ["FACT1", "FACT2"]);
    assert_eq!(found("FACT", Some("2026-01-01T00:00:01Z")), ["FACT2"]);
    assert_eq!(found("DECISION", None), ["decision2", "DECISION3"]);
    assert_eq!(
        found("DECISION", Some("2026-01-01T00:00:02Z")),
        ["DECISION3"]
    );
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_goes_on() {
    let ground = Ground::new();
    ground.post(FIRST, "known");
    std::fs::create_dir(ground.task(SECOND).bus()).unwrap();
    let front = "---\ncreated_at: 2026-02-05T10:30:45Z\nscope: task\n";
    let in_first = |name: &str, text: String| {
        std::fs::write(ground.task(FIRST).path().join(name), text).unwrap();
    };
    in_first(
        "TASK-FACTS-1.md",
        format!("{front}title: Chosen\n---\n# Keep it\n"),
    );
    in_first("TASK-FACTS-2.md", format!("{front}# Broken\n"));
    let collected = in_tasks(&ground.project, &Query::default()).unwrap();
    let titles: Vec<_> = collected
        .facts
        .iter()
        .map(|fact| fact.title.as_str())
        .collect();
    assert_eq!(titles, ["known", "Chosen"]);
    assert_eq!(collected.facts[1].text, "# Keep it");
    assert_eq!(collected.facts[1].origin, Origin::TaskFile);
    let warnings: Vec<_> = collected.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("TASK-FACTS-2.md") && warnings[0].contains("no end"));
    assert!(warnings[1].contains(SECOND), "{warnings:?}");
}

#[test]
fn facts_in_archives_are_found() {
    let ground = Ground::new();
    let bus = Bus::new(ground.task(FIRST).bus());
    ground.post(FIRST, "archived");
    assert!(bus.rotate(1).unwrap().is_some());
    ground.post(FIRST, "recent");
    let new = ground.promote().new;
    let texts: Vec<_> = new.iter().map(|fact| fact.text.as_str()).collect();
    assert_eq!(texts, ["archived", "recent"]);
}

#[test]
fn a_torn_fact_is_left_out() {
    let ground = Ground::new();
    ground.post(FIRST, "whole");
    ground.post(FIRST, "this one is torn");
    let task = ground.task(FIRST);
    let mut bytes = std::fs::read(task.bus()).unwrap();
    bytes.truncate(bytes.len() - 6);
    std::fs::write(task.bus(), bytes).unwrap();
    ground.post(FIRST, "later");
    let collected = in_task(&task, &Query::default());
    let texts: Vec<_> = collected
        .facts
        .iter()
        .map(|fact| fact.text.as_str())
        .collect();
    assert_eq!(texts, ["whole", "later"]);
    assert_eq!(collected.warnings.len(), 1, "{:?}", collected.warnings);
}

#[test]
fn files_of_a_project_have_their_scope() {
    let ground = Ground::new();
    for scope in ["project", "global", "task"] {
        let text =
            format!("---\ncreated_at: 2026-02-05T10:30:45Z\nscope: {scope}\n---\nfor {scope}\n");
        let path = ground.project.path().join(format!("FACT-1-{scope}.md"));
        std::fs::write(path, text).unwrap();
    }
    let collected = in_project(&ground.project, &Query::default());
    let texts: Vec<_> = collected
        .facts
        .iter()
        .map(|fact| fact.text.as_str())
        .collect();
    assert_eq!(texts, ["for global", "for project"]);
}

#[test]
fn the_sheet_of_the_root_names_the_project() {
    let ground = Ground::new();
    ground.post(FIRST, "known");
    let facts = ground.promote().new;
    let place = SheetPlace::of_root(&ground.root);
    promotion(&Redactor::default())
        .promote(&place, facts.clone())
        .unwrap();
    let again = promotion(&Redactor::default())
        .promote(&place, facts)
        .unwrap();
    assert_eq!(again.new, []);
    let sheet = Sheet::read(&place).unwrap();
    assert_eq!(sheet.facts()[0].project, "demo");
    assert_eq!(sheet.facts()[0].task, FIRST);
    assert!(
        ground
            .folder
            .path()
            .join("_global/GLOBAL-FACTS.md.lock")
            .exists()
    );
}

#[test]
fn a_sheet_that_is_no_file_is_refused() {
    let ground = Ground::new();
    ground.post(FIRST, "known");
    std::os::unix::fs::symlink("/elsewhere", ground.sheet().path()).unwrap();
    let facts = in_tasks(&ground.project, &Query::default()).unwrap().facts;
    let error = promotion(&Redactor::default())
        .promote(&ground.sheet(), facts)
        .unwrap_err();
    assert!(error.to_string().contains("not a regular file"), "{error}");
}

#[test]
fn a_link_does_not_lead_out_of_the_root() {
    let ground = Ground::new();
    ground.post(FIRST, "known");
    let elsewhere = tempfile::tempdir().unwrap();
    let link = ground.folder.path().join("_global");
    std::os::unix::fs::symlink(elsewhere.path(), link).unwrap();
    let facts = in_tasks(&ground.project, &Query::default()).unwrap().facts;
    let error = promotion(&Redactor::default())
        .promote(&SheetPlace::of_root(&ground.root), facts)
        .unwrap_err();
    assert!(error.to_string().contains("not a regular file"), "{error}");
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

#[test]
fn many_at_once_promote_each_fact_once() {
    let ground = Ground::new();
    for number in 0..20 {
        ground.post(FIRST, format!("fact {number}\nof many"));
    }
    let is_over = AtomicBool::new(false);
    let seen_torn = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut torn = 0;
            while !is_over.load(Ordering::Relaxed) {
                let facts = ground.facts();
                let is_whole = |fact: &Fact| fact.hash == FactHash::of(fact.text.as_bytes());
                torn += usize::from(!facts.iter().all(is_whole));
            }
            torn
        });
        let writers: Vec<_> = (0..8).map(|_| scope.spawn(|| ground.promote())).collect();
        let new: usize = writers
            .into_iter()
            .map(|w| w.join().unwrap().new.len())
            .sum();
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(new, 20);
        reader.join().unwrap()
    });
    assert_eq!(seen_torn, 0);
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for fact in ground.facts() {
        *counts.entry(fact.text).or_default() += 1;
    }
    assert!(
        counts.len() == 20 && counts.values().all(|count| *count == 1),
        "{counts:?}"
    );
}

/// Bodies made of what the sheet itself is made of, and of what breaks lines and texts.
fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::sample::select(vec![
            "---",
            "## Fact:",
            "## Fact: x",
            "<!-- fact-sha256: ",
            " -->",
            "- **Body**: ",
            "- **Source task**: t",
            "\r\n",
            "\n",
            "\r",
            "    ",
            "\t",
            " ",
            "\0",
            "\u{2028}",
            "\u{feff}",
            "Last updated: x",
            "text",
            "ü",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        Just(FactHash::of(b"x").as_str().as_bytes().to_vec()),
        proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_body_is_promoted_once_and_found_again(bodies in proptest::collection::vec(any_body(), 1..6)) {
        let ground = Ground::new();
        let mut posted = Vec::new();
        for body in bodies.iter().filter(|body| !body.is_empty()) {
            let id = ground.post(FIRST, body.clone());
            posted.push((id, body));
            ground.promote();
        }
        let text = std::fs::read(ground.sheet().path()).ok();
        let again = ground.promote();
        prop_assert_eq!(again.new, vec![]);
        prop_assert_eq!(std::fs::read(ground.sheet().path()).ok(), text);
        let facts = ground.facts();
        for (id, body) in posted {
            let is_blank = String::from_utf8_lossy(body).trim().is_empty();
            let hash = FactHash::of(body);
            let found: Vec<_> = facts.iter().filter(|fact| fact.hash == hash).collect();
            prop_assert_eq!(found.len(), usize::from(!is_blank), "{} {:?}", id, body);
            if let (Some(fact), Ok(body)) = (found.first(), std::str::from_utf8(body)) {
                prop_assert_eq!(&fact.hash, &FactHash::of(fact.text.as_bytes()));
                prop_assert_eq!(FactHash::of(body.as_bytes()), fact.hash.clone());
            }
        }
    }
}
