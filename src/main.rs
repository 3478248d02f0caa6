//! The `parserd` program.

fn main() {}
