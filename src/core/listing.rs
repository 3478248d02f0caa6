//! PURE: what one list of the account shows, and how far its absences can be trusted.

use std::{
    collections::{HashMap, HashSet},
    sync::OnceLock,
};

use crate::core::{
    job::{DurationMs, ParserId, UnixMs},
    ledger::KnownParser,
    lifecycle::Evidence,
    outcome::ListedParser,
    remote_name::{Echo, Folded, Tag, folded, folded_base, is_tagged, tag_of, tags_in},
    rules::{Rule, Rules},
};

/// What is shorter than the longest name of a list by more characters was not cut where
/// that one was not: a cut may be followed by a trim.
const TRIM_SLACK: usize = 3;

/// Lists of whole multiples of this many parsers may be pages of longer ones.
const ROUND: usize = 50;

/// A list of the account, indexed.
#[derive(Debug, Clone)]
pub struct Listing {
    /// When it was asked for.
    pub listed_at: UnixMs,
    /// Why its absences prove nothing; none where they do.
    pub distrust: Option<String>,
    /// It shows a parser that is known from this database: it is a list of what is asked about.
    pub shows_known: bool,
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
    /// Those with a tag, by what stands before it, as far as letters and digits tell.
    by_base: OnceLock<HashMap<String, Vec<u32>>>,
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

/// Whether a list of so many parsers may be a page of a longer one, by its length.
pub const fn is_round(items: usize) -> bool {
    items > 0 && items.is_multiple_of(ROUND)
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
            shows_known: false,
            cut_to_chars: None,
            rules: Rules::KEPT,
            items,
            by_name,
            by_tag,
            long,
            by_spelling: OnceLock::new(),
            by_base: OnceLock::new(),
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

    /// Every parser whose name is that of this job with any tag, however it is spelt here: another
    /// database made it, or this job when it asked for something else.
    pub fn of_job(&self, name: &str) -> Vec<&ListedParser> {
        let by_base = self.by_base.get_or_init(|| {
            let mut by_base: HashMap<String, Vec<u32>> = HashMap::new();
            for (place, item) in (0u32..).zip(&self.items) {
                if let Some(base) = folded_base(&item.name) {
                    by_base.entry(base).or_default().push(place);
                }
            }
            by_base
        });
        let places = by_base.get(&folded(name)).map_or(&[][..], Vec::as_slice);
        places.iter().map(|place| self.item(*place)).collect()
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

    /// The latest version of this parser, where the list shows it.
    pub fn version_of(&self, id: &ParserId) -> Option<i64> {
        self.find(id).and_then(|item| item.version)
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
    ///
    /// Where it shows nothing that is known, it may be a page of a longer one: once a create of
    /// the name counts as not made (`was_refuted`), the next absence proves nothing.
    pub fn evidence_for(
        &self,
        sent: &str,
        apart: Apart<'_>,
        strangers: &[ParserId],
        was_refuted: bool,
    ) -> Evidence {
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
        if self.may_be_a_page(was_refuted) {
            let count = self.items.len();
            return Evidence::Inconclusive(format!(
                "the list has {count} parsers and shows none that this database knows: it may be a \
                 page of a longer one"
            ));
        }
        self.absence(Some(sent))
    }

    /// Whether nothing speaks against it, and something for it.
    fn may_be_a_page(&self, was_refuted: bool) -> bool {
        let is_round = is_round(self.items.len());
        !self.shows_known && !self.items.is_empty() && (is_round || was_refuted)
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
mod tests;
