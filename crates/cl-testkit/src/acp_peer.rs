//! An agent that speaks the Agent Client Protocol from a script.
//!
//! The script is a few lines of shell, so that nothing has to be built for it and the
//! other side of the protocol is not written with the code under test. Steps are played
//! in order, each once; behind the last one the peer ends.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// The session that a peer opens.
pub const SESSION: &str = "session-1";

/// The functions of every script; `$id` is the id of the last request that was waited for.
const FUNCTIONS: &str = r#"
wait_for() {
    while IFS= read -r line; do
        printf '%s\n' "$line" >>"$log"
        case "$line" in *"$1"*) id=${line#*\"id\":}; id=${id%%[,\}]*}; return;; esac
    done
    exit 0
}
"#;

/// A script of one peer.
#[derive(Debug, Clone, Default)]
pub struct AcpPeer {
    steps: String,
}

impl AcpPeer {
    /// Returns a peer that does nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Introduces itself with these capabilities, and opens the session [`SESSION`].
    #[must_use]
    pub fn opens(self, capabilities: &Value) -> Self {
        self.introduces(capabilities)
            .waits_for("session/new")
            .answers(&json!({"sessionId": SESSION}))
    }

    /// Introduces itself with these capabilities.
    #[must_use]
    pub fn introduces(self, capabilities: &Value) -> Self {
        self.waits_for("initialize").answers(&json!({
            "protocolVersion": 1,
            "agentCapabilities": capabilities,
            "agentInfo": {"name": "peer", "version": "1.2.3"},
            "authMethods": [{"id": "login", "name": "Log in"}],
        }))
    }

    /// Waits for the prompt.
    #[must_use]
    pub fn prompted(self) -> Self {
        self.waits_for("session/prompt")
    }

    /// Waits for a message of this method.
    #[must_use]
    pub fn waits_for(self, method: &str) -> Self {
        self.shell(&format!("wait_for '\"method\":\"{method}\"'"))
    }

    /// Answers the request that was waited for last.
    #[must_use]
    pub fn answers(self, result: &Value) -> Self {
        let result = quoted(&result.to_string());
        self.shell(&format!(
            "printf '{{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":%s}}\\n' \"$id\" {result}"
        ))
    }

    /// Refuses the request that was waited for last.
    #[must_use]
    pub fn refuses(self, code: i64, message: &str) -> Self {
        let error = quoted(&json!({"code": code, "message": message}).to_string());
        self.shell(&format!(
            "printf '{{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":%s}}\\n' \"$id\" {error}"
        ))
    }

    /// Ends the turn for this reason.
    #[must_use]
    pub fn stops(self, reason: &str) -> Self {
        self.answers(&json!({"stopReason": reason}))
    }

    /// Tells something of [`SESSION`].
    #[must_use]
    pub fn tells(self, update: &Value) -> Self {
        let params = json!({"sessionId": SESSION, "update": update});
        let message = json!({"jsonrpc": "2.0", "method": "session/update", "params": params});
        self.prints(&message.to_string())
    }

    /// Says a piece of the answer.
    #[must_use]
    pub fn says(self, text: &str) -> Self {
        self.tells(&json!({
            "sessionUpdate": "agent_message_chunk",
            "content": {"type": "text", "text": text},
        }))
    }

    /// Asks something, and waits until it is answered; what was `$id` before is so again.
    #[must_use]
    pub fn asks(self, method: &str, params: &Value) -> Self {
        let request = json!({"jsonrpc": "2.0", "id": "peer", "method": method, "params": params});
        self.shell("kept=$id")
            .prints(&request.to_string())
            .shell("wait_for '\"id\":\"peer\"'; id=$kept")
    }

    /// Prints a line as it is.
    #[must_use]
    pub fn prints(self, line: &str) -> Self {
        let line = quoted(line);
        self.shell(&format!("printf '%s\\n' {line}"))
    }

    /// Does a line of shell.
    #[must_use]
    pub fn shell(mut self, line: &str) -> Self {
        writeln!(self.steps, "{line}").expect("a string takes all");
        self
    }

    /// Writes the script to `path`; what the peer is told is kept beside it, see [`heard`].
    ///
    /// The peer, and all that it starts, holds the pipe at `survivors` until it ends.
    pub fn write(&self, path: &Path, survivors: &Path) {
        let text = format!(
            "log={}\nexec 9>{}\n{FUNCTIONS}\n{}",
            quoted(&log_of(path).to_string_lossy()),
            quoted(&survivors.to_string_lossy()),
            self.steps
        );
        std::fs::write(path, text).expect("a script");
    }
}

/// Returns what the peer at `path` was told, in all runs.
pub fn heard(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(log_of(path)).unwrap_or_default();
    // The last line may be about to be written.
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

fn log_of(path: &Path) -> PathBuf {
    path.with_extension("heard")
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
