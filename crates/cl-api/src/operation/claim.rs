//! Being the one server of a root.

use std::sync::Arc;
use std::time::Duration;

use cl_config::Serving;
use cl_runner::service;
use cl_storage::process::ProcessIdentity;
use cl_storage::server::{ServerClaim, ServerRecord};
use cl_storage::{Clock, Root};
use cl_wire::{Announcement, Problem, ProblemCode};

/// How long the end of an earlier server is waited for.
const WAIT: Duration = Duration::from_millis(500);

/// How often the root is looked for.
const LOOK: Duration = Duration::from_secs(1);

/// What makes this process the server of its root; a server that changes nothing needs none.
#[derive(Debug)]
pub(crate) struct Claim {
    held: Option<Arc<ServerClaim>>,
    keeper: Option<ProcessIdentity>,
    version: String,
}

impl Claim {
    /// Becomes the server of `root`, which is made if it is missing. Blocks for a moment.
    ///
    /// # Errors
    ///
    /// `CONFLICT`, naming the other server; `NOT_FOUND` where there is nothing to show;
    /// `INTERNAL` where the root cannot be used.
    pub(crate) fn take(serving: &Serving, root: &Root) -> Result<Self, Problem> {
        let keeper = if serving.operation.is_kept {
            let keeper = service::end_with_parent();
            Some(keeper.map_err(|error| internal(format!("could not be kept going: {error}")))?)
        } else {
            None
        };
        let claim = if serving.is_read_only {
            must_exist(root)?;
            None
        } else {
            let claim = ServerClaim::take(root, WAIT).map_err(|error| {
                if error.is_timeout() {
                    taken(root)
                } else {
                    let message = format!(
                        "could not serve {}: {}",
                        root.path().display(),
                        cl_view::chain(&error)
                    );
                    internal(message).hint("--read-only shows a root without changing it")
                }
            })?;
            Some(Arc::new(claim))
        };
        Ok(Self {
            held: claim,
            keeper,
            version: serving.version.clone(),
        })
    }

    /// Says where this server is; returns after that is on disk. Blocks.
    pub(crate) fn announce(&self, said: &Announcement, clock: &dyn Clock) -> Result<(), Problem> {
        let Some(claim) = &self.held else {
            return Ok(());
        };
        let failed = |error| internal(format!("could not say where the server is: {error}"));
        let record = ServerRecord::of_this_process(
            ProcessIdentity::current().map_err(failed)?,
            (said.api_url.clone(), said.ui_url.clone()),
            self.version.clone(),
            clock.now(),
            self.keeper.clone(),
        );
        claim.announce(&record).map_err(failed)
    }

    /// Returns when the root is not this server's any more: it was removed, moved or replaced,
    /// and another server may be at work at its place. Until then it waits, for ever if need be.
    pub(crate) fn lost(&self) -> impl Future<Output = ()> + use<> {
        let held = self.held.clone();
        async move {
            let Some(held) = held else {
                return std::future::pending().await;
            };
            loop {
                tokio::time::sleep(LOOK).await;
                let claim = Arc::clone(&held);
                // The disk may hang, and requests must not.
                let look = tokio::task::spawn_blocking(move || claim.is_in_place());
                if look.await.is_ok_and(|is_in_place| !is_in_place) {
                    return;
                }
            }
        }
    }
}

fn must_exist(root: &Root) -> Result<(), Problem> {
    if root.exists() {
        return Ok(());
    }
    let message = format!("there is no root at {}", root.path().display());
    let hint = "--read-only makes nothing; serve without it, or run a task first";
    Err(Problem::new(ProblemCode::NotFound, message).hint(hint))
}

/// Names the server that is in the way.
fn taken(root: &Root) -> Problem {
    let path = root.path().display();
    let record = ServerRecord::read(root).ok().flatten();
    let message = match record.filter(ServerRecord::is_alive) {
        Some(other) => format!(
            "{path} is served already, by process {} at {}",
            other.pid, other.api_url
        ),
        None => format!("{path} is served already, by a server that is beginning or ending"),
    };
    Problem::new(ProblemCode::Conflict, message)
        .hint("`run-agent serve stop` ends it; --read-only shows the root beside it")
}

fn internal(message: String) -> Problem {
    Problem::new(ProblemCode::Internal, message)
}
