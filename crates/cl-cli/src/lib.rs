//! cl-cli
