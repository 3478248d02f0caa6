use serde_json::{Value, json};

use super::*;

#[track_caller]
fn judged(fields: Option<Value>, expect: Option<Value>, results: &[Value]) -> Judgement {
    let pages: Vec<Value> = results
        .iter()
        .enumerate()
        .map(|(n, result)| json!({"url": format!("https://a.com/{n}"), "result": result}))
        .collect();
    let wanted = Wanted::new(fields.as_ref(), expect.as_ref());
    judge(Some(&Value::from(pages).to_string()), &[], &wanted, 0.5)
}

fn fields(names: &[(&str, &str)]) -> Option<Value> {
    let field =
        |(name, kind): &(&str, &str)| json!({"name": name, "description": "d", "type": kind});
    Some(names.iter().map(field).collect())
}

#[test]
fn a_column_that_was_renamed_is_bad() {
    let asked = fields(&[
        ("products", "array"),
        ("products.name", "string"),
        ("products.price", "number"),
    ]);
    let page = json!({"products": [{"name": "a", "amount": 1}, {"name": "b", "amount": 2}]});
    let seen = judged(asked, None, &[page.clone(), page]);
    assert_eq!(seen.quality, Quality::Bad, "{seen:#?}");
    assert_eq!(seen.fields["products.price"].places, 4);
    assert_eq!(
        seen.reason.as_deref(),
        Some("products.price: it is missing; there is amount")
    );
}

#[test]
fn what_is_expected_and_missed_is_bad() {
    let asked = || {
        fields(&[
            ("items", "array"),
            ("items.price", "number"),
            ("state", "string"),
        ])
    };
    let page = json!({"items": [{"price": "$5.00"}, {"price": 7}], "state": "sold out"});
    for (expect, reason) in [
        (json!({"items": {"min_items": 2, "max_items": 2}}), None),
        (
            json!({"items": {"min_items": 3}}),
            Some("2 items, fewer than the min_items of 3"),
        ),
        (
            json!({"items": {"max_items": 1}}),
            Some("2 items, more than the max_items of 1"),
        ),
        (json!({"items.price": {"min": 5, "max": 7}}), None),
        (
            json!({"items.price": {"min": 5.5}}),
            Some("\"$5.00\" is below the min of 5.5"),
        ),
        (
            json!({"items.price": {"max": 6}}),
            Some("\"7\" is above the max of 6"),
        ),
        (
            json!({"state": {"min": 1}}),
            Some("\"sold out\" is not a number"),
        ),
        (json!({"state": {"one_of": ["in stock", "sold out"]}}), None),
        (
            json!({"state": {"one_of": ["in stock"]}}),
            Some("\"sold out\" is not in one_of"),
        ),
        (json!({"items.price": {"one_of": ["$5.00", 7.0]}}), None),
        (json!({"state": {"pattern": "^s.*t$"}}), None),
        (
            json!({"state": {"pattern": "^in"}}),
            Some("\"sold out\" does not match ^in"),
        ),
    ] {
        let seen = judged(asked(), Some(expect.clone()), &[page.clone(), page.clone()]);
        let expected = if reason.is_some() {
            Quality::Bad
        } else {
            Quality::Ok
        };
        assert_eq!(seen.quality, expected, "{expect} {:?}", seen.reason);
        let found = seen.reason.unwrap_or_default();
        assert!(
            found.ends_with(reason.unwrap_or_default()),
            "{expect}: {found}"
        );
    }
}

#[test]
fn what_may_be_missing_is_no_fault_and_still_must_fit() {
    let asked = || fields(&[("name", "string"), ("badge", "string")]);
    let expect = || Some(json!({"badge": {"required": false, "one_of": ["new"], "min_items": 1}}));
    let (without, with) = (json!({"name": "a"}), json!({"name": "a", "badge": "new"}));
    for pages in [[&without, &without], [&with, &without], [&with, &with]] {
        let seen = judged(asked(), expect(), &pages.map(Clone::clone));
        assert_eq!(seen.quality, Quality::Ok, "{:?}", seen.reason);
    }
    let other = json!({"name": "a", "badge": "old"});
    assert_eq!(
        judged(asked(), expect(), &[other, with]).quality,
        Quality::Bad
    );
}

#[test]
fn a_page_that_kept_the_parser_out_is_told_from_one_without_content() {
    let wanted = Wanted::new(
        fields(&[("title", "string"), ("price", "number")]).as_ref(),
        None,
    );
    for (result, expected) in [
        (r#"{"title": "Just a moment...", "price": null}"#, true),
        (r#"{"title": "Access Denied"}"#, true),
        (r#"{"title": "Access Denied", "price": 5}"#, false),
        (r#"{"title": null}"#, false),
        ("{}", false),
        (r#""Verify you are human""#, true),
    ] {
        assert_eq!(is_blocked(result, &wanted), expected, "{result}");
    }
}

#[test]
fn held_out_pages_are_pages_and_what_says_nothing_does_not_count() {
    use checks::TriedOutcome::{Found, Inconclusive};
    let examples = r#"[{"url": "a", "result": {"title": "A"}}]"#;
    let wanted = Wanted::new(fields(&[("title", "string")]).as_ref(), None);
    let wanted = wanted.checking(Some(r#"["b", "c"]"#));
    let tried = |outcomes: [checks::TriedOutcome; 2]| {
        let tried = ["b", "c"].into_iter().zip(outcomes);
        let tried = tried.map(|(url, outcome)| Tried {
            url: url.to_owned(),
            outcome,
        });
        judge(Some(examples), &tried.collect::<Vec<_>>(), &wanted, 0.5)
    };
    let found = |json: &str| Found(json.to_owned());
    let busy = || Inconclusive("503".to_owned());
    for (outcomes, quality, pages) in [
        (
            [found(r#"{"title": "B"}"#), found(r#"{"title": "C"}"#)],
            Quality::Ok,
            3,
        ),
        (
            [found(r#"{"title": "B"}"#), found(r#"{"title": null}"#)],
            Quality::Thin,
            3,
        ),
        ([found(r#"{"title": null}"#), found("{}")], Quality::Bad, 3),
        ([busy(), busy()], Quality::Ok, 1),
        ([found(r#"{"title": "B"}"#), busy()], Quality::Ok, 2),
    ] {
        let seen = tried(outcomes);
        assert_eq!(
            (seen.quality, seen.pages),
            (quality, pages),
            "{:?}",
            seen.reason
        );
        assert_eq!(seen.checks.len(), 2);
    }
}
