//! PURE: how one URL reads: its host, the parts of its path by what they are, and what of its
//! query says which page it is.

use std::fmt;

use url::Url;

use super::words;
use crate::core::spec::URL_MAX_CHARS;

/// How many parts of a path are told apart; what lies deeper is one type.
const DEPTH_MAX: usize = 12;
/// From how many digits on a number within a part is an id, and no count or year.
const ID_DIGITS: usize = 5;

/// A part of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Token {
    /// One or two words, and the ending of a page: names a type, or a thing.
    Word(String, Ending),
    /// A program, such as `viewtopic.php`.
    Script(String),
    /// `en`, `de-de`, at the beginning.
    Locale(String),
    /// `latest`, `v1.2`.
    Version,
    /// `2024/05/17`, with or without month and day.
    Date,
    /// `@name`.
    Handle,
    /// A wiki's `Talk:` and the like.
    Namespace(String),
    /// A kind before an id within one part: `Hotels-g187147-Paris`.
    Kind(String, Ending),
    /// A number, a UUID or another id.
    Id(Ending),
    /// Words with an id: `engineer-4412345`, `12-shoes`.
    SlugId(Ending),
    /// Three words or more.
    Slug(Ending),
}

/// How a part ends: as a page (`.html`), or in nothing that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ending {
    None,
    Page,
}

impl Token {
    /// Whether it stands for a name that the site chose for a type.
    pub(super) const fn is_literal(&self) -> bool {
        matches!(
            self,
            Self::Word(..) | Self::Script(_) | Self::Namespace(_) | Self::Kind(..)
        )
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = |ending: &Ending| match ending {
            Ending::None => "",
            Ending::Page => ".html",
        };
        match self {
            Self::Word(word, ending) => write!(f, "{word}{}", end(ending)),
            Self::Script(name) => f.write_str(name),
            Self::Locale(name) => f.write_str(name),
            Self::Version => f.write_str("{version}"),
            Self::Date => f.write_str("{date}"),
            Self::Handle => f.write_str("@{name}"),
            Self::Namespace(name) => write!(f, "{name}:{{title}}"),
            Self::Kind(name, ending) => write!(f, "{name}-{{id}}{}", end(ending)),
            Self::Id(ending) => write!(f, "{{id}}{}", end(ending)),
            Self::SlugId(ending) => write!(f, "{{name-id}}{}", end(ending)),
            Self::Slug(ending) => write!(f, "{{name}}{}", end(ending)),
        }
    }
}

/// A URL as it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    /// Without `www.`, with a port that is not the scheme's.
    pub host: String,
    pub path: Vec<Token>,
    /// What of the query names the type, empty where it is the path that does.
    pub query: String,
    /// Whether the query says more than which part of a list is shown.
    pub is_asked: bool,
    /// The page's address, without what belongs to one visit.
    pub page: String,
}

/// Why a parser cannot be made from the page at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It cannot be read.
    #[error("is not a URL: write it in full, such as https://example.com/page")]
    Unreadable,
    /// Another scheme.
    #[error("is neither http nor https, and left out")]
    Scheme,
    /// A password that no file should hold.
    #[error("contains a user name or password, and is left out: remove what comes before the @")]
    Credentials,
    /// Longer than a job's URLs may be.
    #[error("is longer than {URL_MAX_CHARS} characters, and left out")]
    TooLong,
}

/// Reads a URL.
pub(super) fn read(text: &str) -> Result<Shape, Unfit> {
    // What is cut off later (fragment, tracking) may be long; nothing is worth reading beyond this.
    if text.len() > 8 * URL_MAX_CHARS {
        return Err(Unfit::TooLong);
    }
    let url = Url::parse(text).map_err(|_| Unfit::Unreadable)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Unfit::Scheme);
    }
    // An empty user name leaves its @ in the text, and the url crate drops it.
    if !url.username().is_empty() || url.password().is_some() || has_at_in_authority(text) {
        return Err(Unfit::Credentials);
    }
    let name = url.host_str().ok_or(Unfit::Unreadable)?;
    let bare = name.strip_prefix("www.").unwrap_or(name);
    let host = match url.port() {
        Some(port) => format!("{bare}:{port}"),
        None => bare.to_owned(),
    };
    let page = cleaned(&url);
    if page.chars().count() > URL_MAX_CHARS {
        return Err(Unfit::TooLong);
    }
    let segments = segments(url.path());
    let is_index = segments.is_empty() || url.path().split('/').any(is_index);
    let path = tokens(&segments);
    let is_program = is_index || matches!(path.last(), Some(Token::Script(_)));
    let (query, is_asked) = query(url.query().unwrap_or_default(), is_index, is_program);
    Ok(Shape {
        host,
        path,
        query,
        is_asked,
        page,
    })
}

fn has_at_in_authority(text: &str) -> bool {
    let rest = text.split_once(':').map_or("", |(_, rest)| rest);
    let rest = rest.trim_start_matches(['/', '\\']);
    let authority = rest.split(['/', '?', '#', '\\']).next();
    authority.unwrap_or_default().contains('@')
}

/// The address without fragment, session and tracking.
fn cleaned(url: &Url) -> String {
    let mut url = url.clone();
    url.set_fragment(None);
    let path = strip_sessions(url.path());
    if path != url.path() {
        url.set_path(&path);
    }
    if let Some(query) = url.query() {
        let kept: Vec<_> = query
            .split('&')
            .filter(|pair| {
                let key = pair.split('=').next().unwrap_or_default();
                !pair.is_empty() && !words::is_waste(&key.to_ascii_lowercase())
            })
            .collect();
        let kept = (!kept.is_empty()).then(|| kept.join("&"));
        url.set_query(kept.as_deref());
    }
    url.into()
}

/// A path without `;jsessionid=...`.
fn strip_sessions(path: &str) -> String {
    let parts = path.split('/').map(|part| {
        let mut pieces = part.split(';');
        let first = pieces.next().unwrap_or_default();
        let kept = pieces.filter(|piece| {
            let key = piece.split('=').next().unwrap_or_default();
            !words::is_session(&key.to_ascii_lowercase())
        });
        std::iter::once(first)
            .chain(kept)
            .collect::<Vec<_>>()
            .join(";")
    });
    parts.collect::<Vec<_>>().join("/")
}

/// `index.html`, `index.php`, `default.aspx`: the directory itself.
fn is_index(segment: &str) -> bool {
    let lower = segment.to_ascii_lowercase();
    lower.split_once('.').is_some_and(|(stem, ending)| {
        matches!(stem, "index" | "default") && (words::is_page(ending) || words::is_script(ending))
    })
}

/// The parts of a path that count: without index files, parameters and page numbers.
fn segments(path: &str) -> Vec<String> {
    let mut segments: Vec<String> = path
        .split('/')
        .map(|part| part.split(';').next().unwrap_or_default())
        // Some shops write a query as a part of the path: /ref=sr_1_3.
        .filter(|part| !part.is_empty() && !part.contains('=') && !is_index(part))
        .map(decoded)
        .collect();
    while let Some(last) = segments.last() {
        let (stem, _) = stem_and_ending(last);
        let before = segments
            .len()
            .checked_sub(2)
            .map(|at| segments[at].as_str());
        let is_number =
            |text: &str| (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        if before.is_some_and(|it| it.eq_ignore_ascii_case("page")) && is_number(&stem) {
            segments.truncate(segments.len() - 2);
        } else if is_page_number(&stem) {
            segments.pop();
        } else {
            break;
        }
    }
    segments
}

/// `page-2`, `page2`, `p2`, `2_p`.
fn is_page_number(stem: &str) -> bool {
    let lower = stem.to_ascii_lowercase();
    let number = ["page", "seite", "pagina", "p"]
        .iter()
        .find_map(|word| lower.strip_prefix(word))
        .map(|rest| rest.trim_start_matches(['-', '_']))
        .or_else(|| lower.strip_suffix("_p"));
    number.is_some_and(|it| (1..=4).contains(&it.len()) && it.bytes().all(|b| b.is_ascii_digit()))
}

/// Percent-encoding undone, as far as it is UTF-8; to look at, never to fetch.
fn decoded(part: &str) -> String {
    if !part.contains('%') {
        return part.to_owned();
    }
    // The form's decoder reads + as a blank too, which a slug's + stands for.
    let form = format!("={part}");
    let mut pairs = url::form_urlencoded::parse(form.as_bytes());
    let text = pairs.next().map(|(_, value)| value.into_owned());
    // An encoded & would end the pair: then the part stays as it is.
    match (text, part.contains('&')) {
        (Some(text), false) => text,
        _ => part.to_owned(),
    }
}

/// A part without the ending of a page or program, and that ending in lower case.
fn stem_and_ending(segment: &str) -> (String, String) {
    if let Some((stem, ending)) = segment.rsplit_once('.') {
        let ending = ending.to_ascii_lowercase();
        if !stem.is_empty() && (words::is_page(&ending) || words::is_script(&ending)) {
            return (stem.to_owned(), ending);
        }
    }
    (segment.to_owned(), String::new())
}

fn tokens(segments: &[String]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < segments.len() && tokens.len() < DEPTH_MAX {
        let segment = &segments[at];
        let length = date_length(&segments[at..], at == 0);
        if length > 0 {
            tokens.push(Token::Date);
            at += length;
            continue;
        }
        let lower = segment.to_lowercase();
        let is_first = at == 0;
        tokens.push(if is_first && words::is_locale(&lower) {
            Token::Locale(lower)
        } else if at + 1 < segments.len()
            && words::is_version(
                &lower,
                tokens.iter().all(|it| matches!(it, Token::Locale(_))),
            )
            && at < 2
        {
            Token::Version
        } else {
            token(segment)
        });
        at += 1;
    }
    tokens
}

/// How many parts a date takes: a year at the beginning that something follows, or a year and
/// a month.
fn date_length(segments: &[String], is_first: bool) -> usize {
    let digits = |text: &str, length: &[usize]| {
        length.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
    };
    let year = &segments[0];
    if !digits(year, &[4]) || !(year.starts_with("19") || year.starts_with("20")) {
        return 0;
    }
    let up_to = |text: &String, most: u32| {
        digits(text, &[1, 2]) && text.parse().is_ok_and(|n: u32| (1..=most).contains(&n))
    };
    let is_month = |text: &&String| up_to(text, 12) || words::is_month(&text.to_ascii_lowercase());
    match (segments.get(1).filter(is_month), segments.get(2)) {
        (Some(_), Some(day)) if up_to(day, 31) => 3,
        (Some(_), _) => 2,
        (None, _) if is_first && segments.len() > 1 => 1,
        (None, _) => 0,
    }
}

fn token(segment: &str) -> Token {
    let (stem, ending) = stem_and_ending(segment);
    if words::is_script(&ending) {
        return Token::Script(segment.to_lowercase());
    }
    let ending = if ending.is_empty() {
        Ending::None
    } else {
        Ending::Page
    };
    if stem.starts_with('@') {
        return Token::Handle;
    }
    if let Some(space) = words::namespace(&stem) {
        return Token::Namespace(space.to_owned());
    }
    if is_id(&stem) || is_uuid(&stem) {
        return Token::Id(ending);
    }
    let pieces: Vec<&str> = stem
        .split(['-', '_', '+', ' ', '.', ',', '~', ':'])
        .filter(|piece| !piece.is_empty())
        .collect();
    if let Some(kind) = kind(&stem, &pieces) {
        return Token::Kind(kind, ending);
    }
    let dotted = stem.split_once('.').is_some_and(|(a, _)| is_number(a))
        || stem.rsplit_once('.').is_some_and(|(_, b)| is_number(b));
    let leads = pieces.len() > 1 && is_number(pieces[0]);
    if leads || dotted || pieces.len() > 1 && has_id(&stem, &pieces) {
        return Token::SlugId(ending);
    }
    let is_long = stem.chars().count() > 40;
    if pieces.len() > 2 || is_long || pieces.is_empty() {
        Token::Slug(ending)
    } else {
        Token::Word(stem.to_lowercase(), ending)
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Changes from letter to digit or back.
fn changes(text: &str) -> usize {
    let bytes = text.as_bytes();
    bytes
        .windows(2)
        .filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit())
        .count()
}

/// A number, one with up to three letters before it, or a mix of letters and digits.
fn is_id(text: &str) -> bool {
    if is_number(text) {
        return true;
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return false;
    }
    let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let is_prefixed = (1..=3).contains(&letters) && is_long_number(&text[letters..]);
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    is_prefixed || text.len() >= 6 && digits >= 2 && changes(text) >= 3
}

fn is_long_number(text: &str) -> bool {
    text.len() >= ID_DIGITS && is_number(text)
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
        && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

/// Whether words end or begin with an id of their own, or with a date.
fn has_id(stem: &str, pieces: &[&str]) -> bool {
    let is_strong = |piece: &&str| is_long_number(piece) || !is_number(piece) && is_id(piece);
    let ends = pieces.last().is_some_and(is_strong) || pieces.first().is_some_and(is_strong);
    let ends_in_uuid = stem
        .len()
        .checked_sub(36)
        .and_then(|at| stem.get(at..))
        .is_some_and(is_uuid);
    let ends_in_date = matches!(pieces, [.., year, month, day]
        if year.len() == 4 && month.len() == 2 && day.len() == 2
            && [year, month, day].iter().all(|it| is_number(it)));
    ends || ends_in_uuid || ends_in_date
}

/// What stands before an id in the middle: `Hotel_Review-g187147-d188729-Reviews`.
fn kind(stem: &str, pieces: &[&str]) -> Option<String> {
    let is_lettered = |piece: &str| {
        let rest = piece.strip_prefix(|c: char| c.is_ascii_lowercase());
        rest.is_some_and(|rest| rest.len() >= 4 && is_number(rest))
    };
    let at = pieces.iter().position(|piece| is_lettered(piece))?;
    if at == 0 || at > 3 || at + 1 == pieces.len() {
        return None;
    }
    let end = stem.find(pieces[at])?;
    Some(stem[..end].trim_end_matches(['-', '_', '.']).to_owned())
}

/// What of a query names the type, and whether it says anything that counts.
fn query(query: &str, is_index: bool, is_program: bool) -> (String, bool) {
    let pairs = query.split(['&', ';']).filter_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = decoded(key).to_lowercase();
        (!key.is_empty()).then(|| (key, decoded(value)))
    });
    let mut telling: Vec<_> = pairs.filter(|(key, _)| !words::is_passing(key)).collect();
    let is_asked = telling
        .iter()
        .any(|(key, value)| !value.is_empty() && (is_index || key != "p"));
    let mut named: Vec<_> = telling
        .iter()
        .filter(|(key, value)| is_program && words::dispatches(key) && is_name(value))
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    if !named.is_empty() {
        named.sort();
        named.dedup();
        return (named.join("&"), is_asked);
    }
    // One program for all pages: its first key is what it is asked for.
    telling.truncate(usize::from(is_index));
    let first = telling.pop();
    (
        first.map_or_else(String::new, |(key, _)| key.chars().take(40).collect()),
        is_asked,
    )
}

/// A value that somebody chose as a name: `history`, `product/product`.
fn is_name(value: &str) -> bool {
    (1..=40).contains(&value.len())
        && value.starts_with(|c: char| c.is_ascii_alphabetic())
        && value
            .bytes()
            .all(|b| b.is_ascii_alphabetic() || b"_-/.".contains(&b))
}
