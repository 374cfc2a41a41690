//! Any other program: the config names it, its arguments and its output.

use super::{Adapter, Arg};
use crate::kind::AgentKind;

pub(super) static ADAPTER: Adapter = Adapter {
    kind: AgentKind::Command,
    args: &[Arg::ConfigModel, Arg::Extra, Arg::ConfigResume, Arg::Prompt],
    install_hint: "set `command` of this agent to the program's absolute path",
    ..super::UNKNOWN
};
