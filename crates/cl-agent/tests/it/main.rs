//! Integration tests of the agent adapters, on recorded streams of the real programs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod limits;
mod recorded;
mod recordings;
mod resolving;
mod robustness;
mod wordings;
