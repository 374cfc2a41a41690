//! The client against servers that behave, that do not, and that are none.

mod answers;
mod stand_in;
mod streams;
