use super::*;
use crate::core::job::ParserId;

fn stranger(n: usize) -> Stranger {
    Stranger {
        id: ParserId(format!("p{n}")),
        name: "books_pd_abcd2345".to_owned(),
        remote_name: Some("books_pd_abcd2345".to_owned()),
        seen_at: 7,
    }
}

#[test]
fn a_list_of_a_round_length_may_be_a_page() {
    for (items, expected) in [
        (0, None),
        (1, None),
        (49, None),
        (50, Some(50)),
        (99, None),
        (100, Some(100)),
        (150, Some(150)),
        (1000, Some(1000)),
        (1001, None),
    ] {
        let report = ListReport::of(items, &Flaws::default());
        assert_eq!(report.round_length, expected, "{items}");
    }
}

#[test]
fn each_oddity_has_its_cause_and_its_cure() {
    let list = ListReport::default;
    let altered = ListReport {
        altered: Some(("a&b".to_owned(), "a&amp;b".to_owned())),
        ..list()
    };
    let with = |list| AccountFacts {
        list,
        ..AccountFacts::default()
    };
    let lag = |counts| AccountFacts {
        lag: Lag {
            shown_within_ms: Some(61_500),
            settle_after_error_ms: 120_000,
            settle_after_error_counts: counts,
        },
        ..AccountFacts::default()
    };
    let unexplained = |count| AccountFacts {
        unexplained: Unexplained {
            count,
            first: (0..5).take(count as usize).map(stranger).collect(),
        },
        ..AccountFacts::default()
    };
    let table = [
        (AccountFacts::default(), "", ""),
        (unexplained(1), "unexplained_parsers", "1 parser has"),
        (
            unexplained(7),
            "unexplained_parsers",
            "p4 \"books_pd_abcd2345\", and 2 more",
        ),
        (
            with(ListReport {
                is_linked: true,
                ..list()
            }),
            "paged_list",
            "Link header",
        ),
        (
            with(ListReport {
                round_length: Some(100),
                ..list()
            }),
            "round_list",
            "has 100 parsers",
        ),
        (
            with(ListReport {
                distrust: Some("it is null".to_owned()),
                ..list()
            }),
            "untrusted_list",
            "complete: it is null",
        ),
        (
            with(altered.clone()),
            "altered_names",
            "\"a&amp;b\" is listed",
        ),
        (
            with(ListReport {
                cut_to_chars: Some(9),
                ..altered
            }),
            "altered_names",
            "cuts them to 9 characters",
        ),
        (lag(true), "", ""),
        (lag(false), "lagging_list", "lacked a new parser for 61 s"),
        (
            AccountFacts {
                elsewhere: Some(Elsewhere {
                    made: 3,
                    ..Elsewhere::default()
                }),
                ..AccountFacts::default()
            },
            "elsewhere",
            "3 made",
        ),
        (
            AccountFacts {
                held_until: Some(0),
                ..AccountFacts::default()
            },
            "restored_database",
            "1970-01-01T00:00:00",
        ),
    ];
    for (facts, kind, cause) in table {
        let findings = facts.findings();
        let kinds: Vec<_> = findings.iter().map(|found| found.kind.as_str()).collect();
        let expected: Vec<_> = Some(kind)
            .filter(|kind| !kind.is_empty())
            .into_iter()
            .collect();
        assert_eq!(kinds, expected);
        for finding in findings {
            assert!(finding.cause.contains(cause), "{finding:?}");
            assert!(!finding.cure.is_empty());
        }
    }
}

#[test]
fn what_was_told_is_told_again_only_where_there_is_more_of_it() {
    let facts = |count| AccountFacts {
        list: ListReport {
            is_linked: true,
            distrust: Some("told where it happens".to_owned()),
            ..ListReport::default()
        },
        unexplained: Unexplained {
            count,
            first: vec![stranger(1)],
        },
        ..AccountFacts::default()
    };
    let kinds = |unreported: &[Oddity]| {
        unreported
            .iter()
            .map(|found| found.kind)
            .collect::<Vec<_>>()
    };
    let (unreported, reported) = facts(2).unreported(&[]);
    assert_eq!(
        kinds(&unreported),
        [OddityKind::Unexplained, OddityKind::PagedList]
    );
    let (unreported, reported) = facts(2).unreported(&reported);
    assert_eq!(kinds(&unreported), []);
    let (unreported, reported) = facts(3).unreported(&reported);
    assert_eq!(kinds(&unreported), [OddityKind::Unexplained]);
    let (unreported, reported) = AccountFacts::default().unreported(&reported);
    assert_eq!((unreported, reported.clone()), (Vec::new(), Vec::new()));
    assert_eq!(
        kinds(&facts(1).unreported(&reported).0),
        [OddityKind::Unexplained, OddityKind::PagedList]
    );
}
