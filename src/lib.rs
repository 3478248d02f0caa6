//! parserd provisions AI parsers in bulk, unattended, and never pays for one twice.

pub mod account;
pub mod api;
pub mod backoff;
pub mod cli;
pub mod clock;
pub mod config;
pub mod enqueue;
pub mod gate;
pub mod hint;
pub mod job;
pub mod lifecycle;
pub mod listing;
pub mod manifest;
pub mod reconcile;
pub mod simulator;
pub mod spec;
pub mod store;
pub mod worker;
