//! The tests that need no more than parserd's public parts and its program: one program, since
//! each one more would be linked with all of parserd, and build its tasks and queries anew.
//! `cargo test --test integration http::` runs a part of it.

#![allow(
    clippy::too_many_lines,
    reason = "a test may be one long table or story"
)]

mod common;

mod adversary;
mod budget;
mod cli;
mod crash;
mod daemon;
mod foresight;
mod http;
mod independent;
mod layout;
mod life;
mod logs;
mod loss;
mod matrix;
mod money;
mod notify;
mod process;
mod quality;
mod readme;
mod schema;
mod systemd;
mod texts;
