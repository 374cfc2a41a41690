//! Integration tests of the agent adapters, on recorded streams of the real programs.

mod recorded;
mod recordings;
mod robustness;
