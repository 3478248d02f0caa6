//! What people read: the terminal and the page say the same.

pub(crate) mod attention;
pub(crate) mod changes;
pub(crate) mod event_line;
pub(crate) mod foresight;
pub(crate) mod format;
pub(crate) mod found;
pub(crate) mod log_line;
pub(crate) mod narrate;
pub(crate) mod notice;
pub(crate) mod price;
pub(crate) mod progress_line;
pub(crate) mod quality;
pub(crate) mod remedies;
pub(crate) mod timeline;
