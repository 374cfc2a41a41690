//! What is remembered and looked up of the agents that the task may use.
//!
//! Which of them goes on is chosen by [`super::decide::agents`].
//!
//! The ledger of the root ([`cl_storage::ledger`]) is asked before every attempt and
//! told after it. What it could not be told is kept here, so that a full disk does
//! not make a loop that hammers a closed account.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::Duration;

use cl_storage::ledger::{Account, AccountKey, Ledger, Source, WindowReport, WindowState};
use cl_storage::run_info::RunInfo;
use cl_storage::task_state::TaskState;
use cl_storage::{Failure, FailureKind, Root};
use jiff::Timestamp;

use super::attempt::RunEnd;
use super::decide::agents::{self, Bounds, Known, Standing, Standings};
use super::decide::{Agents, Because, Closed};
use super::{Broken, Supervisor};
use crate::launch::{AgentEntry, LaunchAgent, LaunchRecord, Mode, TurnStrategy};

/// A wait ends this long after the reset, and up to [`JITTER_SPREAD`] later.
const JITTER: Duration = Duration::from_secs(45);
const JITTER_SPREAD: u64 = 15_000;

/// How often a waiting supervisor looks at the wall clock and the ledger: the
/// machine may have slept, and somebody else's attempt may have been served.
#[cfg(not(feature = "test-hooks"))]
const LOOK_EVERY: Duration = Duration::from_secs(20);
/// Tests move the clock by a file, which wakes nobody.
#[cfg(feature = "test-hooks")]
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What the supervisor remembers of the agents that it may use.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each the answer to one question"
)]
pub(super) struct Choice {
    ledger: Ledger,
    /// The agent of the launch, which the others hand back to.
    first: String,
    /// The agent of the moment was chosen because of another one's limit.
    stands_in: bool,
    has_switched: bool,
    has_fallen_back: bool,
    /// Agents that failed since the last success.
    tried: BTreeSet<String>,
    /// Somebody wants the next attempt now, whatever the ledger says.
    is_woken: bool,
    /// What the supervisor before this one waited for.
    held: Option<Closed>,
    /// What the ledger was told of windows while the attempt went on.
    told: Vec<WindowReport>,
    /// What the ledger could not be told.
    unwritten: BTreeMap<AccountKey, Account>,
    /// The session that the next attempt of each agent resumes.
    sessions: BTreeMap<String, String>,
    /// Spreads the tasks that wait for the same reset.
    jitter: Duration,
}

impl Choice {
    /// Begins with the agent of `record`, or where an earlier supervisor stood.
    pub(super) fn begin(
        root: &Root,
        record: &LaunchRecord,
        first: String,
        state: &TaskState,
    ) -> Self {
        let held = state.limit.clone().zip(state.wake_at);
        Self {
            ledger: Ledger::of(root),
            stands_in: record.agent != first,
            first,
            has_switched: false,
            has_fallen_back: false,
            tried: BTreeSet::new(),
            is_woken: false,
            told: Vec::new(),
            held: held.map(|(limit, until)| Closed { until, limit }),
            unwritten: BTreeMap::new(),
            sessions: BTreeMap::new(),
            jitter: JITTER + Duration::from_millis(entropy() % JITTER_SPREAD),
        }
    }
}

/// Chooses the agent that `record` begins with; returns the one of the launch.
///
/// A launch that named none takes a turn; one that is taken up again goes on with
/// the agent it stood at.
pub(super) fn choose_first(
    record: &mut LaunchRecord,
    root: &Root,
    state: &TaskState,
    now: Timestamp,
    tell: impl FnOnce(String),
) -> String {
    if record.mode == Mode::Start
        && record.policy.turns.is_open
        && let Some(chosen) = take_turn(record, root, now, tell)
    {
        record.agent = chosen;
    }
    let first = record.agent.clone();
    if record.mode == Mode::Recover
        && let Some(agent) = state.agent.clone()
        && is_ready(record, &agent)
    {
        record.agent = agent;
    }
    first
}

fn take_turn(
    record: &LaunchRecord,
    root: &Root,
    now: Timestamp,
    tell: impl FnOnce(String),
) -> Option<String> {
    let turns = &record.policy.turns;
    let ledger = Ledger::of(root);
    let turn = match turns.strategy {
        TurnStrategy::Weighted => 0,
        TurnStrategy::RoundRobin => cl_storage::rotation::next_turn(root, &turns.agents)
            .inspect_err(|error| {
                let error: &dyn std::error::Error = error;
                tracing::warn!(error, "whose turn it is cannot be told; beginning anew");
            })
            .map_or(0, |turn| {
                if let Some(copy) = turn.set_aside {
                    tell(format!(
                        "whose turn it is was damaged and begins anew; the damaged file is kept as {}",
                        copy.display()
                    ));
                }
                turn.before
            }),
    };
    let order = turns.order(turn, entropy());
    let bounds = Bounds {
        stop_at_percent: record.policy.limits.stop_at_percent,
        jitter: JITTER,
        now,
    };
    let standing = |name| {
        let key = ready_agent(record, name)?.account_key();
        let account = key.and_then(|key| ledger.read(&key).ok().flatten().zip(Some(key)));
        Some(account.map_or(Standing::Usable, |(account, key)| {
            Standing::of(name, &key, &account, bounds)
        }))
    };
    let standings: Standings<'_> = order
        .iter()
        .filter_map(|name| Some((*name, standing(name)?)))
        .collect();
    agents::turn_of(&order, &standings).map(str::to_owned)
}

fn is_ready(record: &LaunchRecord, name: &str) -> bool {
    ready_agent(record, name).is_some()
}

fn ready_agent<'r>(record: &'r LaunchRecord, name: &str) -> Option<&'r LaunchAgent> {
    match record.agents.get(name)? {
        AgentEntry::Ready(agent) => Some(agent),
        AgentEntry::Unavailable(_) => None,
    }
}

/// Returns a random number; the standard library seeds each hasher from the system.
fn entropy() -> u64 {
    let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
    hasher.write_u8(0);
    hasher.finish()
}

impl Supervisor {
    /// Returns what is known of the agents for the next decision.
    pub(super) fn agents(&self) -> Agents {
        let turns = &self.record.policy.turns;
        let (current, first) = (self.record.agent.as_str(), self.choice.first.as_str());
        let others = turns.agents.iter().chain(&turns.on_limit);
        let names: BTreeSet<&str> = [current, first]
            .into_iter()
            .chain(others.map(String::as_str))
            .collect();
        let now = self.now();
        let standings = names
            .into_iter()
            .filter_map(|name| Some((name, self.standing(name, now)?)))
            .collect();
        let known = Known {
            current,
            first,
            standings,
            turns,
            tried: &self.choice.tried,
            has_failed: self.last.as_ref().is_some_and(|last| !last.success),
            is_woken: self.choice.is_woken,
            stands_in: self.choice.stands_in,
            has_fallen_back: self.choice.has_fallen_back,
            has_switched: self.choice.has_switched,
        };
        known.agents()
    }

    /// Looks up how an agent stands; none if it cannot be started at all.
    fn standing(&self, name: &str, now: Timestamp) -> Option<Standing> {
        let Some(key) = ready_agent(&self.record, name)?.account_key() else {
            return Some(Standing::Usable);
        };
        let account = match self.choice.unwritten.get(&key) {
            Some(account) => account.clone(),
            None => match self.choice.ledger.read(&key) {
                Ok(Some(account)) => account,
                // Nothing is known, or somebody has cleared it: the attempt will show.
                Ok(None) => return Some(Standing::Usable),
                // What cannot be read says nothing either, but an earlier supervisor may have.
                Err(_) => {
                    let held = self.choice.held.clone();
                    let held = held.filter(|held| held.limit.agent == name && held.until > now);
                    return Some(held.map_or(Standing::Usable, Standing::Closed));
                }
            },
        };
        let bounds = Bounds {
            stop_at_percent: self.record.policy.limits.stop_at_percent,
            jitter: self.choice.jitter,
            now,
        };
        Some(Standing::of(name, &key, &account, bounds))
    }

    /// Goes on with the agent `to`.
    pub(super) fn switch_to(&mut self, to: &str, because: &Because) -> Result<(), Broken> {
        let Some(agent) = ready_agent(&self.record, to).cloned() else {
            return Err(format!("agent {to} was chosen and cannot be started").into());
        };
        let from = std::mem::replace(&mut self.record.agent, to.to_owned());
        let text = format!("agent {from} hands over to {to}: {because}");
        self.agent = agent;
        self.choice.has_switched = true;
        self.choice.has_fallen_back |= matches!(because, Because::Failure(_));
        self.choice.stands_in = match because {
            Because::Limit(_) => to != self.choice.first,
            Because::Failure(_) | Because::LimitOver => false,
        };
        self.state.agent = (to != self.choice.first).then(|| to.to_owned());
        self.state.write(&self.task)?;
        tracing::info!(from, to, "changed the agent");
        self.post(
            "INFO",
            &text,
            &[("from_agent", from), ("to_agent", to.to_owned())],
        );
        Ok(())
    }

    /// Waits for `closed` to open, for a moment at the most, so that all is looked at again.
    pub(super) async fn await_limit(&mut self, closed: &Closed) {
        let left = closed.until.duration_since(self.now());
        let left = Duration::try_from(left).unwrap_or_default();
        self.next_event(self.within_time(left.min(LOOK_EVERY)))
            .await;
    }

    /// Ends the wait for a usage limit; false if there is none.
    pub(super) fn wake(&mut self) -> bool {
        let is_waiting = self.state.waiting_for.as_deref() == Some("limit");
        self.choice.is_woken |= is_waiting;
        is_waiting
    }

    /// An attempt begins: what led to it is done with.
    pub(super) fn attempt_begins(&mut self) {
        self.choice.is_woken = false;
        self.choice.has_switched = false;
        self.choice.held = None;
        self.choice.told.clear();
    }

    /// Tells the ledger what the agent has just said of its windows.
    ///
    /// Not of one that is rejected: the program may wait by itself and be served in the end.
    pub(super) fn tell_windows(&mut self, told: &[WindowReport]) {
        let Some(key) = self.agent.account_key() else {
            return;
        };
        let is_told = |report: &WindowReport| self.choice.told.contains(report);
        let news = reports(told, None).into_iter();
        let news: Vec<WindowReport> = news.filter(|report| !is_told(report)).collect();
        if news.is_empty() || self.choice.unwritten.contains_key(&key) {
            return;
        }
        let now = self.now();
        match self
            .choice
            .ledger
            .update(&key, |account| account.report(&news, now))
        {
            Ok(_) => self.choice.told.extend(news),
            // It is told again at the end of the attempt.
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "could not write what is known of the agent's limits");
            }
        }
    }

    /// Tells the ledger how an attempt went that began at `started`.
    pub(super) fn account_for(
        &mut self,
        end: &RunEnd,
        failure: Option<&Failure>,
        started: Timestamp,
    ) {
        let kind = failure.map(|failure| failure.kind);
        let is_limited = kind == Some(FailureKind::LimitWindow);
        match kind {
            None => {
                self.choice.tried.clear();
                self.choice.has_fallen_back = false;
            }
            Some(FailureKind::LimitWindow | FailureKind::Cancelled) => {}
            Some(_) => {
                self.choice.tried.insert(self.record.agent.clone());
            }
        }
        let Some(key) = self.agent.account_key() else {
            return;
        };
        let mut reports = reports(&end.outcome.limits, failure);
        // What was told when it was said must not undo what others have learned since.
        reports.retain(|report| !self.choice.told.contains(report));
        let is_known = self.choice.unwritten.contains_key(&key) || self.choice.ledger.knows(&key);
        if !is_known && reports.is_empty() && failure.is_none() {
            return;
        }
        let now = self.now();
        let change = |account: &mut Account| {
            if kind.is_none() {
                account.served(started, now);
            }
            account.report(&reports, now);
            if !is_limited {
                account.attempted(kind, now);
            }
        };
        match self.choice.ledger.update(&key, change) {
            Ok(_) => {
                self.choice.unwritten.remove(&key);
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "could not write what is known of the agent's limits"
                );
                let unknown = || Account::unknown(&key);
                let account = self.choice.unwritten.entry(key.clone());
                change(account.or_insert_with(unknown));
            }
        }
    }

    /// Makes up for what an earlier supervisor did not come to after an attempt that met a limit.
    pub(super) fn account_for_lost(&mut self, run: &RunInfo) -> Result<(), Broken> {
        if self.state.attempts.last_limited == self.state.attempts.ordinal() {
            return Ok(());
        }
        self.state.attempts.forgive();
        self.state.write(&self.task)?;
        let key = ready_agent(&self.record, &run.agent_name).and_then(LaunchAgent::account_key);
        let (Some(key), Some(ended)) = (key, run.end_time) else {
            return Ok(());
        };
        let reports = reports(&[], run.failure.as_ref());
        let noted = self.choice.ledger.update(&key, |account| {
            // Whoever has been told since knows better.
            if account.windows.iter().all(|window| window.at < ended) {
                account.report(&reports, ended);
            }
        });
        if let Err(error) = noted {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "could not write what is known of the agent's limits");
        }
        Ok(())
    }

    /// Returns the session that the next attempt resumes.
    pub(super) fn session(&self) -> Option<&str> {
        let session = self.choice.sessions.get(&self.record.agent);
        session.map(String::as_str)
    }

    /// Keeps `session` for the next attempt of the agent of the moment, or forgets its session.
    pub(super) fn keep_session(&mut self, session: Option<String>) {
        let agent = self.record.agent.clone();
        match session {
            Some(session) => self.choice.sessions.insert(agent, session),
            None => self.choice.sessions.remove(&agent),
        };
    }
}

/// Returns what the ledger is to be told: a limit that was met is always among it.
fn reports(told: &[WindowReport], failure: Option<&Failure>) -> Vec<WindowReport> {
    let limit = failure.filter(|failure| failure.kind == FailureKind::LimitWindow);
    let is_rejected = |report: &&WindowReport| report.state == WindowState::Rejected;
    let mut reports: Vec<WindowReport> = match limit {
        Some(_) => told.to_vec(),
        // It was served in the end, or failed for another reason.
        None => told
            .iter()
            .filter(|report| !is_rejected(report))
            .cloned()
            .collect(),
    };
    if let Some(limit) = limit
        && !reports.iter().any(|report| is_rejected(&report))
    {
        reports.push(WindowReport {
            window: "unknown".to_owned(),
            state: WindowState::Rejected,
            used_percent: None,
            resets_at: limit.retry_at,
            source: Source::Text,
        });
    }
    reports
}
