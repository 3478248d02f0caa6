//! What a person does from the page: the same as `parserd retry`, `cancel`, `resume` and
//! `resolve` do.

mod bulk;
mod edit;

use std::time::Duration;

use axum::{
    RequestExt as _, Router,
    body::{Bytes, to_bytes},
    extract::{FromRequest, Path, Request, State},
    http::{StatusCode, header::SET_COOKIE},
    response::{IntoResponse, Redirect, Response},
    routing::post,
};
use tokio::time::timeout;
use url::form_urlencoded;

use super::{
    Shared, Vitals,
    fold::FoldKind,
    page::{COOKIE_NAME, Notice, Visitor, login},
    session::SESSION_MS,
};
use crate::{
    core::event::{AdoptedFrom, JobEvent},
    core::job::{DurationMs, Job, JobId, JobState, ParkReason, ParserId, UnixMs},
    engine::metrics::PageRefusal,
    engine::operate::{self, OperatorAction},
    engine::operator::{self, AskService, Settled, Word},
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
    pub const fn label(self, is_change: bool) -> &'static str {
        match self {
            Self::Adopt if is_change => "It took effect: take what is there",
            Self::NotCreated if is_change => "It made nothing: send it again",
            Self::Retry => "Retry",
            Self::Cancel => "Cancel the job",
            Self::Adopt => "It is this job's parser",
            Self::NotCreated => "It made nothing: create again",
        }
    }

    /// After it was done.
    pub const fn done(self, is_change: bool) -> &'static str {
        match self {
            Self::Adopt if is_change => "The request counts as done: the parser is taken as it is.",
            Self::NotCreated if is_change => {
                "Queued again: its next request costs what this one did."
            }
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
                } | JobEvent::ChangeMade { from: Some(_), .. }
                    | JobEvent::Deleted { from: Some(_) }
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

/// What forms are posted to.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/login", post(sign_in))
        .route("/logout", post(sign_out))
        .route("/resume", post(resume))
        .route("/jobs", post(bulk::confirm))
        .route("/jobs/bulk", post(bulk::carry_out))
        .route("/jobs/{id}/edit", post(edit::edit))
        .route("/jobs/{id}/{action}", post(of_job))
}

async fn sign_in(
    State(vitals): State<Shared>,
    visitor: Visitor,
    form: ActionForm,
) -> Result<Response, Notice> {
    let wrong_token = |refusal| {
        vitals.metrics.refused(refusal);
        (StatusCode::FORBIDDEN, login::page(&visitor, true)).into_response()
    };
    if !visitor.may_sign_in {
        return Ok(wrong_token(PageRefusal::NotSignedIn));
    }
    let Some(turn) = vitals.sessions.turn().await else {
        vitals.metrics.refused(PageRefusal::Crowd);
        vitals.folds.came(FoldKind::Crowd, None);
        let words = "Too many sign-ins at this moment. Try again in a few seconds.";
        return Err(Notice::nothing_done(StatusCode::TOO_MANY_REQUESTS, words));
    };
    let now = vitals.clock.now();
    let Some(id) = vitals.sessions.begin(&turn, &form.text("token"), now) else {
        vitals.folds.came(FoldKind::WrongToken, None);
        return Ok(wrong_token(PageRefusal::WrongToken));
    };
    tracing::info!("page: somebody signed in");
    Ok(to_front_with_cookie(&id, SESSION_MS / 1000).into_response())
}

fn to_front_with_cookie(id: &str, seconds: DurationMs) -> impl IntoResponse {
    let cookie =
        format!("{COOKIE_NAME}={id}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}");
    ([(SET_COOKIE, cookie)], Redirect::to("/"))
}

async fn sign_out(
    State(vitals): State<Shared>,
    visitor: Visitor,
    _form: SignedForm,
) -> impl IntoResponse {
    if let Some(id) = &visitor.session_id {
        vitals.sessions.end(id);
    }
    to_front_with_cookie("", 0)
}

/// Opens the gates: the daemon then sets free what they held.
async fn resume(State(vitals): State<Shared>, _form: SignedForm) -> Result<Redirect, Notice> {
    for (scope, _) in vitals.store.gates().await? {
        vitals.store.set_gate(scope, None).await?;
        tracing::info!(gate = %scope, "page: gate opened");
    }
    changed(&vitals).await;
    Ok(Redirect::to("/"))
}

async fn of_job(
    State(vitals): State<Shared>,
    Path((id, action)): Path<(String, String)>,
    SignedForm(form): SignedForm,
) -> Result<Redirect, Notice> {
    let (Ok(id), Some(action)) = (id.parse().map(JobId), Action::of(&action)) else {
        return Err(Notice::refused("there is no such action"));
    };
    if vitals.store.job(id).await?.is_none() {
        return Err(Notice::no_job(id));
    }
    if let Err(why) = act(&vitals, id, action, &form).await? {
        let why = format!("Job {id}: {why}.");
        return Err(Notice::nothing_done(StatusCode::CONFLICT, why));
    }
    let action = action.word();
    tracing::info!(job = id.0, action, "page: done");
    changed(&vitals).await;
    Ok(Redirect::to(&format!("/jobs/{id}?done={action}")))
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
            Ok(service) => AskService::Service(service),
            Err(why) => AskService::Unable(why.clone()),
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

/// A form as it was posted.
struct ActionForm(Bytes);

impl ActionForm {
    fn text(&self, name: &str) -> String {
        form_urlencoded::parse(&self.0)
            .find(|(found, _)| found == name)
            .map_or_else(String::new, |(_, value)| value.into_owned())
    }

    /// All values of a name.
    fn all(&self, name: &str) -> Vec<String> {
        let pairs = form_urlencoded::parse(&self.0);
        let found = pairs.filter(|(found, _)| found == name);
        found.map(|(_, value)| value.into_owned()).collect()
    }

    /// As an address has it; nothing where it is not UTF-8.
    fn query(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromRequest<Shared> for ActionForm {
    type Rejection = Notice;

    async fn from_request(request: Request, _vitals: &Shared) -> Result<Self, Notice> {
        let body = to_bytes(request.into_body(), MAX_FORM_BYTES);
        let Ok(Ok(body)) = timeout(FORM_TIMEOUT, body).await else {
            let why = "the form did not arrive completely, or is too long";
            return Err(Notice::refused(why));
        };
        Ok(Self(body))
    }
}

/// A form of a session that is open.
struct SignedForm(ActionForm);

impl FromRequest<Shared> for SignedForm {
    type Rejection = Notice;

    async fn from_request(mut request: Request, vitals: &Shared) -> Result<Self, Notice> {
        let Ok(visitor) = request.extract_parts_with_state::<Visitor, _>(vitals).await;
        let form = ActionForm::from_request(request, vitals).await?;
        let why = match visitor.session {
            None => "you are not signed in, or not any more: sign in again",
            Some(session) if !session.owns(&form.text("form_token")) => {
                "this form belongs to another session: reload the page"
            }
            Some(_) => return Ok(Self(form)),
        };
        vitals.metrics.refused(PageRefusal::NotSignedIn);
        Err(Notice::refused(why))
    }
}
