//! Making sure that somebody sends what waits.

use std::io;
use std::process::{Command, Stdio};

use cl_storage::Root;
use cl_storage::process::ProcessIdentity;
use cl_storage::spool::Spool;
use process_wrap::std::{CommandWrap, ProcessSession};

/// The hidden sub-command of the sender; its argument is the root.
pub const SUB_COMMAND: &str = "__send-notifications";

/// The variable in a sender's environment that names its root.
pub(crate) const SENDER_MARK: &str = "CONDUCTOR_NOTIFICATION_SENDER";

/// Wakes the sender of `root`, or starts one if something waits and there is none.
///
/// Returns at once. That it could not be started is logged: what waits stays where
/// it is, and the next one starts it.
pub fn kick(root: &Root) {
    let spool = Spool::of(root);
    if spool.is_empty() {
        return;
    }
    // A sender takes its announcement back before it looks for the last time, so
    // one that is announced sees what was written before this.
    let is_awake = spool
        .sender()
        .is_some_and(|sender| crate::process::end::signal(&sender, rustix::process::Signal::USR1));
    if is_awake {
        return;
    }
    if let Err(error) = spawn(root) {
        tracing::error!(%error, "could not start the sender of notifications");
    }
}

fn spawn(root: &Root) -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the owner of process creation")]
    let mut command = Command::new("/proc/self/exe");
    command
        .arg(SUB_COMMAND)
        .arg(root.path())
        .current_dir("/")
        .env(SENDER_MARK, root.path())
        .env_remove(crate::launch::SUPERVISED_TASK)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    for name in crate::launch::RUN_VARIABLES {
        command.env_remove(name);
    }
    // Dropping the handle does not wait: the starter's reaper does, or its end.
    CommandWrap::from(command).wrap(ProcessSession).spawn()?;
    Ok(())
}

/// Tells whether `pid` is the sender of `root`, by its own word and by the record.
///
/// It belongs to no run, although it may have been started by a run's supervisor.
pub(crate) fn is_sender(pid: i32, root: &std::path::Path) -> bool {
    let mark = cl_storage::process::environment_value(pid, SENDER_MARK);
    if mark.is_none_or(|mark| std::path::Path::new(&mark) != root) {
        return false;
    }
    let sender = Root::at(root)
        .ok()
        .and_then(|root| Spool::of(&root).sender());
    sender.is_some_and(|ProcessIdentity { pid: sender, .. }| sender == pid)
}
