//! Where jobs are kept.

pub mod sqlite;

pub use sqlite::*;
