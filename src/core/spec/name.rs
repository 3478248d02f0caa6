//! PURE: what a name must be, and which names look the same to a person.

use unicode_normalization::UnicodeNormalization as _;

use super::NAME_MAX_CHARS;
use crate::core::shown::shown;

/// Characters without any ink, blanks apart: those that Unicode lets a font ignore, the
/// blank of Braille, and annotation marks.
pub const INVISIBLE: &[(char, char)] = &[
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

pub(super) fn is_invisible(c: char) -> bool {
    let after = INVISIBLE.partition_point(|(first, _)| *first <= c);
    after > 0 && c <= INVISIBLE[after - 1].1
}

pub(super) fn problem(name: &str) -> Option<String> {
    let chars = name.chars().count();
    if name.trim().is_empty() {
        Some("name is blank: write a name that no other job has".to_owned())
    } else if name.chars().any(char::is_control) {
        Some(format!(
            "name {} contains a control character: write plain text",
            shown(name)
        ))
    } else if name.chars().all(|c| c.is_whitespace() || is_invisible(c)) {
        Some(format!(
            "name {} is blank to the eye: it has only invisible characters, write a name that shows",
            shown(name)
        ))
    } else if chars > NAME_MAX_CHARS {
        Some(format!(
            "name has {chars} characters: write at most {NAME_MAX_CHARS}"
        ))
    } else {
        None
    }
}

/// What two names have in common that a person may take for one: the name without regard to
/// case, to how its letters are put together, to blanks, and to what cannot be seen.
pub(crate) fn looks(name: &str) -> String {
    if name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return name.to_ascii_lowercase();
    }
    let visible = name.nfkc().filter(|c| !is_invisible(*c));
    let lower: String = visible.flat_map(char::to_lowercase).nfkc().collect();
    lower.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ranges_are_in_order() {
        let ends: Vec<_> = INVISIBLE.iter().flat_map(|(a, b)| [*a, *b]).collect();
        assert!(ends.is_sorted(), "{ends:?}");
        assert!(INVISIBLE.windows(2).all(|pair| pair[0].1 < pair[1].0));
    }

    #[test]
    fn names_that_a_person_takes_for_one_look_the_same() {
        for (one, other) in [
            ("Books", "books"),
            ("caf\u{e9}", "cafe\u{301}"),
            ("CAFE\u{301}", "caf\u{e9}"),
            ("\u{212b}", "\u{e5}"),
            ("bo\u{200b}oks", "books"),
            ("a  b", "A\u{a0}b"),
            (" a", "a"),
            ("\u{ff41}", "a"),
        ] {
            assert_eq!(looks(one), looks(other), "{one:?} {other:?}");
        }
        for (one, other) in [
            ("cafe", "caf\u{e9}"),
            ("a b", "ab"),
            ("a-b", "a_b"),
            ("o", "0"),
        ] {
            assert_ne!(looks(one), looks(other), "{one:?} {other:?}");
        }
    }
}
