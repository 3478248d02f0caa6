//! A power cut at random places of a recorded run: what of its writes was not synced is
//! there in part, torn, or not at all. No image may lack a job, or the intent of a
//! create whose first byte may have gone out.

use std::{collections::BTreeMap, path::Path};

use futures_util::{StreamExt as _, stream};
use parserd::store::{Role, Store};
use sqlx::{Connection as _, Row as _};

use super::{
    disk::{FIRST_PLACE, Syncs},
    program::{can_trace, size},
    record::{JOBS, Record},
    restart,
};

/// Images looked at, and programs restarted, at once.
pub const AT_ONCE: usize = 4;

const CUTS: usize = 48;

#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// Calls that begin from here on were never made.
    pub place: usize,
    pub seed: u64,
}

#[tokio::test]
async fn a_power_cut_loses_no_job_and_no_intent_and_pays_for_nothing_twice() {
    if !can_trace().await {
        return;
    }
    check("a run", &Record::new().await).await;
}

#[tokio::test]
async fn a_power_cut_while_another_one_is_recovered_from_loses_and_pays_no_more() {
    if !can_trace().await {
        return;
    }
    let record = Record::new().await;
    // Some jobs are done by then, some creates are in doubt, and some have yet to begin.
    let cut = Cut {
        place: record.posts[record.posts.len() / 2].begun + 1,
        seed: fastrand::u64(..),
    };
    println!("the first cut: {cut:?}");
    let left = restart::left(&record, cut).await;
    check("a recovery", &Record::of_recovery(&left).await).await;
}

async fn check(what: &str, record: &Record) {
    let cuts = cuts(record, size("PARSERD_TEST_POWER_CUTS", CUTS));
    let faults = faults_of_images(record, &cuts, Syncs::All).await;
    println!(
        "{} power cuts in {what} of {} places, {} jobs and {} creates: {} faults",
        cuts.len(),
        record.disk.places().len(),
        JOBS,
        record.posts.len(),
        faults.len()
    );
    assert!(faults.is_empty(), "{faults:#?}");
    restart::some(record, &cuts).await;
}

#[tokio::test]
async fn syncs_that_do_nothing_would_be_noticed() {
    if !can_trace().await {
        return;
    }
    let record = Record::new().await;
    // Where the intent of a create has just been made durable, if it has.
    let cuts: Vec<Cut> = (0..size("PARSERD_TEST_POWER_CUTS", CUTS).max(CUTS))
        .map(|nth| Cut {
            place: record.posts[nth % record.posts.len()].begun + 1,
            seed: nth as u64,
        })
        .collect();
    for syncs in [
        Syncs::NoFileAfter(record.enqueued),
        Syncs::NoDirectoryAfter(record.enqueued),
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

/// A place where a create has just begun, and the end; then more of these, and any.
fn cuts(record: &Record, count: usize) -> Vec<Cut> {
    let mut random = fastrand::Rng::with_seed(7);
    let places = record.disk.places();
    let (before, after): (Vec<usize>, Vec<usize>) =
        places.iter().partition(|place| **place <= record.enqueued);
    let anywhere = |random: &mut fastrand::Rng, of: &[usize]| {
        let place = of[random.usize(0..of.len())];
        (place + random.usize(0..2)).max(FIRST_PLACE)
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
    [begun, record.end]
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
            let directory = tempfile::tempdir().unwrap();
            let mut random = fastrand::Rng::with_seed(cut.seed);
            record
                .disk
                .write_image(directory.path(), cut.place, syncs, &mut random);
            let faults = match look(&directory.path().join("parserd.db")).await {
                Ok(image) => faults_of(record, *cut, &image),
                Err(error) => vec![error],
            };
            let output = faults.iter().map(|fault| format!("{cut:?}: {fault}"));
            output.collect()
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
    for (name, sent) in record.sent_before(cut.place) {
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
