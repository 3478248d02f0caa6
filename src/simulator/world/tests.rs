//! The service's behaviour, endpoint by endpoint, without HTTP.

use serde_json::{Value, json};

use super::*;
use crate::simulator::http::{Endpoint, HttpAnswer, HttpRequest};

const PAGE: &str = "https://shop.example/1";

fn world() -> World {
    World::new(WorldConfig {
        credits: Some(100_000),
        ..WorldConfig::default()
    })
}

fn post(world: &mut World, now_ms: UnixMs, body: &Value) -> HttpAnswer {
    let request = HttpRequest::new("POST", "/parsers", body.to_string());
    world.handle(now_ms, &request)
}

fn create(world: &mut World, now_ms: UnixMs, name: &str) -> String {
    let body = json!({"api_key": "demo-key", "name": name, "urls": [PAGE]});
    let answer = post(world, now_ms, &body);
    answer.value()["id"].as_str().unwrap().to_owned()
}

fn patch(world: &mut World, now_ms: UnixMs, id: &str, mut body: Value) -> HttpAnswer {
    body["api_key"] = "demo-key".into();
    let target = format!("/parsers/{id}");
    world.handle(
        now_ms,
        &HttpRequest::new("PATCH", &target, body.to_string()),
    )
}

fn get(world: &mut World, now_ms: UnixMs, path: &str) -> HttpAnswer {
    let target = format!(
        "{path}{}api_key=demo-key",
        if path.contains('?') { '&' } else { '?' }
    );
    world.handle(now_ms, &HttpRequest::new("GET", &target, ""))
}

fn delete(world: &mut World, now_ms: UnixMs, id: &str) -> HttpAnswer {
    let target = format!("/parsers/{id}?api_key=demo-key");
    world.handle(now_ms, &HttpRequest::new("DELETE", &target, ""))
}

/// A moment when every generation begun at 0 is over.
const LATER_MS: UnixMs = 3_600_000;

#[test]
fn a_create_is_answered_at_once_and_finishes_later() {
    let mut world = world();
    let body = json!({"api_key": "demo-key", "name": "shop", "urls": [PAGE]});
    let answer = post(&mut world, 0, &body);
    assert!(matches!(answer.status, 201 | 202));
    assert_eq!(answer.value()["version"], 0);
    let id = answer.value()["id"].as_str().unwrap().to_owned();

    let early = get(&mut world, 1, &format!("/parsers/{id}")).value();
    assert_eq!(early["status"], "GENERATING");
    assert_eq!(early["generated_at"], Value::Null);
    assert_eq!(early["example_result"], Value::Null);

    let late = get(&mut world, LATER_MS, &format!("/parsers/{id}")).value();
    assert_eq!(late["name"], "shop");
    assert_eq!(late["status"], "FINISHED");
    assert_eq!(late["error"], Value::Null);
    assert_eq!(late["created_at"], "1970-01-01T00:00:00.000Z");
    assert!(late["generated_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(late["example_result"][0]["url"], PAGE);
    assert!(late["example_result"][0]["result"]["title"].is_string());
    assert!(late.get("id").is_none() && late.get("version").is_none());
}

#[test]
fn an_example_result_has_the_fields_that_were_asked_for() {
    let mut world = world();
    let body = json!({
        "api_key": "demo-key", "name": "shop", "urls": [PAGE],
        "fields": [{"name": "products.price", "description": "Price", "type": "number"}],
    });
    let id = post(&mut world, 0, &body).value()["id"].clone();
    let path = format!("/parsers/{}", id.as_str().unwrap());
    let details = get(&mut world, LATER_MS, &path).value();
    assert_eq!(details["fields"], body["fields"]);
    assert!(details["example_result"][0]["result"]["products"]["price"].is_number());
}

#[test]
fn ill_formed_creates_get_400_and_make_nothing() {
    let mut world = world();
    let good = json!({"api_key": "demo-key", "name": "n", "urls": [PAGE]});
    let changes = [
        ("api_key", Value::Null),
        ("name", Value::Null),
        ("name", json!("")),
        ("name", json!(7)),
        ("urls", Value::Null),
        ("urls", json!([])),
        ("urls", json!([PAGE, PAGE, PAGE, PAGE])),
        ("urls", json!(["ftp://shop.example/"])),
        ("urls", json!([7])),
        ("scraper_params", json!([])),
        ("scraper_params", json!({"render": "yes"})),
        ("scraper_params", json!({"session_number": 0})),
        ("scraper_params", json!({"country_code": "usa"})),
        (
            "scraper_params",
            json!({"premium": true, "ultra_premium": true}),
        ),
        ("fields", json!({})),
        ("fields", json!([{"name": "title"}])),
        (
            "fields",
            json!([{"name": "a", "description": "b", "type": "date"}]),
        ),
    ];
    for (key, value) in changes {
        let mut body = good.clone();
        body[key] = value;
        let answer = post(&mut world, 0, &body);
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.value()["error"].is_string());
    }
    for body in ["", "{", "[]", "null"] {
        let answer = world.handle(0, &HttpRequest::new("POST", "/parsers", body));
        assert_eq!(answer.status, 400, "{body:?}");
    }
    assert_eq!(world.parsers(i64::MAX), []);
    assert_eq!(post(&mut world, 0, &good).status / 100, 2);
}

#[test]
fn a_wrong_key_gets_401_on_every_endpoint() {
    let mut world = world();
    let id = create(&mut world, 0, "n");
    world.set_key("new-key");
    let body = json!({"api_key": "demo-key", "name": "n", "urls": [PAGE]});
    assert_eq!(post(&mut world, 0, &body).status, 401);
    assert_eq!(patch(&mut world, 0, &id, json!({})).status, 401);
    assert_eq!(delete(&mut world, 0, &id).status, 401);
    for path in [
        "/parsers",
        "/account",
        &format!("/parsers/{id}"),
        &format!("/parse/{id}?url=u"),
    ] {
        assert_eq!(get(&mut world, 0, path).status, 401, "{path}");
    }
    let without_key = HttpRequest::new("GET", "/parsers", "");
    assert_eq!(world.handle(0, &without_key).status, 401);
    assert_eq!(world.parsers(0).len(), 1);
}

#[test]
fn the_first_parser_is_free_and_credits_run_out() {
    let mut world = world();
    for name in ["a", "b", "c", "d"] {
        create(&mut world, 0, name);
    }
    assert_eq!(
        (world.credits_spent(), world.credits_left()),
        (90_000, Some(10_000))
    );
    let body = json!({"api_key": "demo-key", "name": "e", "urls": [PAGE]});
    assert_eq!(post(&mut world, 0, &body).status, 402);
    assert_eq!(world.parsers(0).len(), 4);
    assert_eq!(world.creates_of("e"), 0);
    world.add_credits(20_000);
    assert_eq!(post(&mut world, 0, &body).status / 100, 2);
    assert_eq!(world.credits_left(), Some(0));
}

#[test]
fn names_are_not_unique_and_each_create_is_another_parser() {
    let mut world = world();
    let (first, second) = (create(&mut world, 0, "n"), create(&mut world, 5, "n"));
    assert_ne!(first, second);
    assert_eq!(world.creates_of("n"), 2);
    let list = get(&mut world, 5, "/parsers").value();
    assert_eq!(list[0]["id"], first.as_str());
    assert_eq!(list[1]["id"], second.as_str());
    assert_eq!(list[1]["name"], "n");
}

#[test]
fn the_list_follows_the_status_and_says_neither_urls_nor_creation_time() {
    let mut world = world();
    create(&mut world, 0, "quote \" \n");
    let early = get(&mut world, 0, "/parsers").value();
    let expected = json!({"id": early[0]["id"], "name": "quote \" \n", "status": "GENERATING",
        "error": null, "generated_at": null, "version": 0});
    assert_eq!(early, json!([expected]));
    let late = get(&mut world, LATER_MS, "/parsers").value();
    assert_eq!(late[0]["status"], "FINISHED");
    assert!(late[0]["generated_at"].is_string());
}

#[test]
fn a_failed_parser_has_its_error_and_a_time_of_generation() {
    let mut world = world();
    let url = "https://shop.example/blocked";
    let body = json!({"api_key": "demo-key", "name": "n", "urls": [url]});
    let id = post(&mut world, 0, &body).value()["id"].clone();
    let text = format!("DownloadError: Failed to download {url} after 3 retries");
    let details = get(
        &mut world,
        LATER_MS,
        &format!("/parsers/{}", id.as_str().unwrap()),
    )
    .value();
    let list = get(&mut world, LATER_MS, "/parsers").value();
    for answer in [&details, &list[0]] {
        assert_eq!(answer["status"], "FAILED");
        assert_eq!(answer["error"], text.as_str());
        assert!(answer["generated_at"].is_string());
    }
    assert_eq!(details["example_result"], Value::Null);
}

#[test]
fn what_does_not_exist_gets_404_and_a_wrong_method_405() {
    let mut world = world();
    let id = create(&mut world, 0, "n");
    for path in [
        "/parsers/other",
        &format!("/parsers/{id}/1"),
        "/parse/other?url=u",
        "/nothing",
    ] {
        assert_eq!(get(&mut world, 0, path).status, 404, "{path}");
    }
    assert_eq!(get(&mut world, 0, &format!("/parsers/{id}/0")).status, 200);
    assert_eq!(
        patch(&mut world, 0, "other", json!({"remove_fields": ["a"]})).status,
        404
    );
    assert_eq!(
        world
            .handle(0, &HttpRequest::new("PUT", "/parsers", ""))
            .status,
        405
    );
}

#[test]
fn a_deleted_parser_is_gone_for_good() {
    let mut world = world();
    let id = create(&mut world, 0, "n");
    let answer = delete(&mut world, 0, &id);
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(delete(&mut world, 0, &id).status, 404);
    assert_eq!(get(&mut world, 0, &format!("/parsers/{id}")).status, 404);
    assert_eq!(get(&mut world, 0, "/parsers").value(), json!([]));
    create(&mut world, 0, "n");
    assert_eq!(world.credits_spent(), 30_000, "the free one was used up");
}

#[test]
fn renaming_and_removing_fields_is_free_and_at_once() {
    let mut world = world();
    let id = create(&mut world, 0, "n");
    let change = json!({"rename_fields": [{"name": "price", "new_name": "cost"}],
        "remove_fields": ["tags"]});
    assert_eq!(
        patch(&mut world, 1, &id, change.clone()).status,
        400,
        "not ready yet"
    );
    let answer = patch(&mut world, LATER_MS, &id, change);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.value(), json!({"id": id, "version": 1}));
    assert_eq!(world.credits_spent(), 0);
    let details = get(&mut world, LATER_MS, &format!("/parsers/{id}")).value();
    let names: Vec<&Value> = details["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| &f["name"])
        .collect();
    assert_eq!(names, ["title", "cost"]);
    assert_eq!(details["status"], "FINISHED");
    let before = get(&mut world, LATER_MS, &format!("/parsers/{id}/0")).value();
    assert_eq!(before["fields"][1]["name"], "price");
}

#[test]
fn adding_and_modifying_fields_is_paid_and_generates_anew() {
    let mut world = world();
    let id = create(&mut world, 0, "n");
    let change = json!({"add_fields": [{"name": "rating", "description": "Stars"}],
        "modify_fields": [{"name": "price", "description": "In dollars"}]});
    let answer = patch(&mut world, LATER_MS, &id, change.clone());
    assert_eq!((answer.status, world.credits_spent()), (202, 30_000));
    let path = format!("/parsers/{id}");
    assert_eq!(
        get(&mut world, LATER_MS, &path).value()["status"],
        "GENERATING"
    );
    assert_eq!(
        get(&mut world, LATER_MS, &format!("{path}/0")).value()["status"],
        "FINISHED"
    );
    let done = get(&mut world, 2 * LATER_MS, &path).value();
    assert_eq!(done["fields"][3]["name"], "rating");
    assert_eq!(done["fields"][1]["description"], "In dollars");
    world.add_credits(-50_000);
    let other = json!({"add_fields": [{"name": "more", "description": "More"}]});
    assert_eq!(patch(&mut world, 2 * LATER_MS, &id, other).status, 402);
    for bad in [json!({}), change, json!({"remove_fields": ["none"]})] {
        assert_eq!(patch(&mut world, 2 * LATER_MS, &id, bad).status, 400);
    }
}

#[test]
fn a_finished_parser_parses_pages() {
    let mut world = world();
    let id = create(&mut world, 0, "n");
    let path = format!("/parse/{id}");
    let page = "url=https://shop.example/9";
    assert_eq!(get(&mut world, 1, &format!("{path}?{page}")).status, 400);
    assert_eq!(get(&mut world, LATER_MS, &path).status, 400);
    let answer = get(&mut world, LATER_MS, &format!("{path}/0?{page}")).value();
    assert_eq!(
        (&answer["parser"], &answer["version"]),
        (&json!(id), &json!(0))
    );
    assert!(answer["result"]["title"].is_string());
    assert_eq!(world.credits_spent(), 1);
    let needs_js = format!("{path}?{page}/needs-js");
    assert_eq!(get(&mut world, LATER_MS, &needs_js).status, 500);
    assert_eq!(
        get(&mut world, LATER_MS, &format!("{needs_js}&render=true")).status,
        200
    );
}

#[test]
fn the_account_knows_of_spending_only_later() {
    let mut world = world();
    create(&mut world, 0, "free");
    create(&mut world, 1_000, "paid");
    create(&mut world, 2_000, "paid");
    for (now_ms, count) in [(2_000, 0), (15_999, 0), (16_000, 30_000), (17_000, 60_000)] {
        let account = get(&mut world, now_ms, "/account").value();
        assert_eq!(account["requestCount"], count, "{now_ms}");
        assert_eq!(account["requestLimit"], 100_000);
        assert!(account["concurrencyLimit"].is_number());
    }
}

#[test]
fn a_twisted_create_lands_late_shows_late_and_ends_as_told() {
    let mut world = world();
    let body = json!({"api_key": "demo-key", "name": "n", "urls": [PAGE]});
    let overrides = Overrides {
        land_after_ms: 100,
        list_after_ms: 50,
        generation_ms: Some(1_000),
        fail_with: Some("no luck".to_owned()),
        ..Overrides::default()
    };
    let request = HttpRequest::new("POST", "/parsers", body.to_string());
    let id = world.handle_with(0, &request, &overrides).value()["id"].clone();
    let path = format!("/parsers/{}", id.as_str().unwrap());
    let cases = [(99, 404, 0), (100, 200, 0), (149, 200, 0), (150, 200, 1)];
    for (now_ms, status, listed) in cases {
        assert_eq!(get(&mut world, now_ms, &path).status, status, "{now_ms}");
        let list = get(&mut world, now_ms, "/parsers").value();
        assert_eq!(list.as_array().unwrap().len(), listed, "{now_ms}");
    }
    assert!(world.parsers(99).is_empty());
    assert_eq!(world.parsers(i64::MAX).len(), 1);
    assert_eq!(world.parsers(1_099)[0].status, Status::Generating);
    assert_eq!(get(&mut world, 1_100, &path).value()["error"], "no luck");
}

#[test]
fn parsers_of_other_people_and_tools_come_and_go() {
    let mut world = world();
    let inserted = Inserted {
        id: "a/b".to_owned(),
        name: "theirs".to_owned(),
        generation_ms: 10,
        ..Inserted::default()
    };
    let id = world.insert_parser(0, inserted);
    assert_eq!(
        get(&mut world, 0, "/parsers/a%2Fb").value()["status"],
        "GENERATING"
    );
    assert_eq!(world.parser(10, &id).unwrap().status, Status::Finished);
    assert_eq!((world.creates_of("theirs"), world.credits_spent()), (0, 0));
    assert!(world.delete_parser(&id));
    assert!(!world.delete_parser(&id));
    assert_eq!(world.parser(10, &id), None);
}

#[test]
fn the_same_seed_gives_a_name_the_same_fate_in_any_order() {
    let (mut forth, mut back) = (world(), world());
    let names = ["a", "b", "c"];
    let ids: Vec<String> = names
        .iter()
        .map(|name| create(&mut forth, 0, name))
        .collect();
    for (name, id) in names.iter().zip(&ids).rev() {
        assert_eq!(create(&mut back, 0, name), *id);
    }
    let ready =
        |world: &World, id: &str| world.find(0, id).unwrap().versions.landed(0)[0].ready_at_ms;
    assert!(ids.iter().all(|id| ready(&forth, id) == ready(&back, id)));
    let mut other = World::new(WorldConfig {
        seed: 2,
        ..WorldConfig::default()
    });
    assert_ne!(create(&mut other, 0, "a"), ids[0]);
}

#[test]
fn a_request_is_known_by_the_name_of_its_parser() {
    let mut world = world();
    let id = create(&mut world, 0, "n");
    let name = |method: &str, target: &str, body: &str| {
        world.name_in(0, &HttpRequest::new(method, target, body))
    };
    assert_eq!(
        name("POST", "/parsers", r#"{"name": "m"}"#).as_deref(),
        Some("m")
    );
    assert_eq!(name("POST", "/parsers", "{"), None);
    assert_eq!(
        name("GET", &format!("/parse/{id}/0"), "").as_deref(),
        Some("n")
    );
    assert_eq!(name("GET", "/parsers", ""), None);
    assert_eq!(
        HttpRequest::new("GET", "/parsers", "").endpoint(),
        Endpoint::List
    );
}
