//! PURE: which name a create would use, and what is there under it already. The worker
//! acts on it, and `parserd plan` tells it.

use std::collections::HashSet;

use crate::core::{
    job::ParserId,
    ledger::LedgerFacts,
    lifecycle::Presence,
    outcome::ListedParser,
    remote_name::{SHORTEST_CUT_CHARS, TAG_CHARS, TAG_MARK, tag_of},
};

/// From so many on, a name that is the job's own without its tag may be cut as well.
const LONG_CUT_CHARS: usize = 16;

/// What is known of one remote name.
#[derive(Debug)]
pub struct NameFacts<'a> {
    /// The name.
    pub remote_name: &'a str,
    /// The account's parsers of that name, however it is spelt there.
    pub named: &'a [ListedParser],
    /// Those whose names may be what a cut left of it.
    pub cut: &'a [ListedParser],
    /// Those of them, and of the ledger's, that other jobs hold, or that a person said are
    /// not this job's.
    pub excluded: &'a HashSet<ParserId>,
    /// What is recorded of creates of that name.
    pub ledger: &'a LedgerFacts,
    /// Whether the job had this name before: its parsers may be of use, and nothing is
    /// created under it any more.
    pub is_former: bool,
    /// Whether there is a next name to go on to.
    pub may_rename: bool,
    /// Whether `create.on_existing` is `create`.
    pub wants_new: bool,
}

/// What comes of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It is the one.
    Use(Presence),
    /// It is used up: the next re-creation counter's name is.
    NextName,
    /// The list has none, and the ledger may know some that it lacks: they are asked
    /// for by id, and [`NameFacts::after_asking`] goes on.
    Ask,
}

/// What became of parsers that were paid for and that the list has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaidFor {
    /// There are none, or they are gone.
    Nothing,
    /// One can be used.
    Usable(ParserId),
    /// The newest one FAILED.
    Failed,
    /// Asking brought no answer.
    Unknown,
}

impl NameFacts<'_> {
    /// What comes of the name, as far as list and ledger tell.
    pub fn finding(&self) -> Finding {
        let usable: Vec<_> = self
            .named
            .iter()
            .filter(|parser| !parser.failed && !self.excluded.contains(&parser.id))
            .collect();
        let is_own = |parser: &&ListedParser| {
            let baseline = self.ledger.refuted_baseline.as_ref();
            baseline.is_some_and(|baseline| !baseline.contains(&parser.id))
                && !self.ledger.made.contains(&parser.id)
        };
        if self.ledger.pending || usable.iter().any(is_own) {
            // Settled as a create in doubt is, whatever create.on_existing says.
            return Finding::Use(Presence::Unresolved);
        }
        if self.is_former && usable.is_empty() {
            return Finding::Ask;
        }
        if self.may_rename && !self.named.is_empty() && (usable.is_empty() || self.wants_new) {
            // Only FAILED parsers, or the user wants another.
            return Finding::NextName;
        }
        let ids = |parsers: &[&ListedParser]| parsers.iter().map(|it| it.id.clone()).collect();
        match usable.as_slice() {
            [] => {
                let suspects = self.suspects();
                if suspects.is_empty() || self.wants_new {
                    return Finding::Ask;
                }
                Finding::Use(Presence::Suspects(ids(&suspects)))
            }
            [parser] if self.is_former => Finding::Use(Presence::Own(parser.id.clone())),
            [parser] if self.is_surely_of_the_name(parser) => {
                Finding::Use(Presence::One((*parser).clone()))
            }
            several => {
                let several = several.iter().map(|parser| (*parser).clone());
                Finding::Use(Presence::Several(several.collect()))
            }
        }
    }

    /// Without a tag, another spelling is another job's as well as this one's.
    fn is_surely_of_the_name(&self, parser: &ListedParser) -> bool {
        tag_of(self.remote_name).is_some() || parser.name == self.remote_name
    }

    /// Parsers that may be this job's with their names cut, made by another database.
    fn suspects(&self) -> Vec<&ListedParser> {
        let plain = match tag_of(self.remote_name) {
            Some(_) => &self.remote_name[..self.remote_name.len() - TAG_CHARS - TAG_MARK.len()],
            None => self.remote_name,
        };
        let is_new = |parser: &ListedParser| {
            let before = self.ledger.refuted_baseline.as_deref().unwrap_or_default();
            !before.contains(&parser.id) && !self.ledger.made.contains(&parser.id)
        };
        let may_be_cut = |parser: &ListedParser| {
            let chars = parser.name.chars().count();
            chars >= SHORTEST_CUT_CHARS && (chars >= LONG_CUT_CHARS || parser.name != plain)
        };
        let usable = self
            .cut
            .iter()
            .filter(|parser| !parser.failed && !self.excluded.contains(&parser.id));
        usable
            .filter(|parser| is_new(parser) && may_be_cut(parser))
            .collect()
    }

    /// The parsers to ask for: those of the ledger that the list lacks and nobody holds. Of
    /// a former name also those that it shows as FAILED: it may lag.
    pub fn to_ask(&self) -> impl Iterator<Item = &ParserId> {
        let is_listed = |id: &ParserId| self.named.iter().any(|parser| parser.id == *id);
        self.ledger
            .made
            .iter()
            .filter(move |id| !self.excluded.contains(id) && (self.is_former || !is_listed(id)))
    }

    /// What is under the name, after [`Finding::Ask`]; none where the next name is used.
    pub fn after_asking(&self, paid_for: PaidFor) -> Option<Presence> {
        if self.is_former {
            return match paid_for {
                PaidFor::Nothing | PaidFor::Failed => None,
                PaidFor::Unknown => Some(Presence::Inconclusive),
                PaidFor::Usable(id) => Some(Presence::Own(id)),
            };
        }
        if self.goes_on_from(&paid_for) {
            return None;
        }
        Some(match paid_for {
            PaidFor::Nothing | PaidFor::Failed => Presence::Absent,
            PaidFor::Unknown => Presence::Inconclusive,
            PaidFor::Usable(id) => Presence::One(ListedParser {
                id,
                name: self.remote_name.to_owned(),
                version: None,
                failed: false,
                settled: false,
            }),
        })
    }

    const fn goes_on_from(&self, paid_for: &PaidFor) -> bool {
        self.may_rename
            && match paid_for {
                PaidFor::Nothing | PaidFor::Unknown => false,
                PaidFor::Failed => true,
                PaidFor::Usable(_) => self.wants_new,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ParserId {
        ParserId(text.to_owned())
    }

    fn parser(text: &str, failed: bool) -> ListedParser {
        ListedParser {
            id: id(text),
            name: "a".to_owned(),
            version: None,
            failed,
            settled: failed,
        }
    }

    fn one(text: &str) -> Finding {
        Finding::Use(Presence::One(parser(text, false)))
    }

    #[test]
    fn list_and_ledger_decide_which_name_is_used_and_what_is_under_it() {
        use Finding::{Ask, NextName, Use};
        let (good, other, bad) = (parser("1", false), parser("2", false), parser("3", true));
        let pending = LedgerFacts {
            pending: true,
            ..LedgerFacts::default()
        };
        let refuted = LedgerFacts {
            refuted_baseline: Some(vec![id("2")]),
            ..LedgerFacts::default()
        };
        let none = LedgerFacts::default();
        let both = vec![good.clone(), other.clone()];
        // (listed, held by others, ledger, may rename, wants new)
        let table = [
            (vec![], "", &none, true, false, Ask),
            (vec![], "", &none, true, true, Ask),
            (vec![good.clone()], "", &none, true, false, one("1")),
            (vec![good.clone()], "", &none, true, true, NextName),
            (vec![good.clone()], "", &none, false, true, one("1")),
            (vec![good.clone()], "1", &none, true, false, NextName),
            (vec![good.clone()], "1", &none, false, false, Ask),
            (
                both.clone(),
                "",
                &none,
                true,
                false,
                Use(Presence::Several(both.clone())),
            ),
            (both, "1", &none, true, false, one("2")),
            (vec![bad.clone()], "", &none, true, false, NextName),
            (vec![bad.clone()], "", &none, false, false, Ask),
            (vec![bad, good.clone()], "", &none, true, false, one("1")),
            (vec![], "", &pending, true, true, Use(Presence::Unresolved)),
            (
                vec![good],
                "",
                &refuted,
                true,
                true,
                Use(Presence::Unresolved),
            ),
            (vec![other], "", &refuted, true, false, one("2")),
        ];
        for (named, held, ledger, may_rename, wants_new, expected) in table {
            let excluded = HashSet::from([id(held)]);
            let known = NameFacts {
                remote_name: "a",
                named: &named,
                cut: &[],
                excluded: &excluded,
                ledger,
                is_former: false,
                may_rename,
                wants_new,
            };
            assert_eq!(known.finding(), expected, "{known:?}");
        }
    }

    #[test]
    fn what_was_paid_for_and_is_not_listed_decides_too() {
        let one = |text| Some(Presence::One(parser(text, false)));
        let table = [
            (PaidFor::Nothing, true, true, Some(Presence::Absent)),
            (PaidFor::Unknown, true, true, Some(Presence::Inconclusive)),
            (PaidFor::Failed, true, false, None),
            (PaidFor::Failed, false, true, Some(Presence::Absent)),
            (PaidFor::Usable(id("1")), true, true, None),
            (PaidFor::Usable(id("1")), true, false, one("1")),
            (PaidFor::Usable(id("1")), false, true, one("1")),
        ];
        for (paid_for, may_rename, wants_new, expected) in table {
            let known = NameFacts {
                remote_name: "a",
                named: &[],
                cut: &[],
                excluded: &HashSet::new(),
                ledger: &LedgerFacts::default(),
                is_former: false,
                may_rename,
                wants_new,
            };
            assert_eq!(known.after_asking(paid_for), expected, "{known:?}");
        }
    }

    #[test]
    fn only_what_the_list_lacks_and_nobody_holds_is_asked_for() {
        let ledger = LedgerFacts {
            made: vec![id("1"), id("2"), id("3")],
            ..LedgerFacts::default()
        };
        let known = NameFacts {
            remote_name: "a",
            named: &[parser("1", true)],
            cut: &[],
            excluded: &HashSet::from([id("2")]),
            ledger: &ledger,
            is_former: false,
            may_rename: true,
            wants_new: false,
        };
        assert_eq!(known.to_ask().collect::<Vec<_>>(), [&id("3")]);
    }

    #[test]
    fn a_parser_whose_name_may_be_cut_is_never_passed_over_without_a_person() {
        let cut = |text: &str, name: &str| ListedParser {
            name: name.to_owned(),
            ..parser(text, false)
        };
        let sent = "books-of-the-shop_pd_abcd2345";
        let before = LedgerFacts {
            refuted_baseline: Some(vec![id("1")]),
            ..LedgerFacts::default()
        };
        let none = LedgerFacts::default();
        let suspect = Finding::Use(Presence::Suspects(vec![id("1")]));
        for (listed, held, ledger, wants_new, expected) in [
            (cut("1", "books-of"), "", &none, false, suspect.clone()),
            (
                cut("1", "books-of-the-shop"),
                "",
                &none,
                false,
                suspect.clone(),
            ),
            (
                cut("1", "books-of-the-shop_pd_abcd"),
                "",
                &none,
                false,
                suspect,
            ),
            (cut("1", "books-of"), "", &none, true, Finding::Ask),
            (cut("1", "books-of"), "1", &none, false, Finding::Ask),
            (cut("1", "books-of"), "", &before, false, Finding::Ask),
            (cut("1", "books"), "", &none, false, Finding::Ask),
        ] {
            let known = NameFacts {
                remote_name: sent,
                named: &[],
                cut: std::slice::from_ref(&listed),
                excluded: &HashSet::from([id(held)]),
                ledger,
                is_former: false,
                may_rename: true,
                wants_new,
            };
            assert_eq!(known.finding(), expected, "{known:?}");
        }
    }

    #[test]
    fn without_a_tag_another_spelling_is_for_a_person_to_tell() {
        let listed = |name: &str| ListedParser {
            name: name.to_owned(),
            ..parser("1", false)
        };
        let several = Finding::Use(Presence::Several(vec![listed("books")]));
        for (sent, name, expected) in [
            (
                "Books",
                "Books",
                Finding::Use(Presence::One(listed("Books"))),
            ),
            ("Books", "books", several),
            (
                "Books_pd_abcd2345",
                "books-pd-abcd2345",
                Finding::Use(Presence::One(listed("books-pd-abcd2345"))),
            ),
        ] {
            let known = NameFacts {
                remote_name: sent,
                named: &[listed(name)],
                cut: &[],
                excluded: &HashSet::new(),
                ledger: &LedgerFacts::default(),
                is_former: false,
                may_rename: tag_of(sent).is_some(),
                wants_new: false,
            };
            assert_eq!(known.finding(), expected, "{known:?}");
        }
    }

    #[test]
    fn a_former_name_gives_back_its_parser_and_is_never_created_under() {
        let made = LedgerFacts {
            made: vec![id("1")],
            was_sent: true,
            ..LedgerFacts::default()
        };
        let own = Some(Presence::Own(id("1")));
        let failed = [parser("1", true)];
        let good = [parser("1", false)];
        let known = |named| NameFacts {
            remote_name: "a_pd_abcd2345",
            named,
            cut: &[],
            excluded: Box::leak(Box::default()),
            ledger: &made,
            is_former: true,
            may_rename: true,
            wants_new: false,
        };
        let use_it = Finding::Use(Presence::Own(id("1")));
        for (named, finding) in [
            (&good[..], use_it),
            (&failed[..], Finding::Ask),
            (&[], Finding::Ask),
        ] {
            assert_eq!(known(named).finding(), finding, "{named:?}");
            assert!(known(named).to_ask().eq([&id("1")]), "{named:?}");
        }
        for (paid_for, presence) in [
            (PaidFor::Nothing, None),
            (PaidFor::Failed, None),
            (PaidFor::Unknown, Some(Presence::Inconclusive)),
            (PaidFor::Usable(id("1")), own),
        ] {
            assert_eq!(known(&[]).after_asking(paid_for), presence);
        }
    }
}
