//! Answers one after the other, and answers merged paragraph by paragraph.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::Answer;

/// Puts the answers one after the other, each under its run.
pub(super) fn concatenated(answers: &[Answer]) -> String {
    let mut text = String::new();
    for answer in answers {
        section(&mut text, answer);
    }
    text
}

fn section(text: &mut String, answer: &Answer) {
    let said = answer.text.as_deref();
    let said = said.unwrap_or("> no output found for this run");
    // Writing to a String cannot fail.
    write!(
        text,
        "## run: {}\nsource: {}\n\n{said}\n\n---\n",
        answer.run_id,
        answer.source.display()
    )
    .unwrap_or_default();
}

/// Puts every paragraph once, where it is said first, with the runs that say it.
pub(super) fn merged(answers: &[Answer]) -> String {
    let mut text = format!("## merged: {} runs\n\n", answers.len());
    for answer in answers {
        let without = if answer.text.is_some() {
            ""
        } else {
            " (no output found for this run)"
        };
        let (id, source) = (&answer.run_id, answer.source.display());
        writeln!(text, "- {id}: {source}{without}").unwrap_or_default();
    }
    for (paragraph, runs) in paragraphs_of(answers) {
        let runs = runs.join(", ");
        write!(text, "\n{paragraph}\n<!-- said by: {runs} -->\n").unwrap_or_default();
    }
    text
}

/// Lists the paragraphs of all answers in the order of their first appearance.
///
/// Two are the same if their words are: blanks and line ends do not count.
fn paragraphs_of(answers: &[Answer]) -> Vec<(String, Vec<&str>)> {
    let mut found: Vec<(String, Vec<&str>)> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for answer in answers {
        let run = answer.run_id.as_str();
        for paragraph in paragraphs(answer.text.as_deref().unwrap_or_default()) {
            let at = *known.entry(words(&paragraph)).or_insert_with(|| {
                found.push((paragraph, Vec::new()));
                found.len() - 1
            });
            if let Some((_, runs)) = found.get_mut(at)
                && runs.last() != Some(&run)
            {
                runs.push(run);
            }
        }
    }
    found
}

/// Returns the words of a text with one blank between.
pub(super) fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Splits a text at blank lines; a fenced block is never split.
fn paragraphs(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut current: Vec<&str> = Vec::new();
    let mut fence: Option<&str> = None;
    for line in text.lines() {
        let mark = ["```", "~~~"]
            .into_iter()
            .find(|mark| line.trim_start().starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            _ => {}
        }
        if line.trim().is_empty() && fence.is_none() {
            found.extend(joined(&current));
            current.clear();
        } else {
            current.push(line);
        }
    }
    found.extend(joined(&current));
    found
}

fn joined(lines: &[&str]) -> Option<String> {
    (!lines.is_empty()).then(|| lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::synthesize::answer;

    #[test]
    fn sections_stand_in_the_order_of_the_selectors() {
        let answers = [
            answer("r2", Some("two")),
            answer("r1", None),
            answer("r3", Some("")),
        ];
        assert_eq!(
            concatenated(&answers),
            "## run: r2\nsource: /runs/r2/output.md\n\ntwo\n\n---\n\
             ## run: r1\nsource: /runs/r1/output.md\n\n> no output found for this run\n\n---\n\
             ## run: r3\nsource: /runs/r3/output.md\n\n\n\n---\n"
        );
    }

    #[test]
    fn a_paragraph_is_told_once_with_all_who_say_it() {
        let code = "```\na\n\nb\n```";
        let one = format!("Intro.\n\nThe cause is\nthe lock.\n\n{code}\n\nIntro.");
        let two = format!("{code}\n\nThe  cause is the lock.\n\nAnd the clock.");
        let answers = [
            answer("r1", Some(&one)),
            answer("r2", Some(&two)),
            answer("r3", None),
        ];
        assert_eq!(
            merged(&answers),
            format!(
                "## merged: 3 runs\n\n- r1: /runs/r1/output.md\n- r2: /runs/r2/output.md\n\
                 - r3: /runs/r3/output.md (no output found for this run)\n\
                 \nIntro.\n<!-- said by: r1 -->\n\
                 \nThe cause is\nthe lock.\n<!-- said by: r1, r2 -->\n\
                 \n{code}\n<!-- said by: r1, r2 -->\n\
                 \nAnd the clock.\n<!-- said by: r2 -->\n"
            )
        );
    }

    #[test]
    fn an_open_fence_is_one_paragraph() {
        assert_eq!(
            paragraphs("```\na\n\nb\n~~~\n\nc"),
            ["```\na\n\nb\n~~~\n\nc"]
        );
        assert_eq!(paragraphs("\n\n \n"), [""; 0]);
    }
}
