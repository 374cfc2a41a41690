//! The stream of one run: its lines and its status, until it has ended.

use std::sync::Arc;

use axum::response::Response;
use cl_storage::RunDir;
use cl_wire::cursor::RunCursor;
use cl_wire::events::{RunEnd, name};
use cl_wire::sse::Event;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::lane::{Lane, Moment, Unreadable, Which};
use super::next_look;
use super::outlet::{Outlet, respond};
use super::place::{Beginning, Resuming};
use crate::answer::{Answer, Refusal, blocking};
use crate::app::App;
use crate::state::{Change, Index};

/// Answers with the lines and the status of the run in `dir`.
pub(crate) async fn follow_run(app: App, dir: RunDir, resuming: Resuming) -> Answer<Response> {
    let beginning: Beginning<RunCursor> = resuming.beginning()?;
    let seat = app.seats.take(format!("run {}", dir.id()))?;
    let lane = blocking(move || {
        Lane::open(&dir, beginning)
            .map_err(|error| Refusal::internal("the run cannot be read", &error))
    });
    let lane = lane.await?;
    let stream = |outlet| run(app.clone(), lane, outlet);
    Ok(respond(&app, seat, stream))
}

async fn run(app: App, mut lane: Lane, mut outlet: Outlet) {
    if let Err(Unreadable(why)) = follow(&app, &mut lane, &mut outlet).await {
        outlet.event(&Event::named(name::ERROR, why));
        outlet.flush().await;
    }
}

async fn follow(app: &App, lane: &mut Lane, outlet: &mut Outlet) -> Result<(), Unreadable> {
    let mut ear = app.index.ear();
    ear.listen(lane.folder());
    let mut changes = app.index.changes();
    let mut said = None;
    loop {
        // The status comes first: what was written before an end is read after it is known.
        let moment = moment_of(app, &lane.which).await?;
        if said.is_none() {
            lane.say(outlet, moment);
            said = Some(moment);
        }
        let mut id = |_: &Which, place: RunCursor| Some(place.to_string());
        lane.send(app, outlet, moment.has_ended, &mut id).await?;
        if said != Some(moment) {
            lane.say(outlet, moment);
            said = Some(moment);
        }
        if moment.has_ended {
            let end = RunEnd {
                status: moment.status,
                exit_code: moment.exit_code.unwrap_or(-1),
            };
            outlet.json(name::DONE, Some(lane.place().to_string()), &end);
            outlet.flush().await;
            return Ok(());
        }
        outlet.flush().await;
        let look = next_look(app, &ear);
        let woken = async {
            tokio::select! {
                // All three only wait, and what they say is looked at anyway.
                _ = ear.rung() => {}
                () = change_of(&lane.which, &mut changes) => {}
                () = tokio::time::sleep_until(look) => {}
            }
        };
        outlet.wait_for(woken).await;
    }
}

/// Waits until the task may be another than before.
pub(super) async fn change_of(which: &Which, changes: &mut Receiver<Change>) {
    loop {
        let concerns_us = match changes.recv().await {
            Ok(Change::Task(entry)) => {
                entry.row.task_id == which.task && entry.row.project_id == which.project
            }
            Ok(Change::TaskGone(project, task)) => task == which.task && project == which.project,
            Ok(Change::ProjectGone(project)) => project == which.project,
            Ok(Change::Project(_) | Change::Queue) => false,
            Err(RecvError::Lagged(_)) => true,
            // The index ends with the server.
            Err(RecvError::Closed) => std::future::pending().await,
        };
        if concerns_us {
            return;
        }
    }
}

/// Returns what a run is now, by the index.
pub(super) async fn moment_of(app: &App, which: &Which) -> Result<Moment, Unreadable> {
    let (app, which) = (app.clone(), which.clone());
    let looked = tokio::task::spawn_blocking(move || look(&app.index, &which));
    let moment = looked.await.ok().flatten();
    moment.ok_or_else(|| Unreadable("the run is gone".to_owned()))
}

fn look(index: &Index, which: &Which) -> Option<Moment> {
    let find = || {
        let view = index.view();
        let entry = Arc::clone(view.task(&which.project, &which.task)?);
        let facts = index.run_facts(&entry);
        let facts = facts.iter().find(|facts| facts.id == which.run)?;
        Some(Moment::of(&entry, facts))
    };
    find().or_else(|| {
        // Its folder was there a moment ago: the index may not know it yet.
        index.look_again(&which.project, &which.task);
        find()
    })
}
