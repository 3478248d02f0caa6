//! SIGKILL at random moments, from the first instant of the start-up on.

use std::time::Duration;

use parserd::{api::Service as _, core::outcome::ListOutcome};

use super::{
    books::{self, Made},
    program::{ended, finish, parserd, size},
    wire::Service,
};
use crate::common::Harness;

/// The longest that a parser takes to land, or to show, with the faults below.
const LATE: Duration = Duration::from_millis(300);

#[tokio::test]
async fn killed_at_random_moments_nothing_is_paid_twice_lost_or_stuck() {
    kill_and_check("all well", 1, &["create delay=50ms"]).await;
}

#[tokio::test]
async fn killed_at_random_moments_while_the_service_fails_nothing_is_paid_twice_lost_or_stuck() {
    let faults = [
        "create lose after p=0.1",
        "create lose before p=0.05",
        "create lose land-late=300ms p=0.08",
        "create status=503 before p=0.08",
        "create status=500 after p=0.08",
        "create status=429 p=0.05",
        "create show-late=200ms p=0.1",
        "create cut p=0.05",
        // The credits are gone for a while, and then the key is refused.
        "create status=402 from=2s until=3s",
        "any status=401 from=5s until=6s",
        "list status=503 p=0.1",
        "get status=500 p=0.1",
        "create delay=30ms",
    ];
    kill_and_check("with faults", 2, &faults).await;
}

async fn kill_and_check(what: &str, seed: u64, faults: &[&str]) {
    let kills = size("PARSERD_TEST_KILLS", 60);
    let jobs = kills.max(60);
    let mut args = vec![
        format!("--seed={seed}"),
        "--generation-scale=0.0005".to_owned(),
    ];
    args.extend(faults.iter().map(|rule| format!("--fault={rule}")));
    let service = Service::start(&args).await;
    let mut harness = Harness::new(&[]).await;
    harness.set("api.base_url", &service.base_url);
    harness.set("workers.max_requests", "2");
    harness.set("retry.max_attempts", "50");
    // Longer than a parser takes to land, or to be read from a dead sender's socket by
    // a busy machine: shorter ones pay twice, and are to.
    harness.set("reconcile.settle", "1500ms");
    harness.set("reconcile.settle_after_error", "1s");
    harness.enqueue(jobs).await;
    let started = std::time::Instant::now();
    let mut at_work = 0;
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..kills {
        let mut child = parserd(&harness, &["run"]).spawn().unwrap();
        // The moment of the kill is what is drawn here; nothing waits for it.
        let moment = match random.u32(0..4) {
            0 => random.u64(0..15_000),
            _ => random.u64(15_000..180_000),
        };
        tokio::time::sleep(Duration::from_micros(moment)).await;
        let was_running = child.try_wait().unwrap().is_none();
        child.start_kill().unwrap();
        ended(child).await.expect("SIGKILL ends it");
        let open = "SELECT count(*) FROM jobs WHERE state IN ('CREATING', 'GENERATING')";
        at_work += usize::from(was_running && harness.sql(open).await.unwrap() != ["0"]);
    }
    let killing = started.elapsed();
    finish(&harness).await.unwrap();
    // One that is paid for twice may yet have to land.
    tokio::time::sleep(LATE).await;
    let made = list(&harness).await;
    let sent = service.sent();
    let faults = books::faults(&harness, jobs, &made, &sent).await;
    println!(
        "{what}: {kills} kills in {:.0} s ({at_work} with a job under way), {jobs} jobs, \
         {} creates sent, {} parsers, {} faults; {:.0} s in all",
        killing.as_secs_f64(),
        sent.values().sum::<usize>(),
        made.len(),
        faults.len(),
        started.elapsed().as_secs_f64(),
    );
    assert!(faults.is_empty(), "{faults:#?}");
    assert_eq!(made.len(), jobs, "each job has a parser of its own");
    assert!(sent.values().sum::<usize>() >= jobs, "the relay saw them");
    assert!(
        at_work * 4 >= kills,
        "{at_work} of {kills} kills fell while a job was under way"
    );
}

/// The account's parsers, by its own list.
async fn list(harness: &Harness) -> Vec<Made> {
    let client = harness.client();
    for _ in 0..20 {
        match client.list().await {
            ListOutcome::Listed(parsers, _) => {
                return parsers
                    .into_iter()
                    .map(|parser| Made {
                        id: parser.id.0,
                        name: parser.name,
                    })
                    .collect();
            }
            // Its faults apply to this list too.
            ListOutcome::Refused(..) | ListOutcome::Trouble(..) => {}
        }
    }
    panic!("no list of the account");
}
