//! parserd provisions AI parsers in bulk, unattended, and never pays for one twice.

pub mod api;
pub mod backoff;
pub mod config;
pub mod gate;
pub mod hint;
pub mod job;
pub mod lifecycle;
pub mod manifest;
pub mod spec;
pub mod store;
