//! Fetches of example pages.

use std::collections::BTreeSet;

use super::{Memory, tables::StoredFetch};
use crate::{
    core::{
        job::{JobId, UnixMs},
        preflight::{Brought, Fetched},
    },
    store::{
        StoreError,
        ports::{ANSWERS, FetchId, FetchIntent, Fetches, Foreknown, HOST_LOOKS_BACK},
    },
};

impl Fetches for Memory {
    async fn fetched(&self, job: JobId, since: UnixMs) -> Result<Vec<Fetched>, StoreError> {
        let tables = self.tables();
        let mine = tables.fetches.iter();
        let mine =
            mine.filter(|row| (row.job == job || row.job == JobId(0)) && row.sent_at >= since);
        Ok(mine.map(|row| row.fetched.clone()).collect())
    }

    async fn intend_fetch(&self, intent: FetchIntent) -> Result<FetchId, StoreError> {
        let mut tables = self.tables();
        tables.fetches.push(StoredFetch {
            job: intent.job,
            host: intent.host,
            sent_at: intent.sent_at,
            fetched: Fetched {
                url: intent.url,
                effort: intent.effort,
                sent_at: intent.sent_at,
                credits: intent.credits,
                brought: Brought::Pending,
            },
        });
        Ok(FetchId(
            i64::try_from(tables.fetches.len()).unwrap_or(i64::MAX),
        ))
    }

    async fn settle_fetch(
        &self,
        id: FetchId,
        brought: Brought,
        credits: Option<i64>,
        _now: UnixMs,
    ) -> Result<(), StoreError> {
        let place = usize::try_from(id.0 - 1).unwrap_or(usize::MAX);
        if let Some(row) = self.tables().fetches.get_mut(place)
            && row.fetched.brought == Brought::Pending
            && brought != Brought::Pending
        {
            row.fetched.brought = brought;
            row.fetched.credits = credits.unwrap_or(row.fetched.credits);
        }
        Ok(())
    }

    async fn foreknown(
        &self,
        host: &str,
        host_since: UnixMs,
        plan_since: UnixMs,
        answers_since: UnixMs,
    ) -> Result<Foreknown, StoreError> {
        let tables = self.tables();
        let rows = || tables.fetches.iter().rev();
        let pages = rows().filter(|row| {
            let is_page = matches!(row.fetched.brought, Brought::Page(_));
            is_page && row.host == host && row.sent_at >= host_since
        });
        let mut pages = pages.take(HOST_LOOKS_BACK);
        let known = pages.find(|row| row.fetched.worked());
        let refused = rows().filter(|row| {
            matches!(row.fetched.brought, Brought::NotInPlan { .. }) && row.sent_at >= plan_since
        });
        let answers = rows()
            .filter(|row| row.sent_at >= answers_since && row.fetched.brought != Brought::Pending);
        let answers = answers.map(|row| {
            let is_refusal = matches!(
                row.fetched.brought,
                Brought::Blocked { .. } | Brought::Nothing { .. }
            );
            (row.host.clone(), !is_refusal)
        });
        let refused: BTreeSet<_> = refused.map(|row| row.fetched.effort).collect();
        Ok(Foreknown {
            known: known.map(|row| row.fetched.effort),
            not_in_plan: refused.into_iter().collect(),
            answers: answers.take(ANSWERS).collect(),
        })
    }
}
