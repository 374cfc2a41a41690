//! Server-sent events, as far as model services use them.

/// Cuts a stream of bytes into the data of its events.
///
/// Lines may end in LF or CRLF. Comments and other fields than `data` only show
/// that the service is alive. An event beyond the cap is an error.
#[derive(Debug)]
pub(super) struct EventCutter {
    cap_bytes: usize,
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
}

/// An event is longer than the cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

impl EventCutter {
    pub(super) fn new(cap_bytes: usize) -> Self {
        Self {
            cap_bytes,
            line: Vec::new(),
            data: Vec::new(),
            has_data: false,
        }
    }

    /// Takes the next bytes and hands out each event that they complete.
    pub(super) fn feed(
        &mut self,
        mut bytes: &[u8],
        mut take: impl FnMut(&str),
    ) -> Result<(), TooLong> {
        while let Some(at) = bytes.iter().position(|&byte| byte == b'\n') {
            self.push(&bytes[..at])?;
            self.end_line(&mut take);
            bytes = &bytes[at + 1..];
        }
        self.push(bytes)
    }

    /// Hands out what the stream ended with, if no blank line came behind it.
    pub(super) fn finish(mut self, mut take: impl FnMut(&str)) {
        self.end_line(&mut take);
        self.end_event(&mut take);
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.line.len() + self.data.len() + bytes.len() > self.cap_bytes {
            return Err(TooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, take: &mut impl FnMut(&str)) {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        if line.is_empty() {
            self.end_event(take);
        } else if let Some(data) = line.strip_prefix(b"data:") {
            if std::mem::replace(&mut self.has_data, true) {
                self.data.push(b'\n');
            }
            self.data
                .extend_from_slice(data.strip_prefix(b" ").unwrap_or(data));
        }
    }

    fn end_event(&mut self, take: &mut impl FnMut(&str)) {
        if std::mem::take(&mut self.has_data) {
            let data = std::mem::take(&mut self.data);
            take(&String::from_utf8_lossy(&data));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(stream: &str, expected: &[&str]) {
        for step in [1, 2, 7, stream.len().max(1)] {
            let mut cutter = EventCutter::new(1000);
            let mut found = Vec::new();
            for piece in stream.as_bytes().chunks(step) {
                cutter
                    .feed(piece, |data| found.push(data.to_owned()))
                    .unwrap();
            }
            cutter.finish(|data| found.push(data.to_owned()));
            assert_eq!(found, expected, "in pieces of {step}");
        }
    }

    #[test]
    fn events_are_cut_at_blank_lines_whatever_the_pieces() {
        check("data: a\n\ndata: b\n\n", &["a", "b"]);
        check("data: a\r\n\r\ndata:b\r\n\r\n", &["a", "b"]);
        check("data: {\ndata: }\n\n", &["{\n}"]);
        check(": ping\n\nevent: x\nid: 1\ndata: \u{e9}\n\n\n", &["\u{e9}"]);
        check("data: open", &["open"]);
        check("<html></html>\n", &[]);
        check("", &[]);
    }

    #[test]
    fn an_event_is_bounded_also_over_several_lines() {
        let mut cutter = EventCutter::new(100);
        let long = format!("data: {}", "x".repeat(100));
        assert_eq!(cutter.feed(long.as_bytes(), |_| {}), Err(TooLong));
        let mut cutter = EventCutter::new(100);
        let lines = "data: 123456789\n".repeat(12);
        assert_eq!(cutter.feed(lines.as_bytes(), |_| {}), Err(TooLong));
    }
}
