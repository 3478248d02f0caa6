//! Labels in every format.

use super::*;

#[test]
fn every_format_has_labels_and_they_are_no_part_of_the_tag() {
    let toml = format!(
        "[[jobs]]\nname = 'a'\nurls = ['{PAGE}']\nlabels = {{ team = 'search', env = 'prod' }}\n"
    );
    let job = format!(
        r#"{{"name": "a", "urls": ["{PAGE}"], "labels": {{"team": "search", "env": "prod"}}}}"#
    );
    let expected = specs(Format::Toml, &toml);
    let spec = &expected[0];
    assert_eq!(
        spec.labels_json().as_deref(),
        Some(r#"{"env":"prod","team":"search"}"#)
    );
    for (format, text) in [
        (Format::Json, format!("[{job}]")),
        (Format::JsonLines, job.clone()),
        (
            Format::Csv,
            format!("name,urls,label.team,label.env\na,{PAGE}, search ,prod\n"),
        ),
        (
            Format::Csv,
            format!(
                "name,urls,labels\na,{PAGE},\"{{\"\"team\"\": \"\"search\"\", \"\"env\"\": \"\"prod\"\"}}\"\n"
            ),
        ),
        (
            Format::Csv,
            format!(
                "name,urls,labels,label.env\na,{PAGE},\"{{\"\"team\"\": \"\"search\"\"}}\",prod\n"
            ),
        ),
    ] {
        assert_eq!(specs(format, &text), expected, "{format}");
    }
    let plain = format!("name,urls,label.team\na,{PAGE},\n");
    let plain = &specs(Format::Csv, &plain)[0];
    assert_eq!(plain.labels, None);
    assert_eq!(plain.tag(0), spec.tag(0));
    assert_eq!(plain.canonical_form(0), spec.canonical_form(0));
}

#[test]
fn labels_that_break_a_rule_say_so() {
    let job = |labels: &str| format!(r#"{{"name": "a", "urls": ["{PAGE}"], "labels": {labels}}}"#);
    for (format, text, words) in [
        (
            Format::JsonLines,
            job(r#"{"team": 7}"#),
            "labels.team is 7: write an object of strings",
        ),
        (
            Format::JsonLines,
            job(r#"{"Team": "x"}"#),
            "the label key \"Team\" is not valid",
        ),
        (
            Format::JsonLines,
            job(r#"{"team": "x", "team": "y"}"#),
            "labels has a key twice",
        ),
        (Format::JsonLines, job("[]"), "labels is an array"),
        (
            Format::Csv,
            format!("name,urls,label.team,label.team\na,{PAGE},x,y\n"),
            "the header has label.team twice",
        ),
        (
            Format::Csv,
            format!("name,urls,label.\na,{PAGE},x\n"),
            "the label key \"\" is not valid",
        ),
        (
            Format::Csv,
            format!("name,urls,labels,label.team\na,{PAGE},\"{{\"\"team\"\": \"\"x\"\"}}\",y\n"),
            "label \"team\" is in labels too",
        ),
        (
            Format::Csv,
            format!("name,urls,lable.team\na,{PAGE},x\n"),
            "unknown key \"lable.team\"",
        ),
    ] {
        assert_bad(format, text, &[words]);
    }
}
