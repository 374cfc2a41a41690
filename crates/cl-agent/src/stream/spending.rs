//! What an agent uses while it goes on, where it tells so message by message.

use std::collections::VecDeque;

use cl_storage::Usage;

/// Messages whose counts may still grow; a conversation and its sub-agents write few at once.
const OPEN_MESSAGES: usize = 64;

/// Tokens by message: the same message is told of several times, and counts once.
#[derive(Debug, Default)]
pub(super) struct Spending {
    /// Of messages that are not told of any more.
    closed: [u64; 4],
    open: VecDeque<(String, [u64; 4])>,
}

impl Spending {
    /// Takes note of the counts of the message `id`: input, output, read from the cache, written to it.
    pub(super) fn note(&mut self, id: &str, tokens: [u64; 4]) {
        if let Some((_, known)) = self.open.iter_mut().find(|(known, _)| known == id) {
            for (known, now) in known.iter_mut().zip(tokens) {
                *known = (*known).max(now);
            }
            return;
        }
        if self.open.len() >= OPEN_MESSAGES
            && let Some((_, tokens)) = self.open.pop_front()
        {
            add(&mut self.closed, tokens);
        }
        self.open.push_back((id.to_owned(), tokens));
    }

    /// Returns this on top of `reported`; `None` if neither tells anything.
    pub(super) fn with(&self, reported: Option<&Usage>) -> Option<Usage> {
        let mut sum = self.closed;
        for (_, tokens) in &self.open {
            add(&mut sum, *tokens);
        }
        if reported.is_none() && sum == [0; 4] {
            return None;
        }
        let mut usage = reported.cloned().unwrap_or_default();
        usage.input_tokens = usage.input_tokens.saturating_add(sum[0]);
        usage.output_tokens = usage.output_tokens.saturating_add(sum[1]);
        usage.cache_read_tokens = usage.cache_read_tokens.saturating_add(sum[2]);
        usage.cache_write_tokens = usage.cache_write_tokens.saturating_add(sum[3]);
        Some(usage)
    }
}

fn add(sum: &mut [u64; 4], tokens: [u64; 4]) {
    for (sum, tokens) in sum.iter_mut().zip(tokens) {
        *sum = sum.saturating_add(tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_counts_once_and_with_its_largest_counts() {
        let mut spending = Spending::default();
        assert_eq!(spending.with(None), None);
        spending.note("a", [10, 1, 0, 0]);
        spending.note("b", [5, 1, 7, 2]);
        spending.note("a", [10, 4, 0, 0]);
        let usage = spending.with(None).unwrap();
        assert_eq!((usage.input_tokens, usage.output_tokens), (15, 5));
        assert_eq!((usage.cache_read_tokens, usage.cache_write_tokens), (7, 2));
        for message in 0..1000 {
            spending.note(&format!("m{message}"), [1, 0, 0, 0]);
        }
        assert!(spending.open.len() <= OPEN_MESSAGES);
        let reported = Usage {
            input_tokens: 100,
            cost_usd: Some(0.5),
            ..Usage::default()
        };
        let usage = spending.with(Some(&reported)).unwrap();
        assert_eq!((usage.input_tokens, usage.cost_usd), (1115, Some(0.5)));
    }
}
