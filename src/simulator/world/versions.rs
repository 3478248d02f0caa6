//! The versions of a parser, in the order in which they come to be. Pure.

use std::sync::Arc;

use serde_json::Value;

use super::Status;
use crate::core::job::{DurationMs, UnixMs};

/// One version of a parser.
#[derive(Debug, Clone)]
pub(in crate::simulator) struct Version {
    pub fields: Arc<Vec<Value>>,
    /// From then on it is there.
    pub landed_at_ms: UnixMs,
    /// From then on it can be seen.
    pub shown_from_ms: UnixMs,
    pub ready_at_ms: UnixMs,
    pub failure: Option<String>,
    /// What the PATCH that made it costs; 0 of a first version, which a create made.
    pub credits: i64,
    /// Its base must be the latest at the moment when it lands, else it does not land.
    pub is_strict: bool,
}

impl Version {
    /// The first version, which is there from the beginning.
    pub fn first(fields: Vec<Value>, ready_at_ms: UnixMs, failure: Option<String>) -> Self {
        Self {
            fields: fields.into(),
            landed_at_ms: UnixMs::MIN,
            shown_from_ms: UnixMs::MIN,
            ready_at_ms,
            failure,
            credits: 0,
            is_strict: false,
        }
    }

    pub fn status(&self, now_ms: UnixMs) -> Status {
        match &self.failure {
            _ if now_ms < self.ready_at_ms => Status::Generating,
            None => Status::Finished,
            Some(_) => Status::Failed,
        }
    }
}

/// Never empty. A version's number is its place, which is known for good when it has landed.
#[derive(Debug)]
pub(in crate::simulator) struct Versions(Vec<Version>);

impl Versions {
    pub fn new(first: Version) -> Self {
        Self(vec![first])
    }

    /// Those that have landed.
    pub fn landed(&self, now_ms: UnixMs) -> &[Version] {
        let count = self
            .0
            .partition_point(|version| version.landed_at_ms <= now_ms);
        &self.0[..count]
    }

    /// The one of this number, or the latest, as it really is.
    pub fn real(&self, now_ms: UnixMs, number: Option<usize>) -> Option<(usize, &Version)> {
        let landed = self.landed(now_ms);
        let number = number.unwrap_or(landed.len().saturating_sub(1));
        Some((number, landed.get(number)?))
    }

    /// The one of this number, or the latest, as far as it can be seen.
    pub fn shown(&self, now_ms: UnixMs, number: Option<usize>) -> Option<(usize, &Version)> {
        let landed = self.landed(now_ms).iter().enumerate();
        let mut shown = landed.filter(|(_, version)| version.shown_from_ms <= now_ms);
        match number {
            Some(number) => shown.find(|(at, _)| *at == number),
            None => shown.next_back(),
        }
    }

    /// Whether nothing has landed on this one but what failed.
    pub fn is_latest(&self, now_ms: UnixMs, number: usize) -> bool {
        let mut later = self.landed(now_ms).iter().skip(number + 1);
        later.all(|version| version.status(now_ms) == Status::Failed)
    }

    /// Adds a version that lands now or later. Returns its number, as far as that is known now,
    /// and the versions that will not land, as another does before them.
    pub fn add(&mut self, now_ms: UnixMs, version: Version) -> (usize, Vec<Version>) {
        let landed = self.landed(now_ms).len();
        let earlier = |other: &Version| other.landed_at_ms <= version.landed_at_ms;
        let number = self.0.partition_point(earlier);
        if version.is_strict && number > landed {
            return (number, vec![version]);
        }
        let later = self.0.split_off(number);
        let (dropped, later) = later.into_iter().partition(|other| other.is_strict);
        self.0.push(version);
        self.0.extend::<Vec<_>>(later);
        (number, dropped)
    }
}

/// When a parser goes.
#[derive(Debug, Clone, Copy)]
pub(in crate::simulator) struct Deletion {
    pub at_ms: UnixMs,
    /// From then on the list is without it.
    pub unlisted_from_ms: UnixMs,
}

impl Deletion {
    /// It goes so long after this moment, and from the list so long after that.
    pub const fn after(now_ms: UnixMs, land_ms: DurationMs, list_ms: DurationMs) -> Self {
        let at_ms = now_ms + land_ms;
        Self {
            at_ms,
            unlisted_from_ms: at_ms + list_ms,
        }
    }
}
