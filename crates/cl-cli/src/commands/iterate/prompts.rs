//! What the agents of an iteration are asked.

use std::fmt::Write as _;
use std::path::PathBuf;

use cl_storage::RunDir;

use super::launching;
use crate::args::LaunchArgs;
use crate::context::Context;
use crate::error::CliError;

/// How much of an answer goes into the next prompt; the file holds all of it.
pub(super) const QUOTED: u64 = 256 * 1024;

/// What the next attempt is told of the one before.
#[derive(Debug)]
pub(super) enum Feedback {
    /// The reviews of iteration `.0`, each with who wrote it.
    Reviews(u32, Vec<(String, String)>),
    /// The work of iteration `.0` failed, and why.
    Failed(u32, String),
}

const PART: &str = "\n\n## How this ends\n\nThis is one step of several. Do not create the file DONE: whether the work is finished \
                    is decided by a review after this step.\n";

/// Returns the prompt of the work.
pub(super) fn implement(prompt: &str, feedback: Option<&Feedback>) -> String {
    let mut text = prompt.trim_end().to_owned();
    // Writing to a String cannot fail.
    match feedback {
        None => {}
        Some(Feedback::Reviews(iteration, reviews)) => {
            text.write_fmt(format_args!(
                "\n\n## Previous review feedback (iteration {iteration})\n"
            ))
            .unwrap_or_default();
            for (who, review) in reviews {
                if reviews.len() > 1 {
                    text.write_fmt(format_args!("\n### {who}\n"))
                        .unwrap_or_default();
                }
                text.write_fmt(format_args!("\n{}\n", review.trim_end()))
                    .unwrap_or_default();
            }
        }
        Some(Feedback::Failed(iteration, why)) => {
            let why = why.trim_end();
            text.write_fmt(format_args!(
                "\n\n## Previous attempt failed (iteration {iteration})\n\n{why}\n"
            ))
            .unwrap_or_default();
        }
    }
    text + PART
}

const VERDICT: &str = "\n\n## How to answer\n\nDo not change the work. Say what is wrong and what must change. \
                       The last line of your answer must be one of these two, with nothing else on it:\n\n\
                       VERDICT: pass\nVERDICT: fail\n\nAn answer without such a line counts as not passed. Do not create the file DONE.\n";

/// Returns the prompt of a review of `work`, whose answer is `answer`.
pub(super) fn review(prompt: &str, work: &RunDir, answer: &str) -> String {
    // A fence longer than any in the answer keeps the two apart.
    let longest = answer
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    format!(
        "{}\n\n## Implementation output to review\n\nrun: {}\noutput: {}\n\n{fence}\n{}\n{fence}{VERDICT}",
        prompt.trim_end(),
        work.id(),
        work.output().display(),
        answer.trim_end()
    )
}

/// Reads the one of a pair of flags that must be given.
pub(super) fn one_of(
    ctx: &Context,
    flag: &str,
    text: Option<&String>,
    file: Option<&PathBuf>,
) -> Result<String, CliError> {
    if text.is_some() == file.is_some() {
        let how_many = if text.is_some() { "both" } else { "neither" };
        return Err(CliError::usage(format!(
            "{how_many} of {flag} and {flag}-file given; exactly one is needed"
        )));
    }
    let given = LaunchArgs {
        prompt: text.cloned(),
        prompt_file: file.cloned(),
        ..LaunchArgs::default()
    };
    let found = launching::prompt(ctx, &given)
        .map_err(|error| CliError::usage(format!("{flag}: {}", error.chain())))?;
    Ok(found.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feedback_is_quoted_as_it_is() {
        let reviews = vec![("codex".to_owned(), "Line 1.\n  Line 2.\n".to_owned())];
        let text = implement("Do it.\n", Some(&Feedback::Reviews(1, reviews)));
        let quoted = "Do it.\n\n## Previous review feedback (iteration 1)\n\nLine 1.\n  Line 2.\n";
        assert!(text.starts_with(quoted), "{text}");
        let failed = implement(
            "Do it.",
            Some(&Feedback::Failed(2, "auth: no token".into())),
        );
        assert!(
            failed.contains("failed (iteration 2)\n\nauth: no token"),
            "{failed}"
        );
        assert!(!implement("Do it.", None).contains("Previous"));
    }
}
