//! Bars on a terminal for what takes long; nothing where standard error is not one.

use std::{io::IsTerminal as _, sync::Arc, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    core::job::JobState,
    manifest::Tally,
    store::{Store, report::Counts},
    telemetry,
};

/// How often the jobs are counted: of a million that takes a twentieth of a second.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// How often a file's bar is brought up to date.
const INTERVAL: Duration = Duration::from_millis(200);

fn styled(len: u64, template: &str) -> ProgressBar {
    let bar = telemetry::bars().add(ProgressBar::new(len));
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// How many of a number of jobs are done.
#[derive(Debug)]
pub(super) struct JobsBar(ProgressBar);

impl JobsBar {
    pub fn new() -> Self {
        Self(styled(0, "{bar:30} {pos}/{len} done  {msg}"))
    }

    pub fn show(&self, counts: &Counts) {
        let of = |state| counts.of(state);
        let total: i64 = counts.states.values().sum();
        self.0.set_length(total.unsigned_abs());
        self.0.set_position(counts.ended().unsigned_abs());
        self.0.set_message(format!(
            "{} queued, {} generating, {} parked",
            of(JobState::Queued),
            of(JobState::Creating) + of(JobState::Generating),
            of(JobState::Parked)
        ));
    }

    /// Counts the jobs of `store` and shows how far they are.
    pub async fn look(&self, store: &Store) {
        // The daemon itself reports what is wrong with the database.
        if let Ok(counts) = store.counts().await {
            self.show(&counts);
        }
    }

    /// Writes a line above it.
    pub fn line(&self, line: &str) {
        // That nobody reads it must end no command.
        let _nobody_reads = telemetry::write_line(line);
    }
}

impl Drop for JobsBar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A bar for a run that ends by itself, where somebody sees it.
pub(super) fn of_run(until_done: bool) -> Option<Arc<JobsBar>> {
    let is_seen = until_done && std::io::stderr().is_terminal();
    is_seen.then(|| Arc::new(JobsBar::new()))
}

/// Shows how far the jobs of `store` are, until it is dropped.
pub(super) async fn watch(store: Store, bar: Arc<JobsBar>) {
    loop {
        bar.look(&store).await;
        tokio::time::sleep(COUNT_INTERVAL).await;
    }
}

/// Shows how far a job file is while `work` goes on.
pub(super) async fn over_file<T>(
    name: &str,
    size_bytes: Option<u64>,
    tally: &Tally,
    work: impl Future<Output = T>,
) -> T {
    let checking = match size_bytes {
        Some(_) => "{bar:30} checking {msg}: {bytes} of {total_bytes}",
        None => "checking {msg}: {bytes}",
    };
    let bar = styled(size_bytes.unwrap_or(0), checking);
    bar.set_message(crate::core::text::escaped(name));
    let mut work = std::pin::pin!(work);
    let mut tick = tokio::time::interval(INTERVAL);
    let done = loop {
        tokio::select! {
            biased;
            done = &mut work => break done,
            _ = tick.tick() => match tally.jobs() {
                0 => bar.set_position(tally.read_bytes()),
                jobs => {
                    bar.set_style(adding());
                    bar.set_position(jobs);
                }
            },
        }
    };
    bar.finish_and_clear();
    done
}

fn adding() -> ProgressStyle {
    ProgressStyle::with_template("adding {msg}: {human_pos} jobs")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
