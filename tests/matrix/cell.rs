//! One cell: a daemon, a database, a simulator and one fault.

use std::time::Duration;

use parserd::{
    engine::daemon::Until,
    simulator::{Endpoint, FaultRule, WorldConfig},
};

use super::rules::{Ending, Place, expected};
use crate::common::{Harness, PATIENCE};

/// The API key of the harness.
const KEY: &[u8] = b"demo-key";

#[derive(Debug, Clone)]
pub struct Cell {
    pub place: Place,
    pub fault: String,
    /// Whether a first process was killed at its first such request.
    pub restarted: bool,
}

/// What was seen of a cell.
#[derive(Debug)]
pub struct Seen {
    pub ending: Ending,
    pub wrong: Vec<String>,
}

impl Cell {
    fn rule_text(&self, nth: u64) -> String {
        format!("{} {} nth={nth}", self.place.endpoint(), self.fault)
    }

    /// The fault; none where the simulator's grammar has no such fault at this place.
    pub fn rule(&self) -> Option<FaultRule> {
        self.rule_text(1).parse().ok()
    }

    const fn request(&self) -> Endpoint {
        match self.place {
            Place::Create => Endpoint::Create,
            Place::Poll => Endpoint::Get,
            Place::Check => Endpoint::Parse,
            Place::Fetch => Endpoint::Fetch,
            Place::List | Place::ReconcileMade | Place::ReconcileNone => Endpoint::List,
        }
    }

    /// What has to go wrong before, so that there is a create in doubt.
    const fn before(&self) -> Option<&'static str> {
        match self.place {
            Place::ReconcileMade => Some("create lose after nth=1"),
            Place::ReconcileNone => Some("create lose before nth=1"),
            Place::Create | Place::Poll | Place::List | Place::Check | Place::Fetch => None,
        }
    }

    /// Which of a process' requests it is: a list precedes the create in doubt.
    const fn nth(&self) -> u64 {
        match self.place {
            Place::ReconcileMade | Place::ReconcileNone => 2,
            Place::Create | Place::Poll | Place::List | Place::Check | Place::Fetch => 1,
        }
    }

    pub async fn run(&self) -> Result<(Ending, Seen), String> {
        let rule = self.rule().ok_or("no such fault")?;
        let ending = expected(self.place, &rule, self.restarted);
        let harness = self.at_the_fault().await;
        let mut wrong = Vec::new();
        finish(&harness).await?;
        let mut seen = look(&harness, &ending, &mut wrong).await?;
        let applied = harness.server.with(|simulator| simulator.faults.applied());
        if applied.last() != Some(&1) {
            wrong.push(format!("the fault applied to {applied:?} requests"));
        }
        if let Some((posts, parsers)) = ending.retried {
            let retry = harness.sql("UPDATE jobs SET state = 'QUEUED'").await;
            retry.map_err(|error| error.to_string())?;
            finish(&harness).await?;
            let after = Ending {
                state: "FINISHED",
                kind: "",
                posts,
                parsers,
                retried: None,
            };
            let again = look(&harness, &after, &mut wrong).await?;
            if again != after {
                wrong.push(format!("retried, it ended {again:?}"));
            }
            seen.retried = Some((again.posts, again.parsers));
        }
        if seen != ending {
            wrong.push(format!("it ended {seen:?}"));
        }
        Ok((
            ending,
            Seen {
                ending: seen,
                wrong,
            },
        ))
    }

    /// A database and a service of which the next such request meets the fault; the
    /// last rule is the fault's.
    async fn at_the_fault(&self) -> Harness {
        let world = WorldConfig {
            first_free: false,
            ..WorldConfig::default()
        };
        let fault = self.rule_text(if self.restarted { 1 } else { self.nth() });
        let first: Vec<String> = match self.restarted {
            // The first process is killed with the request under way. A create that
            // made a parser would be adopted, and no second one sent to be hit by it.
            true if self.place == Place::Create => vec!["create lose before delay=1h".to_owned()],
            true => vec![format!(
                "{} delay=1h nth={}",
                self.place.endpoint(),
                self.nth()
            )],
            false => vec![fault.clone()],
        };
        let before = self.before().map(str::to_owned);
        let rules: Vec<String> = before.into_iter().chain(first).collect();
        let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
        let mut harness = Harness::with(world, &rules).await;
        harness.enqueue(1).await;
        if self.place == Place::Check {
            let page = "UPDATE jobs SET check_urls = '[\"https://a.example/held-out\"]'";
            harness.sql(page).await.unwrap();
        }
        if self.place == Place::Fetch {
            let url = harness.server.base_url();
            harness.set("preflight.mode", "check");
            harness.set("preflight.url", &url);
        }
        if self.restarted {
            let running = harness.start(Until::AllTerminal).await;
            while harness.requests(self.request()) < self.nth() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            running.killed().await;
            harness.server.with(|simulator| {
                simulator.faults.clear();
                simulator.faults.add(fault.parse().unwrap());
            });
        }
        if ["delay=3s", "slow=40s"]
            .iter()
            .any(|long| self.fault.contains(long))
        {
            harness.set("api.request_timeout", "1s");
        }
        harness
    }
}

/// Runs a daemon until every job has ended, or says where it is stuck.
pub async fn finish(harness: &Harness) -> Result<(), String> {
    let running = harness.start(Until::AllTerminal).await;
    let ended = tokio::time::timeout(PATIENCE.min(Duration::from_secs(40)), running.task).await;
    match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err(panic)) => Err(panic.to_string()),
        Err(_elapsed) => {
            let row = harness
                .sql("SELECT state || ' ' || coalesce(park_reason, '') || ' ' || coalesce(error_message, '') FROM jobs")
                .await;
            Err(format!("stuck: {row:?}"))
        }
    }
}

/// How it ended, by the database, the service's traffic and the account's books.
async fn look(
    harness: &Harness,
    expected: &Ending,
    wrong: &mut Vec<String>,
) -> Result<Ending, String> {
    let state = sql(harness, "SELECT state FROM jobs").await?;
    let kind = sql(harness, "SELECT coalesce(error_kind, '') FROM jobs").await?;
    let known = |found: Vec<String>, expected: &'static str| {
        (found == [expected]).then_some(expected).ok_or(found)
    };
    let (parsers, spent, fetched) = harness.server.with(|simulator| {
        let world = &simulator.world;
        let parsers = world.parsers(i64::MAX);
        (parsers, world.credits_spent(), world.credits_of_fetches())
    });
    let parses = i64::try_from(harness.requests(Endpoint::Parse)).unwrap_or(i64::MAX);
    let paid = fetched + 30_000 * i64::try_from(parsers.len()).unwrap_or(i64::MAX);
    if !(paid..=paid + parses).contains(&spent) || parsers.len() > 1 || parses > 3 {
        wrong.push(format!(
            "{spent} credits were paid for {} parsers",
            parsers.len()
        ));
    }
    let recorded = sql(harness, "SELECT coalesce(sum(credits), 0) FROM fetches").await?;
    if recorded[0]
        .parse::<i64>()
        .is_ok_and(|recorded| recorded < fetched)
    {
        wrong.push(format!(
            "fetches cost {fetched} credits, on record are {recorded:?}"
        ));
    }
    for end in ["", "-wal"] {
        let path = format!("{}{end}", harness.database().display());
        let bytes = std::fs::read(path).unwrap_or_default();
        if bytes.windows(KEY.len()).any(|window| window == KEY) {
            wrong.push(format!("the key is in the database's file{end}"));
        }
    }
    if !["bad_request", "preflight_failed"].contains(&expected.kind) {
        // Paid for, and held by the job: nothing is lost track of.
        let held = sql(harness, "SELECT coalesce(parser_id, '') FROM jobs").await?;
        let there: Vec<_> = parsers.iter().map(|parser| parser.id.clone()).collect();
        if held != there {
            wrong.push(format!("the job holds {held:?}, the account {there:?}"));
        }
        let made = sql(
            harness,
            "SELECT count(*) FROM creates WHERE outcome = 'made'",
        )
        .await?;
        if made != ["1"] {
            wrong.push(format!("the ledger has {made:?} creates that made one"));
        }
    }
    let pending = sql(
        harness,
        "SELECT count(*) FROM creates WHERE outcome = 'pending'",
    )
    .await?;
    if pending != ["0"] {
        wrong.push(format!("the ledger has {pending:?} creates in doubt"));
    }
    if harness.requests(Endpoint::Other) > 0 {
        wrong.push("a redirect was followed".to_owned());
    }
    Ok(Ending {
        state: known(state, expected.state).map_err(|found| format!("it is {found:?}"))?,
        kind: known(kind, expected.kind).map_err(|found| format!("its error is {found:?}"))?,
        posts: harness.requests(Endpoint::Create),
        parsers: parsers.len(),
        retried: None,
    })
}

async fn sql(harness: &Harness, sql: &str) -> Result<Vec<String>, String> {
    harness.sql(sql).await.map_err(|error| error.to_string())
}
