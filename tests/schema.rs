//! SQL is an interface: what the database refuses, what it makes of an operator's
//! word, and that its rules are those of [`parserd::core::spec`].
//!
//! Every statement runs through the bundled SQLite and, where there is one on PATH,
//! through the `sqlite3` program: other programs bring a SQLite of their own, and the
//! triggers must work there too.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod agreement;
mod change_jobs;
mod changes;
mod engines;
mod operator;
mod parserd_only;
mod rows;
mod upgrade;
