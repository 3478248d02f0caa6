//! PURE: numbers as pages write them: "$1,299.00", "1.299,00 €", "4.5 out of 5", "1.2k".

/// What may stand before a number: so many characters, in so many words.
const BEFORE: (usize, usize) = (24, 3);

/// A longer word before a number is a heading, unless a colon ends it.
const WORD_BEFORE: usize = 6;

/// What may stand after one.
const AFTER: (usize, usize) = (24, 3);

/// Letters that may touch a number from the left: currencies. Others make it part of a name,
/// such as A4 or X200.
const TOUCHING: &[&str] = &[
    "aed", "aud", "au", "brl", "c", "ca", "cad", "chf", "czk", "dkk", "eur", "fr", "gbp", "hk",
    "hkd", "huf", "inr", "jpy", "kc", "kr", "krw", "mxn", "nok", "nt", "nz", "nzd", "php", "pln",
    "r", "rm", "rp", "rs", "rub", "s", "sar", "sek", "sgd", "tl", "try", "twd", "uah", "us", "usd",
    "zar", "zl", "z\u{142}",
];

/// A number as it may be meant: "1.299" is one and a bit, or a thousand and more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reading {
    pub value: f64,
    /// With the point between groups.
    pub grouped: Option<f64>,
}

/// The number that a text is, in any notation in use; None where it is not one number. Of a
/// range it is the lower end, of "4.5 out of 5" the first.
pub(super) fn number(text: &str) -> Option<Reading> {
    let text = plain(text.trim());
    let value = of_plain(without_remark(&text))?;
    let points = text.replace('.', ",");
    let is_ambiguous = text.matches('.').count() == 1 && !text.contains(',');
    let grouped = of_plain(without_remark(&points)).filter(|_| is_ambiguous);
    Some(Reading {
        value,
        grouped: grouped.filter(|grouped| *grouped > value.abs() * 2.0),
    })
}

/// "4.5 (120)" without what stands in parentheses behind a number.
fn without_remark(text: &str) -> &str {
    let Some((number, remark)) = text.split_once('(') else {
        return text;
    };
    let is_remark = remark.ends_with(')') && number.bytes().any(|b| b.is_ascii_digit());
    if is_remark { number.trim_end() } else { text }
}

fn of_plain(text: &str) -> Option<f64> {
    if let Some(value) = text.parse().ok().filter(|value: &f64| value.is_finite()) {
        // "inf" and "nan" are words.
        return text.bytes().any(|b| b.is_ascii_digit()).then_some(value);
    }
    let (before, token, rest) = split(text)?;
    let value = value(token)?;
    let value = if is_negative(before) { -value } else { value };
    if !is_prefix(before) {
        return None;
    }
    let Some((between, second, after)) = split(rest) else {
        return is_suffix(rest).then_some(value * scale(rest));
    };
    let is_second = is_between(between) && self::value(second).is_some() && is_suffix(after);
    (is_second && split(after).is_none()).then_some(value)
}

/// The same text with digits of other scripts as 0 to 9, and one kind of blank and of minus.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| {
            let digit = |zero: u32| char::from_digit(u32::from(c) - zero, 10);
            match c {
                '\u{660}'..='\u{669}' => digit(0x660),
                '\u{6f0}'..='\u{6f9}' => digit(0x6f0),
                '\u{966}'..='\u{96f}' => digit(0x966),
                '\u{ff10}'..='\u{ff19}' => digit(0xff10),
                '\u{a0}' | '\u{2007}' | '\u{2009}' | '\u{202f}' => Some(' '),
                '\u{2212}' | '\u{2010}'..='\u{2015}' => Some('-'),
                '\u{66b}' => Some('.'),
                '\u{66c}' | '\u{ff0c}' => Some(','),
                '\u{2019}' => Some('\''),
                _ => None,
            }
            .unwrap_or(c)
        })
        .collect()
}

/// What is before the first number, the number, and what is after it.
fn split(text: &str) -> Option<(&str, &str, &str)> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut start = bytes.iter().position(u8::is_ascii_digit)?;
    // .99
    if let [before @ .., b'.'] = &bytes[..start]
        && !before.last().is_some_and(u8::is_ascii_alphabetic)
    {
        start -= 1;
    }
    let mut end = start + 1;
    while end < bytes.len() {
        let is_group = || (1..=3).all(|n| digit(end + n)) && !digit(end + 4);
        match bytes[end] {
            b'0'..=b'9' => {}
            b'.' | b',' if digit(end + 1) => {}
            b' ' | b'\'' if is_group() && group_may_follow(&text[start..end]) => {}
            _ => break,
        }
        end += 1;
    }
    Some((&text[..start], &text[start..end], &text[end..]))
}

/// Whether these digits may go on with a group of three: "1 299", not "2024 100".
fn group_may_follow(digits: &str) -> bool {
    let last = digits.rsplit([' ', '\'']).next().unwrap_or(digits);
    let is_first = last.len() == digits.len();
    last.bytes().all(|b| b.is_ascii_digit()) && (last.len() == 3 || is_first && last.len() < 3)
}

/// The value of digits with separators, if they are one number.
fn value(token: &str) -> Option<f64> {
    let token: String = token.chars().filter(|c| !matches!(c, ' ' | '\'')).collect();
    let (commas, points) = (token.matches(',').count(), token.matches('.').count());
    // Where both stand, the last is the decimal one. One comma before three digits groups.
    let decimal = match (commas, points) {
        (0, 0) => None,
        (0, 1) => Some('.'),
        (1, 0) if !grouped(&token, ',') => Some(','),
        (_, 0) | (0, _) => None,
        _ if token.rfind(',') > token.rfind('.') => Some(','),
        _ => Some('.'),
    };
    let (whole, fraction) = match decimal {
        Some(decimal) => token.rsplit_once(decimal)?,
        None => (token.as_str(), ""),
    };
    let group = if decimal == Some(',') || commas == 0 {
        '.'
    } else {
        ','
    };
    if !fraction.bytes().all(|b| b.is_ascii_digit())
        || whole.contains([',', '.']) && !grouped(whole, group)
    {
        return None;
    }
    let digits: String = whole.chars().filter(char::is_ascii_digit).collect();
    format!("0{digits}.{fraction}0").parse().ok()
}

/// Whether the separator stands between groups: of three, or as in India of two and a last of
/// three.
fn grouped(digits: &str, separator: char) -> bool {
    let groups: Vec<&str> = digits.split(separator).collect();
    let [first, middle @ .., last] = groups.as_slice() else {
        return false;
    };
    let is_first = (1..=3).contains(&first.len()) && !first.starts_with('0');
    let are_digits = groups.iter().all(|g| g.bytes().all(|b| b.is_ascii_digit()));
    let is_middle = middle.iter().all(|g| g.len() == 3)
        || first.len() <= 2 && middle.iter().all(|g| g.len() == 2);
    are_digits && is_first && is_middle && last.len() == 3
}

fn is_short(text: &str, (chars, words): (usize, usize)) -> bool {
    text.chars().count() <= chars && text.split_whitespace().count() <= words
}

fn is_negative(before: &str) -> bool {
    let bare = before.trim_end_matches(|c: char| c == ' ' || !c.is_alphanumeric() && c != '-');
    before.trim_start().starts_with('-') || bare.ends_with('-')
}

/// Signs that stand before a number, whatever is before them.
const CURRENCIES: [char; 8] = [
    '$', '\u{20ac}', '\u{a3}', '\u{a5}', '\u{ffe5}', '\u{20b9}', '\u{20a9}', '\u{20bd}',
];

fn is_prefix(before: &str) -> bool {
    let letters_at = before
        .char_indices()
        .rev()
        .take_while(|(_, c)| c.is_alphabetic())
        .last()
        .map(|(at, _)| at);
    let touches =
        letters_at.is_none_or(|at| TOUCHING.contains(&before[at..].to_lowercase().as_str()));
    let ends_in_currency = before.trim_end().ends_with(CURRENCIES);
    let is_word = |word: &str| {
        let letters = word.chars().filter(|c| c.is_alphabetic()).count();
        letters <= WORD_BEFORE || word.ends_with(':')
    };
    let are_words = ends_in_currency || before.split_whitespace().all(is_word);
    let hyphen = before.strip_suffix('-').unwrap_or_default();
    let is_name = hyphen.ends_with(char::is_alphanumeric) || before.contains(['<', '@']);
    touches && are_words && is_short(before, BEFORE) && !before.ends_with(':') && !is_name
}

fn is_suffix(after: &str) -> bool {
    let touching = after.chars().take_while(|c| c.is_alphabetic()).count();
    // A colon or an @ makes it a time or an address.
    let after = after.strip_prefix(":-").unwrap_or(after);
    touching <= 12 && is_short(after, AFTER) && !after.contains([':', '@', '?', '<'])
}

/// What may stand between two numbers that are told as one: a range, or one out of another.
fn is_between(between: &str) -> bool {
    let words: String = between
        .chars()
        .filter(|c| c.is_alphabetic() || matches!(c, '-' | '/' | '~' | ' '))
        .collect();
    let words = words.to_lowercase();
    let words: Vec<&str> = words.split_whitespace().collect();
    let is_joint = |word: &str| {
        matches!(
            word,
            "-" | "/"
                | "~"
                | "to"
                | "of"
                | "out"
                | "from"
                | "bis"
                | "von"
                | "sur"
                | "de"
                | "a"
                | "su"
        )
    };
    between.chars().count() <= 16
        && words.iter().any(|word| is_joint(word))
        && words.iter().filter(|word| !is_joint(word)).count() <= 1
}

/// By how much a suffix multiplies: "1.2k".
fn scale(after: &str) -> f64 {
    let word: String = after.chars().take_while(|c| c.is_alphabetic()).collect();
    match word.as_str() {
        "k" | "K" => 1e3,
        "M" => 1e6,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notations_in_use_are_numbers() {
        for (text, expected) in [
            ("0", 0.0),
            ("42", 42.0),
            ("-3.5", -3.5),
            ("1e3", 1000.0),
            ("$1,299.00", 1299.0),
            ("US$ 1,299", 1299.0),
            ("1.299,00 \u{20ac}", 1299.0),
            ("EUR 1.299,-", 1.299),
            ("1 299,00 kr", 1299.0),
            ("1\u{202f}299 \u{20ac}", 1299.0),
            ("CHF 1'299.50", 1299.5),
            ("\u{20b9}1,23,456.78", 123_456.78),
            ("\u{ffe5}12,800", 12_800.0),
            ("12,800\u{5186}", 12_800.0),
            ("\u{661}\u{662}\u{66b}\u{665}", 12.5),
            ("$.99", 0.99),
            ("-12 %", -12.0),
            ("\u{2212}7", -7.0),
            ("+4", 4.0),
            ("4.5 out of 5 stars", 4.5),
            ("4/5", 4.0),
            ("$10 - $20", 10.0),
            ("from $5", 5.0),
            ("(1,234)", 1234.0),
            ("1.2k", 1200.0),
            ("3,5M", 3_500_000.0),
            ("12 reviews", 12.0),
            ("65 m\u{b2}", 65.0),
            ("5kg", 5.0),
            ("20th", 20.0),
            ("Price: $5.00", 5.0),
            ("  7\u{a0}", 7.0),
            ("R$ 49,90", 49.9),
            ("z\u{142}12", 12.0),
            ("Regular price $12.00", 12.0),
            ("120:-", 120.0),
            ("4.5 (120)", 4.5),
            ("$1,299.00 (20% off)", 1299.0),
        ] {
            let seen = number(text);
            assert!(
                seen.is_some_and(|seen| (seen.value - expected).abs() < 1e-9),
                "{text}: {seen:?}"
            );
        }
    }

    #[test]
    fn a_point_before_three_digits_may_stand_between_groups() {
        for (text, value, grouped) in [
            ("1.234 \u{20ac}", 1.234, Some(1234.0)),
            ("15.000 K\u{10d}", 15.0, Some(15_000.0)),
            ("Rp 1.200", 1.2, Some(1200.0)),
            ("1.299,00 \u{20ac}", 1299.0, None),
            ("1.5", 1.5, None),
            ("$1,299.00", 1299.0, None),
        ] {
            let expected = Reading { value, grouped };
            assert_eq!(number(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_one_number_is_none() {
        for text in [
            "",
            "Add to cart",
            "call for price",
            "inf",
            "NaN",
            "2024-01-05",
            "05/01/2024",
            "12:30",
            "192.168.0.1",
            "1.2.3",
            "A4",
            "X200",
            "B07XYZ123",
            "tel 555 1234 99",
            "Save 20% on your first order of the year",
            "Top 10 things to do in Lisbon",
            "a@1.com",
            "1,2,3,4",
            "free",
            "5 items in 3 carts",
            "Population (2023)",
            "SKU-123-45",
            "<b>12</b>",
        ] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
