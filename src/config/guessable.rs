//! PURE: whether a token could be guessed.

use std::collections::BTreeSet;

/// A token that is shorter could be tried through.
const LEAST_CHARS: usize = 16;

/// Of 16 hexadecimal digits drawn by chance one set in 28,000 has fewer different ones.
const LEAST_DIFFERENT: usize = 6;

/// What somebody types along a row of keys or counts up has few different steps.
const LEAST_STEPS: usize = 4;

/// What to write instead.
pub(super) const CURE: &str = "16 or more random characters there: openssl rand -hex 24";

/// Why a token of ASCII characters could be guessed, if it could.
pub(super) fn guessable(token: &str) -> Option<String> {
    let bytes = token.as_bytes();
    if bytes.len() < LEAST_CHARS {
        return Some(format!("has fewer than {LEAST_CHARS} characters"));
    }
    let different = bytes.iter().collect::<BTreeSet<_>>().len();
    if different < LEAST_DIFFERENT {
        return Some(format!("has no more than {different} different characters"));
    }
    let steps: BTreeSet<_> = bytes
        .windows(2)
        .map(|pair| i16::from(pair[1]) - i16::from(pair[0]))
        .collect();
    if steps.len() < LEAST_STEPS {
        return Some("goes up or down in even steps".to_owned());
    }
    let repeats = |length: &usize| {
        bytes
            .iter()
            .skip(*length)
            .eq(bytes[..bytes.len() - length].iter())
    };
    (1..=bytes.len() / 2)
        .find(repeats)
        .map(|length| format!("repeats its first {length} characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_little_variety_could_be_guessed() {
        for (token, why) in [
            ("hunter2", Some("has fewer than 16 characters")),
            (
                "aaaaaaaaaaaaaaaa",
                Some("has no more than 1 different characters"),
            ),
            (
                "0000000000000000000000000001",
                Some("has no more than 2 different characters"),
            ),
            (
                "ababacabcdabcdeab",
                Some("has no more than 5 different characters"),
            ),
            ("abcdefghijklmnop", Some("goes up or down in even steps")),
            ("0123456789abcdef", Some("goes up or down in even steps")),
            ("1234567890123456", Some("goes up or down in even steps")),
            ("passwordpassword", Some("repeats its first 8 characters")),
            ("s3cretX-s3cretX-s3", Some("repeats its first 8 characters")),
            ("sixteen-letters-", None),
            ("a-token-for-tests-only", None),
            ("9f86d081884c7d65", None),
            ("3141592653589793", None),
        ] {
            assert_eq!(guessable(token).as_deref(), why, "{token}");
        }
    }
}
