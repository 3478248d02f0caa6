//! parserd provisions AI parsers in bulk, unattended, and never pays for one twice.
//!
//! # Layout
//!
//! - [`cli`]: one file a command; [`telemetry`]: logs
//! - [`config`]: settings; [`manifest`], [`spec`], [`enqueue`]: what users ask for
//! - pure decisions: [`lifecycle`], [`gate`], [`concurrency`], [`backoff`], [`pace`], [`listing`],
//!   [`presence`], [`hint`], [`progress`], [`rejections`], [`blind`], [`candidates`], [`oddities`],
//!   [`restored`], `api::classify`, `api::limit`, `cure`, `duration`, `nearest`
//! - [`daemon`] claims and waits, [`worker`], [`reconcile`] and [`survey`] act on
//!   one job or one list, [`account`] holds gates and budget, [`wiring`] puts them together
//! - [`http`]: the page, metrics and health; [`metrics`]: what is counted for them
//! - [`store`]: the only SQL; [`api`]: the only requests to the service; [`simulator`]: the service, to
//!   try and test against
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

pub mod account;
pub mod api;
pub mod backoff;
pub mod blind;
pub mod budget;
pub mod candidates;
pub mod cli;
pub mod clock;
pub mod concurrency;
pub mod config;
mod countdown;
mod cure;
pub mod daemon;
mod duration;
pub mod enqueue;
pub mod gate;
pub mod hint;
pub mod http;
pub mod job;
pub mod key;
pub mod lifecycle;
pub mod list_lag;
pub mod listing;
pub mod manifest;
pub mod metrics;
pub mod naming;
mod nearest;
pub mod oddities;
pub mod operator;
pub mod pace;
pub mod plan;
pub mod presence;
pub mod progress;
pub mod reconcile;
pub mod rejections;
pub mod remote_name;
pub mod restored;
pub mod retention;
#[cfg(test)]
mod simulation;
pub mod simulator;
pub mod spec;
pub mod store;
pub mod survey;
pub mod telemetry;
pub mod wiring;
pub mod worker;
