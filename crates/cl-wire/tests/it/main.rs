//! What is sent, byte for byte where clients of others depend on it.

mod families;
mod views;
