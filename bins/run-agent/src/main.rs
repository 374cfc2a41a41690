//! The `run-agent` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    cl_cli::main_entry(cl_cli::Binary::RunAgent, cl_api::serve)
}
