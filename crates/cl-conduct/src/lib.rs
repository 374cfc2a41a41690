//! What runs next below a root.
//!
//! Decisions are pure functions over what was read from disk; carrying them out is left to
//! `cl-runner`. Nothing is kept in memory between two looks.
//!
//! Absent on purpose: HTTP, and everything about a single task's loop.

#![warn(missing_docs)]
