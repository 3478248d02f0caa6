//! What parserd asks of the service and what can come of it.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};

use crate::core::{
    job::{DurationMs, ParserId, UnixMs},
    made_from::MadeFrom,
    preflight::Brought,
    quality::{Judgement, Quality},
};

/// No `Retry-After` counts for more than this: a day.
pub const MAX_RETRY_AFTER_MS: DurationMs = 24 * 60 * 60 * 1000;

/// The body of `POST /parsers`, without the key, which the client adds.
#[derive(Debug, Clone, Serialize)]
pub struct CreateRequest {
    /// The remote name: free text, not known to be unique (AI_PARSER_API.md).
    pub name: String,
    /// One to three example pages of one page type.
    pub urls: Vec<String>,
    /// Options for the fetch of the example pages, sent as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scraper_params: Option<Box<RawValue>>,
    /// The fields to extract, sent as they are; left out, the service infers them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<Box<RawValue>>,
    /// It is not sent after this time of the clock that nobody sets: what is looked for and
    /// not found is believed to have been sent before. None: whenever.
    #[serde(skip)]
    pub not_after: Option<DurationMs>,
}

/// A `PATCH /parsers/{id}/{base_version}`, without the key, which the client adds.
#[derive(Debug, Clone)]
pub struct PatchRequest {
    /// The parser.
    pub parser_id: ParserId,
    /// The version that the change is based on.
    pub base_version: i64,
    /// An object with `add_fields`, `modify_fields`, `rename_fields` and `remove_fields`, sent as
    /// it is.
    pub body: Box<RawValue>,
    /// As [`CreateRequest::not_after`].
    pub not_after: Option<DurationMs>,
}

/// An answer that closes the account's gate, whatever was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// 401: the key is not valid.
    Unauthorized,
    /// 402 or 403: credits are exhausted.
    Credits,
    /// Several different jobs in a row were rejected in the same words: a limit of the
    /// account, told as a 400 or the like.
    AccountLimit,
    /// 429, with what `Retry-After` asks for, counted from now; or a 5xx that asks for a wait.
    Throttled {
        /// How long to wait, if the service said so.
        retry_after_ms: Option<DurationMs>,
    },
}

impl Refusal {
    /// Whether it says that the key or the credits are not accepted, rather than to slow down.
    pub const fn is_about_the_account(&self) -> bool {
        match self {
            Self::Unauthorized | Self::Credits => true,
            Self::Throttled { .. } | Self::AccountLimit => false,
        }
    }
}

/// What came with an outcome as its explanation: capped, control characters escaped, no key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorDetail {
    /// The HTTP status, where an answer had one.
    pub status: Option<u16>,
    /// The service's text, or what the transport said.
    pub message: String,
}

impl fmt::Display for ErrorDetail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(status) = self.status {
            write!(f, "HTTP {status}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Whether an HTTP status says of itself that something is wrong. A generation that
/// failed is told of with a 200, which is not why.
pub const fn is_refusal(status: i64) -> bool {
    status >= 300
}

/// Whether a status is the word of a gateway that may have reached no service: 408, 499,
/// 502 to 504 and 520 to 529.
pub const fn is_gateways(status: u16) -> bool {
    matches!(status, 408 | 499 | 502..=504 | 520..=529)
}

/// What is known after a `POST /parsers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateOutcome {
    /// Any 2xx that carries an id.
    Created {
        /// The new parser.
        parser_id: ParserId,
        /// Its version; 0 is a real one.
        version: Option<i64>,
    },
    /// 400, 404, 405, 409, 410, 413, 415 or 422, or a 402 or 403 whose text is about this
    /// request: refused, nothing was made.
    Rejected(ErrorDetail),
    /// The gate closes; nothing was made.
    Refused(Refusal, ErrorDetail),
    /// The connection was never made (DNS, refused, TLS): nothing was sent.
    NotSent(ErrorDetail),
    /// Whether a parser was made is not known.
    InDoubt(DoubtCause, ErrorDetail),
    /// The same, and the service asks to be left alone (5xx with `Retry-After`): creates are
    /// held as after a 429, and should this one have made nothing, it was not an attempt.
    Unavailable {
        /// Why its outcome is not known.
        cause: DoubtCause,
        /// How long to wait.
        retry_after_ms: DurationMs,
        /// The service's text.
        words: ErrorDetail,
    },
}

impl CreateOutcome {
    /// Its kind in a word, for the log.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Created { .. } => "created",
            Self::Rejected(_) => "rejected",
            Self::Refused(..) => "refused",
            Self::NotSent(_) => "not_sent",
            Self::InDoubt(..) => "in_doubt",
            Self::Unavailable { .. } => "unavailable",
        }
    }

    /// The parser that was made, if one was.
    pub const fn parser_id(&self) -> Option<&ParserId> {
        match self {
            Self::Created { parser_id, .. } => Some(parser_id),
            _ => None,
        }
    }
}

/// What is known after a `PATCH` or a `DELETE` of a parser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// Any 2xx; of a PATCH one whose body can be read and names no other parser.
    Done {
        /// The version that a PATCH made, where the answer names it.
        version: Option<i64>,
    },
    /// 404: no such parser, or no such version of it. Nothing was changed; a DELETE has nothing
    /// left to do.
    NotFound(ErrorDetail),
    /// As [`CreateOutcome::Rejected`], without 404: nothing was changed. A conflict of versions
    /// (409, 412) is one of these.
    Rejected(ErrorDetail),
    /// The gate closes; nothing was changed.
    Refused(Refusal, ErrorDetail),
    /// The connection was never made, or the request could not be: nothing was sent.
    NotSent(ErrorDetail),
    /// Whether anything was changed is not known.
    InDoubt(DoubtCause, ErrorDetail),
    /// The same, and the service asks to be left alone, as [`CreateOutcome::Unavailable`].
    Unavailable {
        /// Why its outcome is not known.
        cause: DoubtCause,
        /// How long to wait.
        retry_after_ms: DurationMs,
        /// The service's text.
        words: ErrorDetail,
    },
}

impl ChangeOutcome {
    /// Its kind in a word, for the log.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Done { .. } => "done",
            Self::NotFound(_) => "not_found",
            Self::Rejected(_) => "rejected",
            Self::Refused(..) => "refused",
            Self::NotSent(_) => "not_sent",
            Self::InDoubt(..) => "in_doubt",
            Self::Unavailable { .. } => "unavailable",
        }
    }
}

/// Why the outcome of a create or of a change is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoubtCause {
    /// The service itself answered 500.
    ServiceError,
    /// The request was sent and no answer that can be used came back.
    AnswerLost,
}

/// What is known after a `GET /parsers/{id}`.
#[derive(Debug, Clone)]
pub enum PollOutcome {
    /// `FINISHED`, also spelt `FINISED`.
    Finished(Finished),
    /// `FAILED`, with the service's own text, if any.
    Failed(ErrorDetail),
    /// `GENERATING`, or a status that is unknown or missing: not terminal.
    Generating {
        /// The status as it stood there, if it was an unknown one.
        unknown_status: Option<String>,
    },
    /// 404: no such parser, says the service.
    NotFound(ErrorDetail),
    /// The gate for reading closes.
    Refused(Refusal, ErrorDetail),
    /// 5xx, transport, unreadable: no news.
    Trouble(ErrorDetail),
}

impl PollOutcome {
    /// What was said, where it may be the trouble of this parser alone rather than of the account
    /// or of the service: a refusal, and once the generation is overdue whatever is not an answer.
    pub const fn may_be_of_one(&self, is_overdue: bool) -> Option<&ErrorDetail> {
        match self {
            Self::Refused(refusal, words) if is_overdue || refusal.is_about_the_account() => {
                Some(words)
            }
            Self::Trouble(words) if is_overdue => Some(words),
            Self::Refused(..)
            | Self::Trouble(_)
            | Self::Finished(_)
            | Self::Failed(_)
            | Self::Generating { .. }
            | Self::NotFound(_) => None,
        }
    }

    /// Whether the service answered for the parser: it has it.
    pub const fn shows_parser(&self) -> bool {
        match self {
            Self::Finished(_) | Self::Failed(_) | Self::Generating { .. } => true,
            Self::NotFound(_) | Self::Refused(..) | Self::Trouble(_) => false,
        }
    }
}

/// What `GET /parsers/{id}` says of a parser beside how far it is.
#[derive(Debug, Clone)]
pub struct Description {
    /// How far it is, or why that is not known.
    pub outcome: PollOutcome,
    /// Its name, where the answer has it.
    pub name: Option<String>,
    /// When it was made, where the answer has it.
    pub created_at: Option<UnixMs>,
    /// The version that the answer says it is about, in whatever state.
    pub version: Option<i64>,
    /// The fields of that version: the value of `fields`, JSON as it came.
    pub fields: Option<Box<RawValue>>,
}

impl From<PollOutcome> for Description {
    /// Nothing is known but how far it is.
    fn from(outcome: PollOutcome) -> Self {
        Self {
            outcome,
            name: None,
            created_at: None,
            version: None,
            fields: None,
        }
    }
}

/// A parser that is ready.
#[derive(Debug, Clone, Default)]
pub struct Finished {
    /// The latest version, where the answer names it.
    pub version: Option<i64>,
    /// `generated_at`, where it is there and can be read.
    pub generated_at: Option<UnixMs>,
    /// `example_result` or `example_results`, any JSON that SQLite can read, as it came.
    pub example_result: Option<Box<RawValue>>,
    /// Why there are no example results, where there are none.
    pub lack: Option<Lack>,
    /// What the example results are worth, where that can be told.
    pub judgement: Option<Judgement>,
    /// The parser's fields (JSON), where the answer has them and they are not those that the job
    /// asks for.
    pub fields: Option<String>,
    /// Of a parser that was adopted: from what it was made, where that need not be what the job asks
    /// for.
    pub made_from: Option<Box<MadeFrom>>,
    /// Of an update what the version is worth that is in use, of a create what the parser in
    /// `replaces` is, where that is known.
    pub in_use: Option<Quality>,
    /// Of a create: another parser, for which the name stands until now.
    pub replaces: Option<ParserId>,
}

/// Why a parser that is ready comes without example results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// In words, for a person.
    pub why: String,
    /// Only because this answer broke off: the next one may have them.
    pub is_cut: bool,
    /// The service has none, rather than some that cannot be kept: nothing was found.
    pub is_nothing: bool,
}

/// A `GET /parse/{id}/{version}?url=`, without the key, which the client adds.
#[derive(Debug, Clone)]
pub struct ParseRequest {
    /// The parser.
    pub parser_id: ParserId,
    /// Its version; the latest where none is known.
    pub version: Option<i64>,
    /// The page.
    pub url: String,
    /// Options for the fetch of the page, an object, as the job has them.
    pub scraper_params: Option<String>,
}

/// What is known after a `GET /parse/{id}/{version}`.
#[derive(Debug, Clone)]
pub enum ParseOutcome {
    /// What the parser found on the page, any JSON that SQLite can read, as it came; null where
    /// the answer has none.
    Found(Box<RawValue>),
    /// This request was refused, and would be again: 400, 404, 405, 409, 410, 413, 415 or 422, a
    /// 402 or 403 whose text is about this request, or a result that cannot be kept.
    Rejected(ErrorDetail),
    /// The account was refused, which says nothing of the parser.
    Refused(Refusal, ErrorDetail),
    /// Anything else, which says nothing of the parser either.
    Inconclusive(ErrorDetail),
}

/// A fetch of a web page through the vendor's fetch API, without the key, which the client adds.
#[derive(Debug, Clone)]
pub struct FetchRequest {
    /// The page.
    pub url: String,
    /// Options for the fetch, as of `scraper_params`.
    pub params: Map<String, Value>,
    /// What it may cost: the service is told so, too.
    pub max_credits: i64,
    /// Places that the page is looked through for: the selectors of the job's fields.
    pub selectors: Vec<String>,
}

/// What is known after a fetch of a web page.
#[derive(Debug, Clone)]
pub enum FetchOutcome {
    /// Something is known of the page, or of the request.
    Brought {
        /// What it brought.
        brought: Brought,
        /// What it cost, where the service said so.
        credits: Option<i64>,
    },
    /// The account was refused, which says nothing of the page.
    Refused(Refusal, ErrorDetail),
}

/// What is known after a `GET /parsers`.
#[derive(Debug, Clone)]
pub enum ListOutcome {
    /// The whole list: every item with an id and a name, and what cannot be read of it.
    Listed(Vec<ListedParser>, Flaws),
    /// The gate for reading closes.
    Refused(Refusal, ErrorDetail),
    /// No list that can be used: any other status, transport, unreadable.
    Trouble(ErrorDetail),
}

/// What of a list cannot be read: parsers may hide there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flaws {
    /// It came with a `Link` header that names another page.
    pub is_linked: bool,
    /// It is `null` in the place of a list.
    pub is_null: bool,
    /// Items that have an id and no name that can be read.
    pub nameless: Vec<ParserId>,
    /// How many items have not even an id that can be read.
    pub unreadable: usize,
    /// Which item was the first, and what is wrong with it.
    pub first: Option<String>,
}

impl Flaws {
    /// Notes an item, counted from 0, that cannot be read.
    pub fn add(&mut self, index: usize, why: &str, id: Option<ParserId>) {
        self.first
            .get_or_insert_with(|| format!("item {index}: {why}"));
        match id {
            Some(id) => self.nameless.push(id),
            None => self.unreadable += 1,
        }
    }

    /// Why absences in the list prove nothing, if they do not: an item that cannot be read
    /// hides what it is, unless its parser is a known one.
    pub fn hide(&self, mut is_known: impl FnMut(&ParserId) -> bool) -> Option<String> {
        let nameless = self.nameless.iter().filter(|id| !is_known(id)).count();
        let count = nameless + self.unreadable;
        let first = self.first.as_deref().unwrap_or_default();
        (count > 0).then(|| format!("items that cannot be read: {count} ({first})"))
    }
}

/// One item of the account's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedParser {
    /// The parser's id.
    pub id: ParserId,
    /// The name under which it was created.
    pub name: String,
    /// Its latest version, where the list names it.
    pub version: Option<i64>,
    /// Whether its status is `FAILED`.
    pub failed: bool,
    /// Whether its status is `FINISHED` or `FAILED`: there is news of it.
    pub settled: bool,
}

/// What is known of the account's credits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountOutcome {
    /// So many are left, says an account page that lags by 15 s or more. Never negative.
    Left {
        /// In credits of the service.
        credits: i64,
    },
    /// The account page refused the key, or asks to slow down. It is another host than
    /// the service: no gate closes for it.
    Refused(Refusal, ErrorDetail),
    /// Any other status, transport, unreadable, a figure missing: no news.
    Unknown(ErrorDetail),
}

/// What is known of the address where pages are fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PriceOutcome {
    /// It prices a fetch, as the fetch API does.
    Priced,
    /// It refused the key, or asks to slow down.
    Refused(Refusal, ErrorDetail),
    /// Whatever else came, or did not come: maybe it is another server.
    Unknown(ErrorDetail),
}

/// Why there is no list.
#[derive(Debug, Clone)]
pub enum NoList {
    /// The account was refused.
    Refused(Refusal, ErrorDetail),
    /// Anything else.
    Trouble(ErrorDetail),
}
