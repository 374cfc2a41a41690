//! cl-bus
