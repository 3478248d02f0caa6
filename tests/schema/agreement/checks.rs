//! `expect` and `check_urls`.

use parserd::core::spec::CHECK_URLS_MAX;
use serde_json::json;

use super::{Row, assert_agreement};

const FIELDS: &str =
    r#"[{"name": "price", "description": "d"}, {"name": "products", "description": "d"}]"#;

fn expecting(expect: &str) -> Row {
    Row {
        expect: Some(expect.to_owned()),
        ..Row::with_fields(FIELDS)
    }
}

fn checking(check_urls: &str) -> Row {
    Row {
        check_urls: Some(check_urls.to_owned()),
        ..Row::named("books")
    }
}

fn pages(count: usize) -> String {
    let page = |n| format!("https://b.example/{n}");
    json!((0..count).map(page).collect::<Vec<_>>()).to_string()
}

#[tokio::test]
async fn both_accept_every_expectation_that_is_one() {
    let rows = [
        "{}",
        r#"{"price": {}}"#,
        r#" { "price" : { "min" : 0.5, "max" : 5000 } } "#,
        r#"{"price": {"min": -1, "max": -1, "required": true}}"#,
        r#"{"price": {"min": 1e3}, "products": {"min_items": 0, "max_items": 0}}"#,
        r#"{"products": {"min_items": 9007199254740993}}"#,
        r#"{"price": {"pattern": "^[0-9]+$", "required": false}}"#,
        r#"{"price": {"pattern": ""}}"#,
        r#"{"price": {"one_of": ["a", 1, 1.5, true, ""]}}"#,
    ];
    assert_agreement(rows.map(expecting), true).await;
    let inferred = Row {
        expect: Some(r#"{"anything.at.all": {"min_items": 1}}"#.to_owned()),
        ..Row::named("books")
    };
    assert_agreement([inferred], true).await;
}

#[tokio::test]
async fn both_refuse_every_expectation_that_is_none() {
    let long = format!(r#"{{"price": {{"pattern": "{}"}}}}"#, "x".repeat(70_000));
    let rows = [
        "",
        "x",
        "[]",
        "5",
        r#""price""#,
        r#"{"price": 5}"#,
        r#"{"price": [1]}"#,
        r#"{"price": null}"#,
        r#"{"prise": {"min": 1}}"#,
        r#"{"price": {"minimum": 1}}"#,
        r#"{"price": {"min": "1"}}"#,
        r#"{"price": {"min": null}}"#,
        r#"{"price": {"max": true}}"#,
        r#"{"price": {"min": 2, "max": 1}}"#,
        r#"{"price": {"min_items": 2, "max_items": 1}}"#,
        r#"{"price": {"min_items": -1}}"#,
        r#"{"price": {"max_items": 1.5}}"#,
        r#"{"price": {"max_items": "1"}}"#,
        r#"{"price": {"pattern": 1}}"#,
        r#"{"price": {"one_of": []}}"#,
        r#"{"price": {"one_of": "a"}}"#,
        r#"{"price": {"one_of": [null]}}"#,
        r#"{"price": {"one_of": [["a"]]}}"#,
        r#"{"price": {"required": "no"}}"#,
        r#"{"price": {"required": 0}}"#,
        r#"{"price": {"min": 1}, "price": {"min": 2}}"#,
        r#"{"price": {"min": 1, "min": 2}}"#,
        long.as_str(),
    ];
    assert_agreement(rows.map(expecting), false).await;
}

#[tokio::test]
async fn both_judge_held_out_pages_alike() {
    let good = [
        pages(1),
        pages(CHECK_URLS_MAX),
        r#" [ "https:\/\/other.example:8080/x?y#z" ] "#.to_owned(),
    ];
    assert_agreement(good.iter().map(|urls| checking(urls)), true).await;
    let bad = [
        String::new(),
        "{}".to_owned(),
        "[]".to_owned(),
        "[1]".to_owned(),
        r#""https://b.example/1""#.to_owned(),
        pages(CHECK_URLS_MAX + 1),
        r#"["ftp://b.example/"]"#.to_owned(),
        r#"["https://b.example/a b"]"#.to_owned(),
        r#"["https://user:word@b.example/"]"#.to_owned(),
        r#"["https://b.example:99999/"]"#.to_owned(),
        r#"["https://b.example/1", "https://b.example/1"]"#.to_owned(),
        // The example page itself.
        r#"["https://b.example/"]"#.to_owned(),
        json!([format!("https://b.example/{}", "x".repeat(2048))]).to_string(),
    ];
    assert_agreement(bad.iter().map(|urls| checking(urls)), false).await;
}
