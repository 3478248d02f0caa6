//! Faults and the record of requests, without HTTP.

use serde_json::{Value, json};

use super::*;

const START_MS: UnixMs = 1_700_000_000_000;

fn simulator(rules: &[&str]) -> Simulator {
    let rules: Vec<FaultRule> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    Simulator::new(WorldConfig::default(), Faults::new(1, rules))
}

fn create(simulator: &mut Simulator, at_ms: i64, name: &str) -> Reply {
    let body = json!({"api_key": "demo-key", "name": name, "urls": ["https://a.example/"]});
    let request = HttpRequest::new("POST", "/parsers", body.to_string());
    simulator.respond(START_MS + at_ms, &request)
}

fn get(simulator: &mut Simulator, at_ms: i64, path: &str) -> Reply {
    let target = format!("{path}?api_key=demo-key");
    simulator.respond(START_MS + at_ms, &HttpRequest::new("GET", &target, ""))
}

fn status(reply: &Reply) -> Option<u16> {
    match reply {
        Reply::HttpAnswer { answer, .. } => Some(answer.status),
        Reply::Lost { .. } => None,
    }
}

fn value(reply: Reply) -> Value {
    reply.into_answer().unwrap().value()
}

#[test]
fn every_status_applies_to_every_endpoint_before_its_effect() {
    for code in [400, 401, 402, 403, 404, 409, 429, 500, 502, 503, 504] {
        let rule = format!("any status={code}");
        let mut simulator = simulator(&[&rule]);
        let requests = [
            ("POST", "/parsers"),
            ("GET", "/parsers"),
            ("GET", "/parsers/a"),
            ("PATCH", "/parsers/a"),
            ("DELETE", "/parsers/a"),
            ("GET", "/parse/a"),
            ("GET", "/account"),
        ];
        for (method, path) in requests {
            let body = r#"{"api_key": "demo-key", "name": "n", "urls": ["https://a.example/"]}"#;
            let reply = simulator.respond(START_MS, &HttpRequest::new(method, path, body));
            assert_eq!(status(&reply), Some(code), "{method} {path}");
        }
        assert!(simulator.world.parsers(i64::MAX).is_empty());
    }
}

#[test]
fn an_answer_is_lost_or_an_error_before_or_after_the_effect() {
    let cases = [
        ("create status=500", Some(500), 0),
        ("create status=500 before", Some(500), 0),
        ("create status=500 after", Some(500), 1),
        ("create lose before", None, 0),
        ("create lose after", None, 1),
        ("create lose reset after", None, 1),
        ("create redirect=/elsewhere", Some(307), 0),
        ("create redirect=/elsewhere status=302 after", Some(302), 1),
    ];
    for (rule, expected, made) in cases {
        let mut simulator = simulator(&[rule]);
        let reply = create(&mut simulator, 0, "n");
        assert_eq!(status(&reply), expected, "{rule}");
        assert_eq!(simulator.world.parsers(i64::MAX).len(), made, "{rule}");
        assert_eq!(simulator.world.creates_of("n"), made as u64, "{rule}");
    }
}

#[test]
fn a_create_lands_late_and_shows_late() {
    let mut simulator = simulator(&["create lose land-late=20s show-late=5s"]);
    create(&mut simulator, 0, "n");
    for (at_ms, listed) in [(19_999, 0), (24_999, 0), (25_000, 1)] {
        let list = value(get(&mut simulator, at_ms, "/parsers"));
        assert_eq!(list.as_array().unwrap().len(), listed, "{at_ms}");
    }
    assert_eq!(simulator.world.parsers(START_MS + 20_000).len(), 1);
}

#[test]
fn retry_after_is_seconds_or_a_date_or_anything() {
    let cases = [
        ("any status=429", None),
        ("any status=429 retry-after=2500ms", Some("3")),
        (
            "any status=429 retry-after-date=10s",
            Some("Tue, 14 Nov 2023 22:13:30 GMT"),
        ),
        ("any status=503 retry-after-text=soon", Some("soon")),
    ];
    for (rule, expected) in cases {
        let answer = get(&mut simulator(&[rule]), 0, "/parsers")
            .into_answer()
            .unwrap();
        assert_eq!(answer.header("retry-after"), expected, "{rule}");
    }
}

#[test]
fn a_rule_applies_to_the_requests_that_it_names_and_no_others() {
    // Creates of a, b, a, b, a, b at seconds 0 to 5; `x` where one fails.
    let cases = [
        ("create status=500", "xxxxxx"),
        ("list status=500", "......"),
        ("any status=500", "xxxxxx"),
        ("create status=500 nth=2", ".x...."),
        ("create status=500 nth=2-4", ".xxx.."),
        ("create status=500 nth=5-", "....xx"),
        ("create status=500 first=2", "xx...."),
        ("create status=500 every=3", "..x..x"),
        ("create status=500 every=2 nth=3-", "...x.x"),
        ("create status=500 name=b", ".x.x.x"),
        ("create status=500 name=b nth=2", "...x.."),
        ("create status=500 first=1 per-name", "xx...."),
        ("create status=500 nth=3 per-name", "....xx"),
        ("create status=500 from=2s until=4s", "..xx.."),
        ("create status=500 p=0", "......"),
        ("create status=500 p=1", "xxxxxx"),
    ];
    for (rule, expected) in cases {
        let mut simulator = simulator(&[rule]);
        let outcome = |nth: i64| {
            let name = if nth % 2 == 0 { "shop a" } else { "shop b" };
            let reply = create(&mut simulator, nth * 1_000, name);
            if status(&reply) == Some(500) {
                'x'
            } else {
                '.'
            }
        };
        let outcomes: String = (0..6).map(outcome).collect();
        assert_eq!(outcomes, expected, "{rule}");
        let applied = expected.matches('x').count() as u64;
        assert_eq!(simulator.faults.applied(), [applied]);
    }
}

#[test]
fn probability_is_drawn_by_name_whatever_the_order() {
    let failed = |names: &mut dyn Iterator<Item = u32>| -> Vec<u32> {
        let mut simulator = simulator(&["create status=500 p=0.3"]);
        let mut failed: Vec<u32> = names
            .filter(|name| status(&create(&mut simulator, 0, &name.to_string())) == Some(500))
            .collect();
        failed.sort_unstable();
        failed
    };
    let forth = failed(&mut (0..500));
    assert_eq!(forth, failed(&mut (0..500).rev()));
    assert!((120..180).contains(&forth.len()), "{}", forth.len());
}

#[test]
fn of_two_rules_the_first_prevails_and_the_rest_adds_up() {
    let rules = [
        "create status=500 after first=1",
        "create lose before",
        "any delay=3s",
    ];
    let mut simulator = simulator(&rules);
    let Reply::HttpAnswer {
        answer, delay_ms, ..
    } = create(&mut simulator, 0, "n")
    else {
        panic!("lost");
    };
    assert_eq!((answer.status, delay_ms), (500, 3_000));
    assert_eq!(simulator.world.creates_of("n"), 1);
    let lost = Reply::Lost {
        is_reset: false,
        delay_ms: 3_000,
    };
    assert_eq!(create(&mut simulator, 0, "n"), lost);
    assert_eq!(simulator.world.creates_of("n"), 1);
}

#[test]
fn answers_are_changed_as_told() {
    let cases = [
        ("get say=FINISHED:FINISED", "/status", json!("FINISED")),
        (
            "get say=FINISHED:WARMING_UP",
            "/status",
            json!("WARMING_UP"),
        ),
        ("get missing=status", "/status", Value::Null),
        (
            "get rekey=example_result:example_results",
            "/example_results/0/url",
            json!("https://a.example/"),
        ),
        (
            "get rekey=example_result:example_results",
            "/example_result",
            Value::Null,
        ),
        ("list missing=version", "/0/version", Value::Null),
        ("list say=FINISHED:FINISED", "/1/status", json!("FINISED")),
        ("list limit=1", "/0/status", json!("FINISHED")),
        ("list limit=1", "/1", Value::Null),
        ("any unreadable", "", Value::Null),
    ];
    for (rule, pointer, expected) in cases {
        let mut simulator = simulator(&[rule]);
        create(&mut simulator, 0, "n");
        create(&mut simulator, 0, "n");
        let id = simulator.world.parsers(START_MS)[0].id.clone();
        let path = if rule.starts_with("list") {
            "/parsers"
        } else {
            &format!("/parsers/{id}")
        };
        let body = value(get(&mut simulator, 3_600_000, path));
        let found = body.pointer(pointer).cloned().unwrap_or(Value::Null);
        assert_eq!(found, expected, "{rule}");
    }
    let mut simulator = simulator(&["create missing=id"]);
    assert_eq!(value(create(&mut simulator, 0, "n")), json!({"version": 0}));
}

#[test]
fn a_create_is_twisted_as_told() {
    let rules = [
        "create generation=2s",
        "create fail=\"no luck\" name=bad",
        "create alter-name=slug",
    ];
    let mut simulator = simulator(&rules);
    create(&mut simulator, 0, "Good & bad");
    let parsers = simulator.world.parsers(START_MS + 1_999);
    assert_eq!(
        (parsers[0].name.as_str(), parsers[0].status),
        ("Good---bad", Status::Generating)
    );
    let list = value(get(&mut simulator, 2_000, "/parsers"));
    assert_eq!(list[0]["error"], "no luck");
    for (change, name) in [
        ("lower", "a b "),
        ("trim", "A B"),
        ("cut:2", "A "),
        ("slug", "A-B-"),
        ("collapse", "A B"),
        ("suffix:-1", "A B -1"),
    ] {
        let rule = format!("create alter-name={change}");
        let mut simulator = self::simulator(&[&rule]);
        create(&mut simulator, 0, "A B ");
        assert_eq!(simulator.world.parsers(START_MS)[0].name, name);
    }
    for (change, name) in [
        ("escape", "&lt;e\u{301}&gt;"),
        ("nfc", "<\u{e9}>"),
        ("ascii", "<e?>"),
    ] {
        let rule = format!("create alter-name={change}");
        let mut simulator = self::simulator(&[&rule]);
        create(&mut simulator, 0, "<e\u{301}>");
        assert_eq!(simulator.world.parsers(START_MS)[0].name, name);
    }
}

#[test]
fn bad_deliveries_leave_no_answer_to_read() {
    for (rule, expected) in [
        ("any cut", Delivery::Cut),
        ("any slow=2s", Delivery::Slow(2_000)),
        ("any endless", Delivery::Endless),
        ("any gzip-bomb", Delivery::GzipBomb),
    ] {
        let reply = get(&mut simulator(&[rule]), 0, "/parsers");
        assert!(matches!(&reply, Reply::HttpAnswer { delivery, .. } if *delivery == expected));
        assert_eq!(
            reply.into_answer().is_some(),
            expected == Delivery::Slow(2_000)
        );
    }
}

#[test]
fn too_many_requests_at_once_get_429_and_do_nothing() {
    let mut simulator = simulator(&[]);
    simulator.concurrency_limit = Some(1);
    simulator.traffic.begin();
    assert_eq!(
        status(&create(&mut simulator, 0, "n")).map(|code| code / 100),
        Some(2)
    );
    simulator.traffic.begin();
    assert_eq!(status(&create(&mut simulator, 0, "n")), Some(429));
    assert_eq!(simulator.world.creates_of("n"), 1);
    assert_eq!(simulator.traffic.max_in_flight(), 2);
}

#[test]
fn requests_are_counted_and_logged_without_the_key() {
    let mut simulator = simulator(&["create lose after nth=1"]);
    create(&mut simulator, 0, "n");
    get(&mut simulator, 5, "/parsers/none");
    let traffic = &simulator.traffic;
    assert_eq!(traffic.count(Endpoint::Create), 1);
    assert_eq!(traffic.count_status(Endpoint::Create, None), 1);
    assert_eq!(traffic.count_status(Endpoint::Get, Some(404)), 1);
    let last = traffic.log().last().unwrap();
    assert_eq!(
        (last.at_ms, last.path.as_str()),
        (START_MS + 5, "/parsers/none")
    );
    assert_eq!(traffic.log().next().unwrap().name.as_deref(), Some("n"));
    for _ in 0..LOG_LENGTH {
        get(&mut simulator, 6, "/account");
    }
    assert_eq!(simulator.traffic.log().count(), LOG_LENGTH);
}
