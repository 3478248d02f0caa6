//! PURE: values, rules and decisions. Nothing here knows of I/O, of a clock or of chance.

pub mod backoff;
pub mod blind;
pub mod budget;
pub mod candidates;
pub mod concurrency;
pub(crate) mod countdown;
pub(crate) mod cure;
pub(crate) mod duration;
pub mod gate;
pub mod hint;
pub mod job;
pub mod ledger;
pub mod lifecycle;
pub mod limit;
pub(crate) mod lines;
pub mod list_lag;
pub mod listing;
pub(crate) mod nearest;
pub mod oddities;
pub mod outcome;
pub mod pace;
pub mod presence;
pub mod progress;
pub mod rejections;
pub mod remote_name;
pub mod restored;
#[cfg_attr(
    not(test),
    expect(dead_code, unused_imports, reason = "the daemon does not ask it yet")
)]
pub(crate) mod schedule;
pub mod spec;
pub mod text;
pub mod timestamp;
