//! The `conductor` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    cl_cli::main_entry(cl_cli::Binary::Conductor, cl_api::serve)
}
