//! Several buses read as one.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use cl_bus::view::{self, Cut, Item, SourceBus, ViewEvent, ViewFollower, ViewPage, ViewQuery};
use cl_bus::{After, Bus, Durability, Edge, Filter, Message, Parent};
use cl_storage::MessageId;
use jiff::Timestamp;
use proptest::prelude::*;

use crate::support::fact;

/// Some buses in a folder that goes away with them.
struct Project {
    folder: tempfile::TempDir,
    buses: Vec<Bus>,
}

impl Project {
    fn new(count: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut project = Self {
            folder,
            buses: Vec::new(),
        };
        for _ in 0..count {
            project.add();
        }
        project
    }

    fn add(&mut self) {
        let path = self.folder.path().join(format!("{}.md", self.buses.len()));
        let bus = Bus::new(path).with_durability(Durability::Os);
        self.buses.push(bus);
    }

    fn sources(&self) -> Vec<SourceBus> {
        let numbered = self.buses.iter().enumerate();
        numbered
            .map(|(at, bus)| SourceBus {
                name: format!("bus{at}"),
                path: bus.path().to_owned(),
            })
            .collect()
    }

    fn post(&self, bus: usize, second: i64, body: &str) -> cl_bus::Appended {
        let mut draft = fact(body);
        draft.timestamp = Some(Timestamp::from_second(second).unwrap());
        self.buses[bus].append(&draft).unwrap()
    }

    fn page(&self, query: &ViewQuery) -> ViewPage {
        let page = view::page(&self.sources(), query);
        assert!(page.failed.is_empty(), "{:?}", page.failed);
        page
    }

    /// All messages, merged by the heads of the buses at `edge`.
    fn merged(&self, edge: Edge, filter: &Filter) -> Vec<(usize, Message)> {
        let mut buses: Vec<VecDeque<Message>> = self
            .buses
            .iter()
            .map(|bus| bus.all().unwrap().into_messages().into())
            .collect();
        let mut merged = VecDeque::new();
        loop {
            let heads = buses.iter().enumerate().filter_map(|(at, bus)| {
                let head = match edge {
                    Edge::Oldest => bus.front(),
                    Edge::Newest => bus.back(),
                };
                head.map(|head| (head.timestamp, head.id.clone(), at))
            });
            let next = match edge {
                Edge::Oldest => heads.min(),
                Edge::Newest => heads.max(),
            };
            let Some((_, _, at)) = next else {
                merged.retain(|(_, message)| filter.admits(message));
                return merged.into();
            };
            match edge {
                Edge::Oldest => merged.push_back((at, buses[at].pop_front().unwrap())),
                Edge::Newest => merged.push_front((at, buses[at].pop_back().unwrap())),
            }
        }
    }

    fn follow(&self, cut: Cut) -> ViewFollower<impl FnMut() -> Vec<SourceBus> + use<>> {
        let folder = self.folder.path().to_owned();
        let list = move || {
            (0..10)
                .map(|at| SourceBus {
                    name: format!("bus{at}"),
                    path: folder.join(format!("{at}.md")),
                })
                .filter(|bus| bus.path.parent().is_some_and(std::path::Path::exists))
                .collect()
        };
        ViewFollower::new(list, cut, Filter::default(), Duration::from_millis(5))
    }
}

fn bodies(items: &[Item]) -> Vec<&str> {
    let bodies = items.iter().map(|item| item.entry.message.body.as_str());
    bodies.collect()
}

/// A cut as a client has it: as text.
fn through_text(cut: &Cut) -> Cut {
    cut.to_string().parse().unwrap()
}

/// Reads page after page; between two of them a bus is moved aside.
fn paged(project: &Project, keep: Edge, filter: &Filter, limit: usize) -> Vec<(usize, Message)> {
    let mut found: VecDeque<Item> = VecDeque::new();
    let mut query = ViewQuery {
        filter: filter.clone(),
        limit: Some(limit),
        keep,
        ..ViewQuery::default()
    };
    for turn in 0.. {
        let page = project.page(&query);
        assert!(page.reset.is_empty(), "{:?}", page.reset);
        assert!(page.items.len() <= limit);
        check_bracket(project, &query, &page);
        match keep {
            Edge::Oldest => {
                found.extend(page.items);
                query.after = Some(through_text(&page.next));
            }
            Edge::Newest => {
                for item in page.items.into_iter().rev() {
                    found.push_front(item);
                }
                query.before = Some(through_text(&page.previous));
            }
        }
        if !page.has_more {
            break;
        }
        project.buses[turn % project.buses.len()].rotate(0).unwrap();
    }
    let number = |name: &str| name.strip_prefix("bus").unwrap().parse().unwrap();
    found
        .into_iter()
        .map(|item| (number(&item.source), item.entry.message))
        .collect()
}

/// What lies between the two cuts of a page is the page.
fn check_bracket(project: &Project, query: &ViewQuery, page: &ViewPage) {
    let is_first = query.before.is_none() && query.keep == Edge::Newest;
    let between = ViewQuery {
        after: Some(page.previous.clone()),
        before: Some(page.next.clone()).filter(|_| query.keep == Edge::Oldest || is_first),
        limit: (query.keep == Edge::Newest).then_some(usize::MAX),
        ..query.clone()
    };
    let between = match between.before {
        Some(_) => between,
        None => ViewQuery {
            before: query.before.clone(),
            ..between
        },
    };
    let again = project.page(&between);
    assert_eq!(again.items, page.items, "{between:?}");
    assert!(!again.has_more);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn pages_of_either_direction_add_up_to_everything(
        posts in proptest::collection::vec((0..3_usize, 0..4_i64, 0..6_u8), 0..40),
        limit in 1..7_usize,
        is_ordered: bool,
        is_filtered: bool,
    ) {
        let project = Project::new(3);
        let mut now = 1_000;
        for (at, &(bus, seconds, fate)) in posts.iter().enumerate() {
            now += seconds;
            let time = if is_ordered { now } else { 1_000 + seconds };
            let body = if fate == 5 { "z".repeat(70_000) } else { format!("{at} {fate}") };
            project.post(bus, time, &body);
            if fate == 0 {
                project.buses[bus].rotate(0).unwrap();
            }
        }
        let filter = Filter {
            text: is_filtered.then(|| " 3".to_owned()),
            ..Filter::default()
        };
        let forward = paged(&project, Edge::Oldest, &filter, limit);
        let backward = paged(&project, Edge::Newest, &filter, limit);
        if is_filtered && !is_ordered {
            // The heads are then those of the messages that are let through.
            prop_assert_eq!(forward.len(), backward.len());
            return Ok(());
        }
        prop_assert_eq!(&forward, &project.merged(Edge::Oldest, &filter));
        prop_assert_eq!(&backward, &project.merged(Edge::Newest, &filter));
        if is_ordered {
            prop_assert_eq!(&forward, &backward);
        }
    }
}

#[test]
fn a_message_that_comes_late_is_not_passed_over() {
    let project = Project::new(2);
    project.post(0, 10, "ten");
    project.post(1, 20, "twenty");
    let page = project.page(&ViewQuery::default());
    assert_eq!(bodies(&page.items), ["ten", "twenty"]);
    project.post(0, 15, "fifteen");
    let next = ViewQuery {
        after: Some(page.next),
        ..ViewQuery::default()
    };
    assert_eq!(bodies(&project.page(&next).items), ["fifteen"]);
    // Nor does it slip into what stands before the cut.
    let before = ViewQuery {
        before: next.after,
        limit: Some(9),
        keep: Edge::Newest,
        ..ViewQuery::default()
    };
    assert_eq!(bodies(&project.page(&before).items), ["ten", "twenty"]);
}

#[test]
fn a_page_from_the_end_is_followed_by_what_comes_after_it() {
    let mut project = Project::new(3);
    for second in 0..9 {
        project.post(
            usize::try_from(second % 2).unwrap(),
            second,
            &format!("{second}"),
        );
    }
    let newest = ViewQuery {
        limit: Some(2),
        keep: Edge::Newest,
        ..ViewQuery::default()
    };
    let page = project.page(&newest);
    assert_eq!(bodies(&page.items), ["7", "8"]);
    assert!(page.has_more);
    project.add();
    project.post(3, 3, "of a new bus");
    project.post(2, 30, "of an empty one");
    let next = ViewQuery {
        after: Some(page.next),
        ..ViewQuery::default()
    };
    let page = project.page(&next);
    assert_eq!(bodies(&page.items), ["of a new bus", "of an empty one"]);
    assert!(page.reset.is_empty());
}

#[test]
fn a_place_that_is_gone_is_told_and_read_anyway() {
    let project = Project::new(2);
    for second in 0..30 {
        project.post(0, second, &format!("a{second}"));
    }
    project.post(1, 100, "b");
    let page = project.page(&ViewQuery::default());
    // The first bus loses everything that the cut knows, the second one stays.
    std::fs::remove_file(project.buses[0].path()).unwrap();
    for second in 0..25 {
        project.post(0, second, &format!("new{second}"));
    }
    let mut sources = project.sources();
    let behind = ViewQuery {
        after: Some(page.next.clone()),
        ..ViewQuery::default()
    };
    let found = view::page(&sources, &behind);
    assert_eq!(found.reset, ["bus0"]);
    assert_eq!(found.items.len(), view::RESET_TAIL);
    assert_eq!(found.items[0].entry.message.body, "new5");
    let before = ViewQuery {
        before: Some(page.next),
        limit: Some(3),
        keep: Edge::Newest,
        ..ViewQuery::default()
    };
    let back = view::page(&sources, &before);
    assert_eq!((back.reset.len(), back.items.len()), (1, 3));
    // A bus that is no more.
    sources.remove(1);
    let found = view::page(&sources, &behind);
    assert_eq!(found.reset, ["bus1", "bus0"]);
    assert_eq!(found.items.len(), view::RESET_TAIL);
    assert_eq!(found.next.names().collect::<Vec<_>>(), ["bus0"]);
}

#[test]
fn a_bus_that_cannot_be_read_does_not_hide_the_others() {
    let project = Project::new(2);
    project.post(0, 1, "one");
    let first = project.page(&ViewQuery::default());
    let path = project.buses[1].path();
    std::fs::create_dir(path).unwrap();
    for keep in [Edge::Oldest, Edge::Newest] {
        let query = ViewQuery {
            limit: Some(5),
            keep,
            ..ViewQuery::default()
        };
        let page = view::page(&project.sources(), &query);
        assert_eq!(bodies(&page.items), ["one"]);
        assert_eq!(page.failed.len(), 1);
        assert_eq!(page.failed[0].0, "bus1");
        assert_eq!(page.next, first.next);
    }
}

#[test]
fn damage_is_told_with_its_bus() {
    let project = Project::new(2);
    project.post(0, 1, "one");
    let path = project.buses[1].path();
    std::fs::write(path, "---\nmsg_id: torn\n\n").unwrap();
    project.post(1, 2, "two");
    for limit in [None, Some(9)] {
        let query = ViewQuery {
            limit,
            keep: Edge::Newest,
            ..ViewQuery::default()
        };
        let page = project.page(&query);
        assert_eq!(bodies(&page.items), ["one", "two"]);
        assert_eq!(page.damage.len(), 1, "{:?}", page.damage);
        assert_eq!(page.damage[0].0, "bus1");
    }
}

#[test]
fn a_message_is_a_place_in_the_view() {
    let project = Project::new(3);
    let appended: Vec<_> = (0..9)
        .map(|second| {
            let bus = usize::try_from(second % 2).unwrap();
            project.post(bus, second, &format!("{second}"))
        })
        .collect();
    let sources = project.sources();
    for (at, appended) in appended.iter().enumerate() {
        for after in [
            After::Id(appended.id.clone()),
            After::Cursor(appended.cursor()),
        ] {
            let behind = Cut::behind(&sources, &after).unwrap();
            let ahead = Cut::ahead_of(&sources, &after).unwrap();
            assert!(behind.is_some() && ahead.is_some());
            let page = project.page(&ViewQuery {
                after: behind,
                ..ViewQuery::default()
            });
            assert_eq!(page.items.len(), 8 - at);
            let page = project.page(&ViewQuery {
                before: ahead,
                ..ViewQuery::default()
            });
            assert_eq!(page.items.len(), at);
        }
    }
    let unknown = After::Id("MSG-unknown".parse().unwrap());
    assert_eq!(Cut::behind(&sources, &unknown).unwrap(), None);
}

#[test]
fn an_issue_is_what_names_it_and_what_opened_it() {
    let project = Project::new(2);
    let opened = project.post(0, 1, "opened by a writer of old");
    let mut draft = fact("about it");
    draft.issue_id = opened.id.to_string();
    project.buses[1].append(&draft).unwrap();
    project.post(1, 2, "about something else");
    let page = project.page(&ViewQuery {
        filter: Filter {
            issue_id: Some(opened.id.to_string()),
            ..Filter::default()
        },
        ..ViewQuery::default()
    });
    assert_eq!(
        bodies(&page.items),
        ["opened by a writer of old", "about it"]
    );
}

/// Posts an answer.
fn answer(project: &Project, bus: usize, second: i64, body: &str, to: &[&MessageId]) -> MessageId {
    let mut draft = fact(body);
    draft.timestamp = Some(Timestamp::from_second(second).unwrap());
    for &id in to {
        draft = draft.parent(Parent::new(id.clone(), "answers"));
    }
    project.buses[bus].append(&draft).unwrap().id
}

#[test]
fn a_thread_is_what_hangs_together_on_whatever_bus() {
    let project = Project::new(3);
    let question = project.post(0, 1, "question").id;
    project.post(0, 2, "something else");
    let task = answer(&project, 1, 3, "task", &[&question]);
    let elsewhere: MessageId = "MSG-elsewhere".parse().unwrap();
    project.buses[1].rotate(0).unwrap();
    let result = answer(&project, 1, 5, "result", &[&task, &elsewhere]);
    let other = answer(&project, 2, 4, "other answer", &[&question]);
    let alone = answer(&project, 2, 6, "about nothing", &[]);
    let sources = project.sources();
    let whole = ["question", "task", "other answer", "result"];
    for id in [&question, &task, &result, &other, &elsewhere] {
        let thread = view::thread(&sources, id, 100);
        assert_eq!(bodies(&thread.items), whole);
        assert_eq!(thread.missing, std::slice::from_ref(&elsewhere));
        assert!(!thread.has_more && thread.failed.is_empty());
        let sources: Vec<_> = thread.items.iter().map(|item| &item.source[..]).collect();
        assert_eq!(sources, ["bus0", "bus1", "bus2", "bus1"]);
    }
    // What is nearest stays.
    let thread = view::thread(&sources, &result, 2);
    assert_eq!(bodies(&thread.items), ["task", "result"]);
    assert!(thread.has_more);
    assert_eq!(
        bodies(&view::thread(&sources, &alone, 9).items),
        ["about nothing"]
    );
    let unknown = "MSG-unknown".parse().unwrap();
    let thread = view::thread(&sources, &unknown, 9);
    assert!(thread.items.is_empty() && thread.missing.is_empty());
    std::fs::remove_file(project.buses[2].path()).unwrap();
    std::fs::create_dir(project.buses[2].path()).unwrap();
    let thread = view::thread(&sources, &question, 9);
    assert_eq!(bodies(&thread.items), ["question", "task", "result"]);
    assert_eq!(thread.failed.len(), 1);
}

#[test]
fn copies_that_fill_a_thread_make_nothing_missing() {
    let project = Project::new(3);
    let question = project.post(0, 1, "question").id;
    answer(&project, 2, 3, "answer", &[&question]);
    std::fs::copy(project.buses[0].path(), project.buses[1].path()).unwrap();
    let thread = view::thread(&project.sources(), &question, 2);
    assert_eq!(bodies(&thread.items), ["question", "question"]);
    assert!(thread.has_more);
    assert_eq!(thread.missing, []);
}

/// Polls until there are `count` messages.
fn followed<F: FnMut() -> Vec<SourceBus>>(
    follower: &mut ViewFollower<F>,
    count: usize,
) -> (Vec<String>, Vec<ViewEvent>) {
    let deadline = Instant::now() + Duration::from_mins(1);
    let (mut bodies, mut others) = (Vec::new(), Vec::new());
    while bodies.len() < count {
        assert!(Instant::now() < deadline, "still waiting after {bodies:?}");
        for event in follower.poll(Duration::from_secs(1)) {
            match event {
                ViewEvent::Message(item) => bodies.push(item.entry.message.body),
                other => others.push(other),
            }
        }
    }
    (bodies, others)
}

#[test]
fn following_goes_through_rotations_and_finds_new_buses() {
    let mut project = Project::new(2);
    project.post(0, 1, "before");
    let cut = project.page(&ViewQuery::default()).next;
    let mut follower = project.follow(cut);
    assert!(follower.poll(Duration::ZERO).is_empty());
    let mut expected = Vec::new();
    for round in 0..5 {
        if round == 2 {
            project.add();
        }
        for bus in 0..project.buses.len() {
            let body = format!("{bus} in round {round}");
            project.post(bus, round + 2, &body);
            expected.push(body);
        }
        if round != 3 {
            project.buses[0].rotate(0).unwrap();
        }
        let count = if round == 3 { continue } else { expected.len() };
        let (mut bodies, others) = followed(&mut follower, count);
        bodies.sort();
        expected.sort();
        assert_eq!(bodies, expected);
        assert!(others.is_empty(), "{others:?}");
        expected.clear();
    }
    assert!(follower.poll(Duration::ZERO).is_empty());
    let after = ViewQuery {
        after: Some(follower.cut().clone()),
        ..ViewQuery::default()
    };
    assert!(project.page(&after).items.is_empty());
}

#[test]
fn damage_at_the_same_place_of_a_later_file_is_told() {
    let project = Project::new(1);
    let torn = "---\nmsg_id: torn\n";
    std::fs::write(project.buses[0].path(), torn).unwrap();
    project.post(0, 1, "one");
    let mut follower = project.follow(Cut::default());
    let is_told = |others: &[ViewEvent]| matches!(others, [ViewEvent::Damage(..)]);
    let (_, others) = followed(&mut follower, 1);
    assert!(is_told(&others), "{others:?}");
    for (second, body) in [(2, "two"), (3, "three")] {
        project.buses[0].rotate(0).unwrap();
        std::fs::write(project.buses[0].path(), torn).unwrap();
        project.post(0, second, body);
        let (bodies, others) = followed(&mut follower, 1);
        assert_eq!(bodies, [body]);
        assert!(is_told(&others), "{others:?}");
    }
}

#[test]
fn a_follower_tells_faults_once_and_goes_on() {
    let project = Project::new(2);
    let mut follower = project.follow(Cut::default());
    std::fs::create_dir(project.buses[1].path()).unwrap();
    std::fs::write(project.buses[0].path(), "---\nmsg_id: torn\n").unwrap();
    project.post(0, 1, "one");
    let (bodies, others) = followed(&mut follower, 1);
    assert_eq!(bodies, ["one"]);
    assert!(
        matches!(
            &others[..],
            [ViewEvent::Failed(failed, _), ViewEvent::Damage(damaged, _)]
                if failed == "bus1" && damaged == "bus0"
        ),
        "{others:?}"
    );
    assert!(follower.poll(Duration::ZERO).is_empty());
    std::fs::remove_dir(project.buses[1].path()).unwrap();
    project.post(1, 1, "two");
    assert_eq!(followed(&mut follower, 1).0, ["two"]);
    // The file is another one, and what was handed out is not in it.
    std::fs::remove_file(project.buses[1].path()).unwrap();
    project.post(1, 2, "three");
    let (bodies, others) = followed(&mut follower, 1);
    assert_eq!(bodies, ["three"]);
    assert!(matches!(&others[..], [ViewEvent::Reset(name)] if name == "bus1"));
}
