//! `enqueue.files` into the database, beside the daemon's loop: at the start, and as often
//! as HUP asks for it. A file at a time, read by a thread of its own: a disk that does not
//! answer holds up neither the jobs nor the end of the process.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc, watch},
    time::Instant,
};

use crate::{
    api::Service,
    config::Settings,
    core::diff::OnChange,
    engine::daemon::{
        Daemon,
        hold::{BusyHold, Holds},
    },
    engine::enqueue::{self, EnqueueError, Taken},
    engine::worker::Stop,
    manifest::{Alike, BadJob, JobFile, Kinds, ManifestError, Tally, source_name},
    store::Store,
};

/// How many files are read ahead of the one that is being added. Each may have a megabyte
/// of jobs in memory.
const READ_AHEAD: usize = 8;

/// HUPs that come within this time of the last loading's beginning load once more together.
const PACE: Duration = Duration::from_secs(1);

/// How many files, and how many faults, a loading names in the log; it counts all.
const LOGGED_FILES: usize = 20;
const LOGGED_FAULTS: usize = 100;

/// What asks for another loading. Cloning it shares what was asked.
#[derive(Debug, Clone, Default)]
pub(super) struct ReloadRequest {
    is_asked: Arc<AtomicBool>,
    asked: Arc<Notify>,
}

impl ReloadRequest {
    /// Returns whether it was not asked for already.
    pub(super) fn ask(&self) -> bool {
        let is_first = !self.is_asked.swap(true, Ordering::AcqRel);
        self.asked.notify_one();
        is_first
    }

    fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::Acquire)
    }

    /// What was asked for so far is about to be done.
    fn answer(&self) {
        self.is_asked.store(false, Ordering::Release);
    }
}

/// Loads the configured job files.
pub(super) struct Loading {
    store: Store,
    patterns: Vec<String>,
    on_change: OnChange,
    stop: watch::Receiver<Stop>,
    holds: Holds,
    asking: ReloadRequest,
    /// Asks for it too, where parsers were adopted that are not as their jobs ask; none where
    /// loading changes no job that is there.
    adopted: Option<mpsc::UnboundedReceiver<BusyHold>>,
    /// Whether all files of the last loading were good.
    all_good: Arc<AtomicBool>,
}

impl Loading {
    /// What loads the files of `settings` for this daemon.
    pub(super) fn of<S: Service>(
        settings: &Settings,
        store: &Store,
        daemon: &Daemon<S, Store>,
    ) -> Self {
        let holds = daemon.holds();
        let changes_jobs = settings.enqueue.on_change != OnChange::Report;
        let has_files = !settings.enqueue.files.is_empty();
        Self {
            adopted: (changes_jobs && has_files).then(|| holds.loads()).flatten(),
            store: store.clone(),
            patterns: settings.enqueue.files.clone(),
            on_change: settings.enqueue.on_change,
            stop: daemon.stop(),
            holds,
            asking: ReloadRequest::default(),
            all_good: Arc::new(AtomicBool::new(true)),
        }
    }

    /// What asks for it again, and whether all files of the last time were good.
    pub(super) fn handles(&self) -> (ReloadRequest, Arc<AtomicBool>) {
        (self.asking.clone(), Arc::clone(&self.all_good))
    }

    /// Loads at once, which lets go of `first`, and then whenever it is asked for, or an adopted
    /// parser has other fields than its job; `loaded` is notified each time that all that was
    /// asked for is done.
    pub(super) async fn run(mut self, first: BusyHold, loaded: impl Fn()) {
        let mut began = Instant::now();
        let mut is_whole = self.load().await;
        drop(first);
        while is_whole {
            let mut held: Vec<_> = tokio::select! {
                () = self.asking.asked.notified() => None,
                hold = next(&mut self.adopted) => Some(hold),
            }
            .into_iter()
            .collect();
            if held.is_empty() && !self.asking.is_asked() {
                continue;
            }
            held.push(self.holds.hold());
            tokio::time::sleep_until(began + PACE).await;
            // What is asked for meanwhile is done with it.
            let more = self.adopted.as_mut().into_iter();
            held.extend(more.flat_map(|adopted| std::iter::from_fn(|| adopted.try_recv().ok())));
            let is_hup = self.asking.is_asked();
            self.asking.answer();
            let why = if is_hup {
                "HUP"
            } else {
                "adopted parsers have other fields"
            };
            tracing::info!("{why}: loading the job files");
            began = Instant::now();
            is_whole = self.load().await;
            if is_hup && is_whole && !self.asking.is_asked() {
                loaded();
            }
        }
        tracing::info!("stopping: the next start loads the job files that are left");
    }

    /// Returns whether it came to its end: not where parserd is told to stop.
    async fn load(&mut self) -> bool {
        if self.patterns.is_empty() {
            return true;
        }
        let (found, mut to_take) = mpsc::channel(READ_AHEAD);
        let tally = Tally::default();
        // However this ends, nobody reads on, and what is being added is undone.
        let _giving_up = GivingUp(tally.clone());
        let patterns = self.patterns.clone();
        let reading = std::thread::Builder::new()
            .name("job-files".to_owned())
            .spawn(move || read(&patterns, &tally, &found));
        if let Err(error) = reading {
            tracing::error!(%error, "job files not loaded: no thread can be started");
            self.all_good.store(false, Ordering::Release);
            return true;
        }
        let mut summary = LoadSummary::default();
        let mut stop = self.stop.clone();
        let taking = async {
            while let Some(found) = to_take.recv().await {
                self.take(found, &mut summary).await;
            }
        };
        let is_whole = tokio::select! {
            biased;
            () = stopped(&mut stop) => false,
            () = taking => true,
        };
        summary.end();
        self.all_good.store(summary.bad == 0, Ordering::Release);
        is_whole
    }

    async fn take(&self, found: Loaded, summary: &mut LoadSummary) {
        let (name, file) = match found {
            Loaded::File(name, file) => (name, file),
            Loaded::NoFiles(pattern) => {
                tracing::warn!(pattern, "enqueue.files: no file matches");
                return;
            }
            Loaded::NoPattern(error) => return summary.fault(&error),
        };
        if let Ok(file) = &*file {
            summary.alike(&name, &file.alike);
        }
        let taken = match *file {
            Ok(file) => enqueue::take(&self.store, Path::new(&name), &file, self.on_change).await,
            Err(error) => Err(error),
        };
        match taken {
            Ok(taken) => {
                summary.otherwise(&name, &taken.otherwise);
                summary.loaded(&name, &taken);
                if taken.added + taken.changed > 0 {
                    self.holds.nudge();
                }
            }
            Err(EnqueueError::Bad(error)) => summary.fault(&error),
            Err(error) => {
                summary.bad += 1;
                tracing::error!(file = name, %error, "job file not loaded");
            }
        }
    }
}

/// The next time that adopted parsers ask for it.
async fn next(adopted: &mut Option<mpsc::UnboundedReceiver<BusyHold>>) -> BusyHold {
    if let Some(adopted) = adopted
        && let Some(hold) = adopted.recv().await
    {
        return hold;
    }
    std::future::pending().await
}

async fn stopped(stop: &mut watch::Receiver<Stop>) {
    // Where nobody is left to say stop, the daemon ends, and this with it.
    if stop.wait_for(|stop| *stop != Stop::No).await.is_err() {
        std::future::pending::<()>().await;
    }
}

struct GivingUp(Tally);

impl Drop for GivingUp {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

/// What the reading thread hands on.
enum Loaded {
    File(String, Box<Result<JobFile, EnqueueError>>),
    NoFiles(String),
    NoPattern(ManifestError),
}

/// Reads all files that the patterns stand for, until nobody wants them any more.
fn read(patterns: &[String], tally: &Tally, found: &mpsc::Sender<Loaded>) {
    let checked = |path: &Path| {
        let file = JobFile::check(path, None, Kinds::Regular, tally).map_err(EnqueueError::from);
        Loaded::File(source_name(path), Box::new(file))
    };
    for pattern in patterns {
        let files = match enqueue::files(pattern) {
            Ok(files) => files,
            Err(error) => {
                if found.blocking_send(Loaded::NoPattern(error)).is_err() {
                    return;
                }
                continue;
            }
        };
        let none = files.is_empty().then(|| Loaded::NoFiles(pattern.clone()));
        for one in none
            .into_iter()
            .chain(files.iter().map(|path| checked(path)))
        {
            if found.blocking_send(one).is_err() {
                return;
            }
        }
    }
}

/// What a loading came to. Of many files the log names the first ones.
#[derive(Debug, Default)]
struct LoadSummary {
    files: usize,
    added: usize,
    changed: usize,
    unchanged: usize,
    otherwise: usize,
    bad: usize,
    named: usize,
    faults: usize,
}

impl LoadSummary {
    fn loaded(&mut self, file: &str, taken: &Taken) {
        let Taken {
            added,
            changed,
            unchanged,
            ..
        } = *taken;
        self.files += 1;
        self.added += added;
        self.changed += changed;
        self.unchanged += unchanged;
        if added + changed > 0 && self.named < LOGGED_FILES {
            self.named += 1;
            tracing::info!(file, added, changed, unchanged, "job file loaded");
        }
    }

    fn alike(&mut self, file: &str, alike: &[Alike]) {
        for alike in alike {
            if self.faults < LOGGED_FAULTS {
                tracing::warn!("enqueue.files: {file}: {alike}");
            }
            self.faults += 1;
        }
    }

    /// What is left as it is; no fault of the file.
    fn otherwise(&mut self, file: &str, jobs: &[BadJob]) {
        self.otherwise += jobs.len();
        for job in jobs {
            if self.faults < LOGGED_FAULTS {
                tracing::warn!("enqueue.files: {file}: {job}");
            }
            self.faults += 1;
        }
    }

    fn fault(&mut self, error: &ManifestError) {
        self.bad += 1;
        for line in error.to_string().lines() {
            if self.faults < LOGGED_FAULTS {
                tracing::error!("enqueue.files: {line}");
            }
            self.faults += 1;
        }
    }

    fn end(&self) {
        if self.faults > LOGGED_FAULTS {
            let more = self.faults - LOGGED_FAULTS;
            tracing::error!("enqueue.files: {more} more lines like these: `parserd check` has all");
        }
        tracing::info!(
            files = self.files,
            added = self.added,
            changed = self.changed,
            unchanged = self.unchanged,
            otherwise = self.otherwise,
            bad_files = self.bad,
            "job files loaded"
        );
    }
}
