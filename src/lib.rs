//! parserd provisions AI parsers in bulk, unattended, and never pays for one twice.
//!
//! # Layout
//!
//! From the top; each floor uses those below it.
//!
//! - [`cli`]: one file a command; [`web`]: the page, metrics and health; [`webhook`]: notices;
//!   [`telemetry`]: logs
//! - `present`: words for people, for both
//! - [`wiring`] puts the parts together
//! - [`engine`]: [`engine::daemon`] claims and waits, [`engine::worker`], [`engine::worker::lists`] and
//!   [`engine::worker::survey`] act on one job or one list, [`engine::account`] holds gates and budget
//! - [`store`]: the only SQL, in [`store::sqlite`]
//! - [`api`]: the only requests to the service; [`simulator`]: the service, to try and test
//!   against; [`config`]: settings; [`manifest`]: job files
//! - [`core`]: values, rules and decisions, without I/O
//!
//! # States of a job
//!
//! ```text
//! QUEUED -> CREATING -> GENERATING -> FINISHED
//!   ^          |             '------> FAILED
//!   |          |--> PARKED (credits, unauthorized, budget, ambiguous)
//!   |<---------'      |
//!   '-----------------'        CANCELLED from QUEUED, PARKED, FAILED
//! ```

#![cfg_attr(
    test,
    allow(clippy::too_many_lines, reason = "a test may be one long table")
)]

pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod core;
pub mod engine;
pub mod manifest;
mod present;
#[cfg(test)]
mod simulation;
pub mod simulator;
pub mod store;
pub mod telemetry;
pub mod web;
pub mod webhook;
pub mod wiring;
