//! Identity and liveness of processes, read-only.
//!
//! A pid alone names nobody: the kernel reuses it. A [`ProcessIdentity`] adds
//! the kernel start time and the boot id, and a process counts as alive only
//! if all three agree. Zombies are dead: they can neither write nor be killed.
//! A process that we may not inspect is alive.
//!
//! Where that is known from is another matter on each system: `linux` reads
//! `/proc`, `macos` asks `libproc` and `sysctl`, `windows` asks for handles and
//! snapshots. Only `linux` has been tested.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(windows)]
mod windows;

use std::fmt;
use std::io;

#[cfg(any(target_os = "linux", target_os = "android"))]
use linux as system;
#[cfg(target_os = "macos")]
use macos as system;
#[cfg(windows)]
use windows as system;

/// The pid of a process together with what tells it from a later one with the same pid.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProcessIdentity {
    /// The process id; positive.
    pub pid: i32,
    /// When the process was started.
    pub start: ProcessStart,
}

/// When a process was started: boot id and kernel ticks.
///
/// The ticks are clock ticks since the boot on Linux, microseconds since 1970 on macOS,
/// and tenths of a microsecond since 1601 on Windows.
///
/// Written as `<boot id>:<ticks>`; an opaque token for everyone else.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProcessStart {
    boot_id: String,
    ticks: u64,
}

impl ProcessStart {
    /// Parses the form `<boot id>:<ticks>`.
    pub fn parse(text: &str) -> Option<Self> {
        let (boot_id, ticks) = text.trim().rsplit_once(':')?;
        let ticks = ticks.parse().ok()?;
        (!boot_id.is_empty()).then(|| Self {
            boot_id: boot_id.to_owned(),
            ticks,
        })
    }

    /// Returns the kernel's time of the start, in ticks of this system.
    pub fn ticks(&self) -> u64 {
        self.ticks
    }

    /// Tells whether the start was in the running boot; false where that cannot be told.
    pub fn is_of_this_boot(&self) -> bool {
        boot_id().is_ok_and(|boot_id| boot_id == self.boot_id)
    }
}

impl fmt::Display for ProcessStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.boot_id, self.ticks)
    }
}

impl TryFrom<String> for ProcessStart {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("{text:?} is not <boot id>:<ticks>"))
    }
}

impl From<ProcessStart> for String {
    fn from(start: ProcessStart) -> Self {
        start.to_string()
    }
}

impl ProcessIdentity {
    /// Returns the identity of this process.
    pub fn current() -> io::Result<Self> {
        let pid = i32::try_from(std::process::id()).unwrap_or(0);
        Self::of(pid)?
            .ok_or_else(|| io::Error::other("this process is missing from the process table"))
    }

    /// Returns the identity of the process that has `pid` now; `None` if there is none.
    pub fn of(pid: i32) -> io::Result<Option<Self>> {
        let Some(stat) = ProcessStat::read(pid)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            pid,
            start: ProcessStart {
                boot_id: boot_id()?,
                ticks: stat.start_ticks,
            },
        }))
    }

    /// Tells whether this very process still runs; zombies do not.
    pub fn is_alive(&self) -> bool {
        match ProcessStat::read(self.pid) {
            Ok(Some(stat)) => {
                let same_boot = boot_id().is_ok_and(|boot_id| boot_id == self.start.boot_id);
                same_boot && stat.start_ticks == self.start.ticks && !stat.is_zombie()
            }
            Ok(None) => false,
            // It is there but may not be inspected.
            Err(_) => true,
        }
    }
}

/// What a stored pid, with or without a start token, says about life.
///
/// Records of the earlier implementation hold no token; then the process must
/// not have been started later than two seconds after `recorded_at`.
pub fn is_alive(pid: i32, start: Option<&ProcessStart>, recorded_at: jiff::Timestamp) -> bool {
    if pid <= 0 {
        return false;
    }
    if let Some(start) = start {
        return ProcessIdentity {
            pid,
            start: start.clone(),
        }
        .is_alive();
    }
    match ProcessStat::read(pid) {
        Ok(Some(stat)) if stat.is_zombie() => false,
        Ok(Some(stat)) => system::started_at(stat.start_ticks)
            .is_none_or(|at| at <= recorded_at + jiff::SignedDuration::from_secs(2)),
        Ok(None) => false,
        Err(_) => true,
    }
}

/// What we use of what the system says about a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessStat {
    /// Name of the executable, cut by the kernel to 15 bytes.
    pub name: String,
    /// State letter; `Z` and `X` are dead.
    pub state: char,
    /// Parent process.
    pub parent: i32,
    /// Process group; 0 where there are none.
    pub group: i32,
    /// Session; 0 where there are none.
    pub session: i32,
    /// It is a thread of the kernel.
    pub is_kernel_thread: bool,
    /// User and system time used so far, in [`ticks_per_second`].
    pub cpu_ticks: u64,
    /// Start time in the ticks of [`ProcessStart`].
    pub start_ticks: u64,
    /// Resident memory in pages of [`page_bytes`].
    pub resident_pages: u64,
}

impl ProcessStat {
    /// Reads the fields of `pid`; `None` if there is no such process.
    pub fn read(pid: i32) -> io::Result<Option<Self>> {
        if pid <= 0 {
            return Ok(None);
        }
        system::stat(pid)
    }

    /// Tells whether the process has ended and only waits to be reaped.
    pub fn is_zombie(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// Returns the pids of all processes; those that end meanwhile may be among them.
pub fn all_pids() -> io::Result<Vec<i32>> {
    system::all_pids()
}

/// Returns the value of a variable in the initial environment of `pid`.
///
/// `None` if it is not set there, or if the environment may not be read.
pub fn environment_value(pid: i32, name: &str) -> Option<String> {
    InitialEnvironment::of(pid)?.value(name)
}

/// The environment that a process was started with, as it was at one look.
pub struct InitialEnvironment(Vec<u8>);

impl InitialEnvironment {
    /// Reads the environment of `pid`; `None` if that is not allowed or not possible.
    pub fn of(pid: i32) -> Option<Self> {
        system::environment(pid).map(Self)
    }

    /// Returns the value of the variable `name`; `None` if it is not set.
    pub fn value(&self, name: &str) -> Option<String> {
        self.0.split(|&b| b == 0).find_map(|entry| {
            let value = entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
            Some(String::from_utf8_lossy(value).into_owned())
        })
    }
}

impl fmt::Debug for InitialEnvironment {
    /// Shows its size only: environments hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InitialEnvironment({} bytes)", self.0.len())
    }
}

/// Returns the command line of `pid`, arguments separated by NUL; `None` if it may not be read.
///
/// Empty for kernel threads and for processes that have ended. At most 64 KiB of it.
pub fn command_line(pid: i32) -> Option<Vec<u8>> {
    system::command_line(pid, 64 * 1024)
}

/// Returns the path of the control group (version 2) of `pid`, as this process sees it.
///
/// `None` where there are none, or if it may not be read. A group that was removed under
/// the process ends in ` (deleted)`, as the kernel says it.
pub fn control_group(pid: i32) -> Option<String> {
    system::control_group(pid)
}

/// Returns how many ticks of processor time make a second.
pub fn ticks_per_second() -> u64 {
    system::ticks_per_second().max(1)
}

/// Returns the size of a page of memory.
pub fn page_bytes() -> u64 {
    system::page_bytes()
}

/// Returns the id of the running boot.
pub fn boot_id() -> io::Result<String> {
    static BOOT_ID: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    if let Some(id) = BOOT_ID.get() {
        return Ok(id.clone());
    }
    let id = system::boot_id()?;
    Ok(BOOT_ID.get_or_init(|| id).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_a_later_one_with_its_pid_is_not() {
        let me = ProcessIdentity::current().unwrap();
        assert!(me.is_alive());
        assert_eq!(
            ProcessStart::parse(&me.start.to_string()),
            Some(me.start.clone())
        );
        let mut other = me.clone();
        other.start.ticks += 1;
        assert!(!other.is_alive(), "same pid, other start time");
        let mut rebooted = me;
        rebooted.start.boot_id = "another-boot".into();
        assert!(!rebooted.is_alive(), "same pid and ticks, other boot");
    }

    #[test]
    fn a_record_without_a_token_is_judged_by_its_time() {
        let me = ProcessIdentity::current().unwrap();
        let soon = jiff::Timestamp::MAX - jiff::SignedDuration::from_hours(1);
        assert!(is_alive(me.pid, None, soon));
        assert!(
            !is_alive(me.pid, None, jiff::Timestamp::UNIX_EPOCH),
            "started after the record"
        );
        assert!(!is_alive(0, None, soon));
        assert!(!is_alive(-1, None, soon));
    }

    #[test]
    fn a_process_is_read_in_one_look() {
        let me = i32::try_from(std::process::id()).unwrap();
        let environment = InitialEnvironment::of(me).unwrap();
        assert!(environment.value("PATH").is_some());
        assert_eq!(environment.value("NO_SUCH_VARIABLE"), None);
        let shown = format!("{environment:?}");
        assert!(shown.ends_with("bytes)"), "{shown}");
        assert!(command_line(me).is_some_and(|line| line.contains(&0)));
        assert!(ProcessIdentity::current().unwrap().start.is_of_this_boot());
        assert!(!ProcessStart::parse("other:1").unwrap().is_of_this_boot());
    }

    #[test]
    fn a_zombie_is_dead() {
        #[expect(
            clippy::disallowed_methods,
            reason = "a child that nobody has reaped yet"
        )]
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let identity = ProcessIdentity::of(pid).unwrap().unwrap();
        rustix::process::waitid(
            rustix::process::WaitId::Pid(rustix::process::Pid::from_raw(pid).unwrap()),
            rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT,
        )
        .unwrap();
        assert!(!identity.is_alive());
        child.wait().unwrap();
        assert!(!identity.is_alive());
    }
}
