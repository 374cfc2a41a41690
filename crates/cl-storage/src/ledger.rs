//! What is known of the usage limits of accounts: `.conductor/limits/`.
//!
//! One file per agent and account, replaced whole under one lock. Supervisors
//! write what their agents told them and ask before they start the next one, so
//! that what one task has learned saves the others an attempt. Losing the folder
//! costs attempts that are refused and nothing else.
//!
//! A window that was rejected stays closed until its reset and a little longer;
//! if nobody told the reset, until the next probe. The first attempt after that
//! is the probe: its success opens the window again for everyone.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::durable::{self, Mode};
use crate::failure::FailureKind;
use crate::layout::Root;
use crate::lock::{self, LockError};
use crate::record::{self, RecordError};

const KNOWN_VERSION: u32 = 1;
const FOLDER: &str = "limits";

/// The least time between a rejection and the next attempt.
const SHORTEST_WAIT: Duration = Duration::from_mins(1);

/// How much longer than its window a wait may be.
const BEYOND_WINDOW: Duration = Duration::from_mins(5);

/// The wait for a reset that nobody told: this long, doubling up to an hour.
const FIRST_PROBE: Duration = Duration::from_mins(15);
const LONGEST_PROBE: Duration = Duration::from_hours(1);

/// So many rejected probes in a row, and a told reset is not believed alone any more.
const BELIEVED_PROBES: u32 = 3;

/// So many failures in a row degrade an agent.
const DEGRADING: u32 = 3;

/// How long a degraded agent is left alone: this long, doubling up to an hour.
const FIRST_COOL_DOWN: Duration = Duration::from_mins(5);
const LONGEST_COOL_DOWN: Duration = Duration::from_hours(1);

/// More windows than any service has; the oldest are dropped.
const MOST_WINDOWS: usize = 16;

/// An agent's account: whose limits are meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountKey {
    agent: String,
    account: String,
}

/// A name that could leave the folder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} cannot be the name of an agent's account")]
pub struct BadAccount(pub String);

impl AccountKey {
    /// Returns the key of `account` at the service of agents of type `agent`.
    ///
    /// Both are 1 to 64 letters, digits and `. _ - + @`, the agent without `@`.
    pub fn parse(agent: &str, account: &str) -> Result<Self, BadAccount> {
        let is_plain = |text: &str| {
            !text.is_empty()
                && text.len() <= 64
                && !text.starts_with('.')
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"._-+@".contains(&b))
        };
        if !is_plain(agent) || agent.contains('@') {
            return Err(BadAccount(agent.to_owned()));
        }
        if !is_plain(account) {
            return Err(BadAccount(account.to_owned()));
        }
        Ok(Self {
            agent: agent.to_owned(),
            account: account.to_owned(),
        })
    }

    /// Returns the type of the agent.
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// Returns the label of the account.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Returns the key that a file of the ledger is named after.
    fn of_file(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_suffix(".yaml")?;
        let (agent, account) = name.split_once('@')?;
        Self::parse(agent, account).ok()
    }

    fn file_name(&self) -> String {
        format!("{}@{}.yaml", self.agent, self.account)
    }
}

/// Whether a window lets requests through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowState {
    /// It does.
    Ok,
    /// It does, and will soon be used up.
    Warning,
    /// It does not.
    Rejected,
}

impl WindowState {
    /// Returns the word used in files and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Rejected => "rejected",
        }
    }
}

/// How something about a window is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The agent's program told it in an event of its own.
    Event,
    /// It stood in the text of an error.
    Text,
    /// An attempt showed it.
    Probe,
}

impl Source {
    /// Returns the word used in files and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Text => "text",
            Self::Probe => "probe",
        }
    }
}

/// What an agent told about one window.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowReport {
    /// Its name, such as `five_hour`; `unknown` if it was not told.
    pub window: String,
    /// Whether it lets requests through.
    pub state: WindowState,
    /// How much of it is used, in percent.
    pub used_percent: Option<f64>,
    /// When it begins anew.
    pub resets_at: Option<Timestamp>,
    /// How that is known.
    pub source: Source,
}

/// What is known of one window of an account.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Window {
    /// Its name.
    pub window: String,
    /// Whether it lets requests through.
    pub state: WindowState,
    /// How much of it is used, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_percent: Option<f64>,
    /// When it begins anew, if that was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Timestamp>,
    /// When a rejected window is tried again, before the jitter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_at: Option<Timestamp>,
    /// Rejections in a row, each after the wait for the one before.
    #[serde(default)]
    pub probes: u32,
    /// How that is known.
    pub source: Source,
    /// Since when.
    pub at: Timestamp,
}

/// How an agent's attempts went lately.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Health {
    /// Failures of its login, its start or its service in a row.
    pub failures: u32,
    /// The last of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_kind: Option<FailureKind>,
    /// When that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Timestamp>,
    /// How often it was left alone since it last worked.
    pub cool_downs: u32,
    /// Until when it is left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// What is known of one account.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Account {
    /// Format of the file.
    pub version: u32,
    /// The type of the agent.
    pub agent: String,
    /// The label of the account.
    pub account: String,
    /// Its windows.
    #[serde(default)]
    pub windows: Vec<Window>,
    /// How its attempts went.
    #[serde(default)]
    pub health: Health,
}

/// Why and until when an account is not to be used.
#[derive(Debug, Clone, PartialEq)]
pub struct Closure {
    /// The window that is closed.
    pub window: String,
    /// When to try again.
    pub until: Timestamp,
    /// When the window begins anew, if that was told.
    pub resets_at: Option<Timestamp>,
    /// How much of it is used, where that is the reason; else it was rejected.
    pub parked_at_percent: Option<f64>,
}

impl Window {
    /// Returns how long the window lasts; a long time if its name does not tell.
    fn length(&self) -> Duration {
        let days = |days: u64| Duration::from_hours(24 * days);
        match self.window.as_str() {
            "minute" => Duration::from_mins(1),
            "hour" => Duration::from_hours(1),
            "five_hour" => Duration::from_hours(5),
            "day" => days(1),
            name if name.starts_with("seven_day") => days(7),
            _ => days(31),
        }
    }

    /// Returns when a rejected window is tried again.
    ///
    /// Shortly after the reset; not sooner than in a minute, and not later than the
    /// window is long. All of it counts from the rejection, so that everyone who asks
    /// gets the same answer but for the `jitter`.
    fn wake_at(&self, jitter: Duration) -> Timestamp {
        let Some(probe_at) = self.probe_at else {
            return self.at;
        };
        let earliest = after(self.at, SHORTEST_WAIT);
        let latest = after(self.at, self.length().saturating_add(BEYOND_WINDOW));
        after(probe_at, jitter).clamp(earliest, latest)
    }

    /// Returns when a rejected window is tried again at the earliest; none if it lets requests through.
    pub fn closed_until(&self) -> Option<Timestamp> {
        (self.state == WindowState::Rejected).then(|| self.wake_at(Duration::ZERO))
    }

    /// Takes over what was told; a rejection that nobody waited out is the same one.
    fn report(&mut self, report: &WindowReport, now: Timestamp) {
        let was_rejected = self.state == WindowState::Rejected;
        self.used_percent = report.used_percent.or(self.used_percent);
        self.source = report.source;
        self.state = report.state;
        let resets_at = report.resets_at.filter(|reset| *reset > now);
        if report.state != WindowState::Rejected {
            self.resets_at = resets_at.or(self.resets_at.filter(|reset| *reset > now));
            (self.probe_at, self.probes) = (None, 0);
            self.at = now;
            return;
        }
        let is_waited_out = self.probe_at.is_none_or(|probe_at| probe_at <= now);
        if !was_rejected {
            self.probes = 1;
        } else if is_waited_out {
            self.probes = self.probes.saturating_add(1);
        } else if resets_at.is_none() {
            // Somebody else of this account has met it just before.
            return;
        }
        self.resets_at = resets_at;
        self.at = now;
        let doubled = |times: u32| doubling(FIRST_PROBE, times, LONGEST_PROBE);
        let unknown = after(now, doubled(self.probes.saturating_sub(1)));
        self.probe_at = Some(match resets_at {
            None => unknown,
            Some(reset) if self.probes <= BELIEVED_PROBES => reset,
            // It was told and did not hold several times: do not hammer.
            Some(reset) => reset.max(after(now, doubled(self.probes - BELIEVED_PROBES - 1))),
        });
    }
}

impl Account {
    /// Returns the account of which nothing is known.
    pub fn unknown(key: &AccountKey) -> Self {
        Self {
            version: KNOWN_VERSION,
            agent: key.agent.clone(),
            account: key.account.clone(),
            windows: Vec::new(),
            health: Health::default(),
        }
    }

    /// Takes over what an agent told about its windows.
    pub fn report(&mut self, reports: &[WindowReport], now: Timestamp) {
        for report in reports {
            let known = self.windows.iter().position(|w| w.window == report.window);
            let index = known.unwrap_or_else(|| {
                if self.windows.len() >= MOST_WINDOWS {
                    self.windows.remove(0);
                }
                self.windows.push(Window {
                    window: report.window.clone(),
                    state: WindowState::Ok,
                    used_percent: None,
                    resets_at: None,
                    probe_at: None,
                    probes: 0,
                    source: report.source,
                    at: now,
                });
                self.windows.len() - 1
            });
            self.windows[index].report(report, now);
        }
    }

    /// An attempt that began at `started` was served: what was closed before is open.
    pub fn served(&mut self, started: Timestamp, now: Timestamp) {
        for window in &mut self.windows {
            let is_older = window.at < started;
            let has_begun_anew = window.resets_at.is_some_and(|reset| reset <= now);
            if has_begun_anew {
                (window.used_percent, window.resets_at) = (None, None);
            }
            if window.state == WindowState::Rejected && is_older {
                window.state = WindowState::Ok;
                window.source = Source::Probe;
                window.used_percent = None;
                (window.probe_at, window.probes) = (None, 0);
                window.at = now;
            }
        }
    }

    /// Counts an attempt that ended with `failure`, or well.
    ///
    /// Failures of the login, the start or the service add up; anything else shows
    /// that the agent works.
    pub fn attempted(&mut self, failure: Option<FailureKind>, now: Timestamp) {
        let health = &mut self.health;
        let Some(kind) = failure.filter(|kind| is_degrading(*kind)) else {
            if failure != Some(FailureKind::Cancelled) {
                *health = Health::default();
            }
            return;
        };
        health.failures = health.failures.saturating_add(1);
        health.last_kind = Some(kind);
        health.last_at = Some(now);
        let is_left_alone = health.until.is_some_and(|until| until > now);
        if health.failures >= DEGRADING && !is_left_alone {
            let long = doubling(FIRST_COOL_DOWN, health.cool_downs, LONGEST_COOL_DOWN);
            health.cool_downs = health.cool_downs.saturating_add(1);
            health.until = Some(after(now, long));
        }
    }

    /// Returns until when the agent is left alone where another one can be used.
    pub fn degraded_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.health.until.filter(|until| *until > now)
    }

    /// Returns why no attempt is to be made now: the window that opens last.
    ///
    /// `stop_at_percent` closes windows before they are used up.
    pub fn closure(
        &self,
        stop_at_percent: Option<u8>,
        jitter: Duration,
        now: Timestamp,
    ) -> Option<Closure> {
        let closures = self.windows.iter().filter_map(|window| {
            if window.state == WindowState::Rejected {
                return Some(Closure {
                    window: window.window.clone(),
                    until: window.wake_at(jitter),
                    resets_at: window.resets_at,
                    parked_at_percent: None,
                });
            }
            let used = window.used_percent?;
            let limit = stop_at_percent?;
            // What is not known to begin anew is looked at again after a while.
            let until = match window.resets_at {
                Some(reset) => after(reset, jitter),
                None => after(window.at, FIRST_PROBE),
            };
            (used >= f64::from(limit)).then(|| Closure {
                window: window.window.clone(),
                until,
                resets_at: window.resets_at,
                parked_at_percent: Some(used),
            })
        });
        closures
            .filter(|closure| closure.until > now)
            .max_by_key(|closure| closure.until)
    }
}

/// Tells whether a failure speaks against the agent and not against the work.
fn is_degrading(kind: FailureKind) -> bool {
    matches!(
        kind,
        FailureKind::Auth
            | FailureKind::SpawnFailed
            | FailureKind::ApiTransient
            | FailureKind::Overloaded
    )
}

fn after(time: Timestamp, wait: Duration) -> Timestamp {
    time.checked_add(wait).unwrap_or(Timestamp::MAX)
}

fn doubling(first: Duration, times: u32, longest: Duration) -> Duration {
    first
        .saturating_mul(2_u32.saturating_pow(times.min(16)))
        .min(longest)
}

/// Why the ledger could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// Its lock could not be had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file of it could not be read or written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Its folder cannot be used.
    #[error("could not use {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
}

/// The ledger of one root.
#[derive(Debug, Clone)]
pub struct Ledger {
    root: Root,
}

impl Ledger {
    /// Returns the ledger of `root`; nothing is touched yet.
    pub fn of(root: &Root) -> Self {
        Self { root: root.clone() }
    }

    fn folder(&self) -> PathBuf {
        self.root.conductor_folder().join(FOLDER)
    }

    /// Reads what is known of an account; `None` if that is nothing.
    pub fn read(&self, key: &AccountKey) -> Result<Option<Account>, RecordError> {
        record::read(&self.folder().join(key.file_name()), KNOWN_VERSION)
    }

    /// Tells whether anything may be known of an account; cheap.
    pub fn knows(&self, key: &AccountKey) -> bool {
        self.folder().join(key.file_name()).exists()
    }

    /// Reads all accounts, by name, and what could not be read.
    pub fn all(&self) -> (Vec<Account>, Vec<RecordError>) {
        let (mut accounts, mut problems) = (Vec::new(), Vec::new());
        let folder = self.folder();
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return (accounts, problems),
            Err(e) => return (accounts, vec![RecordError::io(&folder)(e)]),
        };
        let mut paths: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
            .collect();
        paths.sort();
        for path in paths {
            match record::read::<Account>(&path, KNOWN_VERSION) {
                Ok(account) => accounts.extend(account),
                Err(error) => problems.push(error),
            }
        }
        (accounts, problems)
    }

    /// Changes what is known of an account, under the lock; returns after it is on disk.
    ///
    /// A damaged file counts as none; one of a newer version is left alone.
    pub fn update(
        &self,
        key: &AccountKey,
        change: impl FnOnce(&mut Account),
    ) -> Result<Account, LedgerError> {
        let path = self.folder().join(key.file_name());
        self.locked(|| {
            let mut account = match record::read(&path, KNOWN_VERSION) {
                Ok(known) => known.unwrap_or_else(|| Account::unknown(key)),
                Err(RecordError::Malformed { .. }) => {
                    let copy = record::set_damaged_aside(&path)?;
                    tracing::warn!(copy = %copy.display(), "what was known of an account is damaged and forgotten");
                    Account::unknown(key)
                }
                Err(error) => return Err(error.into()),
            };
            let before = account.clone();
            change(&mut account);
            if account != before {
                record::write(&path, &account, Mode::Private)?;
            }
            Ok(account)
        })
    }

    /// Forgets what is known of an account; tells whether there was anything.
    pub fn clear(&self, key: &AccountKey) -> Result<bool, LedgerError> {
        let path = self.folder().join(key.file_name());
        if !path.exists() {
            return Ok(false);
        }
        self.locked(|| {
            durable::remove(&path).map_err(RecordError::io(&path))?;
            Ok(true)
        })
    }

    /// Forgets an account whose file is damaged; returns where that file is kept.
    ///
    /// None if the file is sound by now, or gone, or of a newer version.
    pub fn clear_damaged(&self, key: &AccountKey) -> Result<Option<PathBuf>, LedgerError> {
        let path = self.folder().join(key.file_name());
        self.locked(|| match check_file(&path) {
            Err(RecordError::Malformed { .. }) => Ok(Some(record::set_damaged_aside(&path)?)),
            _ => Ok(None),
        })
    }

    fn locked<T>(
        &self,
        operation: impl FnOnce() -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let ready = self.root.ensure_own_folder(FOLDER);
        ready.map_err(|source| LedgerError::Folder {
            path: self.folder(),
            source,
        })?;
        let lock = self.folder().join("lock");
        lock::with_private_lock_file(&lock, lock::SHORT_WAIT, operation)?
    }
}

/// Tells what is wrong with a file of the ledger.
pub(crate) fn check_file(path: &Path) -> Result<(), RecordError> {
    record::read::<Account>(path, KNOWN_VERSION).map(drop)
}

/// Returns whose file a problem is about that [`Ledger::all`] has found.
pub fn account_of(problem: &RecordError) -> Option<AccountKey> {
    AccountKey::of_file(problem.path())
}

#[cfg(test)]
mod tests;
