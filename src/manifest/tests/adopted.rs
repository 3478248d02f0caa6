//! What a job file says of a parser that is there: `protect`, `parser_id` and the `was` of fields.

use super::*;

#[test]
fn every_format_can_say_which_parser_is_meant_and_what_its_fields_were() {
    let toml = format!(
        "[[jobs]]\nname = 'a'\nurls = ['{PAGE}']\nprotect = true\nparser_id = '7f-1'\n\
         fields = [{{ name = 'title', was = ' name ', description = 'd' }}, \
         {{ name = 'price', description = 'p' }}]\n"
    );
    let fields = r#"[{"name": "title", "was": "name", "description": "d"},
        {"name": "price", "was": null, "description": "p"}]"#;
    let fields = fields.replace('\n', "");
    let job = format!(
        r#"{{"name": "a", "urls": ["{PAGE}"], "protect": true, "parser_id": "7f-1", "fields": {fields}}}"#
    );
    let csv = format!(
        "name,urls,protect,parser_id,fields\na,{PAGE},TRUE,7f-1,\"{}\"\n",
        fields.replace('"', "\"\"")
    );
    let expected = specs(Format::Toml, &toml);
    let spec = &expected[0];
    assert_eq!(
        (spec.protect, spec.parser_id.as_deref()),
        (Some(true), Some("7f-1"))
    );
    assert_eq!(spec.was_json().as_deref(), Some(r#"{"title":"name"}"#));
    assert_eq!(
        spec.fields,
        Some(json!([
            {"name": "title", "description": "d"},
            {"name": "price", "description": "p"},
        ]))
    );
    for (format, text) in [
        (Format::Json, format!("[{job}]")),
        (Format::JsonLines, job.clone()),
        (Format::Csv, csv),
    ] {
        assert_eq!(specs(format, &text), expected, "{format}");
    }
    let plain = job.replace(r#""was": "name", "#, "");
    let plain = plain.replace(r#""protect": true, "parser_id": "7f-1", "#, "");
    let plain = &specs(Format::JsonLines, &plain)[0];
    assert_eq!(plain.tag(0), spec.tag(0));
    assert_eq!((plain.protect, plain.was.len()), (None, 0));
    let file = JobFile::of(Manifest {
        jobs: jobs(Format::Toml, &toml),
        ..Manifest::default()
    });
    let kept: Vec<_> = file.unwrap().jobs().map(|job| job.unwrap().value).collect();
    assert_eq!(kept, expected);
}

#[test]
fn what_cannot_be_read_of_it_is_told() {
    let job = |more: &str| format!(r#"{{"name": "a", "urls": ["{PAGE}"], {more}}}"#);
    let fields = |was: &str| {
        job(&format!(
            r#""fields": [{{"name": "t", "description": "d", "was": {was}}}, {{"name": "u", "description": "d"}}]"#
        ))
    };
    for (text, words) in [
        (
            job(r#""protect": "true""#),
            "protect is \"true\": write true or false",
        ),
        (
            job(r#""parser_id": 7"#),
            "parser_id is 7: write the id of a parser as a string",
        ),
        (
            job(r#""parser_id": "a b""#),
            "parser_id \"a b\" contains whitespace",
        ),
        (
            fields("1"),
            "fields[0].was is 1: write a string, or leave it out",
        ),
        (fields("\"\""), "fields[0].was is blank"),
        (fields("\"t\""), "field \"t\" has its own name in was"),
        (
            fields("\"u\""),
            "field \"t\" was \"u\", and \"u\" is a field still",
        ),
    ] {
        assert_bad(
            Format::JsonLines,
            text,
            &[&format!("line 1: job \"a\": {words}")],
        );
    }
    for (column, cell, words) in [
        ("protect", "yes", "protect is \"yes\": write true or false"),
        (
            "protect,protect",
            "true,true",
            "the header has protect twice",
        ),
        ("protekt", "true", "did you mean protect?"),
    ] {
        let csv = format!("name,urls,{column}\na,{PAGE},{cell}\n");
        assert_bad(Format::Csv, csv, &[words]);
    }
}

#[test]
fn jobs_that_differ_in_it_alone_are_not_the_same() {
    let job = format!(r#"{{"name": "a", "urls": ["{PAGE}"]}}"#);
    for more in [
        r#""protect": true"#,
        r#""parser_id": "p""#,
        r#""expect": {"products": {"min_items": 1}}"#,
        r#""check_urls": ["https://a.com/2"]"#,
    ] {
        let other = job.replace('}', &format!(", {more}}}"));
        let words = "line 2: job \"a\": line 1 holds a different job of this name";
        assert_bad(Format::JsonLines, format!("{job}\n{other}\n"), &[words]);
    }
}
