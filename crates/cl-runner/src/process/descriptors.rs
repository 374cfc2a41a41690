//! Closing the descriptors that a supervisor inherits.
//!
//! `x=$(run-agent task --detach …)` gives the command a pipe, and a shell or an
//! editor may give it more. A supervisor that kept one open would keep its
//! caller waiting for the end of a pipe for as long as the task lives.

use std::os::fd::RawFd;

/// Closes every descriptor above standard error.
///
/// Must be the first act of a process: no library may own a descriptor yet.
pub(crate) fn close_inherited() {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    // The listing has a descriptor of its own, which is closed when the list is
    // complete; it is collected first so that it is not pulled away underneath.
    let open: Vec<RawFd> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&fd| fd > 2)
        .collect();
    for fd in open {
        if is_open(fd) {
            close(fd);
        }
    }
}

fn is_open(fd: RawFd) -> bool {
    std::fs::symlink_metadata(format!("/proc/self/fd/{fd}")).is_ok()
}

#[expect(
    unsafe_code,
    reason = "closing a descriptor that no object of this process owns"
)]
fn close(fd: RawFd) {
    // SAFETY: this runs before anything else in the process, so `fd` was
    // inherited and nobody here owns it. A descriptor that is closed already
    // (the listing's own) was filtered out, and no other thread exists that
    // could have opened one with the same number.
    unsafe { rustix::io::close(fd) }
}
