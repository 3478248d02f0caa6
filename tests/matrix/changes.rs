//! The same faults at the requests of updates and deletes, and at the look before them.

use std::time::Duration;

use parserd::{
    engine::daemon::Until,
    simulator::{Endpoint, FaultRule, WorldConfig, faults::AnswerFault},
};

use super::{cell::finish, faults, rules::REJECTIONS};
use crate::{
    common::Harness,
    life::{MODIFY, RENAME, shop_in},
};

/// What the job does, and which of its requests the fault applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `PATCH` that renames.
    Free,
    /// `PATCH` that modifies.
    Paid,
    Delete,
    /// `GET /parsers/{id}` before a PATCH.
    LookToChange,
    /// The same before a DELETE.
    LookToDelete,
    /// `GET /parsers/{id}` for a PATCH whose answer was lost and that took effect.
    DoubtMade,
    /// The same of one that made nothing.
    DoubtNone,
}

impl Place {
    const ALL: [Self; 7] = [
        Self::Free,
        Self::Paid,
        Self::Delete,
        Self::LookToChange,
        Self::LookToDelete,
        Self::DoubtMade,
        Self::DoubtNone,
    ];

    const fn endpoint(self) -> (&'static str, Endpoint) {
        match self {
            Self::Free | Self::Paid => ("patch", Endpoint::Patch),
            Self::Delete => ("delete", Endpoint::Delete),
            Self::LookToChange | Self::LookToDelete | Self::DoubtMade | Self::DoubtNone => {
                ("get", Endpoint::Get)
            }
        }
    }

    const fn is_delete(self) -> bool {
        matches!(self, Self::Delete | Self::LookToDelete)
    }

    const fn is_write(self) -> bool {
        matches!(self, Self::Free | Self::Paid | Self::Delete)
    }

    fn insert(self) -> String {
        let change = match self {
            Self::Free => RENAME,
            Self::Delete | Self::LookToDelete => {
                return "INSERT INTO jobs (action, name) VALUES ('delete', 'shop')".to_owned();
            }
            Self::Paid | Self::LookToChange | Self::DoubtMade | Self::DoubtNone => MODIFY,
        };
        format!("INSERT INTO jobs (action, name, change) VALUES ('update', 'shop', '{change}')")
    }

    /// The request before it is a look, where the fault is to meet the one after.
    const fn nth(self) -> u64 {
        match self {
            Self::DoubtMade | Self::DoubtNone => 2,
            _ => 1,
        }
    }
}

/// How a cell ends: by the contract's tables, never by what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    state: &'static str,
    kind: &'static str,
    /// Versions that changes made, each paid once where it costs.
    versions: usize,
    /// Whether the account has the parser.
    is_there: bool,
}

/// The end, and the one after a FAILED job is tried again.
fn expected(place: Place, rule: &FaultRule) -> (Ending, Option<Ending>) {
    let finished = Ending {
        state: "FINISHED",
        kind: "",
        versions: usize::from(!place.is_delete()),
        is_there: !place.is_delete(),
    };
    let done = rule.effect.has_effect != Some(false);
    let status = match &rule.effect.answer {
        Some(AnswerFault::Status { status, .. }) => Some(*status),
        _ => None,
    };
    let failed = |kind| Ending {
        state: "FAILED",
        kind,
        versions: usize::from(done && !place.is_delete()),
        is_there: !(done && place.is_delete()),
    };
    if !place.is_write() {
        return (finished, None);
    }
    match (place, status) {
        // It says that it is gone. Of a 202 it is looked whether it is.
        (Place::Delete, Some(200..=201 | 203..=299 | 404 | 410)) => {
            let ending = Ending {
                is_there: !done,
                ..finished
            };
            (ending, None)
        }
        // A conflict is looked at, and there is none.
        (_, Some(409)) => (finished, None),
        (_, Some(404)) => (failed("not_found"), Some(finished)),
        (_, Some(status)) if REJECTIONS.contains(&status) => {
            (failed("bad_request"), Some(finished))
        }
        // Paid for, and of no use: another one takes a person's word.
        (Place::Paid, _) if rule.effect.fail_with.is_some() => (
            failed("generation_failed"),
            Some(Ending {
                versions: 2,
                ..finished
            }),
        ),
        _ => (finished, None),
    }
}

/// One cell in so many runs where `PARSERD_TEST_CELLS` is not `all`: other ones at each place.
const SHARE: usize = 4;

#[derive(Debug, Clone)]
struct Cell {
    place: Place,
    fault: String,
    /// Whether a first process was killed at its first such request, which had no effect.
    restarted: bool,
}

impl Cell {
    fn rule(&self, nth: u64) -> Option<FaultRule> {
        let (endpoint, _) = self.place.endpoint();
        format!("{endpoint} {} nth={nth}", self.fault).parse().ok()
    }

    async fn run(&self) -> Result<Vec<String>, String> {
        let rule = self.rule(1).ok_or("no such fault")?;
        let (ending, after) = expected(self.place, &rule);
        let (endpoint, kind) = self.place.endpoint();
        let world = WorldConfig {
            first_free: false,
            ..WorldConfig::default()
        };
        let mut harness = shop_in(world, &[]).await;
        let before = harness.requests(kind);
        let add = |text: &str| {
            let rule = text.parse().unwrap();
            harness.server.with(|simulator| simulator.faults.add(rule));
        };
        match self.place {
            Place::DoubtMade => add("patch lose after nth=1"),
            Place::DoubtNone => add("patch lose before nth=1"),
            _ => {}
        }
        let nth = self.place.nth();
        if self.restarted {
            let held = if self.place.is_write() {
                "lose before "
            } else {
                ""
            };
            add(&format!("{endpoint} {held}delay=1h nth={nth}"));
        } else {
            add(&format!("{endpoint} {} nth={nth}", self.fault));
        }
        harness.sql(&self.place.insert()).await.unwrap();
        if self.restarted {
            let running = harness.start(Until::AllTerminal).await;
            while harness.requests(kind) < before + nth {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            running.killed().await;
            harness.server.with(|simulator| {
                simulator.faults.clear();
                simulator.faults.add(rule.clone());
            });
        }
        if ["delay=3s", "slow=40s"]
            .iter()
            .any(|long| self.fault.contains(long))
        {
            harness.set("api.request_timeout", "1s");
        }
        finish(&harness).await?;
        let mut wrong = look(&harness, &ending).await;
        let applied = harness.server.with(|simulator| simulator.faults.applied());
        if applied.last() != Some(&1) {
            wrong.push(format!("the fault applied to {applied:?} requests"));
        }
        if let Some(after) = after {
            let again = "UPDATE jobs SET state = 'QUEUED' WHERE id = 2";
            harness
                .sql(again)
                .await
                .map_err(|error| error.to_string())?;
            finish(&harness).await?;
            let seen = look(&harness, &after).await;
            wrong.extend(seen.into_iter().map(|what| format!("tried again: {what}")));
        }
        Ok(wrong)
    }
}

async fn one(harness: &Harness, sql: &str) -> String {
    match harness.sql(sql).await {
        Ok(rows) => rows.join(","),
        Err(error) => error.to_string(),
    }
}

/// What is not as it must be.
async fn look(harness: &Harness, ending: &Ending) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut is = |what: &str, found: String, expected: String| {
        if found != expected {
            wrong.push(format!("{what} is {found:?}, not {expected:?}"));
        }
    };
    let state = one(
        harness,
        "SELECT state || ' ' || coalesce(error_kind, '') FROM jobs WHERE id = 2",
    )
    .await;
    is("it", state, format!("{} {}", ending.state, ending.kind));
    let (parsers, spent) = harness.server.with(|simulator| {
        let parsers = simulator.world.parsers(i64::MAX);
        (parsers, simulator.world.credits_spent())
    });
    is(
        "there",
        (parsers.len() == 1).to_string(),
        ending.is_there.to_string(),
    );
    if let [parser] = &parsers[..] {
        is(
            "the number of versions",
            (parser.versions - 1).to_string(),
            ending.versions.to_string(),
        );
    }
    let paid = one(
        harness,
        "SELECT 30000 + coalesce(sum(credits), 0) FROM updates WHERE outcome = 'made'",
    )
    .await;
    // What was said to be refused counts as unpaid, and shows in the account alone.
    if ending.state == "FINISHED" && ending.versions < 2 {
        is(
            "what was spent at most once",
            (spent <= 60_000).to_string(),
            "true".to_owned(),
        );
        let is_enough = paid.parse::<i64>().is_ok_and(|paid| paid <= 60_000);
        is("the record of it", is_enough.to_string(), "true".to_owned());
    }
    let pending = one(
        harness,
        "SELECT count(*) FROM updates WHERE outcome = 'pending'",
    )
    .await;
    is("the number of requests in doubt", pending, "0".to_owned());
    let creates = harness.requests(Endpoint::Create).to_string();
    is("the number of creates", creates, "1".to_owned());
    let known = one(harness, "SELECT deleted_at IS NULL FROM parsers").await;
    let is_known = ending.state != "FINISHED" || ending.versions > 0;
    is("on record as there", known, i64::from(is_known).to_string());
    if ending.state == "FINISHED" && ending.versions > 0 {
        let versions = one(
            harness,
            "SELECT version || ' ' || latest_version || ' ' || applied_version FROM parsers",
        )
        .await;
        let latest = ending.versions;
        is(
            "the versions on record",
            versions,
            format!("{latest} {latest} {latest}"),
        );
    }
    if harness.requests(Endpoint::Other) > 0 {
        wrong.push("a redirect was followed".to_owned());
    }
    wrong
}

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for place in Place::ALL {
        for fault in faults::all(place.is_write()) {
            for restarted in [false, true] {
                let fault = fault.clone();
                cells.push(Cell {
                    place,
                    fault,
                    restarted,
                });
            }
        }
    }
    // A process that was killed while it looks is one that did not look yet, and a status means
    // the same to every process.
    cells.retain(|cell| {
        let is_of_the_process = cell.place.is_write() && !cell.fault.starts_with("status=");
        cell.rule(1).is_some() && (is_of_the_process || !cell.restarted)
    });
    if std::env::var_os("PARSERD_TEST_CELLS").is_none_or(|cells| cells != "all") {
        let mut number = 0;
        cells.retain(|cell| {
            number += 1;
            (number + cell.place as usize).is_multiple_of(SHARE)
        });
    }
    cells
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_at_each_request_of_a_change_or_delete_is_applied_and_paid_once() {
    let cells = cells();
    let count = cells.len();
    let outcomes = super::at_once(cells, |cell: Cell| async move {
        let outcome = cell.run().await;
        (cell, outcome)
    })
    .await;
    let mut wrong = Vec::new();
    for (cell, outcome) in outcomes {
        let what = match outcome {
            Ok(what) if what.is_empty() => continue,
            Ok(what) => what.join("; "),
            Err(error) => error,
        };
        let when = if cell.restarted { "restarted" } else { "first" };
        wrong.push(format!("{:?} {when} {}: {what}", cell.place, cell.fault));
    }
    let texts = wrong.join("\n");
    assert!(
        wrong.is_empty(),
        "{} of {count} cells:\n{texts}",
        wrong.len()
    );
}
