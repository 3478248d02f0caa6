//! Job files.

pub(crate) mod lines;
