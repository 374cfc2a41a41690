//! Which agents may go on: a pure function over what is known of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cl_storage::ledger::{Account, AccountKey, Closure};
use cl_storage::task_state::LimitWait;
use jiff::Timestamp;

use super::{Agents, Closed};
use crate::launch::{TurnStrategy, Turns};

/// Whether an agent can be started now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing speaks against it.
    Usable,
    /// It failed so often that another one is better.
    Degraded,
    /// Its account has met a limit.
    Closed(Closed),
}

/// How each agent stands that can be started at all.
pub(crate) type Standings<'a> = BTreeMap<&'a str, Standing>;

/// What is known of the agents.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each the answer to one question"
)]
pub(crate) struct Known<'a> {
    /// The agent of the moment.
    pub(crate) current: &'a str,
    /// The agent of the launch, which the others hand back to.
    pub(crate) first: &'a str,
    pub(crate) standings: Standings<'a>,
    pub(crate) turns: &'a Turns,
    /// Agents that failed since the last success.
    pub(crate) tried: &'a BTreeSet<String>,
    /// The last attempt failed.
    pub(crate) has_failed: bool,
    /// Somebody wants the next attempt now, whatever the limits say.
    pub(crate) is_woken: bool,
    /// The agent of the moment was chosen because of another one's limit.
    pub(crate) stands_in: bool,
    pub(crate) has_fallen_back: bool,
    pub(crate) has_switched: bool,
}

impl Known<'_> {
    /// Returns what the next step is decided by.
    pub(crate) fn agents(&self) -> Agents {
        let mut agents = Agents {
            has_fallen_back: self.has_fallen_back,
            has_switched: self.has_switched,
            ..Agents::default()
        };
        if !self.is_woken
            && let Some(closed) = self.closed(self.current)
        {
            let others = || self.for_limit().filter(|name| *name != self.current);
            let instead = others().find(|name| self.is_usable(name));
            agents.instead = instead.map(str::to_owned);
            agents.closed = if agents.instead.is_some() {
                // Why the one whose turn it is hands over, and not what another one waits for.
                Some(closed.clone())
            } else {
                let all = others().filter_map(|name| self.closed(name));
                all.chain([closed])
                    .min_by_key(|closed| closed.until)
                    .cloned()
            };
        } else if self.stands_in && self.is_usable(self.first) {
            agents.back = Some(self.first.to_owned());
        }
        if self.has_failed {
            let untried = after(self.turns, self.current).into_iter();
            let mut untried = untried.filter(|name| !self.tried.contains(*name));
            let untried = untried.find(|name| self.is_usable(name));
            agents.untried = untried.map(str::to_owned);
        }
        agents
    }

    /// Returns the agents that go on while a limit lasts, in the order of preference.
    fn for_limit(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.first).chain(self.turns.on_limit.iter().map(String::as_str))
    }

    fn closed(&self, name: &str) -> Option<&Closed> {
        match self.standings.get(name)? {
            Standing::Closed(closed) => Some(closed),
            Standing::Usable | Standing::Degraded => None,
        }
    }

    /// Tells whether it is another agent that can be started.
    fn is_usable(&self, name: &str) -> bool {
        name != self.current && self.standings.get(name) == Some(&Standing::Usable)
    }
}

/// Returns the agents that may repeat a failed attempt of `current`, in the order of preference.
fn after<'a>(turns: &'a Turns, current: &str) -> Vec<&'a str> {
    let mut names: Vec<&str> = turns.agents.iter().map(String::as_str).collect();
    match turns.strategy {
        TurnStrategy::RoundRobin => {
            let current = names.iter().position(|name| *name == current);
            names.rotate_left(current.map_or(0, |index| index + 1));
        }
        TurnStrategy::Weighted => {
            let weight = |name: &&str| {
                let index = turns.agents.iter().position(|agent| agent == name);
                let weight = index.and_then(|index| turns.weights.get(index));
                std::cmp::Reverse(weight.map_or(1, |weight| weight.get()))
            };
            names.sort_by_key(weight);
        }
    }
    names.extend(turns.on_limit.iter().map(String::as_str));
    names
}

/// Returns whose turn it is of those in `order`: one that is not usable rather than none.
pub(crate) fn turn_of<'a>(order: &[&'a str], standings: &Standings<'_>) -> Option<&'a str> {
    let first = |fits: fn(&Standing) -> bool| {
        let mut names = order.iter();
        names.find(|name| standings.get(**name).is_some_and(fits))
    };
    let usable = first(|standing| *standing == Standing::Usable);
    usable.or_else(|| first(|_| true)).copied()
}

/// When an account may not be used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Where windows are closed before they are used up.
    pub(crate) stop_at_percent: Option<u8>,
    /// How much longer than a reset is waited.
    pub(crate) jitter: Duration,
    pub(crate) now: Timestamp,
}

impl Standing {
    /// Returns how the agent `name` stands, by what is known of its account.
    pub(crate) fn of(name: &str, key: &AccountKey, account: &Account, bounds: Bounds) -> Self {
        let Bounds {
            stop_at_percent,
            jitter,
            now,
        } = bounds;
        if let Some(closure) = account.closure(stop_at_percent, jitter, now) {
            let until = closure.until;
            let limit = limit_wait(name, key, &closure);
            return Self::Closed(Closed { until, limit });
        }
        match account.degraded_until(now) {
            Some(_) => Self::Degraded,
            None => Self::Usable,
        }
    }
}

fn limit_wait(agent: &str, key: &AccountKey, closure: &Closure) -> LimitWait {
    let window = match closure.window.as_str() {
        "unknown" => "a usage limit".to_owned(),
        name => format!("the limit {name}"),
    };
    let what = match closure.parked_at_percent {
        Some(used) => format!("{window} of agent {agent} is used by {used:.0} %"),
        None => format!("{window} of agent {agent} is reached"),
    };
    let when = match closure.resets_at {
        Some(reset) => format!("it resets at {}", reset.strftime("%Y-%m-%d %H:%M:%SZ")),
        None => "its reset is not known".to_owned(),
    };
    LimitWait {
        agent: agent.to_owned(),
        account: key.account().to_owned(),
        window: closure.window.clone(),
        reason: format!("{what}; {when}"),
        resets_at: closure.resets_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns() -> Turns {
        Turns {
            agents: ["a", "b", "c"].map(str::to_owned).into(),
            on_limit: ["d", "b"].map(str::to_owned).into(),
            ..Turns::default()
        }
    }

    fn closed(name: &str, second: i64) -> Standing {
        Standing::Closed(Closed {
            until: Timestamp::from_second(second).unwrap(),
            limit: LimitWait {
                agent: name.to_owned(),
                account: "default".to_owned(),
                window: "day".to_owned(),
                reason: "made up".to_owned(),
                resets_at: None,
            },
        })
    }

    /// How `a` is followed, by what each letter says of an agent: usable, degraded,
    /// closed until a second, or absent.
    fn check(standings: &[(&'static str, Standing)], change: fn(&mut Known<'_>), expected: &str) {
        let (turns, tried) = (turns(), BTreeSet::from(["a".to_owned()]));
        let mut known = Known {
            current: "a",
            first: "a",
            standings: standings.iter().cloned().collect(),
            turns: &turns,
            tried: &tried,
            has_failed: false,
            is_woken: false,
            stands_in: false,
            has_fallen_back: false,
            has_switched: false,
        };
        change(&mut known);
        let Agents {
            closed,
            instead,
            back,
            untried,
            ..
        } = known.agents();
        let closed = closed.map(|closed| closed.limit.agent);
        let word = |name: Option<String>| name.unwrap_or_else(|| "-".to_owned());
        let words = [closed, instead, back, untried].map(word).join(" ");
        assert_eq!(words, expected, "{standings:?}");
    }

    #[test]
    fn a_limit_is_bridged_by_the_first_that_is_usable() {
        use Standing::{Degraded, Usable};
        let nothing = |_: &mut Known<'_>| {};
        check(&[("a", Usable), ("d", Usable)], nothing, "- - - -");
        let (a, b, d) = (closed("a", 9), closed("b", 7), closed("d", 8));
        check(
            &[("a", a.clone()), ("b", Usable), ("d", Usable)],
            nothing,
            "a d - -",
        );
        check(
            &[("a", a.clone()), ("b", Usable), ("d", Degraded)],
            nothing,
            "a b - -",
        );
        check(&[("a", a.clone()), ("b", b), ("d", d)], nothing, "b - - -");
        check(&[("a", a.clone()), ("c", Usable)], nothing, "a - - -");
        check(
            &[("a", a), ("d", Usable)],
            |known| known.is_woken = true,
            "- - - -",
        );
    }

    #[test]
    fn the_first_agent_takes_over_again_when_its_limit_is_over() {
        let stands_in = |known: &mut Known<'_>| {
            (known.current, known.stands_in) = ("d", true);
        };
        let usable = |name| (name, Standing::Usable);
        check(&[usable("a"), usable("d")], stands_in, "- - a -");
        check(&[("a", closed("a", 9)), usable("d")], stands_in, "- - - -");
    }

    #[test]
    fn a_failure_is_passed_on_to_the_next_that_has_not_failed() {
        let failed = |known: &mut Known<'_>| known.has_failed = true;
        let usable = |name| (name, Standing::Usable);
        check(&["a", "b", "c"].map(usable), failed, "- - - b");
        check(&["a", "c", "d"].map(usable), failed, "- - - c");
        check(&["a", "d"].map(usable), failed, "- - - d");
        check(&["a"].map(usable), failed, "- - - -");
    }

    #[test]
    fn a_turn_goes_to_a_usable_agent_or_at_least_to_one_that_can_be_started() {
        let standings = |all: &[(&'static str, Standing)]| all.iter().cloned().collect();
        let order = ["a", "b", "c"];
        let turn = |all: &[_]| turn_of(&order, &standings(all));
        assert_eq!(turn(&[]), None);
        assert_eq!(turn(&[("c", Standing::Degraded)]), Some("c"));
        let usable = Standing::Usable;
        assert_eq!(turn(&[("a", closed("a", 9)), ("b", usable)]), Some("b"));
    }
}
