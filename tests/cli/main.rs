//! The commands that work on the database and on files, with the real binary.

mod check;
mod enqueue;
mod operate;
mod place;
mod read;
