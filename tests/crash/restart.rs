//! The real program on what a power cut has left, against a service that holds what had
//! been made by then.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};
use parserd::simulator::Inserted;

use super::{
    books::{self, Made},
    disk::Syncs,
    power::{AT_ONCE, Cut},
    program::{finish, size},
    record::{JOBS, Record, harness},
};
use crate::common::Harness;

/// Where a cut leaves the database and the service.
pub struct Left {
    pub harness: Harness,
    /// The parsers of the account.
    pub parsers: Vec<Made>,
    /// How many creates of each name were sent.
    pub sent: BTreeMap<String, usize>,
    /// Creates with an intent and without an outcome on record.
    in_doubt: usize,
    /// Creates that had been sent and never reached the service.
    unmade: usize,
}

#[derive(Debug, Default)]
struct Tally {
    runs: usize,
    in_doubt: usize,
    unmade: usize,
    sent: usize,
}

/// Restarts on some of the images, and checks each time.
pub async fn some(record: &Record, cuts: &[Cut]) {
    let mut restarted = Tally::default();
    let sample = size("PARSERD_TEST_POWER_RESTARTS", 8);
    let with_jobs = cuts.iter().filter(|cut| cut.place >= record.enqueued);
    let outcomes: Vec<Result<Tally, String>> = stream::iter(with_jobs.take(sample))
        .map(|cut| finished(record, *cut))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut faults = Vec::new();
    for outcome in outcomes {
        match outcome {
            Ok(tally) => {
                restarted.runs += tally.runs;
                restarted.in_doubt += tally.in_doubt;
                restarted.unmade += tally.unmade;
                restarted.sent += tally.sent;
            }
            Err(fault) => faults.push(fault),
        }
    }
    println!(
        "{} restarts: {} creates were in doubt, {} had never reached the service, {} sent \
         afterwards; {} faults",
        restarted.runs,
        restarted.in_doubt,
        restarted.unmade,
        restarted.sent,
        faults.len()
    );
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(restarted.in_doubt > 0, "{restarted:?}");
}

pub async fn left(record: &Record, cut: Cut) -> Left {
    let harness = harness().await;
    let write_image = |directory| {
        let mut random = fastrand::Rng::with_seed(cut.seed);
        let disk = &record.disk;
        disk.write_image(directory, cut.place, Syncs::All, &mut random);
        random
    };
    let mut random = write_image(harness.directory.path());
    // On a copy: SQLite would mend what the program is to mend.
    let copy = tempfile::tempdir().unwrap();
    write_image(copy.path());
    let in_doubt = books::in_doubt(&copy.path().join("parserd.db")).await;
    let mut parsers = record.parsers_before.clone();
    let mut unmade = 0;
    for post in &record.posts {
        if post.begun >= cut.place || !post.made() {
            continue;
        }
        let is_open = matches!(post.answered, Some((place, _)) if place >= cut.place);
        // Whether the service had it before the power was gone.
        if is_open && random.bool() {
            unmade += 1;
            continue;
        }
        let mut made = record.parsers.iter();
        parsers.push(made.find(|made| made.name == post.name).unwrap().clone());
    }
    let now = harness.server.now_ms();
    for Made { id, name } in parsers.clone() {
        let inserted = Inserted {
            id,
            name,
            ..Inserted::default()
        };
        harness
            .server
            .with(|simulator| simulator.world.insert_parser(now, inserted));
    }
    Left {
        harness,
        parsers,
        sent: record.sent_before(cut.place),
        in_doubt,
        unmade,
    }
}

async fn finished(record: &Record, cut: Cut) -> Result<Tally, String> {
    let left = left(record, cut).await;
    let fault = |what: &str| format!("{cut:?}: {what}");
    finish(&left.harness).await.map_err(|error| fault(&error))?;
    let made = books::parsers(&left.harness);
    let after = books::sent(&left.harness);
    let tally = Tally {
        runs: 1,
        in_doubt: left.in_doubt,
        unmade: left.unmade,
        sent: after.values().sum(),
    };
    let mut all = left.sent;
    for (name, count) in after {
        *all.entry(name).or_default() += count;
    }
    let faults = books::faults(&left.harness, JOBS, &made, &all).await;
    if !faults.is_empty() || made.len() != JOBS {
        return Err(fault(&format!("{faults:#?} {} parsers", made.len())));
    }
    Ok(tally)
}
