//! PURE: what one list of the account shows, and how far its absences can be trusted.

use std::collections::HashSet;

use crate::{
    api::types::ListedParser,
    job::{DurationMs, ParserId, UnixMs},
    lifecycle::Sighting,
    store::KnownParser,
};

/// A list of the account, indexed.
#[derive(Debug, Clone)]
pub struct Listing {
    /// When it was asked for.
    pub listed_at: UnixMs,
    /// Why its absences prove nothing; none where they do.
    pub distrust: Option<String>,
    /// In the order of their ids. Sorted rather than hashed: an account may hold a hundred
    /// thousand parsers, and each is here once.
    items: Vec<ListedParser>,
    /// Their places, in the order of their names.
    by_name: Vec<usize>,
}

/// What a list says of the parsers that are known to be there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assessment {
    /// Known ones that it lacks: deleted, or the list is partial.
    pub missing: Vec<ParserId>,
    /// A known one that it has under another name than was sent: (sent, shown).
    pub altered: Option<(String, String)>,
}

impl Listing {
    /// Indexes a list. It is trusted until something says otherwise.
    pub fn new(mut items: Vec<ListedParser>, listed_at: UnixMs) -> Self {
        items.sort_by(|a, b| a.id.0.cmp(&b.id.0));
        // A service that lists each version by itself still means one parser, and it is
        // of use as long as one version is.
        items.dedup_by(|item, kept| {
            let same = item.id == kept.id;
            if same {
                kept.failed &= item.failed;
                kept.settled &= item.settled;
                kept.version = kept.version.max(item.version);
            }
            same
        });
        items.shrink_to_fit();
        let mut by_name: Vec<usize> = (0..items.len()).collect();
        by_name.sort_by(|&a, &b| items[a].name.cmp(&items[b].name));
        Self {
            listed_at,
            distrust: None,
            items,
            by_name,
        }
    }

    fn find(&self, id: &ParserId) -> Option<&ListedParser> {
        let place = self.items.binary_search_by(|item| item.id.0.cmp(&id.0));
        place.ok().map(|index| &self.items[index])
    }

    /// Whether a whole list shows this parser, which was known before the list was asked
    /// for; lists lag by up to `lag_ms`. Known since a time to come, it was recorded by a
    /// clock that was set back since, however long ago.
    pub const fn must_show(&self, parser: &KnownParser, lag_ms: DurationMs) -> bool {
        parser.known_since <= self.listed_at.saturating_sub(lag_ms)
            || parser.known_since > self.listed_at
    }

    /// Holds the list against the parsers that were known before it was asked for.
    pub fn assess(&self, known: &[KnownParser]) -> Assessment {
        let mut assessment = Assessment::default();
        for parser in known {
            match self.find(&parser.id) {
                None => assessment.missing.push(parser.id.clone()),
                Some(item) => {
                    let shown = &item.name;
                    if let Some(sent) = parser.remote_name.as_ref().filter(|sent| *sent != shown) {
                        assessment
                            .altered
                            .get_or_insert_with(|| (sent.clone(), shown.clone()));
                    }
                }
            }
        }
        assessment
    }

    /// Every parser of that name.
    pub fn named<'l>(&'l self, name: &'l str) -> impl Iterator<Item = &'l ListedParser> {
        let items = &self.items;
        let first = self
            .by_name
            .partition_point(|&index| items[index].name.as_str() < name);
        self.by_name[first..]
            .iter()
            .map(|&index| &items[index])
            .take_while(move |item| item.name == name)
    }

    /// Whether the list shows this parser.
    pub fn holds(&self, id: &ParserId) -> bool {
        self.find(id).is_some()
    }

    /// How many parsers it shows.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether it shows none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The parsers that are no longer being generated.
    pub fn settled(&self) -> impl Iterator<Item = &ParserId> {
        let settled = self.items.iter().filter(|parser| parser.settled);
        settled.map(|parser| &parser.id)
    }

    /// What it shows of a create in doubt: parsers of the name, less those that were
    /// there before and those that other jobs hold. One that FAILED counts: it was made.
    pub fn sight(
        &self,
        name: &str,
        baseline: &[ParserId],
        claimed: &HashSet<ParserId>,
    ) -> Sighting {
        let mut found = self
            .named(name)
            .filter(|parser| !baseline.contains(&parser.id) && !claimed.contains(&parser.id));
        match (found.next(), found.count()) {
            (Some(parser), 0) => Sighting::One(parser.id.clone(), parser.version),
            (Some(_), more) => Sighting::Several(more + 1),
            (None, _) => self.absence(),
        }
    }

    /// What it shows of a parser that was answered 404.
    pub fn sight_of_id(&self, id: &ParserId) -> Sighting {
        match self.find(id) {
            Some(item) => Sighting::One(id.clone(), item.version),
            None => self.absence(),
        }
    }

    fn absence(&self) -> Sighting {
        match &self.distrust {
            None => Sighting::Absent,
            Some(why) => Sighting::Unproven(why.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ParserId {
        ParserId(text.to_owned())
    }

    fn listing(items: &[(&str, &str)]) -> Listing {
        let items = items
            .iter()
            .map(|(parser_id, name)| ListedParser {
                id: id(parser_id),
                name: (*name).to_owned(),
                version: None,
                failed: false,
                settled: false,
            })
            .collect();
        Listing::new(items, 7)
    }

    fn known(parser_id: &str, remote_name: &str) -> KnownParser {
        KnownParser {
            id: id(parser_id),
            remote_name: Some(remote_name.to_owned()),
            known_since: 0,
        }
    }

    #[test]
    fn a_create_in_doubt_is_seen_by_its_name_less_what_was_there_and_what_others_hold() {
        let list = listing(&[("1", "a"), ("2", "a"), ("3", "a"), ("4", "b")]);
        let claimed = |ids: &[&str]| ids.iter().map(|text| id(text)).collect::<HashSet<_>>();
        let table = [
            ("a", vec![], claimed(&[]), Sighting::Several(3)),
            ("a", vec![id("1")], claimed(&[]), Sighting::Several(2)),
            (
                "a",
                vec![id("1")],
                claimed(&["3"]),
                Sighting::One(id("2"), None),
            ),
            (
                "a",
                vec![id("1"), id("2")],
                claimed(&["3"]),
                Sighting::Absent,
            ),
            ("b", vec![], claimed(&[]), Sighting::One(id("4"), None)),
            ("c", vec![], claimed(&[]), Sighting::Absent),
        ];
        for (name, baseline, claimed, expected) in table {
            assert_eq!(
                list.sight(name, &baseline, &claimed),
                expected,
                "{name} {baseline:?}"
            );
        }
    }

    #[test]
    fn a_parser_listed_version_by_version_is_one_and_failed_only_if_each_version_is() {
        for (versions, failed) in [
            ([true, false], false),
            ([false, true], false),
            ([true, true], true),
        ] {
            let items = versions.map(|failed| ListedParser {
                id: id("1"),
                name: "a".to_owned(),
                version: None,
                failed,
                settled: failed,
            });
            let list = Listing::new(items.to_vec(), 7);
            let named: Vec<_> = list.named("a").map(|parser| parser.failed).collect();
            assert_eq!(named, [failed], "{versions:?}");
        }
    }

    #[test]
    fn an_absence_in_a_list_without_trust_proves_nothing() {
        let mut list = listing(&[("1", "a")]);
        list.distrust = Some("paged".to_owned());
        let unproven = Sighting::Unproven("paged".to_owned());
        assert_eq!(list.sight("x", &[], &HashSet::new()), unproven);
        assert_eq!(list.sight_of_id(&id("9")), unproven);
        assert_eq!(list.sight_of_id(&id("1")), Sighting::One(id("1"), None));
    }

    #[test]
    fn a_list_must_show_what_is_known_for_long_or_by_a_clock_that_was_set_back() {
        let list = Listing::new(Vec::new(), 1_000);
        for (known_since, expected) in [
            (0, true),
            (900, true),
            (901, false),
            (1_000, false),
            (1_001, true),
            (i64::MAX, true),
        ] {
            let parser = KnownParser {
                known_since,
                ..known("1", "a")
            };
            assert_eq!(list.must_show(&parser, 100), expected, "{known_since}");
        }
    }

    #[test]
    fn a_list_is_held_against_what_is_known() {
        let list = listing(&[("1", "a"), ("2", "b ")]);
        assert_eq!(list.assess(&[known("1", "a")]), Assessment::default());
        assert_eq!(
            list.assess(&[known("1", "a"), known("2", "b"), known("3", "c")]),
            Assessment {
                missing: vec![id("3")],
                altered: Some(("b".to_owned(), "b ".to_owned())),
            }
        );
    }
}
