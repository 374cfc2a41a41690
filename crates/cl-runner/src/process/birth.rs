//! Starting a process inside a control group.
//!
//! Moving a process into a group makes the kernel wait until nobody forks, which takes 10 ms,
//! one move at a time for the whole machine. A process that is *born* in the group costs
//! nothing (`CLONE_INTO_CGROUP` of `clone3(2)`, Linux 5.7), but neither the standard library
//! nor rustix offers that, so the way from there to the new program is here: a session of its
//! own, no blocked signals, three streams, the working folder, the program.
//!
//! Everything that the new process needs is prepared before, because between its birth and
//! its program it may make system calls only: another thread of the parent may have held the
//! allocator's lock.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::process::{Pid, WaitOptions, waitpid};

use super::spawn::Program;

/// Signal handlers of the parent mean nothing in the child: they become the default at its birth.
const CLEAR_HANDLERS: u64 = 0x1_0000_0000;
/// The child is born in the control group whose folder is named.
const INTO_GROUP: u64 = 0x2_0000_0000;

/// What executes a file that is neither a program nor names its interpreter.
const SHELL: &[u8] = b"/bin/sh";

/// Why no process was started.
#[derive(Debug)]
pub(crate) enum Unborn {
    /// None can be born in that group, or not by this way; the program was not tried.
    Group(io::Error),
    /// The program could not be started.
    Program(io::Error),
}

/// Starts `program` in a session of its own and in the control group with the open folder
/// `group`; without one, in that of this process. Returns its number.
///
/// Waits until the program was executed or refused. The caller waits for its end.
pub(crate) fn bear(program: &Program<'_>, group: Option<BorrowedFd<'_>>) -> Result<i32, Unborn> {
    let null = File::options().read(true).write(true).open("/dev/null");
    let null = null.map_err(Unborn::Group)?;
    let stream = |file: &Option<File>| file.as_ref().unwrap_or(&null).as_raw_fd();
    let streams = [&program.stdin, &program.stdout, &program.stderr].map(stream);
    if streams.iter().any(|&fd| fd <= 2) {
        // They would be overwritten by each other; only a process without streams has such.
        return Err(Unborn::Group(io::ErrorKind::Unsupported.into()));
    }
    let (news, tell) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|e| Unborn::Group(e.into()))?;
    let plan = Plan::of(program, streams, tell.as_raw_fd()).map_err(Unborn::Program)?;
    let pid = clone(&plan, group).map_err(Unborn::Group)?;
    // The child has the other copy, which its program closes.
    drop(tell);
    let mut code = [0; 4];
    match File::from(news).read_exact(&mut code) {
        Ok(()) => {
            // It has ended itself, so this returns at once, and there is nothing to learn.
            let waited = waitpid(Pid::from_raw(pid), WaitOptions::empty());
            waited.map(drop).unwrap_or_default();
            let error = io::Error::from_raw_os_error(i32::from_ne_bytes(code));
            Err(Unborn::Program(error))
        }
        Err(_) => Ok(pid),
    }
}

/// What a new process does, ready to be done without another allocation.
struct Plan {
    /// Own what the lists point to.
    _texts: Vec<CString>,
    path: *const libc::c_char,
    args: Vec<*const libc::c_char>,
    /// For a file that only a shell understands.
    shell_args: Vec<*const libc::c_char>,
    env: Vec<*const libc::c_char>,
    cwd: *const libc::c_char,
    streams: [RawFd; 3],
    tell: RawFd,
}

impl Plan {
    fn of(program: &Program<'_>, streams: [RawFd; 3], tell: RawFd) -> io::Result<Self> {
        let mut texts = Vec::with_capacity(program.args.len() + program.env.len() + 3);
        let mut keep = |bytes: &[u8]| -> io::Result<*const libc::c_char> {
            let text = CString::new(bytes)?;
            let pointer = text.as_ptr();
            texts.push(text);
            Ok(pointer)
        };
        let path = keep(bytes_of(program.path))?;
        let cwd = keep(bytes_of(program.cwd))?;
        let shell = keep(SHELL)?;
        let mut args = vec![path];
        for arg in program.args {
            args.push(keep(arg.as_bytes())?);
        }
        args.push(std::ptr::null());
        let shell_args = std::iter::once(shell).chain(args.iter().copied()).collect();
        let mut env = Vec::with_capacity(program.env.len() + 1);
        for (name, value) in program.env {
            env.push(keep(format!("{name}={value}").as_bytes())?);
        }
        env.push(std::ptr::null());
        Ok(Self {
            _texts: texts,
            path,
            args,
            shell_args,
            env,
            cwd,
            streams,
            tell,
        })
    }
}

fn bytes_of(path: &Path) -> &[u8] {
    OsStr::as_bytes(path.as_os_str())
}

/// The argument of `clone3(2)`, of which every field has eight bytes.
#[repr(C, align(8))]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

#[expect(
    unsafe_code,
    reason = "no library offers to start a process in a group"
)]
fn clone(plan: &Plan, group: Option<BorrowedFd<'_>>) -> io::Result<i32> {
    let group = group.map(|group| group.as_fd().as_raw_fd());
    let args = CloneArgs {
        flags: CLEAR_HANDLERS | group.map_or(0, |_| INTO_GROUP),
        exit_signal: u64::from(libc::SIGCHLD.unsigned_abs()),
        cgroup: group.map_or(0, |fd| u64::from(fd.unsigned_abs())),
        ..CloneArgs::default()
    };
    // SAFETY: `args` is of the size that is told and lives until the call returns. Without
    // a shared memory and without a stack of its own, the child goes on from here with a
    // copy of everything, as after `fork(2)`; it only calls `become_program`, which makes
    // nothing but system calls and never returns, so no lock that another thread of the
    // parent held at the copy is ever asked for.
    let pid = unsafe {
        let pid = libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>());
        if pid == 0 {
            become_program(plan);
        }
        pid
    };
    match i32::try_from(pid) {
        Ok(pid) if pid > 0 => Ok(pid),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Makes the program of `plan` out of the new process, or tells why not and ends it.
///
/// # Safety
///
/// Only for a process that was born just now and does nothing else.
#[expect(unsafe_code, reason = "system calls between birth and program")]
unsafe fn become_program(plan: &Plan) -> ! {
    // SAFETY: all pointers are to texts that end in zero, and to lists that end in a null
    // pointer, all owned by `plan`. What fails tells its number through a descriptor that the
    // parent has made for that, and `_exit` runs nothing of this program.
    unsafe {
        let code = try_to_become(plan).to_ne_bytes();
        libc::write(plan.tell, code.as_ptr().cast(), code.len());
        libc::_exit(127)
    }
}

/// Returns the number of the error; only returns where there is one.
///
/// # Safety
///
/// As for [`become_program`].
#[expect(unsafe_code, reason = "system calls between birth and program")]
unsafe fn try_to_become(plan: &Plan) -> i32 {
    // SAFETY: see `become_program`; the set of signals is filled before it is used.
    unsafe {
        let mut none = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        // Rust ignores SIGPIPE, and what is ignored stays so in a new program.
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        let is_ready = libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut())
            == 0
            && libc::setsid() != -1
            && libc::dup2(plan.streams[0], 0) != -1
            && libc::dup2(plan.streams[1], 1) != -1
            && libc::dup2(plan.streams[2], 2) != -1
            && libc::chdir(plan.cwd) == 0;
        if is_ready {
            libc::execve(plan.path, plan.args.as_ptr(), plan.env.as_ptr());
            if *libc::__errno_location() == libc::ENOEXEC {
                let shell = plan.shell_args[0];
                libc::execve(shell, plan.shell_args.as_ptr(), plan.env.as_ptr());
            }
        }
        *libc::__errno_location()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A folder with a script, and what came of starting it.
    struct Trial {
        folder: tempfile::TempDir,
        env: BTreeMap<String, String>,
    }

    impl Trial {
        fn new(script: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("script");
            std::fs::write(&path, script).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
            let env = BTreeMap::from([("WORD".to_owned(), "of = mine".to_owned())]);
            Self { folder, env }
        }

        fn bear(&self, path: &Path, cwd: &Path) -> Result<String, Unborn> {
            let file = |name: &str| {
                let path = self.folder.path().join(name);
                let mut options = File::options();
                options.create(true).append(true).read(true);
                options.open(path).unwrap()
            };
            std::fs::write(self.folder.path().join("in"), "line\n").unwrap();
            let args = ["a b".to_owned(), String::new()];
            let program = Program {
                path,
                args: &args,
                env: &self.env,
                cwd,
                stdin: Some(file("in")),
                stdout: Some(file("out")),
                stderr: None,
            };
            let pid = bear(&program, None)?;
            let (_, status) = waitpid(Pid::from_raw(pid), WaitOptions::empty())
                .unwrap()
                .unwrap();
            let out = std::fs::read_to_string(self.folder.path().join("out")).unwrap();
            Ok(format!("{out}{:?}", status.exit_status())
                .replace(&pid.to_string(), "PID")
                .replace(&*self.folder.path().to_string_lossy(), "FOLDER"))
        }
    }

    const SCRIPT: &str = "read line\necho \"$0|$1|$2|$#|$WORD|$line|$(pwd)\"\n\
        read stat </proc/$$/stat\nset -- $stat\necho \"$1 $5 $6\"\n\
        grep SigBlk /proc/self/status\n\
        grep -cE 'SigIgn:.*[02468ace][0-9a-f]{3}$' /proc/self/status\necho lost >&2\nexit 3\n";

    /// The last line but one says that SIGPIPE is not ignored.
    const SAID: &str = "FOLDER/script|a b||2|of = mine|line|/\nPID PID PID\n\
        SigBlk:\t0000000000000000\n1\nSome(3)";

    #[test]
    fn a_program_gets_what_it_was_given_and_a_session_of_its_own() {
        let trial = Trial::new(&format!("#!/bin/sh\n{SCRIPT}"));
        let script = trial.folder.path().join("script");
        assert_eq!(trial.bear(&script, Path::new("/")).unwrap(), SAID);
    }

    #[test]
    fn a_file_that_names_no_interpreter_is_read_by_the_shell() {
        let trial = Trial::new(SCRIPT);
        let script = trial.folder.path().join("script");
        assert_eq!(trial.bear(&script, Path::new("/")).unwrap(), SAID);
    }

    #[test]
    fn what_cannot_be_started_says_why_and_leaves_no_process() {
        let trial = Trial::new("");
        let (missing, here) = (trial.folder.path().join("missing"), Path::new("/"));
        let refused = |path: &Path, cwd: &Path| match trial.bear(path, cwd) {
            Err(Unborn::Program(error)) => error.kind(),
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(&missing, here), io::ErrorKind::NotFound);
        assert_eq!(
            refused(Path::new("/bin/sh"), &missing),
            io::ErrorKind::NotFound
        );
        assert_eq!(
            refused(trial.folder.path(), here),
            io::ErrorKind::PermissionDenied
        );
    }

    #[test]
    fn what_is_no_group_is_told_apart_from_a_bad_program() {
        let trial = Trial::new("");
        let folder = File::open(trial.folder.path()).unwrap();
        let program = Program {
            path: Path::new("/bin/true"),
            args: &[],
            env: &trial.env,
            cwd: Path::new("/"),
            stdin: None,
            stdout: None,
            stderr: None,
        };
        assert!(matches!(
            bear(&program, Some(folder.as_fd())),
            Err(Unborn::Group(_))
        ));
    }
}
