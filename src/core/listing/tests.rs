use super::*;

fn id(text: &str) -> ParserId {
    ParserId(text.to_owned())
}

fn listing(items: &[(&str, &str)]) -> Listing {
    let items = items
        .iter()
        .map(|(parser_id, name)| ListedParser {
            id: id(parser_id),
            name: (*name).to_owned(),
            version: None,
            failed: false,
            settled: false,
        })
        .collect();
    Listing::new(items, 7)
}

const fn apart<'a>(baseline: &'a [ParserId], excluded: &'a HashSet<ParserId>) -> Apart<'a> {
    Apart { baseline, excluded }
}

fn known(parser_id: &str, remote_name: &str) -> KnownParser {
    KnownParser {
        id: id(parser_id),
        remote_name: Some(remote_name.to_owned()),
        known_since: 0,
    }
}

#[test]
fn a_create_in_doubt_is_seen_by_its_name_less_what_was_there_and_what_others_hold() {
    let list = listing(&[("1", "a"), ("2", "a"), ("3", "a"), ("4", "b")]);
    let claimed = |ids: &[&str]| ids.iter().map(|text| id(text)).collect::<HashSet<_>>();
    let several = |ids: &[&str]| Evidence::Several(ids.iter().map(|text| id(text)).collect());
    let table = [
        ("a", vec![], claimed(&[]), several(&["1", "2", "3"])),
        ("a", vec![id("1")], claimed(&[]), several(&["2", "3"])),
        (
            "a",
            vec![id("1")],
            claimed(&["3"]),
            Evidence::One(id("2"), None),
        ),
        (
            "a",
            vec![id("1"), id("2")],
            claimed(&["3"]),
            Evidence::Absent,
        ),
        ("b", vec![], claimed(&[]), Evidence::One(id("4"), None)),
        ("c", vec![], claimed(&[]), Evidence::Absent),
    ];
    for (name, baseline, claimed, expected) in table {
        assert_eq!(
            list.evidence_for(name, apart(&baseline, &claimed), &[], false),
            expected,
            "{name} {baseline:?}"
        );
    }
}

#[test]
fn a_parser_listed_version_by_version_is_one_and_failed_only_if_each_version_is() {
    for (versions, failed) in [
        ([true, false], false),
        ([false, true], false),
        ([true, true], true),
    ] {
        let items = versions.map(|failed| ListedParser {
            id: id("1"),
            name: "a".to_owned(),
            version: None,
            failed,
            settled: failed,
        });
        let list = Listing::new(items.to_vec(), 7);
        let named = list.bearing("a").into_iter().map(|parser| parser.failed);
        let named: Vec<_> = named.collect();
        assert_eq!(named, [failed], "{versions:?}");
    }
}

#[test]
fn an_absence_in_a_list_without_trust_proves_nothing() {
    let mut list = listing(&[("1", "a")]);
    list.distrust = Some("paged".to_owned());
    let inconclusive = Evidence::Inconclusive("paged".to_owned());
    let none = HashSet::new();
    let apart = apart(&[], &none);
    assert_eq!(list.evidence_for("x", apart, &[], false), inconclusive);
    let lost = |text| list.evidence_for_lost(&id(text), Some("x"), apart);
    assert_eq!(lost("9"), inconclusive);
    assert_eq!(lost("1"), Evidence::One(id("1"), None));
}

#[test]
fn a_list_must_show_what_is_known_for_long_or_by_a_clock_that_was_set_back() {
    let list = Listing::new(Vec::new(), 1_000);
    for (known_since, expected) in [
        (0, true),
        (900, true),
        (901, false),
        (1_000, false),
        (1_001, true),
        (i64::MAX, true),
    ] {
        let parser = KnownParser {
            known_since,
            ..known("1", "a")
        };
        assert_eq!(list.must_show(&parser, 100), expected, "{known_since}");
    }
}

#[test]
fn a_list_is_held_against_what_is_known() {
    let list = listing(&[("1", "a"), ("2", "b "), ("4", "other"), ("5", "long-nam")]);
    assert_eq!(list.assess(&[known("1", "a")]), Assessment::default());
    let sent = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
    assert_eq!(
        list.assess(&[
            known("1", "a"),
            known("2", "b"),
            known("3", "c"),
            known("4", "d"),
            known("5", "long-name_pd_abcd2345"),
        ]),
        Assessment {
            missing: vec![id("3")],
            renamed: sent("d", "other"),
            altered: sent("b", "b "),
            cut_to_chars: Some(8),
        }
    );
}

#[test]
fn a_create_in_doubt_is_seen_by_its_tag_however_its_name_was_altered() {
    let sent = "Tom & Jo_pd_abcd2345";
    let none = HashSet::new();
    let one = || Evidence::One(id("1"), None);
    let why = "the service may have cut the name of one of them";
    let cut = || Evidence::Suspects(vec![id("1")], why);
    for (items, expected) in [
        (vec![("1", "tom &amp; jo_pd_abcd2345"), ("2", "z")], one()),
        (vec![("1", "tom-jo-pd-abcd2345")], one()),
        (vec![("1", "Tom & Jo_pd_ab")], cut()),
        // Longer names are there: it was not cut.
        (
            vec![("1", "Tom"), ("2", "a-much-longer-name_pd_wxyz2345")],
            Evidence::Absent,
        ),
        (vec![("1", "Tom & Jo_pd_abcd2346")], Evidence::Absent),
        (vec![], Evidence::Absent),
    ] {
        let list = listing(&items);
        assert_eq!(
            list.evidence_for(sent, apart(&[], &none), &[], false),
            expected,
            "{items:?}"
        );
    }
}

#[test]
fn without_a_tag_other_spellings_of_the_name_are_seen() {
    let list = listing(&[("1", "caf\u{e9} bar"), ("2", "Cafe Bar"), ("3", "x")]);
    let found = |sent| {
        let found = list.bearing(sent).into_iter();
        found.map(|parser| parser.id.0.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(found("cafe\u{301}  bar"), ["1", "2"]);
    assert_eq!(found("Cafe Bar"), ["2", "1"]);
    assert_eq!(found("X "), ["3"]);
    assert!(found("y").is_empty());
}

#[test]
fn a_parser_that_came_since_and_that_nothing_explains_disproves_an_absence() {
    let list = listing(&[("1", "renamed"), ("2", "foreign_pd_abcd2345")]);
    let evidence_for = |strangers: &[ParserId]| {
        let none = HashSet::new();
        list.evidence_for("a_pd_wxyz2345", apart(&[], &none), strangers, false)
    };
    assert_eq!(evidence_for(&[]), Evidence::Absent);
    // Another database's, and one that is gone again.
    assert_eq!(evidence_for(&[id("2"), id("9")]), Evidence::Absent);
    assert!(matches!(evidence_for(&[id("1")]), Evidence::Suspects(ids, _) if ids == [id("1")]));
}

#[test]
fn where_names_are_cut_the_absence_of_a_longer_one_proves_nothing() {
    let mut list = listing(&[("1", "z")]);
    list.cut_to_chars = Some(15);
    let none = HashSet::new();
    let evidence_for = |sent| list.evidence_for(sent, apart(&[], &none), &[], false);
    assert_eq!(evidence_for("abc_pd_abcd2345"), Evidence::Absent);
    assert!(matches!(
        evidence_for("abcd_pd_abcd2345"),
        Evidence::Inconclusive(_)
    ));
}

#[test]
fn a_parser_that_is_gone_is_looked_for_by_the_name_that_was_sent() {
    let list = listing(&[("1", "a_pd_abcd2345"), ("2", "A-pd-abcd2345")]);
    let none = HashSet::new();
    let lost = |sent, baseline: &[ParserId]| {
        list.evidence_for_lost(&id("9"), sent, apart(baseline, &none))
    };
    assert_eq!(lost(None, &[]), Evidence::Absent);
    assert_eq!(lost(Some("b_pd_wxyz2345"), &[]), Evidence::Absent);
    let both = Evidence::Several(vec![id("1"), id("2")]);
    assert_eq!(lost(Some("a_pd_abcd2345"), &[]), both);
    assert_eq!(
        lost(Some("a_pd_abcd2345"), &[id("1")]),
        Evidence::One(id("2"), None)
    );
}

/// Without anything that the database knows, a list may be a page: so it is where its length is
/// round, and where an absence in it cost another create already.
#[test]
fn a_list_that_shows_nothing_known_proves_one_absence_and_none_where_its_length_is_round() {
    let none = HashSet::new();
    let of_length = |length: usize| {
        let items: Vec<_> = (0..length).map(|n| (n.to_string(), "other")).collect();
        let items: Vec<_> = items
            .iter()
            .map(|(id, name)| (id.as_str(), *name))
            .collect();
        listing(&items)
    };
    for (length, shows_known, was_refuted, is_absent) in [
        (0, false, false, true),
        (0, false, true, true),
        (7, false, false, true),
        (7, false, true, false),
        (7, true, true, true),
        (50, false, false, false),
        (50, true, false, true),
        (100, true, true, true),
    ] {
        let mut list = of_length(length);
        list.shows_known = shows_known;
        let found = list.evidence_for("a_pd_abcd2345", apart(&[], &none), &[], was_refuted);
        let label = format!("{length} {shows_known} {was_refuted}: {found:?}");
        assert_eq!(found == Evidence::Absent, is_absent, "{label}");
        assert_eq!(
            matches!(found, Evidence::Inconclusive(_)),
            !is_absent,
            "{label}"
        );
    }
}
