//! PURE: many lines of one kind as one.

use super::LogLine;
use crate::{
    core::{
        job::{DurationMs, ParkReason, UnixMs},
        text::escaped,
    },
    present::format::grouped,
};

/// How long the lines of a kind are counted together.
const WINDOW_MS: DurationMs = 60_000;

/// How many jobs a line of several names.
const NAMED: usize = 3;

/// Lines of which many may have one cause.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kind {
    event: String,
    why: Option<String>,
}

impl LogLine {
    /// Whether it tells how something ended: what led there comes before it. A line that says that
    /// jobs are parked would be read as news after the one that says that they are done.
    fn ends_what_was_held(&self) -> bool {
        matches!(
            self.fields.event.as_deref(),
            Some("batch_done" | "gate_opened")
        )
    }
}

impl Kind {
    fn of(line: &LogLine) -> Option<Self> {
        let fields = &line.fields;
        let event = fields.event.clone()?;
        let has_many = match event.as_str() {
            // Each is a decision of its own.
            "parked" => fields.park_reason != Some(ParkReason::Ambiguous.as_str()),
            "cancelled" | "changed" | "failed" | "in_doubt" | "not_sent" | "requeued"
            | "throttled" | "unparked" | "waiting" => true,
            _ => false,
        };
        let why = fields.park_reason.or(fields.error_kind).map(str::to_owned);
        has_many.then(|| Self {
            event,
            why: why.or_else(|| fields.reason.clone()),
        })
    }

    /// How many lines of it are written in a window before the rest is held back.
    fn most(&self) -> usize {
        match self.event.as_str() {
            // Why one FAILED says little of another.
            "failed" => 10,
            _ => 3,
        }
    }

    /// What comes next where each job's own line would name that job.
    fn next_of_many(&self) -> Option<String> {
        (self.event == "failed").then(|| {
            let kind = self.why.as_deref().unwrap_or_default();
            format!("`parserd jobs --state FAILED --error-kind {kind}` lists them with their hints")
        })
    }
}

/// Lines of one kind that are written as one.
#[derive(Debug)]
struct Several {
    first: LogLine,
    names: Vec<String>,
    jobs: i64,
}

impl Several {
    fn add(held: &mut Option<Self>, line: LogLine) {
        match held {
            None => {
                *held = Some(Self {
                    names: line.fields.name.iter().cloned().collect(),
                    first: line,
                    jobs: 1,
                });
            }
            Some(held) => {
                held.jobs += 1;
                if held.names.len() < NAMED {
                    held.names.extend(line.fields.name);
                }
            }
        }
    }

    /// `16 jobs: parked, credits: none left (books, news, shop and 13 more)`
    fn line(self, kind: &Kind) -> LogLine {
        let mut line = self.first;
        if self.jobs == 1 {
            return line;
        }
        let names: Vec<_> = self.names.iter().map(|name| escaped(name)).collect();
        let more = match self.jobs - i64::try_from(names.len()).unwrap_or_default() {
            ..=0 => String::new(),
            more => format!(" and {} more", grouped(more)),
        };
        let jobs = grouped(self.jobs);
        line.text = format!("{jobs} jobs: {} ({}{more})", line.text, names.join(", "));
        line.next = kind.next_of_many().or(line.next);
        line.fields.jobs = Some(self.jobs);
        line.fields.job = None;
        line.fields.name = None;
        line
    }
}

#[derive(Debug)]
struct Window {
    kind: Kind,
    began_at: UnixMs,
    /// How many lines of it were written.
    written: usize,
    held: Option<Several>,
}

/// Keeps the many lines of one cause from burying the others: of each such kind a few are written a
/// minute, and one for all the rest.
#[derive(Debug, Default)]
pub(crate) struct Grouping(Vec<Window>);

impl Grouping {
    /// What to write of lines that come together, and what was held back for long enough.
    pub(crate) fn pass(&mut self, lines: Vec<LogLine>, now: UnixMs) -> Vec<LogLine> {
        let mut passed = self.due(now);
        for (kind, lines) in by_kind(lines) {
            if lines.iter().any(LogLine::ends_what_was_held) {
                passed.extend(self.held());
            }
            match kind {
                None => passed.extend(lines),
                Some(kind) => passed.extend(self.window(kind, now).pass(lines)),
            }
        }
        passed
    }

    /// What is held back, all of it: nothing more comes.
    pub(crate) fn rest(&mut self) -> Vec<LogLine> {
        let windows = std::mem::take(&mut self.0).into_iter();
        windows.filter_map(|mut window| window.flush()).collect()
    }

    /// What is held back, and what comes later is held back as before.
    fn held(&mut self) -> Vec<LogLine> {
        self.0.iter_mut().filter_map(Window::flush).collect()
    }

    fn due(&mut self, now: UnixMs) -> Vec<LogLine> {
        let mut due = Vec::new();
        self.0.retain_mut(|window| {
            // A clock that was set back ends all windows.
            let is_over = !(0..WINDOW_MS).contains(&now.saturating_sub(window.began_at));
            if !is_over {
                return true;
            }
            let Some(line) = window.flush() else {
                return false;
            };
            due.push(line);
            // As long as more come, there is this one line a minute.
            window.began_at = now;
            window.written = window.kind.most();
            true
        });
        due
    }

    fn window(&mut self, kind: Kind, now: UnixMs) -> &mut Window {
        let place = self.0.iter().position(|window| window.kind == kind);
        let place = place.unwrap_or_else(|| {
            self.0.push(Window {
                kind,
                began_at: now,
                written: 0,
                held: None,
            });
            self.0.len() - 1
        });
        &mut self.0[place]
    }
}

impl Window {
    fn pass(&mut self, lines: Vec<LogLine>) -> Vec<LogLine> {
        let room = self.kind.most().saturating_sub(self.written);
        if lines.len() <= room {
            self.written += lines.len();
            return lines;
        }
        for line in lines {
            Several::add(&mut self.held, line);
        }
        if room == 0 {
            return Vec::new();
        }
        self.written += 1;
        self.flush().into_iter().collect()
    }

    fn flush(&mut self) -> Option<LogLine> {
        self.held.take().map(|held| held.line(&self.kind))
    }
}

/// The lines of each kind together, each where the first of them was.
fn by_kind(lines: Vec<LogLine>) -> Vec<(Option<Kind>, Vec<LogLine>)> {
    let mut found: Vec<(Option<Kind>, Vec<LogLine>)> = Vec::new();
    for line in lines {
        let kind = Kind::of(&line);
        let same = found
            .iter_mut()
            .find(|(other, _)| kind.is_some() && *other == kind);
        match same {
            Some((_, lines)) => lines.push(line),
            None => found.push((kind, vec![line])),
        }
    }
    found
}

#[cfg(test)]
mod tests;
