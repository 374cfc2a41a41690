//! Event streams as text (`text/event-stream`).
//!
//! Lines end at `\n`, `\r` or both, and the format has no way to say that a line end
//! belongs to the data other than a `data:` line for each line. So whatever ends a line in
//! data arrives as `\n`, and nothing in an event can end it early or begin another one.

use std::fmt::Write as _;
use std::time::Duration;

/// The content type of event streams.
pub const CONTENT_TYPE: &str = "text/event-stream";

/// The header by which a client resumes.
pub const LAST_EVENT_ID: &str = "last-event-id";

/// The largest event that is read unless told otherwise.
///
/// A message may have a mebibyte of text, each byte of which may need six as JSON.
pub const LARGEST_EVENT: usize = 8 * 1024 * 1024;

/// What a line buffer may keep between lines.
const KEPT_LINE: usize = 64 * 1024;

/// An event of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, utoipa::ToSchema)]
#[schema(as = StreamEvent)]
pub struct Event {
    /// Where in the stream it stands; resuming begins behind it.
    ///
    /// Not written if it holds a line end or NUL: no place is better than a wrong one.
    pub id: Option<String>,
    /// Its name; `message` if it has none. Not written if it is empty or holds a line end.
    pub event: Option<String>,
    /// What it says.
    pub data: String,
}

impl Event {
    /// Makes an event with a name.
    pub fn named(name: &str, data: impl Into<String>) -> Self {
        Self {
            id: None,
            event: Some(name.to_owned()),
            data: data.into(),
        }
    }

    /// Makes an event with a name and `data` as JSON.
    pub fn json(name: &str, data: &impl serde::Serialize) -> Result<Self, serde_json::Error> {
        serde_json::to_string(data).map(|data| Self::named(name, data))
    }

    /// Makes an event without a name.
    pub fn unnamed(data: impl Into<String>) -> Self {
        Self {
            data: data.into(),
            ..Self::default()
        }
    }

    /// Says where it stands.
    #[must_use]
    pub fn at(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        self.event.as_deref().unwrap_or("message")
    }

    /// Returns its text.
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(self.data.len() + 64);
        self.encode_into(&mut text);
        text
    }

    /// Writes its text behind `text`.
    pub fn encode_into(&self, text: &mut String) {
        if let Some(id) = self.id.as_deref().filter(|id| fits_id(id)) {
            field(text, "id", id);
        }
        if let Some(name) = self.event.as_deref().filter(|name| fits_name(name)) {
            field(text, "event", name);
        }
        // Without any such line the event would not be one.
        for line in lines(&self.data) {
            field(text, "data", line);
        }
        text.push('\n');
    }
}

/// Returns the text of a comment, which readers pass over.
pub fn comment(text: &str) -> String {
    let mut comment = String::with_capacity(text.len() + 4);
    for line in lines(text) {
        comment.push_str(": ");
        comment.push_str(line);
        comment.push('\n');
    }
    comment.push('\n');
    comment
}

/// Returns the text that asks clients to wait so long before they connect again.
pub fn retry(wait: Duration) -> String {
    format!("retry: {}\n\n", wait.as_millis())
}

fn field(text: &mut String, name: &str, value: &str) {
    // Readers take away one space; without it they would take a leading one of the value.
    // Writing to a string cannot fail.
    writeln!(text, "{name}: {value}").ok();
}

fn fits_id(id: &str) -> bool {
    !id.contains(['\r', '\n', '\0'])
}

fn fits_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['\r', '\n'])
}

/// Cuts text at every line end; a line end at the end gives an empty last line.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\r', '\n']) else {
            return rest.take();
        };
        let both = text[end..].starts_with("\r\n");
        rest = Some(&text[end + if both { 2 } else { 1 }..]);
        Some(&text[..end])
    })
}

/// Something that was read from a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// An event.
    Event(Event),
    /// The server asks to wait so long before connecting again.
    Retry(Duration),
}

/// An event is larger than is read; nothing more can be read from the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event has more than {0} bytes")]
pub struct TooLarge(pub usize);

/// Reads a stream as it comes, in whatever pieces.
///
/// Holds at most one event and one line, which together are no larger than the limit. An
/// event that is not complete when the stream ends counts as never sent.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    line: Vec<u8>,
    /// The last byte was `\r`: a `\n` that follows belongs to it.
    after_return: bool,
    /// Nothing was read yet, so a byte order mark may follow.
    at_start: bool,
    event: Event,
    has_data: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::with_limit(LARGEST_EVENT)
    }
}

impl Decoder {
    /// Makes a reader that holds at most so many bytes of an event.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            after_return: false,
            at_start: true,
            event: Event::default(),
            has_data: false,
        }
    }

    /// Reads the next piece and puts what it completes behind `parts`.
    ///
    /// After an error nothing that follows can be understood.
    pub fn feed(&mut self, mut bytes: &[u8], parts: &mut Vec<Part>) -> Result<(), TooLarge> {
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_return) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = bytes.iter().position(|b| matches!(b, b'\r' | b'\n'));
            let piece = &bytes[..end.unwrap_or(bytes.len())];
            if self.held() + piece.len() > self.limit {
                return Err(TooLarge(self.limit));
            }
            self.line.extend_from_slice(piece);
            let Some(end) = end else {
                return Ok(());
            };
            self.after_return = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            parts.extend(self.end_line());
        }
        Ok(())
    }

    fn held(&self) -> usize {
        let id = self.event.id.as_ref().map_or(0, String::len);
        let name = self.event.event.as_ref().map_or(0, String::len);
        self.line.len() + self.event.data.len() + id + name
    }

    fn end_line(&mut self) -> Option<Part> {
        let line = std::mem::take(&mut self.line);
        let mut text = line.as_slice();
        if std::mem::take(&mut self.at_start) {
            text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        }
        let part = if text.is_empty() {
            self.end_event()
        } else {
            self.take_field(text)
        };
        if line.capacity() <= KEPT_LINE {
            self.line = line;
            self.line.clear();
        }
        part
    }

    fn end_event(&mut self) -> Option<Part> {
        let mut event = std::mem::take(&mut self.event);
        if !std::mem::take(&mut self.has_data) {
            return None;
        }
        // Every line put one behind it.
        event.data.pop();
        Some(Part::Event(event))
    }

    fn take_field(&mut self, line: &[u8]) -> Option<Part> {
        let (name, value) = match line.iter().position(|b| *b == b':') {
            Some(colon) => {
                let value = &line[colon + 1..];
                (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &[][..]),
        };
        let value = String::from_utf8_lossy(value);
        match name {
            b"data" => {
                self.event.data.push_str(&value);
                self.event.data.push('\n');
                self.has_data = true;
            }
            b"id" if !value.contains('\0') => self.event.id = Some(value.into_owned()),
            b"event" => self.event.event = Some(value.into_owned()).filter(|it| !it.is_empty()),
            b"retry" if value.bytes().all(|b| b.is_ascii_digit()) => {
                let wait = value.parse().ok()?;
                return Some(Part::Retry(Duration::from_millis(wait)));
            }
            // Comments, and what later versions may add.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(text: &[u8]) -> Vec<Part> {
        let mut parts = Vec::new();
        Decoder::default().feed(text, &mut parts).unwrap();
        parts
    }

    #[track_caller]
    fn check(event: &Event, text: &str) {
        assert_eq!(event.encode(), text);
        assert_eq!(decode(text.as_bytes()), [Part::Event(event.clone())]);
    }

    #[test]
    fn events_look_as_documented() {
        check(
            &Event::named("log", r#"{"line":"building"}"#).at("s=121;e=3"),
            "id: s=121;e=3\nevent: log\ndata: {\"line\":\"building\"}\n\n",
        );
        check(
            &Event::named("heartbeat", "{}"),
            "event: heartbeat\ndata: {}\n\n",
        );
        check(&Event::unnamed("a\nb\n"), "data: a\ndata: b\ndata: \n\n");
        check(&Event::unnamed(""), "data: \n\n");
        check(&Event::unnamed(" a"), "data:  a\n\n");
        check(&Event::unnamed("a").at(""), "id: \ndata: a\n\n");
    }

    #[test]
    fn nothing_breaks_out_of_its_event() {
        let event = Event {
            id: Some("1\nevent: done".into()),
            event: Some("log\r\ndata: x".into()),
            data: "a\r\n\r\nevent: done\rdata: b".into(),
        };
        let text = event.encode();
        let read = Event::unnamed("a\n\nevent: done\ndata: b");
        assert_eq!(decode(text.as_bytes()), [Part::Event(read)]);
        assert!(decode(comment("a\n\ndata: b\n\n").as_bytes()).is_empty());
    }

    #[test]
    fn what_others_write_is_read() {
        let text = "\u{feff}: ok\r\n\r\nretry: 1500\r\rid:7\nid: a\0b\ndata:x\rdata\ndata: y\nodd: z\nodd\n\n\n\nretry: soon\nevent: lost\n\nevent\ndata: z\n\n";
        let parts = decode(text.as_bytes());
        assert_eq!(
            parts,
            [
                Part::Retry(Duration::from_millis(1500)),
                Part::Event(Event::unnamed("x\n\ny").at("7")),
                Part::Event(Event::unnamed("z")),
            ]
        );
        assert_eq!(
            decode(retry(Duration::from_secs(2)).as_bytes()),
            [Part::Retry(Duration::from_secs(2))]
        );
        // What is not complete was never sent.
        assert!(decode(b"data: a\n").is_empty());
        assert!(decode(b"retry: 99999999999999999999999\n").is_empty());
        let odd = decode(b"data: \xff\xfe\n\n");
        assert_eq!(odd, [Part::Event(Event::unnamed("\u{fffd}\u{fffd}"))]);
    }

    #[test]
    fn large_events_are_refused_before_they_are_held() {
        let mut decoder = Decoder::with_limit(64);
        let mut parts = Vec::new();
        for _ in 0..5 {
            decoder.feed(b"data: 0123456789\n\n", &mut parts).unwrap();
        }
        assert_eq!(parts.len(), 5);
        let in_a_line = decoder.feed(&[b'x'; 65], &mut parts);
        assert_eq!(in_a_line, Err(TooLarge(64)));
        let mut decoder = Decoder::with_limit(64);
        let in_lines = (0..9).try_for_each(|_| decoder.feed(b"data: 0123456789\n", &mut parts));
        assert_eq!(in_lines, Err(TooLarge(64)));
        assert_eq!(parts.len(), 5);
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_in_any_pieces(
            events in prop::collection::vec((
                prop::option::of("[^\r\n\0]{0,8}"),
                prop::option::of("[^\r\n]{1,8}"),
                "([a-z :é\u{feff}\u{0}]|\n){0,24}",
            ), 0..6),
            cuts in prop::collection::vec(1usize..9, 1..40),
        ) {
            let events: Vec<Event> = events
                .into_iter()
                .map(|(id, event, data)| Event { id, event, data })
                .collect();
            let text: String = events.iter().map(Event::encode).collect();
            let mut rest = text.as_bytes();
            let (mut decoder, mut parts) = (Decoder::default(), Vec::new());
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, left) = rest.split_at((*cut).min(rest.len()));
                decoder.feed(piece, &mut parts).unwrap();
                rest = left;
            }
            let expected: Vec<Part> = events.into_iter().map(Part::Event).collect();
            prop_assert_eq!(parts, expected);
        }

        #[test]
        fn any_text_in_any_field_is_one_event(id in ".*", event in ".*", data in "(?s).*") {
            let event = Event { id: Some(id), event: Some(event), data };
            let parts = decode(event.encode().as_bytes());
            prop_assert_eq!(parts.len(), 1);
            let Part::Event(read) = &parts[0] else { panic!("{parts:?}") };
            let data = event.data.replace("\r\n", "\n").replace('\r', "\n");
            prop_assert_eq!(&read.data, &data);
        }

        #[test]
        fn junk_is_bounded_and_never_panics(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
            cut in 0usize..400,
        ) {
            let mut whole = Vec::new();
            let ended = Decoder::with_limit(100).feed(&bytes, &mut whole);
            let (first, second) = bytes.split_at(cut.min(bytes.len()));
            let (mut decoder, mut parts) = (Decoder::with_limit(100), Vec::new());
            let in_two = decoder
                .feed(first, &mut parts)
                .and_then(|()| decoder.feed(second, &mut parts));
            prop_assert_eq!(ended, in_two);
            prop_assert_eq!(whole, parts);
        }
    }
}
