//! PURE: what is odd about the account and its list, what causes it, and what cures it.
//!
//! The daemon keeps what the last list said; `status`, `check`, `plan`, the log, the page and
//! the metrics report it in the same words.

use serde::{Deserialize, Serialize};

use crate::core::{
    job::{DurationMs, UnixMs, named_enum},
    ledger::{Elsewhere, Stranger},
    listing::is_round,
    outcome::Flaws,
    timestamp::iso,
};

/// How many parsers a finding names.
pub const MOST_NAMED: usize = 5;

/// What one list said of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListReport {
    /// It came with a `Link` header that names another page.
    pub is_linked: bool,
    /// Its length, where that is suspiciously round.
    pub round_length: Option<usize>,
    /// A name as it was sent and as it is listed, where they differ.
    pub altered: Option<(String, String)>,
    /// To so many characters names were seen to be cut.
    pub cut_to_chars: Option<usize>,
    /// Why its absences prove nothing, if they do not.
    pub distrust: Option<String>,
    /// The last list that was one showed parsers: then `null` is not an empty list.
    pub shows_any: bool,
}

impl ListReport {
    /// Of a list of so many items.
    pub fn of(items: usize, flaws: &Flaws) -> Self {
        Self {
            is_linked: flaws.is_linked,
            shows_any: items > 0,
            round_length: is_round(items).then_some(items),
            ..Self::default()
        }
    }
}

/// Parsers that bear a name or a tag of the ledger and that no job holds and no create made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Unexplained {
    /// How many there are.
    pub count: i64,
    /// The newest few.
    pub first: Vec<Stranger>,
}

/// How soon the account's lists show new parsers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Lag {
    /// Within this time the last few were shown, or for longer than this one was seen to be lacking;
    /// null where too little was seen.
    pub shown_within_ms: Option<DurationMs>,
    /// What `reconcile.settle_after_error` is.
    pub settle_after_error_ms: DurationMs,
    /// Whether that time counts: lists were seen to be well within it.
    pub settle_after_error_counts: bool,
}

/// Everything that is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountFacts {
    /// The last list.
    pub list: ListReport,
    /// Parsers that nothing explains.
    pub unexplained: Unexplained,
    /// How soon lists show new parsers.
    pub lag: Lag,
    /// What belongs to another address or key.
    pub elsewhere: Option<Elsewhere>,
    /// Until when creates wait, in a database that is not the one that was written last.
    pub held_until: Option<UnixMs>,
}

/// How long creates wait, in a database that is not the one that was written last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatesHold {
    /// Time in which a daemon must have looked until then.
    pub left_ms: DurationMs,
    /// When it ended, or when it ends if that time passes at once.
    pub until: UnixMs,
}

impl CreatesHold {
    /// When it ends; none where creates do not wait.
    pub fn until(self) -> Option<UnixMs> {
        (self.left_ms > 0).then_some(self.until)
    }
}

named_enum! {
    /// What is odd.
    OddityKind {
        /// Parsers bear a name or tag of the ledger, and nothing explains them.
        Unexplained = "unexplained_parsers",
        /// The list's length is suspiciously round.
        RoundList = "round_list",
        /// The list names another page.
        PagedList = "paged_list",
        /// The list's absences prove nothing.
        UntrustedList = "untrusted_list",
        /// Lists lag: `reconcile.settle_after_error` does not count.
        LaggingList = "lagging_list",
        /// The service alters names.
        AlteredNames = "altered_names",
        /// Parsers are known from another address or key.
        Elsewhere = "elsewhere",
        /// Creates wait, since the database is not the one that was written last.
        Restored = "restored_database",
    }
}

impl OddityKind {
    /// Under which word `parserd check` reports it.
    pub const fn check(self) -> &'static str {
        match self {
            Self::Unexplained | Self::AlteredNames | Self::Elsewhere => "account",
            Self::RoundList | Self::PagedList | Self::UntrustedList | Self::LaggingList => "list",
            Self::Restored => "database",
        }
    }
}

/// Something odd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Oddity {
    /// What it is.
    pub kind: OddityKind,
    /// What is the case.
    pub cause: String,
    /// What to do.
    pub cure: String,
}

impl Oddity {
    fn new(kind: OddityKind, cause: String, cure: &str) -> Self {
        Self {
            kind,
            cause,
            cure: cure.to_owned(),
        }
    }
}

impl AccountFacts {
    /// All that is odd, what may cost money first.
    pub fn findings(&self) -> Vec<Oddity> {
        [
            self.restored(),
            self.unexplained(),
            self.elsewhere(),
            self.paged(),
            self.round(),
            self.untrusted(),
            self.altered(),
            self.lagging(),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn restored(&self) -> Option<Oddity> {
        let until = iso(self.held_until?);
        Some(Oddity::new(
            OddityKind::Restored,
            format!(
                "the database is not the one that parserd wrote last here: creates wait until \
                 {until}, for what was sent since to land"
            ),
            "wait; or, if nothing was created since this copy was made, restart with `parserd \
             run --trust-database`",
        ))
    }

    fn unexplained(&self) -> Option<Oddity> {
        let Unexplained { count, first } = &self.unexplained;
        if *count <= 0 {
            return None;
        }
        let named: Vec<_> = first
            .iter()
            .take(MOST_NAMED)
            .map(|parser| format!("{} {:?}", parser.id, parser.name))
            .collect();
        let more = *count - i64::try_from(named.len()).unwrap_or(i64::MAX);
        let more = if more > 0 {
            format!(", and {more} more")
        } else {
            String::new()
        };
        let parsers = if *count == 1 {
            "parser has"
        } else {
            "parsers have"
        };
        Some(Oddity::new(
            OddityKind::Unexplained,
            format!(
                "{count} {parsers} a name or tag of this database's creates, and no job holds \
                 them: {}{more}",
                named.join(", ")
            ),
            "each may have been paid for twice, or by another database with the same jobs: \
             look for a second parserd on this account; delete in the service's dashboard what \
             is not needed",
        ))
    }

    fn elsewhere(&self) -> Option<Oddity> {
        let Elsewhere {
            generating,
            in_doubt,
            made,
            since,
        } = self.elsewhere?;
        let since = iso(since);
        Some(Oddity::new(
            OddityKind::Elsewhere,
            format!(
                "since {since} the service is asked at another api.base_url or with another \
                 api.key, and none of the parsers known from before was seen there: {made} \
                 made, {generating} GENERATING and {in_doubt} creates in doubt stay as they are"
            ),
            "if that is not intended, correct api.base_url or api.key; once one of these parsers \
             is seen, everything continues",
        ))
    }

    fn paged(&self) -> Option<Oddity> {
        self.list.is_linked.then(|| {
            Oddity::new(
                OddityKind::PagedList,
                "the account's list has a Link header that names another page: it may not be \
                 complete"
                    .to_owned(),
                "tell parserd's authors; until then enqueue nothing that the account may hold \
                 already, and keep the database",
            )
        })
    }

    fn round(&self) -> Option<Oddity> {
        let length = self.list.round_length?;
        Some(Oddity::new(
            OddityKind::RoundList,
            format!(
                "the account's list has {length} parsers, a suspiciously round number: it may be \
                 a page of a longer one"
            ),
            "compare with the service's dashboard: if there are more, keep the database, \
             since a lost one would pay again for what the list does not show",
        ))
    }

    fn untrusted(&self) -> Option<Oddity> {
        let why = self.list.distrust.as_ref()?;
        Some(Oddity::new(
            OddityKind::UntrustedList,
            format!("the account's list cannot be trusted to be complete: {why}"),
            "none is needed if it passes; creates in doubt wait for a list that can be trusted, \
             then for a person (`parserd resolve`)",
        ))
    }

    fn altered(&self) -> Option<Oddity> {
        let (sent, listed) = self.list.altered.as_ref()?;
        let cut = self.list.cut_to_chars.map_or_else(String::new, |chars| {
            format!("; it cuts them to {chars} characters")
        });
        let cure = if self.list.cut_to_chars.is_some() {
            "use shorter names: where the tag is cut off, a create in doubt needs a person"
        } else {
            "none is needed while create.name_tag is true: parsers are known by their tags"
        };
        Some(Oddity::new(
            OddityKind::AlteredNames,
            format!("the service alters names: {sent:?} was sent and {listed:?} is listed{cut}"),
            cure,
        ))
    }

    fn lagging(&self) -> Option<Oddity> {
        let shown_within_ms = self.lag.shown_within_ms?;
        if self.lag.settle_after_error_counts {
            return None;
        }
        Some(Oddity::new(
            OddityKind::LaggingList,
            format!(
                "the account's list lacked a new parser for {} s and longer: \
                 reconcile.settle_after_error ({} s) does not count, reconcile.settle does",
                shown_within_ms / 1000,
                seconds(self.lag.settle_after_error_ms)
            ),
            "none is needed: creates in doubt take longer",
        ))
    }
}

/// Whole seconds, rounded up.
const fn seconds(ms: DurationMs) -> DurationMs {
    ms.saturating_add(999) / 1000
}

/// What is reported in the log, once for each: the kind, and how much of it there is.
pub type Reported = (OddityKind, i64);

impl AccountFacts {
    /// The findings that are new since those that were reported, and all that are now.
    /// What is logged where it happens is left out.
    pub fn unreported(&self, reported: &[Reported]) -> (Vec<Oddity>, Vec<Reported>) {
        let now: Vec<(Oddity, Reported)> = self
            .findings()
            .into_iter()
            .filter(|finding| match finding.kind {
                OddityKind::Unexplained
                | OddityKind::RoundList
                | OddityKind::PagedList
                | OddityKind::LaggingList => true,
                OddityKind::UntrustedList
                | OddityKind::AlteredNames
                | OddityKind::Elsewhere
                | OddityKind::Restored => false,
            })
            .map(|finding| {
                let amount = match finding.kind {
                    OddityKind::Unexplained => self.unexplained.count,
                    _ => 0,
                };
                let reported = (finding.kind, amount);
                (finding, reported)
            })
            .collect();
        let all = now.iter().map(|(_, reported)| *reported).collect();
        let is_new = |(kind, amount): &Reported| {
            !reported
                .iter()
                .any(|(other, before)| other == kind && before >= amount)
        };
        let unreported = now.into_iter().filter(|(_, reported)| is_new(reported));
        (unreported.map(|(finding, _)| finding).collect(), all)
    }
}

#[cfg(test)]
mod tests;
