//! From what a service sends to what the worker prints. Pure.

use cl_storage::FailureKind;
use serde_json::Value;

use super::event::{Event, Source};
use super::retry::{Failed, RetryAfter, is_passing};
use crate::stream::{Reported, classify};

/// How much of what a service said is repeated in a message.
const SHOWN_CHARS: usize = 300;

/// More sources than any answer has; the rest is left out.
const MOST_SOURCES: usize = 200;

/// What follows an answer that the service has cut at its own limit.
const CUT_NOTE: &str =
    "\n\n[The answer ends here because the model's limit on its length was reached.]";

/// Reads the chunks of one answer, or the one object that is the whole answer.
#[derive(Debug, Default)]
pub(super) struct AnswerReader {
    model: Option<String>,
    usage: Option<Event>,
    sources: Vec<Source>,
    finish_reason: Option<String>,
    /// Services may end with `[DONE]`; nothing relies on it.
    is_done: bool,
    has_text: bool,
}

impl AnswerReader {
    /// Tells whether a piece of the answer was handed out, so that asking again would repeat it.
    pub(super) fn has_text(&self) -> bool {
        self.has_text
    }

    /// Reads the data of one event and adds what it tells to `events`.
    pub(super) fn read(&mut self, data: &str, events: &mut Vec<Event>) -> Result<(), Failed> {
        let data = data.trim();
        if data == "[DONE]" {
            self.is_done = true;
            return Ok(());
        }
        let chunk: Value = serde_json::from_str(data).map_err(|_| {
            Failed::passing(format!(
                "the service sent an event that is no JSON: {}",
                shown(data)
            ))
        })?;
        if chunk.get("error").is_some_and(|error| !error.is_null()) {
            return Err(reported(&chunk, None, None));
        }
        if let Some(model) =
            text(&chunk["model"]).filter(|name| self.model.as_deref() != Some(*name))
        {
            self.model = Some(model.to_owned());
            events.push(Event::Model {
                model: model.to_owned(),
            });
        }
        // Some repeat these in every chunk, with what is known so far.
        if chunk["usage"].is_object() {
            self.usage = Some(usage(&chunk["usage"]));
        }
        self.read_sources(&chunk);
        let Some(choice) = chunk["choices"].get(0) else {
            return Ok(());
        };
        self.read_choice(choice, events);
        match text(&choice["finish_reason"]) {
            Some("error") => Err(Failed::passing(
                "the service broke its answer off with an error",
            )),
            Some(reason) => {
                self.finish_reason = Some(reason.to_owned());
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn read_choice(&mut self, choice: &Value, events: &mut Vec<Event>) {
        let delta = &choice["delta"];
        if let Some(thought) = delta["reasoning_content"]
            .as_str()
            .filter(|t| !t.is_empty())
        {
            events.push(Event::Reasoning {
                text: thought.to_owned(),
            });
        }
        // `message` beside a delta repeats the whole text so far.
        let piece = match delta.is_object() {
            true => delta["content"].as_str(),
            false if self.has_text => None,
            false => choice["message"]["content"].as_str(),
        };
        if let Some(piece) = piece.filter(|piece| !piece.is_empty()) {
            self.has_text = true;
            events.push(Event::Text {
                text: piece.to_owned(),
            });
        }
    }

    fn read_sources(&mut self, chunk: &Value) {
        let list = |key: &str| chunk[key].as_array().filter(|list| !list.is_empty());
        let mut sources: Vec<Source> = Vec::new();
        let titles = || list("search_results").into_iter().flatten();
        let title_of = |url: &str| {
            let found = titles().find(|result| result["url"] == url)?;
            text(&found["title"]).map(str::to_owned)
        };
        let urls: Vec<&str> = match list("citations") {
            // Numbers in the answer count these, so none may be left out.
            Some(list) => list.iter().map(|one| one.as_str().unwrap_or("-")).collect(),
            None => titles()
                .filter_map(|result| result["url"].as_str())
                .collect(),
        };
        let is_numbered = list("citations").is_some();
        for url in urls.into_iter().take(MOST_SOURCES) {
            if is_numbered || !sources.iter().any(|known| known.url == url) {
                let title = title_of(url);
                sources.push(Source {
                    url: url.to_owned(),
                    title,
                });
            }
        }
        if !sources.is_empty() {
            self.sources = sources;
        }
    }

    /// Decides, when the body has ended, whether that was an answer, and adds its closing events.
    pub(super) fn finish(self, events: &mut Vec<Event>) -> Result<(), Failed> {
        let reason = match self.finish_reason {
            Some(reason) => reason,
            None if self.is_done => "stop".to_owned(),
            None => return Err(Failed::passing("the answer was cut off before its end")),
        };
        match reason.as_str() {
            "content_filter" => {
                let text = "the service refused to answer (finish_reason content_filter)";
                return Err(Failed::new(FailureKind::PermissionBlocked, text));
            }
            "length" if self.has_text => events.push(Event::Text {
                text: CUT_NOTE.to_owned(),
            }),
            _ if !self.has_text => {
                let text = format!(
                    "the service gave no text (finish_reason {})",
                    shown(&reason)
                );
                return Err(Failed::new(FailureKind::Unknown, text));
            }
            _ => {}
        }
        if !self.sources.is_empty() {
            events.push(Event::Citations {
                sources: self.sources,
            });
        }
        events.extend(self.usage);
        events.push(Event::End {
            finish_reason: reason,
        });
        Ok(())
    }
}

/// Returns what an answer with an error status means.
pub(super) fn refused(status: u16, body: &str, retry_after: Option<RetryAfter>) -> Failed {
    match serde_json::from_str::<Value>(body) {
        Ok(body) => reported(&body, Some(status), retry_after),
        Err(_) => failed(
            status_and(Some(status), body),
            None,
            Some(status),
            retry_after,
        ),
    }
}

/// Reads the two shapes of errors: an object with message, type and code, or a plain text.
fn reported(body: &Value, status: Option<u16>, retry_after: Option<RetryAfter>) -> Failed {
    let error = &body["error"];
    let message = text(error)
        .or_else(|| text(&error["message"]))
        .or_else(|| text(&body["message"]))
        .or_else(|| text(&body["detail"]))
        .unwrap_or_default();
    let code = [&error["code"], &error["type"], &body["code"]]
        .into_iter()
        .find_map(text);
    // An error inside of a stream may name the status as its code.
    let status = status.or_else(|| {
        let number = error["code"].as_u64().or_else(|| code?.parse().ok())?;
        u16::try_from(number)
            .ok()
            .filter(|status| (400..600).contains(status))
    });
    failed(status_and(status, message), code, status, retry_after)
}

fn failed(
    message: String,
    code: Option<&str>,
    status: Option<u16>,
    retry_after: Option<RetryAfter>,
) -> Failed {
    let kind = classify(&Reported {
        status,
        code: code.map(str::to_owned),
        text: message.clone(),
        ..Reported::default()
    });
    let kind = kind.unwrap_or(FailureKind::Unknown);
    let by_status = status.is_some_and(is_passing);
    let by_kind = matches!(
        kind,
        FailureKind::ApiTransient | FailureKind::Overloaded | FailureKind::LimitWindow
    );
    Failed {
        status,
        retry_after,
        can_repeat: by_kind && (by_status || status.is_none()),
        ..Failed::new(kind, message)
    }
}

fn status_and(status: Option<u16>, message: &str) -> String {
    let message = shown(message);
    match (status, message.is_empty()) {
        (Some(status), true) => format!("HTTP status {status}"),
        (Some(status), false) => format!("HTTP status {status}: {message}"),
        (None, true) => "the service reported an error".to_owned(),
        (None, false) => message,
    }
}

/// Returns a text as the start of one line.
fn shown(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(SHOWN_CHARS).collect()
}

fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.trim().is_empty())
}

fn usage(usage: &Value) -> Event {
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let input = number(&usage["prompt_tokens"]);
    let cached = number(&usage["prompt_tokens_details"]["cached_tokens"]).min(input);
    // Whether thinking is part of the completion differs; the total holds it.
    let beyond_input = number(&usage["total_tokens"]).saturating_sub(input);
    let cost = &usage["cost"];
    Event::Usage {
        input_tokens: input - cached,
        output_tokens: number(&usage["completion_tokens"]).max(beyond_input),
        cache_read_tokens: cached,
        cost_usd: cost.as_f64().or_else(|| cost["total_cost"].as_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(chunks: &[&str]) -> (Vec<Event>, Result<(), Failed>) {
        let mut reader = AnswerReader::default();
        let mut events = Vec::new();
        for chunk in chunks {
            if let Err(failed) = reader.read(chunk, &mut events) {
                return (events, Err(failed));
            }
        }
        let end = reader.finish(&mut events);
        (events, end)
    }

    fn said(events: &[Event]) -> String {
        let texts = events.iter().filter_map(|event| match event {
            Event::Text { text } => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    fn chunk(delta: &Value, finish: Option<&str>) -> String {
        json!({"model": "m", "choices": [{"delta": delta, "finish_reason": finish}]}).to_string()
    }

    #[test]
    fn deltas_are_joined_as_they_are_and_repeats_are_not_dropped() {
        let chunks = [
            chunk(&json!({"role": "assistant", "content": ""}), None),
            chunk(&json!({"content": "OK"}), None),
            chunk(&json!({"reasoning_content": "hm"}), None),
            chunk(&json!({"content": " OK"}), None),
            chunk(&json!({"content": "OK"}), None),
            chunk(&json!({}), Some("stop")),
        ];
        let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
        let (events, end) = read(&chunks);
        assert_eq!((said(&events).as_str(), end), ("OK OKOK", Ok(())));
        assert!(events.contains(&Event::Reasoning {
            text: "hm".to_owned()
        }));
        let models = events.iter().filter(|e| matches!(e, Event::Model { .. }));
        assert_eq!(models.count(), 1, "told once");
        assert_eq!(
            events.last(),
            Some(&Event::End {
                finish_reason: "stop".to_owned()
            })
        );
    }

    #[test]
    fn the_whole_text_beside_a_delta_is_not_taken() {
        let one = |content: &str, so_far: &str, finish: Option<&str>| {
            json!({"choices": [{"delta": {"content": content}, "message": {"content": so_far}, "finish_reason": finish}],
                   "usage": {"prompt_tokens": 3, "completion_tokens": so_far.len(), "cost": {"total_cost": 0.5}}})
            .to_string()
        };
        let (events, end) = read(&[&one("ab", "ab", None), &one("c", "abc", Some("stop"))]);
        assert_eq!((said(&events).as_str(), end), ("abc", Ok(())));
        let usage = Event::Usage {
            input_tokens: 3,
            output_tokens: 3,
            cache_read_tokens: 0,
            cost_usd: Some(0.5),
        };
        assert!(events.contains(&usage), "the last one counts: {events:?}");
    }

    #[test]
    fn a_single_object_is_an_answer() {
        let whole = json!({"model": "m", "choices": [{"message": {"content": "Hi."}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 17, "prompt_tokens_details": {"cached_tokens": 4}}});
        let (events, end) = read(&[&whole.to_string()]);
        assert_eq!((said(&events).as_str(), end), ("Hi.", Ok(())));
        let usage = Event::Usage {
            input_tokens: 6,
            output_tokens: 7,
            cache_read_tokens: 4,
            cost_usd: None,
        };
        assert!(events.contains(&usage), "{events:?}");
    }

    #[test]
    fn sources_keep_the_numbers_of_the_answer() {
        let last = |extra: Value| {
            let mut chunk: Value =
                serde_json::from_str(&chunk(&json!({"content": "x"}), Some("stop"))).unwrap();
            chunk
                .as_object_mut()
                .unwrap()
                .extend(extra.as_object().unwrap().clone());
            chunk.to_string()
        };
        let found = |extra: Value| {
            let (events, _) = read(&[&last(extra)]);
            events.into_iter().find_map(|event| match event {
                Event::Citations { sources } => Some(sources),
                _ => None,
            })
        };
        let source = |url: &str, title: Option<&str>| Source {
            url: url.to_owned(),
            title: title.map(str::to_owned),
        };
        let results = json!([{"url": "u2", "title": "T"}, {"url": "u2"}, {"title": "no address"}]);
        assert_eq!(
            found(json!({"citations": ["u1", "u2", "u1"], "search_results": results})),
            Some(vec![
                source("u1", None),
                source("u2", Some("T")),
                source("u1", None)
            ])
        );
        assert_eq!(
            found(json!({"search_results": results})),
            Some(vec![source("u2", Some("T"))])
        );
        assert_eq!(found(json!({"citations": []})), None);
    }

    #[track_caller]
    fn check_end(chunks: &[&str], kind: FailureKind, can_repeat: bool) {
        let failed = read(chunks).1.unwrap_err();
        assert_eq!(
            (failed.kind, failed.can_repeat),
            (kind, can_repeat),
            "{failed:?}"
        );
    }

    #[test]
    fn an_answer_without_its_end_is_none() {
        let piece = chunk(&json!({"content": "half"}), None);
        let filtered = chunk(&json!({}), Some("content_filter"));
        let silent = chunk(&json!({}), Some("stop"));
        check_end(&[&piece], FailureKind::ApiTransient, true);
        check_end(&[], FailureKind::ApiTransient, true);
        check_end(&["{\"choices\": [{\"del"], FailureKind::ApiTransient, true);
        check_end(
            &[&chunk(&json!({}), Some("error"))],
            FailureKind::ApiTransient,
            true,
        );
        check_end(&[&piece, &filtered], FailureKind::PermissionBlocked, false);
        check_end(&[&silent], FailureKind::Unknown, false);
        assert_eq!(
            read(&[&piece, "[DONE]"]).1,
            Ok(()),
            "some never name a reason"
        );
        let (events, _) = read(&[&piece, &chunk(&json!({}), Some("length"))]);
        assert!(said(&events).starts_with("half\n\n[The answer ends here"));
    }

    #[test]
    fn errors_have_two_shapes_and_come_in_streams_too() {
        let error = json!({"error": {"message": "slow down", "type": "server_error", "code": 529}});
        check_end(&[&error.to_string()], FailureKind::Overloaded, true);
        let error =
            json!({"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}});
        check_end(&[&error.to_string()], FailureKind::Auth, false);
        check_end(
            &["{\"error\": \"Overloaded\"}"],
            FailureKind::Overloaded,
            true,
        );
    }

    #[test]
    fn statuses_become_kinds() {
        use FailureKind as K;
        for (status, body, kind, can_repeat) in [
            (401, "{\"error\":{\"message\":\"bad key\"}}", K::Auth, false),
            (403, "", K::Auth, false),
            (
                403,
                "{\"code\":\"x\",\"error\":\"You are out of credits\"}",
                K::LimitCredit,
                false,
            ),
            (402, "", K::LimitCredit, false),
            (
                429,
                "{\"error\":{\"message\":\"x\",\"code\":\"insufficient_quota\"}}",
                K::LimitCredit,
                false,
            ),
            (429, "", K::LimitWindow, true),
            (500, "<html>oops</html>", K::ApiTransient, true),
            (
                503,
                "{\"error\":\"The model is at capacity\"}",
                K::Overloaded,
                true,
            ),
            (529, "", K::Overloaded, true),
            (404, "{\"error\":\"no such model\"}", K::Unknown, false),
            (
                400,
                "{\"error\":{\"message\":\"maximum context length\"}}",
                K::ContextOverflow,
                false,
            ),
        ] {
            let failed = refused(status, body, None);
            assert_eq!(
                (failed.kind, failed.can_repeat),
                (kind, can_repeat),
                "{failed:?}"
            );
            assert!(failed.message.starts_with(&format!("HTTP status {status}")));
        }
    }
}
