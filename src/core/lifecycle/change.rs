//! What a decision changes: the job as it shall be, and what goes with it.

use super::Transition;
use crate::core::{
    event::JobEvent,
    gate::Signal,
    job::{ErrorKind, JobState, ParkReason, ParserId, Progress, UnixMs},
    made_from::MadeFrom,
    outcome::{ErrorDetail, Finished},
    quality::Judgement,
};

/// What becomes of the row in `creates` that stands for a create request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerChange {
    /// A request is about to be sent.
    Intent,
    /// It made this parser.
    Made(ParserId),
    /// It made nothing.
    NotMade,
    /// A request that changes or deletes a parser is about to be sent.
    ChangeIntent,
    /// It took effect, and made this version where one is known.
    Changed(Option<i64>),
    /// It changed nothing.
    NotChanged,
}

impl LedgerChange {
    /// Whether it is recorded before something is sent.
    pub const fn is_intent(&self) -> bool {
        matches!(self, Self::Intent | Self::ChangeIntent)
    }
}

/// What becomes of the record of a parser that a job changes or deletes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParserChange {
    /// The request that was sent took effect at once: its fields are those of this version.
    Applied {
        /// The version.
        version: Option<i64>,
    },
    /// A version is ready.
    Ready {
        /// Which.
        version: Option<i64>,
        /// It is the one to use from now on.
        is_used: bool,
    },
    /// A version was made that is not ready and will not be.
    Unusable {
        /// Which.
        version: Option<i64>,
    },
    /// Somebody else made this version: the fields of it are what the service shows.
    Seen {
        /// Which.
        version: Option<i64>,
    },
    /// It is deleted, and its name is free.
    Deleted,
}

/// A decision: the job as it shall be, and what goes with it.
#[derive(Debug, Clone)]
pub struct Change {
    /// The job's new progress.
    pub next: Progress,
    /// What the history says of it, where it is worth a line.
    pub event: Option<JobEvent>,
    /// What becomes of the request.
    pub ledger: Option<LedgerChange>,
    /// What becomes of the parser that a job changes or deletes.
    pub parser: Option<ParserChange>,
    /// The parser for which the name goes on to stand although that of the create is ready, which
    /// is of no use or worth less. Else it stands for the one that is ready.
    pub stays: Option<ParserId>,
    /// The fields that the parser has (JSON), where they are not those that the job asks for.
    pub fields: Option<String>,
    /// From what the parser was made, where that need not be what the job asks for.
    pub made_from: Option<Box<MadeFrom>>,
    /// A second line of the history.
    pub warning: Option<JobEvent>,
    /// What the answer says of the account.
    pub signal: Option<Signal>,
    /// The result that came with FINISHED.
    pub example_result: Option<Box<serde_json::value::RawValue>>,
    /// The service answered for the job's parser: it is there, whatever was said before.
    pub shows_parser: bool,
    /// What its parser is worth, where that was judged.
    pub judgement: Option<Judgement>,
}

impl Change {
    /// One that does nothing but bring a job to `next`.
    pub(super) const fn to(next: Progress) -> Self {
        Self {
            next,
            event: None,
            ledger: None,
            parser: None,
            fields: None,
            made_from: None,
            warning: None,
            stays: None,
            signal: None,
            example_result: None,
            shows_parser: false,
            judgement: None,
        }
    }

    /// What the history says of it, in order.
    pub fn events(&self) -> impl Iterator<Item = JobEvent> {
        let fails = self.next.state == JobState::Failed;
        let judged = self.judgement.as_ref();
        let judged = judged.map(|judgement| JobEvent::judged(judgement, fails));
        let events = self.event.clone().into_iter().chain(judged);
        events.chain(self.warning.clone())
    }

    /// Whether the parser that the job makes is ready, whatever it is worth.
    pub fn has_parser_ready(&self) -> bool {
        self.parser.is_none() && self.next.state == JobState::Finished
            || self.parser.is_none()
                && self.next.error_kind == Some(ErrorKind::PoorResult)
                && self.next.state == JobState::Failed
    }

    pub(super) fn done(self) -> Transition {
        Transition::Change(Box::new(self))
    }

    pub(super) fn event(mut self, event: JobEvent) -> Self {
        self.event = Some(event);
        self
    }

    pub(super) fn ledger(mut self, ledger: LedgerChange) -> Self {
        self.ledger = Some(ledger);
        self
    }

    pub(super) fn shows_parser(mut self) -> Self {
        self.shows_parser = true;
        self.signal(Signal::Accepted)
    }

    pub(super) fn signal(mut self, signal: Signal) -> Self {
        self.signal = Some(signal);
        self
    }

    /// Keeps the words of an error, whatever state the job is in.
    pub(super) fn error(mut self, words: &ErrorDetail) -> Self {
        self.next.error_status = words.status;
        self.next.error_message = Some(words.message.clone());
        self.next.error_hint = None;
        self
    }

    /// Another name stands for the job: the parser that it had before does not bear it.
    pub(super) fn renamed(mut self, remote_name: String) -> Self {
        self.next.remote_name = Some(remote_name);
        self.next.parser_id = None;
        self.next.parser_version = None;
        self
    }

    pub(super) fn queued(mut self, due_at: UnixMs) -> Self {
        self.next.state = JobState::Queued;
        self.next.park_reason = None;
        self.next.candidates.clear();
        self.next.doubt = None;
        self.next.due_at = due_at;
        self
    }

    pub(super) fn parked(mut self, reason: ParkReason, hint: &str, due_at: UnixMs) -> Self {
        self.next.state = JobState::Parked;
        self.next.park_reason = Some(reason);
        self.next.error_hint = Some(hint.to_owned());
        self.next.due_at = due_at;
        self
    }

    pub(super) fn generating(
        mut self,
        parser_id: ParserId,
        version: Option<i64>,
        now: UnixMs,
    ) -> Self {
        self.next = Progress {
            state: JobState::Generating,
            park_reason: None,
            due_at: now,
            parser_id: Some(parser_id),
            parser_version: version,
            generating_since: Some(now),
            holds: 0,
            polls: 0,
            poll_errors: 0,
            missing_lists: 0,
            doubt: None,
            candidates: Vec::new(),
            error_kind: None,
            error_status: None,
            error_message: None,
            error_hint: None,
            ..self.next
        };
        self
    }

    pub(super) fn finished(mut self, finished: Finished, now: UnixMs) -> Self {
        self.next = Progress {
            state: JobState::Finished,
            parser_version: finished.version.or(self.next.parser_version),
            generated_at: finished.generated_at,
            error_status: None,
            error_message: None,
            error_hint: None,
            finished_at: Some(now),
            ..self.next
        };
        self.example_result = finished.example_result;
        self.fields = finished.fields;
        self.made_from = finished.made_from;
        self
    }

    pub(super) fn failed(
        mut self,
        kind: ErrorKind,
        words: &ErrorDetail,
        hint: &str,
        now: UnixMs,
    ) -> Self {
        self = self.error(words);
        self.next.state = JobState::Failed;
        self.next.park_reason = None;
        self.next.doubt = None;
        self.next.candidates.clear();
        self.next.error_kind = Some(kind);
        self.next.error_hint = Some(hint.to_owned());
        self.next.finished_at = Some(now);
        self.event(JobEvent::Failed {
            error_kind: kind,
            answer: words.into(),
        })
    }
}
