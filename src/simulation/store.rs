//! A store under the scheduler: each look and each commit waits for its turn, and may fail. It
//! also breaks the rules that are a store's to keep.

use std::collections::{HashMap, HashSet};

use super::{
    rules::{BrokenRule, breaks},
    seam::{commit, read},
    world::with,
};
use crate::{
    core::{
        budget::{Redated, Spent},
        diff::{Beside, Record},
        event::general::GeneralEvent,
        gate::{Closure, Scope},
        job::{DurationMs, Job, JobId, JobState, ParkReason, ParserId, UnixMs},
        ledger::{Elsewhere, KnownParser, LedgerFacts},
        lifecycle::{self, Change},
        listing::Listing,
        oddities::Unexplained,
        outcome::ListedParser,
        preflight::{Brought, Fetched},
        progress::BatchFigures,
        quality::checks::{Tried, TriedOutcome},
    },
    store::{
        ParkedFirst, StoreError,
        ports::{
            Accounts, Announcements, Applied, Asked, Changes, Facts, FetchId, FetchIntent, Fetches,
            Foreknown, Gates, Holder, Intent, JobStore, Lane, Ledger, Manifest, Order, ParseId,
            ParseIntent, Parses, PendingUpdate, Queue, QueuedJob, Strangers, Target, Times,
            Updates,
        },
    },
};

type Result<T> = std::result::Result<T, StoreError>;

#[derive(Debug, Clone)]
pub(super) struct Simulated<D>(pub D);

impl<D: JobStore> JobStore for Simulated<D> {
    type Commits = D::Commits;

    async fn commits(&self) -> Result<D::Commits> {
        self.0.commits().await
    }

    fn still_has_its_file(&self) -> Result<()> {
        self.0.still_has_its_file()
    }

    fn place(&self) -> String {
        self.0.place()
    }
}

impl<D: JobStore> Updates for Simulated<D> {
    async fn target(&self, name: &str) -> Result<Option<Target>> {
        read(self.0.target(name)).await
    }

    async fn target_by_id(&self, id: &ParserId) -> Result<Option<Target>> {
        read(self.0.target_by_id(id)).await
    }

    async fn former_parser(&self, name: &str) -> Result<Option<ParserId>> {
        read(self.0.former_parser(name)).await
    }

    async fn pending_update(&self, job: JobId) -> Result<Option<PendingUpdate>> {
        read(self.0.pending_update(job)).await
    }

    async fn change_of(&self, job: JobId) -> Result<Option<String>> {
        read(self.0.change_of(job)).await
    }
}

impl<D: JobStore> Manifest for Simulated<D> {
    async fn beside(&self) -> Result<Beside> {
        read(self.0.beside()).await
    }

    async fn on_record(&self, names: &[&str]) -> Result<HashMap<String, Record>> {
        read(self.0.on_record(names)).await
    }
}

impl<D: JobStore> Queue for Simulated<D> {
    async fn due_creates(&self, now: UnixMs, limit: usize) -> Result<Vec<QueuedJob>> {
        let mut due = read(self.0.due_creates(now, limit)).await?;
        if breaks(BrokenRule::DeleteAskedFor) {
            let updates = due.iter_mut();
            let updates = updates.filter(|queued| matches!(queued.order, Ok(Order::Update(_))));
            for queued in updates {
                queued.order = Ok(Order::Delete);
            }
        }
        Ok(due)
    }

    async fn due_doubts(&self, now: UnixMs, limit: usize) -> Result<Vec<Job>> {
        read(self.0.due_doubts(now, limit)).await
    }

    async fn due_polls(&self, now: UnixMs, limit: usize) -> Result<Vec<Job>> {
        read(self.0.due_polls(now, limit)).await
    }

    async fn count_due_polls(&self, now: UnixMs, limit: usize) -> Result<usize> {
        read(self.0.count_due_polls(now, limit)).await
    }

    async fn due_polls_apart(&self, now: UnixMs, since: UnixMs, limit: usize) -> Result<Vec<Job>> {
        read(self.0.due_polls_apart(now, since, limit)).await
    }

    async fn requested(&self, limit: usize) -> Result<Vec<Job>> {
        read(self.0.requested(limit)).await
    }

    async fn jobs(&self, ids: &[JobId]) -> Result<Vec<Job>> {
        read(self.0.jobs(ids)).await
    }

    async fn parked(
        &self,
        reason: ParkReason,
        first: ParkedFirst,
        limit: usize,
    ) -> Result<Vec<Job>> {
        read(self.0.parked(reason, first, limit)).await
    }

    async fn broken(&self, limit: usize) -> Result<Vec<(Job, String)>> {
        read(self.0.broken(limit)).await
    }

    async fn last_finished(&self, limit: usize) -> Result<Vec<Job>> {
        read(self.0.last_finished(limit)).await
    }

    async fn interrupted(&self) -> Result<Vec<Job>> {
        read(self.0.interrupted()).await
    }

    async fn next_due(&self, lane: Lane, now: UnixMs) -> Result<Option<UnixMs>> {
        read(self.0.next_due(lane, now)).await
    }

    async fn under_way(&self, limit: usize) -> Result<usize> {
        read(self.0.under_way(limit)).await
    }

    async fn any(&self, state: JobState) -> Result<bool> {
        read(self.0.any(state)).await
    }

    async fn any_parked(&self, reason: ParkReason) -> Result<bool> {
        read(self.0.any_parked(reason)).await
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>> {
        read(self.0.job(id)).await
    }

    async fn wanted(&self, id: JobId) -> Result<Asked> {
        read(self.0.wanted(id)).await
    }
}

impl<D: JobStore> Parses for Simulated<D> {
    async fn tried(&self, job: JobId, parser_id: &ParserId) -> Result<Vec<Tried>> {
        read(self.0.tried(job, parser_id)).await
    }

    async fn intend_parse(&self, intent: ParseIntent) -> Result<ParseId> {
        commit(self.0.intend_parse(intent)).await
    }

    async fn settle_parse(&self, id: ParseId, outcome: TriedOutcome, now: UnixMs) -> Result<()> {
        commit(self.0.settle_parse(id, outcome, now)).await
    }
}

impl<D: JobStore> Fetches for Simulated<D> {
    async fn fetched(&self, job: JobId, since: UnixMs) -> Result<Vec<Fetched>> {
        let mut fetched = read(self.0.fetched(job, since)).await?;
        if breaks(BrokenRule::FetchTries) {
            fetched.retain(|fetched| !matches!(fetched.brought, Brought::Nothing { .. }));
        }
        Ok(fetched)
    }

    async fn intend_fetch(&self, mut intent: FetchIntent) -> Result<FetchId> {
        if breaks(BrokenRule::FetchOnRecord) {
            intent.credits = 0;
        }
        commit(self.0.intend_fetch(intent)).await
    }

    async fn settle_fetch(
        &self,
        id: FetchId,
        brought: Brought,
        credits: Option<i64>,
        now: UnixMs,
    ) -> Result<()> {
        commit(self.0.settle_fetch(id, brought, credits, now)).await
    }

    async fn foreknown(
        &self,
        host: &str,
        host_since: UnixMs,
        plan_since: UnixMs,
        answers_since: UnixMs,
    ) -> Result<Foreknown> {
        read(
            self.0
                .foreknown(host, host_since, plan_since, answers_since),
        )
        .await
    }
}

impl<D: JobStore> Changes for Simulated<D> {
    async fn apply(
        &self,
        job: &Job,
        change: &Change,
        intent: Intent,
        now: UnixMs,
    ) -> Result<Applied> {
        let mut job = job.clone();
        if breaks(BrokenRule::GuardedUpdate)
            && let Some(fresh) = self.job(job.id).await?
        {
            job.revision = fresh.revision;
        }
        if (change.ledger.as_ref()).is_some_and(lifecycle::LedgerChange::is_intent) {
            with(|sim| sim.books.gate.begins_intent(job.id.0));
        }
        let is_before_sending = change.ledger.as_ref();
        let is_before_sending = is_before_sending.is_some_and(lifecycle::LedgerChange::is_intent);
        if is_before_sending && breaks(BrokenRule::IntentBeforePost) {
            let (store, change) = (self.0.clone(), change.clone());
            drop(tokio::spawn(async move {
                commit(store.apply(&job, &change, intent, now)).await
            }));
            return Ok(Applied::Durable { refund: None });
        }
        commit(self.0.apply(&job, change, intent, now)).await
    }
}

impl<D: JobStore> Times for Simulated<D> {
    async fn shift_times(
        &self,
        token: String,
        step_ms: DurationMs,
        before: UnixMs,
    ) -> Result<DurationMs> {
        commit(self.0.shift_times(token, step_ms, before)).await
    }

    async fn resume_times(&self, now: UnixMs) -> Result<()> {
        commit(self.0.resume_times(now)).await
    }

    async fn date_now(&self, now: UnixMs) -> Result<u64> {
        commit(self.0.date_now(now)).await
    }
}

impl<D: JobStore> Ledger for Simulated<D> {
    async fn ledger(&self, remote_name: &str) -> Result<LedgerFacts> {
        let mut facts = read(self.0.ledger(remote_name)).await?;
        facts.is_elsewhere &= !breaks(BrokenRule::OtherAccount);
        Ok(facts)
    }

    async fn claimed(&self, ids: &[ParserId], but: JobId) -> Result<HashSet<ParserId>> {
        let claimed = read(self.0.claimed(ids, but)).await?;
        Ok(if breaks(BrokenRule::UnclaimedOnly) {
            HashSet::new()
        } else {
            claimed
        })
    }

    async fn is_anothers(&self, id: &ParserId, job: JobId, remote_name: &str) -> Result<bool> {
        read(self.0.is_anothers(id, job, remote_name)).await
    }

    async fn holders(&self, ids: &[&ParserId]) -> Result<Vec<Holder>> {
        read(self.0.holders(ids)).await
    }

    async fn known_parsers(&self) -> Result<Vec<KnownParser>> {
        let known = read(self.0.known_parsers()).await?;
        Ok(if breaks(BrokenRule::TrustedList) {
            Vec::new()
        } else {
            known
        })
    }

    async fn gone_parsers(&self) -> Result<HashSet<ParserId>> {
        read(self.0.gone_parsers()).await
    }

    async fn mark_found(&self, id: ParserId) -> Result<()> {
        commit(self.0.mark_found(id)).await
    }

    async fn mark_gone(&self, id: ParserId, now: UnixMs) -> Result<()> {
        commit(self.0.mark_gone(id, now)).await
    }

    async fn sent_names(&self, id: JobId) -> Result<Vec<String>> {
        read(self.0.sent_names(id)).await
    }

    async fn spent(&self, now: UnixMs) -> Result<Spent> {
        read(self.0.spent(now)).await
    }

    async fn spent_by_ladder(&self, now: UnixMs) -> Result<i64> {
        read(self.0.spent_by_ladder(now)).await
    }

    async fn count_redated(&self, now: UnixMs, after: UnixMs) -> Result<Redated> {
        commit(self.0.count_redated(now, after)).await
    }

    async fn knows_until(&self) -> Result<UnixMs> {
        read(self.0.knows_until()).await
    }
}

impl<D: JobStore> Accounts for Simulated<D> {
    async fn begin_epoch(&self, fingerprint: String, now: UnixMs) -> Result<bool> {
        commit(self.0.begin_epoch(fingerprint, now)).await
    }

    async fn has_epochs(&self) -> Result<bool> {
        read(self.0.has_epochs()).await
    }

    async fn is_foreign(&self, id: &ParserId) -> Result<bool> {
        let is_foreign = read(self.0.is_foreign(id)).await?;
        Ok(is_foreign && !breaks(BrokenRule::OtherAccount))
    }

    async fn names_sent_for(&self, id: &ParserId) -> Result<Vec<Option<String>>> {
        read(self.0.names_sent_for(id)).await
    }

    async fn foreign_parsers(&self) -> Result<Vec<ParserId>> {
        read(self.0.foreign_parsers()).await
    }

    async fn join_accounts(&self, seen: ParserId) -> Result<()> {
        commit(self.0.join_accounts(seen)).await
    }

    async fn join_adopted(&self) -> Result<()> {
        commit(self.0.join_adopted()).await
    }

    async fn doubts_of_account_back(&self, limit: usize) -> Result<Vec<Job>> {
        read(self.0.doubts_of_account_back(limit)).await
    }

    async fn elsewhere(&self) -> Result<Option<Elsewhere>> {
        read(self.0.elsewhere()).await
    }
}

impl<D: JobStore> Strangers for Simulated<D> {
    async fn meet(&self, listed: &[&ListedParser], listing: &Listing, now: UnixMs) -> Result<()> {
        if listed.is_empty() {
            return Ok(());
        }
        commit(self.0.meet(listed, listing, now)).await
    }

    async fn part_from(&self, ids: Vec<ParserId>) -> Result<()> {
        commit(self.0.part_from(ids)).await
    }

    async fn strangers_since(&self, create_id: i64) -> Result<Vec<ParserId>> {
        read(self.0.strangers_since(create_id)).await
    }

    async fn met(&self) -> Result<HashSet<ParserId>> {
        read(self.0.met()).await
    }

    async fn unexplained_of_ledger(&self) -> Result<Unexplained> {
        read(self.0.unexplained_of_ledger()).await
    }
}

impl<D: JobStore> Gates for Simulated<D> {
    async fn gates(&self) -> Result<Vec<(Scope, Closure)>> {
        read(self.0.gates()).await
    }

    async fn set_gate(&self, scope: Scope, closure: Option<Closure>) -> Result<()> {
        commit(self.0.set_gate(scope, closure)).await
    }

    async fn update_gate(&self, scope: Scope, closure: Closure) -> Result<bool> {
        commit(self.0.update_gate(scope, closure)).await
    }

    async fn held_rejections(&self) -> Result<Vec<(u16, String)>> {
        read(self.0.held_rejections()).await
    }
}

impl<D: JobStore> Announcements for Simulated<D> {
    async fn batch_since(&self, after: i64) -> Result<Option<BatchFigures>> {
        read(self.0.batch_since(after)).await
    }

    async fn add_event(
        &self,
        event: &GeneralEvent,
        key: &'static str,
        value: String,
        now: UnixMs,
    ) -> Result<()> {
        commit(self.0.add_event(event, key, value, now)).await
    }
}

impl<D: JobStore> Facts for Simulated<D> {
    async fn meta(&self, key: &str) -> Result<Option<String>> {
        read(self.0.meta(key)).await
    }

    async fn set_meta(&self, key: &'static str, value: String) -> Result<()> {
        commit(self.0.set_meta(key, value)).await
    }
}
