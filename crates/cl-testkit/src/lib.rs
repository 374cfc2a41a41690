//! cl-testkit
