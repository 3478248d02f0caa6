//! `labels`.

use parserd::core::spec::{LABEL_KEY_MAX_CHARS, LABEL_VALUE_MAX_CHARS, LABELS_MAX};
use serde_json::{Map, Value, json};

use super::{CHARS, Row, assert_agreement, long};

fn labelled(labels: &str) -> Row {
    Row {
        labels: Some(labels.to_owned()),
        ..Row::named("books")
    }
}

fn so_many(count: usize) -> String {
    let label = |n| (format!("k{n}"), Value::from("v"));
    Value::Object((0..count).map(label).collect::<Map<_, _>>()).to_string()
}

#[tokio::test]
async fn both_accept_all_labels_within_the_limits() {
    let mut rows: Vec<_> = [
        "{}",
        r#" { "team" : "search" } "#,
        r#"{"a-b_c.9": "Ünïcode ☃ 📚, with = and \" and 'blanks'"}"#,
        r#"{"-": " ", ".": "x"}"#,
        r#"{"a": "\\u0000"}"#,
        r#"{"a": "x\\"}"#,
        r#"{"a": "\u0041\u00e9"}"#,
    ]
    .map(labelled)
    .into();
    rows.push(labelled(&so_many(LABELS_MAX)));
    rows.push(labelled(
        &json!({long('k', LABEL_KEY_MAX_CHARS): "v"}).to_string(),
    ));
    rows.extend(CHARS.map(|c| labelled(&json!({"a": long(c, LABEL_VALUE_MAX_CHARS)}).to_string())));
    assert_agreement(rows, true).await;
}

#[tokio::test]
async fn both_refuse_labels_that_break_a_rule() {
    let mut rows: Vec<_> = [
        "",
        "team",
        "null",
        "[]",
        r#""team""#,
        r#"["team"]"#,
        r#"{"team": 1}"#,
        r#"{"team": null}"#,
        r#"{"team": true}"#,
        r#"{"team": ["a"]}"#,
        r#"{"team": {"a": "b"}}"#,
        r#"{"team": ""}"#,
        r#"{"": "x"}"#,
        r#"{"Team": "x"}"#,
        r#"{"a b": "x"}"#,
        r#"{"a]": "x"}"#,
        r#"{"a^": "x"}"#,
        r#"{"é": "x"}"#,
        r#"{"a\u0000": "x"}"#,
        r#"{"team": "a", "team": "b"}"#,
        r#"{"a": "x\ny"}"#,
        r#"{"a": "\t"}"#,
        r#"{"a": "x\u0000y"}"#,
        r#"{"a": "\\\u0000"}"#,
        r#"{"a": "\u007f"}"#,
        r#"{"a": "\u0085"}"#,
    ]
    .map(labelled)
    .into();
    rows.push(labelled(&so_many(LABELS_MAX + 1)));
    rows.push(labelled(
        &json!({long('k', LABEL_KEY_MAX_CHARS + 1): "v"}).to_string(),
    ));
    rows.extend(
        CHARS.map(|c| labelled(&json!({"a": long(c, LABEL_VALUE_MAX_CHARS + 1)}).to_string())),
    );
    assert_agreement(rows, false).await;
}
