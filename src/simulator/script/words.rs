//! The words of a fault's text, each with its value. Pure.

use std::str::FromStr;

use crate::{core::job::DurationMs, core::nearest::nearest};

/// Every word but the endpoint, and whether it takes a value.
const WORDS: &[(&str, bool)] = &[
    ("name", true),
    ("from", true),
    ("until", true),
    ("nth", true),
    ("first", true),
    ("every", true),
    ("p", true),
    ("per-name", false),
    ("status", true),
    ("body", true),
    ("retry-after", true),
    ("retry-after-date", true),
    ("retry-after-text", true),
    ("lose", false),
    ("reset", false),
    ("redirect", true),
    ("before", false),
    ("after", false),
    ("delay", true),
    ("cut", false),
    ("slow", true),
    ("endless", false),
    ("gzip-bomb", false),
    ("unreadable", false),
    ("missing", true),
    ("rekey", true),
    ("say", true),
    ("limit", true),
    ("item", true),
    ("raw", true),
    ("result", true),
    ("land-late", true),
    ("show-late", true),
    ("generation", true),
    ("fail", true),
    ("alter-name", true),
    ("base", true),
];

pub(super) type RuleWord = (String, Option<String>);

/// Splits a line at spaces outside double quotes, and each word at its first `=`.
pub(super) fn words(text: &str) -> Result<Vec<RuleWord>, String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut is_quoted, mut is_word) = (false, false);
    for c in text.chars().chain([' ']) {
        match c {
            '"' => {
                is_quoted = !is_quoted;
                is_word = true;
            }
            c if c.is_whitespace() && !is_quoted => {
                if is_word {
                    words.push(std::mem::take(&mut word));
                }
                is_word = false;
            }
            c => {
                word.push(c);
                is_word = true;
            }
        }
    }
    if is_quoted {
        return Err("a double quote is missing".to_owned());
    }
    let split = |word: String| match word.split_once('=') {
        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
        None => (word, None),
    };
    Ok(words.into_iter().map(split).collect())
}

/// The line that these words make, after the endpoint.
pub(super) fn line(endpoint: &str, words: &[RuleWord]) -> String {
    let mut line = endpoint.to_owned();
    for (key, value) in words {
        let word = match value {
            None => key.clone(),
            Some(value) if value.chars().any(char::is_whitespace) => format!("{key}=\"{value}\""),
            Some(value) => format!("{key}={value}"),
        };
        line.push(' ');
        line.push_str(&word);
    }
    line
}

/// The words of one rule, every one of them known.
pub(super) struct RuleWords(Vec<RuleWord>);

impl RuleWords {
    pub fn check(words: Vec<RuleWord>) -> Result<Self, String> {
        for (at, (key, value)) in words.iter().enumerate() {
            let Some((_, takes_value)) = WORDS.iter().find(|(word, _)| word == key) else {
                let known = WORDS.iter().map(|(word, _)| *word);
                return Err(match nearest(key, known) {
                    Some(near) => format!("unknown word {key:?}; did you mean {near}?"),
                    None => format!(
                        "unknown word {key:?}; `parserd help simulate` lists those there are"
                    ),
                });
            };
            match (takes_value, value) {
                (true, None) => return Err(format!("{key} needs a value: {key}=...")),
                (false, Some(_)) => return Err(format!("{key} takes no value")),
                (true, Some(_)) | (false, None) => {}
            }
            if words[..at].iter().any(|(earlier, _)| earlier == key) {
                return Err(format!("{key} is given twice"));
            }
        }
        Ok(Self(words))
    }

    pub fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(word, _)| word == key)
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(word, _)| word == key)?;
        value.as_deref()
    }

    pub fn text_owned(&self, key: &str) -> Option<String> {
        self.text(key).map(str::to_owned)
    }

    pub fn number<T: FromStr>(&self, key: &str) -> Result<Option<T>, String> {
        let parse = |text: &str| {
            text.parse()
                .map_err(|_| format!("{key} cannot be {text:?}"))
        };
        self.text(key).map(parse).transpose()
    }

    pub fn duration_ms(&self, key: &str) -> Result<Option<DurationMs>, String> {
        let parse = |text: &str| {
            let duration = crate::core::duration::parse(text)
                .map_err(|error| format!("{key} cannot be {text:?}: {error}"))?;
            DurationMs::try_from(duration.as_millis()).map_err(|_| format!("{key} is too long"))
        };
        self.text(key).map(parse).transpose()
    }

    pub fn pair(&self, key: &str) -> Result<Option<(String, String)>, String> {
        let parse = |text: &str| match text.split_once(':') {
            Some((old, new)) => Ok((old.to_owned(), new.to_owned())),
            None => Err(format!("{key} is written {key}=OLD:NEW")),
        };
        self.text(key).map(parse).transpose()
    }

    /// At most one of these, as they exclude each other.
    pub fn one_of(&self, keys: &[&str]) -> Result<(), String> {
        let given: Vec<&str> = keys.iter().copied().filter(|key| self.has(key)).collect();
        match given[..] {
            [first, second, ..] => Err(format!("{first} and {second} exclude each other")),
            _ => Ok(()),
        }
    }

    /// These make sense only beside one of those.
    pub fn only_with(&self, keys: &[&str], companions: &[&str]) -> Result<(), String> {
        match keys.iter().find(|key| self.has(key)) {
            Some(key) if !companions.iter().any(|key| self.has(key)) => {
                Err(format!("{key} needs {}", companions.join(" or ")))
            }
            _ => Ok(()),
        }
    }
}
