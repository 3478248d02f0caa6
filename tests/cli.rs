//! The commands that work on the database and on files, with the real binary.

// Clippy's own exemption ends at functions that are no tests themselves.
#![allow(clippy::unwrap_used)]

mod backup;
mod check;
mod draft;
mod enqueue;
mod faults;
#[cfg(target_os = "linux")]
mod folded;
mod generated;
mod operate;
pub mod place;
mod plan;
mod read;
mod select;
mod simulate;
mod surroundings;
#[cfg(target_os = "linux")]
pub mod terminal;
mod told;
