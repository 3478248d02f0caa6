//! Text from outside made fit to be stored, shown and logged: decoded, without
//! the API key, control characters escaped, capped.

use std::{fmt::Write as _, ops::Range};

use crate::core::text::{is_unfit, push_escaped};

use secrecy::{ExposeSecret, SecretString};

/// No quoted text is longer than this, in bytes, its mark of a cut included.
pub const CAP_BYTES: usize = 4 * 1024;

/// Stands at the end of a text of which a part is missing.
pub const CUT_MARK: &str = "… [cut]";

/// Stands where the API key stood.
pub const KEY_MARK: &str = "[key]";

/// A longer id is not accepted: it stands in paths, in logs and in every list.
pub const MAX_ID_BYTES: usize = 200;

/// Of a longer name the middle is left out, in bytes: what tells names apart often stands at
/// their ends. parserd's own are shorter.
pub const MAX_NAME_BYTES: usize = 1000;

/// So much of the end of a longer name is kept, in bytes.
const NAME_END_BYTES: usize = 200;

/// Of a longer status only the beginning is kept, in bytes.
const MAX_STATUS_BYTES: usize = 200;

/// As much of a body as is looked at for a text of at most [`CAP_BYTES`].
const WINDOW_BYTES: usize = 64 * 1024;

/// Quotes text from outside without a secret that it may echo.
///
/// `Debug` prints no secret.
#[derive(Debug, Clone, Default)]
pub struct Quoter {
    /// Every spelling of the secret, longest first.
    spellings: Vec<SecretString>,
    /// The secret as it is.
    plain: Option<SecretString>,
}

impl Quoter {
    /// A quoter that puts [`KEY_MARK`] in the place of `key`, be it spelt as it
    /// is, percent-encoded, as a form encodes it, or as JSON escapes it.
    pub fn hiding(key: &SecretString) -> Self {
        let mut spellings: Vec<String> = spellings(key.expose_secret());
        spellings.retain(|spelling| !spelling.is_empty());
        // The longest first: an encoded spelling may hold a part of a shorter one.
        spellings.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        spellings.dedup();
        Self {
            spellings: spellings.into_iter().map(SecretString::from).collect(),
            plain: (!key.expose_secret().is_empty()).then(|| key.clone()),
        }
    }

    /// `text` without the key, control characters escaped, capped at [`CAP_BYTES`].
    pub fn quote(&self, text: &str) -> String {
        self.quote_after("", text.as_bytes(), false)
    }

    /// [`Self::quote`] of `lead` and what `bytes` hold, decoded as UTF-8 with
    /// what cannot be decoded replaced.
    ///
    /// `cut` says that more followed after `bytes`. Then the result ends with
    /// [`CUT_MARK`], and a beginning of the key at the end of `bytes` is dropped.
    pub fn quote_after(&self, lead: &str, bytes: &[u8], cut: bool) -> String {
        let window = &bytes[..bytes.len().min(WINDOW_BYTES)];
        let cut = cut || window.len() < bytes.len();
        let whole = format!("{lead}{}", String::from_utf8_lossy(window));
        // Before the cap: half a key at the cap would not be found any more.
        let mut text = self.redact(&whole);
        if cut {
            text.truncate(self.end_without_partial_key(&text));
        }
        escape_capped(&text, cut)
    }

    /// A listed name without the key, control characters escaped, capped at
    /// [`MAX_NAME_BYTES`]. What else is invisible stays: it may be as it was sent.
    pub fn name(&self, text: &str) -> String {
        let mut name = String::with_capacity(text.len().min(MAX_NAME_BYTES));
        for c in self.redact(text).chars() {
            if c.is_control() {
                push_escaped(&mut name, c);
            } else {
                name.push(c);
            }
        }
        if name.len() <= MAX_NAME_BYTES {
            return name;
        }
        let head = MAX_NAME_BYTES - NAME_END_BYTES - CUT_MARK.len();
        let head = name.floor_char_boundary(head);
        let end = name.ceil_char_boundary(name.len() - NAME_END_BYTES);
        format!("{}{CUT_MARK}{}", &name[..head], &name[end..])
    }

    /// An unknown status, as [`quote`](Self::quote) and short.
    pub fn status(&self, text: &str) -> String {
        let mut status = self.quote(text);
        if status.len() > MAX_STATUS_BYTES {
            status.truncate(status.floor_char_boundary(MAX_STATUS_BYTES - CUT_MARK.len()));
            status.push_str(CUT_MARK);
        }
        status
    }

    /// Whether `text` can be kept as an id just as it is: altered, it would name no parser.
    pub fn is_id(&self, text: &str) -> bool {
        !text.trim().is_empty()
            // No URL has them as a part of its path.
            && !matches!(text, "." | "..")
            && text.len() <= MAX_ID_BYTES
            && !text.contains(is_unfit)
            && !self.finds_key(text)
    }

    /// `text` with [`KEY_MARK`] for every occurrence of the key.
    pub fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for spelling in &self.spellings {
            if text.contains(spelling.expose_secret()) {
                text = text.replace(spelling.expose_secret(), KEY_MARK);
            }
        }
        // From the last one on: the places of those before stay as they are.
        for place in self.encoded_keys(&text).into_iter().rev() {
            text.replace_range(place, KEY_MARK);
        }
        text
    }

    /// Where the key stands with any of its characters percent-encoded, whichever these are.
    fn encoded_keys(&self, text: &str) -> Vec<Range<usize>> {
        let key = match &self.plain {
            Some(key) if text.contains('%') => key.expose_secret().as_bytes(),
            _ => return Vec::new(),
        };
        let bytes = text.as_bytes();
        let (mut decoded, mut starts) = (Vec::new(), Vec::new());
        let mut at = 0;
        while at < bytes.len() {
            let escaped = match bytes[at..] {
                [b'%', high, low, ..] => hex(high).zip(hex(low)),
                _ => None,
            };
            starts.push(at);
            if let Some((high, low)) = escaped {
                decoded.push(16 * high + low);
                at += 3;
            } else {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
        starts.push(bytes.len());
        let (mut places, mut from) = (Vec::new(), 0);
        while let Some(found) = decoded[from..]
            .windows(key.len())
            .position(|part| part == key)
        {
            let found = from + found;
            from = found + key.len();
            // What stands as it is was found before, or is a mark's own.
            if starts[from] - starts[found] > key.len() {
                places.push(starts[found]..starts[from]);
            }
        }
        places
    }

    /// Whether `text` holds the key.
    pub fn finds_key(&self, text: &str) -> bool {
        self.spellings
            .iter()
            .any(|spelling| text.contains(spelling.expose_secret()))
            || !self.encoded_keys(text).is_empty()
    }

    fn end_without_partial_key(&self, text: &str) -> usize {
        let partial_bytes = |secret: &str| {
            (1..secret.len())
                .rev()
                .find(|&n| secret.is_char_boundary(n) && text.ends_with(&secret[..n]))
                .unwrap_or(0)
        };
        let longest = self
            .spellings
            .iter()
            .map(|spelling| partial_bytes(spelling.expose_secret()))
            .max();
        text.len() - longest.unwrap_or(0)
    }
}

/// [`Quoter::quote`] where there is no key to hide.
pub fn quote(text: &str) -> String {
    Quoter::default().quote(text)
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

fn spellings(key: &str) -> Vec<String> {
    let form: String = url::form_urlencoded::byte_serialize(key.as_bytes()).collect();
    let percent = form.replace('+', "%20");
    let full = key.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    });
    let json = serde_json::Value::from(key).to_string();
    let json = json[1..json.len() - 1].to_owned();
    let slashed = json.replace('/', "\\/");
    let mut all = vec![key.to_owned(), json, slashed];
    for encoded in [form, percent, full] {
        all.push(lower_hex(&encoded));
        all.push(encoded);
    }
    all
}

/// `%2F` as `%2f`, everything else as it is.
fn lower_hex(encoded: &str) -> String {
    let mut digits_left = 0;
    encoded
        .chars()
        .map(|c| {
            if c == '%' {
                digits_left = 2;
                c
            } else if digits_left > 0 {
                digits_left -= 1;
                c.to_ascii_lowercase()
            } else {
                c
            }
        })
        .collect()
}

fn escape_capped(text: &str, cut: bool) -> String {
    let mut out = String::with_capacity(text.len().min(CAP_BYTES));
    // The longest prefix of the result that leaves room for the mark.
    let mut room_for_mark = 0;
    for c in text.chars() {
        let before = out.len();
        push_escaped(&mut out, c);
        if out.len() > CAP_BYTES {
            out.truncate(room_for_mark);
            out.push_str(CUT_MARK);
            return out;
        }
        if before + CUT_MARK.len() <= CAP_BYTES {
            room_for_mark = before;
        }
    }
    if cut {
        if out.len() + CUT_MARK.len() > CAP_BYTES {
            out.truncate(room_for_mark);
        }
        out.push_str(CUT_MARK);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hiding(key: &str) -> Quoter {
        Quoter::hiding(&SecretString::from(key))
    }

    /// A service may encode what need not be, and leave what must.
    #[test]
    fn the_key_is_hidden_with_any_of_its_characters_percent_encoded() {
        let quoter = hiding("k3y-Se.cr3t");
        for (text, expected) in [
            ("a k3y%2DSe.cr3t b", "a [key] b"),
            ("k3y-Se%2ecr3t%6b3y-Se.cr3t", "[key][key]"),
            ("%6B%33%79%2D%53%65%2E%63%72%33%74", "[key]"),
            ("k3y%2DSe.cr3", "k3y%2DSe.cr3"),
            ("100 % é %zz %", "100 % é %zz %"),
        ] {
            assert_eq!(quoter.quote(text), expected);
            assert_eq!(quoter.finds_key(text), text != expected);
        }
        // A key that is in the mark itself.
        assert_eq!(hiding("key").quote("%6Bey 5 %"), "[key] 5 %");
    }

    #[test]
    fn an_id_is_kept_as_it_is_or_not_at_all() {
        let quoter = hiding("SECRET0123");
        for (text, expected) in [
            ("9c0f-é/.. x", true),
            ("...", true),
            (".", false),
            ("..", false),
            (" ", false),
            ("a\nb", false),
            ("a\u{1b}[31m", false),
            ("a\u{202e}b", false),
            ("x-SECRET0123", false),
            (&"x".repeat(200), true),
            (&"x".repeat(201), false),
        ] {
            assert_eq!(quoter.is_id(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_name_is_capped_in_its_middle_and_holds_neither_controls_nor_the_key() {
        let quoter = hiding("SECRET0123");
        let forged = "a\n2026-01-01 INFO forged\u{1b}[0m SECRET0123";
        let expected = "a\\n2026-01-01 INFO forged\\u{1b}[0m [key]";
        assert_eq!(quoter.name(forged), expected);
        let as_sent = "caf\u{e9}\u{200d} books_pd_abcdefgh";
        assert_eq!(quoter.name(as_sent), as_sent);
        let long = format!("{}_pd_abcdefgh", "é".repeat(1_000_000));
        let capped = quoter.name(&long);
        assert!(capped.len() <= MAX_NAME_BYTES && capped.contains(CUT_MARK));
        assert!(capped.ends_with("é_pd_abcdefgh"));
        let status = quoter.status(&"é\n".repeat(1_000));
        assert!(status.len() <= MAX_STATUS_BYTES && status.ends_with(CUT_MARK));
    }

    #[test]
    fn plain_text_stays_as_it_is() {
        let text = r#"DownloadError: Failed "C:\x" für 100 % of 日本 🙂"#;
        assert_eq!(quote(text), text);
    }

    #[test]
    fn what_could_steer_a_terminal_or_fake_a_log_line_is_escaped() {
        for (outside, quoted) in [
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\0\u{7f}", "\\u{0}\\u{7f}"),
            (
                "a\u{202e}b\u{2066}c\u{200f}",
                "a\\u{202e}b\\u{2066}c\\u{200f}",
            ),
            ("\u{2028}\u{feff}", "\\u{2028}\\u{feff}"),
        ] {
            assert_eq!(quote(outside), quoted);
        }
    }

    #[test]
    fn quoting_twice_changes_nothing_more() {
        let once = quote(&"\u{1b}é\n".repeat(3000));
        assert_eq!(quote(&once), once);
    }

    #[test]
    fn bytes_that_are_no_utf8_are_replaced() {
        let quoted = Quoter::default().quote_after("", b"a\xff\xc3b", false);
        assert_eq!(quoted, "a\u{fffd}\u{fffd}b");
    }

    #[test]
    fn a_text_of_just_the_cap_is_kept_and_one_byte_more_is_cut_and_marked() {
        let fits = "x".repeat(CAP_BYTES);
        assert_eq!(quote(&fits), fits);

        let cut = quote(&"x".repeat(CAP_BYTES + 1));
        assert_eq!(cut.len(), CAP_BYTES);
        assert!(cut.ends_with(&format!("x{CUT_MARK}")));
    }

    #[test]
    fn the_cap_falls_between_characters_and_between_escapes() {
        for shift in 0..12 {
            for unit in ["é", "🙂", "\u{1b}", "\n"] {
                let text = format!("{}{}", "a".repeat(shift), unit.repeat(CAP_BYTES));
                let quoted = quote(&text);
                assert!(quoted.len() <= CAP_BYTES);
                let kept = quoted.strip_suffix(CUT_MARK).expect("marked as cut");
                let whole = unit.repeat(CAP_BYTES);
                let mut escaped = String::new();
                whole.chars().for_each(|c| push_escaped(&mut escaped, c));
                let kept = &kept[shift..];
                let mut one = String::new();
                unit.chars().for_each(|c| push_escaped(&mut one, c));
                assert_eq!(kept.len() % one.len(), 0, "{unit:?} after {shift}");
                assert!(escaped.starts_with(kept));
            }
        }
    }

    #[test]
    fn the_key_is_hidden_however_it_is_spelt() {
        let quoter = hiding("a/b+c \"d~é");
        for spelt in [
            "a/b+c \"d~é",
            r#"a/b+c \"d~é"#,
            r#"a\/b+c \"d~é"#,
            "a%2Fb%2Bc+%22d%7E%C3%A9",
            "a%2fb%2bc%20%22d%7e%c3%a9",
            "a%2Fb%2Bc%20%22d%7E%C3%A9",
        ] {
            let text = format!("key {spelt} is bad, {spelt}!");
            assert_eq!(quoter.quote(&text), "key [key] is bad, [key]!");
        }
    }

    #[test]
    fn no_part_of_the_key_survives_a_cap_that_falls_into_it() {
        let key = "SECRETSECRET0123";
        let quoter = hiding(key);
        for before in CAP_BYTES - 40..CAP_BYTES + 4 {
            let quoted = quoter.quote(&format!("{}{key} tail", ".".repeat(before)));
            assert!(!quoted.contains("SEC"), "{before}: {quoted}");
        }
    }

    #[test]
    fn no_part_of_the_key_survives_a_body_that_was_cut_within_it() {
        let key = "SECRET/0123";
        let quoter = hiding(key);
        for spelt in [key, "SECRET%2F0123"] {
            for kept in 1..spelt.len() {
                let body = format!("bad key {}", &spelt[..kept]);
                let quoted = quoter.quote_after("", body.as_bytes(), true);
                assert_eq!(quoted, format!("bad key {CUT_MARK}"), "{kept}");
            }
        }
    }

    #[test]
    fn no_part_of_the_key_survives_the_window_into_a_large_body() {
        let key = "SECRET0123";
        let quoter = hiding(key);
        // Redaction makes this short again, so that its end is within the cap.
        for shift in 0..key.len() {
            let body = format!("{}{}", "-".repeat(shift), key.repeat(WINDOW_BYTES));
            let quoted = quoter.quote_after("", body.as_bytes(), false);
            assert!(!quoted.contains('S'), "{shift}");
            assert!(quoted.ends_with(CUT_MARK));
        }
    }

    #[test]
    fn a_quoter_shows_no_key_in_debug() {
        assert!(!format!("{:?}", hiding("SECRET0123")).contains("SECRET"));
    }

    #[test]
    fn a_key_is_found_and_redacted_without_a_cap() {
        let key = SecretString::from("SECRET0123");
        let long = format!("{}SECRET0123", "x".repeat(CAP_BYTES));
        assert!(Quoter::hiding(&key).finds_key(&long));
        assert!(Quoter::hiding(&key).redact(&long).ends_with("x[key]"));
        assert!(!Quoter::default().finds_key(&long));
    }
}
