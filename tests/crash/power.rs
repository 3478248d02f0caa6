//! A power cut at random places of a recorded run: what of its writes was not synced is
//! there in part, torn, or not at all. No image may lack a job, or the intent of a
//! create whose first byte may have gone out.

use std::{collections::BTreeMap, path::Path};

use futures_util::{StreamExt as _, stream};
use parserd::{
    simulator::Inserted,
    store::{Role, Store},
};
use sqlx::{Connection as _, Row as _};

use crate::{
    books,
    common::Harness,
    disk::Syncs,
    program::{can_trace, finish, size},
    record::{JOBS, Record},
};

/// Images looked at, and programs restarted, at once.
const AT_ONCE: usize = 4;

const CUTS: usize = 48;

#[derive(Debug, Clone, Copy)]
struct Cut {
    /// Calls that begin from here on were never made.
    place: usize,
    seed: u64,
}

#[tokio::test]
async fn a_power_cut_loses_no_job_and_no_intent_and_pays_for_nothing_twice() {
    if !can_trace().await {
        return;
    }
    let record = Record::new().await;
    let cuts = cuts(&record, size("PARSERD_TEST_POWER_CUTS", CUTS));
    let faults = faults_of_images(&record, &cuts, Syncs::All).await;
    println!(
        "{} power cuts in a run of {} places, {} jobs and {} creates: {} faults",
        cuts.len(),
        record.disk.places().len(),
        JOBS,
        record.posts.len(),
        faults.len()
    );
    assert!(faults.is_empty(), "{faults:#?}");
    restart_some(&record, &cuts).await;
}

async fn restart_some(record: &Record, cuts: &[Cut]) {
    let mut restarted = Tally::default();
    let sample = size("PARSERD_TEST_POWER_RESTARTS", 8);
    let with_jobs = cuts.iter().filter(|cut| cut.place > record.enqueued);
    let outcomes: Vec<Result<Tally, String>> = stream::iter(with_jobs.take(sample))
        .map(|cut| restart(record, *cut))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut faults = Vec::new();
    for outcome in outcomes {
        match outcome {
            Ok(tally) => {
                restarted.runs += 1;
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

#[tokio::test]
async fn syncs_that_do_nothing_would_be_noticed() {
    if !can_trace().await {
        return;
    }
    let record = Record::new().await;
    // Where the intent of a create has just been made durable, if it has.
    let cuts: Vec<Cut> = (0..size("PARSERD_TEST_POWER_CUTS", CUTS))
        .map(|nth| Cut {
            place: record.posts[nth % record.posts.len()].begun + 1,
            seed: nth as u64,
        })
        .collect();
    for syncs in [
        Syncs::NoFileAfter(record.enqueued),
        Syncs::NoFolderAfter(record.enqueued),
        Syncs::LogOneLate,
    ] {
        let faults = faults_of_images(&record, &cuts, syncs).await;
        let lacks_intent = |faults: &&Vec<String>| {
            let mut faults = faults.iter();
            faults.any(|fault| fault.contains("without its intent"))
        };
        let lacking = faults.iter().filter(lacks_intent).count();
        println!(
            "{syncs:?}: faults in {} of {} power cuts, in {lacking} a create without its intent",
            faults.len(),
            cuts.len()
        );
        assert!(lacking > 0, "{syncs:?}: {faults:#?}");
    }
}

/// The end, and a place where a create has just begun; then more of these, and any.
fn cuts(record: &Record, count: usize) -> Vec<Cut> {
    let mut random = fastrand::Rng::with_seed(7);
    let places = record.disk.places();
    let (before, after): (Vec<usize>, Vec<usize>) =
        places.iter().partition(|place| **place <= record.enqueued);
    let anywhere = |random: &mut fastrand::Rng, of: &[usize]| {
        let place = of[random.usize(0..of.len())];
        place + random.usize(0..2)
    };
    let begun = record.posts[record.posts.len() / 2].begun + 1;
    let drawn = (2..count).map(|_| match random.u8(0..8) {
        0 => anywhere(&mut random, &before),
        1..4 => anywhere(&mut random, &after),
        _ => {
            let post = &record.posts[random.usize(0..record.posts.len())];
            post.begun + 1 + random.usize(0..10)
        }
    });
    [record.end, begun]
        .into_iter()
        .chain(drawn)
        .enumerate()
        .map(|(nth, place)| Cut {
            place,
            seed: nth as u64,
        })
        .collect()
}

/// The faults of each image that has any.
async fn faults_of_images(record: &Record, cuts: &[Cut], syncs: Syncs) -> Vec<Vec<String>> {
    let found: Vec<Vec<String>> = stream::iter(cuts)
        .map(async |cut| {
            let folder = tempfile::tempdir().unwrap();
            let mut random = fastrand::Rng::with_seed(cut.seed);
            record
                .disk
                .write_image(folder.path(), cut.place, syncs, &mut random);
            let faults = match look(&folder.path().join("parserd.db")).await {
                Ok(image) => faults_of(record, *cut, &image),
                Err(error) => vec![error],
            };
            let told = faults.iter().map(|fault| format!("{cut:?}: {fault}"));
            told.collect()
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    found.into_iter().filter(|one| !one.is_empty()).collect()
}

/// What a database says of itself once parserd has opened it.
#[derive(Debug)]
struct Image {
    integrity: Vec<String>,
    /// How many jobs are in each state.
    states: BTreeMap<String, usize>,
    /// The remote name of each intent on record.
    intents: Vec<String>,
    /// The jobs that no create was ever meant for.
    untouched: Vec<String>,
}

async fn look(database: &Path) -> Result<Image, String> {
    let opened = Store::open(database, Role::Daemon).await;
    opened
        .map_err(|error| format!("it does not open: {error}"))?
        .close()
        .await;
    read(database).await.map_err(|error| error.to_string())
}

async fn read(database: &Path) -> Result<Image, sqlx::Error> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await?;
    let mut column = async |sql: &'static str| -> Result<Vec<String>, sqlx::Error> {
        let rows = sqlx::query(sql).fetch_all(&mut connection).await?;
        rows.iter().map(|row| row.try_get(0)).collect()
    };
    let integrity = column("PRAGMA integrity_check").await?;
    let mut states = BTreeMap::new();
    for state in column("SELECT state FROM jobs").await? {
        *states.entry(state).or_default() += 1;
    }
    let intents = column("SELECT remote_name FROM creates").await?;
    let untouched = column("SELECT name FROM jobs WHERE state = 'QUEUED' AND creates = 0").await?;
    connection.close().await?;
    Ok(Image {
        integrity,
        states,
        intents,
        untouched,
    })
}

fn faults_of(record: &Record, cut: Cut, image: &Image) -> Vec<String> {
    let mut faults = Vec::new();
    if image.integrity != ["ok"] {
        faults.push(format!("not intact: {:?}", image.integrity));
    }
    let jobs: usize = image.states.values().sum();
    if jobs != JOBS && (jobs != 0 || cut.place >= record.enqueued) {
        faults.push(format!("{jobs} jobs of {JOBS} are there"));
    }
    if image.states.contains_key("FAILED") {
        faults.push(format!("jobs FAILED: {:?}", image.states));
    }
    if cut.place >= record.end && image.states.get("FINISHED") != Some(&JOBS) {
        faults.push(format!("at the end {:?}", image.states));
    }
    for (name, sent) in sent(record, cut) {
        let intents = image.intents.iter().filter(|intent| **intent == name);
        if intents.count() < sent {
            faults.push(format!("{name} was sent {sent} times without its intent"));
        }
        let job = name.split("_pd_").next().unwrap_or(&name);
        if image.untouched.iter().any(|untouched| untouched == job) {
            faults.push(format!("{name} was sent and its job is QUEUED"));
        }
    }
    faults
}

/// How many creates of each name had begun before the cut.
fn sent(record: &Record, cut: Cut) -> BTreeMap<String, usize> {
    let mut sent = BTreeMap::new();
    for post in record.posts.iter().filter(|post| post.begun < cut.place) {
        *sent.entry(post.name.clone()).or_default() += 1;
    }
    sent
}

#[derive(Debug, Default)]
struct Tally {
    runs: usize,
    in_doubt: usize,
    unmade: usize,
    sent: usize,
}

/// Starts the real program on what the cut has left, against a service that holds what
/// had been made by then, and checks the books in the end.
async fn restart(record: &Record, cut: Cut) -> Result<Tally, String> {
    let mut harness = Harness::new(&[]).await;
    harness.set("retry.max_attempts", "20");
    let mut random = fastrand::Rng::with_seed(cut.seed);
    let folder = harness.folder.path();
    record
        .disk
        .write_image(folder, cut.place, Syncs::All, &mut random);
    let mut tally = Tally::default();
    let now = harness.server.now_ms();
    for post in &record.posts {
        if post.begun >= cut.place || !post.made() {
            continue;
        }
        let is_open = matches!(post.answered, Some((place, _)) if place >= cut.place);
        // Whether the service had it before the power was gone.
        if is_open && random.bool() {
            tally.unmade += 1;
            continue;
        }
        let parser = record.parsers.iter().find(|made| made.name == post.name);
        let parser = parser.unwrap();
        harness.server.with(|simulator| {
            let inserted = Inserted {
                id: parser.id.clone(),
                name: parser.name.clone(),
                ..Inserted::default()
            };
            simulator.world.insert_parser(now, inserted)
        });
    }
    let fault = |what: &str| format!("{cut:?}: {what}");
    // On a copy: SQLite would mend what the program is to mend.
    let copy = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(cut.seed);
    record
        .disk
        .write_image(copy.path(), cut.place, Syncs::All, &mut random);
    tally.in_doubt = books::in_doubt(&copy.path().join("parserd.db")).await;
    finish(&harness).await.map_err(|error| fault(&error))?;
    let made = books::parsers(&harness);
    let after = books::sent(&harness);
    tally.sent = after.values().sum();
    let mut all = sent(record, cut);
    for (name, count) in after {
        *all.entry(name).or_default() += count;
    }
    let faults = books::faults(&harness, JOBS, &made, &all).await;
    if !faults.is_empty() || made.len() != JOBS {
        return Err(fault(&format!("{faults:#?} {} parsers", made.len())));
    }
    Ok(tally)
}
