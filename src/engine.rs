//! What acts: it looks, asks [`crate::core`] what follows, and does it.

pub mod account;
pub mod change;
pub mod daemon;
pub mod enqueue;
pub mod foresight;
pub mod judging;
pub mod key;
pub mod metrics;
pub mod naming;
pub mod operate;
pub mod operator;
pub mod plan;
pub mod retention;
pub mod worker;
