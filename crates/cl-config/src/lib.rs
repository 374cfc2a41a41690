//! cl-config
