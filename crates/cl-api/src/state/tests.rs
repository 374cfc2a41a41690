//! The index over real folders: with notifications, with few, and with none.

mod fixture;
mod followed;
mod measured;
mod shown;
mod stress;
