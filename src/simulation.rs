//! Deterministic simulation: the real daemon on a real database, and everything around
//! it (time, requests, the service, crashes, the disk, people) drawn from one seed.
//!
//! What a run does and what must hold is told in `tests/README.md`.

mod books;
mod chance;
mod chaos;
mod gate_watch;
mod rules;
mod scenario;
mod seam;
mod store;
mod verdict;
mod wire;
mod world;

mod run;
