//! `parserd retry`, `cancel`, `resume`, `resolve`.

use parserd::core::gate::{Closure, GateReason, Scope};
use parserd::store::Gates as _;

use super::place::{
    Place, adopted, ambiguous, finished, generating, generation_failed, in_doubt, out_of_credits,
    parked_in_doubt, rejected,
};

async fn close_gates(place: &Place) {
    let store = place.store().await;
    let closure = Closure {
        reason: GateReason::Credits,
        since: 0,
        next_probe_at: i64::MAX / 2,
        interval_ms: 1,
    };
    for scope in [Scope::Create, Scope::Read] {
        store.set_gate(scope, Some(closure)).await.unwrap();
    }
    store.close().await;
}

fn closed_gates(place: &Place) -> usize {
    let status = place.run(&["status", "--json"]).is(0).json();
    status["gates"].as_array().unwrap().len()
}

#[tokio::test]
async fn retry_by_id_and_name_says_how_many_and_what_it_will_cost() {
    let place = Place::new();
    place
        .jobs(vec![
            ("a", generation_failed("a")),
            ("b", rejected("b")),
            ("c", ambiguous("c")),
            ("d", finished("d")),
            ("e", generating("e")),
        ])
        .await;
    // Others in the queue are no cost of theirs.
    place.file("more.jsonl", &crate::cli::place::job_line("more"));
    place.run(&["enqueue", "more.jsonl"]).is(0);
    let rehearsed = place.run(&["retry", "--dry-run", "1", "b", "c"]).is(0);
    rehearsed.says(&[
        "2 jobs will be created again: up to 2 x 30,000 = 60,000 credits",
        "3 jobs would be retried, for up to 3 x 30,000 = 90,000 credits; dry run",
    ]);
    let ladder = [
        ("PARSERD__LADDER__ENABLED", "true"),
        ("PARSERD__BUDGET__MAX_CREDITS", "1000000"),
    ];
    let rehearsed = place.run_with(&ladder, &["retry", "--dry-run", "1", "b", "c"]);
    rehearsed.is(0).says(&[
        "the ladder may create again what FAILS: up to 3 x 30,000 = 90,000 credits more",
        "3 jobs would be retried, for up to 6 x 30,000 = 180,000 credits; dry run",
    ]);
    assert_eq!(place.state("a"), "FAILED");
    let ended = place.run(&["retry", "1", "b", "c", "a"]).is(0).says(&[
        "3 jobs retried",
        "2 jobs will be created again: up to 2 x 30,000 = 60,000 credits",
        "1 job may have a parser",
    ]);
    assert_eq!(ended.out, "");
    // The price is told before anything is spent, and again with what was done.
    ended.says(&[
        "1 of them had a parser: it is looked up first, free",
        "3 jobs retried, for up to 3 x 30,000 = 90,000 credits",
    ]);
    assert_eq!(
        (place.state("a"), place.state("b")),
        ("QUEUED".into(), "QUEUED".into())
    );

    place.run(&["retry", "d", "e", "nobody"]).is(1).says(&[
        "job 4 \"d\" is FINISHED: retry is for jobs that are PARKED or FAILED",
        "job 5 \"e\" is GENERATING",
        "paid for and being polled",
        "no job has the id or the name \"nobody\"",
        "0 jobs retried",
    ]);
}

#[tokio::test]
async fn retry_with_set_changes_jobs_by_the_rules_and_tells_the_price_before() {
    let place = Place::new();
    let jobs = vec![
        ("a", generation_failed("a")),
        ("b", rejected("b")),
        ("c", in_doubt("c")),
        ("d", parked_in_doubt("d")),
    ];
    place.jobs(jobs).await;
    let params = |name: &str| {
        let shown = place.run(&["show", name, "--json"]).is(0).json();
        shown["scraper_params"].clone()
    };
    let render = &["--set", "scraper_params.render=true"][..];
    let with = |more: &[&str]| {
        let args = [&["retry", "a", "b"], render, more].concat();
        place.run(&args)
    };
    with(&["--dry-run"]).is(0).says(&[
        "2 jobs will be created again: up to 2 x 30,000 = 60,000 credits",
        "dry run, nothing was changed",
    ]);
    // What breaks a rule changes nothing, and says what to write.
    for (set, code, words) in [
        ("scraper_params.rendr=true", 1, "did you mean render?"),
        ("scraper_params.country_code=5", 1, "country_code"),
        ("urls=nowhere", 1, "begin with http:// or https://"),
        (
            "scrapper_params.render=true",
            2,
            "did you mean scraper_params?",
        ),
        ("name=other", 2, "\"name\" is not part of a job"),
        ("pol.timeout=5s", 2, "not part of a job"),
        ("poll.timeot=5s", 78, "poll.timeout"),
    ] {
        with(&["--set", set]).is(code).says(&[words]);
        assert_eq!(place.state("a"), "FAILED", "{set}");
    }
    assert!(params("a").get("render").is_none());
    with(&[]).is(0).says(&[
        "2 jobs will be created again",
        "2 jobs changed and retried, for up to 2 x 30,000 = 60,000 credits",
    ]);
    for name in ["a", "b"] {
        assert_eq!(place.state(name), "QUEUED");
        assert_eq!(params(name)["render"], true);
    }
    // A create in doubt is settled as the job was.
    let left = [&["retry", "d"], render].concat();
    place.run(&left).is(1).says(&[
        "job 4 \"d\" cannot be changed: its create is in doubt",
        "`parserd retry` without --set",
    ]);
    assert_eq!(place.state("d"), "PARKED");
    // Only `retry` changes jobs.
    let cancel = [&["cancel", "a"], render].concat();
    place.run(&cancel).is(78).says(&["scraper_params.render"]);
}

#[tokio::test]
async fn retry_and_cancel_by_state_need_all_and_a_state_that_makes_sense() {
    let place = Place::new();
    place
        .jobs(vec![
            ("a", generation_failed("a")),
            ("b", rejected("b")),
            ("c", vec![]),
            ("d", out_of_credits("d")),
        ])
        .await;
    for usage in [
        &["retry"][..],
        &["cancel"],
        &["retry", "--all"],
        &["cancel", "--all"],
        &["retry", "--state", "FAILED"],
        &["retry", "--state", "FINISHED", "--all"],
        &["resume", "--state", "FAILED", "--all"],
        &["retry", "a", "--state", "FAILED", "--all"],
        &["retry", "--state", "no", "--all"],
    ] {
        place.run(usage).is(2);
    }
    place
        .run(&["retry", "--state", "failed", "--all"])
        .is(0)
        .says(&["2 jobs retried"]);
    assert_eq!(place.state("b"), "QUEUED");
    let both = ["cancel", "--state", "QUEUED", "--state", "PARKED", "--all"];
    place.run(&both).is(0).says(&["4 jobs cancelled"]);
    assert_eq!(place.state("d"), "CANCELLED");
    place.run(&both).is(0).says(&["0 jobs cancelled"]);
    place
        .run(&["cancel", "d"])
        .is(1)
        .says(&["is CANCELLED", "enqueue it again"]);
}

#[tokio::test]
async fn resume_without_arguments_opens_the_gates_and_unparks_all_but_the_ambiguous() {
    let place = Place::new();
    place
        .jobs(vec![
            ("a", out_of_credits("a")),
            ("b", out_of_credits("b")),
            ("c", ambiguous("c")),
        ])
        .await;
    close_gates(&place).await;
    place.run(&["resume", "--dry-run"]).is(0).says(&[
        "2 jobs would be un-parked, for up to 2 x 30,000 = 60,000 credits; dry run",
        "would open the gate that held creates: credits",
    ]);
    assert_eq!(
        (closed_gates(&place), place.state("a")),
        (2, "PARKED".into())
    );
    place.run(&["resume"]).is(0).says(&[
        "2 jobs will be created again: up to 2 x 30,000 = 60,000 credits",
        "2 jobs un-parked, for up to 2 x 30,000 = 60,000 credits",
        "opened the gate that held creates: credits",
        "opened the gate that held polls and lists",
    ]);
    assert_eq!(closed_gates(&place), 0);
    assert_eq!(
        (place.state("a"), place.state("c")),
        ("QUEUED".into(), "PARKED".into())
    );
    place.run(&["resume"]).is(0).says(&["0 jobs un-parked"]);
}

#[tokio::test]
async fn resume_of_one_job_opens_the_gates_only_if_they_held_it() {
    let place = Place::new();
    place
        .jobs(vec![
            ("a", out_of_credits("a")),
            ("b", out_of_credits("b")),
            ("c", ambiguous("c")),
        ])
        .await;
    close_gates(&place).await;
    place.run(&["resume", "c"]).is(0).says(&["1 job un-parked"]);
    assert_eq!(closed_gates(&place), 2);
    let broke = ["--set", "budget.max_credits=0", "resume", "a"];
    place.run(&broke).is(0).says(&[
        "1 job un-parked, for up to 1 x 30,000 = 30,000 credits",
        "parked again: budget.max_credits is 0",
        "1 job more that it holds may go on by itself: up to 1 x 30,000 = 30,000 credits",
    ]);
    assert_eq!(closed_gates(&place), 0);
    assert_eq!(place.state("b"), "PARKED");
    place
        .run(&["resume", "a"])
        .is(1)
        .says(&["is QUEUED", "goes on by itself"]);
}

#[tokio::test]
async fn what_was_said_by_sql_is_taken_in_by_a_command_where_no_daemon_runs() {
    let place = Place::new();
    place
        .jobs(vec![
            ("edited", rejected("edited")),
            ("doubted", parked_in_doubt("doubted")),
            ("other", rejected("other")),
        ])
        .await;
    place
        .sql("UPDATE jobs SET urls = '[\"https://new.example/\"]' WHERE name = 'edited'")
        .await;
    place
        .run(&["retry", "edited"])
        .is(0)
        .says(&["1 job retried"]);
    assert_eq!(place.state("edited"), "QUEUED");
    place
        .sql("UPDATE jobs SET state = 'QUEUED' WHERE name = 'doubted'")
        .await;
    assert_eq!(place.state("doubted"), "QUEUED");
    place.run(&["retry", "other"]).is(0);
    // Its create is settled before anything is sent, and can be: it is in doubt as before.
    assert_eq!(place.state("doubted"), "CREATING");
    place.run(&["resolve", "doubted", "--not-created"]).is(0);
    assert_eq!(place.state("doubted"), "QUEUED");
    // What is called off is not taken up first.
    let again = Place::new();
    again.jobs(vec![("late", parked_in_doubt("late"))]).await;
    again
        .sql("UPDATE jobs SET state = 'QUEUED' WHERE name = 'late'")
        .await;
    again
        .run(&["cancel", "late"])
        .is(0)
        .says(&["1 job cancelled"]);
    assert_eq!(again.state("late"), "CANCELLED");
}

#[tokio::test]
async fn to_cancel_a_create_in_doubt_says_what_is_given_up_and_status_counts_it() {
    let place = Place::new();
    place
        .jobs(vec![
            ("a", parked_in_doubt("a")),
            ("b", ambiguous("b")),
            ("c", rejected("c")),
        ])
        .await;
    let status = || place.run(&["status", "--json"]).is(0).json();
    assert_eq!(status()["given_up"]["creates"], 0);
    let output = [
        "job 1: a create is in doubt, sent as \"a_pd_tag\"",
        "if it made a parser, 30,000 credits are paid for it",
        "`parserd resolve 1`",
    ];
    place
        .run(&["cancel", "--dry-run", "a"])
        .is(0)
        .says(&output)
        .says(&["1 job would be cancelled; dry run"]);
    assert_eq!(place.state("a"), "PARKED");
    // Of the others nothing is in doubt.
    let ended = place.run(&["cancel", "a", "b", "c"]).is(0).says(&output);
    assert_eq!(ended.err.matches("is in doubt").count(), 1, "{}", ended.err);
    ended.says(&["3 jobs cancelled"]);
    let given_up = serde_json::json!({"creates": 1, "credits": 30_000});
    assert_eq!(status()["given_up"], given_up);
    place.run(&["status"]).is(0).prints(&[
        "Requests in doubt",
        "1 of CANCELLED jobs, up to 30,000 credits: counted as spent",
    ]);
    place
        .run(&["show", "a"])
        .is(0)
        .prints(&["cancelled with a create in doubt"]);
    // It is looked for as was said; here nobody can be asked, and what is noted is told.
    place
        .run(&["resolve", "a"])
        .is(1)
        .says(&["2 parsers may be what its create made; job 1 stays CANCELLED"]);
}

#[tokio::test]
async fn resolve_settles_a_create_in_doubt_either_way() {
    let place = Place::new();
    place
        .jobs(vec![
            ("a", in_doubt("a")),
            ("b", in_doubt("b")),
            ("c", adopted("c", "taken")),
            ("d", ambiguous("d")),
            ("e", vec![]),
        ])
        .await;
    place.run(&["resolve", "1", "--force"]).is(2);
    place
        .run(&["resolve", "1", "--adopt", "x", "--not-created"])
        .is(2);
    place.run(&["resolve", "1", "--adopt", ""]).is(2);
    place
        .run(&["resolve", "1", "--adopt", "taken"])
        .is(1)
        .says(&["another job holds parser taken"]);
    // Without a key nobody can be asked.
    place.run(&["resolve", "1"]).is(1).says(&[
        "the account's list is not available",
        "`parserd resolve 1 --not-created`",
    ]);
    place
        .run(&["resolve", "1", "--adopt", "mine"])
        .is(1)
        .says(&[
            "nothing was done",
            "cannot be asked",
            "--adopt mine --force",
        ]);
    assert_eq!(place.state("1"), "CREATING");
    place
        .run(&["resolve", "1", "--adopt", "taken", "--force"])
        .is(1)
        .says(&["another job holds parser taken"]);
    place
        .run(&["resolve", "1", "--adopt", "mine", "--force"])
        .is(0)
        .says(&["job 1 took parser mine"]);
    let details = place.shown("1");
    assert_eq!(details["state"], "GENERATING");
    assert_eq!(details["parser_id"], "mine");
    assert_eq!(details["create_requests"][0]["outcome"], "made");

    place
        .run(&["resolve", "b", "--not-created"])
        .is(0)
        .says(&["queued again"]);
    assert_eq!(
        place.shown("b")["create_requests"][0]["outcome"],
        "not_made"
    );
    place
        .run(&["show", "d"])
        .is(0)
        .prints(&["may be its parser", "p1, p2"]);
    assert_eq!(
        place.shown("d")["candidates"],
        serde_json::json!(["p1", "p2"])
    );
    // Also where the service cannot be asked: what parserd noted.
    place
        .run(&["resolve", "d"])
        .is(1)
        .prints(&["p1", "p2", "unknown"])
        .says(&["the account holds 2 parsers (p1, p2)"]);
    place.run(&["resolve", "d", "--not-created"]).is(0);
    assert_eq!(place.state("d"), "QUEUED");

    place
        .run(&["resolve", "e"])
        .is(1)
        .says(&["job 5 \"e\" is QUEUED", "there is nothing to settle"]);
    place.run(&["resolve", "e", "--not-created"]).is(1).says(&[
        "job 5 \"e\" is QUEUED",
        "no request of this job is in doubt",
    ]);
    place
        .run(&["resolve", "9", "--not-created"])
        .is(1)
        .says(&["no job has the id or the name"]);
}
