//! The lines of OpenCode, Qwen Code, Copilot CLI and Pi.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Speaker;
use crate::kind::Dialect;

impl Speaker {
    pub(super) fn younger_start(&self, prompt: &str, now: Timestamp) -> Vec<Value> {
        let (session, model) = (&self.session, &self.model);
        match self.dialect {
            Dialect::Opencode => vec![self.opencode("step_start", &json!({}), now)],
            Dialect::Qwen => vec![json!({
                "type": "system", "subtype": "init", "session_id": session, "model": model,
                "tools": ["run_shell_command"], "permission_mode": "yolo",
            })],
            Dialect::Copilot => vec![
                copilot("session.tools_updated", &json!({"model": model}), now),
                copilot("user.message", &json!({"content": prompt}), now),
                copilot("assistant.turn_start", &json!({"turnId": "0"}), now),
            ],
            Dialect::Pi => vec![
                json!({"type": "session", "version": 3, "id": session, "timestamp": now}),
                json!({"type": "agent_start"}),
                json!({"type": "turn_start"}),
            ],
            _ => Vec::new(),
        }
    }

    pub(super) fn younger_text(&self, text: &str, now: Timestamp) -> Vec<Value> {
        let event = match self.dialect {
            Dialect::Opencode => self.opencode("text", &json!({"type": "text", "text": text}), now),
            Dialect::Qwen => self.claude_message(&json!({"type": "text", "text": text})),
            Dialect::Copilot => {
                let data = json!({"content": text, "model": self.model, "toolRequests": []});
                copilot("assistant.message", &data, now)
            }
            _ => {
                let block = json!({"type": "text", "text": text});
                self.pi("message_end", &[block], "stop", None)
            }
        };
        vec![event]
    }

    pub(super) fn younger_tool_start(&self, command: &str, now: Timestamp) -> Vec<Value> {
        let (id, input) = (self.tool_id(), json!({"command": command}));
        match self.dialect {
            Dialect::Qwen => vec![self.claude_message(&json!({
                "type": "tool_use", "id": id, "name": "run_shell_command", "input": input,
            }))],
            Dialect::Copilot => vec![
                copilot(
                    "assistant.message",
                    &json!({
                        "content": "", "model": self.model,
                        "toolRequests": [{"toolCallId": id, "name": "bash", "arguments": input}],
                    }),
                    now,
                ),
                copilot(
                    "tool.execution_start",
                    &json!({"toolCallId": id, "toolName": "bash", "arguments": input}),
                    now,
                ),
            ],
            Dialect::Pi => {
                let call =
                    json!({"type": "toolCall", "id": id, "name": "bash", "arguments": input});
                vec![
                    self.pi("message_end", &[call], "toolUse", None),
                    json!({
                        "type": "tool_execution_start", "toolCallId": id, "toolName": "bash",
                        "args": input,
                    }),
                ]
            }
            // OpenCode tells of a tool when it is done.
            _ => Vec::new(),
        }
    }

    pub(super) fn younger_tool_end(
        &self,
        command: &str,
        output: &str,
        code: i32,
        now: Timestamp,
    ) -> Vec<Value> {
        let id = self.tool_id();
        match self.dialect {
            Dialect::Opencode => vec![self.opencode(
                "tool_use",
                &json!({
                    "type": "tool", "tool": "bash", "callID": id,
                    "state": {
                        "status": "completed", "input": {"command": command}, "output": output,
                        "metadata": {"exit": code},
                    },
                }),
                now,
            )],
            Dialect::Qwen => vec![json!({
                "type": "user", "session_id": self.session, "parent_tool_use_id": null,
                "message": {"role": "user", "content": [{
                    "type": "tool_result", "tool_use_id": id, "content": output,
                    "is_error": code != 0,
                }]},
            })],
            Dialect::Copilot => vec![copilot(
                "tool.execution_complete",
                &json!({
                    "toolCallId": id, "success": true, "result": {"content": output},
                    "shellExecution": {"exitCode": code},
                }),
                now,
            )],
            _ => vec![json!({
                "type": "tool_execution_end", "toolCallId": id, "toolName": "bash",
                "result": {"content": [{"type": "text", "text": output}]}, "isError": code != 0,
            })],
        }
    }

    pub(super) fn younger_close(&self, now: Timestamp) -> Vec<Value> {
        match self.dialect {
            Dialect::Opencode => {
                let (input, output, cost) = self.claims();
                vec![self.opencode(
                    "step_finish",
                    &json!({
                        "type": "step-finish", "reason": "stop", "cost": cost.unwrap_or(0.0),
                        "tokens": {
                            "input": input, "output": output, "reasoning": 0,
                            "cache": {"read": 0, "write": 0},
                        },
                    }),
                    now,
                )]
            }
            Dialect::Qwen => vec![self.qwen_result(&json!({
                "subtype": "success", "is_error": false, "result": self.last_said,
            }))],
            Dialect::Copilot => vec![self.copilot_result(0, now)],
            _ => {
                let said = json!({"type": "text", "text": self.last_said});
                vec![
                    self.pi("turn_end", &[said], "stop", None),
                    json!({"type": "agent_end", "messages": []}),
                ]
            }
        }
    }

    /// The events of a failure of the model service, and the exit code after them.
    pub(super) fn younger_failure(
        &self,
        status: u16,
        message: &str,
        now: Timestamp,
    ) -> (Vec<Value>, i32) {
        match self.dialect {
            Dialect::Opencode => {
                let event = json!({
                    "type": "error", "timestamp": now.as_millisecond(), "sessionID": self.session,
                    "error": {"name": "APIError", "data": {
                        "message": message, "statusCode": status, "isRetryable": status >= 429,
                    }},
                });
                (vec![event], 1)
            }
            Dialect::Qwen => {
                let text = format!("[API Error: {status} {message}]");
                let said = self.claude_message(&json!({"type": "text", "text": text}));
                let result = self.qwen_result(&json!({
                    "subtype": "error_during_execution", "is_error": true,
                    "error": {"message": text},
                }));
                (vec![said, result], 1)
            }
            Dialect::Copilot => {
                let kind = match status {
                    401 | 403 => "authentication",
                    429 => "rate_limit",
                    _ => "query",
                };
                let data = json!({"errorType": kind, "message": message, "statusCode": status});
                let events = vec![
                    copilot("session.error", &data, now),
                    self.copilot_result(1, now),
                ];
                (events, 1)
            }
            _ => {
                let error = format!("{status} {message}");
                let events = vec![
                    self.pi("message_end", &[], "error", Some(&error)),
                    self.pi("turn_end", &[], "error", Some(&error)),
                    json!({"type": "agent_end", "messages": []}),
                ];
                // It ends well, whatever happened.
                (events, 0)
            }
        }
    }

    /// The events of a closed usage window, and the exit code after them.
    ///
    /// Put together from what users reported; `stream/wording.rs` names the places.
    pub(super) fn younger_limit(&self, opens_at: Option<i64>, now: Timestamp) -> (Vec<Value>, i32) {
        let left = opens_at.map(|at| at.saturating_sub(now.as_second()).max(0));
        match self.dialect {
            Dialect::Opencode => {
                let message = "Subscription quota exceeded. You can continue using free models.";
                let body = json!({
                    "type": "error",
                    "error": {"type": "GoUsageLimitError", "message": message},
                    "metadata": {"workspace": "wrk_example", "limitName": "5 hour"},
                });
                let mut data = json!({
                    "message": message, "statusCode": 429, "isRetryable": true,
                    "responseHeaders": {"content-type": "application/json"},
                    "responseBody": body.to_string(),
                });
                if let Some(left) = left {
                    data["responseHeaders"]["retry-after"] = left.to_string().into();
                }
                let event = json!({
                    "type": "error", "timestamp": now.as_millisecond(), "sessionID": self.session,
                    "error": {"name": "APIError", "data": data},
                });
                (vec![event], 1)
            }
            Dialect::Copilot => {
                // Minutes are what it tells at the finest; sooner would be too soon.
                let minutes = left.map(|left| left.saturating_add(59) / 60);
                let when = minutes.map_or_else(String::new, |minutes| {
                    format!(
                        " Please try again in {} hours {} minutes.",
                        minutes / 60,
                        minutes % 60
                    )
                });
                let message = format!(
                    "Sorry, you've hit a rate limit that restricts the number of Copilot model \
                     requests you can make within a specific time period.{when} Please review \
                     our Terms of Service. (Request ID: E942:3A5438:35DBCE:3F8F3D:69DD984)"
                );
                let data = json!({
                    "errorType": "rate_limit", "errorCode": "user_global_rate_limited",
                    "message": message, "statusCode": 429,
                });
                let events = vec![
                    copilot("session.error", &data, now),
                    self.copilot_result(1, now),
                ];
                (events, 1)
            }
            Dialect::Pi => {
                let mut error = json!({
                    "type": "usage_limit_reached", "message": "The usage limit has been reached",
                    "plan_type": "plus", "eligible_promo": null,
                });
                if let Some((opens_at, left)) = opens_at.zip(left) {
                    error["resets_at"] = opens_at.into();
                    error["resets_in_seconds"] = left.into();
                }
                let body = json!({"type": "error", "error": error, "status_code": 429});
                let text = format!("Codex error: {body}");
                let mut events = vec![
                    self.pi("message_end", &[], "error", Some(&text)),
                    self.pi("turn_end", &[], "error", Some(&text)),
                    json!({"type": "agent_end", "messages": []}),
                ];
                for event in &mut events[..2] {
                    event["message"]["timestamp"] = now.as_millisecond().into();
                }
                (events, 0)
            }
            // Qwen Code's own services tell no time; the words that many use stand for others.
            _ => {
                let text = match opens_at {
                    Some(opens_at) => format!("You've hit your usage limit|{opens_at}"),
                    None => "hour allocated quota exceeded. Please retry after the reset \
                             time, or switch to another API key."
                        .to_owned(),
                };
                self.younger_failure(429, &text, now)
            }
        }
    }

    /// The content of the file that says what was used, where that is not in the stream.
    pub(in crate::scripted) fn usage_file(&self) -> Option<(&'static str, String)> {
        let name = self.dialect.usage_file()?;
        let (input, output, _) = self.claims();
        let usage = json!({"inputTokens": input, "outputTokens": output});
        let model = json!({"requests": {"count": self.turns}, "usage": usage});
        let model_metrics = json!({self.model.as_str(): model});
        Some((name, json!({"modelMetrics": model_metrics}).to_string()))
    }

    fn claims(&self) -> (u64, u64, Option<f64>) {
        let claimed = self.claimed.unwrap_or_default();
        (
            claimed.input_tokens,
            claimed.output_tokens,
            claimed.cost_usd,
        )
    }

    fn opencode(&self, kind: &str, part: &Value, now: Timestamp) -> Value {
        json!({
            "type": kind, "timestamp": now.as_millisecond(), "sessionID": self.session,
            "part": part,
        })
    }

    fn qwen_result(&self, fields: &Value) -> Value {
        let (input, output, _) = self.claims();
        let mut result = json!({
            "type": "result", "session_id": self.session, "num_turns": self.turns.max(1),
            "usage": {
                "input_tokens": input, "output_tokens": output, "cache_read_input_tokens": 0,
            },
            "permission_denials": [],
        });
        for (key, value) in fields.as_object().into_iter().flatten() {
            result[key] = value.clone();
        }
        result
    }

    fn copilot_result(&self, code: i32, now: Timestamp) -> Value {
        json!({
            "type": "result", "timestamp": now, "sessionId": self.session, "exitCode": code,
            "usage": {"premiumRequests": 0},
        })
    }

    fn pi(&self, kind: &str, content: &[Value], reason: &str, error: Option<&str>) -> Value {
        let (input, output, cost) = self.claims();
        let mut message = json!({
            "role": "assistant", "content": content, "model": self.model, "stopReason": reason,
            "usage": {
                "input": input, "output": output, "cacheRead": 0, "cacheWrite": 0,
                "totalTokens": input + output, "cost": {"total": cost.unwrap_or(0.0)},
            },
        });
        if let Some(error) = error {
            message["errorMessage"] = error.into();
        }
        json!({"type": kind, "message": message})
    }
}

fn copilot(kind: &str, data: &Value, now: Timestamp) -> Value {
    json!({"type": kind, "data": data, "timestamp": now})
}
