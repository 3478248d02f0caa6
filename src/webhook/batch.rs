//! What one message tells.

use serde_json::Value;

use super::{MAX_EVENTS, Sender};
use crate::{
    api::text::Quoter,
    core::{notice::NoticeType, webhook::message},
    present::notice,
    store::{StoreError, history::EventRow},
};

/// A message has no more events once their JSON is so long.
const MAX_BYTES: usize = 1024 * 1024;

/// The events of one message. It stays as it is until it is accepted: what is sent again is the
/// same under the same id.
#[derive(Debug)]
pub(super) struct Batch {
    /// `webhook-id`.
    pub id: String,
    /// JSON.
    pub body: String,
    /// The last event.
    pub last: i64,
    /// How many there are.
    pub events: usize,
}

impl Sender {
    /// The next events that are to be told, if there are any; what is passed over is not read again.
    pub(super) async fn collect(&mut self) -> Result<Option<Batch>, StoreError> {
        let names = self.event_names();
        let mut rows: Vec<(EventRow, NoticeType)> = Vec::new();
        let mut after = self.position;
        loop {
            // Before the look: what is committed meanwhile is not passed over.
            let end = self.store.last_event().await?;
            let some = self
                .store
                .events_after(after, Some(&names), MAX_EVENTS)
                .await?;
            let is_all = some.len() < MAX_EVENTS;
            after = some.last().map_or(after, |row| row.id);
            if is_all {
                after = after.max(end);
            }
            for row in some {
                let types = NoticeType::types_of(&row.event.event, &row.event.detail);
                if let Some(notice) = types.iter().find(|notice| self.on.contains(notice)) {
                    rows.push((row, *notice));
                }
            }
            if rows.is_empty() {
                self.position = after;
            }
            if is_all || rows.len() >= MAX_EVENTS {
                break;
            }
        }
        if rows.is_empty() {
            return Ok(None);
        }
        rows.truncate(MAX_EVENTS);
        self.batch_of(&rows).await.map(Some)
    }

    /// The names of the events among which those that are to be told are.
    fn event_names(&self) -> Vec<&'static str> {
        let names = self.on.iter().flat_map(|notice| notice.events());
        let mut names: Vec<_> = names.copied().collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    async fn batch_of(&self, rows: &[(EventRow, NoticeType)]) -> Result<Batch, StoreError> {
        let jobs: Vec<i64> = rows.iter().filter_map(|(row, _)| row.job_id).collect();
        let standings = self.store.standings(&jobs).await?;
        let (mut notices, mut bytes) = (Vec::new(), 0);
        for (row, notice_type) in rows {
            let standing = row.job_id.and_then(|id| standings.get(&id));
            let mut notice = notice::notice(row, *notice_type, standing);
            for quoter in &self.quoters {
                redact(&mut notice, quoter);
            }
            bytes += notice.to_string().len();
            // The first goes in any case.
            if bytes > MAX_BYTES && !notices.is_empty() {
                break;
            }
            notices.push(notice);
        }
        let told = &rows[..notices.len()];
        let id = message::id(
            told.iter()
                .map(|(row, _)| (row.id, row.event.at, row.event.event.as_str())),
        );
        let last = told.last().map_or(self.position, |(row, _)| row.id);
        let message = notice::message(self.host.as_deref(), notices, self.clock.now());
        Ok(Batch {
            id,
            body: message.to_string(),
            last,
            events: told.len(),
        })
    }
}

/// Hides a secret wherever it stands in JSON. What the database holds was cleaned when it came; an
/// operator may have written the key into a job all the same.
fn redact(value: &mut Value, quoter: &Quoter) {
    match value {
        Value::String(text) if quoter.finds_key(text) => *text = quoter.redact(text),
        Value::Array(items) => {
            for item in items {
                redact(item, quoter);
            }
        }
        Value::Object(fields) => {
            if fields.keys().any(|key| quoter.finds_key(key)) {
                let old = std::mem::take(fields);
                fields.extend(
                    old.into_iter()
                        .map(|(key, value)| (quoter.redact(&key), value)),
                );
            }
            for value in fields.values_mut() {
                redact(value, quoter);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_is_hidden_wherever_it_stands_and_the_rest_stays() {
        let quoter = Quoter::hiding(&SecretString::from("s3cret/+"));
        let mut value = json!({
            "id": 7,
            "text": "a s3cret/+ b",
            "s3cret/+": [null, true, {"x": ["s3cret%2F%2B", "plain"]}],
        });
        redact(&mut value, &quoter);
        assert_eq!(
            value,
            json!({
                "id": 7,
                "text": "a [key] b",
                "[key]": [null, true, {"x": ["[key]", "plain"]}],
            })
        );
    }
}
