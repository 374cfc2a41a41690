//! Telling others what happened: webhook and command hook.
//!
//! ```text
//! event ─► spool (durable, before the event is acknowledged) ─► sender ─► receiver
//!            ▲ supervisor, recovery, stop                        │ one per root, by a kernel lock
//!            └────────── stays until it has arrived ◄────────────┘ tries again, in the end gives up
//! ```
//!
//! Whoever makes an event only writes a file ([`cl_storage::spool`]) and wakes the
//! sender ([`start::kick`]); a receiver that is slow or dead costs a task nothing.
//! The sender is a process of its own ([`sender`]) and may be killed at any moment:
//! what was not delivered stays in the spool, and whoever starts next starts a
//! sender again. A delivery has the same id at every try, also if it was written
//! twice because of a crash.
//!
//! Secrets and addresses stay in the configuration: a delivery names the file, and
//! the sender reads it when it sends.

mod event;
mod post;
pub mod sender;
pub mod start;

use std::path::PathBuf;

use cl_config::{Config, NotifyEvent, Source};
use cl_storage::spool::{Delivery, Spool, Target, delivery_id};
use cl_storage::{Root, TaskDir};
use jiff::Timestamp;

pub(crate) use event::{run_stopped, task_event};

/// Who wants to be told of what; part of how a task was launched.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NotifyPlan {
    /// The configuration file that says how, absolute.
    pub config: PathBuf,
    /// The events that the webhook is told; a word that is not known counts for nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub webhook: Vec<String>,
    /// The events that the command is run for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
}

impl NotifyPlan {
    /// Returns what `config`, read from `source`, asks for; `None` if that is nothing.
    pub fn of(config: &Config, source: &Source) -> Option<Self> {
        let Source::File(path) = source else {
            return None;
        };
        let words = |events: &[NotifyEvent]| -> Vec<String> {
            let known = NotifyEvent::ALL.into_iter();
            let wanted = known.filter(|event| events.contains(event));
            wanted.map(|event| event.as_str().to_owned()).collect()
        };
        let webhook = config.webhook.as_ref().map(|hook| words(&hook.events));
        let command = (config.notify.command.as_ref()).map(|_| words(&config.notify.events));
        (webhook.is_some() || command.is_some()).then(|| Self {
            config: path.clone(),
            webhook: webhook.unwrap_or_default(),
            command: command.unwrap_or_default(),
        })
    }

    /// Returns how `event` is told.
    fn targets(&self, event: NotifyEvent) -> impl Iterator<Item = Target> {
        let wants = move |words: &[String]| words.iter().any(|word| word == event.as_str());
        let targets = [
            (Target::Webhook, wants(&self.webhook)),
            (Target::Command, wants(&self.command)),
        ];
        targets
            .into_iter()
            .filter(|(_, wants)| *wants)
            .map(|(target, _)| target)
    }
}

/// An event that somebody may want to be told of.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) kind: NotifyEvent,
    /// What tells it from other events of its kind and task.
    pub(crate) key: String,
    /// What is told; a JSON object without secrets.
    pub(crate) payload: serde_json::Value,
}

/// Writes `event` of `task` for everyone who wants to be told; returns whether anybody does.
///
/// Returns after it is on disk. A spool that cannot be written is logged: an event
/// that is not told must not cost the task.
pub(crate) fn spool(
    root: &Root,
    task: &TaskDir,
    plan: &NotifyPlan,
    event: &Event,
    now: Timestamp,
) -> bool {
    let spool = Spool::of(root);
    let mut is_wanted = false;
    for target in plan.targets(event.kind) {
        is_wanted = true;
        let place = root.path().to_string_lossy();
        let id = delivery_id(&[
            &place,
            task.project().as_str(),
            task.id().as_str(),
            target.as_str(),
            event.kind.as_str(),
            &event.key,
        ]);
        let mut payload = event.payload.clone();
        payload["delivery_id"] = id.clone().into();
        let whose = (task.project().clone(), task.id().clone());
        let delivery = Delivery::new(id, target, plan.config.clone(), whose, now, payload);
        if let Err(error) = spool.put(&delivery) {
            tracing::error!(%error, event = event.kind.as_str(), "a notification could not be kept");
        }
    }
    is_wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_that_asks_for_something_is_a_plan() {
        let mut config = Config::default();
        let source = Source::File("/c.yaml".into());
        assert_eq!(NotifyPlan::of(&config, &source), None);
        config.notify.command = Some("cat".to_owned());
        config.notify.events = vec![NotifyEvent::Done];
        assert_eq!(NotifyPlan::of(&config, &Source::None), None);
        let plan = NotifyPlan::of(&config, &source).unwrap();
        assert_eq!(
            (plan.webhook.len(), plan.command.as_slice()),
            (0, &["done".to_owned()][..])
        );
        let targets = |event| plan.targets(event).collect::<Vec<_>>();
        assert_eq!(targets(NotifyEvent::Done), [Target::Command]);
        assert_eq!(targets(NotifyEvent::Failed), []);
    }
}
