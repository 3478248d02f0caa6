//! Keys that parserd does not know.

use super::*;

#[test]
fn a_misspelt_key_is_named_with_the_nearest_one_and_where_it_stands() {
    for (text, words) in [
        (
            "[poll]\nmax_intervall = '5s'",
            "unknown key poll.max_intervall in p.toml line 2; did you mean poll.max_interval?",
        ),
        (
            "poll.max-interval = '5s'",
            "unknown key poll.max-interval in p.toml line 1; did you mean poll.max_interval?",
        ),
        (
            "[pol]\ntimeout = '5s'",
            "unknown key pol.timeout in p.toml line 2; did you mean poll.timeout?",
        ),
        (
            "[pol]",
            "unknown key pol in p.toml line 1; did you mean poll.",
        ),
        (
            "\nmax_requests = 1",
            "unknown key max_requests in p.toml line 2; did you mean workers.max_requests?",
        ),
        ("[http]\nlevel = 'info'", "did you mean log.level?"),
        ("key = 'x'", "did you mean api.key?"),
        (
            "[foo]",
            "unknown key foo in p.toml line 1; the nearest known one is api.key",
        ),
        ("x.y = 1", "config/parserd.toml lists all keys"),
    ] {
        let error = file(text).error();
        assert!(error.contains(words), "{error}");
    }
    let error = Fixture::new().env("PARSERD__LOG__LEVL", "x").error();
    let words =
        "unknown key log.levl in environment variable PARSERD__LOG__LEVL; did you mean log.level?";
    assert_eq!(error, words);
    let error = Fixture::new().env("PARSERD__WORKERS", "3").error();
    assert!(
        error.contains("did you mean workers.max_requests?"),
        "{error}"
    );
    let error = Fixture::new().flag("zzz", "1").error();
    assert!(!error.contains("did you mean"), "{error}");
    let error = Fixture::new().flag("log.levl", "x").error();
    assert_eq!(
        error,
        "unknown key log.levl in the command line; did you mean log.level?"
    );
}
