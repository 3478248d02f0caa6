//! PURE: which parsers of the account may be a job's, as far as their names tell.

use std::collections::HashSet;

use crate::core::{
    job::{Job, ParserId},
    listing::Listing,
    outcome::ListedParser,
    remote_name::{Echo, SHORTEST_CUT_CHARS, is_tagged},
};

/// Why a parser may be a job's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kinship {
    /// It bears the job's tag, or, where none was sent, its name.
    Named,
    /// It bears the job's own name, without a tag.
    Alike,
    /// Its name may be what a cut left of the job's.
    Cut,
    /// parserd itself took it for one that may be, for what a list showed.
    Suspected,
}

impl Kinship {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Named => "has its name",
            Self::Alike => "bears the job's own name, without the tag",
            Self::Cut => "its name may be cut",
            Self::Suspected => "the account lists it since about then",
        }
    }
}

/// The names by which a job's parsers are known.
#[derive(Debug, Clone)]
pub struct ParserNames {
    /// The job's own, without a tag.
    own: String,
    /// Those under which creates were, or would be, sent.
    sent: Vec<String>,
}

/// A parser that may be a job's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: ParserId,
    /// As the list has it; none where the list lacks it.
    pub listed: Option<ListedParser>,
    /// Why it may be.
    pub kinship: Kinship,
}

impl ParserNames {
    /// Of a job, for which creates of the names `sent` are on record.
    pub fn of(job: &Job, sent: impl IntoIterator<Item = String>) -> Self {
        let mut names: Vec<String> = job.progress.remote_name.iter().cloned().collect();
        for name in sent {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Self {
            own: job.name.clone(),
            sent: names,
        }
    }

    /// The newest of those that were sent, or the job's own, for a message.
    pub fn own_name(&self) -> &str {
        self.sent.first().unwrap_or(&self.own)
    }

    /// Whether a parser of this name may be the job's, and why.
    pub fn kinship(&self, listed: &str) -> Option<Kinship> {
        let mut echoes: Vec<_> = self
            .sent
            .iter()
            .map(|sent| Echo::of(sent, listed))
            .collect();
        let is_own = |echo: &Echo| matches!(echo, Echo::Same | Echo::Respelt);
        if echoes.iter().any(is_own) {
            return Some(Kinship::Named);
        }
        if is_tagged(listed) {
            // Another job's.
            return None;
        }
        let own = Echo::of(&self.own, listed);
        if is_own(&own) {
            return Some(Kinship::Alike);
        }
        echoes.push(own);
        let is_cut = |echo: &Echo| matches!(echo, Echo::Cut(chars) if *chars >= SHORTEST_CUT_CHARS);
        echoes.iter().any(is_cut).then_some(Kinship::Cut)
    }
}

/// The parsers of a list that may be the job's, and those that it has named before, less
/// those that are not for it. Those that bear its name come first.
pub fn among(
    job: &Job,
    names: &ParserNames,
    listing: &Listing,
    excluded: &HashSet<ParserId>,
) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    let mut add = |id: &ParserId, kinship| {
        if !excluded.contains(id) && !found.iter().any(|known| known.id == *id) {
            let listed = listing.find(id).cloned();
            let id = id.clone();
            found.push(Candidate {
                id,
                listed,
                kinship,
            });
        }
    };
    for sent in &names.sent {
        for parser in listing.bearing(sent) {
            add(&parser.id, Kinship::Named);
        }
    }
    for parser in listing.bearing(&names.own) {
        if names.kinship(&parser.name).is_some() {
            add(&parser.id, Kinship::Alike);
        }
    }
    for sent in &names.sent {
        for parser in listing.cut_from(sent) {
            add(&parser.id, Kinship::Cut);
        }
    }
    for id in &job.progress.candidates {
        add(id, Kinship::Suspected);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::job::{Action, JobId, Progress, Requested};

    fn job(remote_name: Option<&str>, candidates: &[&str]) -> Job {
        Job {
            id: JobId(1),
            name: "Books of 2026".to_owned(),
            action: Action::Create,
            revision: 1,
            run_at: None,
            requested: Requested::default(),
            progress: Progress {
                remote_name: remote_name.map(str::to_owned),
                candidates: candidates.iter().map(|text| id(text)).collect(),
                ..Progress::queued(0)
            },
        }
    }

    fn id(text: &str) -> ParserId {
        ParserId(text.to_owned())
    }

    const SENT: &str = "Books of 2026_pd_abcd2345";

    #[test]
    fn a_name_is_the_jobs_by_its_tag_its_spelling_or_a_cut() {
        let tagged = ParserNames::of(
            &job(Some(SENT), &[]),
            ["Books of 2026_pd_wxyz2345".to_owned()],
        );
        let plain = ParserNames::of(&job(Some("Books of 2026"), &[]), []);
        let unsent = ParserNames::of(&job(None, &[]), []);
        use Kinship::{Alike, Cut, Named};
        for (listed, with_tag, without, before) in [
            (SENT, Some(Named), None, None),
            ("books-of-2026-pd-ABCD2345", Some(Named), None, None),
            ("Books of 2026_pd_wxyz2345", Some(Named), None, None),
            ("Books of 2026_pd_mnop2345", None, None, None),
            ("Books of 2026", Some(Alike), Some(Named), Some(Alike)),
            ("books of  2026 ", Some(Alike), Some(Named), Some(Alike)),
            ("Books of 2026_pd_ab", Some(Cut), None, None),
            ("Books of", Some(Cut), Some(Cut), Some(Cut)),
            ("Books", None, None, None),
            ("Films of 2026", None, None, None),
            ("", None, None, None),
        ] {
            assert_eq!(tagged.kinship(listed), with_tag, "{listed}");
            assert_eq!(plain.kinship(listed), without, "{listed}");
            assert_eq!(unsent.kinship(listed), before, "{listed}");
        }
    }

    #[test]
    fn candidates_are_the_lists_and_the_jobs_less_those_that_are_not_for_it() {
        let items = [
            ("1", SENT),
            ("2", "books of 2026 pd abcd2345"),
            ("3", "Books of 2026_pd_mnop2345"),
            ("4", "Books of 2026_pd_abcd"),
            ("5", "Books of 2026"),
            ("6", "something else, which is as long as a name"),
            ("7", SENT),
        ];
        let items = items.map(|(parser, name)| ListedParser {
            id: id(parser),
            name: name.to_owned(),
            version: None,
            failed: false,
            settled: true,
        });
        let listing = Listing::new(items.to_vec(), 7);
        let job = job(Some(SENT), &["6", "2", "9"]);
        let names = ParserNames::of(&job, []);
        let found = among(&job, &names, &listing, &HashSet::from([id("7")]));
        let told: Vec<_> = found
            .iter()
            .map(|candidate| (candidate.id.0.as_str(), candidate.kinship))
            .collect();
        use Kinship::{Alike, Named, Suspected};
        assert_eq!(
            told,
            [
                ("1", Named),
                ("2", Named),
                ("5", Alike),
                ("6", Suspected),
                ("9", Suspected)
            ]
        );
        assert_eq!(found[4].listed, None);
    }
}
