//! Files of tasks and runs: parts of them in JSON, and their bytes.
//!
//! Only documented names are served, each from the one place where it stands. Folders and files
//! that are links are not followed.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path as FilePath, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use cl_storage::run_info::RunInfo;
use cl_storage::{RunDir, TaskDir, durable};
use cl_wire::ProblemCode;
use cl_wire::projects::FileContent;
use hyper::body::{Frame, SizeHint};
use jiff::Timestamp;
use serde::Deserialize;
use tokio::task::JoinHandle;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::place;
use crate::answer::{Answer, Json, Refusal, blocking};
use crate::app::App;

/// The most bytes of a file that one JSON answer is made of.
const MOST_BYTES: u64 = 4 * 1024 * 1024;
/// How much of a file is read at once.
const BLOCK: u64 = 64 * 1024;

/// Returns the routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(task_file))
        .routes(routes!(task_bytes))
        .routes(routes!(run_file))
        .routes(routes!(run_bytes))
}

/// Which file, and what of it.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    name: Option<String>,
    offset: Option<String>,
    limit: Option<String>,
    tail: Option<String>,
}

/// What of a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// So many bytes from a place on.
    From(u64, u64),
    /// The last so many lines, in so many bytes at the most.
    Tail(u64, u64),
}

impl Wanted {
    fn part(&self) -> Answer<Part> {
        let number = |name: &str, text: &Option<String>| match text.as_deref().map(str::trim) {
            None | Some("") => Ok(None),
            Some(text) => text.parse::<u64>().map(Some).map_err(|_| {
                Refusal::bad_request(format!("{name} must be a number that is not negative"))
            }),
        };
        let limit = number("limit", &self.limit)?.map_or(MOST_BYTES, |limit| limit.min(MOST_BYTES));
        match (number("offset", &self.offset)?, number("tail", &self.tail)?) {
            (Some(_), Some(_)) => Err(Refusal::bad_request("offset and tail exclude each other")),
            (None, Some(lines)) => Ok(Part::Tail(lines, limit)),
            (offset, None) => Ok(Part::From(offset.unwrap_or(0), limit)),
        }
    }
}

/// Reads a file of a task, or a part of it.
#[utoipa::path(
    get, path = "/api/projects/{project_id}/tasks/{task_id}/file", tag = "files",
    params(
        ("project_id" = String, Path), ("task_id" = String, Path),
        ("name" = Option<String>, Query, description = "`TASK.md`, which is also the default"),
        ("offset" = Option<u64>, Query, description = "From this byte on"),
        ("limit" = Option<u64>, Query, description = "At most so many bytes; never more than 4 MiB"),
        ("tail" = Option<u64>, Query, description = "Only the last so many lines")
    ),
    responses((status = 200, body = FileContent), (status = 400, body = cl_wire::Problem), (status = 404, body = cl_wire::Problem))
)]
async fn task_file(
    State(app): State<App>,
    Path((project, task)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
) -> Answer<Json<FileContent>> {
    let (project, task) = (place::project_id(&project)?, place::task_id(&task)?);
    let part = wanted.part()?;
    blocking(move || {
        let task = place::known_task(&app, &project, &task)?;
        let name = wanted.name.unwrap_or_else(|| "TASK.md".to_owned());
        let path = of_task(&task, &name)?;
        content(&app, name, &path, part)
    })
    .await
}

/// Reads the bytes of a file of a task.
#[utoipa::path(
    get, path = "/api/projects/{project_id}/tasks/{task_id}/file/raw", tag = "files",
    params(
        ("project_id" = String, Path), ("task_id" = String, Path),
        ("name" = Option<String>, Query, description = "`TASK.md`, which is also the default"),
        ("Range" = Option<String>, Header, description = "One range of bytes")
    ),
    responses(
        (status = 200, body = String, content_type = "text/plain"), (status = 206, body = String, content_type = "text/plain"),
        (status = 404, body = cl_wire::Problem), (status = 416, description = "The file has no such range")
    )
)]
async fn task_bytes(
    State(app): State<App>,
    Path((project, task)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Answer<Response> {
    let (project, task) = (place::project_id(&project)?, place::task_id(&task)?);
    raw(headers, move || {
        let task = place::known_task(&app, &project, &task)?;
        let name = wanted.name.unwrap_or_else(|| "TASK.md".to_owned());
        let path = of_task(&task, &name)?;
        open(&name, &path)
    })
    .await
}

/// Reads a file of a run, or a part of it.
#[utoipa::path(
    get, path = "/api/projects/{project_id}/tasks/{task_id}/runs/{run_id}/file", tag = "files",
    params(
        ("project_id" = String, Path), ("task_id" = String, Path), ("run_id" = String, Path),
        ("name" = Option<String>, Query, description = "`stdout` (unless given), `stderr`, `prompt` or `output.md`"),
        ("offset" = Option<u64>, Query, description = "From this byte on"),
        ("limit" = Option<u64>, Query, description = "At most so many bytes; never more than 4 MiB"),
        ("tail" = Option<u64>, Query, description = "Only the last so many lines")
    ),
    responses((status = 200, body = FileContent), (status = 400, body = cl_wire::Problem), (status = 403, body = cl_wire::Problem), (status = 404, body = cl_wire::Problem))
)]
async fn run_file(
    State(app): State<App>,
    Path(ids): Path<(String, String, String)>,
    Query(wanted): Query<Wanted>,
) -> Answer<Json<FileContent>> {
    let part = wanted.part()?;
    let run = run_of(&app, &ids)?;
    blocking(move || {
        let name = wanted.name.unwrap_or_else(|| "stdout".to_owned());
        let path = of_run(&app, &run()?, &name)?;
        content(&app, name, &path, part)
    })
    .await
}

/// Reads the bytes of a file of a run.
#[utoipa::path(
    get, path = "/api/projects/{project_id}/tasks/{task_id}/runs/{run_id}/file/raw", tag = "files",
    params(
        ("project_id" = String, Path), ("task_id" = String, Path), ("run_id" = String, Path),
        ("name" = Option<String>, Query, description = "`stdout` (unless given), `stderr`, `prompt` or `output.md`"),
        ("Range" = Option<String>, Header, description = "One range of bytes")
    ),
    responses(
        (status = 200, body = String, content_type = "text/plain"), (status = 206, body = String, content_type = "text/plain"),
        (status = 403, body = cl_wire::Problem), (status = 404, body = cl_wire::Problem), (status = 416, description = "The file has no such range")
    )
)]
async fn run_bytes(
    State(app): State<App>,
    Path(ids): Path<(String, String, String)>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Answer<Response> {
    let run = run_of(&app, &ids)?;
    raw(headers, move || {
        let name = wanted.name.unwrap_or_else(|| "stdout".to_owned());
        let path = of_run(&app, &run()?, &name)?;
        open(&name, &path)
    })
    .await
}

/// Parses the ids of a run; what is returned finds its folder, and blocks.
pub(super) fn run_of(
    app: &App,
    (project, task, run): &(String, String, String),
) -> Answer<impl FnOnce() -> Answer<RunDir> + Send + 'static + use<>> {
    let (project, task) = (place::project_id(project)?, place::task_id(task)?);
    let (app, id) = (app.clone(), place::run_id(run)?);
    Ok(move || place::one_run(&place::known_task(&app, &project, &task)?, &id))
}

/// Returns where a file of a task stands.
fn of_task(task: &TaskDir, name: &str) -> Answer<PathBuf> {
    match name {
        "TASK.md" => Ok(task.prompt()),
        _ => Err(unknown("task file", name)),
    }
}

/// Returns where a file of a run stands: where it always does, else where its record says.
pub(crate) fn of_run(app: &App, run: &RunDir, name: &str) -> Answer<PathBuf> {
    let (usual, recorded): (_, fn(RunInfo) -> String) = match name {
        "stdout" => (run.stdout(), |info| info.stdout_path),
        "stderr" => (run.stderr(), |info| info.stderr_path),
        "prompt" => (run.prompt(), |info| info.prompt_path),
        "output.md" => (run.output(), |info| info.output_path),
        _ => return Err(unknown("file", name)),
    };
    if usual.symlink_metadata().is_ok() {
        return Ok(usual);
    }
    // Runs of other programs have their streams elsewhere.
    let info = RunInfo::read(run).ok().flatten();
    let recorded = info.map(recorded).filter(|path| !path.is_empty());
    let Some(recorded) = recorded.map(PathBuf::from) else {
        return Ok(usual);
    };
    let escapes = || {
        Refusal::new(
            ProblemCode::Forbidden,
            "run file path escapes configured root",
        )
    };
    let root = std::fs::canonicalize(app.root.path()).map_err(|_| escapes())?;
    match std::fs::canonicalize(&recorded) {
        Ok(real) if real.starts_with(&root) => Ok(real),
        // A stranger is not told what is there and what is not.
        Err(_) if recorded.starts_with(&root) || recorded.starts_with(app.root.path()) => Ok(usual),
        Ok(_) | Err(_) => Err(escapes()),
    }
}

fn unknown(what: &str, name: &str) -> Refusal {
    let shown: String = name.chars().take(120).collect();
    Refusal::not_found(format!("unknown {what}: {shown}"))
}

/// A file that was opened, as it was then.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) size: u64,
    modified: Timestamp,
}

pub(super) fn open(name: &str, path: &FilePath) -> Answer<Opened> {
    let not_found = || Refusal::not_found(format!("file not found: {name}"));
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => not_found(),
        // Where a link leads is none of the reader's business.
        _ if path.is_symlink() => not_found(),
        _ => Refusal::internal("the file could not be read", &error),
    };
    let file = durable::open_real(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        return Err(not_found());
    }
    let modified = about.modified().ok();
    let modified = modified.and_then(|time| Timestamp::try_from(time).ok());
    Ok(Opened {
        file,
        size: about.len(),
        modified: modified.unwrap_or(Timestamp::UNIX_EPOCH),
    })
}

fn content(app: &App, name: String, path: &FilePath, part: Part) -> Answer<Json<FileContent>> {
    let opened = open(&name, path)?;
    let read = read_part(opened.file, opened.size, part)
        .map_err(|error| Refusal::internal("the file could not be read", &error))?;
    let (text, lossy) = match String::from_utf8(read.bytes) {
        Ok(text) => (text, false),
        Err(error) => (String::from_utf8_lossy(error.as_bytes()).into_owned(), true),
    };
    let shown = app.audit.redactor().redact_known(&text).into_owned();
    let masked = shown != text;
    let is_all = read.from == 0 && read.to >= opened.size;
    Ok(Json(FileContent {
        name,
        content: shown,
        modified: opened.modified,
        size_bytes: opened.size,
        offset: read.from,
        truncated: read.to < opened.size,
        next_offset: if is_all { 0 } else { read.to },
        lossy,
        masked,
    }))
}

/// A part of a file.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    from: u64,
    to: u64,
    bytes: Vec<u8>,
}

fn read_part(mut file: File, size: u64, part: Part) -> io::Result<Read> {
    let (from, limit, is_tail) = match part {
        Part::From(offset, limit) => (offset.min(size), limit, false),
        Part::Tail(lines, limit) => {
            let from = last_lines(&mut file, size, lines, limit)?;
            (from, limit, true)
        }
    };
    file.seek(SeekFrom::Start(from))?;
    let most = limit.min(size - from);
    let mut bytes = Vec::with_capacity(usize::try_from(most).unwrap_or(0));
    file.take(most).read_to_end(&mut bytes)?;
    let mut from = from;
    if is_tail {
        // Bytes that continue a character belong to what stands before.
        let cut = bytes.iter().take(3).take_while(|b| is_inner(**b)).count();
        bytes.drain(..cut);
        from += cut as u64;
    }
    if from + (bytes.len() as u64) < size {
        let whole = bytes.len() - unfinished(&bytes);
        // A limit that is smaller than a character still gets on.
        if whole > 0 {
            bytes.truncate(whole);
        }
    }
    Ok(Read {
        from,
        to: from + bytes.len() as u64,
        bytes,
    })
}

/// Finds where the last `lines` begin, not further back than `limit` bytes.
fn last_lines(file: &mut File, size: u64, lines: u64, limit: u64) -> io::Result<u64> {
    if lines == 0 {
        return Ok(size);
    }
    let furthest = size.saturating_sub(limit);
    let mut found = 0;
    let mut at = size;
    let mut block = Vec::new();
    while at > furthest {
        let start = at.saturating_sub(BLOCK).max(furthest);
        file.seek(SeekFrom::Start(start))?;
        block.clear();
        (&mut *file).take(at - start).read_to_end(&mut block)?;
        for (index, byte) in block.iter().enumerate().rev() {
            let behind = start + index as u64 + 1;
            // The end of the last line begins none.
            if *byte == b'\n' && behind < size {
                found += 1;
                if found == lines {
                    return Ok(behind);
                }
            }
        }
        at = start;
    }
    Ok(furthest)
}

pub(super) fn is_inner(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

/// Counts the bytes at the end that begin a character and do not end it.
pub(super) fn unfinished(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let byte = bytes[bytes.len() - back];
        if is_inner(byte) {
            continue;
        }
        let needed = match byte {
            0xf0..=0xf7 => 4,
            0xe0..=0xef => 3,
            0xc0..=0xdf => 2,
            _ => 1,
        };
        return if needed > back { back } else { 0 };
    }
    0
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

pub(super) async fn raw(
    headers: HeaderMap,
    open: impl FnOnce() -> Answer<Opened> + Send + 'static,
) -> Answer<Response> {
    blocking(move || {
        let mut opened = open()?;
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
        opened
            .file
            .seek(SeekFrom::Start(from))
            .map_err(|error| Refusal::internal("the file could not be read", &error))?;
        let body = Body::new(Blocks::of(opened.file, to - from));
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

/// The bytes of a file, block by block; the next one is read when the last one was sent.
#[derive(Debug)]
struct Blocks {
    left: u64,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Idle(File),
    Reading(JoinHandle<io::Result<(File, Vec<u8>)>>),
    Over,
}

impl Blocks {
    fn of(file: File, left: u64) -> Self {
        let stage = Stage::Idle(file);
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
                Stage::Idle(mut file) => {
                    let length = usize::try_from(self.left.min(BLOCK)).unwrap_or(0);
                    self.stage = Stage::Reading(tokio::task::spawn_blocking(move || {
                        let mut block = vec![0; length];
                        // A file that has become shorter breaks its answer off.
                        file.read_exact(&mut block)?;
                        Ok((file, block))
                    }));
                }
                Stage::Reading(mut reading) => match Pin::new(&mut reading).poll(cx) {
                    Poll::Pending => {
                        self.stage = Stage::Reading(reading);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(Ok((file, block)))) => {
                        self.left -= block.len() as u64;
                        self.stage = Stage::Idle(file);
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

    fn file(text: &[u8]) -> File {
        use std::io::Write as _;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        file
    }

    #[track_caller]
    fn check(text: &[u8], part: Part, from: u64, expected: &[u8]) {
        let read = read_part(file(text), text.len() as u64, part).unwrap();
        assert_eq!((read.from, read.bytes.as_slice()), (from, expected));
        assert_eq!(read.to, from + expected.len() as u64);
    }

    #[test]
    fn parts_are_what_was_asked_for() {
        check(b"abc", Part::From(0, 10), 0, b"abc");
        check(b"abc", Part::From(1, 1), 1, b"b");
        check(b"abc", Part::From(7, 1), 3, b"");
        check(b"a\nb\nc\n", Part::Tail(2, 100), 2, b"b\nc\n");
        check(b"a\nb\nc", Part::Tail(1, 100), 4, b"c");
        check(b"a\nb", Part::Tail(9, 100), 0, b"a\nb");
        check(b"a\nb", Part::Tail(0, 100), 3, b"");
        check(b"a\nlong line\n", Part::Tail(1, 4), 8, b"ine\n");
        check(b"", Part::Tail(3, 4), 0, b"");
    }

    #[test]
    fn many_lines_are_counted_across_blocks() {
        let text = "0123456789abcde\n".repeat(10_000);
        let expected = &text[text.len() - 16 * 9000..];
        let from = (16 * 1000) as u64;
        let part = Part::Tail(9000, MOST_BYTES);
        check(text.as_bytes(), part, from, expected.as_bytes());
    }

    #[test]
    fn characters_are_not_torn() {
        check("aé".as_bytes(), Part::From(0, 2), 0, b"a");
        check("a€b".as_bytes(), Part::From(0, 3), 0, b"a");
        check("é".as_bytes(), Part::From(0, 1), 0, &[0xc3]);
        check("aéb".as_bytes(), Part::Tail(1, 2), 3, b"b");
        // At the end of the file there is nothing to wait for.
        check(&[b'a', 0xc3], Part::From(0, 9), 0, &[b'a', 0xc3]);
    }

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
