//! Log lines that others bring about, folded: however often they come, a kind of them has
//! one line a minute.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How far apart two lines of a kind are.
pub(super) const INTERVAL: Duration = Duration::from_secs(60);

/// What is logged this way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FoldKind {
    /// Somebody offered a wrong token.
    WrongToken,
    /// More offered one at once than may.
    Crowd,
    /// A post that does not come from the page's own forms.
    ForeignForm,
    /// There were more connections than are served.
    Connections,
    /// A connection could not be taken.
    NoConnection,
    /// A page or the metrics were asked for, and the database did not answer.
    Database,
}

impl FoldKind {
    const ALL: [Self; 6] = [
        Self::WrongToken,
        Self::Crowd,
        Self::ForeignForm,
        Self::Connections,
        Self::NoConnection,
        Self::Database,
    ];

    const fn words(self) -> &'static str {
        match self {
            Self::WrongToken => "page: a wrong token",
            Self::Crowd => "page: too many sign-ins at once: some are refused",
            Self::ForeignForm => "page: a form that does not come from the page was refused",
            Self::Connections => "http.listen: too many connections: the oldest are closed",
            Self::NoConnection => "http.listen: cannot take a connection",
            Self::Database => "http.listen: the database does not answer",
        }
    }
}

/// When a kind was last logged, and how often it came since.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    logged_at: Option<Instant>,
    unlogged: u64,
}

impl Count {
    /// It came once more: how often it came is logged now, or later.
    fn came(&mut self, now: Instant) -> Option<u64> {
        self.unlogged = self.unlogged.saturating_add(1);
        self.due(now)
    }

    /// How often it came, if that is to be logged by now.
    fn due(&mut self, now: Instant) -> Option<u64> {
        let is_early = self
            .logged_at
            .is_some_and(|at| now.saturating_duration_since(at) < INTERVAL);
        if is_early { None } else { self.rest(now) }
    }

    /// How often it came and was not logged yet.
    fn rest(&mut self, now: Instant) -> Option<u64> {
        let times = std::mem::take(&mut self.unlogged);
        (times > 0).then(|| {
            self.logged_at = Some(now);
            times
        })
    }
}

/// The lines that others bring about. What was not logged yet is logged in the end.
#[derive(Debug, Default)]
pub(super) struct Folds(Mutex<[(Count, Option<String>); FoldKind::ALL.len()]>);

impl Folds {
    /// It came once more, with this error where there is one.
    pub fn came(&self, kind: FoldKind, error: Option<String>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, last) = &mut counts[kind as usize];
        *last = error;
        if let Some(times) = count.came(Instant::now()) {
            log_folded(kind, times, last.take());
        }
    }

    /// Tells what came since the last lines, once a minute, until it is dropped.
    pub async fn keep(&self) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            self.log_with(Count::due);
        }
    }

    fn log_with(&self, which: fn(&mut Count, Instant) -> Option<u64>) {
        let now = Instant::now();
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (kind, (count, last)) in FoldKind::ALL.into_iter().zip(counts.iter_mut()) {
            if let Some(times) = which(count, now) {
                log_folded(kind, times, last.take());
            }
        }
    }
}

impl Drop for Folds {
    fn drop(&mut self) {
        self.log_with(Count::rest);
    }
}

fn log_folded(kind: FoldKind, times: u64, error: Option<String>) {
    tracing::warn!(times, error, "{}", kind.words());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_one_line_a_minute_that_counts_the_rest() {
        let start = Instant::now();
        let mut count = Count::default();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(count.due(at(0)), None, "it never came");
        assert_eq!(count.came(at(0)), Some(1), "the first is logged at once");
        for second in 1..60 {
            assert_eq!(count.came(at(second)), None);
        }
        assert_eq!(count.due(at(59)), None);
        assert_eq!(count.came(at(60)), Some(60));
        assert_eq!(count.came(at(61)), None);
        assert_eq!(count.due(at(121)), Some(1), "nobody comes any more");
        assert_eq!(count.due(at(181)), None);
        assert_eq!(count.came(at(182)), Some(1));
        assert_eq!(count.came(at(183)), None);
        assert_eq!(count.rest(at(184)), Some(1), "the end");
        assert_eq!(count.rest(at(184)), None);
    }

    #[test]
    fn each_kind_has_its_place() {
        for (index, kind) in FoldKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
        }
    }
}
