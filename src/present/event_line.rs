//! An event as JSON, for programs: on standard output and in the webhook.

use serde::Serialize;
use serde_json::value::RawValue;

use super::narrate;
use crate::{
    core::{job::UnixMs, text::escaped, timestamp::iso},
    store::history::EventRow,
};

/// An event as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct EventLine<'a> {
    pub id: i64,
    /// Unix milliseconds.
    pub at: UnixMs,
    pub time: String,
    #[serde(rename = "type")]
    pub event: &'a str,
    /// None for what happened to no job in particular.
    pub job_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// As a sentence.
    pub text: String,
    pub detail: &'a RawValue,
}

impl<'a> EventLine<'a> {
    pub(crate) fn of(row: &'a EventRow) -> Self {
        Self {
            id: row.id,
            at: row.event.at,
            time: iso(row.event.at),
            event: &row.event.event,
            job_id: row.job_id,
            name: row.job_id.map(|_| row.name.as_str()),
            text: narrate::event(&row.event),
            detail: &row.event.detail,
        }
    }

    pub(crate) fn words(&self) -> String {
        let job = match (self.job_id, self.name) {
            (Some(id), Some(name)) => format!("job {id} {}: ", escaped(name)),
            (Some(id), None) => format!("job {id}: "),
            (None, _) => String::new(),
        };
        format!("{}  {job}{}", self.time, self.text)
    }
}
