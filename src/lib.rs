//! parserd provisions AI parsers in bulk, unattended, and never pays for one twice.

pub mod api;
pub mod config;
pub mod job;
pub mod manifest;
pub mod spec;
