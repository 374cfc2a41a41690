//! The commands that only look, as the built binary shows them.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod activity;
mod bad_input;
mod bus;
mod bus_faults;
mod canaries;
mod configuration;
mod delete;
mod dependencies;
mod doctor;
mod doctor_agents;
mod doctor_summary;
mod documented;
mod facts;
mod gc;
mod import;
mod interrupting;
mod interrupting_looks;
mod legacy;
mod listing;
mod masking;
mod parity;
mod place;
mod promises;
mod quorum;
mod refusals;
mod review_run;
mod schema;
mod serving;
mod shell_setup;
mod streams;
mod synthesize;
mod unrecorded;
mod usage;
mod watching;
mod wrap;
