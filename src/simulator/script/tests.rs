//! What the grammar takes and what it refuses.

use super::*;

#[test]
fn bad_rules_are_refused_with_the_reason() {
    let cases = [
        ("", "it is empty"),
        ("status=500", "the endpoint must come first"),
        ("creat status=500", "\"creat\" is not an endpoint"),
        ("creat status=500", "did you mean create?"),
        ("bogus", "other, any"),
        ("create zzz=1", "`parserd help simulate` lists"),
        ("create", "it does nothing"),
        ("create p=0.5", "it does nothing"),
        (
            "create statsu=500",
            "unknown word \"statsu\"; did you mean status?",
        ),
        ("create status", "status needs a value"),
        ("create lose=after", "lose takes no value"),
        ("create status=500 status=501", "status is given twice"),
        ("create status=abc", "status cannot be \"abc\""),
        ("create status=100", "status must be between 200 and 599"),
        (
            "create status=500 lose",
            "status and lose exclude each other",
        ),
        (
            "create status=500 before after",
            "before and after exclude each other",
        ),
        (
            "create lose before land-late=1s",
            "before and land-late exclude each other",
        ),
        ("get cut endless", "cut and endless exclude each other"),
        (
            "get delay=1s before",
            "before needs status or lose or redirect",
        ),
        ("get retry-after=1s delay=1s", "retry-after needs status"),
        ("get status=500 reset", "reset needs lose"),
        ("get delay=fast", "delay cannot be \"fast\""),
        ("get lose p=1.5", "p must be between 0 and 1"),
        ("get lose every=0", "every cannot be 0"),
        ("get lose nth=x", "nth cannot be \"x\""),
        ("get lose nth=0", "no request has such a number"),
        ("get lose first=0", "no request has such a number"),
        ("get lose nth=3-2", "no request has such a number"),
        ("get lose from=2s until=1s", "from must be before until"),
        ("get lose per-name", "per-name needs nth or first or every"),
        ("get fail=text", "fail is for create, patch only"),
        ("delete fail=text", "fail is for create, patch only"),
        (
            "any land-late=1s",
            "land-late is for create, patch, delete only",
        ),
        ("patch alter-name=lower", "alter-name is for create only"),
        ("create base=fork", "base is for patch only"),
        ("patch base=latest", "base must be fork or conflict"),
        ("get limit=1", "limit is for list only"),
        ("get say=FINISHED", "say is written say=OLD:NEW"),
        ("create alter-name=upper", "alter-name must be"),
        ("create name=\"a", "a double quote is missing"),
    ];
    for (text, reason) in cases {
        let error = text.parse::<FaultRule>().expect_err(text).to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
}

#[test]
fn texts_with_spaces_stand_in_quotes() {
    let rule: FaultRule = r#"create name="my shop" status=500 body="it = broken""#
        .parse()
        .unwrap();
    assert_eq!(rule.scope.name.as_deref(), Some("my shop"));
    let Some(AnswerFault::Status { body, .. }) = rule.effect.answer else {
        panic!("no status");
    };
    assert_eq!(body.as_deref(), Some("it = broken"));
}

#[test]
fn a_script_says_the_same_as_lines() {
    let script = r#"
        [[faults]]
        on = "create"
        status = 500
        after = true
        before = false
        p = 0.5
        name = "my shop"

        [[faults]]
        on = "any"
        lose = true
    "#;
    let lines = ["create status=500 after p=0.5 name=\"my shop\"", "any lose"];
    let rules: Vec<FaultRule> = lines.iter().map(|line| line.parse().unwrap()).collect();
    let tables = parse_script(script).unwrap();
    let does = |rules: &[FaultRule]| -> Vec<_> {
        let parts = |rule: &FaultRule| (rule.scope.clone(), rule.when.clone(), rule.effect.clone());
        rules.iter().map(parts).collect()
    };
    assert_eq!(does(&tables), does(&rules));
    // The text of a table is a line that says the same.
    let texts: Vec<FaultRule> = tables
        .iter()
        .map(|rule| rule.text.parse().unwrap())
        .collect();
    assert_eq!(texts, tables);
    let script = format!("faults = {lines:?}");
    assert_eq!(parse_script(&script).unwrap(), rules);
    assert_eq!(parse_script("").unwrap(), []);
}

#[test]
fn bad_scripts_are_refused_with_the_reason() {
    let cases = [
        ("faults", "script"),
        ("rules = []", "unknown key \"rules\""),
        ("faults = 1", "faults must be an array"),
        ("faults = [1]", "it must be a string or a table"),
        ("faults = [\"get\"]", "it does nothing"),
        ("[[faults]]\nstatus = 500", "on is missing"),
        (
            "[[faults]]\non = \"get\"\nlose = \"after\"",
            "lose takes no value",
        ),
    ];
    for (text, reason) in cases {
        let error = parse_script(text).expect_err(text).to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
}
