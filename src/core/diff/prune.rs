//! PURE: which parsers go that no file names.

use std::collections::HashMap;

use super::{Diff, Verb};
use crate::core::job::ParserId;

/// What is there, whether a file names it or not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beside {
    /// The parsers that are not deleted, by name.
    pub parsers: Vec<ParserBeside>,
    /// The names of the jobs that are to make one yet, or FAILED to.
    pub waiting: Vec<String>,
    /// Of these, the ones that FAILED.
    pub failed: Vec<String>,
}

/// A parser that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParserBeside {
    /// Its id.
    pub parser_id: ParserId,
    /// Its name.
    pub name: String,
    /// Its latest version, where one is known.
    pub latest_version: Option<i64>,
    /// Whether it is kept from being deleted.
    pub is_protected: bool,
    /// Whether the name stands for another one.
    pub is_replaced: bool,
    /// Whether it is being changed or deleted, or a parser of its name is being made.
    pub is_busy: bool,
}

/// The names that files have, and whether another parser of the name is to be made, which may turn
/// out to be one that was there before.
#[derive(Debug, Clone, Default)]
pub struct Names(HashMap<String, bool>);

impl Names {
    /// Takes in a job of a file.
    pub fn add(&mut self, name: &str, diff: &Diff) {
        let is_made_anew = matches!(diff.verb, Verb::Create | Verb::EditWaiting | Verb::Replace);
        self.0.insert(name.to_owned(), is_made_anew);
    }
}

/// What becomes of those that no file names, and of those that were replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prune {
    /// They are deleted.
    pub deleted: Vec<ParserBeside>,
    /// They are left: they are protected, or busy.
    pub left: Vec<ParserBeside>,
    /// How many jobs are to make a parser that no file names, or FAILED to: they are left alone.
    pub waiting: usize,
    /// How many of these FAILED.
    pub failed: usize,
}

impl Prune {
    /// Of all that is there what goes, where files have these names.
    pub fn of(beside: Beside, names: &Names) -> Self {
        let unnamed = |jobs: &[String]| {
            let jobs = jobs.iter();
            jobs.filter(|name| !names.0.contains_key(*name)).count()
        };
        let (waiting, failed) = (unnamed(&beside.waiting), unnamed(&beside.failed));
        let may_go = |row: &ParserBeside| row.is_replaced || !names.0.contains_key(&row.name);
        let unnamed = beside.parsers.into_iter().filter(may_go);
        let unnamed = unnamed.map(|row| {
            let is_made_anew = names.0.get(&row.name) == Some(&true);
            let is_busy = row.is_busy || is_made_anew;
            ParserBeside { is_busy, ..row }
        });
        let (left, deleted) = unnamed.partition(|row| row.is_protected || row.is_busy);
        Self {
            deleted,
            left,
            waiting,
            failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parser(name: &str, replaced: bool, protected: bool, busy: bool) -> ParserBeside {
        ParserBeside {
            parser_id: ParserId(format!("{name} {replaced} {protected} {busy}")),
            name: name.to_owned(),
            latest_version: None,
            is_protected: protected,
            is_replaced: replaced,
            is_busy: busy,
        }
    }

    #[test]
    fn what_no_file_names_and_what_was_replaced_goes_unless_it_is_protected_or_busy() {
        let mut names = Names::default();
        names.add("named", &Diff::of(Verb::Same, 0));
        names.add("anew", &Diff::of(Verb::Replace, 1));
        for name in ["named", "unnamed", "anew"] {
            for bits in 0..8_u8 {
                let [is_replaced, is_protected, is_busy] = [1, 2, 4].map(|bit| bits & bit != 0);
                let one = parser(name, is_replaced, is_protected, is_busy);
                let beside = Beside {
                    parsers: vec![one],
                    waiting: vec![name.to_owned()],
                    failed: is_busy.then(|| name.to_owned()).into_iter().collect(),
                };
                let prune = Prune::of(beside, &names);
                let may_go = is_replaced || name == "unnamed";
                let is_kept = is_protected || is_busy || name == "anew";
                assert_eq!(prune.deleted.len(), usize::from(may_go && !is_kept));
                assert_eq!(prune.left.len(), usize::from(may_go && is_kept));
                assert_eq!(prune.waiting, usize::from(name == "unnamed"));
                assert_eq!(prune.failed, usize::from(name == "unnamed" && is_busy));
            }
        }
    }
}
