//! Limits on money and tokens.

use std::fmt;

use crate::failure::Usage;

/// An amount of US dollars, exact to a millionth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Usd {
    micros: u64,
}

/// The largest amount: beyond it a floating-point number is no longer exact to a millionth.
const MOST: f64 = 1e9;

impl Usd {
    /// Returns the amount nearest to `dollars`; `None` if that is negative, no number or above a billion.
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        if !(0.0..=MOST).contains(&dollars) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between zero and 10^15"
        )]
        let micros = (dollars * 1e6).round() as u64;
        Some(Self { micros })
    }

    /// Reads an amount such as `2.50` or `$2.50`; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix('$').unwrap_or(text);
        let is_plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        Self::from_dollars(text.parse().ok()?).filter(|_| is_plain)
    }

    /// Returns the amount in dollars.
    pub fn dollars(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "at most 10^15")]
        let micros = self.micros as f64;
        micros / 1e6
    }

    /// Tells whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.micros == 0
    }
}

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dollars, micros) = (self.micros / 1_000_000, self.micros % 1_000_000);
        if micros % 10_000 == 0 {
            write!(f, "${dollars}.{:02}", micros / 10_000)
        } else {
            write!(f, "${dollars}.{micros:06}")
        }
    }
}

impl serde::Serialize for Usd {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(self.dollars())
    }
}

impl<'de> serde::Deserialize<'de> for Usd {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let dollars = <f64 as serde::Deserialize>::deserialize(from)?;
        Self::from_dollars(dollars).ok_or_else(|| serde::de::Error::custom("no amount of money"))
    }
}

/// How much may be used; what is not given is unlimited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Ceiling {
    /// Money.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cost_usd: Option<Usd>,
    /// Tokens sent and received, those of the cache included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
}

/// The limits of a task.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Budget {
    /// What the task may use in all.
    #[serde(flatten)]
    pub task: Ceiling,
    /// What the tasks of its project may use together in one day of UTC.
    #[serde(skip_serializing_if = "Ceiling::is_unlimited")]
    pub per_project_day: Ceiling,
}

/// How far something used is from its limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Level {
    /// Far.
    Within,
    /// At least 80 % are used; the text says of what.
    Near(String),
    /// All of it is used; the text says of what.
    Reached(String),
}

impl Ceiling {
    /// Tells whether nothing is limited.
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }

    /// Weighs `used` against the limits; the worse one is told.
    ///
    /// A cost that is not known counts as none: tokens are the limit for agents that
    /// do not tell what they cost.
    pub fn level(&self, used: &Usage) -> Level {
        let cost = used.cost_usd.and_then(Usd::from_dollars);
        let of_cost = self.max_cost_usd.zip(cost).map(|(limit, cost)| {
            let text = format!("{cost} of {limit}");
            weigh(cost.micros, limit.micros, text)
        });
        let of_tokens = self.max_tokens.map(|limit| {
            let tokens = tokens(used);
            weigh(tokens, limit, format!("{tokens} of {limit} tokens"))
        });
        let levels = [of_cost, of_tokens].into_iter().flatten();
        levels
            .max_by_key(|level| match level {
                Level::Within => 0,
                Level::Near(_) => 1,
                Level::Reached(_) => 2,
            })
            .unwrap_or(Level::Within)
    }
}

fn weigh(used: u64, limit: u64, text: String) -> Level {
    if used >= limit {
        Level::Reached(text)
    } else if u128::from(used) * 5 >= u128::from(limit) * 4 {
        Level::Near(text)
    } else {
        Level::Within
    }
}

/// Returns all tokens of `usage`.
pub fn tokens(usage: &Usage) -> u64 {
    usage
        .input_tokens
        .saturating_add(usage.output_tokens)
        .saturating_add(usage.cache_read_tokens)
        .saturating_add(usage.cache_write_tokens)
}

/// Adds `more` to `sum`; a cost or number of turns is known as soon as one part's is.
pub fn add(sum: &mut Usage, more: &Usage) {
    sum.input_tokens = sum.input_tokens.saturating_add(more.input_tokens);
    sum.output_tokens = sum.output_tokens.saturating_add(more.output_tokens);
    sum.cache_read_tokens = sum.cache_read_tokens.saturating_add(more.cache_read_tokens);
    sum.cache_write_tokens = sum
        .cache_write_tokens
        .saturating_add(more.cache_write_tokens);
    if let Some(cost) = more.cost_usd.filter(|cost| cost.is_finite()) {
        sum.cost_usd = Some(sum.cost_usd.unwrap_or(0.0) + cost);
    }
    if let Some(turns) = more.turns {
        sum.turns = Some(sum.turns.unwrap_or(0).saturating_add(turns));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_to_a_millionth() {
        for (text, shown) in [
            ("2", Some("$2.00")),
            ("$0.1", Some("$0.10")),
            ("0.000001", Some("$0.000001")),
            ("-1", None),
            ("1e3", None),
            ("nan", None),
            ("", None),
            ("2000000000", None),
        ] {
            let amount = Usd::parse(text);
            assert_eq!(amount.map(|a| a.to_string()).as_deref(), shown, "{text}");
            let back = amount.map(|a| serde_json::to_string(&a).unwrap());
            let back = back.map(|json| serde_json::from_str(&json).unwrap());
            assert_eq!(back, amount);
        }
    }

    #[test]
    fn the_nearer_limit_is_told_and_an_unknown_cost_is_none() {
        let ceiling = Ceiling {
            max_cost_usd: Usd::parse("1"),
            max_tokens: Some(100),
        };
        let used = |tokens: u64, cost: Option<f64>| {
            ceiling.level(&Usage {
                input_tokens: tokens,
                cost_usd: cost,
                ..Usage::default()
            })
        };
        assert_eq!(used(79, Some(0.79)), Level::Within);
        assert_eq!(used(80, None), Level::Near("80 of 100 tokens".into()));
        assert_eq!(used(80, Some(1.0)), Level::Reached("$1.00 of $1.00".into()));
        assert_eq!(used(100, None), Level::Reached("100 of 100 tokens".into()));
        let huge = Usage {
            input_tokens: u64::MAX,
            output_tokens: u64::MAX,
            ..Usage::default()
        };
        assert_eq!(Ceiling::default().level(&huge), Level::Within);
        assert_eq!(tokens(&huge), u64::MAX);
    }
}
