//! PURE: what becomes of a job when something happens to it.
//!
//! [`decide`] is total over state and event and has no clock, no random source
//! and no I/O of its own. What an operator does by SQL the database records, and it happens
//! here: see [`Event::TakenIn`].

mod change;
mod create;
mod doubt;
mod evidence;
mod held;
mod operator;
mod poll;
mod update;

pub use self::change::{Change, LedgerChange, ParserChange};
pub use self::evidence::{Evidence, Presence};
pub use self::update::{Look, Sight};
use crate::core::{
    backoff::Schedule,
    budget::OverBudget,
    job::{Action, DurationMs, Job, JobState, ParkReason, ParserId, UnixMs, named_enum},
    ladder::Ladder,
    outcome::{ChangeOutcome, CreateOutcome, ErrorDetail, PollOutcome, Refusal},
    preflight::Record,
    quality::QualityGate,
    rules::Rules,
};

/// How many trusted lists must lack a parser before its absence counts.
pub const TRUSTED_LISTS: i64 = 3;

named_enum! {
    /// What to do when the account already holds this job's parser.
    OnExisting {
        /// Take it for the job's, and pay nothing.
        Adopt = "adopt",
        /// The job is FAILED with `existing_parser`.
        Fail = "fail",
        /// Create another one, under the next re-creation counter.
        Create = "create",
    }
}

/// The settings that decisions depend on.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// What to do when the account already holds a job's parser.
    pub on_existing: OnExisting,
    /// Polling backoff.
    pub poll: Schedule,
    /// The age at which a first poll is worth its while, where that was learned.
    pub first_look_ms: Option<DurationMs>,
    /// The age at which a generation is given up.
    pub poll_timeout_ms: DurationMs,
    /// Backoff after what failed and may be tried again.
    pub retry: Schedule,
    /// How many creates may reach the service and make nothing.
    pub max_attempts: i64,
    /// The settling time after a lost answer.
    pub settle_ms: DurationMs,
    /// The settling time after the service itself answered 5xx.
    pub settle_after_error_ms: DurationMs,
    /// What follows from a parser that is bad.
    pub quality_gate: QualityGate,
    /// Below which share of its places a field is thin.
    pub min_fill: f64,
    /// Whether, and how far, a FAILED generation leads to another create.
    pub ladder: Option<Ladder>,
    /// The rules that are kept.
    pub rules: Rules,
}

impl Policy {
    /// Whether a generation has taken as long as it may.
    pub fn is_overdue(&self, job: &Job, now: UnixMs) -> bool {
        age_of_generation_ms(job, now) >= self.poll_timeout_ms
    }
}

fn age_of_generation_ms(job: &Job, now: UnixMs) -> DurationMs {
    now.saturating_sub(job.progress.generating_since.unwrap_or(now))
}

/// Something that happened to a job.
#[derive(Debug, Clone)]
pub enum Event {
    /// Its turn has come and the account's list was consulted.
    Listed {
        /// What the list showed.
        presence: Presence,
        /// The name that a create would use.
        remote_name: String,
        /// The re-creation counter that the name stands for.
        recreation: i64,
    },
    /// Its turn has come and the account was refused before anything was sent: by the
    /// list before a create, or by what the account page says of the credits left.
    ListRefused(Refusal, ErrorDetail),
    /// Its turn has come and the budget has no room.
    OverBudget(OverBudget),
    /// Its turn has come for a create that the ladder asked for, and its share of the day has no
    /// room. Says so.
    OverShare(String),
    /// Its turn has come, it would cost, and the account was refused before for want of credits.
    OutOfCredits(ErrorDetail),
    /// Its turn has come, it would cost, and this is what its example pages showed.
    Foreseen {
        /// What was found, and when.
        record: Record,
        /// The parameters to send in place of the job's own, JSON, where others are needed.
        effective_params: Option<String>,
    },
    /// Its turn has come, it would cost, and its example pages could not be looked at. Says why.
    Unforeseen(ErrorDetail),
    /// Its turn has come and its row holds no valid specification.
    Unusable(String),
    /// The create was answered, or was not.
    CreateAnswered(CreateOutcome),
    /// It was found CREATING by a new process.
    Interrupted,
    /// A list that was asked for at `listed_at` was searched for the create in doubt.
    Reconciled {
        /// What the list showed.
        evidence: Evidence,
        /// When the list was asked for.
        listed_at: UnixMs,
    },
    /// Its turn has come, and the parser that it changes or deletes was looked at.
    Looked(Look),
    /// The request that changes or deletes a parser was answered, or was not.
    ChangeAnswered {
        /// What came of it.
        outcome: ChangeOutcome,
        /// Nothing is left to send after it.
        is_last: bool,
    },
    /// The parser was looked at while a request that changes or deletes it is in doubt.
    Sighted {
        /// What was seen.
        sight: Sight,
        /// When it was asked for.
        seen_at: UnixMs,
        /// Nothing is left to send after it.
        is_last: bool,
    },
    /// A poll was answered, or was not.
    Polled(PollOutcome),
    /// A poll was answered that the generation of a parser FAILED, with these words.
    CameToNothing {
        /// The service's.
        words: ErrorDetail,
        /// The job's own `scraper_params`, JSON.
        scraper_params: Option<String>,
    },
    /// A poll was answered 404 and a list was searched for the parser's id.
    Missing(ErrorDetail, Evidence),
    /// A poll was answered 404, and the parser is known from another address or API key.
    Elsewhere(ErrorDetail),
    /// A GET of the job's parser brought no answer or a refusal, and a list with the same key was
    /// answered.
    PolledAlone(ErrorDetail),
    /// Its parser is ready, and a held-out page says nothing of it yet. Says why.
    Checking(ErrorDetail),
    /// What it was PARKED for holds no longer.
    Lifted,
    /// The account that its create was sent to is asked again.
    AccountBack,
    /// Its row was changed past the database's rules, so that it could never go on. Says how.
    Broken(String),
    /// An operator wants it tried again.
    Retried,
    /// An operator calls it off.
    Cancelled,
    /// What an operator said of it by SQL is taken in.
    TakenIn,
    /// An operator says that this parser is the one that the create made.
    Adopt(ParserId),
    /// An operator says that the request that changes or deletes a parser took effect.
    TookEffect {
        /// The version that the parser has now, where it is known.
        version: Option<i64>,
        /// Nothing is left to send after it.
        is_last: bool,
    },
    /// An operator says that the request made nothing.
    NotCreated,
}

impl Event {
    /// Whether it may happen to a job before what was said of it by SQL is taken in.
    const fn goes_first(&self) -> bool {
        matches!(self, Self::TakenIn | Self::Cancelled)
    }

    /// Whether it may happen to a job that does this.
    const fn concerns(&self, action: Action) -> bool {
        let creates = matches!(action, Action::Create);
        match self {
            Self::Listed { .. }
            | Self::Foreseen { .. }
            | Self::Unforeseen(_)
            | Self::CreateAnswered(_)
            | Self::CameToNothing { .. }
            | Self::OverShare(_)
            | Self::Reconciled { .. }
            | Self::Adopt(_) => creates,
            Self::Looked(_)
            | Self::ChangeAnswered { .. }
            | Self::Sighted { .. }
            | Self::TookEffect { .. } => !creates,
            Self::Polled(_)
            | Self::Missing(..)
            | Self::Elsewhere(_)
            | Self::PolledAlone(_)
            | Self::Checking(_) => !matches!(action, Action::Delete),
            Self::ListRefused(..)
            | Self::OverBudget(_)
            | Self::OutOfCredits(_)
            | Self::Unusable(_)
            | Self::Interrupted
            | Self::Lifted
            | Self::AccountBack
            | Self::Broken(_)
            | Self::Retried
            | Self::Cancelled
            | Self::TakenIn
            | Self::NotCreated => true,
        }
    }
}

/// What [`decide`] came to.
#[derive(Debug, Clone)]
pub enum Transition {
    /// The job changes, if only in when it is looked at next.
    Change(Box<Change>),
    /// The event has no meaning in this state; nothing changes. Says why.
    Ignored(&'static str),
}

/// What becomes of `job` when `event` happens to it at `now`.
///
/// `jitter` in 0..1 spreads delays. Total: every state answers every event, with
/// [`Transition::Ignored`] where the event cannot concern it.
#[expect(
    clippy::too_many_lines,
    reason = "one table: an event in each state, a line each"
)]
pub fn decide(job: &Job, event: Event, policy: &Policy, now: UnixMs, jitter: f64) -> Transition {
    use JobState::{Cancelled, Creating, Failed, Finished, Generating, Parked, Queued};
    let at = Moment {
        job,
        policy,
        now,
        jitter,
    };
    let in_doubt = job.progress.doubt.is_some();
    if job.requested.any() && !event.goes_first() {
        return Transition::Ignored("what an operator said of it is taken in first");
    }
    if !event.concerns(job.action) {
        return Transition::Ignored("that is not what this job does");
    }
    match event {
        Event::Listed {
            presence,
            remote_name,
            recreation,
        } => match job.progress.state {
            Queued if in_doubt => create::settle_first(&at, remote_name),
            Queued => create::listed(&at, presence, remote_name, recreation),
            Creating | Generating | Parked | Finished | Failed | Cancelled => NOT_ITS_TURN,
        },
        Event::ListRefused(refusal, words) => match job.progress.state {
            Queued => create::refused(&at, refusal, words, None),
            Creating | Generating | Parked | Finished | Failed | Cancelled => NOT_ITS_TURN,
        },
        Event::OverBudget(over) => match job.progress.state {
            Queued => create::over_budget(&at, over),
            Creating | Generating | Parked | Finished | Failed | Cancelled => NOT_ITS_TURN,
        },
        Event::OverShare(why) => match job.progress.state {
            Queued if !in_doubt && job.progress.climbs > 0 => create::over_share(&at, &why),
            Creating | Queued | Generating | Parked | Finished | Failed | Cancelled => {
                Transition::Ignored("no create that the ladder asked for is due")
            }
        },
        Event::OutOfCredits(words) => match job.progress.state {
            Queued => create::out_of_credits(&at, words),
            Creating | Generating | Parked | Finished | Failed | Cancelled => NOT_ITS_TURN,
        },
        Event::Foreseen {
            record,
            effective_params,
        } => match job.progress.state {
            Queued if !in_doubt => create::foreseen(&at, &record, effective_params),
            Creating | Queued | Generating | Parked | Finished | Failed | Cancelled => NOT_ITS_TURN,
        },
        Event::Unforeseen(words) => match job.progress.state {
            Queued if !in_doubt => create::unforeseen(&at, &words),
            Creating | Queued | Generating | Parked | Finished | Failed | Cancelled => NOT_ITS_TURN,
        },
        Event::Unusable(reason) => match job.progress.state {
            Queued => create::unusable(&at, reason),
            Creating | Generating | Parked | Finished | Failed | Cancelled => NOT_ITS_TURN,
        },
        Event::CreateAnswered(outcome) => match job.progress.state {
            // An id is never passed over, however late it comes.
            Creating if !in_doubt || matches!(outcome, CreateOutcome::Created { .. }) => {
                create::answered(&at, outcome)
            }
            Creating | Queued | Generating | Parked | Finished | Failed | Cancelled => {
                Transition::Ignored("no create of this job is under way")
            }
        },
        Event::Interrupted => match job.progress.state {
            Creating if !in_doubt => doubt::interrupted(&at),
            Creating | Queued | Generating | Parked | Finished | Failed | Cancelled => {
                Transition::Ignored("no create of this job was under way")
            }
        },
        Event::Reconciled {
            evidence,
            listed_at,
        } => match (job.progress.state, job.progress.doubt) {
            (Creating, Some(doubt)) => doubt::reconciled(&at, doubt, evidence, listed_at),
            (Creating | Queued | Generating | Parked | Finished | Failed | Cancelled, _) => {
                NOT_IN_DOUBT
            }
        },
        Event::Looked(look) => match job.progress.state {
            Queued => update::looked(&at, look),
            Creating | Generating | Parked | Finished | Failed | Cancelled => NOT_ITS_TURN,
        },
        Event::ChangeAnswered { outcome, is_last } => match job.progress.state {
            // That it took effect is never passed over, however late it comes.
            Creating if !in_doubt || matches!(outcome, ChangeOutcome::Done { .. }) => {
                update::answered(&at, outcome, is_last)
            }
            Creating | Queued | Generating | Parked | Finished | Failed | Cancelled => {
                Transition::Ignored("no request of this job is under way")
            }
        },
        Event::Sighted {
            sight,
            seen_at,
            is_last,
        } => match (job.progress.state, job.progress.doubt) {
            (Creating, Some(doubt)) => update::sighted(&at, doubt, sight, seen_at, is_last),
            (Creating | Queued | Generating | Parked | Finished | Failed | Cancelled, _) => {
                NOT_IN_DOUBT
            }
        },
        Event::Polled(outcome) => match job.progress.state {
            Generating => poll::polled(&at, outcome),
            Creating | Queued | Parked | Finished | Failed | Cancelled => NOT_GENERATING,
        },
        Event::CameToNothing {
            words,
            scraper_params,
        } => match job.progress.state {
            Generating => poll::came_to_nothing(&at, words, scraper_params.as_deref()),
            Creating | Queued | Parked | Finished | Failed | Cancelled => NOT_GENERATING,
        },
        Event::Missing(words, evidence) => match job.progress.state {
            Generating => poll::missing(&at, words, evidence),
            Creating | Queued | Parked | Finished | Failed | Cancelled => NOT_GENERATING,
        },
        Event::PolledAlone(words) => match job.progress.state {
            Generating => poll::alone(&at, words),
            Creating | Queued | Parked | Finished | Failed | Cancelled => NOT_GENERATING,
        },
        Event::Checking(words) => match job.progress.state {
            Generating => poll::checking(&at, words),
            Creating | Queued | Parked | Finished | Failed | Cancelled => NOT_GENERATING,
        },
        Event::Elsewhere(words) => match job.progress.state {
            Generating => poll::elsewhere(&at, words),
            Creating | Queued | Parked | Finished | Failed | Cancelled => NOT_GENERATING,
        },
        Event::Lifted => match (job.progress.state, job.progress.park_reason) {
            (Parked, Some(ParkReason::Credits | ParkReason::Unauthorized | ParkReason::Budget))
                if !in_doubt =>
            {
                held::lifted(&at)
            }
            (Creating | Queued | Generating | Parked | Finished | Failed | Cancelled, _) => {
                Transition::Ignored("the job is not PARKED for what passes by itself")
            }
        },
        Event::AccountBack => match (job.progress.state, job.progress.park_reason) {
            (Parked, Some(ParkReason::Ambiguous)) if in_doubt => held::account_back(&at),
            (Creating | Queued | Generating | Parked | Finished | Failed | Cancelled, _) => {
                Transition::Ignored("no create of this job is in doubt in a PARKED job")
            }
        },
        Event::Broken(how) => match (job.progress.state, job.progress.park_reason) {
            (Creating | Generating, _) | (Parked, None) => held::broken(&at, &how),
            // Stored anew, it is whole.
            (Parked, Some(_)) if in_doubt => held::account_back(&at),
            (Parked, Some(_)) => held::lifted(&at),
            (Queued | Finished | Failed | Cancelled, _) => {
                Transition::Ignored("the job can go on as it is, or has ended")
            }
        },
        Event::Retried => match job.progress.state {
            Parked | Failed => operator::retried(&at),
            Creating | Queued | Generating | Finished | Cancelled => {
                Transition::Ignored("the job is neither PARKED nor FAILED")
            }
        },
        Event::Cancelled => match job.progress.state {
            Queued | Parked | Failed => operator::cancelled(&at),
            Creating | Generating | Finished | Cancelled => {
                Transition::Ignored("the job is under way or done")
            }
        },
        Event::TakenIn => match job.progress.state {
            Queued | Parked | Failed if job.requested.any() => {
                operator::taken_in(&at, job.requested)
            }
            Creating | Queued | Generating | Parked | Finished | Failed | Cancelled => {
                Transition::Ignored("nothing was said of the job")
            }
        },
        Event::TookEffect { version, is_last } => match job.progress.state {
            Creating if in_doubt => update::made_by_operator(&at, version, is_last),
            Parked if job.progress.park_reason == Some(ParkReason::Ambiguous) => {
                update::made_by_operator(&at, version, is_last)
            }
            Creating | Parked | Queued | Generating | Finished | Failed | Cancelled => NOT_IN_DOUBT,
        },
        Event::Adopt(parser_id) => match job.progress.state {
            Creating if in_doubt => doubt::adopted_by_operator(&at, parser_id),
            Parked if job.progress.park_reason == Some(ParkReason::Ambiguous) => {
                doubt::adopted_by_operator(&at, parser_id)
            }
            // An operator named its parser, and may have mistyped it.
            Generating
                if is_operators(job) && job.progress.parser_id.as_ref() != Some(&parser_id) =>
            {
                doubt::adopted_by_operator(&at, parser_id)
            }
            Creating | Parked | Queued | Generating | Finished | Failed | Cancelled => NOT_IN_DOUBT,
        },
        Event::NotCreated => match job.progress.state {
            Creating if in_doubt => doubt::refuted_by_operator(&at),
            Parked if job.progress.park_reason == Some(ParkReason::Ambiguous) => {
                doubt::refuted_by_operator(&at)
            }
            Creating | Parked | Queued | Generating | Finished | Failed | Cancelled => NOT_IN_DOUBT,
        },
    }
}

/// Whether the parser that a job holds is one that an operator named.
const fn is_operators(job: &Job) -> bool {
    job.progress.parser_id.is_some() && job.progress.remote_name.is_none()
}

const NOT_ITS_TURN: Transition = Transition::Ignored("the job is not QUEUED");
const NOT_IN_DOUBT: Transition = Transition::Ignored("no request of this job is in doubt");
const NOT_GENERATING: Transition = Transition::Ignored("the job is not GENERATING");

/// What every decision looks at.
struct Moment<'a> {
    job: &'a Job,
    policy: &'a Policy,
    now: UnixMs,
    jitter: f64,
}

impl Moment<'_> {
    /// A change that starts from the job as it is.
    fn change(&self) -> Change {
        Change::to(self.job.progress.clone())
    }

    /// What the record says of a request that is known to have made nothing.
    const fn made_nothing(&self) -> LedgerChange {
        match self.job.action {
            Action::Create => LedgerChange::NotMade,
            Action::Update | Action::Delete => LedgerChange::NotChanged,
        }
    }

    fn in_ms(&self, delay_ms: DurationMs) -> UnixMs {
        self.now.saturating_add(delay_ms)
    }

    /// When to try again for the `n`-th time, counted from 0.
    fn retry_at(&self, n: i64) -> UnixMs {
        self.in_ms(self.policy.retry.delay_ms(n, self.jitter))
    }
}

#[cfg(test)]
mod tests;
