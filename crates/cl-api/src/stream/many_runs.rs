//! The stream of several runs: those of one task, or all below the root.
//!
//! Runs that are at work are followed side by side, one *lane* each. Runs that ended behind the
//! place where the client was are sent first, one after the other, in the order in which they
//! ended. A run that has ended and was sent costs nothing.
//!
//! The place in the stream is a [`Places`]: how far each run was sent that is at work or ended
//! a moment ago, and a time up to which all others were sent. That time stays behind the clock
//! by [`MARGIN`], because the index may learn of an end a little later than it was. More than
//! [`MOST_PLACES`](cl_wire::cursor::MOST_PLACES) runs at once do not fit a place: a client that
//! resumes then gets those that were left out from their start.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use cl_storage::{ProjectId, RunId, TaskId};
use cl_wire::cursor::{Places, RunCursor};
use jiff::Timestamp;
use tokio::sync::broadcast::{Receiver, error::RecvError, error::TryRecvError};

use super::lane::{Lane, Moment, Which};
use super::next_look;
use super::outlet::{Outlet, respond};
use super::place::{Beginning, Resuming};
use crate::answer::{Answer, Refusal, blocking};
use crate::app::App;
use crate::state::{Change, Ear, TaskEntry};

/// How much later than it was the index may learn of the end of a run.
const MARGIN: Duration = Duration::from_secs(30);

/// The last activity of a task is told in whole seconds, by the clock of the file system.
const ACTIVITY_SLACK: Duration = Duration::from_secs(2);

/// Whose runs are followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Of {
    /// All below the root.
    All,
    /// Those of one task.
    Task(ProjectId, TaskId),
}

impl Of {
    fn holds(&self, project: &ProjectId, task: &TaskId) -> bool {
        match self {
            Self::All => true,
            Self::Task(own_project, own_task) => own_project == project && own_task == task,
        }
    }
}

/// Answers with the lines and the status of several runs.
pub(crate) async fn follow_runs(app: App, of: Of, resuming: Resuming) -> Answer<Response> {
    let beginning: Beginning<Places> = resuming.beginning()?;
    let seat = app.seats.take(match &of {
        Of::All => "all runs".to_owned(),
        Of::Task(project, task) => format!("runs of {project}/{task}"),
    })?;
    // Subscribed before the first look, so that nothing falls between.
    let (ear, changes) = (app.index.ear(), app.index.changes());
    let from = app.clone();
    let opened = blocking(move || {
        let look = match (&of, &beginning) {
            (Of::Task(..), _) | (Of::All, Beginning::Start) => Look::new(&from, &of),
            (Of::All, Beginning::Usual | Beginning::End) => Look::lately(&from, &of, None),
            (Of::All, Beginning::Behind(places)) => {
                Look::lately(&from, &of, Some(places.settled()))
            }
        };
        if let Of::Task(project, task) = &of
            && look.runs.is_empty()
            && !has_runs(&from, project, task)
        {
            return Err(Refusal::not_found("project or task not found"));
        }
        Ok(Stream::open(&from, of, beginning, &look))
    });
    let mut stream = opened.await?;
    let streaming = |mut outlet: Outlet| {
        let app = app.clone();
        async move {
            stream.run(&app, ear, changes, &mut outlet).await;
        }
    };
    Ok(respond(&app, seat, streaming))
}

/// Whether there is a run on disk, which the index may not have heard of yet.
fn has_runs(app: &App, project: &ProjectId, task: &TaskId) -> bool {
    let folder = app.root.task(project, task).ok();
    let runs = folder.and_then(|folder| folder.runs().ok());
    runs.is_some_and(|runs| !runs.is_empty())
}

/// A run as it is now.
#[derive(Debug, Clone)]
struct Found {
    which: Which,
    moment: Moment,
    /// When it ended, in milliseconds; when it began where nobody knows.
    ended: i64,
}

/// All runs of a scope, as they are now.
#[derive(Debug, Default)]
struct Look {
    runs: Vec<Found>,
}

impl Look {
    fn new(app: &App, of: &Of) -> Self {
        let view = app.index.view();
        let mut look = Self::default();
        match of {
            Of::All => view.tasks().for_each(|entry| look.add(app, entry)),
            Of::Task(project, task) => {
                view.task(project, task)
                    .into_iter()
                    .for_each(|entry| look.add(app, entry));
            }
        }
        look
    }

    /// Only of tasks that are at work, or were behind `settled`: those of others are not read.
    fn lately(app: &App, of: &Of, settled: Option<Timestamp>) -> Self {
        let view = app.index.view();
        let mut look = Self::default();
        let settled = settled.map(|settled| settled.saturating_sub(ACTIVITY_SLACK));
        let settled = settled.map(|settled| settled.unwrap_or(Timestamp::UNIX_EPOCH));
        for entry in view.tasks() {
            let row = &entry.row;
            let is_late =
                settled.is_some_and(|settled| row.last_activity.is_none_or(|at| at >= settled));
            if of.holds(&row.project_id, &row.task_id)
                && (is_late || row.active || !row.is_terminal())
            {
                look.add(app, entry);
            }
        }
        look
    }

    fn add(&mut self, app: &App, entry: &Arc<TaskEntry>) {
        for facts in &*app.index.run_facts(entry) {
            let time = facts.end.or(facts.start).unwrap_or(Timestamp::UNIX_EPOCH);
            self.runs.push(Found {
                which: Which {
                    project: entry.row.project_id.clone(),
                    task: entry.row.task_id.clone(),
                    run: facts.id.clone(),
                },
                moment: Moment::of(entry, facts),
                ended: time.as_millisecond(),
            });
        }
    }
}

/// What one client follows.
#[derive(Debug)]
struct Stream {
    of: Of,
    places: Places,
    /// Runs that are at work, and the status that was said of them.
    lanes: BTreeMap<RunId, (Lane, Option<Moment>)>,
    /// Runs that ended before they were sent, by their end.
    backlog: VecDeque<(Found, Beginning<RunCursor>)>,
    /// Runs that have ended and were sent whole, while the place names them.
    sent: BTreeMap<RunId, i64>,
}

impl Stream {
    /// Finds out what is to be sent; reads files.
    fn open(app: &App, of: Of, beginning: Beginning<Places>, look: &Look) -> Self {
        let now = app.now();
        let live_start = match (&of, &beginning) {
            (Of::Task(..), Beginning::Usual) => Beginning::Usual,
            _ => Beginning::End,
        };
        let (places, is_new) = match beginning {
            Beginning::Usual | Beginning::End => (Places::new(now), true),
            Beginning::Start => (Places::new(Timestamp::UNIX_EPOCH), false),
            Beginning::Behind(places) => (places, false),
        };
        let mut stream = Self {
            of,
            places,
            lanes: BTreeMap::new(),
            backlog: VecDeque::new(),
            sent: BTreeMap::new(),
        };
        let newest = look.runs.iter().max_by_key(|found| found.ended);
        let newest = newest.map(|found| found.which.run.clone());
        for found in &look.runs {
            let run = &found.which.run;
            if !is_new {
                stream.take_up(app, found);
            } else if !found.moment.has_ended {
                stream.add_lane(app, &found.which, live_start);
            } else if live_start == Beginning::Usual && newest.as_ref() == Some(run) {
                stream.backlog.push_back((found.clone(), Beginning::Usual));
            }
        }
        // Runs that are gone have nothing more to say.
        let there: BTreeSet<&RunId> = look.runs.iter().map(|found| &found.which.run).collect();
        let gone: Vec<RunId> = (stream.places.runs())
            .map(|(run, _)| run.clone())
            .filter(|run| !there.contains(run))
            .collect();
        for run in &gone {
            stream.places.forget_run(run);
        }
        stream.sort_backlog();
        stream
    }

    fn sort_backlog(&mut self) {
        let by_end = |(found, _): &(Found, _)| (found.ended, found.which.run.clone());
        self.backlog.make_contiguous().sort_by_key(by_end);
    }

    /// Takes a run up that may not have been sent whole.
    fn take_up(&mut self, app: &App, found: &Found) {
        let run = &found.which.run;
        let is_known = self.lanes.contains_key(run)
            || self.sent.contains_key(run)
            || self
                .backlog
                .iter()
                .any(|(other, _)| other.which.run == *run);
        if is_known {
            return;
        }
        let named = self.places.run(run);
        let beginning = named.map_or(Beginning::Start, Beginning::Behind);
        if !found.moment.has_ended {
            self.add_lane(app, &found.which, beginning);
        } else if named.is_some() || found.ended > self.places.settled().as_millisecond() {
            self.backlog.push_back((found.clone(), beginning));
        }
    }

    fn add_lane(&mut self, app: &App, which: &Which, beginning: Beginning<RunCursor>) {
        if let Some(lane) = open_lane(app, which, beginning) {
            self.name(&which.run, lane.place());
            self.lanes.insert(which.run.clone(), (lane, None));
        }
    }

    /// Says in the place how far a run was sent.
    fn name(&mut self, run: &RunId, place: RunCursor) {
        name_in(&mut self.places, run, place);
    }

    async fn run(
        &mut self,
        app: &App,
        mut ear: Ear,
        mut changes: Receiver<Change>,
        outlet: &mut Outlet,
    ) {
        for (lane, _) in self.lanes.values() {
            ear.listen(lane.folder());
        }
        let mut dirty: BTreeSet<RunId> = self.lanes.keys().cloned().collect();
        loop {
            self.send_backlog(app, outlet).await;
            let had = std::mem::take(&mut dirty);
            for run in had {
                self.send_lane(app, &run, &mut ear, outlet).await;
            }
            self.settle(app.now());
            outlet.flush().await;
            let look = next_look(app, &ear);
            let woken = async {
                tokio::select! {
                    // All three only wait; what a change says is in it, and is kept.
                    rung = ear.rung() => Woken::Rung(rung),
                    change = changes.recv() => Woken::Changed(change),
                    () = tokio::time::sleep_until(look) => Woken::Late,
                }
            };
            match outlet.wait_for(woken).await {
                Woken::Rung(folders) => {
                    let rung =
                        |(_, (lane, _)): &(&RunId, &(Lane, _))| folders.contains(lane.folder());
                    dirty.extend(self.lanes.iter().filter(rung).map(|(run, _)| run.clone()));
                }
                Woken::Changed(change) => {
                    let moved = self.changed(app, change, &mut changes, &mut ear).await;
                    for run in &moved {
                        if let Some((lane, _)) = self.lanes.get(run) {
                            ear.listen(lane.folder());
                        }
                    }
                    dirty.extend(moved);
                }
                Woken::Late => dirty.extend(self.lanes.keys().cloned()),
            }
        }
    }

    /// Follows changes of the index; returns the lanes that are to be looked at.
    async fn changed(
        &mut self,
        app: &App,
        first: Result<Change, RecvError>,
        changes: &mut Receiver<Change>,
        ear: &mut Ear,
    ) -> BTreeSet<RunId> {
        let mut tasks: BTreeMap<(ProjectId, TaskId), Arc<TaskEntry>> = BTreeMap::new();
        let mut lagged = false;
        let mut next = Some(first);
        while let Some(change) = next {
            match change {
                Ok(Change::Task(entry)) => {
                    let key = (entry.row.project_id.clone(), entry.row.task_id.clone());
                    if self.of.holds(&key.0, &key.1) {
                        tasks.insert(key, entry);
                    }
                }
                Ok(Change::TaskGone(project, task)) => {
                    self.forget(ear, |which| which.project == project && which.task == task);
                }
                Ok(Change::ProjectGone(project)) => {
                    self.forget(ear, |which| which.project == project);
                }
                Ok(Change::Project(_) | Change::Queue) => {}
                Err(RecvError::Lagged(_)) => lagged = true,
                // The index ends with the server.
                Err(RecvError::Closed) => std::future::pending().await,
            }
            next = match changes.try_recv() {
                Ok(change) => Some(Ok(change)),
                Err(TryRecvError::Lagged(count)) => Some(Err(RecvError::Lagged(count))),
                Err(TryRecvError::Empty | TryRecvError::Closed) => None,
            };
        }
        if tasks.is_empty() && !lagged {
            return BTreeSet::new();
        }
        let (from, of, settled) = (app.clone(), self.of.clone(), self.places.settled());
        let looked = tokio::task::spawn_blocking(move || {
            if lagged {
                return Look::lately(&from, &of, Some(settled));
            }
            let mut look = Look::default();
            for entry in tasks.values() {
                look.add(&from, entry);
            }
            look
        });
        let look = looked.await.unwrap_or_default();
        let mut moved = BTreeSet::new();
        for found in &look.runs {
            self.take_up(app, found);
            if self.lanes.contains_key(&found.which.run) {
                moved.insert(found.which.run.clone());
            }
        }
        self.sort_backlog();
        moved
    }

    fn forget(&mut self, ear: &mut Ear, is_gone: impl Fn(&Which) -> bool) {
        let gone = |(lane, _): &(Lane, _)| is_gone(&lane.which);
        let runs: Vec<RunId> = (self.lanes.iter())
            .filter(|(_, lane)| gone(lane))
            .map(|(run, _)| run.clone())
            .collect();
        for run in runs {
            if let Some((lane, _)) = self.lanes.remove(&run) {
                ear.leave(lane.folder());
            }
            self.places.forget_run(&run);
        }
        self.backlog.retain(|(found, _)| !is_gone(&found.which));
    }

    /// Sends what a run has to say; one that has ended is followed no more.
    async fn send_lane(&mut self, app: &App, run: &RunId, ear: &mut Ear, outlet: &mut Outlet) {
        let Some((mut lane, said)) = self.lanes.remove(run) else {
            return;
        };
        // What was written before an end is read after it is known.
        let Ok(moment) = super::one_run::moment_of(app, &lane.which).await else {
            ear.leave(lane.folder());
            self.places.forget_run(run);
            return;
        };
        if said.is_none() {
            lane.say(outlet, moment);
        }
        let places = &mut self.places;
        let mut id = |which: &Which, place: RunCursor| {
            name_in(places, &which.run, place);
            Some(places.to_string())
        };
        // What cannot be read is in the log, and keeps nobody from following the others.
        let sent = lane.send(app, outlet, moment.has_ended, &mut id).await;
        if said.is_some_and(|said| said != moment) {
            lane.say(outlet, moment);
        }
        self.name(run, lane.place());
        if moment.has_ended || sent.is_err() {
            ear.leave(lane.folder());
            self.sent.insert(run.clone(), app.now().as_millisecond());
        } else {
            self.lanes.insert(run.clone(), (lane, Some(moment)));
        }
    }

    /// Sends runs that have ended, one after the other.
    async fn send_backlog(&mut self, app: &App, outlet: &mut Outlet) {
        while let Some((found, beginning)) = self.backlog.pop_front() {
            let which = &found.which;
            let (from, of) = (app.clone(), which.clone());
            let opened = tokio::task::spawn_blocking(move || open_lane(&from, &of, beginning));
            if let Ok(Some(mut lane)) = opened.await {
                let places = &mut self.places;
                let mut id = |which: &Which, place: RunCursor| {
                    name_in(places, &which.run, place);
                    Some(places.to_string())
                };
                // What cannot be read is in the log, and keeps nobody from following the others.
                lane.send(app, outlet, true, &mut id)
                    .await
                    .unwrap_or_default();
                lane.say(outlet, found.moment);
                self.name(&which.run, lane.place());
            }
            self.sent.insert(which.run.clone(), found.ended);
            // All that ended earlier was sent, but what ended in the same moment may be next.
            let next = self.backlog.front().map(|(next, _)| next.ended - 1);
            let until = next.unwrap_or(found.ended).min(found.ended);
            self.settle_at(until);
        }
    }

    /// Says that whatever is not named was sent, up to a while ago.
    fn settle(&mut self, now: Timestamp) {
        let margin = i64::try_from(MARGIN.as_millis()).unwrap_or(i64::MAX);
        self.settle_at(now.as_millisecond().saturating_sub(margin));
    }

    fn settle_at(&mut self, millis: i64) {
        if let Ok(time) = Timestamp::from_millisecond(millis) {
            self.places.settle(time);
        }
        let settled = self.places.settled().as_millisecond();
        let places = &mut self.places;
        self.sent.retain(|run, ended| {
            let stays = *ended > settled;
            if !stays {
                places.forget_run(run);
            }
            stays
        });
    }
}

enum Woken {
    Rung(BTreeSet<Arc<Path>>),
    Changed(Result<Change, RecvError>),
    Late,
}

fn name_in(places: &mut Places, run: &RunId, place: RunCursor) {
    if places.set_run(run, place).is_err() {
        tracing::debug!(%run, "does not fit the place in the stream");
    }
}

/// Opens a run that is there; one that is not has nothing to say.
fn open_lane(app: &App, which: &Which, beginning: Beginning<RunCursor>) -> Option<Lane> {
    let view = app.index.view();
    let task = match view.task(&which.project, &which.task) {
        Some(entry) => entry.dir(&app.root),
        None => app.root.task(&which.project, &which.task),
    };
    let dir = task.and_then(|task| task.run(&which.run)).ok()?;
    let opened = Lane::open(&dir, beginning);
    if let Err(error) = &opened {
        tracing::warn!(folder = %dir.path().display(), %error, "a run cannot be read");
    }
    opened.ok()
}
