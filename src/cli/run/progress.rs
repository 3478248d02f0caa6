//! How far the jobs are, as a line of the log a minute.

use std::time::Duration;

use super::words;
use crate::{
    clock::Clock,
    present::progress_line::ProgressLines,
    store::{Gates as _, Ledger as _, Store, StoreError},
};

const INTERVAL: Duration = Duration::from_secs(60);

/// Logs it while there is work. For ever.
pub(super) async fn keep(store: Store, clock: Clock) {
    let mut lines = ProgressLines::default();
    if let Ok(counts) = store.counts().await {
        lines.begin(counts, clock.now());
    }
    loop {
        tokio::time::sleep(INTERVAL).await;
        // The daemon itself reports what is wrong with the database.
        if let Ok(Some(line)) = line(&mut lines, &store, &clock).await {
            tracing::info!("{line}");
        }
    }
}

async fn line(
    lines: &mut ProgressLines,
    store: &Store,
    clock: &Clock,
) -> Result<Option<String>, StoreError> {
    let now = clock.now();
    let counts = store.counts().await?;
    let at_work = words::at_work(&counts, &store.gates().await?, now);
    let spent = store.spent(now).await?;
    Ok(lines.line(counts, &at_work, spent.today, now))
}
