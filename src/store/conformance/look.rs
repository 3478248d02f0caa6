//! Everything that a store answers, as lines to compare. What comes in no order is sorted.

use std::fmt::Debug;

use super::fetching;
use crate::{
    core::job::{JobId, JobState, ParkReason, ParserId, UnixMs},
    store::{
        outside::Outside,
        ports::{JobStore, Lane},
    },
};

/// So many jobs and parsers are asked for.
pub(super) const MOST_JOBS: i64 = 5;
pub(super) const MOST_PARSERS: i64 = 5;

pub(super) fn parser(number: i64) -> ParserId {
    ParserId(format!("parser-{number}"))
}

fn sorted<T: Debug>(items: impl IntoIterator<Item = T>) -> String {
    let mut lines: Vec<_> = items.into_iter().map(|item| format!("{item:?}")).collect();
    lines.sort();
    lines.join(", ")
}

/// The whole look.
pub(super) async fn all<D: JobStore>(store: &D, outside: &dyn Outside, now: UnixMs) -> Vec<String> {
    let (jobs, creates) = outside.rows();
    let mut names: Vec<_> = creates.iter().map(|row| row.remote_name.clone()).collect();
    names.sort();
    names.dedup();
    let mut lines: Vec<_> = jobs.iter().map(|row| format!("{row:?}")).collect();
    lines.extend(creates.iter().map(|row| format!("{row:?}")));
    lines.push(format!("gate {:?}", outside.create_gate()));
    lines.push(format!("parsers {:?}", outside.parsers()));
    lines.push(format!("updates {:?}", outside.updates()));
    for name in ["a", "b", "c"] {
        let target = store.target(name).await.unwrap();
        lines.push(format!("target {name} {target:?}"));
    }
    let records = store.on_record(&["a", "b", "c"]).await.unwrap();
    lines.push(format!("on record {}", sorted(records)));
    lines.push(format!("beside {:?}", store.beside().await.unwrap()));
    queue(store, now, &mut lines).await;
    ledger(store, &names, now, &mut lines).await;
    parsers(store, &names, &mut lines).await;
    fetching::look(store, now, &mut lines).await;
    account(store, &mut lines).await;
    lines
}

async fn queue<D: JobStore>(store: &D, now: UnixMs, lines: &mut Vec<String>) {
    let mut add = |what: &str, said: String| lines.push(format!("{what}: {said}"));
    for limit in [1, 100] {
        let due = store.due_creates(now, limit).await.unwrap();
        add("due creates", format!("{due:?}"));
        let due = store.due_polls(now, limit).await.unwrap();
        add("due polls", format!("{due:?}"));
    }
    let due = store.due_doubts(now, 100).await.unwrap();
    add("due doubts", format!("{due:?}"));
    let due = store.count_due_polls(now, 2).await.unwrap();
    add("count of due polls", due.to_string());
    let due = store.due_polls_apart(now, now - 5_000, 100).await.unwrap();
    add("due polls apart", format!("{due:?}"));
    for lane in [Lane::Create, Lane::Reconcile, Lane::Poll] {
        let next = store.next_due(lane, now).await.unwrap();
        add("next", format!("{lane:?} {next:?}"));
    }
    for state in JobState::ALL {
        let any = store.any(*state).await.unwrap();
        add("any", format!("{state} {any}"));
    }
    for reason in ParkReason::ALL {
        let any = store.any_parked(*reason).await.unwrap();
        add("any parked", format!("{reason} {any}"));
    }
    let under_way = store.under_way(2).await.unwrap();
    add("under way", under_way.to_string());
    let ids: Vec<_> = (1..=MOST_JOBS).map(JobId).collect();
    for id in &ids {
        let job = store.job(*id).await.unwrap();
        add("job", format!("{job:?}"));
        let pending = store.pending_update(*id).await.unwrap();
        add("pending update", format!("{pending:?}"));
        let change = store.change_of(*id).await.unwrap();
        add("change", format!("{change:?}"));
        let names = store.sent_names(*id).await.unwrap();
        add("sent names", format!("{names:?}"));
    }
    let jobs = store.jobs(&ids).await.unwrap();
    add("jobs", format!("{jobs:?}"));
    let requested = store.requested(2).await.unwrap();
    add("requested", format!("{requested:?}"));
    let finished = store.last_finished(2).await.unwrap();
    add("last finished", format!("{finished:?}"));
    let interrupted = store.interrupted().await.unwrap();
    add("interrupted", sorted(interrupted));
}

async fn ledger<D: JobStore>(store: &D, names: &[String], now: UnixMs, lines: &mut Vec<String>) {
    let mut add = |what: &str, said: String| lines.push(format!("{what}: {said}"));
    for name in names {
        let facts = store.ledger(name).await.unwrap();
        add("ledger", format!("{name} {facts:?}"));
    }
    for now in [now, now + 86_400_000] {
        let spent = store.spent(now).await.unwrap();
        add("spent", format!("{spent:?}"));
        let ladder = store.spent_by_ladder(now).await.unwrap();
        add("spent by the ladder", ladder.to_string());
    }
    let until = store.knows_until().await.unwrap();
    add("knows until", until.to_string());
    let known = store.known_parsers().await.unwrap();
    add("known parsers", sorted(known));
    let gone = store.gone_parsers().await.unwrap();
    add("gone parsers", sorted(gone));
    for create in [0, 1, 3] {
        let since = store.strangers_since(create).await.unwrap();
        add("strangers since", sorted(since));
    }
    add("met", sorted(store.met().await.unwrap()));
    let unexplained = store.unexplained_of_ledger().await.unwrap();
    add("unexplained", format!("{unexplained:?}"));
}

async fn parsers<D: JobStore>(store: &D, names: &[String], lines: &mut Vec<String>) {
    let mut add = |what: &str, said: String| lines.push(format!("{what}: {said}"));
    let ids: Vec<_> = (1..=MOST_PARSERS).map(parser).collect();
    let borrowed: Vec<_> = ids.iter().collect();
    let holders = store.holders(&borrowed).await.unwrap();
    add("holders", sorted(holders));
    for job in [JobId(1), JobId(2)] {
        let claimed = store.claimed(&ids, job).await.unwrap();
        add("claimed", sorted(claimed));
    }
    for id in &ids {
        let is_foreign = store.is_foreign(id).await.unwrap();
        add("foreign", format!("{id} {is_foreign}"));
        let names_sent = store.names_sent_for(id).await.unwrap();
        add("names sent for", format!("{id} {names_sent:?}"));
        for name in names {
            let is_anothers = store.is_anothers(id, JobId(1), name).await.unwrap();
            add("another's", format!("{id} {name} {is_anothers}"));
        }
    }
    for job in (1..=MOST_JOBS).map(JobId) {
        for id in &ids {
            let tried = store.tried(job, id).await.unwrap();
            add("tried", format!("{job} {id} {tried:?}"));
        }
    }
    let foreign = store.foreign_parsers().await.unwrap();
    add("foreign parsers", sorted(foreign));
}

async fn account<D: JobStore>(store: &D, lines: &mut Vec<String>) {
    let mut add = |what: &str, said: String| lines.push(format!("{what}: {said}"));
    add(
        "elsewhere",
        format!("{:?}", store.elsewhere().await.unwrap()),
    );
    add("epochs", store.has_epochs().await.unwrap().to_string());
    add("gates", sorted(store.gates().await.unwrap()));
    let rejections = store.held_rejections().await.unwrap();
    add("held rejections", sorted(rejections));
    let meta = store.meta("list_lag").await.unwrap();
    add("meta", format!("{meta:?}"));
}
