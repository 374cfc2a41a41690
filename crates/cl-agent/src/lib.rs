//! cl-agent
