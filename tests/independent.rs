//! The real program against a service that others imagined: a small fake, written from the
//! service's description alone, which alters, lags, loses and lies. No code of parserd's is used.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

pub mod bench;
mod changes;
mod data;
mod doubt;
pub mod fake;
mod found;
mod holds;
mod limits;
mod names;
mod operator;
mod soak;
