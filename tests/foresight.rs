//! What would fail is seen before it is paid for, and what failed is repaired.

mod commands;
mod many;
mod pages;
mod preflight;
