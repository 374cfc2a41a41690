//! The streams of what changes below the root, and of one project.
//!
//! A client begins with a snapshot: `snapshot`, a `change` for each project and task, `ready`.
//! Then it is told what changes, as what it is now; so hearing of something twice does no harm.
//!
//! The [`Feed`] follows the index once for all clients, makes the text of each event once and
//! keeps the last of them. The place in the stream is a number in this feed: a client that
//! comes back while its number is still there gets what it missed, any other a new snapshot,
//! after a `reset`. A client that falls behind is treated alike, so it never holds up others.
//!
//! A client may name files that it follows; of these it hears besides, from the first moment
//! on, and without a place in the feed: see [`grown`](super::grown).
//!
//! Messages are told by the newest id of their bus; of buses in folders of ended tasks, which
//! nobody watches, they are told as soon as the index looks there.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::response::Response;
use cl_bus::Bus;
use cl_storage::layout::{PROJECT_BUS, TASK_BUS};
use cl_storage::{ProjectId, TaskId};
use cl_wire::events::{Change as Told, Changed, Ready, Reset, Snapshot, name};
use cl_wire::sse::Event;
use tokio::sync::broadcast::{Receiver, error::RecvError, error::TryRecvError};
use tokio::sync::watch;

use super::grown::{Files, FollowedFile};
use super::outlet::{Outlet, respond};
use super::place::{Beginning, Resuming};
use crate::answer::{Answer, Refusal, blocking};
use crate::app::App;
use crate::state::{Change, TaskEntry, View};

/// How much of the past is kept, in bytes of text and in entries.
const KEPT_BYTES: usize = 4 * 1024 * 1024;
const KEPT_ENTRIES: usize = 8192;
/// How many entries a client takes out of the feed at once.
const BATCH: usize = 64;
/// Changes that come within this are told together.
const GATHER: Duration = Duration::from_millis(50);

/// What happened lately, for all clients.
#[derive(Debug, Clone)]
pub(crate) struct Feed(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    kept: Mutex<Kept>,
    /// The number of the next entry.
    news: watch::Sender<u64>,
    is_running: AtomicBool,
    /// Tells this feed from those of other servers.
    nonce: u64,
}

#[derive(Debug, Default)]
struct Kept {
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    /// The number of the next entry.
    next: u64,
}

/// Something that happened.
#[derive(Debug)]
struct Entry {
    number: u64,
    project: Option<ProjectId>,
    /// A snapshot of this version or a later one shows it already.
    shown_in: Option<u64>,
    text: String,
}

/// What a client missed is no longer known.
#[derive(Debug)]
struct Unknown;

impl Feed {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared {
            kept: Mutex::default(),
            news: watch::channel(0).0,
            is_running: AtomicBool::new(false),
            nonce: RandomState::new().build_hasher().finish(),
        }))
    }

    /// Begins to follow the index, unless it does; it does until the server ends.
    fn start(&self, app: &App) {
        if self.0.is_running.swap(true, Ordering::AcqRel) {
            return;
        }
        let changes = app.index.changes();
        let (feed, app) = (self.clone(), app.clone());
        tokio::spawn(async move {
            let ending = app.ending.clone();
            tokio::select! {
                // What is not told by now is told by the next server.
                () = ending.cancelled() => {}
                () = feed.follow(&app, changes) => {}
            }
        });
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing in it is ever half changed.
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> u64 {
        self.kept().next
    }

    /// Returns entries from `number` on.
    fn from(&self, number: u64) -> Result<Vec<Arc<Entry>>, Unknown> {
        let kept = self.kept();
        let oldest = kept.next - kept.entries.len() as u64;
        if number < oldest || number > kept.next {
            return Err(Unknown);
        }
        let passed = usize::try_from(number - oldest).unwrap_or(usize::MAX);
        let entries = kept.entries.iter().skip(passed).take(BATCH);
        Ok(entries.cloned().collect())
    }

    fn put(&self, told: Vec<(Told, Option<u64>)>) {
        if told.is_empty() {
            return;
        }
        let mut kept = self.kept();
        for (told, shown_in) in told {
            let text = match serde_json::to_string(&told) {
                Ok(text) => text,
                // Our types have no keys but strings, and none of them fails.
                Err(error) => {
                    tracing::error!(%error, "a change is no JSON");
                    continue;
                }
            };
            let number = kept.next;
            kept.next += 1;
            kept.bytes += text.len();
            kept.entries.push_back(Arc::new(Entry {
                number,
                project: told.project_id,
                shown_in,
                text,
            }));
            while kept.bytes > KEPT_BYTES || kept.entries.len() > KEPT_ENTRIES {
                let Some(oldest) = kept.entries.pop_front() else {
                    break;
                };
                kept.bytes -= oldest.text.len();
            }
        }
        let next = kept.next;
        drop(kept);
        self.0.news.send_replace(next);
    }

    /// Forgets everything: something was missed, so everybody needs a snapshot.
    fn forget(&self) {
        let mut kept = self.kept();
        kept.entries.clear();
        kept.bytes = 0;
        // Nobody has this number, so nobody goes on without one.
        kept.next += 1;
        let next = kept.next;
        drop(kept);
        self.0.news.send_replace(next);
    }

    async fn follow(&self, app: &App, mut changes: Receiver<Change>) {
        let ear = app.index.ear();
        ear.listen_to_buses();
        loop {
            let mut news = News::default();
            tokio::select! {
                // Both only wait; what they say is taken here and now.
                change = changes.recv() => news.take(change),
                paths = ear.rung() => news.buses.extend(paths),
            }
            while !news.is_over {
                match changes.try_recv() {
                    Ok(change) => news.take(Ok(change)),
                    Err(TryRecvError::Lagged(count)) => news.take(Err(RecvError::Lagged(count))),
                    Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                }
            }
            if news.is_over {
                return;
            }
            if news.has_missed {
                self.forget();
            }
            let from = app.clone();
            let told = tokio::task::spawn_blocking(move || news.told(&from)).await;
            match told {
                Ok(told) => self.put(told),
                Err(error) => {
                    tracing::error!(%error, "changes could not be told");
                    self.forget();
                }
            }
            tokio::time::sleep(GATHER).await;
        }
    }

    fn place(&self, number: u64) -> String {
        format!("{:x}-{number}", self.0.nonce)
    }

    /// Returns the number behind `place`, if it is one of this feed.
    fn number_of(&self, place: &str) -> Option<u64> {
        let (nonce, number) = place.split_once('-')?;
        let is_ours = u64::from_str_radix(nonce, 16).ok()? == self.0.nonce;
        number.parse().ok().filter(|_| is_ours)
    }
}

/// What has changed, before it is looked at.
#[derive(Debug, Default)]
struct News {
    tasks: BTreeSet<(ProjectId, TaskId)>,
    projects: BTreeSet<ProjectId>,
    buses: BTreeSet<Arc<Path>>,
    has_queue: bool,
    has_missed: bool,
    is_over: bool,
}

impl News {
    fn take(&mut self, change: Result<Change, RecvError>) {
        match change {
            Ok(Change::Task(entry)) => {
                self.tasks.insert(key_of(&entry));
            }
            Ok(Change::TaskGone(project, task)) => {
                self.tasks.insert((project, task));
            }
            Ok(Change::Project(project) | Change::ProjectGone(project)) => {
                self.projects.insert(project);
            }
            Ok(Change::Queue) => self.has_queue = true,
            Err(RecvError::Lagged(_)) => self.has_missed = true,
            Err(RecvError::Closed) => self.is_over = true,
        }
    }

    /// Looks at everything that has changed; reads files.
    fn told(mut self, app: &App) -> Vec<(Told, Option<u64>)> {
        let view = app.index.view();
        if self.has_queue {
            let queued = view
                .tasks()
                .filter(|entry| entry.row.queue_position.is_some());
            self.tasks.extend(queued.map(key_of));
        }
        let mut all = Vec::new();
        for project in &self.projects {
            let is_there = view.projects.contains_key(project);
            let what = if is_there {
                Changed::Project
            } else {
                Changed::ProjectGone
            };
            let version = version_of(&view, project);
            all.push((about(what, version, project), Some(version)));
        }
        for (project, task) in &self.tasks {
            let told = match view.task(project, task) {
                Some(entry) => {
                    let mut told = shown(entry);
                    let runs = app.index.runs_of(project, task).ok().flatten();
                    let latest = entry.row.latest_run.as_ref();
                    told.run = runs.and_then(|runs| {
                        let found = runs.iter().find(|run| Some(&run.run_id) == latest);
                        found.cloned().map(Box::new)
                    });
                    told
                }
                None if view.projects.contains_key(project) => Told {
                    task_id: Some(task.clone()),
                    ..about(Changed::TaskGone, view.version, project)
                },
                // The project went with all of its tasks, and that is told.
                None => continue,
            };
            let version = told.version;
            all.push((told, Some(version)));
        }
        for path in &self.buses {
            all.extend(bus_told(app, &view, path).map(|told| (told, None)));
        }
        all
    }
}

fn key_of(entry: &Arc<TaskEntry>) -> (ProjectId, TaskId) {
    (entry.row.project_id.clone(), entry.row.task_id.clone())
}

fn version_of(view: &View, project: &ProjectId) -> u64 {
    let known = view.projects.get(project);
    known.map_or(view.version, |project| project.version)
}

fn about(what: Changed, version: u64, project: &ProjectId) -> Told {
    Told {
        what,
        version,
        project_id: Some(project.clone()),
        task_id: None,
        task: None,
        run: None,
        msg_id: None,
    }
}

/// Says what a task is now.
fn shown(entry: &TaskEntry) -> Told {
    Told {
        task_id: Some(entry.row.task_id.clone()),
        task: Some(Box::new(entry.row.clone())),
        ..about(Changed::Task, entry.version, &entry.row.project_id)
    }
}

/// Says which message of a bus is the newest.
fn bus_told(app: &App, view: &View, path: &Path) -> Option<Told> {
    let below = path.strip_prefix(app.root.path()).ok()?;
    let names: Option<Vec<&str>> = below.iter().map(|name| name.to_str()).collect();
    let (project, task) = match names?.as_slice() {
        [project, name] if *name == PROJECT_BUS => (ProjectId::parse(project).ok()?, None),
        [project, task, name] if *name == TASK_BUS => {
            let task = TaskId::parse_existing(task).ok()?;
            (ProjectId::parse(project).ok()?, Some(task))
        }
        _ => return None,
    };
    let newest = Bus::new(path).tail(1).ok()?.into_messages().pop()?;
    Some(Told {
        task_id: task,
        msg_id: Some(newest.id),
        ..about(Changed::Bus, view.version, &project)
    })
}

/// Answers with what changes below the root, or in one project, and how `files` grow.
pub(crate) async fn follow_changes(
    app: App,
    project: Option<ProjectId>,
    files: Vec<FollowedFile>,
    resuming: Resuming,
) -> Answer<Response> {
    let beginning: Beginning<String> = resuming.beginning()?;
    let seat = app.seats.take(match &project {
        Some(project) => format!("changes of {project}"),
        None => "changes".to_owned(),
    })?;
    app.feed.start(&app);
    if let Some(project) = project.clone() {
        let from = app.clone();
        let is_there = blocking(move || Ok(from.index.project(&project).is_some())).await?;
        if !is_there {
            return Err(Refusal::not_found("project not found"));
        }
    }
    let streaming = |outlet| run(app.clone(), project, files, beginning, outlet);
    Ok(respond(&app, seat, streaming))
}

async fn run(
    app: App,
    project: Option<ProjectId>,
    files: Vec<FollowedFile>,
    beginning: Beginning<String>,
    mut outlet: Outlet,
) {
    let feed = &app.feed;
    let mut files = Files::new(&app, files);
    // Whoever waits for a file need not wait for everything else.
    files.tell(&app, &mut outlet).await;
    outlet.flush().await;
    let mut news = feed.0.news.subscribe();
    let mut reset = false;
    // The next entry, and the version of which everything was told.
    let mut at = match &beginning {
        Beginning::End => Some((feed.next(), 0)),
        Beginning::Behind(place) => {
            let number = feed.number_of(place);
            reset = number.is_none();
            number.map(|number| (number, 0))
        }
        Beginning::Usual | Beginning::Start => None,
    };
    if let (Beginning::End, Some((number, _))) = (&beginning, at) {
        let version = app.index.view().version;
        ready(&mut outlet, &app, number, version);
    }
    loop {
        let (number, version) = match at.take() {
            Some(at) => at,
            None => snapshot(&app, project.as_ref(), reset, &mut outlet).await,
        };
        news.borrow_and_update();
        let Ok(entries) = feed.from(number) else {
            reset = true;
            continue;
        };
        let next = entries.last().map_or(number, |entry| entry.number + 1);
        for entry in &entries {
            let is_ours = project.is_none() || entry.project == project;
            let is_known = entry.shown_in.is_some_and(|shown_in| shown_in <= version);
            if is_ours && !is_known {
                let event = Event::named(name::CHANGE, entry.text.clone());
                outlet.event(&event.at(feed.place(entry.number + 1)));
                outlet.flush_if_full().await;
            }
        }
        at = Some((next, version));
        outlet.flush().await;
        if entries.is_empty() {
            let woken = async {
                tokio::select! {
                    // Closed only with the application, and the stream ends before that.
                    _ = news.changed() => false,
                    // What it has heard it remembers.
                    () = files.due() => true,
                }
            };
            if outlet.wait_for(woken).await {
                files.tell(&app, &mut outlet).await;
            }
        }
    }
}

/// Tells everything that there is; returns where the feed goes on, and the version told.
async fn snapshot(
    app: &App,
    project: Option<&ProjectId>,
    reset: bool,
    outlet: &mut Outlet,
) -> (u64, u64) {
    // The number comes first: what is entered behind it may be told twice, and not never.
    let number = app.feed.next();
    let view = app.index.view();
    let mut projects: Vec<_> = match project {
        Some(project) => view.projects.get(project).into_iter().cloned().collect(),
        None => view.projects.values().cloned().collect(),
    };
    if reset {
        let reset = Reset {
            reason: "changes_not_known".to_owned(),
            run_id: None,
            stream: None,
        };
        outlet.json(name::RESET, None, &reset);
    }
    let version = match project {
        Some(project) => version_of(&view, project),
        None => view.version,
    };
    let begin = Snapshot {
        version,
        etag: app.index.etag(version, ""),
        project_id: project.cloned(),
        projects: projects.len(),
        tasks: projects.iter().map(|project| project.tasks.len()).sum(),
    };
    outlet.json(name::SNAPSHOT, None, &begin);
    outlet.flush().await;
    let whole = view.version;
    // What was told is let go, so that a slow client does not keep an old view whole.
    drop(view);
    projects.reverse();
    while let Some(project) = projects.pop() {
        let told = about(Changed::Project, project.version, &project.id);
        outlet.json(name::CHANGE, None, &told);
        for entry in project.tasks.values() {
            outlet.json(name::CHANGE, None, &shown(entry));
            outlet.flush_if_full().await;
        }
    }
    ready(outlet, app, number, whole);
    outlet.flush().await;
    (number, whole)
}

fn ready(outlet: &mut Outlet, app: &App, number: u64, version: u64) {
    let id = app.feed.place(number);
    outlet.json(name::READY, Some(id), &Ready { version });
}
