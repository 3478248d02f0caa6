//! What must hold, whatever happens: looked at after each commit and at each request,
//! from outside, and by the account's own books.

mod changes;
mod climbs;
mod pages;
mod rest;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    gate_watch::GateWatch,
    scenario::{SETTLE_MS, Scenario},
    verdict::{Verdict, holds},
};
use crate::{
    core::{
        job::UnixMs,
        outcome::{CreateRequest, Flaws, ListOutcome},
        quality::{Quality, checks::MAX_TRIES},
    },
    simulator::{ParserView, Status, World},
    store::outside::{Operation, Outside, OutsideCreate, OutsideJob, OutsideUpdate},
};

/// A create request that was sent.
#[derive(Debug)]
pub(super) struct Post {
    pub job: i64,
    pub name: String,
    urls: String,
    /// The parser that it made, or will have made when it lands.
    pub made: Option<String>,
    /// Neither answered by the world nor lost on the way to it.
    pub is_on_its_way: bool,
    /// A backup that may not know of it was put in place since.
    is_forgotten: bool,
}

/// A request that changes a parser, as it was sent.
#[derive(Debug)]
pub(super) struct Patch {
    pub job: i64,
    pub parser: String,
    pub body: String,
    pub is_paid: bool,
    /// The version that it made, or will have made when it lands.
    pub made: Option<usize>,
    /// Neither answered by the world nor lost on the way to it.
    pub is_on_its_way: bool,
    /// A backup that may not know of it was put in place since.
    is_forgotten: bool,
}

#[derive(Debug)]
pub(super) struct Books {
    outside: Box<dyn Outside>,
    pub jobs: Vec<OutsideJob>,
    creates: Vec<OutsideCreate>,
    updates: Vec<OutsideUpdate>,
    /// Which version of each parser is used, and what it is worth.
    versions: BTreeMap<String, (Option<i64>, Option<Quality>)>,
    pub posts: Vec<Post>,
    pub patches: Vec<Patch>,
    /// Another tool changed a parser.
    pub was_changed_elsewhere: bool,
    posted: BTreeSet<i64>,
    pub gate: GateWatch,
    /// How often a version of a parser was tried on a held-out page.
    parses: BTreeMap<(String, String), usize>,
    /// The fetches of example pages that were sent, by their rows.
    fetched: BTreeSet<i64>,
    /// What all of these cost, by the record.
    page_credits: i64,
    /// Jobs that an operator changed since they were last looked at, and ever.
    touched: BTreeSet<i64>,
    pub edited: BTreeSet<i64>,
    /// Jobs that an operator had tried again, or changed.
    retried: BTreeSet<i64>,
    /// Parsers that another tool made, with their names.
    pub strangers: Vec<(String, String)>,
    pub was_partial: bool,
    /// Another address was asked for a while.
    pub was_elsewhere: bool,
    /// An answer to a list was none, or none came for a settling time: with that, lists without trust
    /// before it and after it are borne no longer (seed 510611).
    pub had_no_list: bool,
    /// Since when none came.
    no_list_since: Option<UnixMs>,
    /// Such a copy was put in place.
    pub was_restored: bool,
    /// A parser was deleted so soon that it might as well have been late.
    pub lost_young: bool,
}

impl Books {
    pub fn on(outside: Box<dyn Outside>) -> Self {
        Self {
            outside,
            jobs: Vec::new(),
            creates: Vec::new(),
            updates: Vec::new(),
            versions: BTreeMap::new(),
            posts: Vec::new(),
            patches: Vec::new(),
            was_changed_elsewhere: false,
            posted: BTreeSet::new(),
            parses: BTreeMap::new(),
            fetched: BTreeSet::new(),
            page_credits: 0,
            gate: GateWatch::default(),
            touched: BTreeSet::new(),
            edited: BTreeSet::new(),
            retried: BTreeSet::new(),
            strangers: Vec::new(),
            was_partial: false,
            was_elsewhere: false,
            had_no_list: false,
            no_list_since: None,
            lost_young: false,
            was_restored: false,
        }
    }

    /// A list was asked for, and this came.
    pub fn list_came(&mut self, outcome: &ListOutcome, time: UnixMs) {
        self.had_no_list |= match outcome {
            ListOutcome::Listed(_, flaws) => {
                self.no_list_since = None;
                *flaws != Flaws::default()
            }
            ListOutcome::Refused(..) => false,
            ListOutcome::Trouble(words) => {
                let since = *self.no_list_since.get_or_insert(time);
                words.status.is_some() || time - since >= SETTLE_MS
            }
        };
    }

    /// Changes the store as another program would; how many rows.
    pub fn operate(&mut self, now: UnixMs, operation: Operation<'_>) -> usize {
        let changed = self.outside.operate(now, operation).unwrap_or(0);
        if changed > 0 {
            self.touched.extend(operation.job());
            if let Operation::Retry(id) | Operation::Edit { id, .. } = operation {
                self.retried.insert(id);
            }
        }
        changed
    }

    /// Copies the store.
    pub fn back_up(&mut self) {
        self.outside.back_up();
    }

    /// Whether there is a copy, and it has the jobs that there are now.
    pub fn can_restore(&self) -> bool {
        self.outside.can_restore()
    }

    /// Puts the copy in the place of the store.
    pub fn restore(&mut self) {
        if !self.outside.restore() {
            return;
        }
        self.read();
        self.touched.clear();
        // Rows of the ledger that are there no more give their numbers to others.
        let newest = self.creates.iter().map(|row| row.id).max().unwrap_or(0);
        self.posted.retain(|id| *id <= newest);
        self.forget_fetches();
        for post in &mut self.posts {
            post.is_forgotten = true;
        }
        for patch in &mut self.patches {
            patch.is_forgotten = true;
        }
        self.was_restored = true;
        self.versions.clear();
    }

    /// Reads the database and holds it against what was there before.
    pub fn look(&mut self, plan: &Scenario, service: &World, time: UnixMs) -> Verdict {
        let before = std::mem::take(&mut self.jobs);
        self.read();
        for old in &before {
            let Some(new) = self.jobs.iter().find(|new| new.id == old.id) else {
                return Err(format!("job {} is gone", old.name));
            };
            let is_free = old.state == "FAILED" && self.touched.contains(&old.id);
            let stays = match old.state.as_str() {
                "FINISHED" | "CANCELLED" => new.state == old.state,
                "FAILED" => is_free || new.state == old.state,
                _ => true,
            };
            holds!(
                stays,
                "job {} was {} and is {}",
                old.name,
                old.state,
                new.state
            );
        }
        self.touched.clear();
        let mut holders = BTreeMap::new();
        let creates = self.jobs.iter().filter(|job| job.action == "create");
        for job in creates.filter(|job| job.state != "CANCELLED") {
            if let Some(id) = &job.parser_id
                && let Some(other) = holders.insert(id, &job.name)
            {
                return Err(format!(
                    "jobs {other} and {} both hold parser {id}",
                    job.name
                ));
            }
        }
        self.versions_are_no_worse()?;
        self.within_budget(plan, service)?;
        self.within_ladder(plan)?;
        self.fetches_are_on_record(service)?;
        self.remembers(service, time)
    }

    /// A held-out page is asked for.
    pub fn parses(
        &mut self,
        parser: &str,
        version: Option<i64>,
        url: &str,
        plan: &Scenario,
    ) -> Verdict {
        let sent = self
            .parses
            .entry((format!("{parser}/{version:?}"), url.to_owned()))
            .or_default();
        *sent += 1;
        // A copy of the database does not know of those that were sent after it was made.
        holds!(
            *sent <= MAX_TRIES || self.was_restored,
            "page {url} of {parser} is asked for {sent} times"
        );
        let spent = self.spent();
        let limit = plan.max_credits.unwrap_or(i64::MAX);
        holds!(
            spent <= limit || self.was_restored || !self.strangers.is_empty(),
            "{spent} credits are spent with a parse, of {limit}"
        );
        Ok(())
    }

    fn within_budget(&self, plan: &Scenario, service: &World) -> Verdict {
        // What a copy does not know is counted when it is found again.
        if self.was_restored {
            return Ok(());
        }
        if let Some(limit) = plan.max_credits {
            // One that somebody deleted before it was ever seen cannot be known of.
            let made = self.posts.iter().filter_map(|post| post.made.as_ref());
            let made = made.filter(|id| service.parser(UnixMs::MAX, id).is_some());
            let made = made.count();
            let patches = self.patches.iter().filter(|patch| {
                patch.is_paid
                    && patch.made.is_some()
                    && service.parser(UnixMs::MAX, &patch.parser).is_some()
            });
            let made = made + patches.count();
            let paid = plan.credits_per_create * i64::try_from(made).unwrap_or(i64::MAX);
            let paid = paid + service.credits_of_fetches();
            holds!(paid <= limit, "{paid} credits are paid of {limit}");
            let spent = self.spent();
            // Another tool's parser may be taken for one's own, and counts then.
            holds!(
                spent <= limit || !self.strangers.is_empty(),
                "{spent} credits are spent or in doubt of {limit}"
            );
        }
        if let Some(limit) = plan.max_credits_per_day {
            let mut days = BTreeMap::new();
            let updates = self.counted_updates().map(|row| (row.sent_at, row.credits));
            let creates = self.counted().map(|row| (row.sent_at, row.credits));
            for (sent_at, credits) in creates.chain(updates) {
                *days.entry(sent_at.div_euclid(86_400_000)).or_insert(0) += credits;
            }
            for (day, spent) in days {
                holds!(
                    spent <= limit || !self.strangers.is_empty(),
                    "{spent} credits on day {day}, of {limit}"
                );
            }
        }
        Ok(())
    }

    /// Every parser that was made is on record, or the create that made it still open.
    fn remembers(&self, service: &World, time: UnixMs) -> Verdict {
        for post in &self.posts {
            let Some(made) = &post.made else { continue };
            if post.is_forgotten {
                continue;
            }
            if service.parser(time, made).is_none() && service.parser(UnixMs::MAX, made).is_none() {
                continue;
            }
            if self.shares_its_name(post) {
                continue;
            }
            let is_known = self.creates.iter().any(|row| {
                row.parser_id.as_ref() == Some(made)
                    || row.outcome == "pending" && row.remote_name == post.name
            });
            holds!(is_known, "parser {made} of {} is forgotten", post.name);
        }
        Ok(())
    }

    /// Another tool made a parser of the name: of two nobody can tell which is whose.
    fn shares_its_name(&self, post: &Post) -> bool {
        self.strangers.iter().any(|(_, name)| *name == post.name)
    }

    fn read(&mut self) {
        (self.jobs, self.creates) = self.outside.rows();
        self.updates = self.outside.updates();
        self.page_credits = self.outside.page_credits();
    }

    /// A create is about to be sent; returns its number.
    pub fn sends(
        &mut self,
        request: &CreateRequest,
        plan: &Scenario,
        service: &World,
        time: UnixMs,
    ) -> Result<usize, String> {
        let name = &request.name;
        let urls = serde_json::to_string(&request.urls).unwrap_or_default();
        self.read();
        let row = self
            .creates
            .iter()
            .find(|row| row.remote_name == *name && row.outcome == "pending")
            .map(|row| row.id);
        let job = self
            .jobs
            .iter()
            .find(|job| job.state == "CREATING" && job.remote_name.as_ref() == Some(name));
        let (Some(row), Some(job)) = (row, job) else {
            return Err(format!("{name} is sent without a durable intent"));
        };
        holds!(
            self.posted.insert(row),
            "the intent for {name} is sent twice"
        );
        holds!(
            self.has_its_params(row, request),
            "{name} is the ladder's and is sent without parameters"
        );
        holds!(
            job.urls == urls,
            "{urls} is sent for a job that says {}",
            job.urls
        );
        self.is_foreseen(job, plan)?;
        let job = job.id;
        for post in self
            .posts
            .iter()
            .filter(|post| post.job == job && post.urls == urls)
        {
            holds!(
                !post.is_on_its_way,
                "{name} is sent and an earlier create is on its way"
            );
            let made = post.made.as_ref();
            let live = made.and_then(|id| service.parser(UnixMs::MAX, id));
            // The own parser is taken for another tool's once that tool's was taken for it: one that
            // is not to be adopted does not keep a new one from being made then (seed 235331).
            holds!(
                self.shares_its_name(post) || live.is_none_or(|parser| is_failed(&parser)),
                "{name} is sent and an earlier create made {made:?}"
            );
        }
        self.gate.lets(job, name, time)?;
        self.posts.push(Post {
            job,
            name: name.clone(),
            urls,
            made: None,
            is_on_its_way: true,
            is_forgotten: false,
        });
        Ok(self.posts.len() - 1)
    }

    /// The process ended: the next one knows of the gate what is stored.
    pub fn crashed(&mut self, time: UnixMs, now: UnixMs) {
        let stored = self.outside.create_gate().map(|gate| {
            // A clock that went back makes the probe due.
            let wait_ms = if now < gate.since {
                0
            } else {
                gate.next_probe_at - now
            };
            (wait_ms, gate.interval_ms, gate.is_passing)
        });
        self.gate.restarted(stored, time);
    }

    /// The creates that count as spent.
    fn counted(&self) -> impl Iterator<Item = &OutsideCreate> {
        self.creates.iter().filter(|row| row.outcome != "not_made")
    }

    /// The changes that count as spent.
    fn counted_updates(&self) -> impl Iterator<Item = &OutsideUpdate> {
        self.updates.iter().filter(|row| row.outcome != "not_made")
    }

    fn spent(&self) -> i64 {
        let creates: i64 = self.counted().map(|row| row.credits).sum();
        let updates: i64 = self.counted_updates().map(|row| row.credits).sum();
        creates + updates + self.page_credits
    }

    fn is_budget_spent(&self, plan: &Scenario) -> bool {
        let spent = self.spent();
        plan.max_credits
            .is_some_and(|limit| spent + plan.credits_per_create > limit)
    }

    fn is_parked_for_budget(&self) -> bool {
        let mut reasons = self.jobs.iter().map(|job| job.park_reason.as_deref());
        reasons.any(|reason| reason == Some("budget"))
    }

    fn was_deleted(&self, service: &World, id: &str) -> bool {
        service.parser(UnixMs::MAX, id).is_none()
            && (self.strangers.iter().any(|stranger| stranger.0 == id)
                || self
                    .posts
                    .iter()
                    .any(|post| post.made.as_deref() == Some(id)))
    }

    /// Parsers on record for longer than `age_ms` by the clock that says `now`.
    pub fn known_for(&self, age_ms: i64, now: UnixMs) -> Vec<String> {
        self.creates
            .iter()
            .filter(|row| row.settled_at.is_some_and(|at| now - at > age_ms))
            .filter_map(|row| row.parser_id.clone())
            .collect()
    }

    /// Whether a job waits for somebody's word on its create, which made nothing and
    /// will make nothing.
    pub fn is_in_doubt_for_nothing(&self, job: &OutsideJob) -> bool {
        let mut posts = self.posts.iter().filter(|post| post.job == job.id);
        job.action == "create"
            && (job.state == "CREATING" || job.park_reason.as_deref() == Some("ambiguous"))
            && posts.all(|post| post.made.is_none() && !post.is_on_its_way)
    }

    /// Whether a create of this job may still make a parser, or made one.
    pub fn has_posted(&self, job: i64) -> bool {
        self.posts.iter().any(|post| post.job == job)
            || self
                .jobs
                .iter()
                .any(|row| row.id == job && row.state == "CREATING")
    }
}

fn is_failed(parser: &ParserView) -> bool {
    parser.status == Status::Failed
}
