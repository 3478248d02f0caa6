//! What a sight of a page is a sign of. The thresholds are those that the pages in the tests set.

use crate::core::{page::Sight, quality::wall_in, shown::shown};

/// A page with fewer characters of visible text shows little.
pub const LITTLE_TEXT_CHARS: usize = 400;

/// How many times as much text a page must show rendered to need it.
const TIMES_MORE: usize = 3;

/// Pages whose build is less alike are of different types; see [`crate::core::page::Shape`].
pub const UNLIKE_BELOW: f64 = 0.25;

/// A page with more text has content of its own, whatever its text begins with.
const WALL_MAX_CHARS: usize = 2_000;

/// A page with more text is more than a form to log in.
const LOGIN_MAX_CHARS: usize = 3_000;

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
    let is_short = sight.text_chars <= WALL_MAX_CHARS;
    let text = [&sight.title, &sight.opening]
        .into_iter()
        .find(|text| wall_in(text))?;
    // One that asks for JavaScript may be a page that is built by it.
    let wants_js = text.to_lowercase().contains("javascript");
    (is_short && !wants_js).then(|| format!("in its place there is {}", shown(text)))
}

/// Whether the page is a form to log in.
pub(super) fn asks_login(sight: &Sight) -> bool {
    let said = format!("{} {}", sight.title, sight.opening).to_lowercase();
    sight.asks_password
        && sight.text_chars <= LOGIN_MAX_CHARS
        && LOGIN_WORDS.iter().any(|word| said.contains(word))
}

/// A wanted place that no page has.
fn lacking<'s>(sights: &'s [&Sight]) -> impl Iterator<Item = usize> + 's {
    let places = sights.iter().map(|sight| sight.has_places.len()).min();
    let is_lacking = |place: &usize| sights.iter().all(|sight| !sight.has_places[*place]);
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

/// The first page that is built otherwise than the first one, and in which way.
pub(super) fn mixed<'u>(urls: &'u [String], sights: &[&Sight]) -> Option<(&'u str, String)> {
    let first = sights.first()?;
    let others = urls.iter().zip(sights).skip(1);
    let unlike = others.map(|(url, sight)| (url, first.shape.likeness(&sight.shape)));
    let (url, likeness) = unlike
        .into_iter()
        .find(|(_, likeness)| *likeness < UNLIKE_BELOW)?;
    let seen = format!(
        "it is built otherwise than {}: they share {:.0} % of their structure",
        shown(&urls[0]),
        likeness * 100.0
    );
    Some((url.as_str(), seen))
}
