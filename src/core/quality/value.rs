//! PURE: what a single value of a result is worth: empty, a text that stands for nothing, the
//! text of a page that kept the parser out.

/// Texts that stand for nothing, in lower case.
const PLACEHOLDERS: &[&str] = &[
    "-",
    "--",
    "---",
    "\u{2013}",
    "\u{2014}",
    "\u{2212}",
    "?",
    ".",
    "..",
    "...",
    "\u{2026}",
    "/",
    "|",
    "#n/a",
    "n/a",
    "n.a.",
    "n.a",
    "n\\a",
    "null",
    "nil",
    "none",
    "undefined",
    "nan",
    "no data",
    "not available",
    "not found",
    "not specified",
    "not provided",
    "[object object]",
    "{}",
    "[]",
    "\"\"",
    "''",
];

/// How the pages begin that a site shows in place of the one asked for, in lower case: consent,
/// a check for robots, a refusal.
const WALLS: &[&str] = &[
    "before you continue to",
    "before we continue",
    "we value your privacy",
    "we use cookies",
    "this site uses cookies",
    "this website uses cookies",
    "we and our partners",
    "your privacy choices",
    "accept all cookies",
    "accept cookies",
    "manage cookies",
    "cookie consent",
    "verify you are human",
    "verify that you are human",
    "verifying you are human",
    "please verify you are",
    "are you a robot",
    "are you human",
    "robot or human",
    "i'm not a robot",
    "checking your browser",
    "checking if the site connection is secure",
    "enable javascript and cookies to continue",
    "please enable javascript",
    "please enable cookies",
    "you need to enable javascript",
    "attention required! | cloudflare",
    "pardon our interruption",
    "access denied",
    "access to this page has been denied",
    "request unsuccessful. incapsula",
    "sorry, you have been blocked",
    "enter the characters you see below",
    "press & hold to confirm",
    "complete the security check",
    "one more step",
];

/// Texts that are such a page's as a whole, and may begin any other one.
const WHOLE_WALLS: &[&str] = &[
    "just a moment...",
    "just a moment\u{2026}",
    "captcha",
    "403 forbidden",
];

/// A longer text has content of its own, whatever it begins with.
const WALL_MAX_CHARS: usize = 300;

/// How much of a text is looked at for a wall.
const HEAD_CHARS: usize = 100;

/// Why a text is as good as none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hollow {
    /// Nothing, whitespace, or a word for nothing.
    Empty,
    /// The page that was seen is not the one asked for.
    Wall,
}

/// Whether a text is as good as none, and why.
pub(super) fn hollow(text: &str) -> Option<Hollow> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}' || c == '\u{200b}');
    let head: String = text.chars().take(HEAD_CHARS).collect();
    let head = head.to_lowercase();
    if head.is_empty() || PLACEHOLDERS.contains(&head.as_str()) {
        Some(Hollow::Empty)
    } else if text.chars().nth(WALL_MAX_CHARS).is_some() {
        None
    } else if WHOLE_WALLS.contains(&head.as_str()) || WALLS.iter().any(|wall| is_wall(&head, wall))
    {
        Some(Hollow::Wall)
    } else {
        None
    }
}

/// A sentence that goes on in the same word is another one.
fn is_wall(head: &str, wall: &str) -> bool {
    head.strip_prefix(wall)
        .is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_nothing_are_empty_and_others_are_not() {
        for text in [
            "",
            " \n\u{a0}",
            "N/A",
            "-",
            "null",
            "undefined",
            "None",
            " n/a ",
        ] {
            assert_eq!(hollow(text), Some(Hollow::Empty), "{text:?}");
        }
        for text in [
            "0",
            "no",
            "None of the above",
            "Null Island",
            "N",
            "x",
            "-5",
            "false",
            "NA",
            "Nancy",
        ] {
            assert_eq!(hollow(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_wall_is_known_by_how_it_begins() {
        for text in [
            "Before you continue to Google Search",
            "We use cookies to improve your experience.",
            "Just a moment...",
            "ACCESS DENIED",
            "Please verify you are a human",
        ] {
            assert_eq!(hollow(text), Some(Hollow::Wall), "{text:?}");
        }
        for text in [
            "Just a moment, said the fox",
            "How to accept cookies in your browser",
            "Captcha and its discontents",
        ] {
            assert_eq!(hollow(text), None, "{text:?}");
        }
    }
}
