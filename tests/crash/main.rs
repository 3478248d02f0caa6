//! The real program, killed and cut off: at random moments, at each system call, and
//! with the writes lost that a power cut may lose. See tests/README.md.

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
