//! Requests for held-out pages.

use super::{
    Memory,
    tables::{StoredParse, Tables},
};
use crate::{
    core::{
        job::{JobId, ParserId, UnixMs},
        quality::checks::{Tried, TriedOutcome},
    },
    store::{
        StoreError,
        ports::{ParseId, ParseIntent, Parses},
    },
};

impl Parses for Memory {
    async fn tried(&self, job: JobId, parser_id: &ParserId) -> Result<Vec<Tried>, StoreError> {
        let tables = self.tables();
        let mine = tables.parses.iter();
        let mine = mine.filter(|row| row.intent.job == job && row.intent.parser_id == *parser_id);
        let tried = mine.map(|row| Tried {
            url: row.intent.url.clone(),
            outcome: row.outcome.clone(),
        });
        Ok(tried.collect())
    }

    async fn intend_parse(&self, intent: ParseIntent) -> Result<ParseId, StoreError> {
        let tables: &mut Tables = &mut self.tables();
        tables.parses.push(StoredParse {
            intent,
            outcome: TriedOutcome::Pending,
        });
        Ok(ParseId(
            i64::try_from(tables.parses.len()).unwrap_or(i64::MAX),
        ))
    }

    async fn settle_parse(
        &self,
        id: ParseId,
        outcome: TriedOutcome,
        _now: UnixMs,
    ) -> Result<(), StoreError> {
        let place = usize::try_from(id.0 - 1).unwrap_or(usize::MAX);
        if let Some(row) = self.tables().parses.get_mut(place)
            && row.outcome == TriedOutcome::Pending
        {
            row.outcome = outcome;
        }
        Ok(())
    }
}
