//! PURE: which name a create would use, and what is there under it already. The worker
//! acts on it, and `parserd plan` tells it.

use std::collections::HashSet;

use crate::{api::types::ListedParser, job::ParserId, lifecycle::Presence, store::LedgerFacts};

/// What is known of one remote name.
#[derive(Debug)]
pub struct Known<'a> {
    /// The name.
    pub remote_name: &'a str,
    /// The account's parsers of that name.
    pub named: &'a [ListedParser],
    /// Those of them, and of the ledger's, that other jobs hold.
    pub claimed: &'a HashSet<ParserId>,
    /// What is recorded of creates of that name.
    pub ledger: &'a LedgerFacts,
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
    /// for by id, and [`Known::after_asking`] goes on.
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

impl Known<'_> {
    /// What comes of the name, as far as list and ledger tell.
    pub fn finding(&self) -> Finding {
        let mut usable: Vec<_> = self
            .named
            .iter()
            .filter(|parser| !parser.failed && !self.claimed.contains(&parser.id))
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
        if self.may_rename && !self.named.is_empty() && (usable.is_empty() || self.wants_new) {
            // Only FAILED parsers, or the user wants another.
            return Finding::NextName;
        }
        match usable.len() {
            0 => Finding::Ask,
            1 => Finding::Use(Presence::One(usable.remove(0).clone())),
            count => Finding::Use(Presence::Several(count)),
        }
    }

    /// The parsers to ask for: those of the ledger that the list lacks and nobody holds.
    pub fn to_ask(&self) -> impl Iterator<Item = &ParserId> {
        self.ledger.made.iter().filter(|id| {
            !self.claimed.contains(id) && !self.named.iter().any(|parser| parser.id == **id)
        })
    }

    /// What is under the name, after [`Finding::Ask`]; none where the next name is used.
    pub fn after_asking(&self, paid_for: PaidFor) -> Option<Presence> {
        if self.goes_on_from(&paid_for) {
            return None;
        }
        Some(match paid_for {
            PaidFor::Nothing | PaidFor::Failed => Presence::Absent,
            PaidFor::Unknown => Presence::Unproven,
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
                Use(Presence::Several(2)),
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
            let claimed = HashSet::from([id(held)]);
            let known = Known {
                remote_name: "a",
                named: &named,
                claimed: &claimed,
                ledger,
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
            (PaidFor::Unknown, true, true, Some(Presence::Unproven)),
            (PaidFor::Failed, true, false, None),
            (PaidFor::Failed, false, true, Some(Presence::Absent)),
            (PaidFor::Usable(id("1")), true, true, None),
            (PaidFor::Usable(id("1")), true, false, one("1")),
            (PaidFor::Usable(id("1")), false, true, one("1")),
        ];
        for (paid_for, may_rename, wants_new, expected) in table {
            let known = Known {
                remote_name: "a",
                named: &[],
                claimed: &HashSet::new(),
                ledger: &LedgerFacts::default(),
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
        let known = Known {
            remote_name: "a",
            named: &[parser("1", true)],
            claimed: &HashSet::from([id("2")]),
            ledger: &ledger,
            may_rename: true,
            wants_new: false,
        };
        assert_eq!(known.to_ask().collect::<Vec<_>>(), [&id("3")]);
    }
}
