//! Streams that are torn, dirty, foreign or enormous.
