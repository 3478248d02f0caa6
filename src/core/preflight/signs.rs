//! What a sight of a page is a sign of. The thresholds are those that the pages of
//! `tests/foresight/pages` set. Where in doubt nothing is said: a miss costs what it would have cost
//! anyway, and a false alarm holds a job that works.

use crate::core::{page::Sight, quality::wall_in, shown::shown};

/// A page with fewer characters of visible text shows little, and is looked at rendered, which decides.
/// Of the shells in the tests the one with the most has 202, with header, banner and footer; of the 50
/// pages seven have fewer than 400, the least 134: they cost ten credits more and are not held.
pub const LITTLE_TEXT_CHARS: usize = 400;

/// How many times as much text a page must show rendered to need it.
const TIMES_MORE: usize = 3;

/// Pages whose build is less alike are of different types; see [`crate::core::page::Shape`]. Of the
/// pages in the tests two of one type are alike to 0.86 at least, and to 0.74 where one of them has
/// two more elements around it all; 16 of the 114 pairs of two types of one site are less alike than
/// this. The others share too much of their layout to be told apart.
pub const UNLIKE_BELOW: f64 = 0.6;

/// A page with more text has content of its own, whatever its title is or its text begins with.
const WALL_MAX_CHARS: usize = 2_000;

/// How pages call themselves that stand in another one's place, in lower case: how their titles
/// begin.
const WALL_TITLES: &[&str] = &[
    "attention required!",
    "access denied",
    "access to this page has been denied",
    "sucuri website firewall",
    "pardon our interruption",
    "before you continue",
];

/// Titles that are such a page's as a whole, and may begin any other one's.
const WHOLE_WALL_TITLES: &[&str] = &[
    "just a moment",
    "one moment, please",
    "ddos-guard",
    "request rejected",
    "human verification",
    "security check",
    "robot check",
    "captcha",
    "403 forbidden",
    "cookie consent",
];

/// What else such pages begin with.
const WALL_OPENINGS: &[&str] = &[
    "please enable js and disable any ad blocker",
    "let's confirm you are human",
    "our systems have detected unusual traffic",
    "the requested url was rejected. please consult",
    "your access to this site has been limited",
    "this request was blocked by",
];

/// What is said at the beginning of a banner, with which many a page begins, also one that shows
/// nothing else before its JavaScript is run. So it takes a title to know a consent page.
const BANNER_WORDS: &[&str] = &["cookie", "privacy", "partners"];

/// How much of a text is its beginning there, in characters.
const BANNER_HEAD_CHARS: usize = 30;

/// A page with more text is more than a form to log in.
const LOGIN_MAX_CHARS: usize = 3_000;

/// A page with more text has more than a form to log in on it, if its title does not say so.
const LOGIN_ALONE_MAX_CHARS: usize = 150;

/// How pages call it, in lower case.
const LOGIN_WORDS: &[&str] = &[
    "log in",
    "login",
    "log-in",
    "sign in",
    "signin",
    "sign-in",
    "anmelden",
    "einloggen",
    "connexion",
    "se connecter",
    "iniciar sesi\u{f3}n",
    "accedi",
    "inloggen",
    "entrar",
    "zaloguj",
    "logga in",
    "\u{432}\u{43e}\u{439}\u{442}\u{438}",
    "\u{30ed}\u{30b0}\u{30a4}\u{30f3}",
    "\u{767b}\u{5f55}",
];

/// The challenge or refusal that stands in a page's place, in words.
pub(super) fn wall(sight: &Sight) -> Option<String> {
    if sight.text_chars > WALL_MAX_CHARS {
        return None;
    }
    let begins = |text: &str, walls: &[&str]| {
        let text = text.to_lowercase();
        walls.iter().any(|wall| {
            text.strip_prefix(wall)
                .is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
        })
    };
    let title = sight.title.to_lowercase();
    let title = title.trim_end_matches(|c: char| !c.is_alphanumeric());
    let is_titled = begins(&sight.title, WALL_TITLES)
        || WHOLE_WALL_TITLES.contains(&title)
        || wall_in(&sight.title);
    let opens = begins(&sight.opening, WALL_OPENINGS) || wall_in(&sight.opening);
    let text = match (is_titled, opens) {
        (true, _) => &sight.title,
        (false, true) => &sight.opening,
        (false, false) => return None,
    };
    let said = text.to_lowercase();
    // One that asks for JavaScript may be a page that is built by it.
    let wants_js = said.contains("javascript");
    let head: String = said.chars().take(BANNER_HEAD_CHARS).collect();
    let is_banner = !is_titled && BANNER_WORDS.iter().any(|word| head.contains(word));
    (!wants_js && !is_banner).then(|| format!("in its place there is {}", shown(text)))
}

/// Whether the page is a form to log in, by its title: its text may begin with a box for that in the
/// header of any page, unless there is little else.
pub(super) fn asks_login(sight: &Sight) -> bool {
    let is_alone = sight.text_chars <= LOGIN_ALONE_MAX_CHARS;
    sight.asks_password
        && sight.text_chars <= LOGIN_MAX_CHARS
        && (speaks_of_login(&sight.title) || is_alone && speaks_of_login(&sight.opening))
}

/// Whether there is one of the words as a word: "blog in" is not "log in".
fn speaks_of_login(text: &str) -> bool {
    let text = text.to_lowercase();
    LOGIN_WORDS.iter().any(|word| {
        // Chinese and Japanese leave no blanks.
        let has_blanks = word.chars().all(|c| c < '\u{2e80}');
        text.match_indices(word).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let after = text[at + word.len()..].chars().next();
            !has_blanks
                || ![before, after]
                    .into_iter()
                    .flatten()
                    .any(char::is_alphanumeric)
        })
    })
}

/// A wanted place that no page has. One that was not read to its end may have any.
fn lacking<'s>(sights: &'s [&Sight]) -> impl Iterator<Item = usize> + 's {
    let places = sights.iter().map(|sight| sight.has_places.len()).min();
    let lacks = |sight: &&Sight, place: usize| !sight.has_places[place] && !sight.is_cut;
    let is_lacking = move |place: &usize| sights.iter().all(|sight| lacks(sight, *place));
    (0..places.unwrap_or(0)).filter(is_lacking)
}

/// The page to look at rendered, if what is wanted may be there only then.
pub(super) fn suspect(sights: &[&Sight]) -> Option<usize> {
    let little = sights
        .iter()
        .position(|sight| sight.text_chars < LITTLE_TEXT_CHARS && !sight.is_cut);
    little.or_else(|| lacking(sights).next().map(|_| 0))
}

/// What the page at `index` shows rendered and none shows raw, if that is so.
pub(super) fn shows_more(raw: &[&Sight], index: usize, rendered: &Sight) -> Option<String> {
    let (before, after) = (raw[index].text_chars, rendered.text_chars);
    let has = |place: &usize| rendered.has_places.get(*place) == Some(&true);
    if lacking(raw).any(|place| has(&place)) {
        return Some(
            "a selector of fields matches nothing in the page as it is sent, and something once \
             its JavaScript is run"
                .to_owned(),
        );
    }
    let is_more = before < LITTLE_TEXT_CHARS && after >= TIMES_MORE * before.max(50);
    is_more.then(|| {
        format!(
            "it shows {before} characters of text as it is sent, and {after} once its JavaScript \
             is run"
        )
    })
}

/// The first page that is built otherwise than the one before all others, and in which way. Of a
/// page that was not read to its end it is not known how it is built.
pub(super) fn mixed<'u>(urls: &'u [String], sights: &[&Sight]) -> Option<(&'u str, String)> {
    let mut whole = urls.iter().zip(sights).filter(|(_, sight)| !sight.is_cut);
    let (first_url, first) = whole.next()?;
    let mut unlike = whole.map(|(url, sight)| (url, first.shape.likeness(&sight.shape)));
    let (url, likeness) = unlike.find(|(_, likeness)| *likeness < UNLIKE_BELOW)?;
    let seen = format!(
        "it is built otherwise than {}: they share {:.0} % of their structure",
        shown(first_url),
        likeness * 100.0
    );
    Some((url.as_str(), seen))
}
