//! The calls of Windows that the standard library does not offer, made safe.
//!
//! Everything here passes the type check of `cargo xtask windows-check`; nothing here
//! has run on Windows.
#![expect(
    unsafe_code,
    reason = "calls of the system; each is handed owned buffers of the size it is told"
)]

use std::fs::File;
use std::io;
use std::os::windows::ffi::OsStrExt as _;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle, RawHandle};
use std::path::Path;

use windows_sys::Wdk::System::Threading::{NtQueryInformationProcess, ProcessBasicInformation};
use windows_sys::Win32::Foundation::{
    ERROR_INVALID_PARAMETER, ERROR_IO_PENDING, ERROR_LOCK_VIOLATION, FILETIME, GENERIC_WRITE,
    INVALID_HANDLE_VALUE, WAIT_OBJECT_0,
};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_BASIC_INFO, FILE_SHARE_DELETE, FILE_SHARE_READ,
    FILE_SHARE_WRITE, FileBasicInfo, GetDiskFreeSpaceExW, GetDriveTypeW,
    GetFileInformationByHandle, GetFileInformationByHandleEx, GetVolumePathNameW,
    LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY, LockFileEx, MOVEFILE_WRITE_THROUGH,
    MoveFileExW, ReOpenFile, UnlockFileEx,
};
use windows_sys::Win32::System::IO::{OVERLAPPED, OVERLAPPED_0, OVERLAPPED_0_0};
use windows_sys::Win32::System::ProcessStatus::{
    K32EnumProcesses, K32GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS,
};
use windows_sys::Win32::System::Threading::{
    GetProcessTimes, OpenProcess, PROCESS_BASIC_INFORMATION, PROCESS_QUERY_LIMITED_INFORMATION,
    PROCESS_SYNCHRONIZE, QueryFullProcessImageNameW, WaitForSingleObject,
};

/// The one byte that is locked: 2⁶³ − 2, beyond all data.
const LOCKED_BYTE: u64 = (1 << 63) - 2;
/// More processes than this are not listed.
const MOST_PROCESSES: usize = 1 << 20;

/// How a byte is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// One handle alone.
    Exclusive,
    /// Any number of handles that do not want it alone.
    Shared,
}

/// Tries once to lock the byte beyond all data; false if another handle has it.
pub(crate) fn try_lock(file: &File, hold: Hold) -> io::Result<bool> {
    let flags = match hold {
        Hold::Exclusive => LOCKFILE_FAIL_IMMEDIATELY | LOCKFILE_EXCLUSIVE_LOCK,
        Hold::Shared => LOCKFILE_FAIL_IMMEDIATELY,
    };
    let mut place = locked_place();
    // SAFETY: the handle is open for as long as `file` is borrowed, and the call is over
    // when it returns, because it does not wait.
    let result = done(unsafe { LockFileEx(raw(file), flags, 0, 1, 0, &raw mut place) });
    match result {
        Ok(()) => Ok(true),
        Err(e) if is(&e, ERROR_LOCK_VIOLATION) || is(&e, ERROR_IO_PENDING) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Gives back what [`try_lock`] has taken.
pub(crate) fn unlock(file: &File) -> io::Result<()> {
    let mut place = locked_place();
    // SAFETY: as for locking.
    done(unsafe { UnlockFileEx(raw(file), 0, 1, 0, &raw mut place) })
}

fn locked_place() -> OVERLAPPED {
    let offset = OVERLAPPED_0_0 {
        Offset: low(LOCKED_BYTE),
        OffsetHigh: low(LOCKED_BYTE >> 32),
    };
    OVERLAPPED {
        Anonymous: OVERLAPPED_0 { Anonymous: offset },
        ..OVERLAPPED::default()
    }
}

/// Opens an open file once more, for writing anywhere in it.
pub(crate) fn reopen_to_write(file: &File) -> io::Result<File> {
    let sharing = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    // SAFETY: the handle is open; what comes back is owned by nobody else.
    let handle = unsafe { ReOpenFile(raw(file), GENERIC_WRITE, sharing, 0) };
    if handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new handle, which is not the invalid one.
    Ok(File::from(unsafe { OwnedHandle::from_raw_handle(handle) }))
}

/// Returns what the system knows of an open file, and the time of its last change in
/// tenths of a microsecond since 1601.
pub(crate) fn information(file: &File) -> io::Result<(BY_HANDLE_FILE_INFORMATION, i64)> {
    let mut found = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the buffer is of the type that the call fills.
    done(unsafe { GetFileInformationByHandle(raw(file), &raw mut found) })?;
    let mut basic = FILE_BASIC_INFO::default();
    // SAFETY: as above; its size is told.
    done(unsafe {
        GetFileInformationByHandleEx(
            raw(file),
            FileBasicInfo,
            (&raw mut basic).cast(),
            size_of_u32::<FILE_BASIC_INFO>(),
        )
    })?;
    Ok((found, basic.ChangeTime))
}

/// Renames a file or folder; fails if something has the new name. Returns after the
/// rename is on disk.
pub(crate) fn move_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    let (from, to) = (wide(from)?, wide(to)?);
    // SAFETY: both end with a zero and live as long as the call.
    done(unsafe { MoveFileExW(from.as_ptr(), to.as_ptr(), MOVEFILE_WRITE_THROUGH) })
}

/// Returns how many bytes this user may still write on the volume of the folder `path`.
pub(crate) fn free_bytes(path: &Path) -> io::Result<u64> {
    let (path, mut free) = (wide(path)?, 0);
    let none = std::ptr::null_mut();
    // SAFETY: the path ends with a zero; two of the three results are not wanted.
    done(unsafe { GetDiskFreeSpaceExW(path.as_ptr(), &raw mut free, none, none) })?;
    Ok(free)
}

/// Returns of which kind the drive is that holds `path`, as `GetDriveTypeW` numbers them.
pub(crate) fn drive_type(path: &Path) -> io::Result<u32> {
    let path = wide(path)?;
    let mut volume = vec![0_u16; path.len() + 8];
    let room = u32::try_from(volume.len()).unwrap_or(u32::MAX);
    // SAFETY: the path ends with a zero, and the room for the answer is told.
    done(unsafe { GetVolumePathNameW(path.as_ptr(), volume.as_mut_ptr(), room) })?;
    // SAFETY: the call before has ended its answer with a zero.
    Ok(unsafe { GetDriveTypeW(volume.as_ptr()) })
}

/// An open process, which keeps its number from being used again.
#[derive(Debug)]
pub(crate) struct Process(OwnedHandle);

/// When a process began and what it used, in tenths of a microsecond; the beginning
/// counts from 1601.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) created: u64,
    pub(crate) used: u64,
}

impl Process {
    /// Opens the process `pid` to look at it; `None` if there is none.
    pub(crate) fn open(pid: u32) -> io::Result<Option<Self>> {
        let rights = PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE;
        // SAFETY: takes numbers only.
        let handle = unsafe { OpenProcess(rights, 0, pid) };
        if !handle.is_null() {
            // SAFETY: a new handle that nobody else owns.
            return Ok(Some(Self(unsafe { OwnedHandle::from_raw_handle(handle) })));
        }
        match io::Error::last_os_error() {
            e if is(&e, ERROR_INVALID_PARAMETER) => Ok(None),
            e => Err(e),
        }
    }

    /// Tells whether it has ended and is only kept by somebody's handle.
    pub(crate) fn has_ended(&self) -> bool {
        // SAFETY: the handle is open; nothing is waited for.
        unsafe { WaitForSingleObject(self.raw(), 0) == WAIT_OBJECT_0 }
    }

    /// Returns its times.
    pub(crate) fn times(&self) -> io::Result<Times> {
        let mut times = [FILETIME::default(); 4];
        let [created, ended, kernel, user] = &mut times;
        // SAFETY: four buffers of the type that the call fills.
        done(unsafe {
            GetProcessTimes(
                self.raw(),
                &raw mut *created,
                &raw mut *ended,
                &raw mut *kernel,
                &raw mut *user,
            )
        })?;
        let [created, _, kernel, user] = times.map(ticks);
        let used = kernel.saturating_add(user);
        Ok(Times { created, used })
    }

    /// Returns the number of the process that made it, which may be that of another one by now.
    pub(crate) fn parent(&self) -> Option<u32> {
        let mut found = PROCESS_BASIC_INFORMATION::default();
        // SAFETY: the buffer is of the type that this question is answered with, and its
        // size is told.
        let status = unsafe {
            NtQueryInformationProcess(
                self.raw(),
                ProcessBasicInformation,
                (&raw mut found).cast(),
                size_of_u32::<PROCESS_BASIC_INFORMATION>(),
                std::ptr::null_mut(),
            )
        };
        (status >= 0).then(|| u32::try_from(found.InheritedFromUniqueProcessId).ok())?
    }

    /// Returns the path of its program.
    pub(crate) fn program(&self) -> Option<String> {
        let mut name = [0_u16; 1024];
        let mut length = 1024;
        // SAFETY: the room for the answer is told.
        done(unsafe {
            QueryFullProcessImageNameW(self.raw(), 0, name.as_mut_ptr(), &raw mut length)
        })
        .ok()?;
        let name = name.get(..usize::try_from(length).ok()?)?;
        Some(String::from_utf16_lossy(name))
    }

    /// Returns how many bytes of memory it occupies.
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        let mut found = PROCESS_MEMORY_COUNTERS::default();
        let size = size_of_u32::<PROCESS_MEMORY_COUNTERS>();
        // SAFETY: the buffer is of the type that the call fills, and its size is told.
        done(unsafe { K32GetProcessMemoryInfo(self.raw(), &raw mut found, size) }).ok()?;
        u64::try_from(found.WorkingSetSize).ok()
    }

    fn raw(&self) -> RawHandle {
        self.0.as_raw_handle()
    }
}

/// Returns the numbers of all processes.
pub(crate) fn all_processes() -> io::Result<Vec<u32>> {
    let mut room = 1024;
    loop {
        let mut pids = vec![0_u32; room];
        let (size, mut filled) = (u32::try_from(room * 4).unwrap_or(u32::MAX), 0);
        // SAFETY: the room for the answer is told in bytes.
        done(unsafe { K32EnumProcesses(pids.as_mut_ptr(), size, &raw mut filled) })?;
        let count = usize::try_from(filled).unwrap_or_default() / 4;
        // A list that fills its room may have been cut.
        if count < room || room >= MOST_PROCESSES {
            pids.truncate(count);
            return Ok(pids);
        }
        room *= 2;
    }
}

/// Returns a time of the system as a number: tenths of a microsecond since 1601.
pub(crate) fn ticks(time: FILETIME) -> u64 {
    (u64::from(time.dwHighDateTime) << 32) | u64::from(time.dwLowDateTime)
}

/// Tells whether `error` is the one that Windows gives this number.
pub(crate) fn is(error: &io::Error, number: u32) -> bool {
    error.raw_os_error() == i32::try_from(number).ok()
}

fn raw(file: &File) -> RawHandle {
    file.as_raw_handle()
}

fn done(result: windows_sys::core::BOOL) -> io::Result<()> {
    if result == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// A path as the calls want it: with a zero at its end, and none in it.
fn wide(path: &Path) -> io::Result<Vec<u16>> {
    let mut wide: Vec<u16> = path.as_os_str().encode_wide().collect();
    if wide.contains(&0) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    wide.push(0);
    Ok(wide)
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is wanted")]
fn low(number: u64) -> u32 {
    number as u32
}

fn size_of_u32<T>() -> u32 {
    u32::try_from(size_of::<T>()).unwrap_or(u32::MAX)
}
