//! cl-runner
