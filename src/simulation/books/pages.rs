//! What must hold of fetches of example pages, and of creates by what they showed.

use super::Books;
use crate::{
    core::{
        job::UnixMs,
        outcome::FetchRequest,
        preflight::{MAX_TRIES_WHILE_DOWN, Mode, Record},
    },
    simulation::{
        scenario::Scenario,
        verdict::{Verdict, holds},
    },
    simulator::World,
    store::outside::{OutsideFetch, OutsideJob},
};

impl Books {
    /// A page is about to be asked for.
    pub fn fetches(&mut self, request: &FetchRequest, plan: &Scenario, now: UnixMs) -> Verdict {
        let url = &request.url;
        holds!(
            plan.preflight.mode != Mode::Off,
            "{url} is fetched and nobody wants that"
        );
        self.read();
        let fetches = self.outside.fetches();
        let asked = fetches.iter().rev().find(|row| {
            let is_it = row.url == *url && row.effort.applied_to(None) == request.params;
            is_it && row.is_pending && !self.fetched.contains(&row.id)
        });
        let Some(asked) = asked else {
            return Err(format!("{url} is fetched without a durable intent"));
        };
        self.fetched.insert(asked.id);
        let Some(job) = self.jobs.iter().find(|job| job.id == asked.job_id) else {
            return Err(format!("{url} is fetched for no job"));
        };
        let inquiry = inquiry(job, &fetches, plan, now);
        let tries = inquiry
            .iter()
            .filter(|row| (&row.url, row.effort) == (url, asked.effort));
        let tries = tries.count();
        holds!(
            tries <= MAX_TRIES_WHILE_DOWN,
            "{url} is fetched {tries} times with one effort"
        );
        let cost: i64 = inquiry.iter().map(|row| row.credits).sum();
        let limit = plan.preflight.max_credits_per_job;
        holds!(
            cost <= limit,
            "the fetches for {} cost {cost} credits, of {limit}",
            job.name
        );
        Ok(())
    }

    /// A create is about to be sent: its pages were looked at, and nothing speaks against it.
    pub(super) fn is_foreseen(&self, job: &OutsideJob, plan: &Scenario) -> Verdict {
        if plan.preflight.mode == Mode::Off {
            return Ok(());
        }
        let Some(record) = record(job) else {
            return Err(format!(
                "a create is sent for {} and its pages were not looked at",
                job.name
            ));
        };
        holds!(
            record.foreseen.verdict.may_work(),
            "a create is sent for {}: {}",
            job.name,
            record.foreseen.in_words()
        );
        Ok(())
    }

    /// What the service counts for fetches is on record.
    pub(super) fn fetches_are_on_record(&self, service: &World) -> Verdict {
        let on_record: i64 = self.outside.fetches().iter().map(|row| row.credits).sum();
        let cost = service.credits_of_fetches();
        holds!(
            cost <= on_record || self.was_restored,
            "fetches cost {cost} credits, and {on_record} are on record"
        );
        Ok(())
    }

    /// A copy that is put in place gives the numbers of rows that it lacks to others.
    pub(super) fn forget_fetches(&mut self) {
        let fetches = self.outside.fetches();
        let newest = fetches.last().map_or(0, |row| row.id);
        self.fetched.retain(|id| *id <= newest);
    }
}

/// The fetches of this job's pages that its next verdict goes by.
fn inquiry<'f>(
    job: &OutsideJob,
    fetches: &'f [OutsideFetch],
    plan: &Scenario,
    now: UnixMs,
) -> Vec<&'f OutsideFetch> {
    let urls: Vec<String> = serde_json::from_str(&job.urls).unwrap_or_default();
    let since = match record(job) {
        Some(last) if !last.foreseen.verdict.may_work() => last.at + 1,
        Some(_) | None => now - plan.preflight.max_age_ms,
    };
    let fetches = fetches.iter().filter(|row| row.job_id == job.id);
    let fetches = fetches.filter(|row| row.sent_at >= since && urls.contains(&row.url));
    fetches.collect()
}

fn record(job: &OutsideJob) -> Option<Record> {
    Record::of_json(job.preflight.as_deref()?)
}
