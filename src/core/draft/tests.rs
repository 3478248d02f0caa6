use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// Lists of URLs as a person groups them, in tests/draft/fixtures.
const FIXTURES: &[&str] = &[
    include_str!("../../../tests/draft/fixtures/shops.toml"),
    include_str!("../../../tests/draft/fixtures/news.toml"),
    include_str!("../../../tests/draft/fixtures/forums.toml"),
    include_str!("../../../tests/draft/fixtures/wikis.toml"),
    include_str!("../../../tests/draft/fixtures/listings.toml"),
];

type Groups = BTreeMap<String, Vec<String>>;

fn fixtures() -> BTreeMap<String, Groups> {
    let files = FIXTURES.iter().map(|text| toml::from_str(text).unwrap());
    let files: Vec<BTreeMap<String, Groups>> = files.collect();
    files.into_iter().flatten().collect()
}

/// The groups as sets of pages.
fn by_person(groups: &Groups) -> BTreeSet<BTreeSet<String>> {
    let group = |urls: &Vec<String>| urls.iter().map(|url| page(url)).collect();
    groups.values().map(group).collect()
}

fn page(url: &str) -> String {
    let shape = shape::read(url).unwrap();
    format!("{:x}", tree::page_hash(&shape.page))
}

fn by_draft(urls: &[&String]) -> (BTreeSet<BTreeSet<String>>, String) {
    let mut draft = Draft::default();
    for url in urls {
        draft.add(url).unwrap();
    }
    let (mut groups, mut told) = (BTreeSet::new(), String::new());
    for (host, mut root) in draft.hosts {
        settle::settle(&mut root);
        for (form, bag) in group::forms(root) {
            told += &format!("  {host}{form}: {:#?}\n", bag.pages.values());
            groups.insert(bag.pages.values().map(|url| page(url)).collect());
        }
    }
    (groups, told)
}

#[test]
fn nineteen_lists_of_twenty_are_grouped_as_a_person_does() {
    let fixtures = fixtures();
    assert!(fixtures.len() >= 40, "{}", fixtures.len());
    let mut otherwise = Vec::new();
    for (name, groups) in &fixtures {
        let urls: Vec<_> = groups.values().flatten().collect();
        let (found, told) = by_draft(&urls);
        let reversed: Vec<_> = urls.iter().rev().copied().collect();
        assert_eq!(found, by_draft(&reversed).0, "{name}: by the order");
        if found != by_person(groups) {
            otherwise.push(format!("{name}\n{told}"));
        }
    }
    let most = fixtures.len() / 20;
    let told = otherwise.join("\n");
    assert!(otherwise.len() <= most, "{}: {told}", otherwise.len());
}

#[test]
fn what_no_parser_can_be_made_from_is_refused() {
    let long = format!("https://a.example/{}", "x".repeat(3000));
    let huge = format!("https://a.example/#{}", "x".repeat(1 << 20));
    for (url, unfit) in [
        ("", Unfit::Unreadable),
        ("shop.example/x", Unfit::Unreadable),
        ("http://", Unfit::Unreadable),
        ("javascript:alert(1)", Unfit::Scheme),
        ("file:///etc/passwd", Unfit::Scheme),
        ("ftp://a.example/", Unfit::Scheme),
        ("https://me:secret@a.example/", Unfit::Credentials),
        ("https://me@a.example/", Unfit::Credentials),
        ("https://@a.example/", Unfit::Credentials),
        (&long, Unfit::TooLong),
        (&huge, Unfit::TooLong),
    ] {
        assert_eq!(Draft::default().add(url), Err(unfit), "{url:.60}");
    }
    assert_eq!(Draft::default().add("https://a.example/@me?q=a@b"), Ok(()));
}

#[test]
fn a_type_has_unlike_examples_and_others_to_check() {
    for (pages, examples, checks) in [(1, 1, 0), (2, 2, 0), (3, 2, 1), (4, 3, 1), (9, 3, 2)] {
        let mut draft = Draft::default();
        for n in 0..pages {
            // The same page, however its address is written.
            draft
                .add(&format!("https://a.example/p/hat-{n}?utm_source=x"))
                .unwrap();
            draft
                .add(&format!("http://www.a.example/p/hat-{n}/#top"))
                .unwrap();
        }
        let types = draft.page_types();
        assert_eq!(types.len(), 1, "{types:?}");
        assert_eq!(types[0].urls, 2 * pages);
        let shown = (types[0].examples.len(), types[0].checks.len());
        assert_eq!(shown, (examples, checks), "{types:?}");
        let hashes = types[0].examples.iter().chain(&types[0].checks);
        let hashes: BTreeSet<_> = hashes.map(|url| tree::page_hash(url)).collect();
        assert_eq!(hashes.len(), examples + checks, "{types:?}");
    }
}

#[test]
fn ten_thousand_names_take_no_more_room_than_some() {
    fn nodes(node: &Node) -> usize {
        1 + node.children.values().map(nodes).sum::<usize>()
    }
    let mut draft = Draft::default();
    for n in 0..10_000 {
        draft
            .add(&format!("https://a.example/w{n}x?k{n}=1"))
            .unwrap();
        draft
            .add(&format!("https://a.example/products/w{n}x"))
            .unwrap();
        draft
            .add(&format!("https://a.example/i{n}.php/Kind{n}-g12345-x"))
            .unwrap();
    }
    let nodes: usize = draft.hosts.values().map(nodes).sum();
    assert!(nodes < 2000, "{nodes}");
    let types = draft.page_types();
    let products = types
        .iter()
        .find(|it| it.form == "/products/{name}")
        .unwrap();
    assert_eq!(products.urls, 10_000);
}

#[test]
fn names_are_unique_and_none_that_is_taken() {
    let mut draft = Draft::default();
    for path in ["", "a-b-c", "12345", "a-b-c.html", "tag/rust"] {
        draft.add(&format!("https://a.example/{path}")).unwrap();
    }
    let mut types = draft.page_types();
    make_unique(&mut types, |name| name == "a.example-page-2");
    let names: BTreeSet<_> = types.iter().map(|it| it.name.as_str()).collect();
    let expected = ["home", "page", "page-3", "page-4", "tag"];
    let expected = expected.map(|end| format!("a.example-{end}"));
    assert_eq!(names, expected.iter().map(String::as_str).collect());
}
