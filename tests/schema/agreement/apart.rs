//! Where the two verdicts differ, and why that is so.

use super::{Row, assert_agreement, field_with, long, verdicts};
use crate::schema::engines::Database;

/// Reading a host takes a parser of URLs, and SQL has none. Such a row gets in, and
/// the job ends FAILED `bad_request` at its turn, before anything is sent.
const HOSTS_THAT_ONLY_RUST_REFUSES: &[&str] = &[
    "https://[::1/",
    "https://[2001:db8::zz]/",
    "https://[::1]port/",
    "https://[::1]:65536/",
    "https://256.256.256.256/",
    "https://1.2.3.4.5/",
    "https://a%00b.example/",
    "https://a%2Fb.example/",
    "https://a[b/",
    "https://xn--a/",
    "https://\u{ad}/",
];

/// SQL cannot see that a surrogate lacks its other half, which is no text.
const TEXTS_THAT_ONLY_RUST_REFUSES: &[&str] = &[
    r#"["https://b.example/\ud83d"]"#,
    r#"["https://b.example/\ude00\ud83d"]"#,
];

#[tokio::test]
async fn what_only_rust_refuses_is_listed_here() {
    let mut database = Database::new().await;
    let hosts = HOSTS_THAT_ONLY_RUST_REFUSES
        .iter()
        .map(|url| Row::with_url(url));
    let texts = TEXTS_THAT_ONLY_RUST_REFUSES
        .iter()
        .map(|urls| Row::with_urls(urls));
    for row in hosts.chain(texts) {
        assert!(row.spec().is_err(), "{row:?}");
        for (engine, verdict) in verdicts(&mut database, &row).await {
            assert_eq!(verdict, Ok(()), "{engine}: {row:?}");
        }
    }
}

/// JSON's null means "left out" to serde_json, and escapes count as what they stand for. No job file's row looks like these: parserd
/// writes the canonical form. What another program writes so is likely a mistake.
#[tokio::test]
async fn what_only_sql_refuses_is_listed_here() {
    let escapes: Vec<_> = (0..10)
        .map(|i| {
            format!(
                r#"{{"name":"f{i}","description":"{}"}}"#,
                r"\u00e9".repeat(1500)
            )
        })
        .collect();
    let rows = [
        Row::with_params("null"),
        Row::with_fields("null"),
        Row::with_fields(&format!("[{}]", escapes.join(","))),
        Row::with_urls(r#"["https://b.example/\\u0000"]"#),
        Row::with_urls(&format!(
            r#"["https://b.example/"{}]"#,
            " ".repeat(1_000_000)
        )),
        Row::with_params(&format!("{{{}}}", " ".repeat(1_000_000))),
    ];
    let mut database = Database::new().await;
    for row in rows {
        assert!(row.spec().is_ok(), "{row:?}");
        for (engine, verdict) in verdicts(&mut database, &row).await {
            assert!(verdict.is_err(), "{engine}: {row:?}");
        }
    }
}

/// SQLite measures a text up to a NUL, and 3.40 cuts an escaped one off.
#[tokio::test]
async fn a_nul_in_a_field_is_read_by_rust_alone() {
    let mut database = Database::new().await;
    let row = field_with("description", format!("d\0{}", long('x', 2000)));
    assert!(row.spec().is_err());
    for (engine, verdict) in verdicts(&mut database, &row).await {
        assert_eq!(verdict, Ok(()), "{engine}");
    }
    assert_agreement([field_with("description", "d\0e")], true).await;
}
