use serde_json::json;

use super::*;

const PAGE: &str = "https://books.toscrape.com/catalogue/page-1.html";

fn books() -> JobSpec {
    JobSpec {
        name: "books".to_owned(),
        urls: vec![PAGE.to_owned()],
        ..JobSpec::default()
    }
}

fn with_params(params: Value) -> JobSpec {
    JobSpec {
        scraper_params: Some(params),
        ..books()
    }
}

fn with_fields(fields: Value) -> JobSpec {
    JobSpec {
        fields: Some(fields),
        ..books()
    }
}

fn with_urls(urls: &[&str]) -> JobSpec {
    JobSpec {
        urls: urls.iter().map(|url| (*url).to_owned()).collect(),
        ..books()
    }
}

/// The one problem of the spec holds each of these words.
fn assert_problem(spec: &JobSpec, words: &[&str]) {
    let problems = spec.problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    for word in words {
        assert!(problems[0].contains(word), "{word:?} not in {problems:?}");
    }
}

// Computed apart from this code: changing one of these makes users pay again.
#[test]
fn the_tag_is_pinned_for_ever() {
    assert_eq!(books().remote_name(0, true), "books_pd_fjrqrsgu");
    assert_eq!(books().remote_name(1, true), "books_pd_y6oaxqwc");
    let params = json!({"session_number": 7, "render": true, "country_code": "us"});
    assert_eq!(with_params(params).tag(0), "ybzd35ik");
    let full = JobSpec {
        name: "książki \"é\"".to_owned(),
        urls: vec![PAGE.to_owned(), PAGE.replace('1', "2")],
        scraper_params: Some(json!({"render": false})),
        fields: Some(json!([{
            "name": "products.price", "description": "the price\nin £",
            "type": "number", "selector": "p.price_color",
        }])),
        priority: 9,
        run_at: Some(1),
        expect: Some(json!({"products.price": {"min": 0}})),
        check_urls: Some(vec![PAGE.replace('1', "3")]),
        protect: Some(true),
        parser_id: Some("p-1".to_owned()),
        was: BTreeMap::from([("products.price".to_owned(), "price".to_owned())]),
        labels: Some(BTreeMap::from([("team".to_owned(), "a".to_owned())])),
    };
    assert_eq!(full.tag(3), "kmfd4w4b");
}

#[test]
fn without_the_tag_the_remote_name_is_the_name() {
    assert_eq!(books().remote_name(7, false), "books");
}

#[test]
fn what_means_the_same_has_the_same_tag_and_the_same_columns() {
    let columns = |spec: &JobSpec| {
        (
            spec.urls_json(),
            spec.scraper_params_json(),
            spec.fields_json(),
        )
    };
    let same = [
        with_params(Value::Null),
        with_params(json!({})),
        with_fields(Value::Null),
        JobSpec {
            priority: 5,
            run_at: Some(5),
            ..books()
        },
    ];
    for spec in same {
        assert_eq!(spec.tag(0), books().tag(0), "{spec:?}");
        assert_eq!(columns(&spec), columns(&books()), "{spec:?}");
    }
}

#[test]
fn what_means_something_else_has_another_tag() {
    let others = [
        JobSpec {
            name: "book".to_owned(),
            ..books()
        },
        with_urls(&["https://books.toscrape.com/"]),
        with_urls(&[PAGE, "https://books.toscrape.com/"]),
        with_params(json!({"render": true})),
        with_params(json!({"render": false})),
        with_fields(json!([{"name": "a", "description": "b"}])),
        with_fields(json!([{"name": "b", "description": "a"}])),
    ];
    let mut tags: Vec<_> = others.iter().map(|spec| spec.tag(0)).collect();
    tags.extend([books().tag(0), books().tag(1)]);
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), others.len() + 2);
}

#[test]
fn columns_give_back_the_spec_they_came_from() {
    let spec = JobSpec {
        scraper_params: Some(json!({"render": true})),
        fields: Some(json!([{"name": "a", "description": "b"}])),
        ..books()
    };
    let read = JobSpec::from_columns(
        &spec.name,
        &spec.urls_json(),
        spec.scraper_params_json().as_deref(),
        spec.fields_json().as_deref(),
    );
    assert_eq!(read, Ok(spec));
    let spaced = JobSpec::from_columns(
        "books",
        &format!("[ \"{PAGE}\" ]"),
        Some(" {} "),
        Some("null"),
    );
    assert_eq!(spaced, Ok(books()));
}

#[test]
fn columns_that_are_no_json_are_all_named() {
    let error = JobSpec::from_columns("books", PAGE, Some("{"), Some("x")).unwrap_err();
    assert_eq!(error.problems.len(), 3, "{error}");
    for (problem, column) in error
        .problems
        .iter()
        .zip(["urls", "scraper_params", "fields"])
    {
        assert!(problem.starts_with(column), "{problem}");
    }
    let error = JobSpec::from_columns("books", "[]", None, None).unwrap_err();
    assert!(error.to_string().contains("urls is empty"), "{error}");
}

#[test]
fn every_part_of_a_good_spec_passes() {
    let good = [
        books(),
        JobSpec {
            name: "é".repeat(NAME_MAX_CHARS),
            ..books()
        },
        with_urls(&[
            "http://localhost:8080",
            "HTTPS://EXAMPLE.com/?q=1#a",
            "http://[::1]/x",
        ]),
        with_urls(&[&format!("https://a.b/{}", "x".repeat(URL_MAX_CHARS - 12))]),
        with_urls(&["https://example.com/@user"]),
        with_params(json!({
            "render": true, "country_code": "GB", "premium": false, "ultra_premium": true,
            "session_number": 1, "keep_headers": true, "device_type": "mobile",
            "follow_redirect": false, "retry_404": true,
        })),
        with_fields(json!([
            {"name": "a", "description": "b"},
            {"name": "a.c", "description": "d", "type": "array", "selector": ".x"},
        ])),
    ];
    for spec in good {
        assert_eq!(spec.problems(), Vec::<String>::new(), "{spec:?}");
        assert_eq!(spec.validate(), Ok(()));
    }
}

#[test]
fn a_bad_name_is_refused() {
    let named = |name: &str| JobSpec {
        name: name.to_owned(),
        ..books()
    };
    for (name, words) in [
        ("", "name is blank: write"),
        (" \u{a0}\t", "name is blank"),
        ("a\nb", r#"name "a\nb" contains a control character"#),
        ("a\u{85}b", "control character"),
        ("\u{200b}", r#"name "\u{200b}" is blank to the eye"#),
        (" \u{2800}\u{e0041}", "is blank to the eye"),
    ] {
        assert_problem(&named(name), &[words]);
    }
    assert_problem(&named(&"x".repeat(201)), &["201 characters", "at most 200"]);
}

#[test]
fn bad_urls_are_refused() {
    assert_problem(&with_urls(&[]), &["urls is empty", "1 to 3"]);
    assert_problem(
        &with_urls(&["http://a/1", "http://a/2", "http://a/3", "http://a/4"]),
        &["4 entries", "1 to 3"],
    );
    assert_problem(&with_urls(&[PAGE, PAGE]), &["twice", PAGE]);
    for (url, words) in [
        ("", "does not begin with http:// or https://"),
        ("books.toscrape.com", "does not begin"),
        ("ftp://example.com/", "does not begin"),
        ("http:example.com", "does not begin"),
        ("http:///example.com", "has no host"),
        ("https://?q", "has no host"),
        ("http://exa<mple/", "cannot be read"),
        ("http://example.com:99999/", "cannot be read"),
        (" https://example.com/", "whitespace"),
        ("https://example.com/a b", "%20"),
        ("https://example.com/a\u{0}", "control character"),
        ("é", "does not begin"),
    ] {
        assert_problem(&with_urls(&[url]), &[words, "write"]);
    }
    let long = format!("https://a.b/{}", "x".repeat(URL_MAX_CHARS - 11));
    assert_problem(&with_urls(&[&long]), &["2049 characters", "at most 2048"]);
}

#[test]
fn a_password_in_a_url_is_refused_and_not_repeated() {
    let spec = with_urls(&["https://me:hunter2@example.com/"]);
    assert_problem(&spec, &["user name or password"]);
    assert!(!spec.problems()[0].contains("hunter2"));
}

#[test]
fn bad_scraper_params_are_refused() {
    for (params, words) in [
        (json!([]), ["scraper_params is an array", "write an object"]),
        (json!("render"), ["is a string", "write an object"]),
        (
            json!({"rendr": true}),
            ["unknown key \"rendr\"", "did you mean render?"],
        ),
        (
            json!({"colour": true}),
            ["unknown key \"colour\"; known keys: ", "device_type"],
        ),
        (
            json!({"contry-code": "us"}),
            ["unknown key", "did you mean country_code?"],
        ),
        (
            json!({"render": "true"}),
            ["scraper_params.render is \"true\"", "write true or false"],
        ),
        (
            json!({"premium": null}),
            ["scraper_params.premium is null", "true or false"],
        ),
        (
            json!({"country_code": "usa"}),
            ["country_code is \"usa\"", "two letters"],
        ),
        (
            json!({"country_code": "é"}),
            ["country_code", "two letters"],
        ),
        (
            json!({"session_number": 0}),
            ["session_number is 0", "from 1 up"],
        ),
        (
            json!({"session_number": 1.5}),
            ["session_number is 1.5", "whole number"],
        ),
        (
            json!({"device_type": "tablet"}),
            ["device_type is \"tablet\"", "\"desktop\" or"],
        ),
        (
            json!({"premium": true, "ultra_premium": true}),
            ["ultra_premium", "write one of them"],
        ),
    ] {
        assert_problem(&with_params(params), &words);
    }
}

#[test]
fn bad_fields_are_refused() {
    let field = |key: &str, value: Value| {
        let mut field = json!({"name": "a", "description": "b"});
        field[key] = value;
        json!([field])
    };
    for (fields, words) in [
        (json!({}), ["fields is an object", "write an array"]),
        (json!([]), ["fields is empty", "leave fields out"]),
        (
            json!(["title"]),
            ["fields[0] is \"title\"", "name and description"],
        ),
        (
            json!([{"name": "a"}]),
            ["fields[0] has no description", "write one"],
        ),
        (
            json!([{"description": "a"}]),
            ["fields[0] has no name", "write one"],
        ),
        (
            field("name", json!(" ")),
            ["fields[0].name is blank", "write"],
        ),
        (
            field("description", json!(1)),
            ["fields[0].description is 1", "write a string"],
        ),
        (
            field("type", json!("int")),
            ["fields[0].type is \"int\"", "\"string\", \"number\""],
        ),
        (
            field("selector", Value::Null),
            ["fields[0].selector is null", "leave it out"],
        ),
        (
            field("selecter", json!("p")),
            ["unknown key \"selecter\"", "did you mean selector?"],
        ),
        (
            field("name", json!("x".repeat(201))),
            ["name has 201", "at most 200"],
        ),
        (
            field("description", json!("x".repeat(2001))),
            ["has 2001", "at most 2000"],
        ),
        (
            field("selector", json!("x".repeat(1001))),
            ["has 1001", "at most 1000"],
        ),
        (
            json!([{"name": "a", "description": "b"}, {"name": "a", "description": "c"}]),
            ["fields[1] has the name \"a\"", "once"],
        ),
    ] {
        assert_problem(&with_fields(fields), &words);
    }
    let many = |count: usize, description: &str| -> Value {
        let field = |i| json!({"name": format!("f{i}"), "description": description});
        (0..count).map(field).collect()
    };
    assert_problem(
        &with_fields(many(101, "d")),
        &["101 entries", "at most 100"],
    );
    let long = many(40, &"d".repeat(FIELD_DESCRIPTION_MAX_CHARS));
    assert_problem(&with_fields(long), &["bytes of JSON", "at most 65536"]);
}

#[test]
fn what_a_job_says_of_a_parser_that_is_there_keeps_rules() {
    let adopting = |id: &str| JobSpec {
        parser_id: Some(id.to_owned()),
        ..books()
    };
    assert_eq!(adopting(&"\u{e9}".repeat(200)).problems(), [""; 0]);
    for (id, words) in [
        ("", "parser_id is empty: write the id"),
        (" ", "contains whitespace"),
        ("a b", "contains whitespace"),
        ("a\u{200b}", "cannot be seen: write it without"),
        (&"x".repeat(201), "201 characters: write at most 200"),
    ] {
        assert_problem(&adopting(id), &[words]);
    }
    let renaming = |pairs: &[(&str, &str)]| {
        let names = ["a", "b"].map(|name| json!({"name": name, "description": "d"}));
        let pair = |(new, old): &(&str, &str)| ((*new).to_owned(), (*old).to_owned());
        JobSpec {
            was: pairs.iter().map(pair).collect(),
            ..with_fields(json!(names))
        }
    };
    assert_eq!(renaming(&[("a", "x"), ("b", "y")]).problems(), [""; 0]);
    for (pairs, words) in [
        (
            &[("a", "x"), ("b", "x")][..],
            "fields \"a\" and \"b\" were each \"x\": write was in one of them",
        ),
        (
            &[("a", "a")],
            "field \"a\" has its own name in was: leave was out",
        ),
        (
            &[("a", "b")],
            "\"b\" is a field still: write it without was",
        ),
        (
            &[("c", "x")],
            "was names \"c\", which is not a field: write",
        ),
    ] {
        assert_problem(&renaming(pairs), &[words]);
    }
}

#[test]
fn every_broken_rule_is_named_at_once() {
    let spec = JobSpec {
        name: String::new(),
        urls: vec!["x".to_owned(), "y".to_owned()],
        scraper_params: Some(json!({"render": 1})),
        fields: Some(json!([{}])),
        ..JobSpec::default()
    };
    assert_eq!(spec.problems().len(), 6, "{:?}", spec.problems());
}

#[test]
fn a_long_value_is_cut_in_the_message() {
    let spec = with_urls(&[&"x".repeat(URL_MAX_CHARS)]);
    assert!(spec.problems()[0].len() < 250, "{:?}", spec.problems());
}
