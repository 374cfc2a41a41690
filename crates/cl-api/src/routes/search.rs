//! Searching a file of a run, a bounded piece of it with each request.

use std::fs::File;
use std::io;

use axum::extract::{Path, Query, State};
use cl_wire::projects::{FileHit, FileHits};
use memchr::memmem::Finder;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::files;
use crate::answer::{Answer, Json, Refusal, blocking};
use crate::app::App;
use crate::stream::read_at;

/// The most bytes that one request goes through.
const MOST_SEARCHED: u64 = 64 * 1024 * 1024;
/// The most places that one answer has, and how many it has unless it is asked for others.
const MOST_HITS: u64 = 500;
const USUAL_HITS: u64 = 100;
/// The longest text that is searched for.
const LONGEST: usize = 1024;
/// How much is read at once.
const CHUNK: u64 = 256 * 1024;
/// How much is shown before and behind a place.
const BEFORE: u64 = 80;
const BEHIND: u64 = 200;

/// Returns the routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(search_run_file))
}

/// What is searched for, and where.
#[derive(Debug, Deserialize)]
struct Sought {
    name: Option<String>,
    q: Option<String>,
    from: Option<u64>,
    limit: Option<u64>,
}

/// Finds where a text stands in a file of a run, from a place on.
///
/// Large and small letters of ASCII are alike. One request goes through 64 MiB at the most;
/// `next` says where to go on.
#[utoipa::path(
    get, path = "/api/projects/{project_id}/tasks/{task_id}/runs/{run_id}/file/search", tag = "files",
    params(
        ("project_id" = String, Path), ("task_id" = String, Path), ("run_id" = String, Path),
        ("name" = Option<String>, Query, description = files::RUN_FILES),
        ("q" = String, Query, description = "The text; at most 1024 bytes"),
        ("from" = Option<u64>, Query, description = "From this byte on"),
        ("limit" = Option<u64>, Query, description = "At most so many places; 100 unless given, never more than 500")
    ),
    responses((status = 200, body = FileHits), (status = 400, body = cl_wire::Problem), (status = 403, body = cl_wire::Problem), (status = 404, body = cl_wire::Problem))
)]
async fn search_run_file(
    State(app): State<App>,
    Path(ids): Path<(String, String, String)>,
    Query(sought): Query<Sought>,
) -> Answer<Json<FileHits>> {
    let text = sought.q.filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| Refusal::bad_request("q is required"))?;
    if text.len() > LONGEST {
        let refusal = format!("q must not be longer than {LONGEST} bytes");
        return Err(Refusal::bad_request(refusal));
    }
    let limit = sought.limit.unwrap_or(USUAL_HITS).clamp(1, MOST_HITS);
    let run = files::run_of(&app, &ids)?;
    blocking(move || {
        let name = files::run_file_name(sought.name);
        let path = files::of_run(&app, &run()?, &name)?;
        let opened = files::open(&name, &path)?;
        let size = opened.size;
        let from = sought.from.unwrap_or(0).min(size);
        let found = find(&opened.file, size, &text, from, limit);
        let found =
            found.map_err(|error| Refusal::internal("the file could not be read", &error))?;
        let shown = |(at, excerpt): (u64, String)| FileHit {
            at,
            excerpt: app.audit.redactor().redact_known(&excerpt).into_owned(),
        };
        Ok(Json(FileHits {
            name,
            hits: found.hits.into_iter().map(shown).collect(),
            next: Some(found.next).filter(|next| *next < size),
            size_bytes: size,
        }))
    })
    .await
}

/// What was found, and where to go on.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    hits: Vec<(u64, String)>,
    next: u64,
}

/// Searches `file`, which has `size` bytes, from `from` on; blocks.
fn find(file: &File, size: u64, text: &str, from: u64, limit: u64) -> io::Result<Found> {
    let needle = text.to_ascii_lowercase();
    let finder = Finder::new(needle.as_bytes());
    let length = needle.len() as u64;
    let end = size.min(from.saturating_add(MOST_SEARCHED));
    let mut hits: Vec<(u64, String)> = Vec::new();
    let mut chunk = Vec::new();
    let mut at = from;
    // A text that begins before the end may stand behind it.
    while at < end && at + length <= size {
        let wanted = CHUNK.min(end - at) + length - 1;
        chunk.resize(usize::try_from(wanted.min(size - at)).unwrap_or(0), 0);
        let read = read_at(file, &mut chunk, at)?;
        chunk.truncate(read);
        chunk.make_ascii_lowercase();
        let mut behind = 0;
        for found in finder.find_iter(&chunk) {
            let place = at + found as u64;
            if hits.len() as u64 == limit {
                return Ok(Found { hits, next: place });
            }
            hits.push((place, excerpt(file, place, length, size)?));
            behind = found + needle.len();
        }
        if (read as u64) < length {
            // The file has become shorter.
            break;
        }
        // Behind what was found, and before what might begin at the end of what was read.
        at += (behind as u64).max(read as u64 + 1 - length);
    }
    let next = if at + length > size { size } else { at };
    Ok(Found { hits, next })
}

/// Returns what stands around a place, of its line only.
fn excerpt(file: &File, place: u64, length: u64, size: u64) -> io::Result<String> {
    let start = place.saturating_sub(BEFORE);
    let end = size.min(place + length + BEHIND);
    let mut bytes = vec![0; usize::try_from(end - start).unwrap_or(0)];
    let read = read_at(file, &mut bytes, start)?;
    let inside = usize::try_from(place - start).unwrap_or(0).min(read);
    let (before, behind) = bytes[..read].split_at(inside);
    let begin = before.iter().rposition(|byte| *byte == b'\n');
    let before = match begin {
        Some(feed) => &before[feed + 1..],
        // Bytes that continue a character belong to what stands before.
        None if start > 0 => {
            let cut = before
                .iter()
                .take(3)
                .take_while(|byte| files::is_inner(**byte));
            &before[cut.count()..]
        }
        None => before,
    };
    let feed = behind.iter().position(|byte| *byte == b'\n');
    let behind = match feed {
        Some(feed) => &behind[..feed],
        None if end < size => &behind[..behind.len() - files::unfinished(behind)],
        None => behind,
    };
    let mut shown = String::from_utf8_lossy(before).into_owned();
    shown.push_str(&String::from_utf8_lossy(behind));
    Ok(shown)
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

    fn places(text: &[u8], sought: &str, from: u64, limit: u64) -> (Vec<u64>, u64) {
        let found = find(&file(text), text.len() as u64, sought, from, limit).unwrap();
        (
            found.hits.into_iter().map(|hit| hit.0).collect(),
            found.next,
        )
    }

    #[test]
    fn places_are_found_whatever_the_case() {
        assert_eq!(
            places(b"Error, ERROR\nerror", "eRRor", 0, 9),
            (vec![0, 7, 13], 18)
        );
        assert_eq!(places(b"aaaa", "aa", 0, 9), (vec![0, 2], 4));
        assert_eq!(places(b"abc", "d", 0, 9), (vec![], 3));
        assert_eq!(places(b"ab", "abc", 0, 9), (vec![], 2));
        assert_eq!(places(b"", "a", 0, 9), (vec![], 0));
        assert_eq!(places("für".as_bytes(), "ü", 0, 9), (vec![1], 4));
    }

    #[test]
    fn a_search_goes_on_where_it_ended() {
        let text = "x needle\n".repeat(100);
        let (mut all, mut from) = (Vec::new(), 0);
        while from < text.len() as u64 {
            let (found, next) = places(text.as_bytes(), "needle", from, 7);
            assert!(next > from);
            all.extend(found);
            from = next;
        }
        let expected: Vec<u64> = (0..100).map(|line| line * 9 + 2).collect();
        assert_eq!(all, expected);
    }

    #[test]
    fn what_lies_across_what_is_read_at_once_is_found_once() {
        for shift in 0..8 {
            let mut text = vec![b'.'; usize::try_from(CHUNK).unwrap() * 2 - shift];
            text.extend(b"needle");
            text.extend(vec![b'.'; 1000]);
            let at = CHUNK * 2 - shift as u64;
            assert_eq!(places(&text, "needle", 0, 9), (vec![at], text.len() as u64));
        }
    }

    #[track_caller]
    fn check_excerpt(text: &str, sought: &str, expected: &str) {
        let found = find(&file(text.as_bytes()), text.len() as u64, sought, 0, 1).unwrap();
        assert_eq!(found.hits[0].1, expected);
    }

    #[test]
    fn what_stands_around_is_of_the_line_and_has_whole_characters() {
        check_excerpt("one\ntwo needle three\nfour", "needle", "two needle three");
        check_excerpt("needle", "needle", "needle");
        let long = format!("{}needle{}", "é".repeat(500), "ü".repeat(500));
        check_excerpt(
            &long,
            "needle",
            &format!("{}needle{}", "é".repeat(40), "ü".repeat(100)),
        );
        let odd = format!("{}xneedle{}", "é".repeat(500), "ü".repeat(500));
        check_excerpt(
            &odd,
            "needle",
            &format!("{}xneedle{}", "é".repeat(39), "ü".repeat(100)),
        );
    }
}
