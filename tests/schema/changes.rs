//! A change of fields, judged by Rust and by SQL, and what the database refuses of jobs that change
//! or delete a parser.

use parserd::core::field_changes::FieldChanges;
use serde_json::{Value, json};

use super::engines::{Database, quoted};

const BEFORE: &[&str] = &["title", "products", "products.price", "products.price.net"];

fn fields(names: &[&str]) -> Value {
    let field = |name: &&str| json!({"name": name, "description": "d"});
    names.iter().map(field).collect()
}

fn renames(pairs: &[(&str, &str)]) -> Value {
    let pair = |(name, new): &(&str, &str)| json!({"name": name, "new_name": new});
    pairs.iter().map(pair).collect()
}

fn rust(change: &str, before: Option<&Value>) -> Result<(), String> {
    let change = FieldChanges::from_json(change).map_err(|error| error.to_string())?;
    match before {
        None => Ok(()),
        Some(before) => {
            let applied = change.apply(before);
            applied.map(|_| ()).map_err(|error| error.to_string())
        }
    }
}

async fn sql(
    database: &mut Database,
    change: &str,
    before: Option<&Value>,
) -> Vec<(&'static str, Result<(), String>)> {
    let before = before.map_or("NULL".to_owned(), |before| quoted(&before.to_string()));
    let script = format!(
        "INSERT INTO change_check (change, fields) VALUES ({}, {before});",
        quoted(change)
    );
    let outcomes = database.run(&script).await.into_iter();
    outcomes
        .map(|(engine, outcome)| (engine, outcome.map(|_| ())))
        .collect()
}

/// Rust and every engine say this of each change.
async fn assert_agreement(changes: &[String], before: Option<&Value>, is_valid: bool) {
    let mut database = Database::new().await;
    let mut apart = Vec::new();
    for change in changes {
        let shown: String = change.chars().take(200).collect();
        let verdict = rust(change, before);
        if verdict.is_ok() != is_valid {
            apart.push(format!("Rust: {shown}: {verdict:?}"));
        }
        for (engine, verdict) in sql(&mut database, change, before).await {
            if verdict.is_ok() != is_valid {
                apart.push(format!("{engine}: {shown}: {verdict:?}"));
            }
        }
    }
    assert!(apart.is_empty(), "{}", apart.join("\n"));
}

fn texts(changes: Vec<Value>) -> Vec<String> {
    changes.iter().map(Value::to_string).collect()
}

/// Changes of the fields that are there.
fn good() -> Vec<Value> {
    vec![
        json!({"rename_fields": renames(&[("title", "book.title")])}),
        json!({"rename_fields": renames(&[(" title ", "\u{a0}name\t")])}),
        json!({"rename_fields": renames(&[("title", "Title")])}),
        json!({"rename_fields": renames(&[("title", "products.title")])}),
        json!({"rename_fields": renames(&[("title", "produc"), ("products.price.net", "net")])}),
        json!({"rename_fields": renames(&[("title", &"x".repeat(200))])}),
        json!({"rename_fields": renames(&[("products", "items"), ("products.price", "items.price"),
            ("products.price.net", "items.price.net")])}),
        json!({"rename_fields": renames(&[("products.price", "price"),
            ("products.price.net", "price.net")])}),
        json!({"remove_fields": ["title"]}),
        json!({"remove_fields": [" title"]}),
        json!({"remove_fields": ["products.price.net"]}),
        json!({"remove_fields": ["products", "products.price", "products.price.net"]}),
        json!({"remove_fields": ["products", "products.price"],
            "rename_fields": renames(&[("products.price.net", "net")])}),
        json!({"add_fields": fields(&["author"])}),
        json!({"add_fields": fields(&["Title", "products.name", "a.b.c"])}),
        json!({"add_fields": [{"name": "n", "description": "d", "type": "number",
            "selector": "p > a"}], "modify_fields": []}),
        json!({"add_fields": fields(&["title"]), "rename_fields": renames(&[("title", "name")])}),
        json!({"add_fields": fields(&["products.x"]),
            "remove_fields": ["products", "products.price", "products.price.net"]}),
        json!({"modify_fields": fields(&["title"])}),
        json!({"modify_fields": fields(&[" title "])}),
        json!({"modify_fields": fields(&["name"]), "rename_fields": renames(&[("title", "name")])}),
        json!({"modify_fields": fields(&["title", "products"]), "add_fields": fields(&["x"]),
            "remove_fields": ["products.price.net"]}),
        json!({"add_fields": (0..96).map(|i| json!({"name": format!("f{i}"), "description": "d"}))
            .collect::<Vec<_>>()}),
    ]
}

/// What no parser's fields make right.
fn bad_whatever_is_there() -> Vec<String> {
    let mut changes = texts(vec![
        json!([]),
        json!("title"),
        json!({}),
        json!({"add_fields": []}),
        json!({"add_fields": [], "remove_fields": []}),
        json!({"remove_field": ["title"]}),
        json!({"remove_fields": ["title"], "fields": []}),
        json!({"remove_fields": "title"}),
        json!({"remove_fields": {"0": "title"}}),
        json!({"remove_fields": [1]}),
        json!({"remove_fields": [null]}),
        json!({"remove_fields": [["title"]]}),
        json!({"remove_fields": [""]}),
        json!({"remove_fields": [" \u{3000}"]}),
        json!({"remove_fields": ["x".repeat(201)]}),
        json!({"remove_fields": ["title", "title"]}),
        json!({"remove_fields": ["title", "title "]}),
        json!({"rename_fields": {"title": "name"}}),
        json!({"rename_fields": ["title"]}),
        json!({"rename_fields": [{"name": "title"}]}),
        json!({"rename_fields": [{"new_name": "title"}]}),
        json!({"rename_fields": [{"name": "title", "new_name": 1}]}),
        json!({"rename_fields": [{"name": null, "new_name": "x"}]}),
        json!({"rename_fields": [{"name": "title", "new_name": "x", "type": "string"}]}),
        json!({"rename_fields": renames(&[("title", "")])}),
        json!({"rename_fields": renames(&[(" ", "x")])}),
        json!({"rename_fields": renames(&[("title", &"x".repeat(201))])}),
        json!({"rename_fields": renames(&[("title", "title")])}),
        json!({"rename_fields": renames(&[("title", " title")])}),
        json!({"rename_fields": renames(&[("title", "x"), ("title", "y")])}),
        json!({"rename_fields": renames(&[("title", "x"), ("products.price.net", "x ")])}),
        json!({"rename_fields": renames(&[("title", "products.price.net"),
            ("products.price.net", "title")])}),
        json!({"rename_fields": renames(&[("title", "products.price.net"),
            ("products.price.net", "net")])}),
        json!({"rename_fields": renames(&[("title", "x")]), "remove_fields": ["title"]}),
        json!({"rename_fields": renames(&[("title", "products.price.net")]),
            "remove_fields": ["products.price.net"]}),
        json!({"rename_fields": renames(&[("title", "x")]), "add_fields": fields(&["x"])}),
        json!({"rename_fields": renames(&[("title", "x")]), "modify_fields": fields(&["title"])}),
        json!({"add_fields": fields(&["title"]), "remove_fields": ["title"]}),
        json!({"modify_fields": fields(&["title"]), "remove_fields": ["title"]}),
        json!({"modify_fields": fields(&["title"]), "add_fields": fields(&["title"])}),
        json!({"add_fields": fields(&["x", "x"])}),
        json!({"add_fields": fields(&["x", "x "])}),
        json!({"modify_fields": fields(&["title", "title"])}),
        json!({"modify_fields": fields(&["title", " title"])}),
        json!({"add_fields": {"name": "x", "description": "d"}}),
        json!({"add_fields": ["x"]}),
        json!({"add_fields": [{"name": "x"}]}),
        json!({"add_fields": [{"name": "x", "description": " "}]}),
        json!({"add_fields": [{"name": "x", "description": "d", "typ": "number"}]}),
        json!({"modify_fields": [{"name": "title", "description": "d", "type": "date"}]}),
        json!({"modify_fields": [{"name": "title", "description": "d", "selector": null}]}),
        json!({"add_fields": (0..40).map(|i| json!({"name": format!("f{i}"),
            "description": "d".repeat(1700)})).collect::<Vec<_>>()}),
        json!({"add_fields": (0..20).map(|i| json!({"name": format!("f{i}"),
                "description": "d".repeat(1700)})).collect::<Vec<_>>(),
            "modify_fields": (20..40).map(|i| json!({"name": format!("f{i}"),
                "description": "d".repeat(1700)})).collect::<Vec<_>>()}),
    ]);
    let raw = [
        "",
        "title",
        "null",
        "{'remove_fields': ['title']}",
        r#"{"remove_fields": ["title"],}"#,
        r#"{"remove_fields": ["title"], "remove_fields": ["title"]}"#,
        r#"{"rename_fields": [{"name": "title", "name": "title", "new_name": "x"}]}"#,
        r#"{"add_fields": [{"name": "x", "name": "y", "description": "d"}]}"#,
    ];
    changes.extend(raw.map(str::to_owned));
    changes
}

/// What the fields that are there forbid.
fn bad() -> Vec<Value> {
    vec![
        json!({"remove_fields": ["titel"]}),
        json!({"remove_fields": ["Title"]}),
        json!({"remove_fields": ["title", "x"]}),
        json!({"rename_fields": renames(&[("x", "y")])}),
        json!({"rename_fields": renames(&[("title", "products")])}),
        json!({"rename_fields": renames(&[("title", "products.price.net ")])}),
        json!({"modify_fields": fields(&["x"])}),
        json!({"add_fields": fields(&["title"])}),
        json!({"add_fields": fields(&[" title"])}),
        json!({"add_fields": fields(&["x", "products.price"])}),
        json!({"remove_fields": ["products"]}),
        json!({"remove_fields": ["products", "products.price"]}),
        json!({"remove_fields": ["products.price"]}),
        json!({"rename_fields": renames(&[("products.price", "price")])}),
        json!({"rename_fields": renames(&[("products", "items")])}),
        // It stays under what goes.
        json!({"remove_fields": ["products.price"],
            "rename_fields": renames(&[("products.price.net", "products.price.sum")])}),
        json!({"remove_fields": ["products", "products.price", "products.price.net"],
            "rename_fields": renames(&[("title", "products.title")])}),
        json!({"rename_fields": renames(&[("products.price", "price"),
            ("products.price.net", "products.price.sum")])}),
        json!({"remove_fields": ["title", "products", "products.price", "products.price.net"]}),
        json!({"remove_fields": ["title", "products", "products.price", "products.price.net"],
            "add_fields": fields(&["x"])}),
        json!({"add_fields": (0..97).map(|i| json!({"name": format!("f{i}"), "description": "d"}))
            .collect::<Vec<_>>()}),
    ]
}

#[tokio::test]
async fn both_accept_every_change_that_is_one() {
    let changes = texts(good());
    assert_agreement(&changes, Some(&fields(BEFORE)), true).await;
    assert_agreement(&changes, None, true).await;
    // What the service made by itself may hold what no job can write.
    let odd = json!([
        {"name": " title ", "description": "", "example": 1}, {"name": "products"},
        {"name": "products.price", "type": "money"}, {"name": "products.price.net"},
    ]);
    assert_agreement(&changes, Some(&odd), true).await;
}

#[tokio::test]
async fn both_refuse_every_change_that_is_none() {
    let changes = bad_whatever_is_there();
    assert!(changes.len() >= 60, "{}", changes.len());
    assert_agreement(&changes, Some(&fields(BEFORE)), false).await;
    assert_agreement(&changes, None, false).await;
    let changes = texts(bad());
    assert_agreement(&changes, Some(&fields(BEFORE)), false).await;
    // Where the fields are not known, nothing speaks against it.
    assert_agreement(&changes, None, true).await;
}

#[tokio::test]
async fn fields_without_a_name_are_passed_over_by_both() {
    let odd = json!([{"name": "title"}, {"description": "d"}, "x", {"name": 7}, null]);
    let good = texts(vec![
        json!({"remove_fields": ["title"]}),
        json!({"modify_fields": fields(&["title"])}),
        json!({"add_fields": fields(&["x", "7"])}),
    ]);
    assert_agreement(&good, Some(&odd), true).await;
    let bad = texts(vec![
        json!({"remove_fields": ["x"]}),
        json!({"modify_fields": fields(&["7"])}),
        json!({"rename_fields": renames(&[("y", "z")])}),
    ]);
    assert_agreement(&bad, Some(&odd), false).await;
}

/// null is "left out" to Rust, and blanks around a type do not count; the size of all the fields
/// together SQL does not know: there the job ends FAILED `bad_request` before anything is sent.
#[tokio::test]
async fn where_both_differ_is_listed_here() {
    let mut database = Database::new().await;
    let before = fields(BEFORE);
    for change in texts(vec![
        json!({"remove_fields": ["title"], "add_fields": null}),
        json!({"add_fields": [{"name": "x", "description": "d", "type": " number "}]}),
    ]) {
        assert_eq!(rust(&change, Some(&before)), Ok(()), "{change}");
        for (engine, verdict) in sql(&mut database, &change, Some(&before)).await {
            assert!(verdict.is_err(), "{engine}: {change}");
        }
    }
    let long = |from: usize| -> Value {
        let field = |i| json!({"name": format!("f{i}"), "description": "d".repeat(1700)});
        (from..from + 20).map(field).collect()
    };
    let change = json!({"add_fields": long(20)}).to_string();
    assert!(rust(&change, Some(&long(0))).is_err());
    for (engine, verdict) in sql(&mut database, &change, Some(&long(0))).await {
        assert_eq!(verdict, Ok(()), "{engine}");
    }
}
