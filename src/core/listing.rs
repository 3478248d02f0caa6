//! PURE: what one list of the account shows, and how far its absences can be trusted.

use std::{collections::HashSet, sync::OnceLock};

use crate::core::{
    job::{DurationMs, ParserId, UnixMs},
    ledger::KnownParser,
    lifecycle::Evidence,
    outcome::ListedParser,
    remote_name::{Echo, Folded, Tag, is_tagged, tag_of, tags_in},
    rules::{Rule, Rules},
};

/// What is shorter than the longest name of a list by more characters was not cut where
/// that one was not: a cut may be followed by a trim.
const TRIM_SLACK: usize = 3;

/// A list of the account, indexed.
#[derive(Debug, Clone)]
pub struct Listing {
    /// When it was asked for.
    pub listed_at: UnixMs,
    /// Why its absences prove nothing; none where they do.
    pub distrust: Option<String>,
    /// The service was seen to cut names to so many characters: the absence of a longer
    /// one proves nothing.
    pub cut_to_chars: Option<usize>,
    rules: Rules,
    /// In the order of their ids. Sorted rather than hashed: an account may hold a hundred
    /// thousand parsers, and each is here once.
    items: Vec<ListedParser>,
    /// Their places, in the order of their names.
    by_name: Vec<u32>,
    /// Every tag that their names bear, in order.
    by_tag: Vec<(Tag, u32)>,
    /// Those without a tag whose names are about as long as names get here.
    long: Vec<u32>,
    /// Those without a tag in the order of a hash of their spelling, for names that are
    /// sent without one.
    by_spelling: OnceLock<Vec<(u64, u32)>>,
}

/// What a list says of the parsers that are known to be there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assessment {
    /// Known ones that it lacks: deleted, or the list is partial.
    pub missing: Vec<ParserId>,
    /// A known one that it has under another name than was sent: (sent, shown).
    pub renamed: Option<(String, String)>,
    /// A known one whose name is spelt otherwise, or cut, and can still be told apart.
    pub altered: Option<(String, String)>,
    /// The fewest characters to which a name was seen to be cut.
    pub cut_to_chars: Option<usize>,
}

/// What a search of a list leaves out.
#[derive(Debug, Clone, Copy)]
pub struct Apart<'a> {
    /// Parsers that were there before.
    pub baseline: &'a [ParserId],
    /// Parsers that other jobs hold, or that a person said are not this job's.
    pub excluded: &'a HashSet<ParserId>,
}

impl Apart<'_> {
    fn leaves(&self, parser: &ListedParser) -> bool {
        !self.baseline.contains(&parser.id) && !self.excluded.contains(&parser.id)
    }
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
        let places = || (0u32..).zip(&items);
        let mut by_name: Vec<u32> = places().map(|(place, _)| place).collect();
        by_name.sort_by(|&a, &b| items[a as usize].name.cmp(&items[b as usize].name));
        let mut by_tag: Vec<(Tag, u32)> = places()
            .flat_map(|(place, item)| tags_in(&item.name).into_iter().map(move |tag| (tag, place)))
            .collect();
        by_tag.sort_unstable();
        by_tag.shrink_to_fit();
        let longest = |length: fn(&str) -> usize| {
            let lengths = items.iter().map(|item| length(&item.name));
            lengths.max().unwrap_or(0)
        };
        let (chars, bytes) = (longest(|name| name.chars().count()), longest(str::len));
        let is_long = |name: &str| {
            name.chars().count() + TRIM_SLACK >= chars || name.len() + TRIM_SLACK >= bytes
        };
        let long = places()
            .filter(|(_, item)| !is_tagged(&item.name) && is_long(&item.name))
            .map(|(place, _)| place)
            .collect();
        Self {
            listed_at,
            distrust: None,
            cut_to_chars: None,
            rules: Rules::KEPT,
            items,
            by_name,
            by_tag,
            long,
            by_spelling: OnceLock::new(),
        }
    }

    /// The same, searched under these rules.
    #[must_use]
    pub const fn under(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// The parser of this id.
    pub fn find(&self, id: &ParserId) -> Option<&ListedParser> {
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
        let mut found = Assessment::default();
        for parser in known {
            let Some(item) = self.find(&parser.id) else {
                found.missing.push(parser.id.clone());
                continue;
            };
            let Some(sent) = &parser.remote_name else {
                continue;
            };
            let told = || (sent.clone(), item.name.clone());
            match Echo::of(sent, &item.name) {
                Echo::Same => {}
                Echo::Respelt => {
                    found.altered.get_or_insert_with(told);
                }
                Echo::Cut(chars) => {
                    found.altered.get_or_insert_with(told);
                    let before = found.cut_to_chars.unwrap_or(chars);
                    found.cut_to_chars = Some(before.min(chars));
                }
                Echo::Other => {
                    found.renamed.get_or_insert_with(told);
                }
            }
        }
        found
    }

    /// Every parser of that very name.
    fn named(&self, name: &str) -> Vec<&ListedParser> {
        let first = self
            .by_name
            .partition_point(|&place| self.item(place).name.as_str() < name);
        let from = self.by_name[first..].iter().map(|&place| self.item(place));
        from.take_while(|item| item.name == name).collect()
    }

    const fn item(&self, place: u32) -> &ListedParser {
        &self.items.as_slice()[place as usize]
    }

    /// Every parser that bears the tag of the name that was `sent`, or, where that has no
    /// tag, whose name may be another spelling of it.
    pub fn bearing(&self, sent: &str) -> Vec<&ListedParser> {
        if !self.rules.keep(Rule::TagIdentity) {
            return self.named(sent);
        }
        let Some(tag) = tag_of(sent) else {
            return self.spelt_like(sent);
        };
        self.with_tag(tag).collect()
    }

    /// Every parser whose name bears this tag.
    pub fn with_tag(&self, tag: Tag) -> impl Iterator<Item = &ListedParser> {
        let first = self.by_tag.partition_point(|(other, _)| *other < tag);
        let own = self.by_tag[first..].iter();
        own.take_while(move |(other, _)| *other == tag)
            .map(|(_, place)| self.item(*place))
    }

    fn spelt_like(&self, sent: &str) -> Vec<&ListedParser> {
        let exact = self.named(sent);
        let own = Folded::new(sent);
        let by_spelling = self.by_spelling.get_or_init(|| {
            let untagged = (0u32..).zip(&self.items);
            let untagged = untagged.filter(|(_, item)| !is_tagged(&item.name));
            let mut hashes: Vec<_> = untagged
                .flat_map(|(place, item)| {
                    let hashes = Folded::new(&item.name).hashes();
                    hashes.into_iter().map(move |hash| (hash, place))
                })
                .collect();
            hashes.sort_unstable();
            hashes.dedup();
            hashes
        });
        let mut places: Vec<u32> = Vec::new();
        for hash in own.hashes() {
            let first = by_spelling.partition_point(|(other, _)| *other < hash);
            let same = by_spelling[first..]
                .iter()
                .take_while(|(other, _)| *other == hash);
            places.extend(same.map(|(_, place)| *place));
        }
        places.sort_unstable();
        places.dedup();
        let alike = places.into_iter().map(|place| self.item(place));
        let alike = alike.filter(|item| item.name != sent);
        let alike = alike.filter(|item| Folded::new(&item.name).is_like(&own));
        exact.into_iter().chain(alike).collect()
    }

    /// Parsers whose names may be what a cut left of the one that was `sent`: without a
    /// tag, and about as long as any name here.
    pub fn cut_from(&self, sent: &str) -> Vec<&ListedParser> {
        let own = Folded::new(sent);
        let long = self.long.iter().map(|place| self.item(*place));
        long.filter(|item| Folded::new(&item.name).may_be_cut_from(&own))
            .collect()
    }

    /// The name under which the list shows this parser.
    pub fn name_of(&self, id: &ParserId) -> Option<&str> {
        self.find(id).map(|item| item.name.as_str())
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

    /// Every parser of it.
    pub fn items(&self) -> &[ListedParser] {
        &self.items
    }

    /// The parsers that are no longer being generated.
    pub fn settled(&self) -> impl Iterator<Item = &ParserId> {
        let settled = self.items.iter().filter(|parser| parser.settled);
        settled.map(|parser| &parser.id)
    }

    /// What it shows of a create in doubt of the name that was `sent`. One that FAILED
    /// counts: it was made. `strangers` are parsers that nobody can explain and that came
    /// after the create was sent.
    pub fn evidence_for(&self, sent: &str, apart: Apart<'_>, strangers: &[ParserId]) -> Evidence {
        let own = self.bearing(sent).into_iter();
        let own: Vec<_> = own.filter(|parser| apart.leaves(parser)).collect();
        match own.as_slice() {
            [] => {}
            [parser] => return Evidence::One(parser.id.clone(), parser.version),
            several => return Evidence::Several(ids(several)),
        }
        if !self.rules.keep(Rule::TagIdentity) {
            return self.absence(None);
        }
        let cut = self.cut_from(sent).into_iter();
        let cut: Vec<_> = cut.filter(|parser| apart.leaves(parser)).collect();
        if !cut.is_empty() {
            let why = "the service may have cut the name of one of them";
            return Evidence::Suspects(ids(&cut), why);
        }
        let strangers = strangers.iter().filter_map(|id| self.find(id));
        let strangers: Vec<_> = strangers
            .filter(|parser| apart.leaves(parser) && !is_tagged(&parser.name))
            .collect();
        if !strangers.is_empty() {
            let why = "they came after the create was sent, and nothing explains them";
            return Evidence::Suspects(ids(&strangers), why);
        }
        self.absence(Some(sent))
    }

    /// What it shows of a parser that was answered 404 and whose name was `sent`: itself,
    /// or another one that bears its tag.
    pub fn evidence_for_lost(
        &self,
        id: &ParserId,
        sent: Option<&str>,
        apart: Apart<'_>,
    ) -> Evidence {
        if let Some(item) = self.find(id) {
            return Evidence::One(id.clone(), item.version);
        }
        let own = sent.map(|sent| self.bearing(sent)).unwrap_or_default();
        let own: Vec<_> = own
            .into_iter()
            .filter(|parser| apart.leaves(parser))
            .collect();
        match own.as_slice() {
            [] => self.absence(sent),
            [parser] => Evidence::One(parser.id.clone(), parser.version),
            several => Evidence::Several(ids(several)),
        }
    }

    fn absence(&self, sent: Option<&str>) -> Evidence {
        if let Some(why) = &self.distrust {
            return Evidence::Inconclusive(why.clone());
        }
        let chars = sent.map_or(0, |sent| sent.chars().count());
        match self.cut_to_chars {
            Some(cut) if chars > cut => Evidence::Inconclusive(format!(
                "the service cuts names to {cut} characters, and this one has {chars}"
            )),
            Some(_) | None => Evidence::Absent,
        }
    }
}

fn ids(parsers: &[&ListedParser]) -> Vec<ParserId> {
    parsers.iter().map(|parser| parser.id.clone()).collect()
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

    const fn apart<'a>(baseline: &'a [ParserId], excluded: &'a HashSet<ParserId>) -> Apart<'a> {
        Apart { baseline, excluded }
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
        let several = |ids: &[&str]| Evidence::Several(ids.iter().map(|text| id(text)).collect());
        let table = [
            ("a", vec![], claimed(&[]), several(&["1", "2", "3"])),
            ("a", vec![id("1")], claimed(&[]), several(&["2", "3"])),
            (
                "a",
                vec![id("1")],
                claimed(&["3"]),
                Evidence::One(id("2"), None),
            ),
            (
                "a",
                vec![id("1"), id("2")],
                claimed(&["3"]),
                Evidence::Absent,
            ),
            ("b", vec![], claimed(&[]), Evidence::One(id("4"), None)),
            ("c", vec![], claimed(&[]), Evidence::Absent),
        ];
        for (name, baseline, claimed, expected) in table {
            assert_eq!(
                list.evidence_for(name, apart(&baseline, &claimed), &[]),
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
            let named = list.bearing("a").into_iter().map(|parser| parser.failed);
            let named: Vec<_> = named.collect();
            assert_eq!(named, [failed], "{versions:?}");
        }
    }

    #[test]
    fn an_absence_in_a_list_without_trust_proves_nothing() {
        let mut list = listing(&[("1", "a")]);
        list.distrust = Some("paged".to_owned());
        let inconclusive = Evidence::Inconclusive("paged".to_owned());
        let none = HashSet::new();
        let apart = apart(&[], &none);
        assert_eq!(list.evidence_for("x", apart, &[]), inconclusive);
        let lost = |text| list.evidence_for_lost(&id(text), Some("x"), apart);
        assert_eq!(lost("9"), inconclusive);
        assert_eq!(lost("1"), Evidence::One(id("1"), None));
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
        let list = listing(&[("1", "a"), ("2", "b "), ("4", "other"), ("5", "long-nam")]);
        assert_eq!(list.assess(&[known("1", "a")]), Assessment::default());
        let sent = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(
            list.assess(&[
                known("1", "a"),
                known("2", "b"),
                known("3", "c"),
                known("4", "d"),
                known("5", "long-name_pd_abcd2345"),
            ]),
            Assessment {
                missing: vec![id("3")],
                renamed: sent("d", "other"),
                altered: sent("b", "b "),
                cut_to_chars: Some(8),
            }
        );
    }

    #[test]
    fn a_create_in_doubt_is_seen_by_its_tag_however_its_name_was_altered() {
        let sent = "Tom & Jo_pd_abcd2345";
        let none = HashSet::new();
        let one = || Evidence::One(id("1"), None);
        let why = "the service may have cut the name of one of them";
        let cut = || Evidence::Suspects(vec![id("1")], why);
        for (items, expected) in [
            (vec![("1", "tom &amp; jo_pd_abcd2345"), ("2", "z")], one()),
            (vec![("1", "tom-jo-pd-abcd2345")], one()),
            (vec![("1", "Tom & Jo_pd_ab")], cut()),
            // Longer names are there: it was not cut.
            (
                vec![("1", "Tom"), ("2", "a-much-longer-name_pd_wxyz2345")],
                Evidence::Absent,
            ),
            (vec![("1", "Tom & Jo_pd_abcd2346")], Evidence::Absent),
            (vec![], Evidence::Absent),
        ] {
            let list = listing(&items);
            assert_eq!(
                list.evidence_for(sent, apart(&[], &none), &[]),
                expected,
                "{items:?}"
            );
        }
    }

    #[test]
    fn without_a_tag_other_spellings_of_the_name_are_seen() {
        let list = listing(&[("1", "caf\u{e9} bar"), ("2", "Cafe Bar"), ("3", "x")]);
        let found = |sent| {
            let found = list.bearing(sent).into_iter();
            found.map(|parser| parser.id.0.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(found("cafe\u{301}  bar"), ["1", "2"]);
        assert_eq!(found("Cafe Bar"), ["2", "1"]);
        assert_eq!(found("X "), ["3"]);
        assert!(found("y").is_empty());
    }

    #[test]
    fn a_parser_that_came_since_and_that_nothing_explains_disproves_an_absence() {
        let list = listing(&[("1", "renamed"), ("2", "foreign_pd_abcd2345")]);
        let evidence_for = |strangers: &[ParserId]| {
            let none = HashSet::new();
            list.evidence_for("a_pd_wxyz2345", apart(&[], &none), strangers)
        };
        assert_eq!(evidence_for(&[]), Evidence::Absent);
        // Another database's, and one that is gone again.
        assert_eq!(evidence_for(&[id("2"), id("9")]), Evidence::Absent);
        assert!(matches!(evidence_for(&[id("1")]), Evidence::Suspects(ids, _) if ids == [id("1")]));
    }

    #[test]
    fn where_names_are_cut_the_absence_of_a_longer_one_proves_nothing() {
        let mut list = listing(&[("1", "z")]);
        list.cut_to_chars = Some(15);
        let none = HashSet::new();
        let evidence_for = |sent| list.evidence_for(sent, apart(&[], &none), &[]);
        assert_eq!(evidence_for("abc_pd_abcd2345"), Evidence::Absent);
        assert!(matches!(
            evidence_for("abcd_pd_abcd2345"),
            Evidence::Inconclusive(_)
        ));
    }

    #[test]
    fn a_parser_that_is_gone_is_looked_for_by_the_name_that_was_sent() {
        let list = listing(&[("1", "a_pd_abcd2345"), ("2", "A-pd-abcd2345")]);
        let none = HashSet::new();
        let lost = |sent, baseline: &[ParserId]| {
            list.evidence_for_lost(&id("9"), sent, apart(baseline, &none))
        };
        assert_eq!(lost(None, &[]), Evidence::Absent);
        assert_eq!(lost(Some("b_pd_wxyz2345"), &[]), Evidence::Absent);
        let both = Evidence::Several(vec![id("1"), id("2")]);
        assert_eq!(lost(Some("a_pd_abcd2345"), &[]), both);
        assert_eq!(
            lost(Some("a_pd_abcd2345"), &[id("1")]),
            Evidence::One(id("2"), None)
        );
    }
}
