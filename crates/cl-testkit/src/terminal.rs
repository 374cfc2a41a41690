//! A program on a terminal of its own, as a user sits in front of it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::patience;

/// A started program whose controlling terminal is in the test's hands.
///
/// The program is killed and the line hangs up when this is dropped.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    master: Option<File>,
    shown: Arc<Mutex<Vec<u8>>>,
    listener: Option<JoinHandle<()>>,
}

/// How long what was printed last may be on its way once the program has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

impl Terminal {
    /// Starts `command` as the leader of a session on a new terminal of 24 by 80.
    ///
    /// Its streams are replaced by the terminal; needs `setsid` of util-linux.
    pub fn start(command: &Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .expect("a new terminal");
        grantpt(&master).expect("our own terminal");
        unlockpt(&master).expect("our own terminal");
        let name = ptsname(&master, Vec::new()).expect("its name");
        let path = std::path::PathBuf::from(name.into_string().expect("a plain name"));
        let open = || {
            File::options()
                .read(true)
                .write(true)
                .open(&path)
                .expect("the terminal")
        };
        let slave = open();
        #[expect(clippy::disallowed_methods, reason = "the program under test")]
        let mut wrapped = Command::new("/usr/bin/setsid");
        wrapped
            .arg("--ctty")
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear()
            .stdin(Stdio::from(slave.try_clone().expect("a descriptor")))
            .stdout(Stdio::from(slave.try_clone().expect("a descriptor")))
            .stderr(Stdio::from(slave));
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                wrapped.env(name, value);
            }
        }
        if let Some(folder) = command.get_current_dir() {
            wrapped.current_dir(folder);
        }
        let master = File::from(master);
        let mut terminal = Self {
            listener: None,
            shown: Arc::default(),
            child: wrapped.spawn().expect("the program under test"),
            master: Some(master),
        };
        // The command holds the terminal's other end, too, until it is dropped.
        drop(wrapped);
        terminal.resize(24, 80);
        terminal.listener = Some(terminal.listen());
        terminal
    }

    fn master(&self) -> &File {
        self.master.as_ref().expect("the line is open")
    }

    /// Gathers what is shown; ends when nobody holds the terminal any more.
    fn listen(&self) -> JoinHandle<()> {
        let mut from = self.master().try_clone().expect("a descriptor");
        let shown = Arc::clone(&self.shown);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = from.read(&mut buffer) {
                let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
                shown.extend_from_slice(&buffer[..read]);
            }
        })
    }

    /// Returns its process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("pids are small")
    }

    /// Types `text`; `\x03` is Ctrl-C and `\r` the enter key.
    pub fn enter(&self, text: &str) {
        let mut line = self.master();
        line.write_all(text.as_bytes()).expect("an open line");
    }

    /// Changes the size of the window.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(self.master(), size).expect("our own terminal");
    }

    /// Tells whether typed lines are edited by the terminal, as shells want it.
    pub fn is_cooked(&self) -> bool {
        let modes = tcgetattr(self.master()).expect("our own terminal");
        modes
            .local_modes
            .contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    /// Returns everything that was shown so far.
    pub fn shown(&self) -> String {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&shown).into_owned()
    }

    /// Waits until `part` is shown.
    #[track_caller]
    pub fn wait_for(&self, part: &str) {
        let is_shown = patience::within(patience::PATIENCE, || {
            self.shown().contains(part).then_some(())
        });
        assert!(
            is_shown.is_some(),
            "{part:?} is not shown:\n{}",
            self.shown()
        );
    }

    /// Sends a signal to the program alone.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid()).expect("a pid is not zero");
        rustix::process::kill_process(pid, signal).expect("an unreaped child");
    }

    /// Hangs up: the terminal is gone for everyone.
    pub fn hang_up(&mut self) {
        // The listener has a descriptor of its own, so only revoking the line ends it.
        if let Some(master) = self.master.take() {
            drop(master);
        }
        self.signal(Signal::HUP);
    }

    /// Waits for its end; returns its exit code, or 128 and the signal, and all that was shown.
    #[track_caller]
    pub fn finish(mut self) -> (i32, String) {
        let status = patience::within(patience::PATIENCE, || {
            self.child.try_wait().expect("a child")
        });
        let Some(status) = status else {
            panic!("the program does not end; it showed:\n{}", self.shown());
        };
        // The listener ends when nobody holds the terminal any more; somebody else may.
        if let Some(listener) = &self.listener {
            patience::within(LAST_WORDS, || listener.is_finished().then_some(()));
        }
        let code = status.code().or_else(|| Some(128 + status.signal()?));
        (code.expect("an end"), self.shown())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended already unless the test gave up on it.
        self.child.kill().unwrap_or_default();
        self.child.wait().ok();
    }
}
