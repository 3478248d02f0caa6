//! The service in process: requests travel, arrive, are answered, and get lost.

use secrecy::SecretString;
use tokio::sync::oneshot;

use super::{
    rules::BrokenRule,
    seam::{now, point},
    world::{Sim, What, with},
};
use crate::{
    api::{
        Service,
        classify::{self, PageHead, RawPage, RawReply, TransportFault},
        text::Quoter,
    },
    core::{
        job::{DurationMs, ParserId, UnixMs},
        outcome::{
            ChangeOutcome, CreateOutcome, CreateRequest, Description, DoubtCause, ErrorDetail,
            FetchOutcome, FetchRequest, ListOutcome, ParseOutcome, ParseRequest, PatchRequest,
            PollOutcome,
        },
    },
    simulator::HttpRequest,
};

/// Known for longer than this, a parser that a list lacks makes the list partial.
const SURELY_KNOWN_MS: i64 = 30_000;

/// What the books have of a request that may cost money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Post(usize),
    Patch(usize),
}

/// What comes back, with what its headers say of a page.
type Answered = (RawReply, PageHead);

/// One request on its way.
#[derive(Debug)]
pub(super) struct Packet {
    request: HttpRequest,
    arrives_at: UnixMs,
    deadline: UnixMs,
    /// The answer on its way back, and when it is there.
    pub reply: Option<(UnixMs, Answered)>,
    answer: Option<oneshot::Sender<Answered>>,
    sent: Option<Sent>,
    /// It goes to the other address.
    is_elsewhere: bool,
}

impl Packet {
    /// Whether it is a create that was given up and is still to arrive.
    pub const fn is_late_create(&self, time: UnixMs) -> bool {
        self.sent.is_some() && self.reply.is_none() && self.deadline < time
    }

    /// What was not sent yet is sent only now.
    pub const fn thaw(&mut self, pause_ms: i64) {
        if self.reply.is_none() {
            self.arrives_at = self.arrives_at.saturating_add(pause_ms);
        }
    }

    pub fn event_at(&self) -> UnixMs {
        let timeout = if self.answer.is_some() {
            self.deadline
        } else {
            UnixMs::MAX
        };
        match &self.reply {
            Some((at, _)) => timeout.min(*at),
            None => timeout.min(self.arrives_at),
        }
    }
}

/// The client's end.
#[derive(Debug)]
pub(super) struct Wire;

impl Service for Wire {
    async fn create(&self, request: &CreateRequest) -> CreateOutcome {
        point(What::Send).await;
        if let Some(late_ms) = late_ms(request.not_after) {
            with(|sim| sim.note(|| format!("POST {} withheld", request.name)));
            return classify::create(Err(withheld(late_ms)), now(), &quoter());
        }
        let post = with(|sim| {
            let time = sim.time;
            sim.note(|| format!("POST {}", request.name));
            match sim
                .books
                .sends(request, &sim.plan, &sim.service.world, time)
            {
                Ok(post) => Some(post),
                Err(why) => {
                    sim.judge(Err(why));
                    None
                }
            }
        });
        let Some(post) = post else {
            return std::future::pending().await;
        };
        let mut body = serde_json::to_value(request).unwrap_or_default();
        body["api_key"] = "key".into();
        let request = HttpRequest::new("POST", "/parsers", body.to_string());
        let reply = exchange(request, Some(Sent::Post(post))).await;
        with(|sim| {
            let outcome = heard(classify::create(reply, sim.now(), &quoter()), sim.broken);
            let (job, time) = (sim.books.posts[post].job, sim.time);
            sim.note(|| format!("POST answered: {outcome:?}"));
            sim.books.gate.answered(&sim.plan, job, &outcome, time);
            outcome
        })
    }

    async fn change(&self, request: &PatchRequest) -> ChangeOutcome {
        point(What::Send).await;
        let (id, base) = (&request.parser_id, request.base_version);
        if let Some(late_ms) = late_ms(request.not_after) {
            with(|sim| sim.note(|| format!("PATCH {id}/{base} withheld")));
            return classify::change(id, Err(withheld(late_ms)), now(), &quoter());
        }
        let patch = with(|sim| {
            let time = sim.time;
            let text = request.body.get();
            sim.note(|| format!("PATCH {id}/{base} {text}"));
            match sim.books.patches(&id.0, text, &sim.service.world, time) {
                Ok(patch) => Some(patch),
                Err(why) => {
                    sim.judge(Err(why));
                    None
                }
            }
        });
        let Some(patch) = patch else {
            return std::future::pending().await;
        };
        let outcome = carry_change(request, Some(Sent::Patch(patch))).await;
        with(|sim| {
            sim.note(|| format!("PATCH {id}/{base} answered: {outcome:?}"));
            let (job, time) = (sim.books.patches[patch].job, sim.time);
            if sim.books.patches[patch].is_paid || !sim.books.gate.is_closed_for_long() {
                let is_paid = sim.books.patches[patch].is_paid;
                let told = told(&outcome, is_paid);
                sim.books.gate.answered(&sim.plan, job, &told, time);
            }
            outcome
        })
    }

    async fn delete(&self, parser_id: &ParserId) -> ChangeOutcome {
        point(What::Send).await;
        let job = with(|sim| {
            let time = sim.time;
            sim.note(|| format!("DELETE {parser_id}"));
            match sim.books.deletes(&parser_id.0, time) {
                Ok(job) => Some(job),
                Err(why) => {
                    sim.judge(Err(why));
                    None
                }
            }
        });
        let Some(job) = job else {
            return std::future::pending().await;
        };
        let outcome = carry_delete(parser_id).await;
        with(|sim| {
            sim.note(|| format!("DELETE {parser_id} answered: {outcome:?}"));
            if !sim.books.gate.is_closed_for_long() {
                let time = sim.time;
                sim.books
                    .gate
                    .answered(&sim.plan, job, &told(&outcome, false), time);
            }
            outcome
        })
    }

    async fn details(&self, parser_id: &ParserId) -> PollOutcome {
        point(What::Send).await;
        let target = format!("/parsers/{parser_id}?api_key=key");
        let reply = exchange(HttpRequest::new("GET", &target, ""), None).await;
        with(|sim| {
            let outcome = classify::details(parser_id, reply, sim.now(), &quoter());
            sim.note(|| format!("GET {parser_id} answered: {outcome:?}"));
            outcome
        })
    }

    async fn describe(&self, parser_id: &ParserId, version: Option<i64>) -> Description {
        point(What::Send).await;
        let version = version.map_or_else(String::new, |version| format!("/{version}"));
        let target = format!("/parsers/{parser_id}{version}?api_key=key");
        let reply = exchange(HttpRequest::new("GET", &target, ""), None).await;
        with(|sim| {
            let told = classify::description(parser_id, reply, sim.now(), &quoter());
            let outcome = &told.outcome;
            sim.note(|| format!("GET {parser_id}{version} answered: {outcome:?}"));
            // Names are to be had from lists alone, which is harder on who asks.
            Description {
                name: None,
                created_at: None,
                ..told
            }
        })
    }

    async fn parse(&self, request: &ParseRequest) -> ParseOutcome {
        point(What::Send).await;
        let ParseRequest {
            parser_id,
            url,
            version,
            ..
        } = request;
        let is_allowed = with(|sim| {
            let verdict = sim.books.parses(&parser_id.0, *version, url, &sim.plan);
            let is_allowed = verdict.is_ok();
            if !is_allowed {
                sim.judge(verdict);
            }
            is_allowed
        });
        if !is_allowed {
            return std::future::pending().await;
        }
        let target = format!("/parse/{parser_id}?api_key=key&url={url}");
        let reply = exchange(HttpRequest::new("GET", &target, ""), None).await;
        with(|sim| {
            let outcome = classify::parse(reply, sim.now(), &quoter());
            sim.note(|| format!("PARSE {parser_id} {url} answered: {outcome:?}"));
            outcome
        })
    }

    async fn fetch(&self, request: &FetchRequest) -> FetchOutcome {
        point(What::Send).await;
        let is_allowed = with(|sim| {
            sim.fetches += 1;
            sim.note(|| format!("FETCH {} {:?}", request.url, request.params));
            let now = sim.now();
            let verdict = sim.books.fetches(request, &sim.plan, now);
            let is_allowed = verdict.is_ok();
            sim.judge(verdict);
            is_allowed
        });
        if !is_allowed {
            return std::future::pending().await;
        }
        let outcome = carry_fetch(request).await;
        with(|sim| {
            sim.note(|| format!("FETCH {} answered: {outcome:?}", request.url));
            if let FetchOutcome::Refused(..) = &outcome {
                let time = sim.time;
                sim.books.gate.fetch_refused(&sim.plan, time);
            }
        });
        outcome
    }

    async fn list(&self) -> ListOutcome {
        point(What::Send).await;
        let reply = exchange(HttpRequest::new("GET", "/parsers?api_key=key", ""), None).await;
        with(|sim| {
            let outcome = classify::list(reply, sim.now(), &quoter());
            sim.note(|| format!("LIST answered: {outcome:?}"));
            sim.books.list_came(&outcome, sim.time);
            outcome
        })
    }
}

/// What is made of an answer: as it is, unless the rule is broken that a gateway's word says
/// nothing of the create.
fn heard(outcome: CreateOutcome, broken: Option<BrokenRule>) -> CreateOutcome {
    match outcome {
        CreateOutcome::InDoubt(_, words)
            if broken == Some(BrokenRule::GatewaysWord)
                && words.status.is_some_and(|status| status >= 500) =>
        {
            CreateOutcome::InDoubt(DoubtCause::ServiceError, words)
        }
        outcome => outcome,
    }
}

/// What an answer to a change says of the account, as that to a create would.
fn told(outcome: &ChangeOutcome, is_paid: bool) -> CreateOutcome {
    match outcome.clone() {
        ChangeOutcome::Done { version } if is_paid => CreateOutcome::Created {
            parser_id: ParserId(String::new()),
            version,
        },
        ChangeOutcome::Done { .. } => CreateOutcome::Rejected(ErrorDetail::default()),
        ChangeOutcome::NotFound(words) | ChangeOutcome::Rejected(words) => {
            CreateOutcome::Rejected(words)
        }
        ChangeOutcome::Refused(refusal, words) => CreateOutcome::Refused(refusal, words),
        ChangeOutcome::NotSent(words) => CreateOutcome::NotSent(words),
        ChangeOutcome::InDoubt(cause, words) => CreateOutcome::InDoubt(cause, words),
        ChangeOutcome::Unavailable {
            cause,
            retry_after_ms,
            words,
        } => CreateOutcome::Unavailable {
            cause,
            retry_after_ms,
            words,
        },
    }
}

/// How long after its time a request is, if it is.
fn late_ms(not_after: Option<DurationMs>) -> Option<DurationMs> {
    with(|sim| Some(sim.time - not_after?)).filter(|ms| *ms > 0)
}

fn withheld(late_ms: DurationMs) -> TransportFault {
    TransportFault::NotConnected(format!("withheld: {late_ms} ms late"))
}

fn quoter() -> Quoter {
    thread_local! {
        static QUOTER: Quoter = Quoter::hiding(&SecretString::from("simulated-key"));
    }
    QUOTER.with(Clone::clone)
}

async fn carry_change(request: &PatchRequest, sent: Option<Sent>) -> ChangeOutcome {
    let (id, base) = (&request.parser_id, request.base_version);
    let mut body: serde_json::Value = serde_json::from_str(request.body.get()).unwrap_or_default();
    body["api_key"] = "key".into();
    let target = format!("/parsers/{id}/{base}");
    let reply = exchange(HttpRequest::new("PATCH", &target, body.to_string()), sent).await;
    classify::change(id, reply, now(), &quoter())
}

async fn carry_delete(parser_id: &ParserId) -> ChangeOutcome {
    let target = format!("/parsers/{parser_id}?api_key=key");
    let reply = exchange(HttpRequest::new("DELETE", &target, ""), None).await;
    classify::delete(reply, now(), &quoter())
}

async fn carry_fetch(request: &FetchRequest) -> FetchOutcome {
    let mut get = HttpRequest::new("GET", "/?api_key=key", "");
    let max_cost = request.max_credits.to_string();
    let own = [("url", request.url.clone()), ("max_cost", max_cost)];
    get.query
        .extend(own.map(|(name, text)| (name.to_owned(), text)));
    let params = request.params.iter().map(|(name, value)| {
        let text = value.as_str();
        let text = text.map_or_else(|| value.to_string(), str::to_owned);
        (name.clone(), text)
    });
    get.query.extend(params);
    let (reply, head) = answered(get, None).await;
    let reply = reply.map(|answer| RawPage { answer, head });
    classify::fetch(request, reply, now(), &quoter())
}

async fn exchange(request: HttpRequest, sent: Option<Sent>) -> RawReply {
    answered(request, sent).await.0
}

async fn answered(request: HttpRequest, sent: Option<Sent>) -> Answered {
    let answered = with(|sim| sim.send(request, sent));
    match answered.await {
        Ok(answered) => answered,
        // The simulation is over.
        Err(_) => std::future::pending().await,
    }
}

mod tests;
mod travel;
