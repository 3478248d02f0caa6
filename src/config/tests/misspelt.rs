//! Keys that parserd does not know.

use super::*;

#[test]
fn a_misspelt_key_is_named_with_the_nearest_one_and_where_it_stands() {
    let texts = [
        "[poll]\nmax_intervall = '5s'",
        "poll.max-interval = '5s'",
        "[pol]\ntimeout = '5s'",
        "[pol]",
        "\nmax_requests = 1",
        "[http]\nlevel = 'info'",
        "key = 'x'",
        "[foo]",
        "x.y = 1",
    ];
    let mut cases: Vec<_> = texts.map(|text| (text.to_owned(), file(text))).into();
    for (variable, value) in [("PARSERD__LOG__LEVL", "x"), ("PARSERD__WORKERS", "3")] {
        let fixture = Fixture::new().env(variable, value);
        cases.push((format!("{variable}={value}"), fixture));
    }
    for (key, value) in [("zzz", "1"), ("log.levl", "x")] {
        let fixture = Fixture::new().flag(key, value);
        cases.push((format!("--set {key}={value}"), fixture));
    }
    assert_errors("config-misspelt", cases);
}
