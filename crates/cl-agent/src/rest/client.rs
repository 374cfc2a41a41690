//! Asking: tries, limits, and the way from the socket to the printed lines.

use std::io;
use std::time::Duration;

use cl_storage::redact::Redactor;
use cl_storage::{Clock, FailureKind};
use reqwest::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode};
use tokio::time::{Instant, timeout};

use super::answer::{AnswerReader, refused};
use super::event::Event;
use super::retry::{self, Failed, Next, RetryAfter, TRIES};
use super::settings::Settings;
use super::sse::EventCutter;
use super::{BODY_CAP_BYTES, ERROR_CAP_BYTES, EVENT_CAP_BYTES, tls};

/// How often a service that sends no text is noted.
const ALIVE_EVERY: Duration = Duration::from_secs(5);

/// Waits of "for ever" end some time.
const FOR_EVER: Duration = Duration::from_hours(24 * 365);

/// Asks the service and prints what it answers, in the lines of [`super`].
///
/// `print` writes one line and `note` tells people of a try that failed. Returns
/// the exit code. Cancelling it closes the connection and nothing else.
pub async fn ask(
    settings: &Settings,
    prompt: &str,
    print: &mut dyn FnMut(&str) -> io::Result<()>,
    note: &mut dyn FnMut(&str),
    clock: &dyn Clock,
) -> i32 {
    let mut speaker = Speaker {
        print,
        redactor: Redactor::new(settings.token.clone()),
        last_line: Instant::now(),
    };
    let asked = timeout(
        settings.total.unwrap_or(FOR_EVER),
        try_until_answered(settings, prompt, &mut speaker, note, clock),
    );
    let failed = match asked.await {
        Ok(Ok(())) => return 0,
        Ok(Err(failed)) => failed,
        Err(_) => Failed::new(
            FailureKind::Timeout,
            format!("no answer within {:?}", settings.total.unwrap_or_default()),
        ),
    };
    let retry_at = match retry::next(&failed, TRIES, clock.now(), 0.0) {
        Next::GiveUp(at) => at,
        Next::Pause(_) => None,
    };
    let error = Event::Error {
        kind: failed.kind,
        message: speaker.redactor.redact(&failed.message).into_owned(),
        status: failed.status,
        retry_at,
    };
    // Without a place to say it, the exit code says it.
    speaker.say(&error).unwrap_or_default();
    1
}

async fn try_until_answered(
    settings: &Settings,
    prompt: &str,
    speaker: &mut Speaker<'_>,
    note: &mut dyn FnMut(&str),
    clock: &dyn Clock,
) -> Result<(), Failed> {
    speaker.say(&Event::Start {
        version: 1,
        service: settings.service.kind.as_str().to_owned(),
        model: settings.model.clone(),
        url: settings.shown_url(),
    })?;
    if settings.token.is_none() {
        let text = format!(
            "there is no key: set `token` or `token_file` of this agent in the config, or the variable {}",
            settings.service.token_var
        );
        return Err(Failed::new(FailureKind::Auth, text));
    }
    let client = tls::client(
        &settings.url,
        &settings.ca_files,
        settings.service.user_agent,
    )
    .map_err(|text| Failed::new(FailureKind::SpawnFailed, text))?;
    let body = settings.body(prompt).to_string();
    let mut made = 1;
    loop {
        let failed = match try_once(&client, settings, &body, speaker).await {
            Ok(()) => return Ok(()),
            Err(failed) => failed,
        };
        match retry::next(&failed, made, clock.now(), chance()) {
            Next::GiveUp(_) => return Err(failed),
            Next::Pause(pause) => {
                let why = speaker.redactor.redact(&failed.message).into_owned();
                note(&format!(
                    "try {made} of {TRIES} failed: {why}; asking again in {pause:.1?}"
                ));
                tokio::time::sleep(pause).await;
                made += 1;
            }
        }
    }
}

async fn try_once(
    client: &Client,
    settings: &Settings,
    body: &str,
    speaker: &mut Speaker<'_>,
) -> Result<(), Failed> {
    let token = settings
        .token
        .as_ref()
        .map(secrecy::ExposeSecret::expose_secret);
    let request = client
        .post(settings.url.clone())
        .bearer_auth(token.unwrap_or_default())
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "text/event-stream, application/json")
        .body(body.to_owned());
    let response = within(settings.idle, request.send()).await?;
    let status = response.status();
    if status.is_redirection() {
        let text = format!(
            "HTTP status {}: the address has moved; set `base_url` of this agent",
            status.as_u16()
        );
        return Err(Failed::new(FailureKind::Unknown, text));
    }
    if status != StatusCode::OK {
        let after =
            header(&response, RETRY_AFTER.as_str()).and_then(|text| RetryAfter::parse(&text));
        let body = error_body(settings, response).await;
        return Err(refused(status.as_u16(), &body, after));
    }
    let content_type = header(&response, CONTENT_TYPE.as_str()).unwrap_or_default();
    let content_type = content_type.to_ascii_lowercase();
    let mut reader = AnswerReader::default();
    let read = if content_type.contains("json") {
        read_whole(settings, response, &mut reader, speaker).await
    } else if content_type.is_empty() || content_type.contains("event-stream") {
        read_stream(settings, response, &mut reader, speaker).await
    } else {
        let shown: String = content_type.chars().take(80).collect();
        let text = format!("the service answered with {shown}, neither events nor JSON");
        Err(Failed::passing(text))
    };
    let has_text = reader.has_text();
    let mut events = Vec::new();
    let ended = read.and_then(|()| reader.finish(&mut events));
    let ended = ended.and_then(|()| speaker.say_all(&mut events));
    // Asking again would print a second answer behind the half of the first.
    ended.map_err(|failed| Failed {
        can_repeat: failed.can_repeat && !has_text,
        ..failed
    })
}

async fn read_stream(
    settings: &Settings,
    mut response: Response,
    reader: &mut AnswerReader,
    speaker: &mut Speaker<'_>,
) -> Result<(), Failed> {
    let mut cutter = EventCutter::new(EVENT_CAP_BYTES);
    let mut events = Vec::new();
    let mut result = Ok(());
    while let Some(bytes) = within(settings.idle, response.chunk()).await? {
        let fed = cutter.feed(&bytes, |data| {
            if result.is_ok() {
                result = reader.read(data, &mut events);
            }
        });
        if fed.is_err() {
            let text = format!("the service sent an event of more than {EVENT_CAP_BYTES} bytes");
            return Err(Failed::new(FailureKind::ApiTransient, text));
        }
        speaker.say_all(&mut events)?;
        std::mem::replace(&mut result, Ok(()))?;
        speaker.sign_of_life()?;
    }
    cutter.finish(|data| {
        if result.is_ok() {
            result = reader.read(data, &mut events);
        }
    });
    speaker.say_all(&mut events)?;
    result
}

async fn read_whole(
    settings: &Settings,
    mut response: Response,
    reader: &mut AnswerReader,
    speaker: &mut Speaker<'_>,
) -> Result<(), Failed> {
    let mut body = Vec::new();
    while let Some(bytes) = within(settings.idle, response.chunk()).await? {
        if body.len() + bytes.len() > BODY_CAP_BYTES {
            let text = format!("the service sent more than {BODY_CAP_BYTES} bytes at once");
            return Err(Failed::new(FailureKind::ApiTransient, text));
        }
        body.extend_from_slice(&bytes);
        speaker.sign_of_life()?;
    }
    let mut events = Vec::new();
    let read = reader.read(&String::from_utf8_lossy(&body), &mut events);
    speaker.say_all(&mut events)?;
    read
}

/// Returns the start of an error body; what cannot be read is left out.
async fn error_body(settings: &Settings, mut response: Response) -> String {
    let mut body = Vec::new();
    while body.len() < ERROR_CAP_BYTES
        && let Ok(Some(bytes)) = within(settings.idle, response.chunk()).await
    {
        let room = ERROR_CAP_BYTES - body.len();
        body.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
    String::from_utf8_lossy(&body).into_owned()
}

/// Waits for the service, as long as it may be silent.
async fn within<T>(
    idle: Option<Duration>,
    future: impl Future<Output = reqwest::Result<T>>,
) -> Result<T, Failed> {
    let limit = idle.unwrap_or(FOR_EVER);
    match timeout(limit, future).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            let text = network_text(&error);
            // Nothing makes a certificate good but another one.
            let is_passing = !text.contains("invalid peer certificate");
            Err(Failed {
                can_repeat: is_passing,
                ..Failed::passing(text)
            })
        }
        Err(_) => Err(Failed::new(
            FailureKind::Stall,
            format!("the service was silent for {limit:?}"),
        )),
    }
}

fn network_text(error: &reqwest::Error) -> String {
    let what = if error.is_connect() {
        "could not connect"
    } else if error.is_body() || error.is_decode() {
        "the connection broke off"
    } else {
        "connection error"
    };
    format!("{what}: {}", tls::causes(error))
}

fn header(response: &Response, name: &str) -> Option<String> {
    let value = response.headers().get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

/// Returns a number from 0 to 1 that other workers do not have.
fn chance() -> f64 {
    use std::hash::BuildHasher as _;
    let hash = std::hash::RandomState::new().hash_one(std::process::id());
    f64::from(u32::try_from(hash >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

/// Where the lines go.
struct Speaker<'a> {
    print: &'a mut dyn FnMut(&str) -> io::Result<()>,
    redactor: Redactor,
    last_line: Instant,
}

impl Speaker<'_> {
    fn say(&mut self, event: &Event) -> Result<(), Failed> {
        let line = serde_json::to_string(event)
            .map_err(io::Error::other)
            .and_then(|line| (self.print)(&line));
        self.last_line = Instant::now();
        line.map_err(|error| {
            let text = format!("could not write the answer: {error}");
            Failed::new(FailureKind::Unknown, text)
        })
    }

    fn say_all(&mut self, events: &mut Vec<Event>) -> Result<(), Failed> {
        events.drain(..).try_for_each(|event| self.say(&event))
    }

    /// Shows that something came that is no part of the answer.
    fn sign_of_life(&mut self) -> Result<(), Failed> {
        if self.last_line.elapsed() < ALIVE_EVERY {
            return Ok(());
        }
        self.say(&Event::Alive)
    }
}
