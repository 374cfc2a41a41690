//! How a program talks to a running server.

#![warn(missing_docs)]
