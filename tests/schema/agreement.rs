//! The database's rules are those of [`JobSpec`]: one table of rows, two verdicts.

mod apart;
mod checks;
mod fields;
mod labels;

use parserd::core::spec::{
    INVISIBLE, JobSpec, NAME_MAX_CHARS, SCRAPER_PARAMS, URL_MAX_CHARS, URLS_MAX, labels_of_column,
};
use serde_json::{Value, json};

use super::engines::{Database, quoted};

/// A row as a program would write it.
#[derive(Debug, Clone, Default)]
struct Row {
    name: String,
    urls: String,
    scraper_params: Option<String>,
    fields: Option<String>,
    expect: Option<String>,
    check_urls: Option<String>,
    labels: Option<String>,
}

impl Row {
    fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::with_urls(r#"["https://b.example/"]"#)
        }
    }

    fn with_urls(urls: &str) -> Self {
        Self {
            name: "books".to_owned(),
            urls: urls.to_owned(),
            ..Self::default()
        }
    }

    fn with_url(url: &str) -> Self {
        Self::with_urls(&json!([url]).to_string())
    }

    fn with_params(params: &str) -> Self {
        Self {
            scraper_params: Some(params.to_owned()),
            ..Self::named("books")
        }
    }

    fn with_fields(fields: &str) -> Self {
        Self {
            fields: Some(fields.to_owned()),
            ..Self::named("books")
        }
    }

    /// What the spec's own rules say.
    fn spec(&self) -> Result<JobSpec, String> {
        JobSpec::from_columns(
            &self.name,
            &self.urls,
            self.scraper_params.as_deref(),
            self.fields.as_deref(),
        )
        .and_then(|spec| spec.with_checks(self.expect.as_deref(), self.check_urls.as_deref()))
        .map_err(|error| error.to_string())
        .and_then(|spec| {
            let labels = self.labels.as_deref().map(labels_of_column).transpose()?;
            Ok(JobSpec { labels, ..spec })
        })
    }

    fn insert(&self) -> String {
        let or_null = |text: &Option<String>| match text {
            Some(text) => quoted(text),
            None => "NULL".to_owned(),
        };
        format!(
            "INSERT INTO jobs (name, urls, scraper_params, fields, expect, check_urls, labels) \
             VALUES ({}, {}, {}, {}, {}, {}, {});",
            quoted(&self.name),
            quoted(&self.urls),
            or_null(&self.scraper_params),
            or_null(&self.fields),
            or_null(&self.expect),
            or_null(&self.check_urls),
            or_null(&self.labels),
        )
    }
}

/// What each engine says of a row, beside what the spec's rules say.
async fn verdicts(database: &mut Database, row: &Row) -> Vec<(&'static str, Result<(), String>)> {
    let outcomes = database.run(&row.insert()).await;
    outcomes
        .into_iter()
        .map(|(engine, outcome)| (engine, outcome.map(|_| ())))
        .collect()
}

async fn assert_agreement(rows: impl IntoIterator<Item = Row>, valid: bool) {
    let mut database = Database::new().await;
    for row in rows {
        let spec = row.spec();
        assert_eq!(spec.is_ok(), valid, "{row:?}: {spec:?}");
        for (engine, verdict) in verdicts(&mut database, &row).await {
            assert_eq!(verdict.is_ok(), valid, "{engine}: {row:?}: {verdict:?}");
        }
        // As `parserd enqueue` writes it: in the canonical form.
        if let Ok(spec) = spec {
            let canonical = Row {
                name: spec.name.clone(),
                urls: spec.urls_json(),
                scraper_params: spec.scraper_params_json(),
                fields: spec.fields_json(),
                expect: spec.expect_json(),
                check_urls: spec.check_urls_json(),
                labels: spec.labels_json(),
            };
            assert_eq!(canonical.spec(), Ok(spec), "{row:?}");
            for (engine, verdict) in verdicts(&mut database, &canonical).await {
                assert_eq!(verdict, Ok(()), "{engine}: {canonical:?}");
            }
        }
    }
}

/// Characters of one, two, three and four bytes.
const CHARS: [char; 4] = ['x', 'é', '☃', '📚'];

fn long(char: char, chars: usize) -> String {
    std::iter::repeat_n(char, chars).collect()
}

fn field(name: &str) -> Value {
    json!({"name": name, "description": "d"})
}

fn field_with(key: &str, value: impl Into<Value>) -> Row {
    let mut field = field("title");
    field[key] = value.into();
    Row::with_fields(&json!([field]).to_string())
}

fn url_of(chars: usize, char: char) -> Row {
    let head = "https://b.example/";
    Row::with_url(&format!("{head}{}", long(char, chars - head.len())))
}

#[tokio::test]
async fn both_accept_every_name_that_is_one() {
    let names = [
        "a",
        " a ",
        "it's",
        "\"",
        "%s",
        "null",
        "książki ☃ 📚",
        "\u{fffd}",
        "a\u{200b}",
        "\u{ad}a",
        "\u{200b}\u{301}",
    ];
    // What stands beside the invisible ones shows; blanks and controls have tests of their own.
    let beside = INVISIBLE.iter().flat_map(|(first, last)| {
        let before = char::from_u32(u32::from(*first) - 1);
        let after = char::from_u32(u32::from(*last) + 1);
        [before, after].into_iter().flatten()
    });
    let beside: Vec<_> = beside
        .filter(|c| !c.is_whitespace() && !c.is_control())
        .map(|c| Row::named(&c.to_string()))
        .collect();
    assert!(beside.len() > INVISIBLE.len());
    let longest = CHARS.map(|char| Row::named(&long(char, NAME_MAX_CHARS)));
    let names = names.map(Row::named).into_iter();
    assert_agreement(names.chain(longest).chain(beside), true).await;
}

#[tokio::test]
async fn both_refuse_every_name_that_is_none() {
    let blank = (0..=0x3000).filter_map(char::from_u32);
    let blank: String = blank.filter(|c| c.is_whitespace()).collect();
    let blanks: Vec<_> = blank.chars().map(|c| Row::named(&c.to_string())).collect();
    assert_eq!(blanks.len(), 25);
    let invisible = INVISIBLE.iter().flat_map(|(first, last)| [*first, *last]);
    let all: String = invisible.clone().chain([' ']).collect();
    let invisible: Vec<_> = invisible.map(|c| Row::named(&c.to_string())).collect();
    let control = ('\u{1}'..='\u{9f}').filter(|c| c.is_control());
    let rows = ["", "   ", &blank]
        .map(Row::named)
        .into_iter()
        .chain(blanks)
        .chain(invisible)
        .chain([Row::named(&all)])
        .chain(control.map(|c| Row::named(&format!("a{c}b"))))
        .chain(CHARS.map(|char| Row::named(&long(char, NAME_MAX_CHARS + 1))));
    assert_agreement(rows, false).await;
}

#[tokio::test]
async fn both_accept_every_url_that_is_one() {
    let urls = [
        "http://b.example",
        "https://b.example/",
        "HTTPS://B.EXAMPLE/Page",
        "hTTp://b.example?q=1",
        "https://b.example#part",
        "https://b.example:8443/a",
        "https://b.example:/a",
        "https://b.example:0/a",
        "https://b.example:65535/a",
        "https://localhost/",
        "https://a_b.example/",
        "https://192.0.2.1/",
        "https://[2001:db8::1]/",
        "https://[2001:db8::1]:8443/a",
        "https://bücher.example/ä?ö#ü",
        "https://xn--bcher-kva.example/",
        "https://b.example/@user",
        "https://b.example/?to=me@b.example",
        "https://b.example?me@b.example",
        "https://b.example#me@b.example",
        "https://b.example\\a@b",
        "https://b.example/a:b",
        "https://b.example/<id>|^{}",
        "https://b.example/%20",
        "https://b.example/it's",
        "https://b.example/\u{200b}",
        "https://{host}/a",
    ];
    let lists = [
        json!(["http://a/", "http://a"]),
        json!(["http://a/1", "http://a/2", "http://a/3"]),
        json!(["http://a/x", "http://a/X"]),
    ];
    let raw = [
        " [ \"http://a/\" ,\n\t\"http://b/\" ] ",
        r#"["https:\/\/b.example\/"]"#,
        r#"["http://b.example/\u00e9\ud83d\ude00"]"#,
    ];
    let rows = urls
        .map(Row::with_url)
        .into_iter()
        .chain(lists.map(|list| Row::with_urls(&list.to_string())))
        .chain(raw.map(Row::with_urls))
        .chain(CHARS.map(|char| url_of(URL_MAX_CHARS, char)));
    assert_agreement(rows, true).await;
}

#[tokio::test]
async fn both_refuse_every_url_that_is_none() {
    let urls = [
        "",
        "b.example",
        "b.example/page",
        "//b.example/page",
        "/page",
        "ftp://b.example/",
        "file:///etc/passwd",
        "httpss://b.example/",
        "http:b.example",
        "http:/b.example",
        "http:\\\\b.example",
        "http://",
        "https://",
        "https:///page",
        "https://?q",
        "https://#part",
        "https://\\page",
        "https://:80/",
        "https://b.example:port/",
        "https://b.example:65536/",
        "https://b.example:-1/",
        "https://b.example:80:80/",
        "https://me@b.example/",
        "https://me:pw@b.example/",
        "https://@b.example/",
        "https://a:80@b.example?x",
        "HTTPS://me:pw@[::1]:8443#x",
        "https://<host>/",
        "https://a|b/",
        "https://a^b/",
        " https://b.example/",
        "https://b.example/ ",
        "https://b.example/a b",
        "https://b exam.ple/",
        "https://b.example/\ta",
        "https://b.example/\n",
        "https://b.example/\u{1}",
        "https://b.example/\u{7f}",
        "https://b.example/\u{85}",
        "https://b.example/\u{9f}",
        "https://b.example/\u{a0}",
        "https://b.example/\u{1680}",
        "https://b.example/\u{2003}",
        "https://b.example/\u{2028}",
        "https://b.example/\u{3000}",
        "https://b.example/\0",
    ];
    let raw = [
        "",
        "null",
        "true",
        "7",
        "{}",
        "[]",
        "\"https://b.example/\"",
        "https://b.example/",
        "['https://b.example/']",
        "[\"https://b.example/\",]",
        "[\"https://b.example/\"] x",
        "[\"https://b.example/\"",
        "[\"https://b.example/\" /* c */]",
        "[7]",
        "[true]",
        "[null]",
        "[[\"https://b.example/\"]]",
        "[{\"url\":\"https://b.example/\"}]",
        "[\"https://b.example/\", null]",
        "[\"https://b.example/\\x41\"]",
        "[\"http://a/\",\"http://a/\"]",
        "[\"http://a/\",\"http:\\/\\/a/\"]",
        "[\"http://a/\",\"http://b/\",\"http://a/\"]",
    ];
    let many: Vec<_> = (0..=URLS_MAX).map(|i| format!("http://a/{i}")).collect();
    let rows = urls
        .map(Row::with_url)
        .into_iter()
        .chain(raw.map(Row::with_urls))
        .chain([Row::with_urls(&json!(many).to_string())])
        .chain(CHARS.map(|char| url_of(URL_MAX_CHARS + 1, char)));
    assert_agreement(rows, false).await;
}

#[tokio::test]
async fn both_accept_the_same_scraper_params() {
    let flags = SCRAPER_PARAMS.iter().filter(|key| {
        ![
            "country_code",
            "session_number",
            "device_type",
            "ultra_premium",
        ]
        .contains(key)
    });
    let all_flags: Value = flags
        .map(|key| ((*key).to_owned(), Value::Bool(true)))
        .collect();
    let raw = [
        "{}",
        " { } ",
        &all_flags.to_string(),
        r#"{"country_code":"us"}"#,
        r#"{"country_code":"DE"}"#,
        r#"{"session_number":1}"#,
        r#"{"session_number":9223372036854775807}"#,
        r#"{"device_type":"desktop"}"#,
        r#"{"device_type":"mobile"}"#,
        r#"{"premium":true,"ultra_premium":false}"#,
        r#"{"premium":false,"ultra_premium":true}"#,
    ];
    assert_agreement(raw.map(Row::with_params), true).await;
}

#[tokio::test]
async fn both_refuse_the_same_scraper_params() {
    let raw = [
        "",
        "true",
        "[]",
        "\"render\"",
        "render",
        "{render:true}",
        "{'render':true}",
        r#"{"render":true,}"#,
        r#"{"render":True}"#,
        r#"{"Render":true}"#,
        r#"{"":true}"#,
        r#"{"javascript":true}"#,
        r#"{"render":1}"#,
        r#"{"render":"true"}"#,
        r#"{"render":null}"#,
        r#"{"render":{}}"#,
        r#"{"render":{"render":true}}"#,
        r#"{"ultra_premium":[]}"#,
        r#"{"country_code":"u"}"#,
        r#"{"country_code":"usa"}"#,
        r#"{"country_code":"u1"}"#,
        r#"{"country_code":"éé"}"#,
        r#"{"country_code":""}"#,
        r#"{"country_code":null}"#,
        r#"{"session_number":0}"#,
        r#"{"session_number":-1}"#,
        r#"{"session_number":-0}"#,
        r#"{"session_number":1.0}"#,
        r#"{"session_number":1e3}"#,
        r#"{"session_number":1e999}"#,
        r#"{"session_number":"7"}"#,
        r#"{"session_number":true}"#,
        r#"{"session_number":9223372036854775808}"#,
        r#"{"session_number":99999999999999999999}"#,
        r#"{"session_number":07}"#,
        r#"{"session_number":0x7}"#,
        r#"{"session_number":+7}"#,
        r#"{"device_type":"Mobile"}"#,
        r#"{"device_type":7}"#,
        r#"{"premium":true,"ultra_premium":true}"#,
        r#"{"render":true,"render":true}"#,
        r#"{"render":"yes","render":true}"#,
    ];
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let deep = format!(r#"{{"render":{deep}}}"#);
    let rows = raw.map(Row::with_params).into_iter();
    assert_agreement(rows.chain([Row::with_params(&deep)]), false).await;
}
