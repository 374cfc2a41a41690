//! Reading one step of a script.

use std::collections::BTreeMap;
use std::time::Duration;

use cl_config::parse_duration;
use cl_storage::TaskId;
use serde_json::Value;

use super::script::{Flood, Keys, Resets, ScriptError, Step, scalar};
use super::stage::{Background, Output, WriteMode};

/// How long a `wait_for` waits where the script does not say.
const DEFAULT_WAIT: Duration = Duration::from_secs(30);

const KNOWN: &str = "say, sleep, write, append, run, post, spawn, done, output, hang, ignore_term, \
flood, exit, close, signal, event, print, stderr, usage, limit, error, wait_for, expect_prompt";

/// Reads a mapping of one key, the step's name.
pub(super) fn read_step(place: &str, step: Value) -> Result<Step, ScriptError> {
    let (name, value) = match step {
        Value::Object(keys) if keys.len() == 1 => match keys.into_iter().next() {
            Some(entry) => entry,
            None => unreachable!("it has one key"),
        },
        Value::String(name) => (name, Value::Bool(true)),
        _ => {
            return Err(ScriptError::new(
                place,
                "must be one step, such as `say: text`",
            ));
        }
    };
    let at = format!("{place} ({name})");
    let at = at.as_str();
    match name.as_str() {
        "say" => scalar(at, value).map(Step::Say),
        "sleep" => duration(at, value).map(Step::Sleep),
        "write" => write(at, value, WriteMode::Replace),
        "append" => write(at, value, WriteMode::Append),
        "run" => run(at, value),
        "post" => post(at, value),
        "spawn" => spawn(at, value),
        "done" => switch(at, &value, Step::Done),
        "output" => scalar(at, value).map(Step::Output),
        "hang" => switch(at, &value, Step::Hang),
        "ignore_term" => switch(at, &value, Step::IgnoreTerm),
        "flood" => flood(at, value),
        "exit" => exit(at, value),
        "close" => switch(at, &value, Step::Close),
        "signal" => signal(at, value),
        "event" if value.is_object() => Ok(Step::Event(value)),
        "event" => Err(ScriptError::new(at, "must be a mapping, printed as JSON")),
        "print" => print(at, value, Output::Stdout),
        "stderr" => print(at, value, Output::Stderr),
        "usage" => usage(at, value),
        "limit" => limit(at, value),
        "error" => error(at, value),
        "wait_for" => wait_for(at, value),
        "expect_prompt" => scalar(at, value).map(Step::ExpectPrompt),
        _ => Err(ScriptError::new(
            place,
            format!("unknown step `{name}`; known are {KNOWN}"),
        )),
    }
}

fn switch(at: &str, value: &Value, step: Step) -> Result<Step, ScriptError> {
    match value {
        Value::Bool(true) => Ok(step),
        _ => Err(ScriptError::new(at, "its only value is true")),
    }
}

fn print(at: &str, value: Value, to: Output) -> Result<Step, ScriptError> {
    let text = scalar(at, value)?;
    Ok(Step::Print { text, to })
}

fn write(at: &str, value: Value, mode: WriteMode) -> Result<Step, ScriptError> {
    let mut keys = Keys::new(at, value)?;
    let path = keys.needed_text("path")?;
    let content = keys.text("content")?.unwrap_or_default();
    keys.end(&["path", "content"])?;
    Ok(Step::Write {
        path,
        content,
        mode,
    })
}

fn run(at: &str, value: Value) -> Result<Step, ScriptError> {
    if !value.is_object() {
        return Ok(Step::Run {
            command: scalar(at, value)?,
            env: BTreeMap::new(),
            background: Background::No,
            ignore_failure: false,
        });
    }
    let mut keys = Keys::new(at, value)?;
    let command = keys.needed_text("command")?;
    let background = if keys.flag("background")? {
        Background::Yes
    } else {
        Background::No
    };
    let ignore_failure = keys.flag("ignore_failure")?;
    let mut env = BTreeMap::new();
    if let Some(value) = keys.take("env") {
        let place = keys.under("env");
        for (name, value) in Keys::new(&place, value)?.into_entries() {
            env.insert(name, scalar(&place, value)?);
        }
    }
    keys.end(&["command", "env", "background", "ignore_failure"])?;
    Ok(Step::Run {
        command,
        env,
        background,
        ignore_failure,
    })
}

fn post(at: &str, value: Value) -> Result<Step, ScriptError> {
    let mut keys = Keys::new(at, value)?;
    let kind = keys.text("type")?.unwrap_or_else(|| "INFO".to_owned());
    let body = keys.needed_text("body")?;
    keys.end(&["type", "body"])?;
    Ok(Step::Post { kind, body })
}

fn spawn(at: &str, value: Value) -> Result<Step, ScriptError> {
    let mut keys = Keys::new(at, value)?;
    let prompt = keys.needed_text("prompt")?;
    let task = keys.text("task")?;
    if let Some(task) = &task {
        TaskId::parse(task).map_err(|error| ScriptError::new(&keys.under("task"), error))?;
    }
    let args = match keys.take("args") {
        None => Vec::new(),
        Some(Value::Array(args)) => args
            .into_iter()
            .map(|arg| scalar(at, arg))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(ScriptError::new(at, "`args` must be a list of texts")),
    };
    keys.end(&["prompt", "task", "args"])?;
    Ok(Step::Spawn { prompt, task, args })
}

fn flood(at: &str, value: Value) -> Result<Step, ScriptError> {
    let mut keys = Keys::new(at, value)?;
    let bytes = keys.take("bytes").map(|n| amount(at, n)).transpose()?;
    let lines = keys.take("lines").map(|n| amount(at, n)).transpose()?;
    let to = match keys.text("stream")?.as_deref() {
        None | Some("stdout") => Output::Stdout,
        Some("stderr") => Output::Stderr,
        Some(_) => return Err(ScriptError::new(at, "`stream` is stdout or stderr")),
    };
    keys.end(&["bytes", "lines", "stream"])?;
    let amount = match (bytes, lines) {
        (Some(bytes), None) => Flood::Bytes(bytes),
        (None, Some(lines)) => Flood::Lines(lines),
        _ => return Err(ScriptError::new(at, "needs either `bytes` or `lines`")),
    };
    Ok(Step::Flood { amount, to })
}

/// Reads a number, or a text such as `20MiB`.
fn amount(at: &str, value: Value) -> Result<u64, ScriptError> {
    let text = scalar(at, value)?;
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let (number, unit) = units
        .into_iter()
        .find_map(|(unit, size)| Some((text.strip_suffix(unit)?, size)))
        .unwrap_or((text.as_str(), 1));
    number
        .trim()
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| ScriptError::new(at, format!("`{text}` is no amount, such as 20MiB")))
}

fn exit(at: &str, value: Value) -> Result<Step, ScriptError> {
    let (code, closing) = if value.is_object() {
        let mut keys = Keys::new(at, value)?;
        let code = keys.take("code").unwrap_or(Value::from(0));
        let closing = keys.flag("closing")?;
        keys.end(&["code", "closing"])?;
        (code, Some(closing))
    } else {
        (value, None)
    };
    let code = code
        .as_i64()
        .and_then(|code| i32::try_from(code).ok())
        .filter(|code| (0..=255).contains(code))
        .ok_or_else(|| ScriptError::new(at, "the code must be a number from 0 to 255"))?;
    Ok(Step::Exit {
        code,
        closing: closing.unwrap_or(code == 0),
    })
}

fn signal(at: &str, value: Value) -> Result<Step, ScriptError> {
    let name = scalar(at, value)?.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    match name {
        "KILL" | "TERM" | "INT" | "HUP" | "QUIT" | "ABRT" | "SEGV" | "STOP" => {
            Ok(Step::Signal(name.to_owned()))
        }
        _ => Err(ScriptError::new(
            at,
            "must be one of KILL, TERM, INT, HUP, QUIT, ABRT, SEGV, STOP",
        )),
    }
}

fn usage(at: &str, value: Value) -> Result<Step, ScriptError> {
    let mut keys = Keys::new(at, value)?;
    let input = keys.take("input_tokens").map(|n| amount(at, n));
    let output = keys.take("output_tokens").map(|n| amount(at, n));
    let cost_usd = keys.take("cost_usd").and_then(|cost| cost.as_f64());
    keys.end(&["input_tokens", "output_tokens", "cost_usd"])?;
    Ok(Step::Usage {
        input_tokens: input.transpose()?.unwrap_or(0),
        output_tokens: output.transpose()?.unwrap_or(0),
        cost_usd,
    })
}

fn limit(at: &str, value: Value) -> Result<Step, ScriptError> {
    if value == Value::Bool(true) {
        return Ok(Step::Limit { resets: None });
    }
    let mut keys = Keys::new(at, value)?;
    let resets = match keys.take("resets_at") {
        Some(at_epoch) => Some(Resets::At(at_epoch.as_i64().ok_or_else(|| {
            ScriptError::new(at, "`resets_at` is a number of seconds since 1970")
        })?)),
        None => keys
            .take("resets_in")
            .map(|value| duration(at, value).map(Resets::In))
            .transpose()?,
    };
    let used_percent = keys
        .take("used_percent")
        .map(|value| {
            let percent = value
                .as_u64()
                .and_then(|percent| u8::try_from(percent).ok());
            let percent = percent.filter(|percent| *percent <= 100);
            percent.ok_or_else(|| ScriptError::new(at, "`used_percent` is a number up to 100"))
        })
        .transpose()?;
    keys.end(&["resets_at", "resets_in", "used_percent"])?;
    Ok(match used_percent {
        Some(used_percent) => Step::LimitUse {
            used_percent,
            resets,
        },
        None => Step::Limit { resets },
    })
}

fn error(at: &str, value: Value) -> Result<Step, ScriptError> {
    let mut keys = Keys::new(at, value)?;
    let status = keys
        .take("status")
        .and_then(|status| status.as_u64())
        .and_then(|status| u16::try_from(status).ok())
        .filter(|status| (400..600).contains(status))
        .ok_or_else(|| ScriptError::new(at, "`status` must be a number from 400 to 599"))?;
    let message = keys.text("message")?;
    keys.end(&["status", "message"])?;
    Ok(Step::Error { status, message })
}

fn wait_for(at: &str, value: Value) -> Result<Step, ScriptError> {
    if !value.is_object() {
        return Ok(Step::WaitFor {
            file: scalar(at, value)?,
            timeout: DEFAULT_WAIT,
        });
    }
    let mut keys = Keys::new(at, value)?;
    let file = keys.needed_text("file")?;
    let timeout = keys.take("timeout").map(|value| duration(at, value));
    keys.end(&["file", "timeout"])?;
    Ok(Step::WaitFor {
        file,
        timeout: timeout.transpose()?.unwrap_or(DEFAULT_WAIT),
    })
}

/// Reads a duration; a bare number is seconds.
fn duration(at: &str, value: Value) -> Result<Duration, ScriptError> {
    if let Some(seconds) = value.as_f64() {
        return Duration::try_from_secs_f64(seconds).map_err(|error| ScriptError::new(at, error));
    }
    let text = scalar(at, value)?;
    parse_duration(&text).map_err(|error| ScriptError::new(at, error))
}
