//! `fields`: what both accept, and what both refuse.

use parserd::core::spec::{
    FIELD_DESCRIPTION_MAX_CHARS, FIELD_NAME_MAX_CHARS, FIELD_SELECTOR_MAX_CHARS, FIELDS_MAX,
    JSON_MAX_BYTES,
};
use serde_json::{Value, json};

use super::{CHARS, Row, assert_agreement, field, field_with, long};

/// `fields` of exactly so many bytes, without whitespace.
fn fields_of(bytes: usize) -> Row {
    let mut fields: Vec<_> = (0..33).map(|i| field(&format!("f{i}"))).collect();
    let lack = |fields: &[Value]| bytes - Value::from(fields.to_vec()).to_string().len();
    for i in 0..33 {
        let room = lack(&fields).min(FIELD_DESCRIPTION_MAX_CHARS - 1);
        fields[i]["description"] = long('d', 1 + room).into();
    }
    assert_eq!(lack(&fields), 0);
    Row::with_fields(&Value::from(fields).to_string())
}
#[tokio::test]
async fn both_accept_the_same_fields() {
    let most: Vec<_> = (0..FIELDS_MAX).map(|i| field(&format!("f{i}"))).collect();
    let lists = [
        json!([field("title")]),
        json!([field("title"), field("Title"), field(" title")]),
        json!([{"name": "t", "description": "d", "type": "string", "selector": "p > a"}]),
        json!([{"name": "t", "description": "d", "type": "number"}]),
        json!([{"name": "products.price", "description": "in £\nor €", "type": "array"}]),
        json!(most),
    ];
    let rows = lists
        .map(|list| Row::with_fields(&list.to_string()))
        .into_iter()
        .chain(CHARS.map(|c| field_with("name", long(c, FIELD_NAME_MAX_CHARS))))
        .chain(CHARS.map(|c| field_with("description", long(c, FIELD_DESCRIPTION_MAX_CHARS))))
        .chain(CHARS.map(|c| field_with("selector", long(c, FIELD_SELECTOR_MAX_CHARS))))
        .chain([fields_of(JSON_MAX_BYTES)]);
    assert_agreement(rows, true).await;
}

#[tokio::test]
async fn both_refuse_the_same_fields() {
    let many: Vec<_> = (0..=FIELDS_MAX).map(|i| field(&format!("f{i}"))).collect();
    let lists = [
        json!({}),
        json!([]),
        json!("title"),
        json!(["title"]),
        json!([[]]),
        json!([null]),
        json!([{}]),
        json!([{"name": "t"}]),
        json!([{"description": "d"}]),
        json!([field("t"), field("t")]),
        json!([field("t"), field("u"), field("t")]),
        json!([{"name": "t", "description": "d", "Type": "string"}]),
        json!([{"name": "t", "description": "d", "": ""}]),
        json!(many),
    ];
    let mut rows = lists
        .map(|list| Row::with_fields(&list.to_string()))
        .to_vec();
    let raw = [
        "",
        "title",
        "[{name:'t',description:'d'}]",
        r#"[{"name":"a","name":"b","description":"d"}]"#,
    ];
    rows.extend(raw.map(Row::with_fields));
    for key in ["name", "description", "selector"] {
        let values = [
            json!(""),
            json!(" \t"),
            json!("\u{a0}\u{3000}"),
            json!(null),
            json!(7),
        ];
        let nested = [
            json!({"name": "t", "description": "d"}),
            json!(["t"]),
            json!(true),
        ];
        rows.extend(values.into_iter().chain(nested).map(|v| field_with(key, v)));
    }
    for value in [
        json!("String"),
        json!("text"),
        json!(""),
        json!(null),
        json!(["string"]),
    ] {
        rows.push(field_with("type", value));
    }
    for char in CHARS {
        rows.push(field_with("name", long(char, FIELD_NAME_MAX_CHARS + 1)));
        rows.push(field_with(
            "description",
            long(char, FIELD_DESCRIPTION_MAX_CHARS + 1),
        ));
        rows.push(field_with(
            "selector",
            long(char, FIELD_SELECTOR_MAX_CHARS + 1),
        ));
    }
    rows.push(fields_of(JSON_MAX_BYTES + 1));
    assert_agreement(rows, false).await;
}

#[tokio::test]
async fn whitespace_does_not_count_towards_the_size() {
    let Row { fields, .. } = fields_of(JSON_MAX_BYTES);
    let spread = fields.unwrap().replace("\",", "\" ,\n    ");
    assert!(spread.len() > JSON_MAX_BYTES);
    assert_agreement([Row::with_fields(&spread)], true).await;
}
