//! Whether a new build is well, and the way back if it is not.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cl_config::Serving;
use cl_runner::service;
use cl_storage::update::{UpdateJournal, UpdateStep, switch};
use cl_storage::{Clock, Root, crash};

use super::install::{Place, become_build};

/// How long a new build may take until it answers.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long one question may take, and how soon the next is asked.
const ASK: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(200);

/// What the journal of the root says to a server that starts.
#[derive(Debug)]
pub(crate) enum Settled {
    /// Nothing was ever updated.
    Nothing,
    /// The last update is over.
    Over(UpdateJournal),
    /// This is a new build that has to show that it is well.
    Trial(Trial),
}

/// A new build that has to show that it is well.
#[derive(Debug, Clone)]
pub(crate) struct Trial {
    journal: UpdateJournal,
    root: Root,
    executable: PathBuf,
    arguments: Vec<std::ffi::OsString>,
}

/// Goes on or back with an update that was under way. Only for the server of the root.
///
/// Does not return if the old build is to serve: this process becomes that one.
pub(crate) fn settle(serving: &Serving, root: &Root, clock: &dyn Clock) -> Settled {
    let journal = match UpdateJournal::read(root) {
        Ok(Some(journal)) => journal,
        Ok(None) => return Settled::Nothing,
        Err(error) => {
            tracing::error!(%error, "could not read how the last self-update ended");
            return Settled::Nothing;
        }
    };
    if journal.step != UpdateStep::Applying {
        return Settled::Over(journal);
    }
    let mut trial = Trial {
        journal,
        root: root.clone(),
        executable: serving.executable.clone(),
        arguments: serving.operation.arguments.clone(),
    };
    let is_new = same(&serving.executable, &trial.journal.new);
    if !is_new {
        // The old build was started: the name may lead to either.
        trial.take_back("it was interrupted", clock);
        return Settled::Over(trial.journal);
    }
    if trial.journal.tries > 0 {
        trial.give_up("the new build did not live until it answered", clock);
        return Settled::Over(trial.journal);
    }
    trial.journal.tries += 1;
    if let Err(error) = trial.journal.write(root) {
        trial.give_up(&format!("the journal could not be written: {error}"), clock);
        return Settled::Over(trial.journal);
    }
    crash::point("update-trial");
    Settled::Trial(trial)
}

impl Trial {
    /// Returns the port that the new build must listen on.
    pub(crate) fn port(&self) -> u16 {
        self.journal.port
    }

    /// Returns how the update stands.
    pub(crate) fn journal(&self) -> &UpdateJournal {
        &self.journal
    }

    /// Asks the server on `bound`, that is this one, until it answers; goes back if it does not.
    ///
    /// Blocks. Returns how it ended.
    pub(crate) fn judge(mut self, bound: SocketAddr, clock: &dyn Clock) -> UpdateJournal {
        let address = service::reachable(bound);
        let until = Instant::now() + ANSWER_WITHIN;
        let failure = loop {
            match service::probe(address, ASK) {
                Ok(()) => break None,
                Err(error) if Instant::now() >= until => break Some(error),
                Err(_) => std::thread::sleep(PAUSE),
            }
        };
        if let Some(error) = failure {
            self.give_up(&format!("the new build does not answer: {error}"), clock);
            return self.journal;
        }
        crash::point("update-answered");
        self.end(UpdateStep::Done, None, clock);
        tracing::info!(program = %self.journal.new.display(), "the new build serves");
        self.journal
    }

    /// Lets the old build serve; returns only if that cannot be had.
    pub(crate) fn give_up(&mut self, why: &str, clock: &dyn Clock) {
        self.take_back(why, clock);
        let error = match Place::of(&self.executable) {
            Ok(place) => become_build(&self.journal.old, &place, &self.arguments),
            Err(error) => error,
        };
        tracing::error!(%error, "could not become the old build");
    }

    /// Lets the name lead to the old build.
    fn take_back(&mut self, why: &str, clock: &dyn Clock) {
        tracing::error!(why, "the self-update is taken back");
        match switch(&self.journal.link, &self.journal.old) {
            Ok(()) => self.end(UpdateStep::Failed, Some(why.to_owned()), clock),
            Err(error) => tracing::error!(%error, "could not take the self-update back"),
        }
    }

    fn end(&mut self, step: UpdateStep, error: Option<String>, clock: &dyn Clock) {
        self.journal.step = step;
        self.journal.error = error;
        self.journal.finished_at = Some(clock.now());
        if let Err(error) = self.journal.write(&self.root) {
            tracing::error!(%error, "could not write how the self-update ended");
        }
    }
}

fn same(a: &Path, b: &Path) -> bool {
    match (std::fs::canonicalize(a), std::fs::canonicalize(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}
