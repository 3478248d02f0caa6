use super::*;
use crate::simulator::{Endpoint, Faults, Reply, WorldConfig};

const NOW_MS: UnixMs = 1_700_000_000_000;

fn simulator(credits: Option<i64>, rules: &[&str]) -> Simulator {
    let rules: Vec<FaultRule> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    let world = WorldConfig {
        credits,
        first_free: false,
        generation_scale: 0.0,
        ..WorldConfig::default()
    };
    Simulator::new(world, Faults::new(1, rules))
}

fn respond(simulator: &mut Simulator, request: &HttpRequest) -> Option<HttpAnswer> {
    simulator.respond(NOW_MS, request).into_answer()
}

fn create(simulator: &mut Simulator) -> Option<u16> {
    let body = json!({"api_key": "demo-key", "name": "n", "urls": ["https://a.example/"]});
    let request = HttpRequest::new("POST", "/parsers", body.to_string());
    respond(simulator, &request).map(|answer| answer.status)
}

/// Asks with the right key; the status, and the body.
fn ask(simulator: &mut Simulator, method: &str, below: &str, body: &str) -> (u16, Value) {
    let mut request = HttpRequest::new(method, &format!("{ROOT}{below}"), body);
    request.bearer = Some("demo-key".to_owned());
    let answer = respond(simulator, &request).unwrap();
    (answer.status, answer.value())
}

#[test]
fn credits_are_added_and_set_while_it_runs() {
    let mut simulator = simulator(Some(30_000), &[]);
    assert!(create(&mut simulator).is_some_and(|status| status < 300));
    assert_eq!(create(&mut simulator), Some(402));
    let (status, state) = ask(&mut simulator, "POST", "/credits", r#"{"add": 60000}"#);
    assert_eq!(
        (status, &state["credits"]),
        (200, &json!({"left": 60_000, "spent": 30_000}))
    );
    assert!(create(&mut simulator).is_some_and(|status| status < 300));
    ask(&mut simulator, "POST", "/credits", r#"{"credits": 29999}"#);
    assert_eq!(create(&mut simulator), Some(402));
}

#[test]
fn an_account_without_a_limit_gets_one() {
    let mut simulator = simulator(None, &[]);
    let (status, error) = ask(&mut simulator, "POST", "/credits", r#"{"add": 1}"#);
    assert_eq!(status, 400);
    assert!(
        error["error"].as_str().unwrap().contains("no limit"),
        "{error}"
    );
    let (_, state) = ask(&mut simulator, "GET", "", "");
    assert_eq!(state["credits"]["left"], Value::Null);
    ask(&mut simulator, "POST", "/credits", r#"{"credits": 0}"#);
    assert_eq!(create(&mut simulator), Some(402));
}

#[test]
fn faults_are_added_behind_those_there_and_cleared() {
    let mut simulator = simulator(None, &["create status=500"]);
    let body = r#"{"add": ["create status=503", "get lose"]}"#;
    let (status, _) = ask(&mut simulator, "POST", "/faults", body);
    assert_eq!((status, create(&mut simulator)), (200, Some(500)));
    let (_, state) = ask(&mut simulator, "GET", "", "");
    let expected = json!([
        {"rule": "create status=500", "applied": 1},
        {"rule": "create status=503", "applied": 1},
        {"rule": "get lose", "applied": 0},
    ]);
    assert_eq!(state["faults"], expected);
    let (_, state) = ask(&mut simulator, "DELETE", "/faults", "");
    assert_eq!(state["faults"], json!([]));
    assert!(create(&mut simulator).is_some_and(|status| status < 300));
}

#[test]
fn the_state_counts_parsers_and_requests() {
    let mut simulator = simulator(None, &["create lose after nth=2"]);
    let status = create(&mut simulator).unwrap().to_string();
    assert_eq!(create(&mut simulator), None);
    let (_, state) = ask(&mut simulator, "GET", "", "");
    assert_eq!(state["parsers"], json!({"FINISHED": 2}));
    assert_eq!(
        state["requests"],
        json!({"create": {status.as_str(): 1, "lost": 1}})
    );
}

#[test]
fn what_is_refused_changes_nothing() {
    let cases = [
        ("POST", "/credits", "", 400, "malformed JSON"),
        ("POST", "/credits", "[]", 400, "must be a JSON object"),
        ("POST", "/credits", "{}", 400, "one key: credits or add"),
        (
            "POST",
            "/credits",
            r#"{"add": 1, "credits": 1}"#,
            400,
            "one key",
        ),
        ("POST", "/credits", r#"{"add": -1}"#, 400, "an integer from"),
        (
            "POST",
            "/credits",
            r#"{"add": 1.5}"#,
            400,
            "an integer from",
        ),
        (
            "POST",
            "/credits",
            r#"{"credits": 9e18}"#,
            400,
            "an integer from",
        ),
        (
            "POST",
            "/faults",
            r#"{"add": "get lose"}"#,
            400,
            "array of strings",
        ),
        (
            "POST",
            "/faults",
            r#"{"add": ["get lose", "get losse"]}"#,
            400,
            "did you mean lose?",
        ),
        ("POST", "/faults", r#"{"set": []}"#, 400, "one key: add"),
        ("PUT", "/faults", "", 405, "Method not allowed"),
        ("POST", "", "", 405, "Method not allowed"),
        ("GET", "/fault", "", 404, "Not found"),
    ];
    let mut simulator = simulator(Some(10), &["create status=500"]);
    let (_, before) = ask(&mut simulator, "GET", "", "");
    for (method, below, body, status, reason) in cases {
        let (found, error) = ask(&mut simulator, method, below, body);
        assert_eq!(found, status, "{method} {below} {body}");
        let error = error["error"].as_str().unwrap();
        assert!(error.contains(reason), "{body}: {error}");
        assert_eq!(
            ask(&mut simulator, "GET", "", "").1,
            before,
            "{method} {body}"
        );
    }
}

#[test]
fn only_the_header_lets_in() {
    let mut simulator = simulator(Some(10), &[]);
    for (target, bearer) in [
        ("/_simulator", None),
        ("/_simulator?api_key=demo-key", None),
        ("/_simulator", Some("another")),
        ("/_simulator/nowhere", None),
    ] {
        let mut request = HttpRequest::new("GET", target, r#"{"api_key": "demo-key"}"#);
        request.bearer = bearer.map(str::to_owned);
        let status = respond(&mut simulator, &request).map(|answer| answer.status);
        assert_eq!(status, Some(401), "{target} {bearer:?}");
    }
}

#[test]
fn no_fault_and_no_limit_applies_to_it_and_it_is_not_counted() {
    let mut simulator = simulator(None, &["any lose"]);
    simulator.concurrency_limit = Some(0);
    simulator.traffic.begin();
    assert_eq!(ask(&mut simulator, "GET", "", "").0, 200);
    assert!(simulator.traffic.counts().is_empty());
    // A name that only begins so is one of the service's.
    let request = HttpRequest::new("GET", "/_simulators", "");
    assert!(matches!(
        simulator.respond(NOW_MS, &request),
        Reply::Lost { .. }
    ));
    assert_eq!(simulator.traffic.count(Endpoint::Other), 1);
}
