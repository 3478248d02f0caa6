//! What must come of each cell: from the contract's tables, never from what was seen.

use parserd::simulator::{
    FaultRule,
    faults::{AnswerFault, Edit},
};

/// The request that the fault applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `POST /parsers`.
    Create,
    /// `GET /parsers/{id}`.
    Poll,
    /// `GET /parsers` before a create.
    List,
    /// `GET /parsers` for a create whose answer was lost and that made a parser.
    ReconcileMade,
    /// The same, of a create that made nothing.
    ReconcileNone,
    /// `GET /parse/{id}/{version}` of a held-out page.
    Check,
    /// The fetch of an example page before a create, with `preflight.mode` at `check`.
    Fetch,
}

impl Place {
    pub const ALL: [Self; 7] = [
        Self::Create,
        Self::Poll,
        Self::List,
        Self::ReconcileMade,
        Self::ReconcileNone,
        Self::Check,
        Self::Fetch,
    ];

    /// The endpoint, in the words of the simulator.
    pub const fn endpoint(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Poll => "get",
            Self::Check => "parse",
            Self::Fetch => "fetch",
            Self::List | Self::ReconcileMade | Self::ReconcileNone => "list",
        }
    }
}

/// How a cell ends once the fault is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    pub state: &'static str,
    /// `error_kind`, empty where there is none.
    pub kind: &'static str,
    /// `POST /parsers` that the service received, over both processes.
    pub posts: u64,
    /// Parsers on the account, all of them paid for.
    pub parsers: usize,
    /// The same after a FAILED `bad_request` or `preflight_failed` is retried.
    pub retried: Option<(u64, usize)>,
}

/// The contract's word on a POST: these statuses say that the job is bad as it is.
pub const REJECTIONS: &[u16] = &[400, 404, 405, 409, 410, 413, 415, 422];

/// Whether a create cannot work, by what came in the place of an example page. What brings no page
/// and says nothing of it is asked for again: so does a 404 or 500 without a mark of the fetch API.
fn forbids_a_create(rule: &FaultRule) -> bool {
    match &rule.effect.answer {
        Some(AnswerFault::Status { status, body, .. }) => {
            // A page with a word on it, and much more where it is rendered.
            let is_shell = |body: &String| body.starts_with('<');
            let is_answered = (200..300).contains(status);
            is_answered && body.as_ref().is_some_and(is_shell)
        }
        Some(AnswerFault::Lost { .. } | AnswerFault::Redirect { .. }) => false,
        // It is the beginning of such a page.
        None => rule.effect.edits.contains(&Edit::Unreadable),
    }
}

/// What must come of `rule` at `place`.
///
/// A fault of a read or of a held-out page costs nothing and fails nothing: it is asked again. A fault of a
/// create is followed by another create if, and only if, the first made nothing.
pub fn expected(place: Place, rule: &FaultRule, restarted: bool) -> Ending {
    let finished = |posts| Ending {
        state: "FINISHED",
        kind: "",
        posts,
        parsers: 1,
        retried: None,
    };
    match place {
        Place::Poll | Place::List | Place::ReconcileMade | Place::Check => finished(1),
        Place::ReconcileNone => finished(2),
        Place::Fetch if forbids_a_create(rule) => Ending {
            state: "FAILED",
            kind: "preflight_failed",
            posts: 0,
            parsers: 0,
            retried: Some((1, 1)),
        },
        Place::Fetch => finished(1),
        Place::Create => {
            // The one under way when the first process was killed made nothing.
            let earlier = u64::from(restarted);
            let made = rule.effect.has_effect != Some(false);
            let again = u64::from(!made);
            let rejected = matches!(&rule.effect.answer,
                Some(AnswerFault::Status { status, .. }) if REJECTIONS.contains(status));
            if rejected {
                return Ending {
                    state: "FAILED",
                    kind: "bad_request",
                    posts: earlier + 1,
                    parsers: usize::from(made),
                    retried: Some((earlier + 1 + again, 1)),
                };
            }
            if rule.effect.fail_with.is_some() {
                return Ending {
                    state: "FAILED",
                    kind: "generation_failed",
                    ..finished(earlier + 1)
                };
            }
            finished(earlier + 1 + again)
        }
    }
}
