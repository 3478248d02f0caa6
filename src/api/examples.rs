//! PURE: which example results can be kept: what SQLite cannot read would spoil every report
//! over all jobs.

use serde_json::value::RawValue;

use super::{split, text::Quoter};
use crate::core::outcome::Lack;

/// SQLite reads JSON of no more containers within one another.
const MAX_DEPTH: usize = 1000;

/// The example results as they may be kept, or why there are none.
pub(super) fn kept(
    found: Option<Result<Box<RawValue>, String>>,
    quoter: &Quoter,
) -> Result<Box<RawValue>, Lack> {
    let left_out = |why: String| Lack {
        why,
        is_cut: false,
        is_nothing: false,
    };
    let examples = match found {
        None => {
            return Err(Lack {
                is_nothing: true,
                ..left_out("the service gave none".to_owned())
            });
        }
        Some(Err(error)) => return Err(left_out(format!("they are not JSON ({error})"))),
        Some(Ok(examples)) => examples,
    };
    let depth = split::depth(examples.get());
    if depth > MAX_DEPTH {
        let why =
            format!("{depth} arrays and objects are nested, and SQLite reads at most {MAX_DEPTH}");
        return Err(left_out(why));
    }
    if has_lone_surrogate(examples.get()) {
        let why = "they contain a \\u escape that is not a character (half a surrogate pair)";
        return Err(left_out(why.to_owned()));
    }
    if !quoter.finds_key(examples.get()) {
        return Ok(examples);
    }
    RawValue::from_string(quoter.redact(examples.get()))
        .map_err(|_| left_out("without the API key that they contain they are not JSON".to_owned()))
}

/// Whether a string of this valid JSON has half of a surrogate pair: SQLite takes it, and hands
/// out what is not UTF-8.
fn has_lone_surrogate(json: &str) -> bool {
    let mut rest = json;
    let mut is_half = false;
    while let Some(at) = rest.find('\\') {
        let escape = &rest[at + 1..];
        let unit = escape
            .strip_prefix('u')
            .and_then(|digits| u16::from_str_radix(digits.get(..4)?, 16).ok());
        let is_first = matches!(unit, Some(0xD800..=0xDBFF));
        let is_second = matches!(unit, Some(0xDC00..=0xDFFF));
        // The second half comes right after the first one, and nowhere else.
        if is_half != (is_second && at == 0) || is_second && !is_half {
            return true;
        }
        is_half = is_first;
        // What is escaped is one byte of ASCII, or `u` and four digits.
        rest = &escape[if unit.is_some() { 5 } else { 1 }..];
    }
    is_half
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_valid_to_sqlite(json: &str) -> bool {
        let options = sqlx::sqlite::SqliteConnectOptions::new().in_memory(true);
        let mut connection = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options)
            .await
            .unwrap();
        sqlx::query_scalar("SELECT json_valid(?1)")
            .bind(json)
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn what_is_kept_is_what_sqlite_can_read() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for (json, expected) in [
            (nested(MAX_DEPTH), true),
            (nested(MAX_DEPTH + 1), false),
            (nested(100_000), false),
            (r#"[{"url":"u","result":{"a":1.5e3}}]"#.to_owned(), true),
            (r#""text \u00e9 \u0000""#.to_owned(), true),
        ] {
            let raw = RawValue::from_string(json.clone()).unwrap();
            let kept = kept(Some(Ok(raw)), &Quoter::default());
            assert_eq!(kept.is_ok(), expected, "{}", json.len());
            assert_eq!(is_valid_to_sqlite(&json).await, expected, "{}", json.len());
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_found() {
        for (json, expected) in [
            (r#"["plain", "\n\\\"\u00e9"]"#, false),
            (r#""\ud83d\ude00""#, false),
            (r#""\uD83D\uDE00\ud83d\ude00""#, false),
            (r#""\\ud800""#, false),
            (r#""\ud800""#, true),
            (r#""\ude00""#, true),
            (r#""\ud800 \ude00""#, true),
            (r#""\ud800\n""#, true),
            (r#""\ud800\ud83d\ude00""#, true),
            (r#""\ud83d\ude00\ude00""#, true),
            (r#"{"\udfff": 1}"#, true),
        ] {
            assert_eq!(has_lone_surrogate(json), expected, "{json}");
            let is_read = serde_json::from_str::<serde_json::Value>(json).is_ok();
            assert_eq!(is_read, !expected, "{json}");
        }
    }
}
