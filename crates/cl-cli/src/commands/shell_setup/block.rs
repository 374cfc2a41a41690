//! The marked block: found, replaced and removed as text.
//!
//! The marker lines are those of the earlier implementation, so that its blocks
//! are found and replaced.

use std::ops::Range;

pub(super) const BEGIN: &str =
    "# >>> conductor-loop shell aliases (managed by run-agent shell-setup) >>>";
pub(super) const END: &str =
    "# <<< conductor-loop shell aliases (managed by run-agent shell-setup) <<<";

/// Stands in a block whose file had no line end before it, so that removing the block
/// gives that file back.
const NO_LINE_END: &str = "# (there was no line end before this block)";

/// The agents whose names become aliases.
pub(super) const AGENTS: [&str; 3] = ["claude", "codex", "gemini"];

/// What happens to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Added,
    Updated,
    Removed,
    AlreadyThere,
    Absent,
}

impl Change {
    /// Tells whether the file changes at all.
    pub(super) fn is_one(self) -> bool {
        !matches!(self, Self::AlreadyThere | Self::Absent)
    }

    /// Returns the word used in output.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Added => "installed",
            Self::Updated => "updated",
            Self::Removed => "removed",
            Self::AlreadyThere => "already_installed",
            Self::Absent => "absent",
        }
    }
}

/// A block that begins and does not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unfinished {
    /// Where it begins, from 1.
    pub(super) line: usize,
}

/// Returns the block of aliases that call `program`; it means the same in all three shells.
pub(super) fn aliases(program: &str) -> String {
    let alias = |agent| format!("alias {agent}='{program} wrap --agent {agent} --'\n");
    let aliases: String = AGENTS.into_iter().map(alias).collect();
    format!("{BEGIN}\n{aliases}{END}\n")
}

/// Tells whether a shell takes `text` as it is, inside of quotes.
pub(super) fn is_one_word(text: &str) -> bool {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+~@%:,".contains(c);
    !text.is_empty() && !text.starts_with('-') && text.chars().all(is_plain)
}

/// Returns the text with `block` in it, in the place of an earlier one or at the end.
pub(super) fn with(text: &str, block: &str) -> Result<(String, Change), Unfinished> {
    let found = blocks(text)?;
    let Some(first) = found.first() else {
        // A blank line stands before the block, wherever something else does.
        return Ok(match text {
            "" => (block.to_owned(), Change::Added),
            text if text.ends_with('\n') => (format!("{text}\n{block}"), Change::Added),
            text => (format!("{text}\n\n{}", noting(block)), Change::Added),
        });
    };
    let rest = cut(&text[first.end..], &blocks(&text[first.end..])?);
    let block = if has_note(&text[first.clone()]) {
        noting(block)
    } else {
        block.to_owned()
    };
    let after = format!("{}{block}{rest}", &text[..first.start]);
    let change = if after == text {
        Change::AlreadyThere
    } else {
        Change::Updated
    };
    Ok((after, change))
}

/// Returns the text without any block.
pub(super) fn without(text: &str) -> Result<(String, Change), Unfinished> {
    let found = blocks(text)?;
    let Some(first) = found.first() else {
        return Ok((text.to_owned(), Change::Absent));
    };
    let (before, rest) = (
        &text[..first.start],
        cut(&text[first.start..], &shifted(&found, first.start)),
    );
    // What was put before the block goes with it, unless more was written behind it.
    let before = match before.strip_suffix("\n\n") {
        Some(kept) if rest.is_empty() && has_note(&text[first.clone()]) => kept.to_owned(),
        Some(kept) if rest.is_empty() => format!("{kept}\n"),
        _ => before.to_owned(),
    };
    Ok((before + &rest, Change::Removed))
}

/// Returns the block with the note that the file had no line end.
fn noting(block: &str) -> String {
    block.replacen('\n', &format!("\n{NO_LINE_END}\n"), 1)
}

fn has_note(block: &str) -> bool {
    block.lines().any(|line| line.trim() == NO_LINE_END)
}

fn shifted(blocks: &[Range<usize>], by: usize) -> Vec<Range<usize>> {
    let shift = |block: &Range<usize>| block.start - by..block.end - by;
    blocks.iter().map(shift).collect()
}

fn cut(text: &str, blocks: &[Range<usize>]) -> String {
    let mut kept = String::new();
    let mut at = 0;
    for block in blocks {
        kept += &text[at..block.start];
        at = block.end;
    }
    kept + &text[at..]
}

/// Finds the blocks, each with its marker lines.
///
/// A block whose first line was lost is found by its last one: the aliases right above
/// that line are ours, and whatever stands above them is not.
fn blocks(text: &str) -> Result<Vec<Range<usize>>, Unfinished> {
    let mut found = Vec::new();
    let mut open: Option<(usize, usize)> = None;
    // Where the row of our own lines begins that the next line may continue.
    let mut ours: Option<usize> = None;
    let mut at = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let end = at + line.len();
        match (line.trim(), open) {
            (BEGIN, Some((_, line))) => return Err(Unfinished { line }),
            (BEGIN, None) => open = Some((at, index + 1)),
            (END, _) => {
                let start = open.map(|(start, _)| start).or(ours).unwrap_or(at);
                found.push(start..end);
                open = None;
            }
            (line, _) if is_ours(line) => {
                ours = ours.or(Some(at));
                at = end;
                continue;
            }
            _ => {}
        }
        ours = None;
        at = end;
    }
    match open {
        Some((_, line)) => Err(Unfinished { line }),
        None => Ok(found),
    }
}

/// Tells whether a line stands in blocks and hardly anywhere else.
fn is_ours(line: &str) -> bool {
    let is_alias = |agent| {
        let call = line
            .strip_prefix("alias ")
            .and_then(|rest| rest.strip_prefix(agent))
            .and_then(|rest| rest.strip_prefix("='"));
        call.is_some_and(|call| call.ends_with(&format!(" wrap --agent {agent} --'")))
    };
    line == NO_LINE_END || AGENTS.into_iter().any(is_alias)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installing_twice_is_installing_once_and_removing_restores_the_file() {
        for before in ["", "export A=1\n", "export A=1", "x\n\n", "\n"] {
            let block = aliases("run-agent");
            let (once, change) = with(before, &block).unwrap();
            assert_eq!(change, Change::Added);
            assert_eq!(
                with(&once, &block).unwrap(),
                (once.clone(), Change::AlreadyThere)
            );
            let (other, change) = with(&once, &aliases("/opt/run-agent")).unwrap();
            assert_eq!(change, Change::Updated);
            assert!(other.contains("alias codex='/opt/run-agent wrap --agent codex --'\n"));
            let (after, change) = without(&other).unwrap();
            assert_eq!(change, Change::Removed);
            assert_eq!(after, before);
            assert_eq!(without(&after).unwrap(), (after.clone(), Change::Absent));
        }
    }

    #[test]
    fn a_block_without_its_first_line_is_found_by_its_last() {
        let block = aliases("/opt/run-agent");
        let (_, headless) = block.split_once('\n').unwrap();
        let (_, rest) = headless.split_once('\n').unwrap();
        for broken in [headless, rest, &format!("{END}\n")] {
            let text = format!("alias ll='ls'\n{broken}after\n");
            let (repaired, change) = with(&text, &block).unwrap();
            assert_eq!(change, Change::Updated);
            assert_eq!(repaired, format!("alias ll='ls'\n{block}after\n"));
            let (removed, change) = without(&text).unwrap();
            assert_eq!(change, Change::Removed);
            assert_eq!(removed, "alias ll='ls'\nafter\n");
        }
        // Aliases of somebody else, and ours apart from the line, are not touched.
        let own = "alias claude='claude --fast'\nalias codex='x wrap --agent codex --'\n\n";
        let text = format!("{own}{headless}");
        assert_eq!(with(&text, &block).unwrap().0, format!("{own}{block}"));
    }

    #[test]
    fn what_stands_around_the_block_stays_where_it_is() {
        let block = aliases("run-agent");
        let text = format!("before\n{BEGIN}\nalias old='x'\n{END}\nafter\n{block}last");
        let (after, _) = with(&text, &block).unwrap();
        assert_eq!(after, format!("before\n{block}after\nlast"));
        assert_eq!(without(&text).unwrap().0, "before\nafter\nlast");
    }

    #[test]
    fn a_block_without_an_end_is_an_error() {
        for (text, line) in [
            (format!("a\n{BEGIN}\nalias x='y'\n"), 2),
            (format!("{BEGIN}\n{BEGIN}\n{END}\n"), 1),
        ] {
            assert_eq!(without(&text), Err(Unfinished { line }));
            assert_eq!(with(&text, "x"), Err(Unfinished { line }));
        }
    }

    #[test]
    fn a_program_is_one_plain_word() {
        for good in ["run-agent", "/opt/run-agent", "~/bin/run-agent"] {
            assert!(is_one_word(good), "{good}");
        }
        for bad in [
            "", "a b", "a'b", "a\"b", "$(x)", "a;b", "-x", "a\nb", "a`b`", "a\\b",
        ] {
            assert!(!is_one_word(bad), "{bad}");
        }
    }
}
