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

use crate::damage::{Damage, Reason};
use crate::escape;
use crate::header::{self, Header, HeaderProblem};
use crate::legacy;
use crate::message::{MAX_HEADER_BYTES, Message};

const OPENING: &[u8] = b"---";
const FIRST_KEY: &[u8] = b"msg_id:";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

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
}

impl ScanState {
    /// The start of a file.
    pub(crate) const START: Self = Self {
        offset: 0,
        lines: 0,
        starts_line: true,
        in_open_body: false,
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
    };
}

/// Returns the first boundary at or after `from`.
///
/// `starts_line` tells whether one may stand at the very first byte.
pub(crate) fn find_boundary(bytes: &[u8], from: usize, starts_line: bool) -> Option<usize> {
    let mut at = from;
    while at < bytes.len() {
        let line_starts = if at == 0 {
            starts_line
        } else {
            is_line_end(bytes[at - 1])
        };
        if line_starts && is_boundary(&bytes[at..]) {
            return Some(at);
        }
        at += 1 + bytes[at..].iter().position(|&b| is_line_end(b))?;
    }
    None
}

/// Returns the first boundary of a file that starts with a byte order mark.
fn find_boundary_at_or_after_mark(bytes: &[u8]) -> Option<usize> {
    let mark = BYTE_ORDER_MARK.len();
    if is_boundary(&bytes[mark..]) {
        Some(mark)
    } else {
        find_boundary(bytes, mark, false)
    }
}

/// Tells whether a boundary starts right here, given that a line does.
fn is_boundary(bytes: &[u8]) -> bool {
    opening_len(bytes).is_some_and(|len| bytes[len..].starts_with(FIRST_KEY))
}

/// Returns the length of a `---` line that stands right here, its end included.
fn opening_len(bytes: &[u8]) -> Option<usize> {
    match bytes.strip_prefix(OPENING)? {
        [b'\n', ..] => Some(4),
        [b'\r', b'\n', ..] => Some(5),
        _ => None,
    }
}

fn is_line_end(byte: u8) -> bool {
    byte == b'\n' || byte == 0
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
    sink: &'a mut dyn FnMut(Item),
}

/// How the body of a record ends.
enum Body {
    /// Whole: so many bytes are body; behind them stands text outside any record.
    Exact { len: usize, next: usize },
    /// Everything up to the end of the piece is body.
    Rest(Flaw),
    /// Not there yet.
    Incomplete,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    Truncated,
    Edited,
}

impl Scan<'_> {
    fn run(&mut self, starts_line: bool, end: End) {
        let mut boundary = if self.base == 0 && self.bytes.starts_with(BYTE_ORDER_MARK) {
            self.at = BYTE_ORDER_MARK.len();
            find_boundary_at_or_after_mark(self.bytes)
        } else {
            find_boundary(self.bytes, 0, starts_line)
        };
        loop {
            let Some(start) = boundary else {
                if end != End::More {
                    self.last_gap(end);
                }
                return;
            };
            self.gap(self.at, start);
            self.at = start;
            self.in_open_body = false;
            boundary = find_boundary(self.bytes, start + OPENING.len(), false);
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
        let opening = opening_len(piece).expect("a boundary starts with an opening line");
        let Some((header_len, body_start)) = find_close(piece, opening) else {
            return self.no_close(start, end, last);
        };
        if header_len > MAX_HEADER_BYTES {
            let detail = format!("{header_len} bytes");
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
        match measure(body, header.body_bytes, last.is_some()) {
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
                let nuls = trailing_nuls(body);
                let text = &body[..nuls.start];
                let cut = in_flight_tail(text, last.is_some());
                let open = header.body_bytes.is_none();
                let torn = flaw == Flaw::None && !nuls.is_empty() && !text.ends_with(b"\n");
                let flaw = if torn { Flaw::Truncated } else { flaw };
                // The terminator, and the separator that belongs to the next record.
                let ends = if last.is_none() && nuls.is_empty() {
                    2
                } else {
                    1
                };
                let stripped = strip_ends(&text[..cut], ends);
                self.emit(start, end, header, stripped, flaw);
                self.nul_run(
                    start + body_start + nuls.start,
                    start + body_start + nuls.end,
                );
                self.at = if cut < text.len() {
                    start + body_start + cut
                } else {
                    end
                };
                self.in_open_body = last.is_some() && open;
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

    /// Judges the text behind the last record, which may still be growing.
    fn last_gap(&mut self, end: End) {
        let decided = self.at + decided_len(&self.bytes[self.at..]);
        self.gap(self.at, decided);
        self.at = decided;
        if !self.bytes[decided..].is_empty() && end == End::File && !self.in_open_body {
            let damage = self.damage(decided, self.bytes.len(), Reason::UnfinishedTail);
            (self.sink)(Item::Damage(damage));
        }
    }

    /// Judges text outside any record: legacy lines, NULs and torn openings.
    fn gap(&mut self, start: usize, end: usize) {
        if self.in_open_body {
            return;
        }
        let parts: Vec<GapPart> = gap_parts(&self.bytes[start..end]).collect();
        let has_text = parts.iter().any(|part| part.kind == GapKind::Line);
        for part in parts {
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
            self.lines += new.iter().filter(|&&b| b == b'\n').count() as u64;
            self.lines_at = at;
        }
        self.lines
    }
}

/// Finds the line that closes a header; returns the header's length and the body's start.
fn find_close(piece: &[u8], opening: usize) -> Option<(usize, usize)> {
    let mut at = opening;
    loop {
        if let Some(len) = opening_len(&piece[at..]) {
            return Some((at - opening, at + len));
        }
        at += 1 + piece[at..].iter().position(|&b| b == b'\n')?;
    }
}

/// Decides where the body ends that starts `rest`, the remainder of a piece.
fn measure(rest: &[u8], body_bytes: Option<u64>, is_last: bool) -> Body {
    let Some(body_bytes) = body_bytes else {
        let text = &rest[..trailing_nuls(rest).start];
        let cut = in_flight_tail(text, is_last);
        let ended = !is_last || text.len() < rest.len() || text[..cut].ends_with(b"\n");
        return if ended {
            Body::Rest(Flaw::None)
        } else {
            Body::Incomplete
        };
    };
    let len = usize::try_from(body_bytes).unwrap_or(usize::MAX);
    let Some(behind) = rest.get(len..) else {
        return if is_last {
            Body::Incomplete
        } else {
            Body::Rest(Flaw::Truncated)
        };
    };
    match behind {
        // Whole but for its terminator.
        [] if is_last => Body::Exact { len, next: len },
        [] => Body::Rest(Flaw::Truncated),
        // The next writer adds the line feed that a torn body lacks and then its
        // own separator. A body one byte short thus looks whole, except that the
        // separator is missing.
        [b'\n'] if !is_last && rest[..len].ends_with(b"\n") => Body::Rest(Flaw::Truncated),
        [b'\n', gap @ ..] if is_last && rest[..len].ends_with(b"\n") && is_torn_opening(gap) => {
            Body::Incomplete
        }
        [b'\n', gap @ ..] if is_clean_gap(gap, is_last) => Body::Exact { len, next: len + 1 },
        _ if trailing_nuls(rest).start < len => {
            if is_last {
                Body::Incomplete
            } else {
                Body::Rest(Flaw::Truncated)
            }
        }
        _ if is_last && !rest.ends_with(b"\n") => Body::Incomplete,
        _ => Body::Rest(Flaw::Edited),
    }
}

/// Tells whether `gap` is a part of an opening, shorter than a boundary.
fn is_torn_opening(gap: &[u8]) -> bool {
    !gap.is_empty() && b"---\nmsg_id".starts_with(gap)
}

/// Tells whether nothing in `gap` can be part of an edited body.
fn is_clean_gap(gap: &[u8], is_last: bool) -> bool {
    let decided = if is_last { decided_len(gap) } else { gap.len() };
    gap_parts(&gap[..decided]).all(|part| match part.kind {
        GapKind::Nuls | GapKind::Torn => true,
        GapKind::Line => legacy::parse(&gap[part.start..part.end]).is_some(),
    })
}

/// Returns how much of the text behind the last record can no longer change its meaning.
///
/// Not the last line while it has no end, and not what may become a boundary.
fn decided_len(gap: &[u8]) -> usize {
    let lines_end = gap
        .iter()
        .rposition(|&b| is_line_end(b))
        .map_or(0, |at| at + 1);
    let before = gap[..lines_end]
        .strip_suffix(b"\n")
        .unwrap_or(&gap[..lines_end]);
    let last_line = before
        .iter()
        .rposition(|&b| is_line_end(b))
        .map_or(0, |at| at + 1);
    let may_open = opening_len(&gap[last_line..lines_end]).is_some();
    if may_open && FIRST_KEY.starts_with(&gap[lines_end..]) {
        last_line
    } else {
        lines_end
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum GapKind {
    /// A line that is not empty, without its end.
    Line,
    /// NULs.
    Nuls,
    /// What is left of a record whose writer died within its first bytes.
    Torn,
}

struct GapPart {
    start: usize,
    end: usize,
    kind: GapKind,
}

/// Splits text outside any record into its parts; empty lines are left out.
fn gap_parts(gap: &[u8]) -> impl Iterator<Item = GapPart> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < gap.len() {
            let start = at;
            let rest = &gap[start..];
            if rest[0] == 0 {
                at += rest.iter().position(|&b| b != 0).unwrap_or(rest.len());
                return Some(GapPart {
                    start,
                    end: at,
                    kind: GapKind::Nuls,
                });
            }
            if let Some(len) = torn_len(rest) {
                at += len;
                return Some(GapPart {
                    start,
                    end: at,
                    kind: GapKind::Torn,
                });
            }
            let len = line_len(rest);
            at += len + usize::from(rest.get(len) == Some(&b'\n'));
            if !rest[..len].trim_ascii().is_empty() {
                return Some(GapPart {
                    start,
                    end: start + len,
                    kind: GapKind::Line,
                });
            }
        }
        None
    })
}

fn line_len(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .position(|&b| is_line_end(b))
        .unwrap_or(bytes.len())
}

/// Returns the length of a torn opening that stands right here, its line ends included.
fn torn_len(bytes: &[u8]) -> Option<usize> {
    let line = line_len(bytes);
    let with_end =
        |at: usize, len: usize| at + len + usize::from(bytes.get(at + len) == Some(&b'\n'));
    match &bytes[..line] {
        b"-" | b"--" => Some(with_end(0, line)),
        b"---" => {
            let second = with_end(0, line);
            let key = line_len(&bytes[second..]);
            let torn_key = key > 0 && FIRST_KEY.starts_with(&bytes[second..second + key]);
            Some(if torn_key {
                with_end(second, key)
            } else {
                second
            })
        }
        _ => None,
    }
}

/// Returns the place of the NULs at the end of a body of unknown length.
///
/// The line ends that the next writer added behind them do not count.
fn trailing_nuls(body: &[u8]) -> std::ops::Range<usize> {
    let mut end = body.len();
    for _ in 0..2 {
        if body[..end].ends_with(b"\n") {
            end -= 1;
        }
    }
    let start = body[..end]
        .iter()
        .rposition(|&b| b != 0)
        .map_or(0, |at| at + 1);
    if start == end {
        body.len()..body.len()
    } else {
        start..end
    }
}

/// Returns the length of `text` without the first bytes of a record being written.
fn in_flight_tail(text: &[u8], is_last: bool) -> usize {
    const SEPARATED: &[u8] = b"\n\n---\nmsg_id:";
    if !is_last || text.ends_with(b"\n") {
        return text.len();
    }
    (3..SEPARATED.len())
        .find(|&len| text.ends_with(&SEPARATED[..len]))
        .map_or(text.len(), |len| text.len() - (len - 2))
}

/// Removes up to `count` line ends from the end.
fn strip_ends(body: &[u8], count: usize) -> &[u8] {
    let mut body = body;
    for _ in 0..count {
        let Some(shorter) = body.strip_suffix(b"\n") else {
            break;
        };
        body = shorter.strip_suffix(b"\r").unwrap_or(shorter);
    }
    body
}
