//! What would fail is seen before it is paid for, and what failed is repaired.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod commands;
mod many;
mod pages;
mod preflight;
