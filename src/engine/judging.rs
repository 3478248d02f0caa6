//! Parsers that were judged by other rules, or not at all, are judged by these: offline, a few
//! at a time, beside the work.

use std::time::Duration;

use crate::{
    clock::Clock,
    core::quality::{Wanted, judge, judged_by},
    store::{StoreError, ports::Judging},
};

/// How many results are in memory at once.
const BATCH_SIZE: usize = 8;

/// Between two batches others have the processor.
const BATCH_PAUSE: Duration = Duration::from_millis(10);

/// How often it is looked for what changed.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);

/// Judges what is not judged by the rules and settings of this process.
#[derive(Debug)]
pub struct Judge<D> {
    /// The database.
    pub store: D,
    /// The time.
    pub clock: Clock,
    /// `quality.min_fill`.
    pub min_fill: f64,
}

impl<D: Judging> Judge<D> {
    /// Goes on until it is dropped. Looks at the start and every minute.
    pub async fn keep(self) {
        loop {
            match self.all().await {
                Ok(0) => {}
                Ok(parsers) => tracing::info!(parsers, "parsers were judged anew"),
                Err(error) => {
                    tracing::error!(%error, "parsers cannot be judged; it is tried again later");
                }
            }
            self.clock.sleep(LOOK_INTERVAL).await;
        }
    }

    /// Judges all that is to be judged; how many it was.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn all(&self) -> Result<usize, StoreError> {
        let by = judged_by(self.min_fill);
        let mut count = 0;
        loop {
            let batch = self.store.unjudged(&by, BATCH_SIZE).await?;
            let mut kept = 0;
            for unjudged in batch {
                let (job, parser_id) = (unjudged.job, &unjudged.parser_id);
                let tried = self.store.tried(job, parser_id).await?;
                let expect = unjudged.expect.as_deref();
                let wanted = match &unjudged.has_fields {
                    Some(has) => Wanted::of_parser(has, expect),
                    None => Wanted::of_columns(unjudged.fields.as_deref(), expect),
                };
                let wanted = wanted.checking(unjudged.check_urls.as_deref());
                let examples = unjudged.example_result.as_deref();
                let judgement = judge(examples, &tried, &wanted, self.min_fill);
                let now = self.clock.now();
                if self
                    .store
                    .keep_judgement(&unjudged, &judgement, now)
                    .await?
                {
                    kept += 1;
                }
            }
            // Those that were changed meanwhile have their turn at the next look.
            if kept == 0 {
                return Ok(count);
            }
            count += kept;
            self.clock.sleep(BATCH_PAUSE).await;
        }
    }
}
