//! PATCH and DELETE: what they refuse, what goes wrong with them, and what is seen of them.

use serde_json::{Value, json};

use crate::core::job::UnixMs;
use crate::simulator::{
    Faults, HttpAnswer, HttpRequest, ParserView, Reply, Simulator, Status, WorldConfig,
};

/// The parser is FINISHED by then.
const READY_MS: UnixMs = 3_600_000;
const DAY_MS: UnixMs = 86_400_000;

const PAGE: &str = "https://shop.example/1";

/// An account with one parser, which was free, and its id. Its fields are title, price and tags.
fn simulator(rules: &[&str]) -> (Simulator, String) {
    let rules = rules.iter().map(|rule| rule.parse().unwrap());
    let mut simulator = Simulator::new(WorldConfig::default(), Faults::new(7, rules));
    let body = json!({"api_key": "demo-key", "name": "n", "urls": [PAGE]});
    let request = HttpRequest::new("POST", "/parsers", body.to_string());
    let answer = simulator.world.handle(0, &request);
    let id = answer.value()["id"].as_str().unwrap().to_owned();
    (simulator, id)
}

fn adding(name: &str) -> Value {
    json!({"add_fields": [{"name": name, "description": "d"}]})
}

fn patch(simulator: &mut Simulator, after_ms: UnixMs, path: &str, body: &Value) -> Reply {
    let mut body = body.clone();
    body["api_key"] = "demo-key".into();
    let request = HttpRequest::new("PATCH", &format!("/parsers/{path}"), body.to_string());
    simulator.respond(READY_MS + after_ms, &request)
}

fn delete(simulator: &mut Simulator, after_ms: UnixMs, id: &str) -> Reply {
    let target = format!("/parsers/{id}?api_key=demo-key");
    let request = HttpRequest::new("DELETE", &target, "");
    simulator.respond(READY_MS + after_ms, &request)
}

fn get(simulator: &mut Simulator, after_ms: UnixMs, target: &str) -> HttpAnswer {
    let target = format!("{target}?api_key=demo-key&url={PAGE}");
    let request = HttpRequest::new("GET", &target, "");
    let reply = simulator.respond(READY_MS + after_ms, &request);
    reply.into_answer().unwrap()
}

fn view(simulator: &Simulator, after_ms: UnixMs, id: &str) -> Option<ParserView> {
    simulator.world.parser(READY_MS + after_ms, id)
}

fn names(fields: &[Value]) -> Vec<&str> {
    let names = fields.iter().map(|field| field["name"].as_str());
    names.map(Option::unwrap).collect()
}

fn status(reply: &Reply) -> Option<u16> {
    match reply {
        Reply::HttpAnswer { answer, .. } => Some(answer.status),
        Reply::Lost { .. } => None,
    }
}

#[test]
fn what_cannot_be_done_to_the_fields_gets_400_and_changes_nothing() {
    let rename = |name: &str, new: &str| json!({"name": name, "new_name": new});
    let cases = [
        (json!({}), "nothing to change"),
        (json!({"remove_fields": []}), "nothing to change"),
        (
            json!({"rename_fields": [rename("a", "b")]}),
            "no field \"a\"",
        ),
        (
            json!({"rename_fields": [rename("title", "price")]}),
            "field \"price\" exists already",
        ),
        (
            json!({"rename_fields": [rename("title", "price"), rename("price", "title")]}),
            "field \"price\" exists already",
        ),
        (
            json!({"rename_fields": [rename("title", "title")]}),
            "field \"title\" exists already",
        ),
        (json!({"remove_fields": ["a"]}), "no field \"a\""),
        (
            json!({"remove_fields": ["tags", "tags"]}),
            "no field \"tags\"",
        ),
        (
            json!({"remove_fields": ["title", "price", "tags"]}),
            "no field would be left",
        ),
        (
            json!({"modify_fields": [{"name": "a", "description": "d"}]}),
            "no field \"a\"",
        ),
        (adding("title"), "field \"title\" exists already"),
        (
            json!({"add_fields": [{"name": "a"}]}),
            "description is required",
        ),
    ];
    for (body, text) in cases {
        let (mut simulator, id) = simulator(&[]);
        let answer = patch(&mut simulator, 0, &format!("{id}/0"), &body)
            .into_answer()
            .unwrap();
        assert_eq!(answer.status, 400, "{body}");
        let told = answer.value()["error"].as_str().unwrap().to_owned();
        assert!(told.contains(text), "{body}: {told}");
        let view = view(&simulator, DAY_MS, &id).unwrap();
        assert_eq!((view.version, view.versions), (0, 1), "{body}");
        assert_eq!(simulator.world.credits_spent(), 0, "{body}");
    }
}

#[test]
fn a_patch_and_a_delete_go_wrong_before_or_after_their_effect() {
    let cases = [
        ("", Some(2), true),
        ("status=500", Some(5), false),
        ("status=500 after", Some(5), true),
        ("status=502 after", Some(5), true),
        ("status=503 retry-after=5s", Some(5), false),
        ("status=503 retry-after=5s after", Some(5), true),
        ("status=429", Some(4), false),
        ("status=402", Some(4), false),
        ("lose before", None, false),
        ("lose after", None, true),
        ("lose reset after", None, true),
        ("cut", Some(2), true),
        ("redirect=/elsewhere", Some(3), false),
    ];
    for (words, hundreds, is_done) in cases {
        let rules = ["patch", "delete"].map(|endpoint| format!("{endpoint} {words}"));
        let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
        let rules = if words.is_empty() { &[] } else { &rules[..] };
        let (mut simulator, id) = simulator(rules);
        let reply = patch(&mut simulator, 0, &id, &adding("a"));
        assert_eq!(
            status(&reply).map(|status| status / 100),
            hundreds,
            "{words}"
        );
        let view = self::view(&simulator, 0, &id).unwrap();
        let count = usize::from(is_done);
        assert_eq!((view.versions, view.paid_versions), (1 + count, count));
        assert_eq!(simulator.world.patches_of(&id), count as u64, "{words}");
        assert_eq!(simulator.world.credits_spent(), 30_000 * count as i64);

        let reply = delete(&mut simulator, 0, &id);
        assert_eq!(
            status(&reply).map(|status| status / 100),
            hundreds,
            "{words}"
        );
        assert_eq!(self::view(&simulator, 0, &id).is_none(), is_done, "{words}");
        assert_eq!(simulator.world.patches_of(&id), count as u64, "kept");
    }
}

#[test]
fn a_patch_that_lands_late_is_nowhere_until_then() {
    let (mut simulator, id) = simulator(&["patch lose land-late=20s generation=5s"]);
    let reply = patch(&mut simulator, 0, &format!("{id}/0"), &adding("a"));
    assert_eq!(status(&reply), None);
    assert_eq!(simulator.world.patches_of(&id), 1);
    for (after_ms, version, status) in [
        (19_999, 0, Status::Finished),
        (20_000, 1, Status::Generating),
        (24_999, 1, Status::Generating),
        (25_000, 1, Status::Finished),
    ] {
        let view = view(&simulator, after_ms, &id).unwrap();
        assert_eq!((view.version, view.status), (version, status), "{after_ms}");
        let shown = get(&mut simulator, after_ms, &format!("/parsers/{id}")).value();
        assert_eq!(shown["status"], status.as_str(), "{after_ms}");
        let count = shown["fields"].as_array().unwrap().len();
        assert_eq!(count, 3 + version, "{after_ms}");
        let told = get(&mut simulator, after_ms, &format!("/parsers/{id}/1")).status;
        assert_eq!(told, if version == 1 { 200 } else { 404 }, "{after_ms}");
    }
}

#[test]
fn what_another_tool_changes_meanwhile_comes_before_a_patch_that_lands_late() {
    for (base, expected) in [
        ("fork", (2, vec!["title", "price", "tags", "a"], 1)),
        ("conflict", (1, vec!["name", "price", "tags"], 0)),
    ] {
        let rule = format!("patch lose land-late=20s base={base}");
        let (mut simulator, id) = simulator(&[&rule]);
        patch(&mut simulator, 0, &format!("{id}/0"), &adding("a"));
        let rename = json!({"rename_fields": [{"name": "title", "new_name": "name"}]});
        let made = simulator.world.patch_as_other(READY_MS + 10, &id, &rename);
        assert_eq!(made, Ok(1), "{base}");
        let now = view(&simulator, 10, &id).unwrap();
        assert_eq!(names(&now.fields), ["name", "price", "tags"], "{base}");
        let later = view(&simulator, DAY_MS, &id).unwrap();
        let paid = simulator.world.patches_of(&id);
        assert_eq!((later.version, names(&later.fields), paid), expected);
        assert_eq!(simulator.world.credits_spent(), 30_000 * paid as i64);
    }
}

#[test]
fn of_two_patches_on_one_base_that_land_late_a_strict_service_takes_the_first() {
    let (mut simulator, id) = simulator(&["patch lose land-late=20s base=conflict"]);
    patch(&mut simulator, 0, &format!("{id}/0"), &adding("a"));
    patch(&mut simulator, 5, &format!("{id}/0"), &adding("b"));
    let later = view(&simulator, DAY_MS, &id).unwrap();
    assert_eq!((later.version, simulator.world.patches_of(&id)), (1, 1));
    assert_eq!(names(&later.fields), ["title", "price", "tags", "a"]);
    assert_eq!(simulator.world.credits_spent(), 30_000);
}

#[test]
fn a_patch_of_a_version_that_is_not_the_latest_forks_or_conflicts() {
    for (rules, statuses, fields) in [
        (
            &[][..],
            [202, 202, 202],
            vec!["title", "price", "tags", "c"],
        ),
        (
            &["patch base=fork"],
            [202, 202, 202],
            vec!["title", "price", "tags", "c"],
        ),
        (
            &["patch base=conflict"],
            [202, 409, 409],
            vec!["title", "price", "tags", "a"],
        ),
    ] {
        let (mut simulator, id) = simulator(rules);
        // The second comes while the first is generated, the third when it is FINISHED.
        for ((after_ms, name), expected) in [(0, "a"), (1, "b"), (DAY_MS, "c")].iter().zip(statuses)
        {
            let reply = patch(&mut simulator, *after_ms, &format!("{id}/0"), &adding(name));
            assert_eq!(status(&reply), Some(expected), "{rules:?} {name}");
        }
        let view = view(&simulator, 2 * DAY_MS, &id).unwrap();
        assert_eq!(names(&view.fields), fields, "{rules:?}");
        let done = statuses.iter().filter(|status| **status == 202).count();
        assert_eq!((view.version, view.paid_versions), (done, done));
        // Without a base it is the latest, and no version beyond it is there.
        let reply = patch(&mut simulator, 2 * DAY_MS, &id, &adding("d"));
        assert_eq!(status(&reply), Some(202), "{rules:?}");
        let reply = patch(&mut simulator, 2 * DAY_MS, &format!("{id}/9"), &adding("d"));
        assert_eq!(status(&reply), Some(404), "{rules:?}");
    }
}

#[test]
fn a_paid_patch_that_fails_leaves_the_version_before_as_it_was() {
    for base in ["fork", "conflict"] {
        let rules = [
            "patch fail=\"no luck\" generation=1s nth=1",
            &format!("patch base={base}"),
        ];
        let (mut simulator, id) = simulator(&rules);
        patch(&mut simulator, 0, &format!("{id}/0"), &adding("a"));
        assert_eq!(
            view(&simulator, 999, &id).unwrap().status,
            Status::Generating
        );
        let shown = get(&mut simulator, 1_000, &format!("/parsers/{id}")).value();
        assert_eq!(
            (&shown["status"], &shown["error"]),
            (&json!("FAILED"), &json!("no luck"))
        );
        let before = get(&mut simulator, 1_000, &format!("/parsers/{id}/0")).value();
        assert_eq!(
            (&before["status"], &before["error"]),
            (&json!("FINISHED"), &Value::Null)
        );
        assert_eq!(
            get(&mut simulator, 1_000, &format!("/parse/{id}/0")).status,
            200
        );
        assert_eq!(
            get(&mut simulator, 1_000, &format!("/parse/{id}/1")).status,
            400
        );
        // What failed cannot be built on, and what was before it can.
        let reply = patch(&mut simulator, 1_000, &format!("{id}/1"), &adding("b"));
        assert_eq!(status(&reply), Some(400), "{base}");
        let reply = patch(&mut simulator, 1_000, &format!("{id}/0"), &adding("b"));
        assert_eq!(status(&reply), Some(202), "{base}");
        let view = view(&simulator, DAY_MS, &id).unwrap();
        assert_eq!((view.version, view.status), (2, Status::Finished));
        assert_eq!(simulator.world.patches_of(&id), 2, "a failure is paid for");
    }
}

#[test]
fn a_free_patch_is_neither_generated_nor_does_it_fail() {
    let (mut simulator, id) = simulator(&["patch fail=text generation=1h"]);
    let body = json!({"remove_fields": ["tags"],
        "rename_fields": [{"name": "price", "new_name": "cost"}]});
    let reply = patch(&mut simulator, 0, &id, &body);
    assert_eq!(status(&reply), Some(200));
    let view = view(&simulator, 0, &id).unwrap();
    assert_eq!(
        (view.status, names(&view.fields)),
        (Status::Finished, vec!["title", "cost"])
    );
    assert_eq!((view.versions, view.paid_versions), (2, 0));
    assert_eq!(simulator.world.patches_of(&id), 0);
}

#[test]
fn a_version_that_shows_late_is_not_to_be_seen_until_then() {
    let (mut simulator, id) = simulator(&["patch show-late=20s generation=0s"]);
    let answer = patch(&mut simulator, 0, &format!("{id}/0"), &adding("a"))
        .into_answer()
        .unwrap();
    assert_eq!(answer.value()["version"], 1);
    assert_eq!(view(&simulator, 0, &id).unwrap().version, 1, "it is there");
    for (after_ms, version) in [(0, 0), (19_999, 0), (20_000, 1)] {
        let shown = get(&mut simulator, after_ms, &format!("/parsers/{id}")).value();
        let count = shown["fields"].as_array().unwrap().len();
        assert_eq!((&shown["status"], count), (&json!("FINISHED"), 3 + version));
        let listed = get(&mut simulator, after_ms, "/parsers").value();
        assert_eq!(listed[0]["version"], version, "{after_ms}");
        let parsed = get(&mut simulator, after_ms, &format!("/parse/{id}")).value();
        assert_eq!(parsed["version"], version, "{after_ms}");
        let told = get(&mut simulator, after_ms, &format!("/parsers/{id}/1")).status;
        assert_eq!(told, if version == 1 { 200 } else { 404 }, "{after_ms}");
    }
}

#[test]
fn a_delete_lands_late_and_stays_in_the_list_for_a_while() {
    let (mut simulator, id) = simulator(&["delete lose land-late=20s show-late=5s"]);
    delete(&mut simulator, 0, &id);
    for (after_ms, status, listed) in [
        (19_999, 200, 1),
        (20_000, 404, 1),
        (24_999, 404, 1),
        (25_000, 404, 0),
    ] {
        let found = get(&mut simulator, after_ms, &format!("/parsers/{id}")).status;
        let list = get(&mut simulator, after_ms, "/parsers").value();
        let found = (found, list.as_array().unwrap().len());
        assert_eq!(found, (status, listed), "{after_ms}");
    }
    let reply = delete(&mut simulator, 20_000, &id);
    assert_eq!(status(&reply), None, "lost as the first one was");
    assert!(simulator.world.parsers(i64::MAX).is_empty());
}

#[test]
fn another_tools_change_costs_nothing_and_is_refused_as_any_other() {
    let (mut simulator, id) = simulator(&[]);
    let world = &mut simulator.world;
    assert_eq!(world.patch_as_other(READY_MS, &id, &adding("a")), Ok(1));
    let view = world.parser(READY_MS, &id).unwrap();
    assert_eq!(
        (view.status, view.versions, view.paid_versions),
        (Status::Generating, 2, 0)
    );
    assert_eq!((world.patches_of(&id), world.credits_spent()), (0, 0));
    for (id, body, expected) in [
        (id.as_str(), adding("b"), 400),
        (id.as_str(), json!([]), 400),
        ("other", adding("b"), 404),
    ] {
        let refusal = world.patch_as_other(READY_MS, id, &body).unwrap_err();
        assert_eq!(refusal.status, expected, "{id} {body}");
    }
    assert_eq!(world.patch_as_other(DAY_MS, &id, &adding("b")), Ok(2));
}
