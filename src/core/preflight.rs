//! PURE: what will become of a create, foreseen from fetches of its example pages. Three causes of
//! FAILED are documented (AI_PARSER_API.md, "Parser status"): pages that cannot be fetched, pages of
//! different types, and JavaScript that is not run. All three can be seen for some credits, where a
//! create costs thousands of them.
//!
//! [`next`] says what to fetch or what is found, from what is on record alone: whoever died in
//! between goes on where the record ends.

mod inquiry;
mod signs;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use self::{
    inquiry::next,
    signs::{LITTLE_TEXT_CHARS, UNLIKE_BELOW},
};
use crate::core::{
    effort::{Effort, Proxy},
    job::{DurationMs, UnixMs, named_enum},
    page::Sight,
};

/// How often a page is fetched with one effort where nothing is learned of it, after growing pauses.
pub const MAX_TRIES: usize = 5;

/// How often a page is fetched with one effort that is refused while all pages are: by then it is
/// this one's trouble, too.
pub const MAX_TRIES_WHILE_DOWN: usize = 8;

/// Refused for so many hosts in a row, it is the fetch service that is down.
const DOWN_FROM_HOSTS: usize = 3;

named_enum! {
    /// What is done before a create.
    Mode {
        /// Nothing.
        Off = "off",
        /// A create that cannot work is not sent.
        Check = "check",
        /// It is sent with the cheapest parameters under which the pages load.
        Repair = "repair",
    }
}

named_enum! {
    /// What is foreseen of a create.
    Verdict {
        /// Nothing speaks against it.
        Ok = "ok",
        /// A page is not there: 404 or 410.
        Gone = "gone",
        /// A page is refused, or a challenge stands in its place.
        Blocked = "blocked",
        /// The pages show what is wanted only where their JavaScript is run.
        NeedsJs = "needs_js",
        /// The pages are built too differently to be of one type.
        MixedTypes = "mixed_types",
        /// A page asks for a password.
        Login = "login",
        /// It could not be found out.
        Unknown = "unknown",
    }
}

impl Verdict {
    /// Whether a create may work all the same.
    pub const fn may_work(self) -> bool {
        matches!(self, Self::Ok | Self::Unknown)
    }
}

/// What a fetch brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Brought {
    /// It is under way, or whoever sent it ended before the answer.
    Pending,
    /// The page.
    Page(Sight),
    /// The site does not have it.
    Gone {
        /// 404 or 410
        status: u16,
    },
    /// The site refused it after the service's own retries.
    Blocked {
        /// What the service said.
        why: String,
    },
    /// The plan does not include what the fetch asked for.
    NotInPlan {
        /// What the service said.
        why: String,
    },
    /// It would cost more than it may.
    TooDear,
    /// Nothing is learned. Another try may bring more.
    Nothing {
        /// What happened.
        why: String,
    },
}

/// A fetch that is on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The page.
    pub url: String,
    /// With which effort.
    pub effort: Effort,
    /// When it was sent.
    pub sent_at: UnixMs,
    /// What it cost, or may have cost.
    pub credits: i64,
    /// What it brought.
    pub brought: Brought,
}

impl Brought {
    /// In one word: the tag of its JSON.
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Page(_) => "page",
            Self::Gone { .. } => "gone",
            Self::Blocked { .. } => "blocked",
            Self::NotInPlan { .. } => "not_in_plan",
            Self::TooDear => "too_dear",
            Self::Nothing { .. } => "nothing",
        }
    }
}

impl Fetched {
    /// Whether it brought a page, and no wall in its place.
    pub fn worked(&self) -> bool {
        match &self.brought {
            Brought::Page(sight) => sight.is_html() && signs::wall(sight).is_none(),
            _ => false,
        }
    }
}

/// The host of a page: what works for one of its pages is tried first for the others.
pub fn host(url: &str) -> Option<String> {
    url::Url::parse(url).ok()?.host_str().map(str::to_owned)
}

/// What is asked about.
#[derive(Debug, Clone)]
pub struct Question<'q> {
    /// The example pages.
    pub urls: &'q [String],
    /// What the job's own parameters ask for.
    pub own: Effort,
    /// What worked for the pages' host before: tried first where a page is refused as the job is
    /// written.
    pub known: Option<Effort>,
    /// The fetch service seems to be down: what it refuses says nothing of the page yet.
    pub is_down: bool,
    /// The job was held for it for long enough: what is known now counts, however little.
    pub has_waited: bool,
    /// The efforts that the plan does not include.
    pub not_in_plan: &'q [Effort],
    /// Whether parameters are tried out.
    pub mode: Mode,
    /// What all fetches may cost together.
    pub max_credits: i64,
}

/// What is found of a create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreseen {
    /// In one word.
    pub verdict: Verdict,
    /// The page that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// What was seen there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
    /// Parameters to be set beside the job's own, as they are written in a job file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// What the fetches cost.
    pub credits: i64,
}

impl Foreseen {
    /// What was seen, in a sentence.
    pub fn in_words(&self) -> String {
        let about = match self.verdict {
            Verdict::Ok => "the example pages load",
            Verdict::Gone => "an example page is gone",
            Verdict::Blocked => "an example page is blocked",
            Verdict::NeedsJs => "an example page needs JavaScript",
            Verdict::MixedTypes => "the example pages are of different page types",
            Verdict::Login => "an example page is behind a login",
            Verdict::Unknown => "an example page could not be looked at",
        };
        match (&self.page, &self.seen) {
            (Some(page), Some(seen)) => format!("{about}: {page}: {seen}"),
            (Some(page), None) => format!("{about}: {page}"),
            (None, _) => about.to_owned(),
        }
    }
}

/// What was found of a create, and when: `jobs.preflight`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Unix milliseconds.
    pub at: UnixMs,
    /// What was found.
    #[serde(flatten)]
    pub foreseen: Foreseen,
}

impl Record {
    /// Reads what [`Self::to_json`] wrote.
    pub fn of_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// As it is stored and shown.
    pub fn to_json(&self) -> String {
        // A struct of texts and numbers is always JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The page that speaks against a create.
    pub fn page_against(&self) -> Option<&str> {
        let page = self.foreseen.page.as_deref();
        page.filter(|_| !self.foreseen.verdict.may_work())
    }

    /// Whether a create goes by it, and no page is fetched anew. A job that FAILED for it and waits
    /// again was sent to try once more.
    pub const fn is_in_force(&self, now: UnixMs, max_age_ms: DurationMs) -> bool {
        self.foreseen.verdict.may_work() && now >= self.at && now - self.at < max_age_ms
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next<'q> {
    /// Fetch this page.
    Fetch {
        /// The page.
        url: &'q str,
        /// With this effort.
        effort: Effort,
        /// It may cost so many credits.
        max_credits: i64,
    },
    /// Nothing: this is found, and the create is to be sent with this effort.
    Done(Foreseen, Effort),
}

/// Whether the fetch service seems to be down, by its last answers, the newest first: the host, and
/// whether anything but a refusal came.
pub fn is_down<'h>(answers: impl IntoIterator<Item = (&'h str, bool)>) -> bool {
    let refused = answers.into_iter().take_while(|(_, came)| !came);
    let hosts: BTreeSet<_> = refused.map(|(host, _)| host).collect();
    hosts.len() >= DOWN_FROM_HOSTS
}

/// The efforts that the plan was seen not to include: what is not in it through some proxies is not
/// through better ones either.
pub fn not_in_plan(refused: &[Effort]) -> Vec<Effort> {
    let all = Proxy::ALL.iter().flat_map(|proxy| {
        [false, true].map(|render| Effort {
            proxy: *proxy,
            render,
        })
    });
    all.filter(|effort| {
        refused
            .iter()
            .any(|refused| effort.proxy >= refused.proxy && (effort.render || !refused.render))
    })
    .collect()
}

#[cfg(test)]
mod tests;
