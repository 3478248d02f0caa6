//! What a person does from the page: the same as `parserd retry`, `cancel`, `resume` and
//! `resolve` do.

use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use hyper::{Request, StatusCode, body::Incoming};
use tokio::time::timeout;
use url::form_urlencoded;

use super::{
    Vitals,
    fold::FoldKind,
    page::{self, COOKIE_NAME, Visitor},
    reply::HttpReply,
    session::SESSION_MS,
};
use crate::{
    core::event::{AdoptedFrom, JobEvent},
    core::job::{DurationMs, Job, JobId, JobState, ParkReason, ParserId, UnixMs},
    engine::metrics::Refusal,
    engine::operate::{self, OperatorAction},
    engine::operator::{self, Asking, Settled, Word},
    store::{Gates as _, Queue as _, StoreError, report::HistoryRow},
};

/// A form is no longer than this, in bytes.
const MAX_FORM_BYTES: usize = 8 * 1024;

/// How long a form may take to arrive.
const FORM_TIMEOUT: Duration = Duration::from_secs(5);

/// For how long the page says that something was just done.
const SHOWN_MS: DurationMs = 60_000;

/// What can be done to one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// A PARKED or FAILED job goes on.
    Retry,
    /// It is cancelled.
    Cancel,
    /// A create in doubt made this parser.
    Adopt,
    /// A create in doubt made nothing.
    NotCreated,
}

impl Action {
    /// In the order in which they are offered.
    pub const ALL: &'static [Self] = &[Self::Retry, Self::Adopt, Self::NotCreated, Self::Cancel];

    /// In an address.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Cancel => "cancel",
            Self::Adopt => "adopt",
            Self::NotCreated => "not-created",
        }
    }

    /// The action of a word.
    pub fn of(word: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|action| action.word() == word)
    }

    /// On its button.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Retry => "Retry",
            Self::Cancel => "Cancel the job",
            Self::Adopt => "It is this job's parser",
            Self::NotCreated => "It made nothing: create again",
        }
    }

    /// After it was done.
    pub const fn done(self) -> &'static str {
        match self {
            Self::Retry => "Retried.",
            Self::Cancel => "Cancelled.",
            Self::Adopt => "The parser is this job's now: it is polled, and nothing more is paid.",
            Self::NotCreated => "Queued again: its next create is paid for.",
        }
    }

    /// Whether a job's history says that it was just done.
    pub fn was_done(self, events: &[HistoryRow], now: UnixMs) -> bool {
        events.iter().any(|row| {
            (0..SHOWN_MS).contains(&(now - row.at))
                && JobEvent::from_columns(&row.event, &row.detail)
                    .is_some_and(|event| self.is_told_by(&event))
        })
    }

    const fn is_told_by(self, event: &JobEvent) -> bool {
        match self {
            Self::Retry => matches!(event, JobEvent::Requeued(_)),
            Self::Cancel => matches!(event, JobEvent::Cancelled(_)),
            Self::Adopt => matches!(
                event,
                JobEvent::Adopted {
                    from: AdoptedFrom::Operator,
                    ..
                }
            ),
            Self::NotCreated => matches!(event, JobEvent::NotMade { from: Some(_), .. }),
        }
    }

    /// Whether a job as it stands lets it be done.
    pub fn is_possible(self, job: &Job) -> bool {
        let state = job.progress.state;
        let is_open_question = match state {
            JobState::Creating => job.progress.doubt.is_some(),
            JobState::Parked => job.progress.park_reason == Some(ParkReason::Ambiguous),
            _ => false,
        };
        match self {
            Self::Retry => OperatorAction::Retry.states().contains(&state),
            Self::Cancel => OperatorAction::Cancel.states().contains(&state),
            Self::Adopt | Self::NotCreated => is_open_question,
        }
    }
}

/// Takes a post that comes from the page itself.
pub(super) async fn answer(
    vitals: &Vitals,
    visitor: Visitor,
    request: Request<Incoming>,
) -> HttpReply {
    let path = request.uri().path().to_owned();
    let body = Limited::new(request.into_body(), MAX_FORM_BYTES).collect();
    let Ok(Ok(body)) = timeout(FORM_TIMEOUT, body).await else {
        return page::refused(
            &visitor,
            "the form did not arrive completely, or is too long",
        );
    };
    let form = ActionForm(body.to_bytes().to_vec());
    if path == "/login" {
        return sign_in(vitals, &visitor, &form).await;
    }
    let Some(session) = &visitor.session else {
        vitals.metrics.refused(Refusal::NotSignedIn);
        return page::refused(
            &visitor,
            "you are not signed in, or not any more: sign in again",
        );
    };
    if !session.owns(&form.text("form_token")) {
        vitals.metrics.refused(Refusal::NotSignedIn);
        return page::refused(
            &visitor,
            "this form belongs to another session: reload the page",
        );
    }
    match path.as_str() {
        "/logout" => {
            if let Some(id) = &visitor.session_id {
                vitals.sessions.end(id);
            }
            HttpReply::see_front_with(format!(
                "{COOKIE_NAME}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"
            ))
        }
        "/resume" => match resume(vitals).await {
            Ok(()) => HttpReply::see("/".to_owned()),
            Err(error) => page::broken(vitals, &visitor, &error),
        },
        _ => match of_job(&path) {
            Some((id, action)) => match vitals.store.job(id).await {
                Ok(None) => page::no_job(&visitor, id),
                Ok(Some(_)) => {
                    let done = act(vitals, id, action, &form).await;
                    respond(vitals, &visitor, id, action, done).await
                }
                Err(error) => page::broken(vitals, &visitor, &error),
            },
            None => page::refused(&visitor, "there is no such action"),
        },
    }
}

fn of_job(path: &str) -> Option<(JobId, Action)> {
    let (id, word) = path.strip_prefix("/jobs/")?.split_once('/')?;
    Some((JobId(id.parse().ok()?), Action::of(word)?))
}

async fn sign_in(vitals: &Vitals, visitor: &Visitor, form: &ActionForm) -> HttpReply {
    if !visitor.may_sign_in {
        vitals.metrics.refused(Refusal::NotSignedIn);
        return page::wrong_token(visitor);
    }
    let Some(turn) = vitals.sessions.turn().await else {
        vitals.metrics.refused(Refusal::Crowd);
        vitals.folds.came(FoldKind::Crowd, None);
        let words = "Too many sign-ins at this moment. Try again in a few seconds.";
        let page = page::message(visitor, "Nothing was done", words);
        return HttpReply::html(StatusCode::TOO_MANY_REQUESTS, page);
    };
    let now = vitals.clock.now();
    match vitals.sessions.begin(&turn, &form.text("token"), now) {
        Some(id) => {
            tracing::info!("page: somebody signed in");
            let seconds = SESSION_MS / 1000;
            HttpReply::see_front_with(format!(
                "{COOKIE_NAME}={id}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}"
            ))
        }
        None => {
            vitals.metrics.refused(Refusal::WrongToken);
            vitals.folds.came(FoldKind::WrongToken, None);
            page::wrong_token(visitor)
        }
    }
}

/// Opens the gates: the daemon then sets free what they held.
async fn resume(vitals: &Vitals) -> Result<(), StoreError> {
    for (scope, _) in vitals.store.gates().await? {
        vitals.store.set_gate(scope, None).await?;
        tracing::info!(gate = %scope, "page: gate opened");
    }
    changed(vitals).await;
    Ok(())
}

/// The daemon looks for what others committed; this is committed by itself.
async fn changed(vitals: &Vitals) {
    vitals.looks.forget().await;
    vitals.nudge.notify_one();
}

/// What is done to a job, or why it is not.
async fn act(
    vitals: &Vitals,
    id: JobId,
    action: Action,
    form: &ActionForm,
) -> Result<Result<(), String>, StoreError> {
    let settle = async |word: Word| {
        let now = vitals.clock.now();
        let asking = match &vitals.service {
            Ok(service) => Asking::Service(service),
            Err(why) => Asking::Unable(why.clone()),
        };
        let (store, policy) = (&vitals.store, &vitals.policy);
        let settled = operator::settle(store, policy, id, &word, asking, now).await?;
        Ok(match settled {
            Settled::Done(_) => Ok(()),
            Settled::HeldByAnother(_) => Err("another job holds that parser".to_owned()),
            Settled::NotVouchedFor(why) => Err(why),
            Settled::Refused(job, why) => Err(format!("it is {}: {why}", job.progress.state)),
            Settled::Busy => Err("parserd is changing it at this moment: try again".to_owned()),
        })
    };
    match action {
        Action::Retry => operate(vitals, OperatorAction::Retry, id).await,
        Action::Cancel => operate(vitals, OperatorAction::Cancel, id).await,
        Action::NotCreated if form.text("sure") != "yes" => {
            Ok(Err("the box was not ticked".to_owned()))
        }
        Action::NotCreated => settle(Word::NotCreated).await,
        Action::Adopt => match chosen(form) {
            Ok(parser) => settle(Word::Adopt(parser)).await,
            Err(why) => Ok(Err(why.to_owned())),
        },
    }
}

/// The parser that was chosen, or typed.
fn chosen(form: &ActionForm) -> Result<ParserId, &'static str> {
    let (chosen, typed) = (form.text("candidate"), form.text("parser_id"));
    let text = match (chosen.trim(), typed.trim()) {
        ("", typed) => typed,
        (chosen, "") => chosen,
        _ => return Err("one parser was chosen and another was typed: leave one of them out"),
    };
    operator::parser_id(text).ok_or("that is not a parser's id")
}

async fn operate(
    vitals: &Vitals,
    action: OperatorAction,
    id: JobId,
) -> Result<Result<(), String>, StoreError> {
    let (store, policy, now) = (&vitals.store, &vitals.policy, vitals.clock.now());
    let changed = operate::operate(store, policy, action, &[id], now).await?;
    Ok(if changed.is_empty() {
        Err("its state has changed in the meantime".to_owned())
    } else {
        Ok(())
    })
}

async fn respond(
    vitals: &Vitals,
    visitor: &Visitor,
    id: JobId,
    action: Action,
    done: Result<Result<(), String>, StoreError>,
) -> HttpReply {
    match done {
        Ok(Ok(())) => {
            tracing::info!(job = id.0, action = action.word(), "page: done");
            changed(vitals).await;
            HttpReply::see(format!("/jobs/{id}?done={}", action.word()))
        }
        Ok(Err(why)) => {
            let words = format!("Job {id}: {why}.");
            let page = page::message(visitor, "Nothing was done", &words);
            HttpReply::html(StatusCode::CONFLICT, page)
        }
        Err(error) => page::broken(vitals, visitor, &error),
    }
}

/// A form as it was posted.
struct ActionForm(Vec<u8>);

impl ActionForm {
    fn text(&self, name: &str) -> String {
        form_urlencoded::parse(&self.0)
            .find(|(found, _)| found == name)
            .map_or_else(String::new, |(_, value)| value.into_owned())
    }
}
