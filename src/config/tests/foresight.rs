use super::*;
use crate::core::preflight::Mode;

#[test]
fn pages_are_fetched_where_it_is_said_and_else_at_the_real_service_alone() {
    const REAL: &str = "https://api.scraperapi.com/";
    let loopback = ("api.base_url", "http://127.0.0.1:1");
    for (flags, expected) in [
        (vec![], Some(REAL)),
        (
            vec![("preflight.url", "https://example.com/f")],
            Some("https://example.com/f"),
        ),
        (vec![("preflight.url", "")], None),
        (vec![loopback], None),
        (
            vec![loopback, ("preflight.url", "http://127.0.0.1:2")],
            Some("http://127.0.0.1:2/"),
        ),
    ] {
        for mode in Mode::ALL {
            let mut fixture = Fixture::new().flag("preflight.mode", mode.as_str());
            for (key, value) in &flags {
                fixture = fixture.flag(key, value);
            }
            if *mode != Mode::Off && expected.is_none() {
                let error = fixture.error();
                assert!(
                    error.starts_with("preflight.mode (") && error.contains("not known where"),
                    "{error}"
                );
                assert_eq!(error.lines().count(), 1, "{error}");
                continue;
            }
            let preflight = fixture.settings().preflight;
            assert_eq!(preflight.mode, *mode);
            assert_eq!(
                preflight.url.as_ref().map(Url::as_str),
                expected,
                "{flags:?}"
            );
        }
    }
}

#[test]
fn a_ladder_needs_a_bound() {
    for key in [
        "ladder.max_credits_per_day",
        "budget.max_credits_per_day",
        "budget.max_credits",
    ] {
        let fixture = Fixture::new()
            .flag("ladder.enabled", "true")
            .flag(key, "60000");
        let expected = LadderSettings {
            max_creates_per_job: 2,
            max_credits_per_day: (key == "ladder.max_credits_per_day").then_some(60_000),
        };
        assert_eq!(fixture.settings().ladder, Some(expected));
        assert_eq!(Fixture::new().flag(key, "60000").settings().ladder, None);
    }
    let error = Fixture::new()
        .flag("ladder.enabled", "true")
        .flag("budget.max_credits", " ")
        .error();
    assert!(
        error.starts_with("ladder.enabled (") && error.contains("nothing bounds"),
        "{error}"
    );
}
