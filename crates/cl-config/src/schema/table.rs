//! The table of all keys.

mod agent;

use agent::AGENT;

use super::{Field, Kind};

/// The keys at the top of the config file.
pub static ROOT: &[Field] = &[
    section(
        "agents",
        Kind::Entries(AGENT),
        "The agents, by names of your choice. Claude, Codex, Gemini, OpenCode, Qwen Code, Copilot and Pi work without an entry when their program is on PATH.",
    ),
    section(
        "defaults",
        Kind::Section(DEFAULTS),
        "What holds where neither a flag nor an agent's entry says otherwise.",
    ),
    section("api", Kind::Section(API), "The HTTP server."),
    section("storage", Kind::Section(STORAGE), "Where data is kept."),
    section(
        "webhook",
        Kind::Section(WEBHOOK),
        "A URL that is told about events. Off without `url`.",
    ),
    section(
        "notify",
        Kind::Section(NOTIFY),
        "Other ways of being told about events.",
    ),
    section(
        "delegation",
        Kind::Section(DELEGATION),
        "Limits on tasks that start tasks.",
    ),
    section(
        "update",
        Kind::Section(UPDATE),
        "How the server replaces its own program.",
    ),
    section(
        "limits",
        Kind::Section(LIMITS),
        "What is done about usage limits of agents.",
    ),
];

static DEFAULTS: &[Field] = &[
    field(
        "agent",
        Kind::Text,
        "",
        "The agent to use when none is named: a name or a type. Without it, the alphabetically first entry of `agents`, else the first of claude, codex, gemini, opencode and qwen on PATH.",
    ),
    field(
        "timeout",
        Kind::Duration,
        "",
        "How long an agent may be silent before it is stopped; 0 is for ever.",
    ),
    field(
        "max_duration",
        Kind::Duration,
        "",
        "How long one attempt may take in all; 0 is for ever.",
    ),
    field(
        "max_task_duration",
        Kind::Duration,
        "",
        "How long a task may take in all, waiting included; 0 is for ever.",
    ),
    field(
        "max_concurrent_runs",
        Kind::Number { min: 0, max: U32 },
        "0",
        "How many tasks may have an agent running at once on this root, across all processes; 0 is unlimited. Tasks started by a running task do not count.",
    ),
    field(
        "max_concurrent_root_tasks",
        Kind::Number { min: 0, max: U32 },
        "0",
        "How many tasks the server admits at once; 0 is unlimited.",
    ),
    field(
        "max_attempts",
        Kind::Number { min: 1, max: U32 },
        "100",
        "How many attempts a task gets to reach DONE.",
    ),
    field(
        "max_attempts_total",
        Kind::Number { min: 0, max: U32 },
        "0",
        "How many attempts a task gets on one day (UTC), over all its launches; 0 is unlimited. Attempts that a usage limit cut short do not count.",
    ),
    section(
        "retry",
        Kind::Entries(RETRY_RULE),
        "What follows a failed attempt, by the kind of its failure, such as `auth` or `limit_window`; the guide on limits lists them. What is not named stays as it is.",
    ),
    field(
        "max_output_bytes",
        Kind::Number {
            min: 1,
            max: u64::MAX >> 1,
        },
        "1073741824",
        "How much output one attempt may write before it is stopped.",
    ),
    field(
        "on_lost",
        Kind::Choice(&["resume", "mark"]),
        "resume",
        "What happens to a detached task whose supervisor died: go on with it, or only mark it.",
    ),
    field(
        "stop_suppression",
        Kind::Duration,
        "60s",
        "How long the monitor leaves a stopped task alone; afterwards it may start it again. Nothing else but a person does.",
    ),
    field(
        "control_group",
        Kind::Choice(&["auto", "off"]),
        "auto",
        "Keep what a supervisor starts in a control group of its own, where one can be made, so that nothing is lost from sight when the supervisor is killed.",
    ),
    field(
        "gates",
        Kind::Gates(GATE),
        "[]",
        "Commands that must succeed before a DONE is believed. Each is a shell command, or a mapping with the keys below.",
    ),
    field(
        "require_change",
        Kind::Truth,
        "false",
        "Whether a DONE is refused when nothing in the working folder has changed since the task was started.",
    ),
    field(
        "budget",
        Kind::Section(BUDGET),
        "",
        "How much tasks may use before they are stopped.",
    ),
    field(
        "diversification",
        Kind::Section(DIVERSIFICATION),
        "",
        "How agents take turns when none is named.",
    ),
];

static BUDGET: &[Field] = &[
    MAX_COST,
    MAX_TOKENS,
    field(
        "per_project_day",
        Kind::Section(CEILING),
        "",
        "How much the tasks of one project may use together in one day of UTC.",
    ),
];

static CEILING: &[Field] = &[MAX_COST, MAX_TOKENS];

const MAX_COST: Field = field(
    "max_cost_usd",
    Kind::Money,
    "",
    "How many US dollars, as far as agents tell what they cost.",
);

const MAX_TOKENS: Field = field(
    "max_tokens",
    Kind::Number {
        min: 1,
        max: u64::MAX >> 1,
    },
    "",
    "How many tokens, sent and received, those of the cache included.",
);

/// The keys of `TASK-CONFIG.yaml` that are read here; others belong to others.
pub(crate) static TASK_GATES: &[Field] = &[field(
    "gates",
    Kind::Gates(GATE),
    "[]",
    "Commands that must succeed before a DONE of this task is believed.",
)];

static GATE: &[Field] = &[
    field(
        "name",
        Kind::Text,
        "the command",
        "What the check is called in messages.",
    ),
    field(
        "run",
        Kind::Text,
        "",
        "The command, run by a shell. Required.",
    ),
    field(
        "timeout",
        Kind::Duration,
        "",
        "How long it may take; 0 or nothing is the built-in limit.",
    ),
    field(
        "cwd",
        Kind::Text,
        "",
        "The folder to run it in, relative to the task's working folder.",
    ),
];

static DIVERSIFICATION: &[Field] = &[
    field(
        "enabled",
        Kind::Truth,
        "false",
        "Whether agents take turns.",
    ),
    field(
        "strategy",
        Kind::Choice(&["round-robin", "weighted"]),
        "round-robin",
        "One after the other, or at random in proportion to `weights`.",
    ),
    field(
        "agents",
        Kind::Texts,
        "[]",
        "The agents that take part, in order; all, alphabetically, if empty.",
    ),
    field(
        "weights",
        Kind::Weights,
        "[]",
        "One weight per agent; all 1 if empty.",
    ),
    field(
        "fallback_on_failure",
        Kind::Truth,
        "false",
        "Whether a failed attempt is repeated once with the next agent.",
    ),
    field(
        "on_limit",
        Kind::Texts,
        "[]",
        "The agents that go on, in this order, while the usage limit of another one lasts; nobody waits then. Counts whether or not `enabled` is set and an agent is named.",
    ),
];

static LIMITS: &[Field] = &[
    field(
        "auto_resume",
        Kind::Truth,
        "true",
        "Whether a task waits for the end of a usage limit and goes on by itself. If not, it fails and says when the limit ends.",
    ),
    field(
        "stop_at_percent",
        Kind::Number { min: 0, max: 100 },
        "0",
        "From how many percent of a usage window on no attempt is started until the window begins anew, where the agent tells how much of it is used; 0 is never.",
    ),
];

static RETRY_RULE: &[Field] = &[
    field(
        "action",
        Kind::Choice(&["retry", "wait", "switch", "stop"]),
        "",
        "`retry`: another attempt after a pause. `wait`: another attempt when the usage limit is over. `switch`: another attempt with another agent of `diversification`, the end if there is none. `stop`: the end.",
    ),
    field(
        "attempts",
        Kind::Number { min: 0, max: U32 },
        "",
        "How many attempts in a row may fail like this; 0 is no limit besides `max_attempts`.",
    ),
    field(
        "backoff",
        Kind::Duration,
        "",
        "The pause after the first; it doubles with each one more.",
    ),
    field("max_backoff", Kind::Duration, "", "The longest pause."),
];

/// The kinds of failure that `defaults.retry` has a line for.
pub(crate) const RETRY_KINDS: [&str; 18] = [
    "limit_window",
    "limit_credit",
    "limit_admin",
    "overloaded",
    "api_transient",
    "auth",
    "context_overflow",
    "max_turns",
    "max_budget",
    "agent_crash",
    "spawn_failed",
    "stall",
    "timeout",
    "output_limit",
    "permission_blocked",
    "input_required",
    "runner_lost",
    "unknown",
];

static API: &[Field] = &[
    field(
        "host",
        Kind::Text,
        "127.0.0.1",
        "The address to listen on. Variable: `CONDUCTOR_HOST`.",
    ),
    field(
        "port",
        Kind::Number { min: 0, max: 65535 },
        "14355",
        "The port to listen on; 0 is the default. Variable: `CONDUCTOR_PORT`.",
    ),
    field(
        "cors_origins",
        Kind::Texts,
        "[]",
        "Web origins that may call the server, or `*`.",
    ),
    field(
        "hosts",
        Kind::Texts,
        "[]",
        "Further names by which clients reach the server, such as `agents.example.com` behind a proxy or `localhost:8080` through a tunnel; without a port any port is taken. A request that names another host is refused.",
    ),
    field(
        "auth_enabled",
        Kind::Truth,
        "false",
        "Whether callers must show `api_key`.",
    ),
    field(
        "api_key",
        Kind::Secret,
        "",
        "The key. The variable `CONDUCTOR_API_KEY` sets it and switches `auth_enabled` on.",
    ),
    field("sse", Kind::Section(SSE), "", "Event streams."),
    field(
        "limits",
        Kind::Section(API_LIMITS),
        "",
        "How much of whom the server takes.",
    ),
];

static API_LIMITS: &[Field] = &[
    field(
        "max_connections",
        Kind::Number { min: 0, max: 65535 },
        "512",
        "How many connections there may be at once; for more, idle ones make room; 0 is the default.",
    ),
    field(
        "max_connections_per_address",
        Kind::Number { min: 0, max: 65535 },
        "64",
        "How many connections one address of another machine may have; more are closed; 0 is the default.",
    ),
    field(
        "header_timeout",
        Kind::Duration,
        "10s",
        "How long the head of a request may take; 0 is the default.",
    ),
    field(
        "body_timeout",
        Kind::Duration,
        "30s",
        "How long the body of a request may take; 0 is the default.",
    ),
    field(
        "write_timeout",
        Kind::Duration,
        "30s",
        "How long a client may take nothing of what it is sent; 0 is the default.",
    ),
    field(
        "idle_timeout",
        Kind::Duration,
        "1m",
        "How long a connection may wait for its next request; 0 is the default.",
    ),
    field(
        "max_header_bytes",
        Kind::Number {
            min: 0,
            max: 1 << 24,
        },
        "65536",
        "How large the head of a request may be; below 8192 counts as 8192; 0 is the default.",
    ),
    field(
        "max_body_bytes",
        Kind::Number {
            min: 0,
            max: 1 << 30,
        },
        "1048576",
        "How large the body of a request may be; 0 is the default.",
    ),
];

static SSE: &[Field] = &[
    field(
        "poll_interval_ms",
        Kind::Number { min: 0, max: U32 },
        "500",
        "How often files are looked at for new output, in milliseconds; 0 is the default.",
    ),
    field(
        "discovery_interval_ms",
        Kind::Number { min: 0, max: U32 },
        "1000",
        "How often folders are looked at for new runs, in milliseconds; 0 is the default.",
    ),
    field(
        "heartbeat_interval_s",
        Kind::Number { min: 0, max: U32 },
        "30",
        "How often an idle stream gets a sign of life, in seconds; 0 is the default.",
    ),
    field(
        "max_clients_per_run",
        Kind::Number { min: 0, max: U32 },
        "64",
        "How many clients may follow one run, bus or other stream at once; 0 is the default.",
    ),
];

static STORAGE: &[Field] = &[
    field(
        "runs_dir",
        Kind::Path,
        "~/.run-agent/runs",
        "The root: the folder that holds all projects. The variable `CONDUCTOR_ROOT` and `--root` rank above it.",
    ),
    field(
        "extra_roots",
        Kind::Paths,
        "[]",
        "Folders of the old flat layout, shown but never written.",
    ),
];

static WEBHOOK: &[Field] = &[
    field(
        "url",
        Kind::Url,
        "",
        "Where events are sent. Only its host is ever shown.",
    ),
    field(
        "events",
        Kind::Choices(EVENTS),
        "all",
        "The events that are sent; an empty list is all of them.",
    ),
    field(
        "format",
        Kind::Choice(&["conductor", "slack"]),
        "conductor",
        "How the bodies look: the fields of the event, or `{\"text\": …}` as Slack and services like it take them.",
    ),
    field(
        "secret",
        Kind::Secret,
        "",
        "The key that signs each body (HMAC-SHA256).",
    ),
    field(
        "timeout",
        Kind::Duration,
        "10s",
        "How long one delivery may take; 0 is the default.",
    ),
];

static NOTIFY: &[Field] = &[
    field(
        "command",
        Kind::Text,
        "",
        "A command, run by a shell for each event, which it gets as JSON on standard input.",
    ),
    field(
        "events",
        Kind::Choices(EVENTS),
        "all",
        "The events that the command is run for; an empty list is all of them.",
    ),
    field(
        "timeout",
        Kind::Duration,
        "30s",
        "How long the command may take; 0 is the default.",
    ),
    field(
        "terminal",
        Kind::Truth,
        "false",
        "Whether a command that waits for a task shows a notification on its terminal when the task ends.",
    ),
    field(
        "inherit_env",
        Kind::VariableNames,
        "[]",
        "Variables passed on to the command besides the usual ones: names, or prefixes such as `MYTOOL_*`.",
    ),
];

static EVENTS: &[&str] = &[
    "run_stop",
    "done",
    "failed",
    "needs_user",
    "waiting",
    "budget",
];

static UPDATE: &[Field] = &[field(
    "enabled",
    Kind::Truth,
    "false",
    "Whether the server puts another build in its own place when somebody with its key asks for that. It then runs any program whose SHA-256 was named, as its own user.",
)];

static DELEGATION: &[Field] = &[
    field(
        "max_depth",
        Kind::Number { min: 0, max: U32 },
        "16",
        "How deep tasks may be nested; 0 forbids a task to start tasks.",
    ),
    field(
        "max_children",
        Kind::Number { min: 0, max: U32 },
        "16",
        "How many live children one task may have.",
    ),
];

/// The largest count that the settings can hold.
const U32: u64 = 4_294_967_295;

const fn field(key: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Field {
    Field {
        key,
        kind,
        default,
        doc,
    }
}

const fn section(key: &'static str, kind: Kind, doc: &'static str) -> Field {
    field(key, kind, "", doc)
}
