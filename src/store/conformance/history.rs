//! Random histories, on the model and on SQLite at once.

use std::collections::HashMap;

use super::{NOW, look, model, sqlite, steps::Step};
use crate::{
    core::job::{Job, JobId},
    store::ports::Queue as _,
};

/// Histories of a plain `cargo test`, and how long each is.
const HISTORIES: u64 = 24;
const STEPS: usize = 60;

/// `PARSERD_TEST_HISTORIES` says how many.
fn histories() -> u64 {
    match std::env::var("PARSERD_TEST_HISTORIES") {
        Ok(text) => text.parse().expect("PARSERD_TEST_HISTORIES is a number"),
        Err(_) => HISTORIES,
    }
}

async fn run(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut model, mut sqlite) = (model(), sqlite().await);
    let mut now = NOW;
    let mut taken = Vec::new();
    let mut before: HashMap<JobId, Job> = HashMap::new();
    let mut looked = Vec::new();
    for _ in 0..STEPS {
        let step = Step::draw(&mut rng, now);
        if let Step::Pass(ms) = step {
            now += ms;
        }
        let stale = match &step {
            Step::Event { job, .. } => before.get(job).cloned(),
            _ => None,
        };
        let stale = stale.as_ref();
        let said = [
            step.take(&model.store, &mut *model.outside, now, stale)
                .await,
            step.take(&sqlite.store, &mut *sqlite.outside, now, stale)
                .await,
        ];
        taken.push(format!("{now}: {step:?} -> {}", said[0]));
        let last = &taken[taken.len().saturating_sub(9)..];
        assert_eq!(said[0], said[1], "seed {seed}, after {last:#?}");
        let model_looks = look::all(&model.store, &*model.outside, now).await;
        let sqlite_looks = look::all(&sqlite.store, &*sqlite.outside, now).await;
        for (model, sqlite) in model_looks.iter().zip(&sqlite_looks) {
            assert_eq!(model, sqlite, "seed {seed}, after {last:#?}");
        }
        assert_eq!(model_looks.len(), sqlite_looks.len(), "seed {seed}");
        looked.push(model_looks.len());
        // As it was some steps ago, for anyone who acts on what is no longer so.
        if looked.len() % 4 == 0 {
            let ids = (1..=look::MOST_JOBS).map(JobId);
            for id in ids {
                if let Some(job) = model.store.job(id).await.unwrap() {
                    before.insert(id, job);
                }
            }
        }
    }
}

#[tokio::test]
async fn sqlite_does_in_every_step_what_the_model_does() {
    for seed in 0..histories() {
        run(seed).await;
    }
}
