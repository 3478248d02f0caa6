//! `http.listen` over HTTP: metrics, health, the page, actions; and in a real browser.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod actions;
mod browser;
mod bulk;
mod driver;
mod edit;
mod exposition;
mod health;
mod lists;
mod overview;
mod page;
mod pictures;
mod rules;
pub mod site;
mod speed;
