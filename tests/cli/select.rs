//! Selectors, which commands share; columns that are asked for; names that are misspelt.

use serde_json::{Value, json};

use super::place::{
    Place, finished, generation_failed, jobs_in_each_state, out_of_credits, rejected,
};

fn line(name: &str, labels: Value) -> String {
    let url = format!("https://{name}.example/");
    json!({"name": name, "urls": [url], "labels": labels}).to_string() + "\n"
}

/// Four jobs with labels and one without, of which three are FAILED and one is PARKED.
async fn labelled() -> Place {
    let place = Place::new();
    let jobs = [
        line("shop-a", json!({"team": "red", "env": "prod"})),
        line("shop-b", json!({"team": "red"})),
        line("news-a", json!({"team": "blue", "env": "prod"})),
        line("news-b", json!({"team": "blue"})),
    ];
    place.file("labels.jsonl", &jobs.concat());
    place.run(&["enqueue", "labels.jsonl"]).is(0);
    let store = place.store().await;
    for (name, events) in [
        ("shop-a", generation_failed("shop-a")),
        ("shop-b", rejected("shop-b")),
        ("news-a", rejected("news-a")),
        ("news-b", out_of_credits("news-b")),
    ] {
        let id = store.find(name).await.unwrap().unwrap();
        for event in events {
            super::place::drive(&store, id, event).await;
        }
    }
    store.close().await;
    place.jobs(vec![("plain", finished("plain"))]).await;
    place
}

fn names(place: &Place, args: &[&str]) -> Vec<String> {
    let args = [&["jobs", "--json"], args].concat();
    let jobs = place.run(&args).is(0).json();
    let names = jobs.as_array().unwrap().iter();
    names
        .map(|job| job["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn jobs_are_selected_by_what_they_are() {
    let place = labelled().await;
    for (args, expected) in [
        (
            &[][..],
            &["shop-a", "shop-b", "news-a", "news-b", "plain"][..],
        ),
        (&["--failed"], &["shop-a", "shop-b", "news-a"]),
        (
            &["--failed", "--state", "parked"],
            &["shop-a", "shop-b", "news-a", "news-b"],
        ),
        (&["--error-kind", "generation_failed"], &["shop-a"]),
        (&["--park-reason", "credits"], &["news-b"]),
        (&["--label", "team=red"], &["shop-a", "shop-b"]),
        (&["--label", "team=red", "--label", "env=prod"], &["shop-a"]),
        (&["--label", "team=green"], &[]),
        (&["--name", "shop-*"], &["shop-a", "shop-b"]),
        (&["--name", "*-[b-z]"], &["shop-b", "news-b"]),
        (&["--name", "shop-?", "--label", "env=prod"], &["shop-a"]),
        (&["--name", "SHOP-*"], &[]),
        (&["--limit", "2"], &["shop-a", "shop-b"]),
        (
            &["--failed", "--limit", "1", "--label", "team=blue"],
            &["news-a"],
        ),
        (&["--since", "2100-01-01"], &[]),
        (&["--since", "1h", "--name", "plain"], &["plain"]),
    ] {
        assert_eq!(names(&place, args), expected, "{args:?}");
    }
    let many = place.run(&["jobs", "--limit", "4294967295"]).is(0);
    assert_eq!(many.out.lines().count(), 6);
    for args in [
        ["--label", "team"],
        ["--label", "Team=red"],
        ["--since", "soon"],
        ["--limit", "0"],
        ["--error-kind", "generation_faild"],
        ["--park-reason", "money"],
    ] {
        let args = [&["jobs"][..], &args].concat();
        place.run(&args).is(2);
    }
    let near = place
        .run(&["jobs", "--error-kind", "generation_faild"])
        .is(2);
    near.says(&["did you mean generation_failed?"]);
}

#[tokio::test]
async fn many_jobs_at_once_need_all_and_only_those_selected_change() {
    let place = labelled().await;
    for args in [
        &["retry", "--label", "team=red"][..],
        &["cancel", "--name", "shop-*"],
        &["resume", "--park-reason", "credits"],
        &["retry", "--all", "--limit", "1"],
        &["resume", "--all"],
        &["retry", "shop-a", "--label", "team=red", "--all"],
        &["cancel", "shop-a", "--name", "shop-*"],
    ] {
        place.run(args).is(2);
    }
    let usage = place.run(&["retry", "--label", "team=red"]).is(2);
    usage.says(&["needs --all", "--state FAILED --all"]);
    let rehearsed = ["retry", "--label", "team=red", "--all", "--dry-run"];
    place
        .run(&rehearsed)
        .is(0)
        .says(&["2 jobs would be retried"]);
    let kind = ["retry", "--error-kind", "generation_failed", "--all"];
    place.run(&kind).is(0).says(&["1 job retried"]);
    assert_eq!(place.state("shop-a"), "QUEUED");
    assert_eq!(place.state("shop-b"), "FAILED");
    let glob = ["cancel", "--name", "*-b", "--label", "team=red", "--all"];
    place.run(&glob).is(0).says(&["1 job cancelled"]);
    assert_eq!(place.state("shop-b"), "CANCELLED");
    assert_eq!(place.state("news-b"), "PARKED");
    let resume = ["resume", "--label", "team=blue", "--all"];
    place.run(&resume).is(0).says(&["1 job un-parked"]);
    assert_eq!(place.state("news-b"), "QUEUED");
    assert_eq!(place.state("news-a"), "FAILED");
    let limit = ["cancel", "--state", "QUEUED", "--limit", "1", "--all"];
    place.run(&limit).is(0).says(&["1 job cancelled"]);
    assert_eq!(place.state("shop-a"), "CANCELLED");
    assert_eq!(place.state("news-b"), "QUEUED");
}

#[tokio::test]
async fn the_columns_that_are_asked_for_are_printed_in_their_order() {
    let place = labelled().await;
    let fields = "state,name,urls,labels,parser_id,created_at";
    let shop = ["jobs", "--name", "shop-b", "--fields", fields];
    let json = [&shop[..], &["--json"]].concat();
    let printed = place.run(&json).is(0);
    let start = r#"  {"state":"FAILED","name":"shop-b","urls":["https://shop-b.example/"],"labels":{"team":"red"},"parser_id":null,"created_at":"#;
    assert!(
        printed.out.lines().nth(1).unwrap().starts_with(start),
        "{}",
        printed.out
    );
    assert!(printed.json()[0]["created_at"].is_i64());
    let csv = place.run(&[&shop[..], &["--csv"]].concat()).is(0);
    let mut lines = csv.out.lines();
    assert_eq!(lines.next(), Some(fields));
    let cells = r#"FAILED,shop-b,"[""https://shop-b.example/""]","{""team"":""red""}",,"#;
    assert!(lines.next().unwrap().starts_with(cells), "{}", csv.out);
    let table = place.run(&shop).is(0);
    table.prints(&["STATE", "CREATED_AT", "https://shop-b.example/", "Z"]);
    let none = ["jobs", "--name", "none", "--fields", "name", "--json"];
    assert_eq!(place.run(&none).is(0).out, "[]\n");
    let unknown = place.run(&["jobs", "--fields", "name,stat"]).is(2);
    unknown.says(&["no column \"stat\"", "did you mean state?", "parser_id"]);
    let twice = place.run(&["jobs", "--fields", "name,name"]).is(2);
    twice.says(&["names name twice"]);
}

#[test]
fn a_selector_that_selects_nothing_or_all_by_mistake_is_refused() {
    let place = Place::new();
    for command in ["jobs", "retry", "wait", "parsers"] {
        let open = place.run(&[command, "--name", "shop-["]).is(2);
        open.says(&["--name", "the [ of \"shop-[\" has no ]", "[a-c]"]);
    }
    let long = place.run(&["jobs", "--since", "99999y"]).is(2);
    long.says(&["--since", "99999y", "a shorter duration, such as 30days"]);
}

#[tokio::test]
async fn a_name_that_is_near_is_pointed_out() {
    let place = Place::new();
    place.jobs(jobs_in_each_state()).await;
    place.jobs(vec![("books", finished("books"))]).await;
    for command in [
        &["show", "bokos"][..],
        &["retry", "Bookz"],
        &["cancel", "boks"],
        &["wait", "ooks"],
        &["resolve", "bookss"],
    ] {
        let ended = place.run(command).is(1);
        ended.says(&["no job has the id or the name", "did you mean books?"]);
    }
    let far = place.run(&["show", "telescope"]).is(1);
    assert!(!far.err.contains("did you mean"), "{}", far.err);
}

#[tokio::test]
async fn parsers_plan_and_wait_select_by_label_and_name() {
    let place = labelled().await;
    place
        .sql("UPDATE jobs SET labels = '{\"team\": \"red\"}' WHERE name = 'plain'")
        .await;
    let parsers = |args: &[&str]| {
        let args = [&["parsers", "--json"], args].concat();
        let parsers = place.run(&args).is(0).json();
        parsers.as_array().unwrap().len()
    };
    assert_eq!(parsers(&[]), 1);
    assert_eq!(parsers(&["--label", "team=red"]), 1);
    assert_eq!(parsers(&["--label", "team=blue"]), 0);
    assert_eq!(parsers(&["--name", "p*"]), 1);
    assert_eq!(parsers(&["--name", "P*"]), 0);

    let more = [
        line("new-a", json!({"team": "red"})),
        line("new-b", json!({})),
    ];
    place.file("more.jsonl", &more.concat());
    let planned = |args: &[&str]| {
        let args = [&["plan", "--json"], args].concat();
        let plan = place.run(&args).is(0).json();
        let names = plan["jobs"].as_array().unwrap().iter();
        let names = names.map(|job| job["name"].as_str().unwrap().to_owned());
        (names.collect::<Vec<_>>(), plan["creates"]["ahead"].clone())
    };
    let of_file = planned(&["--label", "team=red", "more.jsonl"]);
    assert_eq!(of_file, (vec!["new-a".to_owned()], json!(1)));
    place.run(&["enqueue", "more.jsonl"]).is(0);
    let of_queue = planned(&["--label", "team=red"]);
    assert_eq!(of_queue, (vec!["new-a".to_owned()], json!(2)));

    // No daemon runs, and these are at rest already.
    let failed = ["wait", "--name", "shop-*", "--label", "team=red"];
    place.run(&failed).is(0).says(&["2 FAILED"]);
    place
        .run(&["wait", "--label", "team=green"])
        .is(1)
        .says(&["no job has that label"]);
    place.run(&["wait", "plain", "--label", "team=red"]).is(2);
}
