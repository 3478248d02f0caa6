//! What happens, as lines for a person at a terminal.

use super::fold;
use crate::{core::text::escaped, present::format::span, telemetry::Looks};

/// How lines look between those that are told.
pub(super) const LOOKS: Looks = Looks {
    span,
    folded: |line| fold::hanging(fold::message_width(), line, TIME_WIDTH),
};

/// How wide the time before a line is, with the gap behind it.
const TIME_WIDTH: usize = 10;

/// `3 s  books-listing: finished, the parser is ready`, folded where standard error is a terminal;
/// without a name for what happened to no job in particular.
pub(super) fn line(elapsed_ms: i64, name: Option<&str>, text: &str) -> String {
    let time = format!("{:>1$}  ", span(elapsed_ms), TIME_WIDTH - 2);
    let name = name.map_or_else(String::new, |name| format!("{}: ", escaped(name)));
    let line = format!("{time}{name}{}", escaped(text));
    fold::hanging(fold::message_width(), &line, TIME_WIDTH)
}
