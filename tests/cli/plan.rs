//! `parserd plan`.

use parserd::store::Gates as _;
use std::net::SocketAddr;

use parserd::core::gate::{Closure, GateReason, Scope};
use parserd::simulator::server::{Server, ServerHandle};
use parserd::simulator::{Endpoint, Faults, Simulator, WorldConfig};
use serde_json::{Value, json};
use sqlx::Connection as _;

use super::place::{Ended, KEY, Place, ambiguous, generating, in_doubt, job_line, out_of_credits};

async fn simulator(credits: i64) -> ServerHandle {
    let world = WorldConfig {
        key: KEY.to_owned(),
        credits: Some(credits),
        account_lag_ms: 0,
        generation_scale: 0.0005,
        ..WorldConfig::default()
    };
    let simulator = Simulator::new(world, Faults::new(1, Vec::new()));
    Server::start(SocketAddr::from(([127, 0, 0, 1], 0)), simulator)
        .await
        .unwrap()
}

fn run(place: &Place, server: &ServerHandle, args: &[&str]) -> Ended {
    let base_url = server.base_url();
    let account_url = format!("{base_url}/account");
    let env = [
        ("PARSERD__API__BASE_URL", base_url.as_str()),
        ("PARSERD__API__ACCOUNT_URL", account_url.as_str()),
        ("PARSERD__API__KEY", KEY),
        ("PARSERD__POLL__INITIAL_INTERVAL", "20ms"),
        ("PARSERD__POLL__MAX_INTERVAL", "50ms"),
    ];
    place.run_with(&env, args)
}

fn verdicts(plan: &Value) -> Vec<(&str, &str)> {
    plan["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| {
            (
                job["name"].as_str().unwrap(),
                job["verdict"].as_str().unwrap(),
            )
        })
        .collect()
}

fn lines(names: &[&str]) -> String {
    let lines: Vec<_> = names.iter().map(|name| job_line(name)).collect();
    lines.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_what_the_daemon_then_does_and_does_none_of_it() {
    let server = simulator(3 * 30_000).await;
    let lost = Place::new();
    lost.file("jobs.jsonl", &lines(&["a"]));
    run(&lost, &server, &["enqueue", "jobs.jsonl"]).is(0);
    run(&lost, &server, &["run", "--until-done"]).is(0);

    let place = Place::new();
    place.file("jobs.jsonl", &lines(&["a", "b", "c", "d"]));
    let before = server.with(|simulator| simulator.traffic.log().count());
    let limit = ["--set", "budget.max_credits_per_day=60000"];
    let args = [&limit[..], &["plan", "jobs.jsonl", "--json"]].concat();
    let plan = run(&place, &server, &args).is(0).json();
    let expected = [
        ("a", "adopt"),
        ("b", "create"),
        ("c", "create"),
        ("d", "create"),
    ];
    assert_eq!(verdicts(&plan), expected);
    assert_eq!(plan["jobs"][1]["line"], 2);
    assert_eq!(plan["totals"]["create"], 3);
    assert_eq!(plan["totals"]["would_fail"], 0);
    // The first parser of an account is free.
    assert_eq!(
        plan["credits"],
        json!({
            "per_create": 30_000, "cost": 90_000, "cost_at_most": 90_000, "ladder": 0,
            "budget_left_today": 60_000, "budget_left": null, "account_left": 90_000,
        })
    );
    assert_eq!(
        plan["creates"],
        json!({"ahead": 0, "fit_now": 2, "parked_for_budget": 1, "parked_for_credits": 0})
    );
    assert_eq!(plan["service"]["parsers"], 1);
    assert!(
        !place.path("parserd.db").exists(),
        "a plan makes no database"
    );
    let asked = server.with(|simulator| simulator.traffic.log().count()) - before;
    assert_eq!(asked, 2, "the list and the account page, once each");

    let fail = ["--set", "create.on_existing=fail", "plan", "jobs.jsonl"];
    run(&place, &server, &fail).is(0).prints(&[
        "would_fail  a",
        "3 create, 1 would_fail: up to 90,000 credits",
    ]);
    let anew = ["--set", "create.on_existing=create", "plan", "jobs.jsonl"];
    run(&place, &server, &anew).is(0).prints(&[
        "4 create",
        "1 creates would be PARKED for credits, 3 sent now",
    ]);

    run(&place, &server, &["enqueue", "jobs.jsonl"]).is(0);
    let queue = run(&place, &server, &["plan", "--json"]).is(0).json();
    assert_eq!(verdicts(&queue), expected, "the queue's plan is the file's");
    let again = run(&place, &server, &["plan", "jobs.jsonl"]).is(0);
    again.prints(&["4 already_there", "job 1, QUEUED", "no credits"]);
    run(&place, &server, &["run", "--until-done"]).is(0);
    assert_eq!(server.with(|s| s.traffic.count(Endpoint::Create)), 1 + 3);
    run(&place, &server, &["plan"])
        .is(0)
        .prints(&["nothing to do"]);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_without_the_service_says_so_and_changes_no_row() {
    let place = Place::new();
    place
        .jobs(vec![
            ("waits", vec![]),
            ("makes", generating("makes")),
            ("doubt", in_doubt("doubt")),
            ("poor", out_of_credits("poor")),
            ("which", ambiguous("which")),
        ])
        .await;
    let now = jiff::Timestamp::now().as_millisecond();
    let closure = Closure {
        reason: GateReason::Credits,
        since: now,
        next_probe_at: now + 600_000,
        interval_ms: 900_000,
    };
    let store = place.store().await;
    store.set_gate(Scope::Create, Some(closure)).await.unwrap();
    store.close().await;
    let before = place.run(&["jobs", "--json"]).is(0).out;
    let plan = place.run(&["plan", "--json"]).is(0).json();
    assert_eq!(
        verdicts(&plan),
        [
            ("waits", "create"),
            ("poor", "create"),
            ("which", "ambiguous")
        ]
    );
    let why = plan["service"]["no_list"].as_str().unwrap();
    assert!(why.contains("api.key"), "{why}");
    // Nobody listens on port 9 of this machine.
    let env = [
        ("PARSERD__API__BASE_URL", "http://127.0.0.1:9"),
        ("PARSERD__API__KEY", KEY),
    ];
    place.run_with(&env, &["plan"]).is(0).prints(&[
        "account: no list",
        "would be adopted, not paid for",
        "nothing is created for now: the gate is closed for credits, next probe in 9 min",
    ]);
    assert_eq!(plan["gates"][0]["reason"], "credits");
    assert_eq!(place.run(&["jobs", "--json"]).is(0).out, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_paid_for_is_no_create_even_where_nobody_can_be_asked() {
    let server = simulator(5 * 30_000).await;
    let place = Place::new();
    place.file("jobs.jsonl", &lines(&["a", "b"]));
    run(&place, &server, &["enqueue", "jobs.jsonl"]).is(0);
    run(&place, &server, &["run", "--until-done"]).is(0);
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(place.path("parserd.db"));
    let mut connection = sqlx::SqliteConnection::connect_with(&options)
        .await
        .unwrap();
    let anew = "DELETE FROM jobs;
        INSERT INTO jobs (name, urls) VALUES ('c', '[\"https://example.com/page\"]');
        INSERT INTO jobs (name, urls) VALUES ('a', '[\"https://example.com/page\"]');
        INSERT INTO jobs (name, urls) VALUES ('b', '[\"https://example.com/page\"]')";
    sqlx::raw_sql(anew).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();

    let asked = run(&place, &server, &["plan", "--json"]).is(0).json();
    assert_eq!(
        verdicts(&asked),
        [("c", "create"), ("a", "adopt"), ("b", "adopt")]
    );
    let alone = place.run(&["plan", "--json"]).is(0).json();
    let expected = [("c", "create"), ("a", "unknown"), ("b", "unknown")];
    assert_eq!(verdicts(&alone), expected);
    assert_eq!(alone["credits"]["cost"], 30_000);
    assert_eq!(alone["credits"]["cost_at_most"], 90_000);
    place
        .run(&["plan"])
        .is(0)
        .prints(&["30,000 credits, 90,000 if every unknown one is created"]);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_files_are_named_and_the_good_ones_planned() {
    let place = Place::new();
    place.file("good.jsonl", &lines(&["a"]));
    place.file("bad.jsonl", "{\"name\": \"b\"}\n");
    let ended = place.run(&["plan", "good.jsonl", "bad.jsonl", "--json"]);
    let plan = ended.is(65).says(&["bad.jsonl", "line 1"]).json();
    assert_eq!(verdicts(&plan), [("a", "create")]);
    assert_eq!(plan["bad"][0]["file"], "bad.jsonl");
    assert_eq!(plan["bad"][0]["line"], 1);
    place
        .run(&["plan"])
        .is(1)
        .says(&["error: there is no database"]);
    place.file("other.jsonl", &job_line("a").replace("/page", "/other"));
    place
        .run(&["plan", "good.jsonl", "other.jsonl"])
        .is(65)
        .says(&["reads otherwise on line 1 of an earlier file"]);
}
