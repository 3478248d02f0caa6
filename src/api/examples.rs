//! PURE: which example results can be kept: what SQLite cannot read would spoil every report
//! over all jobs.

use serde_json::value::RawValue;

use super::{split, text::Quoter, types::Lack};

/// SQLite reads JSON of no more containers within one another.
const MAX_DEPTH: usize = 1000;

/// The example results as they may be kept, or why there are none.
pub(super) fn kept(
    found: Option<Result<Box<RawValue>, String>>,
    quoter: &Quoter,
) -> Result<Box<RawValue>, Lack> {
    let left_out = |why: String| Lack { why, is_cut: false };
    let examples = match found {
        None => return Err(left_out("the service gave none".to_owned())),
        Some(Err(error)) => return Err(left_out(format!("they are not JSON ({error})"))),
        Some(Ok(examples)) => examples,
    };
    let depth = split::depth(examples.get());
    if depth > MAX_DEPTH {
        let why = format!(
            "{depth} lists and objects stand within one another, and SQLite reads \
                           {MAX_DEPTH} at the most"
        );
        return Err(left_out(why));
    }
    if !quoter.finds_key(examples.get()) {
        return Ok(examples);
    }
    RawValue::from_string(quoter.redact(examples.get()))
        .map_err(|_| left_out("without the API key that they repeat they are not JSON".to_owned()))
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
            (r#""text \ud800 \u0000""#.to_owned(), true),
        ] {
            let raw = RawValue::from_string(json.clone()).unwrap();
            let kept = kept(Some(Ok(raw)), &Quoter::default());
            assert_eq!(kept.is_ok(), expected, "{}", json.len());
            assert_eq!(is_valid_to_sqlite(&json).await, expected, "{}", json.len());
        }
    }
}
