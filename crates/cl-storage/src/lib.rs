//! What is on disk, where, and how it survives a crash.
//!
//! Everything Conductor Loop knows lives in plain files below one *root*. This
//! crate is the only one that opens, renames, removes or locks files there.
//!
//! Invariants it upholds:
//!
//! - It links no async runtime; every call blocks. The only threads it starts
//!   stand in the kernel's queue for a lock, see [`lock`].
//! - Ids are newtypes whose parser is the only door, so a path made from an id
//!   cannot leave the root; symlinked folders below the root are refused.
//! - A file is replaced by temporary file, sync, rename and folder sync; a
//!   reader sees the old or the new content, never a mixture.
//! - A stored pid is trusted only together with its kernel start time and the
//!   boot it belongs to.
//! - Reading never changes anything: records of dead processes are shown with
//!   an *effective* status, and only an owner rewrites them.
//!
//! Map of the modules: ids in [`id`], time in [`clock`], durable writes in
//! [`durable`], locks in [`lock`], YAML in [`yaml`], process identity in
//! [`process`], one look at a file in [`look`], folders held open in [`folder`], the folder layout in [`layout`], run records in [`run_info`],
//! task files in [`task_state`], [`owner`], [`control`] and [`marker`], the
//! agent's process in [`pid_file`], what gates found in [`evidence`], run slots in [`slot`],
//! who waits for one in [`queue`], which tasks wait for which in [`dependencies`] and
//! [`task_config`], what it all means in [`status`] and [`snapshot`], ended tasks in [`index`],
//! masking of secrets in [`redact`], digests in [`digest`], deletion of what is old in [`gc`],
//! the search for damage in [`doctor`], folders of the old layout in [`legacy`], the room on the
//! disk in [`space`], limits on money in [`budget`], usage limits of accounts in [`ledger`], whose
//! turn it is in [`rotation`], what is still to be told to others in [`spool`], folders for a
//! short time in [`scratch`], the server at work in [`server`],
//! how it replaces its program in [`update`].
//! For tests: [`crash`], [`fault`] and [`power_loss`].

pub mod budget;
pub mod clock;
pub mod control;
pub mod crash;
pub mod dependencies;
pub mod digest;
pub mod doctor;
pub mod durable;
pub mod evidence;
pub mod failure;
pub mod fault;
pub mod folder;
pub mod gc;
pub mod id;
pub mod imports;
pub mod index;
pub mod layout;
pub mod ledger;
pub mod legacy;
pub mod lock;
pub mod logbook;
pub mod look;
pub mod lost;
pub mod marker;
mod open_task;
pub mod owner;
pub mod pid_file;
pub mod power_loss;
pub mod process;
pub mod queue;
pub mod record;
pub mod redact;
pub mod rotation;
pub mod run_info;
pub mod scratch;
pub mod server;
pub mod slot;
pub mod snapshot;
pub mod space;
pub mod spool;
pub mod status;
pub mod task_config;
pub mod task_state;
pub mod thread_link;
mod told;
#[cfg(unix)]
pub mod update;
#[cfg(windows)]
mod win32;
pub mod work_folder;
pub mod yaml;

pub use clock::{Clock, SystemClock};
pub use failure::{Failure, FailureKind, Usage};
pub use id::{IdError, MessageId, ProjectId, RunId, TaskId};
pub use layout::{LayoutError, ProjectDir, Root, RunDir, TaskDir};
