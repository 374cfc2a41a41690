//! `job`: one run.

use cl_runner::launch::Kind;

use crate::args::JobArgs;
use crate::context::Context;
use crate::error::{CliError, Exit};

/// Runs an agent once.
pub fn run(ctx: &mut Context, args: &JobArgs) -> Result<Exit, CliError> {
    super::task::start(ctx, Kind::Job, &args.launch, None)
}
