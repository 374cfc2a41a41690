//! The stream of one file of a run, as it is, until the run has ended.

use std::path::PathBuf;

use axum::response::Response;
use cl_storage::RunDir;
use cl_wire::events::{Reset, name};
use cl_wire::sse::Event;

use super::lane::{Unreadable, Which};
use super::log_file::{self, LogFile};
use super::next_look;
use super::one_run::{change_of, moment_of};
use super::outlet::{Outlet, respond};
use super::place::{Beginning, Resuming};
use crate::answer::{Answer, Refusal, blocking};
use crate::app::App;

/// What the last event says, whichever way the run ended.
const COMPLETED: &str = "run completed";

/// Answers with the text of one file of the run in `dir`.
pub(crate) async fn follow_file(
    app: App,
    dir: RunDir,
    file: &str,
    resuming: Resuming,
) -> Answer<Response> {
    let path = match file {
        "stdout" => dir.stdout(),
        "stderr" => dir.stderr(),
        "prompt" => dir.prompt(),
        "output.md" => dir.output(),
        other => return Err(Refusal::not_found(format!("unknown file: {other}"))),
    };
    let beginning: Beginning<u64> = resuming.beginning()?;
    let seat = app.seats.take(format!("run {}", dir.id()))?;
    let which = Which {
        project: dir.task().project().clone(),
        task: dir.task().id().clone(),
        run: dir.id().clone(),
    };
    let open = move || open(path, beginning);
    let file = blocking(open).await?;
    let folder = dir.path().to_owned();
    let stream = |outlet| run(app.clone(), which, folder, file, outlet);
    Ok(respond(&app, seat, stream))
}

fn open(path: PathBuf, beginning: Beginning<u64>) -> Answer<LogFile> {
    let offset = match beginning {
        Beginning::Usual => log_file::tail_of(&path),
        Beginning::Start => Ok(0),
        Beginning::End => log_file::end_of(&path),
        Beginning::Behind(offset) => Ok(offset),
    };
    let offset = offset.map_err(|error| Refusal::internal("the file cannot be read", &error))?;
    Ok(LogFile::new(path, offset))
}

async fn run(app: App, which: Which, folder: PathBuf, file: LogFile, mut outlet: Outlet) {
    let ended = follow(&app, &which, folder, file, &mut outlet).await;
    let last = match ended {
        Ok(()) => Event::named(name::DONE, COMPLETED),
        Err(Unreadable(why)) => Event::named(name::ERROR, why),
    };
    outlet.event(&last);
    outlet.flush().await;
}

async fn follow(
    app: &App,
    which: &Which,
    folder: PathBuf,
    mut file: LogFile,
    outlet: &mut Outlet,
) -> Result<(), Unreadable> {
    let mut ear = app.index.ear();
    ear.listen(&folder);
    let mut changes = app.index.changes();
    loop {
        let has_ended = moment_of(app, which).await?.has_ended;
        loop {
            let read = tokio::task::spawn_blocking(move || {
                let text = file.read_text(has_ended);
                (file, text)
            });
            let (returned, text) = read.await.map_err(|error| {
                tracing::error!(%error, "reading a file failed");
                Unreadable("the file could not be read".to_owned())
            })?;
            file = returned;
            let text = text.map_err(|error| {
                tracing::warn!(folder = %folder.display(), %error, "a file cannot be read");
                Unreadable(format!("the file cannot be read: {error}"))
            })?;
            if let Some(reason) = text.reset {
                let reset = Reset {
                    reason: reason.to_owned(),
                    run_id: Some(which.run.clone()),
                    stream: None,
                };
                outlet.json(name::RESET, Some("0".to_owned()), &reset);
            }
            if !text.text.is_empty() {
                outlet.event(&Event::unnamed(text.text).at(file.offset().to_string()));
                outlet.flush().await;
            }
            if !text.has_more {
                break;
            }
        }
        outlet.flush().await;
        if has_ended {
            return Ok(());
        }
        let look = next_look(app, &ear);
        let woken = async {
            tokio::select! {
                // All three only wait, and what they say is looked at anyway.
                _ = ear.rung() => {}
                () = change_of(which, &mut changes) => {}
                () = tokio::time::sleep_until(look) => {}
            }
        };
        outlet.wait_for(woken).await;
    }
}
