//! `proc_pidinfo` and `sysctl`; type-checked only, never run on macOS.
//!
//! The kernel tells the start of a process in microseconds since 1970, and the boot by
//! its session's UUID.
#![expect(
    unsafe_code,
    reason = "calls of the system; each is handed owned buffers of the size it is told"
)]

use std::ffi::{CStr, c_int, c_void};
use std::io;

use super::ProcessStat;

/// State of a process that has ended, in `sys/proc.h`.
const ZOMBIE: u32 = 5;
/// Ask for processes that have ended as well.
const WITH_ZOMBIES: u64 = 1;
const MICROSECONDS: u64 = 1_000_000;
const NANOSECONDS: u64 = 1_000_000_000;
/// More of arguments and environment than the kernel takes.
const MOST_ARGUMENTS: usize = 4 << 20;

pub(super) fn stat(pid: i32) -> io::Result<Option<ProcessStat>> {
    let Some(found) = information::<libc::proc_bsdinfo>(pid, libc::PROC_PIDTBSDINFO)? else {
        return Ok(None);
    };
    // Not told of processes that have ended, nor of those of others.
    let task = information::<libc::proc_taskinfo>(pid, libc::PROC_PIDTASKINFO);
    let task = task.ok().flatten();
    let number = |number: u32| i32::try_from(number).unwrap_or_default();
    let session = rustix::process::Pid::from_raw(pid)
        .and_then(|pid| rustix::process::getsid(Some(pid)).ok())
        .map_or(0, rustix::process::Pid::as_raw_pid);
    Ok(Some(ProcessStat {
        name: name_of(&found),
        state: if found.pbi_status == ZOMBIE { 'Z' } else { 'R' },
        parent: number(found.pbi_ppid),
        group: number(found.pbi_pgid),
        session,
        is_kernel_thread: false,
        cpu_ticks: task.map_or(0, |task| {
            task.pti_total_user.saturating_add(task.pti_total_system)
        }),
        start_ticks: found
            .pbi_start_tvsec
            .saturating_mul(MICROSECONDS)
            .saturating_add(found.pbi_start_tvusec),
        resident_pages: task.map_or(0, |task| task.pti_resident_size / page_bytes().max(1)),
    }))
}

fn name_of(found: &libc::proc_bsdinfo) -> String {
    let name = found.pbi_comm.map(i8::cast_unsigned);
    let name = CStr::from_bytes_until_nul(&name).map(CStr::to_bytes);
    String::from_utf8_lossy(name.unwrap_or_default()).into_owned()
}

/// Asks for one kind of information about `pid`; `None` if there is no such process.
fn information<T>(pid: i32, flavor: c_int) -> io::Result<Option<T>> {
    let mut found = std::mem::MaybeUninit::<T>::zeroed();
    let size = c_int::try_from(size_of::<T>()).unwrap_or(c_int::MAX);
    // SAFETY: the buffer has the size that is told.
    let filled = unsafe {
        libc::proc_pidinfo(
            pid,
            flavor,
            WITH_ZOMBIES,
            found.as_mut_ptr().cast::<c_void>(),
            size,
        )
    };
    if filled == size {
        // SAFETY: the kernel has filled all of it; it holds numbers only.
        return Ok(Some(unsafe { found.assume_init() }));
    }
    match io::Error::last_os_error() {
        e if e.raw_os_error() == Some(libc::ESRCH) => Ok(None),
        e => Err(e),
    }
}

pub(super) fn started_at(start_ticks: u64) -> Option<jiff::Timestamp> {
    let microseconds = i64::try_from(start_ticks).ok()?;
    jiff::Timestamp::from_microsecond(microseconds).ok()
}

pub(super) fn all_pids() -> io::Result<Vec<i32>> {
    let mut room = 4096;
    loop {
        let mut pids = vec![0; room];
        let size = c_int::try_from(room * size_of::<i32>()).unwrap_or(c_int::MAX);
        // SAFETY: the room for the answer is told in bytes.
        let count = unsafe { libc::proc_listallpids(pids.as_mut_ptr().cast::<c_void>(), size) };
        let Ok(count) = usize::try_from(count) else {
            return Err(io::Error::last_os_error());
        };
        // A list that fills its room may have been cut.
        if count < room {
            pids.truncate(count);
            pids.retain(|pid| *pid > 0);
            return Ok(pids);
        }
        room *= 2;
    }
}

/// Returns the variables with their values, separated by NUL.
///
/// The kernel shows those of the same user's processes only, and none of programs that
/// it protects.
pub(super) fn environment(pid: i32) -> Option<Vec<u8>> {
    let (bytes, start, count) = arguments(pid)?;
    let mut rest = bytes.get(start..)?;
    for _ in 0..count {
        let end = rest.iter().position(|byte| *byte == 0)?;
        rest = rest.get(end + 1..)?;
    }
    Some(rest.to_vec())
}

/// Returns `most` bytes of the arguments at the most, separated by NUL.
pub(super) fn command_line(pid: i32, most: u64) -> Option<Vec<u8>> {
    let (bytes, start, count) = arguments(pid)?;
    let rest = bytes.get(start..)?;
    let mut length = 0;
    for _ in 0..count {
        length += rest.get(length..)?.iter().position(|byte| *byte == 0)? + 1;
    }
    let length = length.min(usize::try_from(most).unwrap_or(usize::MAX));
    Some(rest.get(..length)?.to_vec())
}

/// Returns what the process was started with, where the arguments begin in it, and how
/// many there are: number of arguments, path of the program, zeros, arguments, variables.
fn arguments(pid: i32) -> Option<(Vec<u8>, usize, usize)> {
    let mut name = [libc::CTL_KERN, libc::KERN_PROCARGS2, pid];
    let mut length = 0;
    // The length is asked for first; a process does not change what it was started with.
    query(&mut name, None, &mut length)?;
    let mut bytes = vec![0; length.min(MOST_ARGUMENTS)];
    length = bytes.len();
    query(&mut name, Some(&mut bytes), &mut length)?;
    bytes.truncate(length);
    let (count, rest) = bytes.split_first_chunk::<4>()?;
    let count = usize::try_from(i32::from_ne_bytes(*count)).ok()?;
    let path_end = rest.iter().position(|byte| *byte == 0)?;
    let padding = rest.get(path_end..)?.iter().take_while(|byte| **byte == 0);
    let start = 4 + path_end + padding.count();
    Some((bytes, start, count))
}

fn query(name: &mut [c_int], into: Option<&mut Vec<u8>>, length: &mut usize) -> Option<()> {
    let parts = u32::try_from(name.len()).ok()?;
    let into = into.map_or(std::ptr::null_mut(), |bytes| bytes.as_mut_ptr());
    // SAFETY: name and room have the sizes that are told; nothing is set.
    let result = unsafe {
        libc::sysctl(
            name.as_mut_ptr(),
            parts,
            into.cast::<c_void>(),
            &raw mut *length,
            std::ptr::null_mut(),
            0,
        )
    };
    (result == 0).then_some(())
}

/// There are no control groups.
pub(super) fn control_group(_pid: i32) -> Option<String> {
    None
}

/// Processor time is told in the machine's own ticks.
pub(super) fn ticks_per_second() -> u64 {
    let mut base = Timebase { numer: 0, denom: 0 };
    // SAFETY: fills two numbers.
    unsafe { mach_timebase_info(&raw mut base) };
    NANOSECONDS.saturating_mul(u64::from(base.denom)) / u64::from(base.numer.max(1))
}

/// A tick is so many nanoseconds: a fraction.
#[repr(C)]
struct Timebase {
    numer: u32,
    denom: u32,
}

unsafe extern "C" {
    fn mach_timebase_info(info: *mut Timebase) -> c_int;
}

pub(super) fn page_bytes() -> u64 {
    rustix::param::page_size() as u64
}

pub(super) fn boot_id() -> io::Result<String> {
    let mut text = [0_u8; 64];
    let mut length = text.len();
    // SAFETY: the name ends with a zero, the room is told, nothing is set.
    let result = unsafe {
        libc::sysctlbyname(
            c"kern.bootsessionuuid".as_ptr(),
            text.as_mut_ptr().cast::<c_void>(),
            &raw mut length,
            std::ptr::null_mut(),
            0,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let text = CStr::from_bytes_until_nul(&text).map_err(io::Error::other)?;
    Ok(text.to_string_lossy().into_owned())
}
