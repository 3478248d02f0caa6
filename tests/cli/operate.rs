//! `parserd retry`, `cancel`, `resume`, `resolve`.

use parserd::gate::{Closure, GateReason, Scope};

use crate::place::{
    Place, adopted, ambiguous, finished, generating, generation_failed, in_doubt, out_of_credits,
    rejected,
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
    let ended = place.run(&["retry", "1", "b", "c", "a"]).is(0).says(&[
        "3 jobs taken up again",
        "2 jobs will be created anew: up to 2 x 30,000 = 60,000 credits",
        "1 job may have a parser",
    ]);
    assert_eq!(ended.out, "");
    assert_eq!(
        (place.state("a"), place.state("b")),
        ("QUEUED".into(), "QUEUED".into())
    );

    place.run(&["retry", "d", "e", "nobody"]).is(1).says(&[
        "job 4 \"d\" is FINISHED: retry is for jobs that are PARKED or FAILED",
        "job 5 \"e\" is GENERATING",
        "paid for and being polled",
        "no job has the id or the name \"nobody\"",
        "0 jobs taken up again",
    ]);
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
        .says(&["2 jobs taken up again"]);
    assert_eq!(place.state("b"), "QUEUED");
    let both = ["cancel", "--state", "QUEUED", "--state", "PARKED", "--all"];
    place.run(&both).is(0).says(&["4 jobs called off"]);
    assert_eq!(place.state("d"), "CANCELLED");
    place.run(&both).is(0).says(&["0 jobs called off"]);
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
    place.run(&["resume"]).is(0).says(&[
        "2 jobs un-parked",
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
    place
        .run(&broke)
        .is(0)
        .says(&["1 job un-parked", "parked again: budget.max_credits is 0"]);
    assert_eq!(closed_gates(&place), 0);
    assert_eq!(place.state("b"), "PARKED");
    place
        .run(&["resume", "a"])
        .is(1)
        .says(&["is QUEUED", "goes on by itself"]);
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
        "the account's list cannot be had",
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
    let story = place.shown("1");
    assert_eq!(story["state"], "GENERATING");
    assert_eq!(story["parser_id"], "mine");
    assert_eq!(story["create_requests"][0]["outcome"], "made");

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
    place
        .run(&["resolve", "e", "--not-created"])
        .is(1)
        .says(&["job 5 \"e\" is QUEUED", "no create of this job is in doubt"]);
    place
        .run(&["resolve", "9", "--not-created"])
        .is(1)
        .says(&["no job has the id or the name"]);
}
