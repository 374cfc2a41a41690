//! Finds records in bytes.
//!
//! A *boundary* is a `---` line at the start of the file, after a line end or
//! after a NUL, followed at once by a line that starts with `msg_id:`. It always
//! starts a record, wherever it stands: writers escape bodies so that they hold
//! none. The file is therefore cut at its boundaries first, and every piece is
//! judged alone:
//!
//! ```text
//! gap | boundary header --- body \n | gap | boundary …
//! ```
//!
//! What a piece means does not depend on the pieces before it, which is why a
//! reader may start at any boundary and why damage stays where it is. The end of
//! the bytes is special: there a record may still be on its way, see [`End`].

mod body;
mod boundary;
mod gap;

use crate::damage::{Damage, Reason};
use crate::escape;
use crate::header::{self, Header, HeaderProblem};
use crate::legacy;
use crate::message::{MAX_HEADER_BYTES, Message};

use body::{Body, Flaw};
pub(crate) use boundary::{
    BYTE_ORDER_MARK, OPENING_BYTES, count_line_feeds, find_boundary, find_last_boundary,
    id_of_record,
};
use boundary::{FIRST_KEY, OPENING, is_line_end};
use gap::GapKind;

/// How much of a record a reader holds: 16 MiB.
///
/// Sixteen times what our writers allow. Of a longer record the reader shows so
/// much and says that there is more; what it cannot be is a message of ours.
pub(crate) const LONGEST_PIECE_BYTES: usize = 16 * 1024 * 1024;

/// What stands behind the last byte that is being scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// More of the file.
    More,
    /// The end of a file that may grow: what is incomplete is left for later.
    Growing,
    /// The end of the file: what is incomplete is reported.
    File,
}

/// Something found while scanning.
#[derive(Debug)]
pub(crate) enum Item {
    /// A message, and the place of its record, or of its line.
    Message {
        position: u64,
        length: u64,
        message: Box<Message>,
    },
    /// A damaged stretch.
    Damage(Damage),
}

/// Where a scan stands in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ScanState {
    /// The offset of the first byte that is not consumed.
    pub(crate) offset: u64,
    /// How many line feeds stand before that.
    pub(crate) lines: u64,
    /// Whether a boundary may stand right there.
    starts_line: bool,
    /// Whether the text there belongs to a body that was delivered already.
    in_open_body: bool,
    /// Whether the text there belongs to a line that is too long to be a message.
    in_long_line: bool,
    /// The rest of a record that is being passed over.
    passed: Option<Passed>,
    /// How much of a record, or of the text between two, is held at once.
    limit: usize,
}

/// The rest of a record that is too long to be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Passed {
    /// Where it starts in the file.
    offset: u64,
    reason: Reason,
}

impl ScanState {
    /// The start of a file.
    pub(crate) const START: Self = Self {
        offset: 0,
        lines: 0,
        starts_line: true,
        in_open_body: false,
        in_long_line: false,
        passed: None,
        limit: LONGEST_PIECE_BYTES,
    };

    /// The start of a line at `offset`, with `lines` line feeds before it.
    pub(crate) fn at_line(offset: u64, lines: u64) -> Self {
        Self {
            offset,
            lines,
            ..Self::START
        }
    }
}

/// Scans `bytes`, which start where `state` stands, and moves `state` on.
///
/// Hands everything that is certain to `sink`, in order.
pub(crate) fn scan(bytes: &[u8], state: &mut ScanState, end: End, sink: &mut dyn FnMut(Item)) {
    let mut scan = Scan {
        bytes,
        base: state.offset,
        at: 0,
        lines: state.lines,
        lines_at: 0,
        in_open_body: state.in_open_body,
        in_long_line: state.in_long_line,
        passed: state.passed,
        limit: state.limit,
        sink,
    };
    scan.run(state.starts_line, end);
    let consumed = scan.at;
    let lines = scan.line_feeds_before(consumed);
    *state = ScanState {
        offset: state.offset + consumed as u64,
        lines,
        starts_line: match consumed.checked_sub(1) {
            Some(last) => is_line_end(bytes[last]),
            None => state.starts_line,
        },
        in_open_body: scan.in_open_body,
        in_long_line: scan.in_long_line,
        passed: scan.passed,
        limit: scan.limit,
    };
}

struct Scan<'a> {
    bytes: &'a [u8],
    /// The offset of the first byte in the file.
    base: u64,
    /// Up to where everything has been handed out.
    at: usize,
    /// Line feeds before `lines_at`, the start of the file included.
    lines: u64,
    lines_at: usize,
    in_open_body: bool,
    in_long_line: bool,
    passed: Option<Passed>,
    limit: usize,
    sink: &'a mut dyn FnMut(Item),
}

impl Scan<'_> {
    fn run(&mut self, starts_line: bool, end: End) {
        let mut boundary = if self.base == 0 && self.bytes.starts_with(BYTE_ORDER_MARK) {
            self.at = BYTE_ORDER_MARK.len();
            boundary::find_boundary_at_or_after_mark(self.bytes)
        } else {
            find_boundary(self.bytes, 0, starts_line)
        };
        loop {
            let Some(start) = boundary else {
                self.text_at_the_end(end);
                return;
            };
            self.gap(self.at, start);
            self.end_passed(start);
            self.at = start;
            self.in_open_body = false;
            self.in_long_line = false;
            boundary = find_boundary(self.bytes, start + OPENING.len(), false);
            let known = match (boundary, end) {
                (Some(next), _) => next,
                (None, End::File) => self.bytes.len(),
                // The last bytes may turn out to be the next boundary.
                (None, _) => self.bytes.len().saturating_sub(OPENING_BYTES).max(start),
            };
            if self.is_too_long(start, known) {
                self.long_record(start, known);
                continue;
            }
            let done = match boundary {
                Some(next) => self.record(start, next, None),
                None if end == End::More => return,
                None => self.record(start, self.bytes.len(), Some(end)),
            };
            if !done {
                return;
            }
        }
    }

    /// Judges the record from `start` to the next boundary, or to the end if `last`.
    ///
    /// Returns false if it must be left for later.
    fn record(&mut self, start: usize, end: usize, last: Option<End>) -> bool {
        let piece = &self.bytes[start..end];
        let opening = boundary::opening_len(piece).expect("a boundary starts with an opening line");
        let Some((header_len, body_start)) = boundary::find_close(piece, opening) else {
            return self.no_close(start, end, last);
        };
        if header_len > MAX_HEADER_BYTES {
            let detail = format!("more than {MAX_HEADER_BYTES} bytes");
            return self.damaged_piece(start, end, last, Reason::HeaderTooLong, detail, None);
        }
        let body = &piece[body_start..];
        // The first bytes of a body may turn out to be the first key of the next
        // record, if this one is a torn header.
        if last.is_some() && FIRST_KEY.starts_with(body) {
            return self.unfinished(start, end, last);
        }
        let header = match header::parse(&piece[opening..opening + header_len]) {
            Ok(header) => header,
            Err(HeaderProblem { reason, detail, id }) => {
                return self.damaged_piece(start, end, last, reason, detail, id);
            }
        };
        match body::measure(body, header.body_bytes, last.is_some()) {
            Body::Incomplete => self.unfinished(start, end, last),
            Body::Exact { len, next } => {
                self.emit(start, end, header, &body[..len], Flaw::None);
                self.at = start + body_start + next;
                match last {
                    None => self.gap(self.at, end),
                    Some(end) => self.last_gap(end),
                }
                if last.is_none() {
                    self.at = end;
                }
                last.is_none()
            }
            Body::Rest(flaw) => {
                let nuls = body::trailing_nuls(body);
                let text = &body[..nuls.start];
                let cut = body::in_flight_tail(text, last.is_some());
                let torn = flaw == Flaw::None && !nuls.is_empty() && !text.ends_with(b"\n");
                let flaw = if torn { Flaw::Truncated } else { flaw };
                // The terminator, and the separator that belongs to the next record.
                let is_followed = last.is_none() || cut < text.len();
                let ends = if is_followed && nuls.is_empty() { 2 } else { 1 };
                let stripped = body::strip_ends(&text[..cut], ends);
                self.emit(start, end, header, stripped, flaw);
                self.nul_run(
                    start + body_start + nuls.start,
                    start + body_start + nuls.end,
                );
                self.in_open_body = last.is_some();
                self.at = end;
                if cut < text.len() {
                    self.unfinished(start + body_start + cut, end, last);
                }
                last.is_none()
            }
        }
    }

    /// Judges a piece without a line that closes its header.
    fn no_close(&mut self, start: usize, end: usize, last: Option<End>) -> bool {
        let len = end - start;
        if len > MAX_HEADER_BYTES + 2 * OPENING.len() {
            let detail = format!("more than {MAX_HEADER_BYTES} bytes");
            self.damaged_piece(start, end, last, Reason::HeaderTooLong, detail, None)
        } else if last.is_some() {
            self.unfinished(start, end, last)
        } else {
            self.damaged_piece(start, end, last, Reason::TornHeader, String::new(), None)
        }
    }

    /// Reports a whole piece; at the end of a growing file, not before it ends.
    fn damaged_piece(
        &mut self,
        start: usize,
        end: usize,
        last: Option<End>,
        reason: Reason,
        detail: String,
        id: Option<cl_storage::MessageId>,
    ) -> bool {
        if last == Some(End::Growing) {
            return false;
        }
        let mut damage = self.damage(start, end, reason);
        damage.detail = detail;
        damage.msg_id = id;
        (self.sink)(Item::Damage(damage));
        self.at = end;
        last.is_none()
    }

    /// Leaves a piece for later, and says so at the end of a file.
    fn unfinished(&mut self, start: usize, end: usize, last: Option<End>) -> bool {
        if last == Some(End::File) && start < end {
            let damage = self.damage(start, end, Reason::UnfinishedTail);
            (self.sink)(Item::Damage(damage));
        }
        self.at = start;
        false
    }

    fn emit(&mut self, start: usize, end: usize, header: Header, stored: &[u8], flaw: Flaw) {
        let Header {
            mut message,
            escaped,
            ..
        } = header;
        message.truncated = flaw == Flaw::Truncated;
        message.edited = flaw == Flaw::Edited;
        let body = if escaped {
            escape::unescape(stored)
        } else {
            stored.to_vec()
        };
        match String::from_utf8(body) {
            Ok(text) => message.body = text,
            Err(error) => {
                message.lossy = true;
                message.body = String::from_utf8_lossy(error.as_bytes()).into_owned();
                message.raw_body = Some(error.into_bytes());
            }
        }
        let reason = match flaw {
            Flaw::None => None,
            Flaw::Truncated => Some(Reason::TruncatedBody),
            Flaw::Edited => Some(Reason::EditedBody),
        };
        let id = message.id.clone();
        (self.sink)(Item::Message {
            position: self.base + start as u64,
            length: (end - start) as u64,
            message: Box::new(message),
        });
        if let Some(reason) = reason {
            let mut damage = self.damage(start, end, reason);
            damage.msg_id = Some(id);
            (self.sink)(Item::Damage(damage));
        }
    }

    fn damage(&self, start: usize, end: usize, reason: Reason) -> Damage {
        Damage {
            archive: None,
            offset: self.base + start as u64,
            length: (end - start) as u64,
            reason,
            detail: String::new(),
            msg_id: None,
        }
    }

    fn nul_run(&mut self, start: usize, end: usize) {
        if start < end {
            let damage = self.damage(start, end, Reason::NulRun);
            (self.sink)(Item::Damage(damage));
        }
    }

    /// Tells whether no more of the record from `start` needs to be known, of which
    /// everything up to `known` is.
    fn is_too_long(&self, start: usize, known: usize) -> bool {
        let piece = &self.bytes[start..known];
        let header_bytes = MAX_HEADER_BYTES + 2 * OPENING_BYTES;
        piece.len() > self.limit
            || piece.len() > header_bytes && self.close_of(&piece[..header_bytes]).is_none()
    }

    /// Returns the length of the header and the start of the body, if both are near enough.
    fn close_of(&self, piece: &[u8]) -> Option<(usize, usize)> {
        let opening = boundary::opening_len(piece)?;
        let near = &piece[..piece.len().min(self.limit)];
        boundary::find_close(near, opening).filter(|(len, _)| *len <= MAX_HEADER_BYTES)
    }

    /// Judges a record by its first bytes, and passes over the rest unless that is text
    /// behind a whole body.
    fn long_record(&mut self, start: usize, known: usize) {
        let piece = &self.bytes[start..known];
        let pass = |scan: &mut Self, at: usize, reason| {
            scan.at = at;
            let offset = scan.base + at as u64;
            scan.passed = Some(Passed { offset, reason });
        };
        let Some((header_len, body_start)) = self.close_of(piece) else {
            return pass(self, start, Reason::HeaderTooLong);
        };
        let held = start + self.limit;
        let opening = boundary::opening_len(piece).unwrap_or_default();
        let header = match header::parse(&piece[opening..opening + header_len]) {
            Ok(header) => header,
            Err(HeaderProblem { reason, detail, id }) => {
                let mut damage = self.damage(start, held, reason);
                damage.detail = detail;
                damage.msg_id = id;
                (self.sink)(Item::Damage(damage));
                return pass(self, held, Reason::BodyTooLong);
            }
        };
        match body::measure_start(&piece[body_start..self.limit], header.body_bytes) {
            body::Start::Whole { len, next, flaw } => {
                let next = start + body_start + next;
                let body = &piece[body_start..body_start + len];
                self.emit(start, next, header, body, flaw);
                self.at = next;
            }
            body::Start::Part(flaw) => {
                self.emit(start, held, header, &piece[body_start..self.limit], flaw);
                pass(self, held, Reason::BodyTooLong);
            }
        }
    }

    /// Reports what was passed over, up to `end`.
    fn end_passed(&mut self, end: usize) {
        if let Some(Passed { offset, reason }) = self.passed.take() {
            let mut damage = self.damage(end, end, reason);
            damage.length = damage.offset - offset;
            damage.offset = offset;
            damage.detail = match reason {
                Reason::HeaderTooLong => format!("more than {MAX_HEADER_BYTES} bytes"),
                _ => format!(
                    "only the first {} bytes of the record are shown",
                    self.limit
                ),
            };
            (self.sink)(Item::Damage(damage));
        }
    }

    /// Judges the text behind which no boundary is known.
    fn text_at_the_end(&mut self, end: End) {
        let len = self.bytes.len();
        // The last bytes may turn out to be a boundary.
        let certain = len.saturating_sub(OPENING_BYTES).max(self.at);
        if self.passed.is_some() {
            self.at = if end == End::File { len } else { certain };
            if end == End::File {
                self.end_passed(len);
            }
            return;
        }
        self.at = self.long_gap(self.at, certain);
        if end != End::More {
            self.last_gap(end);
        }
    }

    /// Judges the text behind the last record, which may still be growing.
    fn last_gap(&mut self, end: End) {
        let decided = self.at + gap::decided_len(&self.bytes[self.at..]);
        self.gap(self.at, decided);
        self.at = decided;
        if !self.bytes[decided..].is_empty() && end == End::File && !self.in_open_body {
            let damage = self.damage(decided, self.bytes.len(), Reason::UnfinishedTail);
            (self.sink)(Item::Damage(damage));
        }
    }

    /// Judges text outside any record: legacy lines, NULs and torn openings.
    fn gap(&mut self, start: usize, end: usize) {
        let start = self.long_gap(start, end);
        self.short_gap(start, end);
    }

    /// Judges so much of a long text that the rest is short; returns where that starts.
    fn long_gap(&mut self, start: usize, end: usize) -> usize {
        let mut start = start;
        while end - start > self.limit {
            let part = &self.bytes[start..start + self.limit];
            let decided = gap::decided_len(part);
            if decided == 0 {
                self.in_long_line = true;
                start += self.limit;
            } else {
                self.short_gap(start, start + decided);
                start += decided;
            }
        }
        start
    }

    fn short_gap(&mut self, start: usize, end: usize) {
        if self.in_open_body || self.passed.is_some() {
            return;
        }
        let mut start = start;
        if self.in_long_line {
            let Some(line) = self.bytes[start..end].iter().position(|&b| is_line_end(b)) else {
                return;
            };
            start += line;
            self.in_long_line = false;
        }
        let parts = || gap::gap_parts(&self.bytes[start..end]);
        let has_text = parts().any(|part| part.kind == GapKind::Line);
        for part in parts() {
            let (from, to) = (start + part.start, start + part.end);
            match part.kind {
                GapKind::Nuls => self.nul_run(from, to),
                // Between lines that people wrote it is a Markdown rule.
                GapKind::Torn if has_text => {}
                GapKind::Torn => {
                    let damage = self.damage(from, to, Reason::TornHeader);
                    (self.sink)(Item::Damage(damage));
                }
                GapKind::Line => {
                    if let Some(line) = legacy::parse(&self.bytes[from..to]) {
                        let number = self.line_feeds_before(from) + 1;
                        let message = line.into_message(number);
                        (self.sink)(Item::Message {
                            position: self.base + from as u64,
                            length: (to - from) as u64,
                            message: Box::new(message),
                        });
                    }
                }
            }
        }
    }

    /// Counts the line feeds of the file before `at`, which only ever grows.
    fn line_feeds_before(&mut self, at: usize) -> u64 {
        if at > self.lines_at {
            let new = &self.bytes[self.lines_at..at];
            self.lines += count_line_feeds(new);
            self.lines_at = at;
        }
        self.lines
    }
}

/// Files for tests, made of what could mislead a reader.
#[cfg(test)]
pub(crate) mod test_files {
    use proptest::prelude::*;

    const HEADER: &str = "type: FACT\n---\n";
    const PIECES: [&str; 19] = [
        "---\nmsg_id: A\n",
        "---\nmsg_id: B\n",
        "---\r\nmsg_id: C\r\n",
        "---\nmsg_id: D\ntype: FACT\nbody_bytes: 4\n---\none\n\n\n",
        "---\nmsg_id: E\ntype: FACT\n---\nmore\n\n",
        HEADER,
        "body_bytes: 4\n",
        "---\n",
        "---",
        "-",
        "msg_id: F\n",
        "one\n",
        "\n",
        "\n\n",
        "\0",
        "\0\0\0\0",
        "[2026-02-01 10:00:00] FACT: x\n",
        "text",
        "\\---\n",
    ];

    /// Returns files of up to thirty pieces.
    pub(crate) fn any_file() -> impl Strategy<Value = Vec<u8>> {
        let piece = proptest::sample::select(PIECES.to_vec());
        proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scan_at_once(bytes: &[u8], end: End) -> (Vec<String>, ScanState) {
        let (mut found, mut state) = (Vec::new(), ScanState::START);
        scan(bytes, &mut state, end, &mut |item| {
            found.push(format!("{item:?}"));
        });
        (found, state)
    }

    /// Scans as a reader does that gets `step` bytes at a time.
    fn scan_in_steps(bytes: &[u8], step: usize, end: End) -> (Vec<String>, ScanState) {
        scan_limited(bytes, step, end, LONGEST_PIECE_BYTES)
    }

    fn scan_limited(bytes: &[u8], step: usize, end: End, limit: usize) -> (Vec<String>, ScanState) {
        let mut found = Vec::new();
        let mut state = ScanState {
            limit,
            ..ScanState::START
        };
        let mut have = 0;
        while have < bytes.len() {
            have = (have + step).min(bytes.len());
            let from = usize::try_from(state.offset).unwrap();
            let end = if have == bytes.len() { end } else { End::More };
            scan(&bytes[from..have], &mut state, end, &mut |item| {
                found.push(format!("{item:?}"));
            });
        }
        (found, state)
    }

    proptest! {
        #[test]
        fn long_records_are_judged_alike_in_steps(
            bytes in test_files::any_file(),
            step in 1..50_usize,
            limit in 30..90_usize,
        ) {
            let end = End::File;
            let whole = scan_limited(&bytes, bytes.len().max(1), end, limit);
            let (found, state) = scan_limited(&bytes, step, end, limit);
            prop_assert_eq!(&found, &whole.0);
            prop_assert_eq!(state, whole.1);
            for item in found {
                prop_assert!(item.len() < 2000 + 10 * limit, "{}", item);
            }
        }

        #[test]
        fn the_size_of_the_steps_does_not_matter(bytes in test_files::any_file(), step in 1..50_usize) {
            for end in [End::Growing, End::File] {
                prop_assert_eq!(scan_in_steps(&bytes, step, end), scan_at_once(&bytes, end));
            }
        }

        #[test]
        fn no_bytes_make_it_panic_or_read_twice(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let (_, state) = scan_at_once(&bytes, End::File);
            prop_assert!(state.offset <= bytes.len() as u64);
        }

        #[test]
        fn a_message_has_an_id_and_a_type_and_damage_lies_in_the_file(bytes in test_files::any_file()) {
            scan(&bytes, &mut ScanState::START.clone(), End::File, &mut |item| match item {
                Item::Message { message, position, length } => {
                    assert!(!message.id.as_str().is_empty() && !message.kind.is_empty());
                    assert!(position + length <= bytes.len() as u64);
                }
                Item::Damage(damage) => {
                    assert!(damage.length > 0);
                    assert!(damage.offset + damage.length <= bytes.len() as u64);
                }
            });
        }
    }
}
