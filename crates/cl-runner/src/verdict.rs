//! The verdict of a review: a strict reading that never scans prose.
//!
//! A verdict is a whole line that consists of a documented word, or a JSON object
//! with the key `verdict`. Around the word stand at most Markdown marks (`#`, `>`,
//! bullets, numbers, bold, backticks) and a full stop or an exclamation mark.
//!
//! | line | kind | says |
//! |---|---|---|
//! | `VERDICT:` or `RESULT:` and a word | explicit | what the word says |
//! | `{"verdict": "…"}`, on one line or several | explicit | what the word says |
//! | `VERDICT:` and anything else | explicit | nothing |
//! | `APPROVED` `LGTM` `PASS` `+1` … | bare | pass |
//! | `REJECTED` `NOT APPROVED` `CHANGES REQUESTED` `FAIL` … | bare | fail |
//!
//! The last explicit line decides, unless a rejection follows it. What is quoted (`>`)
//! or stands in a fenced block may be somebody else's word: it only counts where no
//! explicit line stands outside and nothing rejects, and a `RESULT:` in a fenced block
//! never approves. Without any explicit line the bare ones decide, and one rejection outweighs any number of
//! approvals. Where a bare approval may be a piece of something else, it does not
//! count: in a fenced block, which shows what a program printed, and inside a
//! paragraph, unless it stands there in capitals and without punctuation.
//!
//! Whatever is in doubt is not a pass.

/// The longest JSON object that is looked at for a verdict.
const LONGEST_OBJECT: usize = 64 * 1024;

/// What a reviewer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The work is good.
    Pass,
    /// It is not.
    Fail,
    /// Nothing that can be relied on; never a pass.
    Unknown,
}

impl Verdict {
    /// Returns the word used in files and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
        }
    }

    /// Reads the verdict from a review.
    ///
    /// Pure; takes time in proportion to the text.
    pub fn of_review(text: &str) -> Self {
        Reading::of(text).decide()
    }

    /// Returns what one word says, as a field of its own holds it: `pass`,
    /// `approved`, `changes_requested`, in any case.
    pub fn of_word(word: &str) -> Self {
        let word = canonical(word);
        match () {
            () if PASS.contains(&word.as_str()) => Self::Pass,
            () if FAIL.contains(&word.as_str()) => Self::Fail,
            () => Self::Unknown,
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

const PASS: [&str; 8] = [
    "PASS", "PASSED", "APPROVE", "APPROVED", "ACCEPT", "ACCEPTED", "LGTM", "+1",
];

const FAIL: [&str; 23] = [
    "FAIL",
    "FAILED",
    "REJECT",
    "REJECTED",
    "BLOCK",
    "BLOCKED",
    "CHANGES REQUESTED",
    "CHANGE REQUESTED",
    "REQUEST CHANGES",
    "REQUESTS CHANGES",
    "CHANGES REQUIRED",
    "NEEDS CHANGES",
    "NEEDS WORK",
    "NOT APPROVED",
    "NOT ACCEPTED",
    "NOT PASS",
    "NOT PASSED",
    "NOT LGTM",
    "NOT OK",
    "NO PASS",
    "DISAPPROVED",
    "UNAPPROVED",
    "-1",
];

/// The labels of explicit lines.
const LABELS: [&str; 2] = ["VERDICT", "RESULT"];

/// What was found so far.
#[derive(Debug, Default)]
struct Reading {
    explicit: Option<Verdict>,
    /// The last explicit line that is quoted or fenced.
    cited: Option<Verdict>,
    /// A rejection stands behind the last explicit line.
    rejected_since: bool,
    bare_pass: bool,
    /// Somebody rejects, without an explicit line of his own.
    bare_fail: bool,
}

impl Reading {
    fn of(text: &str) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let mut reading = Self::default();
        let mut fence: Option<char> = None;
        let mut skip_to = 0;
        let mut offset = 0;
        for (index, line) in text.split_inclusive('\n').enumerate() {
            let start = offset;
            offset += line.len();
            if start < skip_to {
                continue;
            }
            let line = line.trim();
            if let Some(mark) = fence_mark(line) {
                match fence {
                    None => fence = Some(mark),
                    Some(open) if open == mark => fence = None,
                    Some(_) => {}
                }
                continue;
            }
            if let Some((verdict, length)) = object_verdict(&text[start..]) {
                reading.explicit(verdict, fence.is_some());
                skip_to = start + length;
                continue;
            }
            let around = Around {
                before: index.checked_sub(1).map_or("", |index| lines[index]),
                after: lines.get(index + 1).copied().unwrap_or_default(),
                is_fenced: fence.is_some(),
            };
            reading.line(line, &around);
        }
        reading
    }

    fn explicit(&mut self, verdict: Verdict, is_cited: bool) {
        if is_cited {
            self.cited = Some(verdict);
            let is_fail = verdict == Verdict::Fail;
            self.bare_fail |= is_fail;
            self.rejected_since |= is_fail;
        } else {
            self.explicit = Some(verdict);
            self.rejected_since = false;
        }
    }

    fn line(&mut self, line: &str, around: &Around<'_>) {
        let bare = without_marks(line);
        if let Some((label, value)) = bare.split_once([':', '=']) {
            let label = canonical(label);
            if LABELS.contains(&label.as_str()) {
                let verdict = Verdict::of_word(value);
                let is_result = label != LABELS[0];
                // Results of many things are told in prose and by programs; a verdict is one.
                let is_of_program = is_result && around.is_fenced && verdict == Verdict::Pass;
                if !is_of_program && (verdict != Verdict::Unknown || !is_result) {
                    self.explicit(verdict, around.is_fenced || line.starts_with('>'));
                }
                return;
            }
        }
        match Verdict::of_word(bare) {
            Verdict::Fail => {
                self.bare_fail = true;
                self.rejected_since = true;
            }
            Verdict::Pass if around.lets_approve(line, bare) => self.bare_pass = true,
            _ => {}
        }
    }

    fn decide(&self) -> Verdict {
        match self.explicit {
            Some(Verdict::Pass) if self.rejected_since => Verdict::Fail,
            Some(verdict) => verdict,
            None if self.bare_fail => Verdict::Fail,
            None if self.cited.is_some() => self.cited.unwrap_or(Verdict::Unknown),
            None if self.bare_pass => Verdict::Pass,
            None => Verdict::Unknown,
        }
    }
}

/// What stands around a line.
#[derive(Debug)]
struct Around<'a> {
    before: &'a str,
    after: &'a str,
    is_fenced: bool,
}

impl Around<'_> {
    /// Tells whether an approval on `line` stands for itself.
    ///
    /// A wrapped sentence may end with "approved." on a line of its own, and one
    /// that begins with "LGTM" may go on with "but" on the next.
    fn lets_approve(&self, line: &str, bare: &str) -> bool {
        if self.is_fenced {
            return false;
        }
        let is_marked = bare.len() < line.len() && !bare.ends_with(['.', '!']) && {
            let first = line.chars().next().unwrap_or(' ');
            !first.is_alphanumeric() && first != '+'
        };
        let begins = self.before.trim().is_empty() || fence_mark(self.before.trim()).is_some();
        let ends = self.after.trim().is_empty() || fence_mark(self.after.trim()).is_some();
        let goes_on = self.after.trim().starts_with(char::is_lowercase);
        match () {
            () if begins && ends => true,
            () if goes_on => false,
            () => is_marked || bare.chars().all(|c| !c.is_lowercase() && !".!".contains(c)),
        }
    }
}

/// Returns the character of a line that opens or closes a fenced block.
fn fence_mark(line: &str) -> Option<char> {
    let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let rest = line.trim_start_matches(mark);
    // A word in three backticks is a word.
    (line.len() - rest.len() >= 3 && !rest.contains(mark)).then_some(mark)
}

/// Removes Markdown marks before and around the text of a line.
fn without_marks(line: &str) -> &str {
    let mut rest = line.trim();
    loop {
        let before = rest;
        rest = rest.trim_start_matches(['#', '>']).trim_start();
        for bullet in ["- ", "* ", "+ ", "[x] ", "[X] "] {
            rest = rest.strip_prefix(bullet).unwrap_or(rest).trim_start();
        }
        let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        if digits.len() < rest.len()
            && let Some(text) = digits
                .strip_prefix(". ")
                .or_else(|| digits.strip_prefix(") "))
        {
            rest = text.trim_start();
        }
        if rest == before {
            return rest.trim_end_matches('#').trim_end();
        }
    }
}

/// Returns text in the form in which words are compared.
fn canonical(text: &str) -> String {
    let is_mark = |c: char| matches!(c, '*' | '_' | '`') || c.is_whitespace();
    let mut text = text.trim_matches(is_mark);
    // The full stop may stand inside or outside of the marks.
    text = text
        .strip_suffix(['.', '!'])
        .unwrap_or(text)
        .trim_matches(is_mark);
    let words: Vec<String> = text
        .split(|c: char| c == '_' || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .map(str::to_uppercase)
        .collect();
    let joined = words.join(" ");
    // `CHANGES-REQUESTED` is one word to some; a leading hyphen is the sign of `-1`.
    match joined.strip_prefix('-') {
        Some(rest) => format!("-{}", rest.replace('-', " ")),
        None => joined.replace('-', " "),
    }
}

/// Returns what the JSON object says with which `text` begins, and its length.
///
/// The object must have the key `verdict`, and nothing may follow it on its line.
fn object_verdict(text: &str) -> Option<(Verdict, usize)> {
    let indent = text.len() - text.trim_start_matches([' ', '\t']).len();
    if !text[indent..].starts_with('{') {
        return None;
    }
    let mut end = text.len().min(LONGEST_OBJECT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut values =
        serde_json::Deserializer::from_str(&text[..end]).into_iter::<serde_json::Value>();
    let value = values.next()?.ok()?;
    let length = values.byte_offset();
    let rest_of_line = text[length..].lines().next().unwrap_or_default();
    if !rest_of_line.trim().is_empty() {
        return None;
    }
    let said = value.as_object()?.get("verdict")?;
    Some((
        said.as_str().map_or(Verdict::Unknown, Verdict::of_word),
        length,
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(review: &str, expected: Verdict) {
        assert_eq!(Verdict::of_review(review), expected, "{review:?}");
    }

    #[test]
    fn explicit_lines() {
        for line in [
            "VERDICT: pass",
            "verdict: PASS",
            "**VERDICT:** pass",
            "**VERDICT: PASS**",
            "**Verdict**: `pass`.",
            "## Verdict: Approved!",
            "- VERDICT: LGTM",
            "> VERDICT: approved",
            "1. VERDICT: pass",
            "VERDICT = pass",
            "Result: APPROVED",
            "`VERDICT: pass`",
            "{\"verdict\":\"pass\",\"notes\":[]}",
            "{\"verdict\": \"APPROVED\"}",
            "{\n  \"notes\": {\"verdict\": \"fail\"},\n  \"verdict\": \"pass\"\n}",
            "```json\n{\n \"verdict\": \"pass\"\n}\n```",
            "```\nVERDICT: pass\n```",
        ] {
            check(line, Verdict::Pass);
            check(
                &format!("Some words.\r\n{line}\r\n\r\nMore.\n"),
                Verdict::Pass,
            );
        }
        for line in [
            "VERDICT: fail",
            "Verdict: CHANGES_REQUESTED",
            "Verdict: changes requested",
            "VERDICT: not approved",
            "VERDICT: Changes-Requested.",
            "__VERDICT:__ rejected",
            "{\"verdict\":\"fail\"}",
            "{\"verdict\":\"changes_requested\"}",
        ] {
            check(line, Verdict::Fail);
        }
        for line in [
            "VERDICT:",
            "VERDICT: pass|fail",
            "VERDICT: pass or fail",
            "VERDICT: pass, if the tests pass",
            "VERDICT: pass?",
            "VERDICT: bypass",
            "MY VERDICT: pass",
            "The verdict: pass",
            "VERDICT pass",
            "{\"verdict\":true}",
            "{\"verdict\":\"maybe\"}",
            "{\"review\":{\"verdict\":\"pass\"}}",
            "{\"verdict\":\"pass\"} is what I would like to say",
            "{\"verdict\":\"pass\"",
            "RESULT: 5 tests pass",
        ] {
            check(line, Verdict::Unknown);
        }
    }

    #[test]
    fn what_is_cited_never_outweighs_a_rejection() {
        for review in [
            "VERDICT: fail\nIf it were mended:\n> VERDICT: pass\n",
            "REJECTED\n\n```\nRESULT: PASS\n```\n\nbut nothing covers the new code.\n",
            "VERDICT: fail\n\n```\nVERDICT: pass\n```\n",
            "VERDICT: fail\n\n```json\n{\"verdict\": \"pass\"}\n```\n",
            "```\nVERDICT: fail\n```\n\n> VERDICT: pass\n",
            "VERDICT: pass\n\n> VERDICT: fail\n",
        ] {
            check(review, Verdict::Fail);
        }
        check(
            "The tests say:\n\n```\nRESULT: PASS\n```\n",
            Verdict::Unknown,
        );
        check(
            "> VERDICT: fail\n\nIt was mended.\n\nVERDICT: pass\n",
            Verdict::Pass,
        );
    }

    #[test]
    fn bare_lines() {
        for line in [
            "APPROVED",
            "Approved.",
            "LGTM",
            "LGTM!",
            "lgtm",
            "PASS",
            "# APPROVED",
            "**APPROVED**",
            "- APPROVED",
            "`APPROVED`",
            "**LGTM**.",
            "+1",
            "+ LGTM",
            "1) APPROVED",
            "### PASS ###",
        ] {
            check(line, Verdict::Pass);
        }
        for line in [
            "NOT APPROVED",
            "Not approved.",
            "**NOT APPROVED**",
            "REJECTED",
            "# Rejected",
            "CHANGES REQUESTED",
            "CHANGES_REQUESTED",
            "**Changes requested.**",
            "FAIL",
            "- FAILED",
            "-1",
            "BLOCKED",
        ] {
            check(line, Verdict::Fail);
        }
        for line in [
            "",
            "PASSWORD",
            "bypass",
            "APPROVED?",
            "~~APPROVED~~",
            "\"APPROVED\"",
            "APPROVED:",
            "APPROVED, but",
            "cannot be approved",
            "tests PASS but FAIL",
            "unblocked",
            "un-approved",
            "FAIL tests that PASS",
            "A*PPROVED",
            "[ ] APPROVED",
            "APPROVED by Ann",
            "(APPROVED)",
        ] {
            check(line, Verdict::Unknown);
        }
    }

    #[test]
    fn doubt_is_no_pass() {
        check("VERDICT: fail\nlater\nVERDICT: pass\n", Verdict::Pass);
        check("VERDICT: pass\nlater\nVERDICT: fail\n", Verdict::Fail);
        check("VERDICT: pass\n\nVERDICT: hm\n", Verdict::Unknown);
        check(
            "VERDICT: pass\nResult: all 12 tests passed\n",
            Verdict::Pass,
        );
        check("FAIL\n\nVERDICT: pass\n", Verdict::Pass);
        check("VERDICT: pass\n\nREJECTED\n", Verdict::Fail);
        check("VERDICT: fail\n\nAPPROVED\n", Verdict::Fail);
        check("APPROVED\n\nREJECTED\n", Verdict::Fail);
        check("REJECTED\n\nAPPROVED\n", Verdict::Fail);
        check("VERDICT: pass\n{\"verdict\":\"fail\"}\n", Verdict::Fail);
        check("{\"verdict\":\"fail\"}\nVERDICT: pass\n", Verdict::Pass);
    }

    #[test]
    fn a_piece_of_a_sentence_is_no_approval() {
        check("This can not be\napproved.\n", Verdict::Unknown);
        check("This can not be\nAPPROVED.\n", Verdict::Unknown);
        check("LGTM\nbut only if you fix it.\n", Verdict::Unknown);
        check("Approved\nif the tests are there.\n", Verdict::Unknown);
        check("It looks fine.\nAPPROVED\n", Verdict::Pass);
        check("It looks fine.\n- approved\n", Verdict::Pass);
        check("Not yet:\nrejected\n", Verdict::Fail);
        check("```\nPASS\nok  \tpkg\t0.01s\n```\n", Verdict::Unknown);
        check("```\nFAIL\n```\n\nAPPROVED\n", Verdict::Fail);
        check("~~~\n```\nPASS\n~~~\n\nLGTM\n", Verdict::Pass);
    }

    #[test]
    fn words_of_fields() {
        assert_eq!(Verdict::of_word(" Approved "), Verdict::Pass);
        assert_eq!(Verdict::of_word("changes_requested"), Verdict::Fail);
        assert_eq!(Verdict::of_word("approved by me"), Verdict::Unknown);
        assert_eq!(Verdict::of_word(""), Verdict::Unknown);
    }

    proptest! {
        /// At least two words on each line, and none of them a label.
        #[test]
        fn prose_is_never_a_pass(
            lines in prop::collection::vec(
                prop::collection::vec(
                    "APPROVED|LGTM|PASS|not|cannot|the|tests|\\+1|accepted|[a-z]{2,6}", 3..8),
                0..12),
        ) {
            let text: String = lines.iter().map(|words| words.join(" ") + "\n").collect();
            prop_assert_ne!(Verdict::of_review(&text), Verdict::Pass);
        }

        #[test]
        fn a_wrapped_sentence_is_never_a_pass(
            words in prop::collection::vec("approved|passed|lgtm|not|be|it|can", 2..60),
            width in 1_usize..4,
        ) {
            let text = "It can not be\n".to_owned()
                + &words.chunks(width).map(|line| line.join(" ")).collect::<Vec<_>>().join("\n")
                + ".\n";
            prop_assert_ne!(Verdict::of_review(&text), Verdict::Pass);
        }

        #[test]
        fn any_text_is_read(text in "\\PC{0,200}|[`~{}\"a-z:\\n #>*-]{0,200}") {
            let _verdict = Verdict::of_review(&text);
        }

        #[test]
        fn a_last_rejection_is_never_a_pass(text in "([A-Za-z:# {}\"]{0,20}\n){0,8}") {
            prop_assert_ne!(Verdict::of_review(&(text + "\nVERDICT: fail\n")), Verdict::Pass);
        }
    }
}
