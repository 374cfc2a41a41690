//! The nearest valid word to one that was mistyped.

/// Returns the candidate that `word` was most likely meant to be, if any is near.
///
/// Case and the difference between hyphen and underscore do not count.
pub(crate) fn nearest<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let word = normal(word);
    let most = (word.len() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &normal(candidate)), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn normal(word: &str) -> Vec<char> {
    word.trim()
        .chars()
        .map(|c| if c == '-' { '_' } else { c })
        .flat_map(char::to_lowercase)
        .collect()
}

/// Counts the insertions, deletions, substitutions and swaps of neighbours between two words.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let substituted = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = substituted.min(last[j] + 1).min(row[j - 1] + 1);
            let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if swapped {
                least = least.min(before_last[j - 2] + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(word: &str, expected: Option<&str>) {
        let words = ["timeout", "token", "token_file", "type", "max_attempts"];
        assert_eq!(nearest(word, words), expected, "{word}");
    }

    #[test]
    fn a_slip_finds_the_word() {
        check("timeuot", Some("timeout"));
        check("tokn", Some("token"));
        check("tokenfile", Some("token_file"));
        check("token-file", Some("token_file"));
        check("Type", Some("type"));
        check("max_atempt", Some("max_attempts"));
        check("ty", None);
        check("model", None);
        check("", None);
    }
}
