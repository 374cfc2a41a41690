//! What tests of the workspace share: stand-ins for what is outside of it.
//!
//! * [`model_server`]: the model services that coding agents talk to.

pub mod model_server;
