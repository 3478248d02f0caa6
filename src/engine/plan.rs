//! What jobs would come to if each had its turn now: the worker's own decisions, and
//! nothing done about them.

mod elsewhere;

use std::collections::HashSet;

use crate::{
    api::Service,
    core::{
        budget::Budget,
        job::{Job, JobState, ParkReason, ParserId, UnixMs, named_enum},
        ledger::LedgerFacts,
        lifecycle::{Change, LedgerChange, Policy, Transition, decide},
        listing::Listing,
        outcome::NoList,
        spec::JobSpec,
    },
    engine::naming::{self, Lookup, Naming, Plan, Standing},
    store::{JobStore, Order, QueuedJob, StoreError},
};

named_enum! {
    /// What would become of a job.
    Verdict {
        /// A create is sent and paid for.
        Create = "create",
        /// The account holds its parser: it is used, and nothing paid.
        Adopt = "adopt",
        /// The fields of its parser would change, for nothing.
        UpdateFree = "update_free",
        /// They would change, for what a create costs.
        UpdatePaid = "update_paid",
        /// It waits, and would ask for something else.
        Edit = "edit",
        /// Something that is never sent would be set.
        Settings = "settings",
        /// Another parser would be made in the place of the one that is there.
        Replace = "replace",
        /// The job that was to make another parser in its place would be cancelled.
        Cancel = "cancel",
        /// It cannot be changed until something that is under way is over.
        InFlight = "in_flight",
        /// It cannot be done as it is written.
        Refused = "refused",
        /// Its parser would be deleted.
        Delete = "delete",
        /// Its parser would be deleted, and is protected: it stays.
        Kept = "kept",
        /// The file's job is in the database already.
        AlreadyThere = "already_there",
        /// The account holds its parser, and `create.on_existing` is `fail`.
        WouldFail = "would_fail",
        /// Only a person can tell which parser is its own.
        Ambiguous = "ambiguous",
        /// An earlier create of its name is in doubt and is settled first.
        InDoubt = "in_doubt",
        /// A parser was paid for, and it cannot be told now what became of it.
        Unknown = "unknown",
        /// Its row breaks the rules of a job.
        BadRow = "bad_row",
    }
}

/// What would become of one job, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// What it is.
    pub verdict: Verdict,
    /// The parser that it would adopt.
    pub parser_id: Option<ParserId>,
    /// The name that a create would send, or that the account's parser bears.
    pub remote_name: Option<String>,
    /// A word on it, where there is one.
    pub note: Option<String>,
}

impl Forecast {
    /// One without parser and name.
    pub const fn plain(verdict: Verdict, note: Option<String>) -> Self {
        Self {
            verdict,
            parser_id: None,
            remote_name: None,
            note,
        }
    }
}

/// Looks ahead, job by job; it only reads.
#[derive(Debug)]
pub struct Planner<'a, S, D> {
    /// The database, if there is one.
    pub store: Option<&'a D>,
    /// The service, to ask for single parsers; none where it is not available.
    pub service: Option<&'a S>,
    /// The account's list; an empty one where there is none.
    pub listing: Listing,
    /// What decisions depend on.
    pub policy: Policy,
    /// Whether the remote name carries the tag.
    pub name_tag: bool,
    /// The time.
    pub now: UnixMs,
    /// Parsers that jobs looked at before would adopt.
    pub taken: HashSet<ParserId>,
    /// How many parsers are still asked for by their ids, one after another; what hangs
    /// on more of them stays unknown.
    pub asks_left: u32,
    /// How many parsers that the list lacks were asked for by their ids and not found; none once
    /// one was found: then the list proves nothing by what it lacks.
    pub missing: Option<usize>,
}

impl<S: Service, D: JobStore> Planner<'_, S, D> {
    /// What a QUEUED or PARKED row would come to.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn of_row(&mut self, queued: QueuedJob) -> Result<Forecast, StoreError> {
        let mut job = queued.job;
        if job.progress.park_reason == Some(ParkReason::Ambiguous) {
            let note = job.progress.error_hint;
            return Ok(Forecast::plain(Verdict::Ambiguous, note));
        }
        match queued.order {
            Ok(Order::Update(changes)) => {
                let verdict = if changes.is_paid() {
                    Verdict::UpdatePaid
                } else {
                    Verdict::UpdateFree
                };
                Ok(Forecast::plain(verdict, None))
            }
            Ok(Order::Delete) => Ok(Forecast::plain(Verdict::Delete, None)),
            Ok(Order::Create(spec)) => {
                // As it is when its reason is gone.
                job.progress.state = JobState::Queued;
                job.progress.park_reason = None;
                self.of(&job, &spec).await
            }
            Err(reason) => Ok(Forecast::plain(Verdict::BadRow, Some(reason))),
        }
    }

    /// What a QUEUED job of this specification would come to.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn of(&mut self, job: &Job, spec: &JobSpec) -> Result<Forecast, StoreError> {
        let naming = Naming::by(&self.policy, self.name_tag);
        Ok(match naming::plan(self, job, spec, naming).await? {
            Ok(plan) => self.prospect(job, &plan),
            Err(NoList::Refused(_, words) | NoList::Trouble(words)) => {
                Forecast::plain(Verdict::Unknown, Some(words.message))
            }
        })
    }

    async fn is_foreign(&self, id: &ParserId) -> Result<bool, StoreError> {
        match self.store {
            None => Ok(false),
            Some(store) => store.is_foreign(id).await,
        }
    }

    fn prospect(&mut self, job: &Job, plan: &Plan) -> Forecast {
        let decided = decide(job, plan.event(), &self.policy, self.now, 0.0);
        let (verdict, parser_id, note) = match decided {
            Transition::Change(change) => read(*change),
            Transition::Ignored(why) => (Verdict::Unknown, None, Some(why.to_owned())),
        };
        self.taken.extend(parser_id.clone());
        Forecast {
            verdict,
            parser_id,
            remote_name: Some(plan.remote_name.clone()),
            note,
        }
    }
}

/// As a job's turn looks, save that nothing of it is recorded.
impl<S: Service, D: JobStore> Lookup for Planner<'_, S, D> {
    fn listing(&self) -> &Listing {
        &self.listing
    }

    async fn renew(&mut self) -> Result<Result<(), NoList>, StoreError> {
        Ok(Ok(()))
    }

    async fn ledger(&mut self, name: &str) -> Result<LedgerFacts, StoreError> {
        match self.store {
            None => Ok(LedgerFacts::default()),
            Some(store) => store.ledger(name).await,
        }
    }

    async fn excluded(
        &mut self,
        ids: &[ParserId],
        job: &Job,
    ) -> Result<HashSet<ParserId>, StoreError> {
        let mut excluded = match self.store {
            None => HashSet::new(),
            Some(store) => store.excluded(ids, job).await?,
        };
        excluded.extend(ids.iter().filter(|id| self.taken.contains(id)).cloned());
        Ok(excluded)
    }

    async fn is_anothers(
        &mut self,
        id: &ParserId,
        job: &Job,
        remote_name: &str,
    ) -> Result<bool, StoreError> {
        if self.taken.contains(id) {
            return Ok(true);
        }
        match self.store {
            None => Ok(false),
            Some(store) => store.is_anothers(id, job.id, remote_name).await,
        }
    }

    async fn ask(&mut self, id: &ParserId) -> Result<Result<Standing, NoList>, StoreError> {
        let (Some(service), 1..) = (self.service, self.asks_left) else {
            return Ok(Ok(Standing::Unknown));
        };
        self.asks_left -= 1;
        Ok(Ok(match Standing::from(&service.details(id).await) {
            Standing::Gone if self.is_foreign(id).await? => Standing::Unknown,
            asked => asked,
        }))
    }
}

/// A change that is not made, as a verdict.
fn read(change: Change) -> (Verdict, Option<ParserId>, Option<String>) {
    let next = change.next;
    match next.state {
        JobState::Creating if change.ledger == Some(LedgerChange::Intent) => {
            (Verdict::Create, None, None)
        }
        JobState::Creating => (Verdict::InDoubt, None, None),
        JobState::Generating => (Verdict::Adopt, next.parser_id, None),
        JobState::Failed => (Verdict::WouldFail, None, next.error_message),
        JobState::Parked => (Verdict::Ambiguous, None, next.error_message),
        JobState::Queued | JobState::Finished | JobState::Cancelled => {
            (Verdict::Unknown, None, next.error_message)
        }
    }
}

/// How many creates could be sent now, and what would hold the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fit {
    /// Sent.
    pub now: i64,
    /// PARKED `budget`.
    pub budget: i64,
    /// PARKED `credits`.
    pub credits: i64,
}

/// How `creates` fit into the budget, and into the account's credits where `left` says
/// how many there are, once `ahead` others had their turn.
pub fn fit(
    ahead: usize,
    creates: usize,
    mut budget: Budget,
    mut left: Option<i64>,
    now: UnixMs,
) -> Fit {
    let cost = budget.credits_per_create;
    let mut fit = Fit::default();
    for turn in 0..ahead + creates {
        // In the worker's order: what the budget refuses is not sent.
        let count = if budget.admits(now).is_err() {
            &mut fit.budget
        } else if left.is_some_and(|left| left < cost) {
            &mut fit.credits
        } else {
            budget.spend(now);
            left = left.map(|left| left - cost);
            &mut fit.now
        };
        *count += i64::from(turn >= ahead);
    }
    fit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn creates_fit_into_budget_and_credits_in_the_workers_order() {
        let table = [
            (0, 3, None, None, None, (3, 0, 0)),
            (0, 3, Some(60_000), None, None, (2, 1, 0)),
            (0, 3, None, Some(59_999), None, (1, 2, 0)),
            (0, 3, None, None, Some(60_000), (2, 0, 1)),
            (0, 3, Some(60_000), None, Some(30_000), (1, 0, 2)),
            (0, 3, Some(30_000), None, Some(60_000), (1, 2, 0)),
            (0, 3, Some(0), None, Some(0), (0, 3, 0)),
            (0, 0, Some(0), None, Some(0), (0, 0, 0)),
            (1, 3, Some(60_000), None, None, (1, 2, 0)),
            (2, 3, None, None, Some(60_000), (0, 0, 3)),
            (5, 1, None, None, None, (1, 0, 0)),
        ];
        for (ahead, creates, max_credits_per_day, max_credits, left, (now, held, poor)) in table {
            let budget = Budget {
                credits_per_create: 30_000,
                max_credits_per_day,
                max_credits,
                spent: 0,
                spent_today: 0,
                spent_later: 0,
                day: 0,
            };
            let expected = Fit {
                now,
                budget: held,
                credits: poor,
            };
            assert_eq!(
                fit(ahead, creates, budget.clone(), left, 0),
                expected,
                "{budget:?}"
            );
        }
    }
}
