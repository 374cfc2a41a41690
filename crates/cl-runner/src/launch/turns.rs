//! Which agents a launch may use besides the one it names.

use std::num::NonZeroU32;

pub use cl_config::TurnStrategy;

/// Which agents a launch may use besides the one it names.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Turns {
    /// Whether the launch named no agent, so that they take turns.
    pub is_open: bool,
    /// How the next one is chosen.
    pub strategy: TurnStrategy,
    /// The agents that take turns, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<String>,
    /// One weight per agent; missing ones are 1.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<NonZeroU32>,
    /// Whether a failed attempt is repeated once with another agent.
    pub fallback_on_failure: bool,
    /// The agents that go on while the limit of another one lasts, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_limit: Vec<String>,
}

impl Turns {
    /// An agent was named: no turns are taken, and its failures are its own.
    ///
    /// Its limits are still bridged by those of `on_limit`.
    pub fn keep_to_one(&mut self) {
        (self.is_open, self.fallback_on_failure) = (false, false);
    }

    /// Returns the agents in the order in which they are tried, the one whose turn it is first.
    ///
    /// `turn` counts the turns taken before; `random` is from 0 up to the sum of the
    /// weights, see [`Turns::total_weight`].
    pub(crate) fn order(&self, turn: u64, random: u64) -> Vec<&str> {
        let count = self.agents.len();
        if count == 0 {
            return Vec::new();
        }
        let first = match self.strategy {
            TurnStrategy::RoundRobin => usize::try_from(turn % count as u64).unwrap_or_default(),
            TurnStrategy::Weighted => self.at_weight(random),
        };
        let names = self.agents.iter().map(String::as_str);
        names.clone().cycle().skip(first).take(count).collect()
    }

    /// Returns the sum of the weights.
    pub(crate) fn total_weight(&self) -> u64 {
        (0..self.agents.len()).map(|index| self.weight(index)).sum()
    }

    fn weight(&self, index: usize) -> u64 {
        self.weights.get(index).map_or(1, |w| u64::from(w.get()))
    }

    fn at_weight(&self, random: u64) -> usize {
        let mut left = random % self.total_weight().max(1);
        for index in 0..self.agents.len() {
            match left.checked_sub(self.weight(index)) {
                Some(rest) => left = rest,
                None => return index,
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(strategy: TurnStrategy) -> Turns {
        Turns {
            strategy,
            agents: ["a", "b", "c"].map(str::to_owned).into(),
            weights: [3, 1].map(|w| NonZeroU32::new(w).unwrap()).into(),
            ..Turns::default()
        }
    }

    #[test]
    fn turns_go_round_and_begin_with_the_next_one() {
        let turns = turns(TurnStrategy::RoundRobin);
        assert_eq!(turns.order(0, 9), ["a", "b", "c"]);
        assert_eq!(turns.order(4, 0), ["b", "c", "a"]);
        assert_eq!(Turns::default().order(4, 0), [""; 0]);
    }

    #[test]
    fn weights_are_shares() {
        let turns = turns(TurnStrategy::Weighted);
        assert_eq!(turns.total_weight(), 5);
        let first = |random| turns.order(7, random)[0];
        assert_eq!([0, 1, 2, 3, 4].map(first), ["a", "a", "a", "b", "c"]);
    }
}
