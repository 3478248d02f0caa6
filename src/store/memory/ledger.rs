//! What is on record of creates, parsers and accounts: each question a walk over the tables.

use std::collections::{BTreeSet, HashSet};

use super::{
    CreateStatus, Memory,
    tables::{EpochRow, StoredCreate, StrangerRow, Tables},
};
use crate::{
    core::{
        budget::{DAY_MS, Redated, Spent, utc_day},
        job::{Action, Job, JobId, JobState, ParkReason, ParserId, UnixMs},
        ledger::{Elsewhere, KnownParser, LedgerFacts, Stranger},
        listing::Listing,
        oddities::{MOST_NAMED, Unexplained},
        outcome::ListedParser,
        remote_name::{is_tagged, tags_in},
    },
    store::{
        StoreError,
        ports::{Accounts, ELSEWHERE, Holder, Ledger, Strangers},
    },
};

impl Ledger for Memory {
    async fn ledger(&self, remote_name: &str) -> Result<LedgerFacts, StoreError> {
        let tables = self.tables();
        let mut facts = LedgerFacts::default();
        for row in tables.named(remote_name) {
            facts.was_sent = true;
            facts.newest = row.id;
            facts.is_elsewhere = tables.is_elsewhere(row.epoch);
            match (row.outcome, &row.parser_id) {
                (CreateStatus::Made, Some(id)) => {
                    facts.made.push(id.clone());
                    facts.made_baseline.extend(row.baseline.iter().cloned());
                }
                (CreateStatus::Pending, _) => {
                    facts.pending = true;
                    facts.baseline = row.baseline.clone();
                }
                (CreateStatus::Made | CreateStatus::NotMade, _) => {
                    facts.refuted_baseline = Some(row.baseline.clone());
                }
            }
        }
        Ok(facts)
    }

    async fn claimed(&self, ids: &[ParserId], but: JobId) -> Result<HashSet<ParserId>, StoreError> {
        let tables = self.tables();
        let is_replaced = |id: &ParserId| {
            let row = tables.parsers.get(id);
            let is_going = tables.jobs.values().any(|row| {
                let progress = &row.job.progress;
                row.job.action == Action::Delete
                    && progress.parser_id.as_ref() == Some(id)
                    && progress.state != JobState::Cancelled
            });
            row.is_some_and(|row| row.replaced_by.is_some() && !row.is_deleted) && !is_going
        };
        let is_claimed = |id: &&ParserId| {
            let mut others = tables.holding(id).filter(|row| row.job.id != but);
            others.any(|row| row.released_at.is_none() || !is_replaced(id))
        };
        Ok(ids.iter().filter(is_claimed).cloned().collect())
    }

    async fn is_anothers(
        &self,
        id: &ParserId,
        job: JobId,
        remote_name: &str,
    ) -> Result<bool, StoreError> {
        let tables = self.tables();
        let named = tables.named(remote_name);
        let pending = named.filter(|row| row.outcome == CreateStatus::Pending);
        let pending = pending.map(|row| row.id).max().unwrap_or(0);
        Ok(tables.holding(id).any(|row| row.job.id != job)
            || tables.making(id).any(|row| row.remote_name != remote_name)
            || tables.making(id).next().is_none()
                && tables.parsers.get(id).is_some_and(|row| row.job_id != job)
            || (tables.strangers.get(id)).is_some_and(|row| row.seen_with < pending))
    }

    async fn holders(&self, ids: &[&ParserId]) -> Result<Vec<Holder>, StoreError> {
        let tables = self.tables();
        // Those that change a parser too: lists tell of each.
        let holders = ids.iter().flat_map(|id| {
            let jobs = tables.jobs.values().filter(move |row| {
                let progress = &row.job.progress;
                progress.parser_id.as_ref() == Some(id) && progress.state != JobState::Cancelled
            });
            jobs.map(|row| Holder {
                id: row.job.id,
                parser_id: (*id).clone(),
                is_generating: row.job.progress.state == JobState::Generating,
            })
        });
        Ok(holders.collect())
    }

    async fn known_parsers(&self) -> Result<Vec<KnownParser>, StoreError> {
        let tables = self.tables();
        let jobs = tables.jobs.values();
        let jobs = jobs.filter(|row| row.job.action == Action::Create);
        let of_jobs = jobs.filter_map(|row| {
            let id = row.job.progress.parser_id.clone()?;
            let settled = tables
                .making(&id)
                .filter_map(|create| create.settled_at)
                .max();
            let since = settled.or(row.job.progress.generating_since);
            let known = KnownParser {
                id,
                remote_name: row.job.progress.remote_name.clone(),
                known_since: since.unwrap_or(row.created_at),
            };
            Some((row.epoch, known))
        });
        let of_creates = tables.creates.iter().filter_map(|row| {
            let known = KnownParser {
                id: row.parser_id.clone()?,
                remote_name: None,
                known_since: row.settled_at?,
            };
            Some((row.epoch, known))
        });
        let mut seen = HashSet::new();
        let known = of_jobs.chain(of_creates).filter(|(epoch, known)| {
            !tables.is_elsewhere(*epoch)
                && !tables.gone.contains(&known.id)
                && seen.insert(known.id.clone())
        });
        Ok(known.map(|(_, known)| known).collect())
    }

    async fn gone_parsers(&self) -> Result<HashSet<ParserId>, StoreError> {
        Ok(self.tables().gone.iter().cloned().collect())
    }

    async fn mark_found(&self, id: ParserId) -> Result<(), StoreError> {
        self.tables().mark_found(&id);
        Ok(())
    }

    async fn mark_gone(&self, id: ParserId, _now: UnixMs) -> Result<(), StoreError> {
        self.tables().mark_gone(&id);
        Ok(())
    }

    async fn sent_names(&self, id: JobId) -> Result<Vec<String>, StoreError> {
        let tables = self.tables();
        let mut names: Vec<String> = Vec::new();
        for row in tables.creates.iter().rev().filter(|row| row.job_id == id) {
            if !names.contains(&row.remote_name) {
                names.push(row.remote_name.clone());
            }
        }
        Ok(names)
    }

    async fn spent(&self, now: UnixMs) -> Result<Spent, StoreError> {
        let tables = self.tables();
        let (today, tomorrow) = (utc_day(now) * DAY_MS, (utc_day(now) + 1) * DAY_MS);
        let sum = |counts: &dyn Fn(&StoredCreate) -> bool| -> i64 {
            let spent = tables.creates.iter();
            let spent = spent.filter(|row| row.outcome != CreateStatus::NotMade && counts(row));
            spent.map(|row| row.credits).sum()
        };
        let parses = |from: UnixMs| -> i64 {
            let sent = tables.parses.iter().map(|row| &row.intent);
            let sent = sent.filter(|intent| intent.sent_at >= from);
            sent.map(|intent| intent.credits).sum()
        };
        let fetches = |from: UnixMs| -> i64 {
            let sent = tables.fetches.iter().filter(|row| row.sent_at >= from);
            sent.map(|row| row.fetched.credits).sum()
        };
        let updates = |from: UnixMs| -> i64 {
            let sent = tables.updates.iter();
            let spent = sent.filter(|row| row.outcome != CreateStatus::NotMade);
            let spent = spent.filter(|row| row.sent_at >= from);
            spent.map(|row| row.credits).sum()
        };
        let others = |from: UnixMs| parses(from) + fetches(from) + updates(from);
        Ok(Spent {
            in_all: sum(&|_| true) + others(UnixMs::MIN),
            today: sum(&|row| row.spent_at() >= today) + others(today),
            later: sum(&|row| row.spent_at() >= tomorrow) + others(tomorrow),
            redated: sum(&|row| row.spent_at() >= today && row.spent_at() < row.sent_at),
        })
    }

    async fn spent_by_ladder(&self, now: UnixMs) -> Result<i64, StoreError> {
        let today = utc_day(now) * DAY_MS;
        let tables = self.tables();
        let spent = tables.creates.iter().filter(|row| {
            row.is_escalated && row.outcome != CreateStatus::NotMade && row.spent_at() >= today
        });
        Ok(spent.map(|row| row.credits).sum())
    }

    async fn count_redated(&self, now: UnixMs, after: UnixMs) -> Result<Redated, StoreError> {
        let tables = &mut *self.tables();
        let mut redated = Redated {
            creates: 0,
            credits: 0,
        };
        let ahead = |row: &&mut StoredCreate| row.sent_at > after && row.counted_at.is_none();
        for row in tables.creates.iter_mut().filter(ahead) {
            row.counted_at = Some(now);
            redated.creates += 1;
            if row.outcome != CreateStatus::NotMade {
                redated.credits += row.credits;
            }
        }
        Ok(redated)
    }

    async fn knows_until(&self) -> Result<UnixMs, StoreError> {
        let tables = self.tables();
        let peoples = ["queued", "requeued", "cancelled", "changed"];
        let mut events = tables.events.iter();
        let event = events.rfind(|row| !peoples.contains(&row.event.name()));
        let sent = tables.creates.last().map_or(0, |row| row.sent_at);
        let changed = tables.updates.last().map_or(0, |row| row.sent_at);
        Ok(event.map_or(0, |row| row.at).max(sent).max(changed))
    }
}

impl Accounts for Memory {
    async fn begin_epoch(&self, fingerprint: String, now: UnixMs) -> Result<bool, StoreError> {
        let tables = &mut *self.tables();
        let last = tables.epochs.last();
        if last.is_some_and(|last| last.fingerprint == fingerprint) {
            return Ok(false);
        }
        let is_another = last.is_some();
        let known = tables.epochs.iter();
        let known = known.filter(|row| row.fingerprint == fingerprint);
        let newest = tables.epochs.iter().map(|row| row.account).max();
        let account = known.map(|row| row.account).max();
        tables.epochs.push(EpochRow {
            since: now,
            fingerprint,
            account: account.unwrap_or(newest.map_or(0, |newest| newest + 1)),
        });
        Ok(is_another)
    }

    async fn has_epochs(&self) -> Result<bool, StoreError> {
        Ok(!self.tables().epochs.is_empty())
    }

    async fn is_foreign(&self, id: &ParserId) -> Result<bool, StoreError> {
        let tables = self.tables();
        let is_here = |row: &StoredCreate| !tables.is_elsewhere(row.epoch);
        let mut jobs = tables.jobs.values();
        let is_held = jobs.any(|row| {
            row.job.progress.parser_id.as_ref() == Some(id) && tables.is_elsewhere(row.epoch)
        });
        let is_made = tables.making(id).next().is_some();
        Ok((is_made || is_held) && !tables.making(id).any(is_here))
    }

    async fn names_sent_for(&self, id: &ParserId) -> Result<Vec<Option<String>>, StoreError> {
        let tables = self.tables();
        let of_creates = tables.making(id).map(|row| Some(row.remote_name.clone()));
        let jobs = tables.jobs.values().map(|row| &row.job.progress);
        let of_jobs = jobs
            .filter(|progress| progress.parser_id.as_ref() == Some(id))
            .map(|progress| progress.remote_name.clone());
        let names: BTreeSet<_> = of_creates.chain(of_jobs).collect();
        Ok(names.into_iter().collect())
    }

    async fn foreign_parsers(&self) -> Result<Vec<ParserId>, StoreError> {
        let tables = self.tables();
        let creates = tables.creates.iter();
        let of_creates = creates.map(|row| (row.epoch, &row.parser_id));
        let jobs = tables.jobs.values();
        let of_jobs = jobs.map(|row| (row.epoch, &row.job.progress.parser_id));
        let foreign: BTreeSet<_> = of_creates
            .chain(of_jobs)
            .filter(|(epoch, _)| tables.is_elsewhere(*epoch))
            .filter_map(|(_, id)| id.clone())
            .collect();
        Ok(foreign.into_iter().collect())
    }

    async fn join_accounts(&self, seen: ParserId) -> Result<(), StoreError> {
        let tables = &mut *self.tables();
        let of_creates = tables.making(&seen).map(|row| row.epoch);
        let jobs = tables.jobs.values();
        let holding = jobs.filter(|row| row.job.progress.parser_id.as_ref() == Some(&seen));
        let epochs: BTreeSet<_> = of_creates.chain(holding.map(|row| row.epoch)).collect();
        tables.join(&epochs);
        Ok(())
    }

    async fn join_adopted(&self) -> Result<(), StoreError> {
        let tables = &mut *self.tables();
        let made = tables.creates.iter();
        let made = made.filter(|row| row.parser_id.is_some() && tables.is_elsewhere(row.epoch));
        let adopted = made.filter(|create| {
            tables.jobs.values().any(|row| {
                let progress = &row.job.progress;
                progress.parser_id == create.parser_id
                    && progress.remote_name.as_ref() == Some(&create.remote_name)
                    && !tables.is_elsewhere(row.epoch)
            })
        });
        let epochs = adopted.map(|row| row.epoch).collect();
        tables.join(&epochs);
        Ok(())
    }

    async fn doubts_of_account_back(&self, limit: usize) -> Result<Vec<Job>, StoreError> {
        let tables = self.tables();
        let pending = tables.creates.iter();
        let here: BTreeSet<_> = pending
            .filter(|row| row.outcome == CreateStatus::Pending && !tables.is_elsewhere(row.epoch))
            .map(|row| row.job_id)
            .collect();
        let parked = tables.in_state(JobState::Parked).map(|row| &row.job);
        let back = parked.filter(|job| {
            let progress = &job.progress;
            let message = progress.error_message.as_deref().unwrap_or_default();
            progress.park_reason == Some(ParkReason::Ambiguous)
                && progress.doubt.is_some()
                && message.contains(ELSEWHERE)
                && here.contains(&job.id)
        });
        Ok(back.take(limit).cloned().collect())
    }

    async fn elsewhere(&self) -> Result<Option<Elsewhere>, StoreError> {
        let tables = self.tables();
        if !tables.has_elsewhere() {
            return Ok(None);
        }
        let creates = |outcome| {
            let rows = tables.creates.iter();
            let rows = rows.filter(|row| row.outcome == outcome && tables.is_elsewhere(row.epoch));
            i64::try_from(rows.count()).unwrap_or(i64::MAX)
        };
        let generating = tables.in_state(JobState::Generating);
        let generating = generating.filter(|row| tables.is_elsewhere(row.epoch));
        let found = Elsewhere {
            generating: i64::try_from(generating.count()).unwrap_or(i64::MAX),
            in_doubt: creates(CreateStatus::Pending),
            made: creates(CreateStatus::Made),
            since: tables.epochs.last().map_or(0, |row| row.since),
        };
        let is_any = found.generating + found.in_doubt + found.made > 0;
        Ok(is_any.then_some(found))
    }
}

impl Tables {
    /// The name of the ledger whose tag a listed parser bears, or that it has, or that of a
    /// job's parser which bears the same tag.
    fn ledger_name(&self, parser: &ListedParser, listing: &Listing) -> Option<String> {
        let tags = tags_in(&parser.name);
        let tagged = tags.iter().find_map(|tag| {
            let mut creates = self.creates.iter();
            creates.find(|row| row.remote_name.as_bytes().ends_with(tag))
        });
        let named = || self.named(&parser.name).next();
        if let Some(row) = tagged.or_else(named) {
            return Some(row.remote_name.clone());
        }
        let twins = tags.iter().flat_map(|tag| listing.with_tag(*tag));
        let mut twins = twins.filter(|twin| twin.id != parser.id);
        twins.find_map(|twin| {
            let mut holders = self.holding(&twin.id);
            holders.find_map(|row| row.job.progress.remote_name.clone())
        })
    }
}

impl Strangers for Memory {
    async fn meet(
        &self,
        listed: &[&ListedParser],
        listing: &Listing,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let tables = &mut *self.tables();
        let seen_with = tables.creates.last().map_or(0, |row| row.id);
        for parser in listed {
            let remote_name = tables.ledger_name(parser, listing);
            let is_another_databases = remote_name.is_none() && is_tagged(&parser.name);
            if tables.is_explained(&parser.id) || is_another_databases {
                continue;
            }
            let stranger = StrangerRow {
                name: parser.name.clone(),
                remote_name,
                seen_with,
                seen_at: now,
            };
            tables
                .strangers
                .entry(parser.id.clone())
                .or_insert(stranger);
        }
        Ok(())
    }

    async fn part_from(&self, ids: Vec<ParserId>) -> Result<(), StoreError> {
        self.tables().strangers.retain(|id, _| !ids.contains(id));
        Ok(())
    }

    async fn strangers_since(&self, create_id: i64) -> Result<Vec<ParserId>, StoreError> {
        let tables = self.tables();
        let strangers = tables.strangers.iter().filter(|(id, row)| {
            row.seen_with >= create_id && row.remote_name.is_none() && !tables.is_explained(id)
        });
        Ok(strangers.map(|(id, _)| id.clone()).collect())
    }

    async fn met(&self) -> Result<HashSet<ParserId>, StoreError> {
        Ok(self.tables().strangers.keys().cloned().collect())
    }

    async fn unexplained_of_ledger(&self) -> Result<Unexplained, StoreError> {
        let tables = self.tables();
        let is_pending = |name: &str| {
            let mut creates = tables.named(name);
            creates.any(|row| row.outcome == CreateStatus::Pending)
        };
        let mut strangers: Vec<_> = tables
            .strangers
            .iter()
            .filter(|(id, row)| {
                (row.remote_name.as_deref()).is_some_and(|name| !is_pending(name))
                    && !tables.is_explained(id)
            })
            .collect();
        strangers.sort_by_key(|(id, row)| (-row.seen_with, (*id).clone()));
        let first = strangers.iter().take(MOST_NAMED).map(|(id, row)| Stranger {
            id: (*id).clone(),
            name: row.name.clone(),
            remote_name: row.remote_name.clone(),
            seen_at: row.seen_at,
        });
        Ok(Unexplained {
            count: i64::try_from(strangers.len()).unwrap_or(i64::MAX),
            first: first.collect(),
        })
    }
}
