//! The layers as data. A new crate or dependency starts with a line here.

/// Each crate and the crates of the workspace it may depend on; `*` is any of them.
pub(super) const WORKSPACE: &[(&str, &[&str])] = &[
    ("cl-storage", &[]),
    ("cl-bus", &["cl-storage"]),
    ("cl-config", &["cl-storage"]),
    ("cl-wire", &["cl-storage"]),
    ("cl-agent", &["cl-config", "cl-storage"]),
    ("cl-client", &["cl-wire", "cl-storage"]),
    (
        "cl-runner",
        &["cl-agent", "cl-config", "cl-bus", "cl-storage"],
    ),
    ("cl-view", &["cl-runner", "cl-wire", "cl-bus", "cl-storage"]),
    ("cl-mcp", &["cl-client", "cl-wire", "cl-storage"]),
    (
        "cl-conduct",
        &["cl-runner", "cl-agent", "cl-config", "cl-bus", "cl-storage"],
    ),
    (
        "cl-api",
        &[
            "cl-conduct",
            "cl-view",
            "cl-runner",
            "cl-wire",
            "cl-bus",
            "cl-config",
            "cl-storage",
        ],
    ),
    (
        "cl-cli",
        &[
            "cl-conduct",
            "cl-view",
            "cl-runner",
            "cl-client",
            "cl-agent",
            "cl-wire",
            "cl-config",
            "cl-bus",
            "cl-storage",
        ],
    ),
    ("conductor", &["*"]),
    ("run-agent", &["*"]),
    ("cl-testkit", &["cl-config", "cl-bus", "cl-storage"]),
    ("xtask", &["cl-testkit", "cl-storage"]),
];

/// Crates that must not link a library, not even through others.
pub(super) const RUNTIME_FREE: &[(&str, &str)] = &[
    ("cl-storage", "tokio"),
    ("cl-bus", "tokio"),
    ("cl-config", "tokio"),
    ("cl-wire", "tokio"),
];

/// Who may use a third-party crate outside dev-dependencies.
#[derive(Debug)]
pub(super) enum Libraries {
    All,
    Only(&'static [&'static str]),
    Dev,
}

use Libraries::{All, Dev, Only};

const LIBRARIES: Libraries = Only(&[
    "cl-storage",
    "cl-bus",
    "cl-config",
    "cl-wire",
    "cl-agent",
    "cl-client",
    "cl-runner",
    "cl-view",
    "cl-mcp",
    "cl-conduct",
    "cl-api",
    "cl-cli",
    "cl-testkit",
]);
const PROGRAMS: Libraries = Only(&["conductor", "run-agent", "xtask"]);
const AGENT_AND_UP: Libraries = Only(&[
    "cl-agent",
    "cl-client",
    "cl-runner",
    "cl-mcp",
    "cl-conduct",
    "cl-api",
    "cl-cli",
    "conductor",
    "run-agent",
    "cl-testkit",
    "xtask",
]);
const RUNNER_AND_UP: Libraries = Only(&[
    "cl-runner",
    "cl-mcp",
    "cl-conduct",
    "cl-api",
    "cl-cli",
    "conductor",
    "run-agent",
]);
/// The stand-in model server of the testkit speaks HTTP too.
const HTTP_SERVERS: Libraries = Only(&["cl-api", "cl-testkit"]);

/// Every third-party crate that a manifest may name, and who may use it.
pub(super) const THIRD_PARTY: &[(&str, Libraries)] = &[
    ("tokio", AGENT_AND_UP),
    ("tokio-util", RUNNER_AND_UP),
    ("serde", All),
    ("serde_json", All),
    ("serde-saphyr", Only(&["cl-storage"])),
    ("thiserror", LIBRARIES),
    ("anyhow", PROGRAMS),
    ("annotate-snippets", Only(&["cl-cli"])),
    ("clap", Only(&["cl-cli", "xtask"])),
    ("clap_complete", Only(&["cl-cli"])),
    ("clap_mangen", Only(&["cl-cli"])),
    ("comfy-table", Only(&["cl-cli"])),
    ("anstream", Only(&["cl-cli"])),
    ("anstyle", Only(&["cl-cli"])),
    ("jiff", All),
    ("uuid", Only(&["cl-storage", "cl-wire"])),
    // The CLI asks the kernel about the terminal and its own process only.
    (
        "rustix",
        Only(&["cl-storage", "cl-runner", "cl-cli", "cl-testkit"]),
    ),
    // For calls that rustix and std do not offer: those of macOS, and of a process that is
    // born in a control group. The other one only for Windows.
    ("libc", Only(&["cl-storage", "cl-runner"])),
    ("windows-sys", Only(&["cl-storage"])),
    ("process-wrap", Only(&["cl-runner"])),
    ("tempfile", Only(&["cl-storage", "cl-testkit", "xtask"])),
    // Already in the tree through serde_json.
    ("memchr", Only(&["cl-bus", "cl-api"])),
    ("notify", Only(&["cl-bus", "cl-config", "cl-api"])),
    ("sha2", Only(&["cl-storage", "xtask"])),
    // Already in the tree through tempfile.
    ("getrandom", Only(&["cl-storage"])),
    ("axum", Only(&["cl-api"])),
    // The traits of services that axum and hyper meet at.
    ("tower", Only(&["cl-api"])),
    ("hyper", HTTP_SERVERS),
    ("hyper-util", HTTP_SERVERS),
    ("http-body-util", HTTP_SERVERS),
    ("bytes", HTTP_SERVERS),
    ("tower-http", Only(&["cl-api"])),
    ("utoipa", Only(&["cl-wire", "cl-api"])),
    ("utoipa-axum", Only(&["cl-wire", "cl-api"])),
    ("schemars", Only(&["cl-config", "cl-mcp"])),
    // The runner's sender of webhooks takes its client from cl-agent.
    ("reqwest", Only(&["cl-client", "cl-agent", "cl-runner"])),
    ("rustls", Only(&["cl-client", "cl-agent"])),
    // Launch records carry secrets from the configuration to the agent; `open` shows the
    // server its key.
    (
        "secrecy",
        Only(&[
            "cl-storage",
            "cl-config",
            "cl-agent",
            "cl-runner",
            "cl-api",
            "cl-cli",
        ]),
    ),
    ("subtle", Only(&["cl-api"])),
    ("prometheus-client", Only(&["cl-api", "cl-runner"])),
    ("tracing", All),
    // The runner's supervisor writes a log file of its own.
    (
        "tracing-subscriber",
        Only(&["cl-runner", "cl-cli", "conductor", "run-agent"]),
    ),
    ("rust-embed", Only(&["cl-api"])),
    ("pulldown-cmark", Only(&["cl-conduct"])),
    ("minijinja", Only(&["cl-agent", "cl-conduct"])),
    ("hcl-rs", Only(&["cl-cli"])),
    ("rmcp", Only(&["cl-mcp"])),
    ("ratatui", Only(&["cl-cli"])),
    ("xshell", Only(&["xtask"])),
    ("cargo_metadata", Only(&["xtask"])),
    ("insta", Dev),
    ("jsonschema", Dev),
    ("proptest", Dev),
    ("assert_cmd", Dev),
    ("datatest-stable", Dev),
    ("wiremock", Dev),
    ("criterion", Dev),
];

/// Crates that were weighed and found wanting, with what stands in for them.
pub(super) const UNWANTED: &[(&str, &str)] = &[
    ("async-trait", "async functions in traits"),
    ("lazy_static", "std::sync::LazyLock, or pass the value"),
    ("once_cell", "std::sync::OnceLock, or pass the value"),
    ("num_cpus", "std::thread::available_parallelism"),
    ("chrono", "jiff"),
    ("time", "jiff"),
    ("dashmap", "one owner and messages"),
    ("parking_lot", "std::sync"),
    ("lru", "nothing: what is on disk is read from disk"),
    ("config", "cl-config"),
    ("figment", "cl-config"),
    ("openssl", "rustls"),
    ("serde_yaml", "cl_storage::yaml"),
    ("serde_yaml_ng", "cl_storage::yaml"),
    ("serde_yml", "cl_storage::yaml"),
    ("nix", "rustix"),
    ("agent-client-protocol", "cl_agent::acp"),
];
