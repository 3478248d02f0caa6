//! Other ways to pay twice or to lose a job: old backups, full disks, bad neighbours.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod account;
#[cfg(target_os = "linux")]
mod disk;
#[cfg(target_os = "linux")]
mod giant;
#[cfg(unix)]
mod oddities;
#[cfg(target_os = "linux")]
mod replaced;
mod restored;
mod rows;
