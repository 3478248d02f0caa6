//! PURE: words that say more of a page than its place in a URL does.

/// Names of page types: they stay as they are where other words of their position vary.
const TYPES: &[&str] = &[
    "about",
    "account",
    "ad",
    "ads",
    "agent",
    "agents",
    "album",
    "api",
    "app",
    "archive",
    "archives",
    "article",
    "articles",
    "artikel",
    "artist",
    "artists",
    "author",
    "authors",
    "autor",
    "biz",
    "blog",
    "blogs",
    "board",
    "book",
    "books",
    "brand",
    "brands",
    "browse",
    "by",
    "cart",
    "cat",
    "catalog",
    "catalogue",
    "categories",
    "category",
    "channel",
    "chart",
    "checkout",
    "collection",
    "collections",
    "comments",
    "community",
    "companies",
    "company",
    "compare",
    "contact",
    "content",
    "cook",
    "course",
    "courses",
    "creator",
    "directory",
    "discussion",
    "discussions",
    "display",
    "docs",
    "download",
    "dp",
    "employer",
    "employers",
    "event",
    "events",
    "explore",
    "faq",
    "feature",
    "features",
    "file",
    "files",
    "film",
    "films",
    "forum",
    "forums",
    "game",
    "games",
    "gallery",
    "group",
    "groups",
    "guide",
    "guides",
    "help",
    "history",
    "home",
    "homedetails",
    "hotel",
    "hotels",
    "image",
    "images",
    "index",
    "info",
    "issue",
    "issues",
    "item",
    "items",
    "itm",
    "job",
    "jobs",
    "kategorie",
    "kategorien",
    "latest-news",
    "legal",
    "list",
    "listing",
    "listings",
    "lists",
    "login",
    "magazine",
    "manual",
    "map",
    "marke",
    "marken",
    "media",
    "member",
    "members",
    "movie",
    "movies",
    "name",
    "news",
    "offer",
    "offers",
    "organization",
    "page",
    "pages",
    "parts",
    "people",
    "person",
    "photo",
    "photos",
    "place",
    "places",
    "player",
    "playlist",
    "podcast",
    "podcasts",
    "post",
    "posts",
    "press",
    "produit",
    "produits",
    "prod",
    "product",
    "product-category",
    "product-reviews",
    "product-tag",
    "producto",
    "productos",
    "products",
    "produkt",
    "produkte",
    "profile",
    "profiles",
    "project",
    "projects",
    "property",
    "pull",
    "pulls",
    "question",
    "questions",
    "recipe",
    "recipes",
    "reference",
    "releases",
    "rent",
    "reply",
    "restaurant",
    "restaurants",
    "review",
    "reviews",
    "rezept",
    "rezepte",
    "sale",
    "school",
    "search",
    "section",
    "sections",
    "seller",
    "series",
    "service",
    "services",
    "shop",
    "shops",
    "show",
    "shows",
    "song",
    "songs",
    "status",
    "store",
    "stores",
    "stories",
    "story",
    "suche",
    "tag",
    "tagged",
    "tags",
    "team",
    "teams",
    "terms",
    "thema",
    "themen",
    "thread",
    "threads",
    "title",
    "topic",
    "topics",
    "tree",
    "tutorial",
    "tutorials",
    "user",
    "users",
    "usr",
    "venue",
    "venues",
    "video",
    "videos",
    "wiki",
    "watch",
    "webinar",
    "wholesale",
    "year",
];

/// Of these, names of what is arranged in levels: `/category/furniture/tables`.
const LEVELS: &[&str] = &[
    "b",
    "browse",
    "c",
    "cat",
    "catalog",
    "categories",
    "category",
    "department",
    "directory",
    "kategorie",
    "kategorien",
    "product-category",
    "section",
    "sections",
    "topics",
];

/// Codes of languages (ISO 639-1) in which sites are commonly written.
const LANGUAGES: &[&str] = &[
    "ar", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "he", "hi",
    "hr", "hu", "id", "is", "it", "ja", "ko", "lt", "lv", "ms", "nb", "nl", "no", "pl", "pt", "ro",
    "ru", "sk", "sl", "sr", "sv", "th", "tr", "uk", "ur", "vi", "zh",
];

/// Namespaces of wikis, in lower case.
const NAMESPACES: &[&str] = &[
    "benutzer",
    "category",
    "categoría",
    "catégorie",
    "datei",
    "diskussion",
    "draft",
    "file",
    "help",
    "hilfe",
    "image",
    "kategorie",
    "mediawiki",
    "module",
    "portal",
    "spezial",
    "special",
    "talk",
    "template",
    "user",
    "vorlage",
    "wikipedia",
];

/// Keys of a query that say who looks, from where, in which order, or at which part of a list.
const PASSING: &[&str] = &[
    "_ga",
    "_pgn",
    "_trkparms",
    "after",
    "before",
    "dclid",
    "fbclid",
    "from",
    "gclid",
    "ga_order",
    "hash",
    "igshid",
    "lang",
    "limit",
    "locale",
    "mc_cid",
    "mc_eid",
    "msclkid",
    "offset",
    "order",
    "orderby",
    "pageno",
    "page",
    "paged",
    "pagenumber",
    "per_page",
    "pg",
    "psc",
    "qid",
    "rdt",
    "ref",
    "ref_",
    "ref_src",
    "rq",
    "share",
    "smid",
    "sort",
    "sort_by",
    "source",
    "spm",
    "sr",
    "start",
    "trk",
    "variant",
    "yclid",
];

/// Keys that follow a visit: no page needs them.
const TRACKING: &[&str] = &[
    "_ga",
    "_trkparms",
    "dclid",
    "fbclid",
    "gclid",
    "igshid",
    "mc_cid",
    "mc_eid",
    "msclkid",
    "smid",
    "spm",
    "trk",
    "yclid",
];

/// Keys of sessions.
const SESSIONS: &[&str] = &[
    "aspsessionid",
    "cfid",
    "cftoken",
    "jsessionid",
    "phpsessid",
    "sessid",
    "session",
    "session_id",
    "sessionid",
    "sid",
];

/// Keys by whose value one script serves different pages.
const DISPATCH: &[&str] = &[
    "act",
    "action",
    "cmd",
    "controller",
    "do",
    "module",
    "mode",
    "op",
    "option",
    "route",
    "task",
];

const MONTHS: &[&str] = &[
    "apr", "aug", "dec", "feb", "jan", "jul", "jun", "mar", "may", "nov", "oct", "sep",
];

/// Names of versions of one documentation.
const VERSIONS: &[&str] = &["current", "dev", "latest", "main", "master", "stable"];

/// Endings of files that are programs.
const SCRIPTS: &[&str] = &[
    "action", "asp", "aspx", "cfm", "cgi", "do", "jsp", "jspx", "php", "php3", "php5", "pl",
];

/// Endings of files that are pages.
const PAGES: &[&str] = &["htm", "html", "shtml", "xhtml"];

/// One letter is a site's own abbreviation of a type, too.
pub(super) fn is_type(word: &str) -> bool {
    let is_letter = word.len() == 1 && word.bytes().all(|b| b.is_ascii_lowercase());
    is_letter || TYPES.contains(&word) || has_levels(word)
}

pub(super) fn has_levels(word: &str) -> bool {
    LEVELS.contains(&word)
}

/// `en`, `de-de`, `pt_br`.
pub(super) fn is_locale(word: &str) -> bool {
    let (language, region) = match word.split_once(['-', '_']) {
        Some((language, region)) => (language, Some(region)),
        None => (word, None),
    };
    let is_region = |region: &str| {
        (2..=4).contains(&region.len()) && region.bytes().all(|b| b.is_ascii_alphabetic())
    };
    LANGUAGES.contains(&language) && region.is_none_or(is_region)
}

/// Of `Talk:Zürich` the first part.
pub(super) fn namespace(segment: &str) -> Option<&str> {
    let (space, title) = segment.split_once(':')?;
    let lower = space.to_lowercase();
    let is_known = NAMESPACES.contains(&lower.as_str()) || lower.ends_with("_talk");
    (is_known && !title.is_empty()).then_some(space)
}

/// Whether a key says nothing of the page's type; a session's and a visit's among them.
pub(super) fn is_passing(key: &str) -> bool {
    PASSING.contains(&key) || is_waste(key)
}

/// Whether a key is better left out of an address: it belongs to one visit.
pub(super) fn is_waste(key: &str) -> bool {
    key.starts_with("utm_") || TRACKING.contains(&key) || is_session(key)
}

pub(super) fn is_session(key: &str) -> bool {
    SESSIONS.contains(&key)
}

pub(super) fn dispatches(key: &str) -> bool {
    DISPATCH.contains(&key)
}

pub(super) fn is_month(word: &str) -> bool {
    let short = word.get(..3);
    word.bytes().all(|b| b.is_ascii_alphabetic()) && short.is_some_and(|it| MONTHS.contains(&it))
}

/// `v1.2`, `3.x`; `latest` at the beginning alone: elsewhere it may be anything's name.
pub(super) fn is_version(word: &str, is_beginning: bool) -> bool {
    let number = word.strip_prefix('v').unwrap_or(word);
    let has_digit = number.starts_with(|c: char| c.is_ascii_digit());
    let is_number = number
        .bytes()
        .all(|b| b.is_ascii_digit() || b == b'.' || b == b'x');
    is_beginning && VERSIONS.contains(&word)
        || has_digit && is_number && (number.contains('.') || number != word)
}

pub(super) fn is_script(ending: &str) -> bool {
    SCRIPTS.contains(&ending)
}

pub(super) fn is_page(ending: &str) -> bool {
    PAGES.contains(&ending)
}
