//! The real program, killed at random moments and at system calls, with calls that
//! fail, and with the power cut. See tests/README.md.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod books;
mod disk;
mod fetches;
mod kills;
mod points;
mod power;
mod program;
mod record;
mod restart;
mod syscalls;
mod trace;
mod wire;
