//! What a program's help says that it understands.
//!
//! Flags come and go between versions. A program that does not name a flag which
//! is going to be passed is told from the rest before it is given any work.

use std::collections::BTreeSet;

use crate::adapter::Arg;
use crate::spec::{AgentSpec, CommandLine};
use crate::stream::plain_text;

/// More flags than any program has; what comes after them is not looked at.
const MOST_FLAGS: usize = 1000;

/// The longest word that is taken for a flag.
const LONGEST_FLAG: usize = 64;

/// Returns the flags that a help text names, sorted.
pub fn flags_in(help: &str) -> Vec<String> {
    let help = plain_text(help);
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let words = help.split(|c: char| !is_part(c));
    let flags: BTreeSet<&str> = words
        .filter(|word| word.len() <= LONGEST_FLAG)
        .filter(|word| {
            let name = word.trim_start_matches('-');
            let dashes = word.len() - name.len();
            matches!(dashes, 1 | 2) && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        })
        .take(10 * MOST_FLAGS)
        .collect();
    flags
        .into_iter()
        .take(MOST_FLAGS)
        .map(str::to_owned)
        .collect()
}

/// Returns the flags that the adapter passes in `line`, with whether it can do without.
///
/// The user's own arguments are not among them: whoever gives them knows why.
pub fn passed_flags(spec: &AgentSpec, line: &CommandLine) -> Vec<(&'static str, bool)> {
    let flags = spec.adapter().args.iter().filter_map(|arg| match *arg {
        Arg::Word(word) | Arg::WhenResuming(word) => Some((word, false)),
        Arg::Model(flag)
        | Arg::Resume(flag)
        | Arg::UsageFile(flag)
        | Arg::BaseUrl(flag, _)
        | Arg::WhenKeyed(flag, _) => Some((flag, false)),
        Arg::Stream(flag, _) => Some((flag, true)),
        Arg::ResumeJoined(prefix) => Some((prefix.trim_end_matches('='), false)),
        _ => None,
    });
    let is_passed = |flag: &str| {
        let joined = format!("{flag}=");
        let mut args = line.args.iter();
        args.any(|arg| arg == flag || arg.starts_with(&joined))
    };
    flags
        .filter(|(flag, _)| flag.starts_with('-') && is_passed(flag))
        .collect()
}

/// What a program does not understand of a command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unknown {
    /// Flags without which it cannot be used.
    pub required: Vec<&'static str>,
    /// Flags that can be left out.
    pub optional: Vec<&'static str>,
}

/// Compares a command line with the flags that the program's help names.
///
/// None if that was no help: then nothing is known, and nothing is held against it.
pub fn unknown_flags(known: &[String], spec: &AgentSpec, line: &CommandLine) -> Option<Unknown> {
    let passed = passed_flags(spec, line);
    let knows = |flag: &str| known.iter().any(|known| known == flag);
    if !knows("--help") && !passed.iter().any(|(flag, _)| knows(flag)) {
        return None;
    }
    let mut unknown = Unknown::default();
    for (flag, is_optional) in passed {
        if !knows(flag) {
            if is_optional {
                unknown.optional.push(flag);
            } else {
                unknown.required.push(flag);
            }
        }
    }
    Some(unknown)
}

/// How programs say that they do not know an argument, in lower case.
const REJECTIONS: [&str; 6] = [
    "unknown flag",
    "unknown option",
    "unknown argument",
    "unrecognized option",
    "unexpected argument",
    "invalid flag",
];

/// Returns whether a program says that it does not know the flag for a stream of events.
///
/// Both must stand on one line: a text *about* the flag is not a rejection of it.
pub fn rejects_stream(spec: &AgentSpec, said: &str) -> bool {
    let Some((flag, value)) = spec.stream_flag().filter(|_| !spec.is_plain) else {
        return false;
    };
    let names = [flag.trim_start_matches('-'), value];
    lines_that_reject(said).any(|line| names.iter().any(|name| line.contains(name)))
}

/// Returns whether a program says that it does not know an argument.
pub fn rejects_arguments(said: &str) -> bool {
    lines_that_reject(said).next().is_some()
}

fn lines_that_reject(said: &str) -> impl Iterator<Item = String> {
    let lines = said.lines().map(str::to_lowercase);
    lines.filter(|line| REJECTIONS.iter().any(|words| line.contains(words)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::kind::AgentKind;
    use crate::spec::CommandRequest;
    use crate::spec::testing::spec;

    fn line(spec: &AgentSpec, resume: Option<&str>) -> CommandLine {
        spec.command_line(&CommandRequest {
            prompt_path: Path::new("/run/prompt.md"),
            prompt_text: "",
            resume_session: resume,
        })
    }

    #[test]
    fn flags_are_found_in_help_texts() {
        let help = "Usage: tool [--format=<x>] -m, --model NAME\n  \u{1b}[1m--resume[=ID]\u{1b}[0m a well-known -- word - x --[no-]y ---z";
        assert_eq!(flags_in(help), ["--format", "--model", "--resume", "-m"]);
        assert!(flags_in("").is_empty());
    }

    #[test]
    fn a_flag_that_the_help_lacks_is_found_unless_it_is_not_passed() {
        let pi = spec(AgentKind::Pi);
        let known: Vec<String> = ["--help", "-p", "--model"].map(str::to_owned).to_vec();
        let unknown = |resume| unknown_flags(&known, &pi, &line(&pi, resume)).unwrap();
        assert_eq!(unknown(None).required, ["--mode"]);
        assert_eq!(unknown(Some("s")).required, ["--mode", "--session"]);
        assert!(unknown(None).optional.is_empty());
    }

    #[test]
    fn a_flag_that_can_be_left_out_is_told_apart() {
        let gemini = spec(AgentKind::Gemini);
        let known = ["--screen-reader", "--approval-mode", "--skip-trust"];
        let known: Vec<String> = known.map(str::to_owned).to_vec();
        let unknown = unknown_flags(&known, &gemini, &line(&gemini, None)).unwrap();
        assert_eq!(unknown.optional, ["--output-format"]);
        assert!(unknown.required.is_empty());
        let mut plain = gemini;
        plain.make_plain();
        let unknown = unknown_flags(&known, &plain, &line(&plain, None)).unwrap();
        assert_eq!(unknown, Unknown::default());
    }

    #[test]
    fn a_rejected_stream_is_told_from_a_text_about_it() {
        let mut gemini = spec(AgentKind::Gemini);
        let rejects = |spec: &AgentSpec, said: &str| rejects_stream(spec, said);
        for said in [
            "Unknown arguments: output-format, outputFormat",
            "error: unknown option '--output-format'",
            "unrecognized option: stream-json",
            "Usage:\nInvalid flag --OUTPUT-FORMAT",
        ] {
            assert!(rejects(&gemini, said), "{said}");
        }
        for said in [
            "I looked at --output-format and stream-json",
            "unknown option --frobnicate",
            "unknown option: none\nsee output-format",
            "",
        ] {
            assert!(!rejects(&gemini, said), "{said}");
        }
        gemini.make_plain();
        assert!(!rejects(&gemini, "unknown option '--output-format'"));
        assert!(!rejects(&spec(AgentKind::Pi), "unknown option '--mode'"));
        assert!(rejects_arguments("Unknown argument: x"));
    }

    #[test]
    fn what_is_no_help_says_nothing() {
        let pi = spec(AgentKind::Pi);
        for text in ["", "I will do that at once.", "error: no --such"] {
            let known = flags_in(text);
            assert_eq!(unknown_flags(&known, &pi, &line(&pi, None)), None, "{text}");
        }
    }
}
