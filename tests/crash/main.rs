//! The real program, killed at random moments and at system calls, and with calls that
//! fail. See tests/README.md.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[path = "../common/mod.rs"]
mod common;

mod books;
mod kills;
mod program;
mod syscalls;
mod wire;
