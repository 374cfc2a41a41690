//! The built-in agent: the running program itself, playing a script.

use super::{Adapter, Arg, Told};
use crate::kind::AgentKind;

pub(super) static ADAPTER: Adapter = Adapter {
    kind: AgentKind::Scripted,
    args: &[
        Arg::Word(crate::scripted::SUB_COMMAND),
        Arg::Script("--script"),
        Arg::Model("--model"),
        Arg::Resume("--resume"),
        Arg::Extra,
        Arg::Prompt,
    ],
    resumes: true,
    tokens: Told::Stream,
    cost: Told::Stream,
    install_hint: "it is built in",
    ..super::UNKNOWN
};
