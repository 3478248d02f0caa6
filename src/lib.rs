//! parserd provisions AI parsers in bulk, unattended, and never pays for one twice.

pub mod api;
pub mod cli;
pub mod job;
pub mod simulator;
