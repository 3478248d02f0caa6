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
