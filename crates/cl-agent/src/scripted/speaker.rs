//! Saying things in the stream format of an adapter.
//!
//! The lines have the fields that the real programs print (observed on Claude
//! Code 2.1.329, Codex 0.169.0, Gemini CLI 0.61.0, OpenCode 1.18.33, Qwen Code
//! 0.24.4, Copilot CLI 1.0.102, Pi 0.73.1) as far as anybody reads them. The lines
//! of the last four are made in [`younger`].

mod younger;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kind::Dialect;

/// Tokens and money that the agent claims to have used.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Claimed {
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
    pub(super) cost_usd: Option<f64>,
}

/// What a failing agent prints, and the code it exits with.
#[derive(Debug)]
pub(super) struct Failing {
    pub(super) stdout: Vec<String>,
    pub(super) stderr: Option<String>,
    pub(super) code: i32,
}

/// Builds the lines of one run; all methods return complete lines.
#[derive(Debug)]
pub(super) struct Speaker {
    dialect: Dialect,
    session: String,
    model: String,
    last_said: String,
    turns: u32,
    tools: u32,
    claimed: Option<Claimed>,
}

impl Speaker {
    pub(super) fn new(dialect: Dialect, session: String, model: String) -> Self {
        Self {
            dialect,
            session,
            model,
            last_said: String::new(),
            turns: 0,
            tools: 0,
            claimed: None,
        }
    }

    /// Sets what the closing event will claim.
    pub(super) fn claim(&mut self, claimed: Claimed) {
        self.claimed = Some(claimed);
    }

    /// Returns what is printed before anything else.
    pub(super) fn start(&self, prompt: &str, now: Timestamp) -> Vec<String> {
        let session = &self.session;
        let events = match self.dialect {
            Dialect::Claude => vec![json!({
                "type": "system", "subtype": "init", "session_id": session, "model": self.model,
                "tools": ["Bash", "Read", "Write"], "permissionMode": "bypassPermissions",
            })],
            Dialect::Codex => vec![
                json!({"type": "thread.started", "thread_id": session}),
                json!({"type": "turn.started"}),
            ],
            Dialect::Gemini => vec![
                json!({"type": "init", "timestamp": now, "session_id": session, "model": self.model}),
                json!({"type": "message", "timestamp": now, "role": "user", "content": prompt}),
            ],
            Dialect::Opencode | Dialect::Qwen | Dialect::Copilot | Dialect::Pi => {
                self.younger_start(prompt, now)
            }
            Dialect::Rest | Dialect::Acp | Dialect::Jsonl | Dialect::Text => Vec::new(),
        };
        lines(&events)
    }

    /// Says a text.
    pub(super) fn say(&mut self, text: &str, now: Timestamp) -> Vec<String> {
        self.turns += 1;
        text.clone_into(&mut self.last_said);
        let event = match self.dialect {
            Dialect::Claude => self.claude_message(&json!({"type": "text", "text": text})),
            Dialect::Codex => json!({
                "type": "item.completed",
                "item": {"id": self.item_id(), "type": "agent_message", "text": text},
            }),
            Dialect::Gemini => json!({
                "type": "message", "timestamp": now, "role": "assistant",
                "content": format!("{text}\n"), "delta": true,
            }),
            Dialect::Opencode | Dialect::Qwen | Dialect::Copilot | Dialect::Pi => {
                return lines(&self.younger_text(text, now));
            }
            Dialect::Rest | Dialect::Acp | Dialect::Jsonl | Dialect::Text => {
                return vec![format!("{text}\n")];
            }
        };
        lines(&[event])
    }

    /// Announces a shell command.
    pub(super) fn tool_starts(&mut self, command: &str, now: Timestamp) -> Vec<String> {
        self.tools += 1;
        let id = self.tool_id();
        let event = match self.dialect {
            Dialect::Claude => self.claude_message(&json!({
                "type": "tool_use", "id": id, "name": "Bash", "input": {"command": command},
            })),
            Dialect::Codex => json!({
                "type": "item.started",
                "item": {
                    "id": self.item_id(), "type": "command_execution", "command": command,
                    "aggregated_output": "", "exit_code": null, "status": "in_progress",
                },
            }),
            Dialect::Gemini => json!({
                "type": "tool_use", "timestamp": now, "tool_name": "run_shell_command",
                "tool_id": id, "parameters": {"command": command},
            }),
            Dialect::Opencode | Dialect::Qwen | Dialect::Copilot | Dialect::Pi => {
                return lines(&self.younger_tool_start(command, now));
            }
            Dialect::Rest | Dialect::Acp | Dialect::Jsonl | Dialect::Text => return Vec::new(),
        };
        lines(&[event])
    }

    /// Shows what came of the command announced last.
    pub(super) fn tool_ends(
        &self,
        command: &str,
        output: &str,
        code: i32,
        now: Timestamp,
    ) -> Vec<String> {
        let id = self.tool_id();
        let event = match self.dialect {
            Dialect::Claude => json!({
                "type": "user", "session_id": self.session, "parent_tool_use_id": null,
                "message": {"role": "user", "content": [{
                    "type": "tool_result", "tool_use_id": id, "content": output,
                    "is_error": code != 0,
                }]},
            }),
            Dialect::Codex => json!({
                "type": "item.completed",
                "item": {
                    "id": self.item_id(), "type": "command_execution", "command": command,
                    "aggregated_output": output, "exit_code": code,
                    "status": if code == 0 { "completed" } else { "failed" },
                },
            }),
            Dialect::Gemini => json!({
                "type": "tool_result", "timestamp": now, "tool_id": id,
                "status": if code == 0 { "success" } else { "error" }, "output": output,
            }),
            Dialect::Opencode | Dialect::Qwen | Dialect::Copilot | Dialect::Pi => {
                return lines(&self.younger_tool_end(command, output, code, now));
            }
            Dialect::Rest | Dialect::Acp | Dialect::Jsonl | Dialect::Text => return Vec::new(),
        };
        lines(&[event])
    }

    /// Says that all went well.
    pub(super) fn close(&self, now: Timestamp) -> Vec<String> {
        let event = match self.dialect {
            Dialect::Claude => self.claude_result(&json!({
                "subtype": "success", "is_error": false, "result": self.last_said,
                "terminal_reason": "completed", "api_error_status": null,
            })),
            Dialect::Codex => json!({"type": "turn.completed", "usage": self.codex_usage()}),
            Dialect::Gemini => json!({
                "type": "result", "timestamp": now, "status": "success",
                "stats": self.gemini_stats(),
            }),
            Dialect::Opencode | Dialect::Qwen | Dialect::Copilot | Dialect::Pi => {
                return lines(&self.younger_close(now));
            }
            Dialect::Rest | Dialect::Acp | Dialect::Jsonl | Dialect::Text => return Vec::new(),
        };
        lines(&[event])
    }

    /// Fails with an HTTP status of the model service, as the real program would.
    pub(super) fn fail(&self, status: u16, message: &str, now: Timestamp) -> Failing {
        let (events, code) = match self.dialect {
            Dialect::Claude => {
                let (error, kind) = match status {
                    401 | 403 => ("authentication_failed", "api_error"),
                    429 => ("rate_limit", "api_error"),
                    400 if message.to_lowercase().contains("too long") => {
                        ("invalid_request", "prompt_too_long")
                    }
                    400..=499 => ("invalid_request", "api_error"),
                    _ => ("server_error", "api_error"),
                };
                let text = format!("API Error: {status} {message}");
                let mut said = self.claude_message(&json!({"type": "text", "text": text}));
                said["error"] = error.into();
                said["message"]["model"] = "<synthetic>".into();
                let result = self.claude_result(&json!({
                    "subtype": "success", "is_error": true, "result": text,
                    "terminal_reason": kind, "api_error_status": status,
                }));
                (vec![said, result], 1)
            }
            Dialect::Codex => {
                let text = format!("unexpected status {status}: {message}");
                let events = vec![
                    json!({"type": "error", "message": text}),
                    json!({"type": "turn.failed", "error": {"message": text}}),
                ];
                (events, 1)
            }
            Dialect::Gemini => {
                let body = json!({"error": {"code": status, "message": message}});
                let result = json!({
                    "type": "result", "timestamp": now, "status": "error",
                    "error": {"type": "unknown", "message": format!("[API Error: {body}]")},
                    "stats": self.gemini_stats(),
                });
                (vec![result], i32::from(status % 256))
            }
            Dialect::Opencode | Dialect::Qwen | Dialect::Copilot | Dialect::Pi => {
                self.younger_failure(status, message, now)
            }
            Dialect::Rest | Dialect::Acp | Dialect::Jsonl | Dialect::Text => (Vec::new(), 1),
        };
        Failing {
            stderr: events
                .is_empty()
                .then(|| format!("Error: status {status}: {message}\n")),
            stdout: lines(&events),
            code,
        }
    }

    /// Refuses to go on because a usage window is closed, as the real program would.
    ///
    /// Claude Code tells the end of the window in an event, Codex and Pi in their error,
    /// Gemini CLI and OpenCode by the time until then, Copilot CLI by that in hours and
    /// minutes; other programs in the text of an error.
    pub(super) fn hit_limit(&self, opens_at: Option<i64>, now: Timestamp) -> Failing {
        match self.dialect {
            Dialect::Claude => {
                let mut failing = self.fail(429, "You've hit your limit", now);
                let event = self.claude_limit("rejected", None, opens_at);
                failing.stdout.splice(0..0, lines(&[event]));
                failing
            }
            Dialect::Codex => {
                let message = "The usage limit has been reached";
                let mut error = json!({"type": "usage_limit_reached", "message": message});
                if let Some(opens_at) = opens_at {
                    error["resets_at"] = opens_at.into();
                }
                let text = json!({"error": error}).to_string();
                let events = [
                    json!({"type": "error", "message": text}),
                    json!({"type": "turn.failed", "error": {"message": text}}),
                ];
                Failing {
                    stdout: lines(&events),
                    stderr: None,
                    code: 1,
                }
            }
            Dialect::Gemini => {
                let mut error = json!({
                    "code": 429, "status": "RESOURCE_EXHAUSTED",
                    "message": "You exceeded your current quota, please check your plan and \
                        billing details. * Quota exceeded for metric: requests, limit: 250",
                });
                if let Some(opens_at) = opens_at {
                    let seconds = opens_at.saturating_sub(now.as_second()).max(0);
                    error["details"] = json!([{
                        "@type": "type.googleapis.com/google.rpc.RetryInfo",
                        "retryDelay": format!("{seconds}s"),
                    }]);
                }
                let body = json!({"error": error});
                let result = json!({
                    "type": "result", "timestamp": now, "status": "error",
                    "error": {"type": "unknown", "message": format!("[API Error: {body}]")},
                    "stats": self.gemini_stats(),
                });
                Failing {
                    stdout: lines(&[result]),
                    stderr: None,
                    code: 1,
                }
            }
            Dialect::Opencode | Dialect::Qwen | Dialect::Copilot | Dialect::Pi => {
                let (events, code) = self.younger_limit(opens_at, now);
                Failing {
                    stdout: lines(&events),
                    stderr: None,
                    code,
                }
            }
            Dialect::Jsonl | Dialect::Text | Dialect::Rest | Dialect::Acp => {
                let text = match opens_at {
                    Some(opens_at) => format!("You've hit your usage limit|{opens_at}"),
                    None => "You've hit your usage limit".to_owned(),
                };
                self.fail(429, &text, now)
            }
        }
    }

    /// Tells how much of a usage window is used; nothing where the program tells nobody.
    pub(super) fn tell_use(&self, used_percent: u8, opens_at: Option<i64>) -> Vec<String> {
        let event = match self.dialect {
            Dialect::Claude => self.claude_limit(
                "allowed_warning",
                Some(f64::from(used_percent) / 100.0),
                opens_at,
            ),
            Dialect::Codex => json!({
                "type": "token_count",
                "rate_limits": {"primary": {
                    "used_percent": used_percent, "window_minutes": 300, "resets_at": opens_at,
                }},
            }),
            _ => return Vec::new(),
        };
        lines(&[event])
    }

    fn claude_limit(&self, status: &str, used: Option<f64>, opens_at: Option<i64>) -> Value {
        json!({
            "type": "rate_limit_event", "session_id": self.session,
            "rate_limit_info": {
                "status": status, "resetsAt": opens_at, "rateLimitType": "five_hour",
                "utilization": used,
            },
        })
    }

    fn claude_message(&self, block: &Value) -> Value {
        json!({
            "type": "assistant", "session_id": self.session, "parent_tool_use_id": null,
            "message": {
                "id": format!("msg_{}", self.turns + self.tools), "type": "message",
                "role": "assistant", "model": self.model, "content": [block],
            },
        })
    }

    fn claude_result(&self, fields: &Value) -> Value {
        let claimed = self.claimed.unwrap_or_default();
        let mut result = json!({
            "type": "result", "session_id": self.session, "num_turns": self.turns.max(1),
            "total_cost_usd": claimed.cost_usd.unwrap_or(0.0),
            "usage": {
                "input_tokens": claimed.input_tokens, "output_tokens": claimed.output_tokens,
                "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0,
            },
        });
        for (key, value) in fields.as_object().into_iter().flatten() {
            result[key] = value.clone();
        }
        result
    }

    fn codex_usage(&self) -> Value {
        let claimed = self.claimed.unwrap_or_default();
        json!({
            "input_tokens": claimed.input_tokens, "cached_input_tokens": 0,
            "cache_write_input_tokens": 0, "output_tokens": claimed.output_tokens,
            "reasoning_output_tokens": 0,
        })
    }

    fn gemini_stats(&self) -> Value {
        let claimed = self.claimed.unwrap_or_default();
        json!({
            "total_tokens": claimed.input_tokens + claimed.output_tokens,
            "input_tokens": claimed.input_tokens, "output_tokens": claimed.output_tokens,
            "cached": 0, "tool_calls": self.tools,
        })
    }

    fn item_id(&self) -> String {
        format!("item_{}", self.turns + self.tools)
    }

    fn tool_id(&self) -> String {
        format!("tool_{}", self.tools)
    }
}

fn lines(events: &[Value]) -> Vec<String> {
    events.iter().map(|event| format!("{event}\n")).collect()
}
