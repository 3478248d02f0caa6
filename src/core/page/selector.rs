//! The places that a job's fields name by CSS selectors, looked for loosely: what a strict match
//! would find is never missed, so that "it matches nothing" can be believed.

use lol_html::Selector;

/// Selectors that can be looked for.
#[derive(Debug, Default)]
pub struct Places {
    selectors: Vec<Selector>,
}

impl Places {
    /// Those of these hints that are CSS; XPath and what is neither is left out.
    pub fn of<'h>(hints: impl IntoIterator<Item = &'h str>) -> Self {
        let selectors = hints
            .into_iter()
            .filter_map(loosened)
            .filter_map(|css| css.parse().ok());
        Self {
            selectors: selectors.collect(),
        }
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.selectors.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.selectors.is_empty()
    }

    pub(super) fn selectors(&self) -> impl Iterator<Item = (usize, &Selector)> {
        self.selectors.iter().enumerate()
    }
}

/// The same selector with what a stream without implied end tags cannot match left out: a child
/// becomes a descendant, a pseudo-class any element. None for what is not CSS, or names siblings.
fn loosened(hint: &str) -> Option<String> {
    let hint = hint.trim();
    if hint.is_empty() || hint.starts_with(['/', '(', '@']) || hint.starts_with("./") {
        return None;
    }
    let mut loose = String::with_capacity(hint.len());
    let mut chars = hint.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '[' => {
                loose.push(c);
                copy_brackets(&mut chars, &mut loose)?;
            }
            '>' => loose.push(' '),
            '+' | '~' => return None,
            ':' => {
                if loose.is_empty() || loose.ends_with([' ', ',']) {
                    loose.push('*');
                }
                skip_pseudo(&mut chars)?;
            }
            '\\' => {
                loose.push(c);
                loose.push(chars.next()?);
            }
            c => loose.push(c),
        }
    }
    let loose = loose.trim().to_owned();
    (!loose.is_empty()).then_some(loose)
}

/// Up to the end of an attribute's brackets, whose values may hold anything in quotes.
fn copy_brackets(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    loose: &mut String,
) -> Option<()> {
    let mut quote = None;
    for c in chars.by_ref() {
        loose.push(c);
        match (quote, c) {
            (None, ']') => return Some(()),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
    }
    None
}

/// The rest of `:name`, `::name` or `:name(...)`.
fn skip_pseudo(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<()> {
    while chars
        .peek()
        .is_some_and(|c| *c == ':' || *c == '-' || *c == '_' || c.is_alphanumeric())
    {
        chars.next();
    }
    if chars.peek() != Some(&'(') {
        return Some(());
    }
    let mut depth = 0_usize;
    for c in chars.by_ref() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn css_is_loosened_and_what_is_not_css_is_left_out() {
        for (hint, expected) in [
            ("h1.title", Some("h1.title")),
            ("div.card > span.price", Some("div.card   span.price")),
            ("h1::text", Some("h1")),
            ("a::attr(href)", Some("a")),
            ("ul li:nth-child(2n+1) a", Some("ul li a")),
            (":not(.x) b", Some("* b")),
            ("li:not(:first-child)", Some("li")),
            (
                "a[href^=\"https://x.example/>\"]",
                Some("a[href^=\"https://x.example/>\"]"),
            ),
            ("a, b > c", Some("a, b   c")),
            ("a + b", None),
            ("a ~ b", None),
            ("//div[@class='x']", None),
            ("./div", None),
            ("(//a)[1]", None),
            ("", None),
            ("a[b", None),
            ("a:not(b", None),
        ] {
            assert_eq!(loosened(hint).as_deref(), expected, "{hint}");
        }
    }

    #[test]
    fn a_hint_in_words_is_not_taken_for_a_selector() {
        let places = Places::of(["h1", "the price, in bold!", "//p", "a + b"]);
        assert_eq!(places.len(), 1);
    }
}
