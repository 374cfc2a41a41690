//! The bytes of a file as they are or with secrets covered, or one range of them.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use cl_storage::redact::Redactor;
use hyper::body::{Frame, SizeHint};
use tokio::task::JoinHandle;

use super::Opened;
use crate::answer::{Answer, blocking};

/// How much of a file is sent at once.
const BLOCK: u64 = 64 * 1024;

/// Sends what `open` opens, or the range that `headers` ask for.
///
/// What `cover` knows is covered by as many asterisks, so that every other byte keeps its place.
pub(crate) async fn raw(
    cover: Redactor,
    headers: HeaderMap,
    open: impl FnOnce() -> Answer<Opened> + Send + 'static,
) -> Answer<Response> {
    blocking(move || {
        let opened = open()?;
        let size = opened.size;
        let (status, from, to) = match Range::parse(&headers, size) {
            Range::All => (StatusCode::OK, 0, size),
            Range::Of(from, to) => (StatusCode::PARTIAL_CONTENT, from, to),
            Range::Outside => {
                let range = format!("bytes */{size}");
                let headers = [(header::CONTENT_RANGE, range)];
                return Ok((StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response());
            }
        };
        let piece = Piece {
            file: opened.file,
            cover,
            at: from,
        };
        let body = Body::new(Blocks::of(piece, to - from));
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, kind);
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if status == StatusCode::PARTIAL_CONTENT {
            let last = to.saturating_sub(1);
            let range = HeaderValue::from_str(&format!("bytes {from}-{last}/{size}"));
            headers.extend(range.ok().map(|range| (header::CONTENT_RANGE, range)));
        }
        Ok(response)
    })
    .await
}

/// What a `Range` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Range {
    /// All: there is none, or one that is not understood.
    All,
    /// From the first to behind the last byte.
    Of(u64, u64),
    /// Bytes that the file does not have.
    Outside,
}

impl Range {
    fn parse(headers: &HeaderMap, size: u64) -> Self {
        let text = headers.get(header::RANGE).and_then(|it| it.to_str().ok());
        let range = text.and_then(|text| text.trim().strip_prefix("bytes="));
        let Some((first, last)) = range.and_then(|range| range.trim().split_once('-')) else {
            return Self::All;
        };
        match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
            (Ok(first), Ok(last)) if last < first => Self::All,
            (Ok(first), _) if first >= size => match last.trim() {
                "" => Self::Outside,
                last if last.parse::<u64>().is_ok() => Self::Outside,
                _ => Self::All,
            },
            (Ok(first), Ok(last)) => Self::Of(first, last.saturating_add(1).min(size)),
            (Ok(first), Err(_)) if last.trim().is_empty() => Self::Of(first, size),
            (Err(_), Ok(0)) if first.trim().is_empty() => Self::Outside,
            (Err(_), Ok(_)) if first.trim().is_empty() && size == 0 => Self::Outside,
            (Err(_), Ok(count)) if first.trim().is_empty() => {
                Self::Of(size.saturating_sub(count), size)
            }
            // Several ranges are one answer of several parts, which nobody here needs.
            _ => Self::All,
        }
    }
}

/// The bytes of a file, block by block; the next one is read when the last one was sent.
#[derive(Debug)]
struct Blocks {
    left: u64,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Idle(Piece),
    Reading(JoinHandle<io::Result<(Piece, Vec<u8>)>>),
    Over,
}

/// What is left to be read of a file.
#[derive(Debug)]
struct Piece {
    file: File,
    cover: Redactor,
    /// The next byte.
    at: u64,
}

impl Piece {
    /// Reads the next block; a file that has become shorter breaks its answer off.
    fn next(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let beside = self.cover.longest_known() as u64;
        let before = self.at.min(beside);
        self.file.seek(SeekFrom::Start(self.at - before))?;
        let wanted = before + length as u64 + beside;
        let mut block = Vec::with_capacity(usize::try_from(wanted).unwrap_or(0));
        (&mut self.file).take(wanted).read_to_end(&mut block)?;
        let before = usize::try_from(before).unwrap_or(0);
        if block.len() < before + length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.cover.cover_known(&mut block);
        if (block.len() as u64) < wanted {
            self.cover.cover_begun(&mut block);
        }
        block.truncate(before + length);
        block.drain(..before);
        self.at += length as u64;
        Ok(block)
    }
}

impl Blocks {
    fn of(piece: Piece, left: u64) -> Self {
        let stage = Stage::Idle(piece);
        Self { left, stage }
    }
}

impl hyper::body::Body for Blocks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Over => return Poll::Ready(None),
                Stage::Idle(_) if self.left == 0 => return Poll::Ready(None),
                Stage::Idle(mut piece) => {
                    let length = usize::try_from(self.left.min(BLOCK)).unwrap_or(0);
                    self.stage = Stage::Reading(tokio::task::spawn_blocking(move || {
                        let block = piece.next(length)?;
                        Ok((piece, block))
                    }));
                }
                Stage::Reading(mut reading) => match Pin::new(&mut reading).poll(cx) {
                    Poll::Pending => {
                        self.stage = Stage::Reading(reading);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(Ok((piece, block)))) => {
                        self.left -= block.len() as u64;
                        self.stage = Stage::Idle(piece);
                        return Poll::Ready(Some(Ok(Frame::data(block.into()))));
                    }
                    Poll::Ready(Ok(Err(error))) => return Poll::Ready(Some(Err(error))),
                    Poll::Ready(Err(error)) => {
                        return Poll::Ready(Some(Err(io::Error::other(error))));
                    }
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!((&self.stage, self.left), (Stage::Idle(_), 0))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_range(text: &str, expected: Range) {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, text.parse().unwrap());
        assert_eq!(Range::parse(&headers, 10), expected, "{text}");
    }

    #[test]
    fn ranges_are_understood_or_left_alone() {
        check_range("bytes=0-0", Range::Of(0, 1));
        check_range("bytes=2-", Range::Of(2, 10));
        check_range("bytes=2-99", Range::Of(2, 10));
        check_range("bytes=-3", Range::Of(7, 10));
        check_range("bytes=-99", Range::Of(0, 10));
        check_range("bytes=10-", Range::Outside);
        check_range("bytes=10-12", Range::Outside);
        check_range("bytes=-0", Range::Outside);
        for text in [
            "bytes=4-2",
            "bytes=0-1,3-4",
            "lines=0-1",
            "bytes=x-y",
            "bytes=-",
            "bytes=10-x",
        ] {
            check_range(text, Range::All);
        }
    }
}
