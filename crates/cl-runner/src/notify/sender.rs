//! The process that delivers what waits in the spool of one root.
//!
//! ```text
//! lock ─ announce ─► look ─ something due ─► try ─ arrived: remove
//!                     ▲ │                        └ failed: note, later again, or bury
//!                     │ └ nothing due ─► wait: SIGUSR1, the next time, a minute
//!                     └──────────────────┘
//!                       nothing left: withdraw ─ look once more ─► end
//! ```
//!
//! There is one for each root, by a kernel lock. Killed at any line, it leaves a
//! delivery that is delivered again under the same id. It ends when nothing waits
//! that it can read and understand: with a dead receiver that is after a day.

use std::path::Path;
use std::time::Duration;

use cl_bus::Draft;
use cl_config::Environment;
use cl_storage::spool::{Delivery, Spool};
use cl_storage::{Clock, Root, SystemClock, crash};
use jiff::{SignedDuration, Timestamp};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::post::{Failed, deliver};
use crate::notice::post_once;

/// How long a new sender waits for one that is about to end.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// The longest sleep: a lost signal costs this much.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// The first tries are made at once, with these pauses.
const FIRST_PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

/// Tries after which people are told that it does not work.
const TOLD_AFTER: u32 = 3;

/// The pauses after that begin with this one and double.
const LATER_PAUSE: Duration = Duration::from_mins(1);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// Deliveries are given up at this age, or after so many tries.
const LONGEST_AGE: SignedDuration = SignedDuration::from_hours(24);
const MOST_TRIES: u32 = 60;

/// Delivers what waits below `root` until nothing waits any more; returns the exit code.
pub fn run(root: &Path, environment: &Environment) -> i32 {
    // Started through a link of the kernel, it would be called "exe".
    rustix::thread::set_name(c"run-agent").ok();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let (Ok(root), Ok(runtime)) = (Root::at(root), runtime) else {
        return 1;
    };
    let sender = Sender {
        spool: Spool::of(&root),
        root,
        environment,
        clock: SystemClock,
    };
    match runtime.block_on(sender.work()) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

struct Sender<'a> {
    root: Root,
    spool: Spool,
    environment: &'a Environment,
    clock: SystemClock,
}

impl Sender<'_> {
    async fn work(&self) -> std::io::Result<()> {
        // Before the announcement: a signal without a handler would end this process.
        let mut wake = signal(SignalKind::user_defined1())?;
        let Some(lock) = self.spool.lock(LOCK_WAIT)? else {
            return Ok(());
        };
        self.spool.announce()?;
        // A lock on a file without its name excludes nobody: the root is gone.
        while lock.is_in_place() && self.root.exists() {
            let listing = self.spool.list()?;
            for path in &listing.damaged {
                self.spool.set_aside(path)?;
            }
            if listing.waiting.is_empty() {
                self.spool.withdraw()?;
                // What only others could deliver, or read, is for the next sender.
                let mut last = self.spool.list()?;
                if last.is_done() {
                    return last
                        .unreadable
                        .pop()
                        .map_or(Ok(()), |(_, error)| Err(error));
                }
                self.spool.announce()?;
                continue;
            }
            for delivery in &listing.waiting {
                if delivery.next_at <= self.clock.now() {
                    self.try_one(delivery.clone()).await?;
                }
            }
            self.sleep(&mut wake).await?;
        }
        Ok(())
    }

    /// Waits until the next delivery is due, or something new may be there.
    async fn sleep(&self, wake: &mut Signal) -> std::io::Result<()> {
        let waiting = self.spool.list()?.waiting;
        let now = self.clock.now();
        let until = |delivery: &Delivery| {
            Duration::try_from(delivery.next_at.duration_since(now)).unwrap_or_default()
        };
        let pause = waiting.iter().map(until).min().unwrap_or_default();
        // Both only wait: dropping the other loses nothing.
        tokio::select! {
            _ = wake.recv() => {}
            () = tokio::time::sleep(pause.min(LONGEST_SLEEP)) => {}
        }
        Ok(())
    }

    async fn try_one(&self, mut delivery: Delivery) -> std::io::Result<()> {
        let tried = deliver(&delivery, self.environment).await;
        crash::point("delivered-unremoved");
        let Err(failed) = tried else {
            return self.spool.remove(&delivery);
        };
        delivery.tries += 1;
        delivery.last_error.clone_from(&failed.why);
        let now = self.clock.now();
        match after(&delivery, &failed, now) {
            Next::Later { at, tell } => {
                delivery.next_at = at;
                self.spool.update(&delivery)?;
                if tell {
                    self.tell(&delivery, "it is tried again for a day");
                }
            }
            Next::GiveUp => {
                self.tell(&delivery, "it is given up");
                self.spool.bury(&delivery)?;
            }
        }
        Ok(())
    }

    /// Tells on the task's bus that a delivery does not arrive.
    fn tell(&self, delivery: &Delivery, then: &str) {
        let Ok(task) = self.root.task(&delivery.project, &delivery.task) else {
            return;
        };
        if !task.exists() {
            return;
        }
        let (what, tries) = (delivery.target.as_str(), delivery.tries);
        let attempts = if tries == 1 { "attempt" } else { "attempts" };
        let body = format!(
            "{what} delivery failed: {what} delivery failed after {tries} {attempts}: {} ({then}; event {}, delivery {})",
            delivery.last_error,
            delivery.payload["event"].as_str().unwrap_or_default(),
            delivery.id
        );
        let draft = Draft::new("WARNING", delivery.project.clone(), body);
        post_once(&task, &draft.task(delivery.task.clone()));
    }
}

/// What follows a try that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Later { at: Timestamp, tell: bool },
    GiveUp,
}

/// Decides what follows; `delivery` counts the failed try already. Pure.
fn after(delivery: &Delivery, failed: &Failed, now: Timestamp) -> Next {
    let tries = delivery.tries;
    let is_old = now.duration_since(delivery.created_at) >= LONGEST_AGE;
    if !failed.can_repeat || is_old || tries >= MOST_TRIES {
        return Next::GiveUp;
    }
    let first = usize::try_from(tries.saturating_sub(1)).ok();
    let pause = first
        .and_then(|at| FIRST_PAUSES.get(at).copied())
        .unwrap_or_else(|| {
            let doublings = tries.saturating_sub(TOLD_AFTER).min(16);
            LATER_PAUSE
                .saturating_mul(1 << doublings)
                .min(LONGEST_PAUSE)
        });
    Next::Later {
        at: now.checked_add(pause).unwrap_or(now),
        tell: tries == TOLD_AFTER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cl_storage::spool::{Target, delivery_id};
    use cl_storage::{ProjectId, TaskId};

    fn delivery(tries: u32) -> Delivery {
        let whose = (
            ProjectId::parse("p").unwrap(),
            TaskId::parse("task-20260101-000000-abc").unwrap(),
        );
        let now = Timestamp::UNIX_EPOCH;
        let id = delivery_id(&["x"]);
        let mut delivery = Delivery::new(
            id,
            Target::Webhook,
            "/c".into(),
            whose,
            now,
            serde_json::json!({}),
        );
        delivery.tries = tries;
        delivery
    }

    #[track_caller]
    fn check(tries: u32, at_hour: i64, pause: Option<i64>) {
        let now = Timestamp::from_second(at_hour * 3600).unwrap();
        let failed = Failed {
            why: String::new(),
            can_repeat: true,
        };
        let next = after(&delivery(tries), &failed, now);
        let found = match next {
            Next::Later { at, tell } => {
                assert_eq!(tell, tries == 3);
                Some(at.duration_since(now).as_secs())
            }
            Next::GiveUp => None,
        };
        assert_eq!(found, pause, "after {tries}");
    }

    #[tokio::test]
    async fn what_only_a_newer_sender_can_deliver_does_not_keep_this_one() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let spool = Spool::of(&root);
        let damaged = delivery(0);
        spool.put(&damaged).unwrap();
        let waiting = folder.path().join(".conductor/spool/deliveries");
        let of_damaged = waiting.join(format!("{}.json", damaged.id));
        std::fs::write(&of_damaged, "{").unwrap();
        let newer = waiting.join("newer.json");
        std::fs::write(&newer, "{\"version\": 9}").unwrap();
        let sender = Sender {
            spool: spool.clone(),
            root,
            environment: &Environment::new([("HOME", "/")], "/"),
            clock: SystemClock,
        };
        // Without an end it would not even yield: the limit is that of the test runner.
        sender.work().await.unwrap();
        assert!(newer.exists() && !of_damaged.exists());
        assert_eq!(spool.sender(), None);
    }

    #[test]
    fn pauses_grow_and_end_after_a_day() {
        check(1, 0, Some(1));
        check(2, 0, Some(2));
        check(3, 0, Some(60));
        check(4, 0, Some(120));
        check(9, 0, Some(3600));
        check(30, 23, Some(3600));
        check(30, 24, None);
        check(60, 0, None);
        let refused = Failed {
            why: String::new(),
            can_repeat: false,
        };
        assert_eq!(
            after(&delivery(1), &refused, Timestamp::UNIX_EPOCH),
            Next::GiveUp
        );
    }
}
