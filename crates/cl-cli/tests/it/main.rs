//! Tests of the grammar, the scope resolver and the version stamp.

mod grammar;
mod reference;
mod scope;
mod stamp;
