//! A control group for everything that one supervisor starts.
//!
//! The other nets of [`super::tree`] lose a process that has left its group and session,
//! cleared its environment, and whose supervisor was killed. Membership in a control group
//! (Linux, version 2) is inherited and is not left by any of that. Where this process may
//! make one, every supervisor therefore makes a *leaf*, and all that it starts is born there:
//!
//! ```text
//! <the group of whoever launched it>/       the supervisor
//!     conductor-<pid>-<start ticks>/        its agents, gates, probes
//! ```
//!
//! The name is the supervisor's identity, which records hold anyway, so nothing more is
//! written down, and a leaf counts only for a supervisor of the running boot. One leaf per
//! supervisor and not per run: a supervisor has one agent at a time.
//!
//! The supervisor itself stays where it is, because moving a process takes the kernel 10 ms,
//! one at a time for the whole machine, and being born in a group nothing ([`super::birth`]).
//! Two kinds of supervisor move all the same: one that finds itself in the leaf of another,
//! as a child of an agent, and one on a kernel that lets nobody be born in a group (before
//! Linux 5.7, or behind a filter of system calls).
//!
//! While the supervisor lives, it finds its processes as a subreaper; the leaf is for those
//! who come after its death. It also ends a tree that grows faster than it can be killed one
//! by one: the supervisor, if it is inside, steps out, and the kernel kills the group as a whole.
//!
//! An empty leaf is removed by whoever sees its supervisor's end, by the next supervisor, and
//! by `gc` and `recover`. A group that has processes cannot be removed, so that this is safe
//! at any time. Without control groups everything works as before.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use cl_storage::process::{self, ProcessIdentity};

use super::birth::Unborn;
use super::spawn::{Program, spawn, spawn_into};

/// What the names of leaves begin with.
const PREFIX: &str = "conductor-";

/// How deep groups are looked for below a leaf and below the mount.
const DEEPEST: usize = 16;

/// How many groups one search goes through.
const MOST_GROUPS: usize = 20_000;

/// A leaf that this process has made.
#[derive(Debug)]
pub(crate) struct Leaf {
    path: PathBuf,
    base: PathBuf,
    /// The open folder of the group, in which processes are born.
    folder: fs::File,
    /// Nobody can be born in the group: this process must be inside, so that its children are.
    must_be_inside: bool,
    is_inside: bool,
}

/// Why there is no leaf, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Absence {
    /// No control groups of version 2 are mounted, or this process is not in one.
    NotMounted,
    /// A group cannot be made where this process is.
    NotWritable(String),
}

impl std::fmt::Display for Absence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotMounted => f.write_str("no control groups of version 2 are mounted"),
            Self::NotWritable(why) => f.write_str(why),
        }
    }
}

impl Leaf {
    /// Makes the leaf of this process, and removes leaves of dead supervisors beside it.
    ///
    /// Moves the process only if it is in the leaf of another, which takes up to 15 ms.
    pub(crate) fn make() -> Result<Self, Absence> {
        let Base { path, is_in_leaf } = base()?;
        let me = ProcessIdentity::current().map_err(|e| Absence::NotWritable(e.to_string()))?;
        remove_dead(&path);
        let mut leaf = Self::make_below(&path, &me)?;
        if is_in_leaf && let Err(e) = leaf.step_in() {
            let absence = refused(&leaf.path, &e);
            leaf.remove();
            return Err(absence);
        }
        Ok(leaf)
    }

    fn make_below(base: &Path, me: &ProcessIdentity) -> Result<Self, Absence> {
        let path = base.join(name_of(me));
        match fs::create_dir(&path) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(refused(&path, &e)),
            _ => {}
        }
        // The kernel asks for both when a process is born in the group.
        let members = path.join("cgroup.procs");
        let opened = may_write(&members)
            .and_then(|()| may_write(&base.join("cgroup.procs")))
            .and_then(|()| fs::File::open(&path));
        match opened {
            Ok(folder) => Ok(Self {
                path,
                base: base.to_owned(),
                folder,
                must_be_inside: false,
                is_inside: false,
            }),
            Err(e) => {
                remove_empty(&path);
                Err(refused(&members, &e))
            }
        }
    }

    /// Starts `program` in the leaf.
    ///
    /// Where nobody can be born there, this process moves into it, once, and starts the
    /// program as its child; if it may not even do that, the program is started outside.
    pub(crate) fn spawn(&mut self, program: Program<'_>) -> io::Result<ProcessIdentity> {
        if !self.must_be_inside {
            match spawn_into(&program, self.folder.as_fd()) {
                Ok(process) => return Ok(process),
                Err(Unborn::Program(error)) => return Err(error),
                Err(Unborn::Group(error)) => {
                    tracing::debug!(%error, "no process can be born in the control group");
                    self.must_be_inside = true;
                }
            }
        }
        if let Err(error) = self.step_in() {
            // The other nets find the process while this supervisor lives.
            tracing::warn!(%error, "could not enter the control group");
        }
        spawn(program)
    }

    /// Moves this process into the leaf, if it is not there.
    fn step_in(&mut self) -> io::Result<()> {
        if !self.is_inside {
            move_me(&self.path)?;
            self.is_inside = true;
        }
        Ok(())
    }

    fn step_out(&mut self) -> io::Result<()> {
        if self.is_inside {
            move_me(&self.base)?;
            self.is_inside = false;
        }
        Ok(())
    }

    /// Kills everything in the leaf at once if all of it is among `ours`; this process steps
    /// out before, if it is inside. Returns whether that was done.
    pub(crate) fn kill(&mut self, ours: &[ProcessIdentity]) -> bool {
        let me = i32::try_from(std::process::id()).unwrap_or(0);
        let others = members(&self.path).into_iter().filter(|pid| *pid != me);
        if !is_all_ours(others, ours) || self.step_out().is_err() {
            return false;
        }
        // A member that came since the look was started by one that is ours.
        write(&self.path.join("cgroup.kill"), b"1").is_ok()
    }

    /// Steps out and removes the leaf, if nothing else is in it.
    pub(crate) fn remove(mut self) {
        if self.step_out().is_ok() {
            remove_empty(&self.path);
        }
    }
}

/// The leaf of another supervisor, as its members tell of it.
#[derive(Debug)]
pub(crate) struct Foreign {
    path: PathBuf,
}

impl Foreign {
    /// Finds the leaf of `supervisor` in which the process `member` is.
    pub(crate) fn of(supervisor: &ProcessIdentity, member: i32) -> Option<Self> {
        let (mount, mount_root) = mount()?;
        let group = process::control_group(member)?;
        let name = Name::of(supervisor)?;
        let upto = group.find(&name.0)? + name.0.len();
        let path = place(&mount, &mount_root, &group[..upto])?;
        (path.file_name()?.to_str()? == name.0).then_some(Self { path })
    }

    /// Kills everything in the leaf at once if all of it is among `ours`.
    pub(crate) fn kill(&self, ours: &[ProcessIdentity]) -> bool {
        is_all_ours(members(&self.path).into_iter(), ours)
            && write(&self.path.join("cgroup.kill"), b"1").is_ok()
    }

    /// Removes the leaf if nothing is in it.
    pub(crate) fn remove(&self) {
        remove_empty(&self.path);
    }
}

/// What the leaf of a supervisor is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(String);

impl Name {
    /// Returns the name; `None` if the supervisor is of an earlier boot, whose groups are gone.
    pub(crate) fn of(supervisor: &ProcessIdentity) -> Option<Self> {
        (supervisor.start.is_of_this_boot()).then(|| Self(name_of(supervisor)))
    }

    /// Tells whether `pid` is in the leaf or in a group below it.
    pub(crate) fn holds(&self, pid: i32) -> bool {
        process::control_group(pid).is_some_and(|group| self.is_in(&group))
    }

    fn is_in(&self, group: &str) -> bool {
        // The innermost leaf counts: a supervisor started by an agent makes one of its own.
        leaf_in(group) == Some(self.0.as_str())
    }
}

/// Returns the name of the leaf in which `pid` is, with the supervisor's number and start.
pub(crate) fn of_process(pid: i32) -> Option<String> {
    leaf_in(&process::control_group(pid)?).map(str::to_owned)
}

/// Tells whether supervisors can have leaves here, or why not, and changes nothing.
///
/// Makes a group and removes it again, because permissions alone do not say it.
pub fn availability() -> Result<PathBuf, Absence> {
    let base = base()?.path;
    let trial = base.join(format!("{PREFIX}trial-{}", std::process::id()));
    fs::create_dir(&trial).map_err(|e| refused(&trial, &e))?;
    let is_group = trial.join("cgroup.procs").exists();
    let may_move = may_write(&base.join("cgroup.procs"));
    remove_empty(&trial);
    if !is_group {
        return Err(Absence::NotWritable(format!(
            "{} is no control group",
            base.display()
        )));
    }
    may_move.map_err(|e| refused(&base.join("cgroup.procs"), &e))?;
    Ok(base)
}

/// Removes the empty leaves of all dead supervisors of this machine that can be seen and removed.
///
/// Returns how many. For `gc` and `recover`; goes through all groups, at most 20 000.
pub fn remove_all_dead() -> usize {
    let Some((mount, _)) = mount() else {
        return 0;
    };
    let mut removed = 0;
    let mut left = MOST_GROUPS;
    walk(&mount, DEEPEST, &mut left, &mut |folder| {
        removed += remove_dead(folder);
    });
    removed
}

/// Removes the leaf of `supervisor`, which was started from here, if it is dead and the leaf empty.
pub(crate) fn remove_of(supervisor: &ProcessIdentity) {
    if !supervisor.is_alive()
        && let Ok(base) = base()
    {
        remove_empty(&base.path.join(name_of(supervisor)));
    }
}

/// The group in which leaves of this process are made.
struct Base {
    path: PathBuf,
    /// This process is not in it but in a leaf below, its own or another's.
    is_in_leaf: bool,
}

/// Returns the group in which leaves of this process are made.
fn base() -> Result<Base, Absence> {
    let (mount, mount_root) = mount().ok_or(Absence::NotMounted)?;
    let me = i32::try_from(std::process::id()).unwrap_or(0);
    let group = process::control_group(me).ok_or(Absence::NotMounted)?;
    let outside = outside_leaves(&group);
    let path = place(&mount, &mount_root, outside).ok_or(Absence::NotMounted)?;
    let is_in_leaf = outside.len() < group.trim_end_matches('/').len();
    Ok(Base { path, is_in_leaf })
}

fn refused(path: &Path, error: &io::Error) -> Absence {
    Absence::NotWritable(format!("{}: {error}", path.display()))
}

/// Returns where the hierarchy of version 2 is mounted, and which part of it.
fn mount() -> Option<(PathBuf, String)> {
    mount_in(&fs::read_to_string("/proc/self/mountinfo").ok()?)
}

fn mount_in(mountinfo: &str) -> Option<(PathBuf, String)> {
    mountinfo.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        (after.split(' ').next()? == "cgroup2").then_some(())?;
        let mut fields = before.split(' ').skip(3);
        let (root, at) = (fields.next()?, fields.next()?);
        // Blanks and the like are written as octal numbers; nobody mounts it there.
        (!at.contains('\\')).then(|| (PathBuf::from(at), root.to_owned()))
    })
}

/// Returns the folder of `group`, if it is below what is mounted.
fn place(mount: &Path, mount_root: &str, group: &str) -> Option<PathBuf> {
    // A group outside of this name space begins with "/..".
    let is_plain = !group.split('/').any(|part| part == "..") && !group.ends_with(" (deleted)");
    let below = group.strip_prefix(mount_root.trim_end_matches('/'))?;
    (is_plain && (below.is_empty() || below.starts_with('/')))
        .then(|| mount.join(below.trim_matches('/')))
}

/// Returns `group` up to the first leaf in it: leaves stand side by side, so that one can be
/// removed whatever became of the others.
fn outside_leaves(group: &str) -> &str {
    let mut end = 0;
    for part in group.split('/') {
        if identity_in(part).is_some() {
            return group[..end].trim_end_matches('/');
        }
        end += part.len() + 1;
    }
    group
}

fn leaf_in(group: &str) -> Option<&str> {
    group
        .rsplit('/')
        .map(|part| part.trim_end_matches(" (deleted)"))
        .find(|part| identity_in(part).is_some())
}

fn name_of(supervisor: &ProcessIdentity) -> String {
    format!("{PREFIX}{}-{}", supervisor.pid, supervisor.start.ticks())
}

/// Returns the supervisor's number and start that the name of a leaf holds.
fn identity_in(name: &str) -> Option<(i32, u64)> {
    let (pid, ticks) = name.strip_prefix(PREFIX)?.split_once('-')?;
    let pid = pid.parse().ok().filter(|pid| *pid > 0)?;
    Some((pid, ticks.parse().ok()?))
}

/// Tells whether every member of a leaf is one that is to be ended.
///
/// A live supervisor of another task, a run of another one, or a process that nobody has
/// judged yet: then the members are ended one by one.
fn is_all_ours(members: impl Iterator<Item = i32>, ours: &[ProcessIdentity]) -> bool {
    let ours: HashSet<i32> = ours.iter().map(|process| process.pid).collect();
    let mut members = members.peekable();
    members.peek().is_some() && members.all(|pid| ours.contains(&pid))
}

/// Returns every process in the group and below it.
fn members(group: &Path) -> Vec<i32> {
    let mut pids = Vec::new();
    let mut left = MOST_GROUPS;
    walk(group, DEEPEST, &mut left, &mut |folder| {
        let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
    });
    pids
}

fn walk(folder: &Path, depth: usize, left: &mut usize, visit: &mut impl FnMut(&Path)) {
    if depth == 0 || *left == 0 {
        return;
    }
    *left -= 1;
    visit(folder);
    for inner in folders_in(folder) {
        walk(&inner, depth - 1, left, visit);
    }
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// Removes the empty leaves of dead supervisors in `base`; returns how many.
fn remove_dead(base: &Path) -> usize {
    let folders = folders_in(base).into_iter();
    folders
        .filter(|folder| {
            let name = folder.file_name().and_then(|name| name.to_str());
            let is_dead = |(pid, ticks)| {
                let now = ProcessIdentity::of(pid).ok().flatten();
                now.is_none_or(|now| now.start.ticks() != ticks || !now.is_alive())
            };
            name.and_then(identity_in).is_some_and(is_dead) && remove_empty(folder)
        })
        .count()
}

/// Removes a group and the groups below it, deepest first, as far as they are empty.
fn remove_empty(group: &Path) -> bool {
    for inner in folders_in(group) {
        remove_empty(&inner);
    }
    // The kernel refuses while there is a process in it.
    fs::remove_dir(group).is_ok()
}

fn move_me(group: &Path) -> io::Result<()> {
    write(&group.join("cgroup.procs"), b"0")
}

fn may_write(path: &Path) -> io::Result<()> {
    fs::File::options().write(true).open(path).map(drop)
}

/// Writes to a file of the kernel, which is never made.
fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    fs::File::options().write(true).open(path)?.write_all(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cl_storage::process::ProcessStart;

    fn identity(pid: i32, ticks: u64) -> ProcessIdentity {
        let boot = process::boot_id().unwrap();
        let start = ProcessStart::parse(&format!("{boot}:{ticks}")).unwrap();
        ProcessIdentity { pid, start }
    }

    /// A folder that looks like a group, with what the kernel would put there.
    fn fake_group(path: &Path, members: &str) {
        fs::create_dir_all(path).unwrap();
        fs::write(path.join("cgroup.procs"), members).unwrap();
        fs::write(path.join("cgroup.kill"), "").unwrap();
    }

    #[test]
    fn the_mount_is_found() {
        let hybrid = "25 1 0:23 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                      30 25 0:28 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 none rw\n";
        let found = mount_in(hybrid).unwrap();
        assert_eq!(
            found,
            (PathBuf::from("/sys/fs/cgroup/unified"), "/".to_owned())
        );
        assert_eq!(mount_in("25 1 0:23 / /sys rw - sysfs sysfs rw\n"), None);
        assert_eq!(mount_in("nonsense"), None);
    }

    #[track_caller]
    fn check_place(mount_root: &str, group: &str, expected: Option<&str>) {
        let found = place(Path::new("/m"), mount_root, group);
        assert_eq!(
            found.as_deref(),
            expected.map(Path::new),
            "{mount_root} {group}"
        );
    }

    #[test]
    fn a_group_has_a_place_below_the_mount_or_none() {
        check_place("/", "/", Some("/m/"));
        check_place("/", "/a/b", Some("/m/a/b"));
        check_place("/box", "/box/a", Some("/m/a"));
        check_place("/box", "/boxer/a", None);
        check_place("/", "/../other", None);
        check_place("/", "/a (deleted)", None);
    }

    #[test]
    fn leaves_stand_side_by_side_and_the_innermost_counts() {
        assert_eq!(outside_leaves("/a/b"), "/a/b");
        assert_eq!(outside_leaves("/"), "/");
        assert_eq!(outside_leaves("/a/conductor-12-34/x"), "/a");
        assert_eq!(outside_leaves("/conductor-12-34"), "");
        assert_eq!(outside_leaves("/conductor-x/y"), "/conductor-x/y");
        let name = Name::of(&identity(12, 34)).unwrap();
        for inside in [
            "/a/conductor-12-34",
            "/conductor-12-34/box/inner",
            "/conductor-12-34 (deleted)",
        ] {
            assert!(name.is_in(inside), "{inside}");
        }
        for outside in [
            "/",
            "/a/conductor-12-345",
            "/conductor-12-34/conductor-9-9",
            "/xconductor-12-34",
        ] {
            assert!(!name.is_in(outside), "{outside}");
        }
        let rebooted = ProcessIdentity {
            pid: 12,
            start: ProcessStart::parse("another-boot:34").unwrap(),
        };
        assert_eq!(Name::of(&rebooted), None);
    }

    #[track_caller]
    fn check_all_ours(members: &[i32], ours: &[i32], expected: bool) {
        let ours: Vec<_> = ours.iter().map(|pid| identity(*pid, 1)).collect();
        assert_eq!(is_all_ours(members.iter().copied(), &ours), expected);
    }

    #[test]
    fn a_group_is_killed_whole_only_if_all_of_it_is_to_be_ended() {
        check_all_ours(&[1, 2], &[1, 2, 3], true);
        check_all_ours(&[1, 2], &[1], false);
        check_all_ours(&[], &[1], false);
    }

    #[test]
    fn where_no_group_can_be_made_there_is_no_leaf_and_nothing_is_left() {
        let base = tempfile::tempdir().unwrap();
        let me = ProcessIdentity::current().unwrap();
        // A plain folder makes no files of its own in a new folder.
        assert!(matches!(
            Leaf::make_below(base.path(), &me),
            Err(Absence::NotWritable(_))
        ));
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_fake_group_is_entered_where_nobody_can_be_born_killed_and_left() {
        let base = tempfile::tempdir().unwrap();
        fake_group(base.path(), "");
        let me = ProcessIdentity::current().unwrap();
        let path = base.path().join(name_of(&me));
        fake_group(&path, "");
        let mut leaf = Leaf::make_below(base.path(), &me).unwrap();
        let read = |name: &str| fs::read_to_string(path.join(name)).unwrap();
        assert_eq!(read("cgroup.procs"), "", "the supervisor stays outside");
        let program = Program {
            path: Path::new("/bin/true"),
            args: &[],
            env: &std::collections::BTreeMap::new(),
            cwd: Path::new("/"),
            stdin: None,
            stdout: None,
            stderr: None,
        };
        let child = leaf.spawn(program).unwrap();
        assert_eq!(read("cgroup.procs"), "0", "it had to move");
        let pid = rustix::process::Pid::from_raw(child.pid);
        rustix::process::waitpid(pid, rustix::process::WaitOptions::empty()).unwrap();
        fs::write(path.join("cgroup.procs"), "77\n78\n").unwrap();
        fake_group(&path.join("box"), "79\n");
        assert_eq!(members(&path).len(), 3);
        assert!(!leaf.kill(&[identity(77, 1), identity(78, 1)]));
        assert_eq!(read("cgroup.kill"), "");
        let ours = [77, 78, 79].map(|pid| identity(pid, 1));
        assert!(leaf.kill(&ours));
        assert_eq!(read("cgroup.kill"), "1");
        let outside = fs::read_to_string(base.path().join("cgroup.procs")).unwrap();
        assert_eq!(outside, "0", "the supervisor stepped out first");
        leaf.step_in().unwrap();
        assert!(leaf.is_inside);
    }

    #[test]
    fn only_leaves_of_dead_supervisors_are_removed() {
        let base = tempfile::tempdir().unwrap();
        let me = ProcessIdentity::current().unwrap();
        let names = [
            name_of(&me),
            format!("{PREFIX}{}-1", me.pid),
            "conductor-other".to_owned(),
            "somebody".to_owned(),
        ];
        for name in &names {
            fs::create_dir(base.path().join(name)).unwrap();
        }
        assert_eq!(remove_dead(base.path()), 1);
        let is_left: Vec<bool> = (names.iter())
            .map(|name| base.path().join(name).exists())
            .collect();
        assert_eq!(is_left, [true, false, true, true]);
    }
}
