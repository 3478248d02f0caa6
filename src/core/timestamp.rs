//! Points in time, in words.

use super::job::UnixMs;

/// A time in ISO 8601, UTC, to the millisecond.
pub fn iso(at: UnixMs) -> String {
    jiff::Timestamp::from_millisecond(at)
        .map_or_else(|_| "never".to_owned(), |time| format!("{time:.3}"))
}
