//! PURE: whose a listed name is, however the service altered it.
//!
//! Whatever is sent may come back escaped, trimmed, normalised, in another case or cut.
//! What tells a parser apart is the tag at the end of its name, `NAME_pd_TAG`, not the
//! spelling around it.

use std::{
    borrow::Cow,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use unicode_normalization::UnicodeNormalization as _;

/// How many characters a tag has.
pub const TAG_CHARS: usize = 8;

/// What stands between a job's name and the tag.
pub const TAG_MARK: &str = "_pd_";

/// A name of fewer characters is not taken for what a cut left of one that no create in doubt
/// sent: a parser that somebody made by hand and called `books` is not a reason to ask a person
/// about the job `books-of-2026`.
pub const SHORTEST_CUT_CHARS: usize = 8;

/// The tag of a remote name.
pub type Tag = [u8; TAG_CHARS];

/// The tag of a name that was sent; none where it has none.
pub fn tag_of(sent: &str) -> Option<Tag> {
    let at = sent.len().checked_sub(TAG_CHARS)?;
    let (before, tag) = (sent.get(..at)?, sent.get(at..)?);
    before
        .ends_with(TAG_MARK)
        .then(|| as_tag(tag.as_bytes()))
        .flatten()
}

/// Whether a listed name ends in a tag as parserd writes it. Then it was not cut, and the
/// tag says whose it is.
pub fn is_tagged(listed: &str) -> bool {
    tag_of(listed).is_some()
}

/// What stands before the tag of a name, if it is one that parserd sends.
pub fn base_of(sent: &str) -> Option<&str> {
    tag_of(sent)?;
    sent.get(..sent.len() - TAG_CHARS - TAG_MARK.len())
}

/// A name as it is compared where nothing but letters and digits counts, without the tag that it
/// bears at its end; none where it bears none.
pub fn folded_base(listed: &str) -> Option<String> {
    let folded = folded(listed);
    let at = folded.len().checked_sub(TAG_CHARS)?;
    as_tag(folded.as_bytes().get(at..)?)?;
    folded.get(..at)?.strip_suffix("pd").map(str::to_owned)
}

/// A name as it is compared where nothing but letters and digits counts.
pub fn folded(name: &str) -> String {
    let name: Cow<'_, str> = html_escape::decode_html_entities(name);
    kept(name.nfkc().flat_map(char::to_lowercase), |_| true)
}

/// Every tag that a listed name may bear: the last characters of each run of letters and
/// digits, and those after each `pd`, in lower case.
pub fn tags_in(listed: &str) -> Vec<Tag> {
    let text = listed.to_ascii_lowercase();
    let mut tags = Vec::new();
    let mut add = |bytes: Option<&[u8]>| {
        if let Some(tag) = bytes.and_then(as_tag)
            && !tags.contains(&tag)
        {
            tags.push(tag);
        }
    };
    for run in text.split(|c: char| !c.is_ascii_alphanumeric()) {
        let at = run.len().checked_sub(TAG_CHARS);
        add(at.and_then(|at| run.as_bytes().get(at..)));
    }
    for (at, mark) in text.match_indices("pd") {
        let rest = &text[at + mark.len()..];
        let rest = rest.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        add(rest.as_bytes().get(..TAG_CHARS));
    }
    tags
}

fn as_tag(bytes: &[u8]) -> Option<Tag> {
    let tag: Tag = bytes.try_into().ok()?;
    let is_base32 = |byte: &u8| matches!(byte, b'a'..=b'z' | b'2'..=b'7');
    tag.iter().all(is_base32).then_some(tag)
}

/// The ways in which two spellings of one name are made equal: only letters and digits
/// count, in lower case.
const FOLDS: [fn(&str) -> String; 3] = [
    // Of every script, composed.
    |name| kept(name.nfkc().flat_map(char::to_lowercase), |_| true),
    // ASCII, accents dropped.
    |name| kept(name.nfkd().flat_map(char::to_lowercase), |c| c.is_ascii()),
    // ASCII, letters with accents dropped whole.
    |name| kept(name.chars().flat_map(char::to_lowercase), |c| c.is_ascii()),
];

fn kept(chars: impl Iterator<Item = char>, also: fn(&char) -> bool) -> String {
    chars.filter(|c| c.is_alphanumeric()).filter(also).collect()
}

/// The spellings of a name in which two are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded([String; 3]);

impl Folded {
    /// Of a name as it was sent or listed.
    pub fn new(name: &str) -> Self {
        let name: Cow<'_, str> = html_escape::decode_html_entities(name);
        if name.is_ascii() {
            let folded: String = name
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .map(|c| c.to_ascii_lowercase())
                .collect();
            return Self([folded.clone(), folded.clone(), folded]);
        }
        Self(FOLDS.map(|fold| fold(&name)))
    }

    /// Whether both may be spellings of one name.
    pub fn is_like(&self, other: &Self) -> bool {
        self.pairs(other)
            .any(|(own, other)| !own.is_empty() && own == other)
    }

    /// Whether this may be what a cut left of the name that was `sent`.
    pub fn may_be_cut_from(&self, sent: &Self) -> bool {
        self.pairs(sent).any(|(own, sent)| {
            !own.is_empty() && own.len() < sent.len() && sent.starts_with(own.as_str())
        })
    }

    /// A hash of each spelling: two that are alike share one.
    pub fn hashes(&self) -> Vec<u64> {
        let hash = |(fold, text): (usize, &String)| {
            let mut hasher = DefaultHasher::new();
            (fold, text).hash(&mut hasher);
            hasher.finish()
        };
        let spellings = self.0.iter().enumerate();
        spellings
            .filter(|(_, text)| !text.is_empty())
            .map(hash)
            .collect()
    }

    fn pairs<'f>(&'f self, other: &'f Self) -> impl Iterator<Item = (&'f String, &'f String)> {
        self.0.iter().zip(&other.0)
    }
}

/// What the service made of a name that it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    /// It is listed as it was sent.
    Same,
    /// It is spelt otherwise and still tells whose it is.
    Respelt,
    /// Its end is missing: so many characters are left.
    Cut(usize),
    /// It is another name.
    Other,
}

impl Echo {
    /// What became of `sent`, of which `listed` came back.
    pub fn of(sent: &str, listed: &str) -> Self {
        if sent == listed {
            return Self::Same;
        }
        let (own, other) = (Folded::new(sent), Folded::new(listed));
        let is_told = match tag_of(sent) {
            Some(tag) => tags_in(listed).contains(&tag),
            None => own.is_like(&other),
        };
        if is_told {
            Self::Respelt
        } else if other.may_be_cut_from(&own) {
            Self::Cut(listed.chars().count())
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str = "Tom & Jérôme's  shop_pd_abcd2345";

    #[test]
    fn a_tag_is_what_parserd_writes_at_the_end_of_a_name() {
        for (sent, tag) in [
            ("a_pd_abcd2345", Some(b"abcd2345")),
            ("_pd_abcdefgh", Some(b"abcdefgh")),
            ("é_pd_abcdefgh", Some(b"abcdefgh")),
            ("a_pd_abcd2345 ", None),
            ("a_pd_abcd1345", None),
            ("a_pd_ABCD2345", None),
            ("a-pd-abcd2345", None),
            ("abcd2345", None),
            ("", None),
            ("éééééé", None),
        ] {
            assert_eq!(tag_of(sent), tag.copied(), "{sent}");
        }
    }

    #[test]
    fn a_tag_is_found_however_the_name_around_it_was_altered() {
        for listed in [
            SENT,
            "tom & jérôme's shop_pd_abcd2345",
            "TOM & JÉRÔME'S SHOP_PD_ABCD2345",
            "Tom &amp; J&eacute;r&ocirc;me&#39;s  shop_pd_abcd2345",
            "Tom+%26+J%C3%A9r%C3%B4me%27s++shop%5Fpd%5Fabcd2345",
            "Tom-J-r-me-s-shop-pd-abcd2345",
            "tomjeromesshoppdabcd2345",
            "Tom ? J?r?me's shop_pd_abcd2345",
            "Tom & Jérôme's  shop&#95;pd&#95;abcd2345",
            "Tom & Jérôme's  shop_pd_abcd2345 (2)",
            "copy of Tom & Jérôme's  shop_pd_abcd2345-1",
            "Tom & Jérôme's  shop_pd_abcd23451",
        ] {
            assert!(tags_in(listed).contains(b"abcd2345"), "{listed}");
            assert_eq!(Echo::of(SENT, listed) == Echo::Same, listed == SENT);
            assert_ne!(Echo::of(SENT, listed), Echo::Other, "{listed}");
        }
        for listed in ["", "a", "abcd234", "Tom_pd_abcd2346", "_pd_", "pd", "日本"] {
            assert!(!tags_in(listed).contains(b"abcd2345"), "{listed}");
        }
    }

    #[test]
    fn an_echo_is_the_same_respelt_cut_or_another() {
        let plain = "Tom & Jérôme's  shop";
        for (sent, listed, expected) in [
            (plain, plain, Echo::Same),
            (plain, "tom & jérôme's shop", Echo::Respelt),
            (plain, " Tom &amp; J&eacute;rôme's shop ", Echo::Respelt),
            (plain, "Tom & Je\u{301}ro\u{302}me's  shop", Echo::Respelt),
            (plain, "Tom & J?r?me's  shop", Echo::Respelt),
            (plain, "tom-jerome-s-shop", Echo::Respelt),
            (plain, "Tom & Jér", Echo::Cut(9)),
            (plain, "Tom & J", Echo::Cut(7)),
            (plain, "Tim & Jér", Echo::Other),
            (plain, "", Echo::Other),
            (plain, "---", Echo::Other),
            (SENT, "Tom & Jérôme's  shop_pd_abcd234", Echo::Cut(31)),
            (SENT, "Tom & Jérôme's  shop", Echo::Cut(20)),
            (SENT, "Tom & Jérôme's  shop_pd_abcd2346", Echo::Other),
            ("日本語の店_pd_abcd2345", "日本語の", Echo::Cut(4)),
            ("日本語の店", "?????", Echo::Other),
        ] {
            assert_eq!(Echo::of(sent, listed), expected, "{sent} -> {listed}");
        }
    }
}
