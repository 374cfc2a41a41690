//! cl-storage
