//! What must hold of creates that the ladder asked for.

use std::collections::BTreeMap;

use super::Books;
use crate::{
    core::{budget::utc_day, outcome::CreateRequest},
    simulation::{
        scenario::Scenario,
        verdict::{Verdict, holds},
    },
    store::outside::OutsideCreate,
};

impl Books {
    /// Neither more of them for a job than the ladder allows, nor on a day than its share has room
    /// for.
    pub(super) fn within_ladder(&self, plan: &Scenario) -> Verdict {
        let Some(ladder) = &plan.ladder else {
            holds!(
                self.climbs().next().is_none(),
                "a create is escalated and there is no ladder"
            );
            return Ok(());
        };
        // What a copy does not know counts no more.
        if self.was_restored {
            return Ok(());
        }
        let (mut jobs, mut days) = (BTreeMap::new(), BTreeMap::new());
        for row in self.climbs() {
            *jobs.entry(row.job_id).or_insert(0) += 1;
            *days.entry(utc_day(row.sent_at)).or_insert(0) += row.credits;
        }
        // Who has a job tried again asks for its ladder, too.
        for (job, climbs) in jobs.iter().filter(|(job, _)| !self.retried.contains(job)) {
            holds!(
                *climbs < ladder.max_creates_per_job,
                "job {job} has {climbs} creates of the ladder, of {} creates in all",
                ladder.max_creates_per_job
            );
        }
        let limit = ladder.max_credits_per_day.unwrap_or(i64::MAX);
        for (day, spent) in days {
            // Another tool's parser may be taken for one's own, and counts then.
            holds!(
                spent <= limit || !self.strangers.is_empty(),
                "the ladder spent {spent} credits on day {day}, of {limit}"
            );
        }
        Ok(())
    }

    /// Whether a create that the ladder asked for is sent with more than nothing.
    pub(super) fn has_its_params(&self, row: i64, request: &CreateRequest) -> bool {
        let params = request.scraper_params.as_ref();
        let is_any = params.is_some_and(|params| params.get().contains("true"));
        is_any || !self.climbs().any(|climb| climb.id == row)
    }

    /// The creates of the ladder that count as spent, or are under way.
    pub fn climbs(&self) -> impl Iterator<Item = &OutsideCreate> {
        self.counted().filter(|row| row.is_escalated)
    }
}
