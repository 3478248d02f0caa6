//! What may happen to a store, drawn at random.

use fastrand::Rng;

use super::{
    drawn::{closure, event, listed},
    fetching,
    look::{MOST_JOBS, MOST_PARSERS, parser},
    policy,
};
use crate::{
    core::{
        gate::{Closure, Scope},
        job::{Job, JobId, ParkReason, ParserId, UnixMs},
        lifecycle::{Change, Event, Transition, decide},
        listing::Listing,
        outcome::ListedParser,
        preflight::Brought,
        quality::checks::TriedOutcome,
    },
    store::{
        ParkedFirst,
        outside::{Operation, Outside},
        ports::{ChangeRecord, FetchIntent, Found, Intent, JobStore, ParseIntent},
    },
};

pub(super) const NAMES: [&str; 3] = ["a", "b", "c"];

const CHANGES: [Option<&str>; 3] = [
    None,
    Some(r#"{"rename_fields":[{"name":"x","new_name":"y"}]}"#),
    Some(r#"{"add_fields":[{"name":"z","description":"the z"}]}"#),
];

const FIELDS: [&str; 2] = [
    r#"[{"description":"the x","name":"x"}]"#,
    r#"[{"description":"the y","name":"y"},{"description":"the z","name":"z"}]"#,
];

/// One step of a history.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Insert {
        name: &'static str,
        priority: i64,
        run_at: Option<UnixMs>,
        /// The parser to adopt.
        parser: Option<i64>,
        protect: bool,
    },
    /// The parser of a name is updated or deleted.
    Change(&'static str, Option<&'static str>),
    Cancel(i64),
    Retry(i64),
    Edit(i64, i64),
    OpenGates,
    /// What happens to a job, as it is or as it was some steps ago.
    Event {
        job: JobId,
        event: Box<Event>,
        is_stale: bool,
    },
    Parked(ParkReason, ParkedFirst, usize),
    Shift(String, i64),
    Resume,
    DateNow,
    CountRedated(i64),
    Gone(ParserId),
    Found(ParserId),
    Epoch(String),
    Join(ParserId),
    Back,
    JoinAdopted,
    Meet(Vec<ListedParser>),
    Part(ParserId),
    Gate(Scope, Option<Closure>),
    UpdateGate(Scope, Closure),
    Meta(String),
    /// A held-out page is asked for, and answered where there is an outcome.
    Parse(ParseIntent, Option<TriedOutcome>),
    /// A page is fetched, and brings something where it is answered; what that cost.
    Fetch(FetchIntent, Option<(Brought, Option<i64>)>),
    Pass(i64),
}

impl Step {
    pub(super) fn draw(rng: &mut Rng, now: UnixMs) -> Self {
        let job = rng.i64(1..=MOST_JOBS);
        let id = parser(rng.i64(1..=MOST_PARSERS));
        let scope = *rng.choice(Scope::ALL).unwrap();
        match rng.u8(0..63) {
            0..=4 => Self::Insert {
                name: rng.choice(&NAMES).unwrap(),
                priority: rng.i64(0..2),
                run_at: rng.bool().then(|| now + rng.i64(-9_000..9_000)),
                parser: (rng.u8(0..4) == 0).then(|| rng.i64(1..=MOST_PARSERS)),
                protect: rng.u8(0..4) == 0,
            },
            5 if rng.bool() => Self::Cancel(job),
            5 | 60..=62 => Self::Change(rng.choice(&NAMES).unwrap(), rng.choice(CHANGES).unwrap()),
            6..=8 => Self::Retry(job),
            9 => Self::Edit(job, rng.i64(0..9)),
            10 => Self::OpenGates,
            11 => {
                let orders = [ParkedFirst::Highest, ParkedFirst::Longest];
                Self::Parked(
                    *rng.choice(ParkReason::ALL).unwrap(),
                    *rng.choice(&orders).unwrap(),
                    rng.usize(1..3),
                )
            }
            12 => Self::Shift(rng.i64(0..9).to_string(), rng.i64(-90_000..90_000)),
            13 => Self::Resume,
            14 => Self::DateNow,
            15 => Self::CountRedated(rng.i64(0..9_000)),
            16 => Self::Gone(id),
            17 => Self::Found(id),
            18 => Self::Epoch(rng.u8(0..3).to_string()),
            19 => Self::Join(id),
            20 if rng.bool() => Self::Back,
            20 => Self::JoinAdopted,
            21 => Self::Meet((0..rng.u8(0..3)).map(|_| listed(rng)).collect()),
            22 => Self::Part(id),
            23 => Self::Gate(scope, rng.bool().then(|| closure(rng, now))),
            24 if rng.bool() => {
                let intent = fetching::intent(rng, JobId(job), now);
                Self::Fetch(intent, fetching::answer(rng))
            }
            24 => Self::UpdateGate(scope, closure(rng, now)),
            25 if rng.bool() => Self::Meta(rng.u8(..).to_string()),
            25 => {
                let intent = ParseIntent {
                    job: JobId(job),
                    parser_id: id,
                    version: rng.bool().then_some(0),
                    url: format!("https://a.example/{}", rng.u8(0..2)),
                    sent_at: now,
                    credits: rng.i64(0..3),
                };
                let outcomes = [
                    None,
                    Some(TriedOutcome::Found("[1]".to_owned())),
                    Some(TriedOutcome::Inconclusive("busy".to_owned())),
                    Some(TriedOutcome::Final("no such page".to_owned())),
                ];
                Self::Parse(intent, rng.choice(outcomes).flatten())
            }
            26..=29 => Self::Pass(rng.i64(-9_000..60_000)),
            _ => {
                let name = *rng.choice(&NAMES).unwrap();
                Self::Event {
                    job: JobId(job),
                    event: Box::new(event(rng, now, name)),
                    is_stale: rng.u8(0..8) == 0,
                }
            }
        }
    }

    /// Takes the step; what the store says to it.
    pub(super) async fn take<D: JobStore>(
        &self,
        store: &D,
        outside: &mut dyn Outside,
        now: UnixMs,
        stale: Option<&Job>,
    ) -> String {
        match self {
            Self::Insert { .. }
            | Self::Cancel(_)
            | Self::Retry(_)
            | Self::Edit(..)
            | Self::OpenGates => self.operate(outside, now),
            // In which words it is refused is the matter of other tests.
            Self::Change(name, change) => {
                let (name, change) = (*name, *change);
                let operation = Operation::Change { name, change };
                format!("{:?}", outside.operate(now, operation).map_err(drop))
            }
            Self::Event {
                job,
                event,
                is_stale,
            } => {
                let fresh = store.job(*job).await.unwrap();
                let job = if *is_stale { stale } else { fresh.as_ref() };
                handle_event(store, job, (**event).clone(), now).await
            }
            Self::Parse(intent, outcome) => {
                let id = store.intend_parse(intent.clone()).await.unwrap();
                match outcome {
                    Some(outcome) => said(store.settle_parse(id, outcome.clone(), now).await),
                    None => String::new(),
                }
            }
            Self::Fetch(intent, answer) => {
                let id = store.intend_fetch(intent.clone()).await.unwrap();
                match answer.clone() {
                    Some((brought, credits)) => {
                        said(store.settle_fetch(id, brought, credits, now).await)
                    }
                    None => String::new(),
                }
            }
            Self::Parked(reason, first, limit) => said(store.parked(*reason, *first, *limit).await),
            Self::Shift(token, by) => said(store.shift_times(token.clone(), *by, now).await),
            Self::Resume => said(store.resume_times(now).await),
            Self::DateNow => said(store.date_now(now).await),
            Self::CountRedated(ahead) => said(store.count_redated(now, now + ahead).await),
            Self::Gone(id) => said(store.mark_gone(id.clone(), now).await),
            Self::Found(id) => said(store.mark_found(id.clone()).await),
            Self::Epoch(fingerprint) => said(store.begin_epoch(fingerprint.clone(), now).await),
            Self::Join(id) => said(store.join_accounts(id.clone()).await),
            Self::Back => said(store.doubts_of_account_back(9).await),
            Self::JoinAdopted => said(store.join_adopted().await),
            Self::Meet(parsers) => {
                let listing = Listing::new(parsers.clone(), now);
                let items: Vec<_> = listing.items().iter().collect();
                said(store.meet(&items, &listing, now).await)
            }
            Self::Part(id) => said(store.part_from(vec![id.clone()]).await),
            Self::Gate(scope, closure) => said(store.set_gate(*scope, *closure).await),
            Self::UpdateGate(scope, closure) => said(store.update_gate(*scope, *closure).await),
            Self::Meta(value) => said(store.set_meta("list_lag", value.clone()).await),
            Self::Pass(_) => String::new(),
        }
    }

    fn operate(&self, outside: &mut dyn Outside, now: UnixMs) -> String {
        let (urls, adopted);
        let operation = match *self {
            Self::Insert {
                name,
                priority,
                run_at,
                parser: number,
                protect,
            } => {
                adopted = number.map(|number| parser(number).0);
                Operation::Insert {
                    name,
                    urls: r#"["https://a.example/"]"#,
                    priority,
                    run_at,
                    check_urls: None,
                    fields: None,
                    parser_id: adopted.as_deref(),
                    protect,
                }
            }
            Self::Cancel(id) => Operation::Cancel(id),
            Self::Retry(id) => Operation::Retry(id),
            Self::Edit(id, page) => {
                urls = format!(r#"["https://a.example/{page}"]"#);
                Operation::Edit { id, urls: &urls }
            }
            _ => Operation::OpenGates,
        };
        format!("{:?}", outside.operate(now, operation))
    }
}

async fn handle_event<D: JobStore>(
    store: &D,
    job: Option<&Job>,
    event: Event,
    now: UnixMs,
) -> String {
    let Some(job) = job else {
        return "no such job".to_owned();
    };
    match decide(job, event, &policy(), now, 0.5) {
        Transition::Change(change) => {
            let intent = intent_of(&change, now);
            said(store.apply(job, &change, intent, now).await)
        }
        Transition::Ignored(why) => why.to_owned(),
    }
}

fn intent_of(change: &Change, now: UnixMs) -> Intent {
    // Of what is adopted, every other one was paid for before.
    let is_found = change.ledger.is_none() && now % 2 == 0;
    Intent {
        credits: 30_000,
        sent_at: now,
        baseline: vec![parser(1)],
        is_escalated: change.next.climbs > 0,
        found: is_found.then_some(Found {
            credits: 7,
            made_at: now - 1,
        }),
        change: Some(ChangeRecord {
            latest_version: Some(now % 3),
            fields: (now % 5 < 2).then(|| FIELDS[usize::from(now % 2 == 0)].to_owned()),
            target_fields: (now % 7 < 3).then(|| FIELDS[1].to_owned()),
            ..ChangeRecord::default()
        }),
    }
}

/// The answer, or that there is none: how it is told is each store's own matter.
fn said<T: std::fmt::Debug, E>(result: Result<T, E>) -> String {
    match result {
        Ok(answer) => format!("{answer:?}"),
        Err(_) => "an error".to_owned(),
    }
}
