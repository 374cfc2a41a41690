//! A vote over what the runs say.

use std::fmt::Write as _;

use cl_runner::verdict::Verdict;
use serde::Serialize;

use super::Answer;
use super::document::words;

/// What is voted about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum About {
    /// The verdicts in the answers.
    Verdict,
    /// The answers themselves.
    Answer,
}

/// One choice and who made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Choice {
    /// `pass`, `fail` or `unknown`, or the first line of the answer.
    pub(super) choice: String,
    /// The runs, in the order of the selectors.
    pub(super) runs: Vec<String>,
}

/// How the vote came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Count {
    pub(super) about: About,
    /// More than half of all runs that were asked, silent ones included.
    pub(super) needed: usize,
    /// What at least so many say.
    pub(super) winner: Option<String>,
    /// All choices, in the order of their first appearance.
    pub(super) choices: Vec<Choice>,
    /// Runs that said nothing.
    pub(super) silent: Vec<String>,
    /// Which choice has won.
    #[serde(skip)]
    won: Option<usize>,
}

/// Counts what the runs say: their verdicts if there is any, else their whole answers.
///
/// A run without a verdict among others with one abstains, and so does one
/// without an answer; both count for the size of the majority.
pub(super) fn count(answers: &[Answer]) -> Count {
    let verdicts: Vec<Verdict> = (answers.iter())
        .map(|answer| {
            answer
                .text
                .as_deref()
                .map_or(Verdict::Unknown, Verdict::of_review)
        })
        .collect();
    let about = if verdicts.iter().all(|verdict| *verdict == Verdict::Unknown) {
        About::Answer
    } else {
        About::Verdict
    };
    let mut keys: Vec<String> = Vec::new();
    let mut choices: Vec<Choice> = Vec::new();
    let mut silent = Vec::new();
    for (answer, verdict) in answers.iter().zip(verdicts) {
        let text = answer.text.as_deref().unwrap_or_default();
        let (key, choice) = match about {
            About::Verdict => (verdict.to_string(), verdict.to_string()),
            About::Answer => (words(text), first_line(text)),
        };
        if answer.text.is_none() || key.is_empty() {
            silent.push(answer.run_id.clone());
            continue;
        }
        let at = keys
            .iter()
            .position(|known| *known == key)
            .unwrap_or_else(|| {
                keys.push(key);
                let runs = Vec::new();
                choices.push(Choice { choice, runs });
                choices.len() - 1
            });
        choices[at].runs.push(answer.run_id.clone());
    }
    let needed = answers.len() / 2 + 1;
    let unknown = Verdict::Unknown.as_str();
    let won = choices.iter().position(|choice| {
        choice.runs.len() >= needed && !(about == About::Verdict && choice.choice == unknown)
    });
    Count {
        about,
        needed,
        winner: won.map(|won| choices[won].choice.clone()),
        choices,
        silent,
        won,
    }
}

fn first_line(text: &str) -> String {
    const LONGEST: usize = 120;
    let line = text.lines().find(|line| !line.trim().is_empty());
    line.unwrap_or_default()
        .trim()
        .chars()
        .take(LONGEST)
        .collect()
}

/// Writes down the vote, and the answer that has won.
pub(super) fn document(count: &Count, answers: &[Answer]) -> String {
    let outcome = count.winner.as_deref().unwrap_or("no majority");
    let mut text = format!(
        "## vote: {outcome}\n\n{} runs, {} make a majority\n\n",
        answers.len(),
        count.needed
    );
    for choice in &count.choices {
        let runs = choice.runs.join(", ");
        // Writing to a String cannot fail.
        writeln!(
            text,
            "- {} for {}: {runs}",
            choice.runs.len(),
            choice.choice
        )
        .unwrap_or_default();
    }
    if !count.silent.is_empty() {
        let (number, runs) = (count.silent.len(), count.silent.join(", "));
        writeln!(text, "- {number} without an answer: {runs}").unwrap_or_default();
    }
    let won = count.won.filter(|_| count.about == About::Answer);
    let first = won.and_then(|won| {
        let run = count.choices.get(won)?.runs.first()?;
        answers.iter().find(|answer| answer.run_id == *run)
    });
    if let Some(said) = first.and_then(|answer| answer.text.as_deref()) {
        write!(text, "\n{said}\n").unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::synthesize::answer;

    #[track_caller]
    fn check(said: &[Option<&str>], about: About, winner: Option<&str>) -> Count {
        let answers: Vec<Answer> = (said.iter().enumerate())
            .map(|(index, text)| answer(&format!("r{index}"), *text))
            .collect();
        let count = count(&answers);
        assert_eq!(
            (count.about, count.winner.as_deref()),
            (about, winner),
            "{said:?}"
        );
        assert_eq!(count.needed, said.len() / 2 + 1);
        count
    }

    #[test]
    fn verdicts_are_voted_about_where_there_are_any() {
        let (pass, fail) = (Some("Fine.\n\nVERDICT: pass"), Some("VERDICT: fail"));
        check(&[pass, pass, fail], About::Verdict, Some("pass"));
        check(&[fail, fail, pass], About::Verdict, Some("fail"));
        check(&[pass, fail], About::Verdict, None);
        // Abstentions count for the size of the majority and win nothing.
        check(&[pass, None, None], About::Verdict, None);
        check(
            &[pass, Some("not approved, I think"), Some("well")],
            About::Verdict,
            None,
        );
    }

    #[test]
    fn else_the_answers_are() {
        check(
            &[Some("42"), Some(" 42\n"), Some("41")],
            About::Answer,
            Some("42"),
        );
        check(&[Some("42"), Some("41")], About::Answer, None);
        let count = check(&[None, Some(""), Some("42")], About::Answer, None);
        assert_eq!(count.silent, ["r0", "r1"]);
        check(&[Some("42")], About::Answer, Some("42"));
    }

    #[test]
    fn two_answers_with_one_first_line_are_two() {
        let same = Some("Answer:\nyes");
        let count = check(
            &[same, same, Some("Answer:\nno")],
            About::Answer,
            Some("Answer:"),
        );
        assert_eq!(count.choices.len(), 2);
        let answers: Vec<Answer> = ["Answer:\nno", "Answer:\nyes", "Answer:\nyes"]
            .iter()
            .enumerate()
            .map(|(index, text)| answer(&format!("r{index}"), Some(text)))
            .collect();
        let text = document(&super::count(&answers), &answers);
        assert!(text.ends_with("\nAnswer:\nyes\n"), "{text}");
    }
}
