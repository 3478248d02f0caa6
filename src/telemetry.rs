//! Logs: to standard error, one line an event that matters.

use std::{
    io::{self, IsTerminal as _, Write},
    sync::OnceLock,
    time::Instant,
};

use anstream::{AutoStream, ColorChoice};
use indicatif::MultiProgress;
use tracing::{Level, Metadata};
use tracing_subscriber::{
    Layer as _,
    filter::{FilterFn, Targets},
    fmt::{MakeWriter, format::Writer, time::FormatTime},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::{
    api::client::LEAKY_TARGETS,
    config::{Log, LogFormat},
};

/// The bars on the terminal, once there is one.
static BARS: OnceLock<MultiProgress> = OnceLock::new();

/// The bars on the terminal. Lines of the log go above them.
pub fn bars() -> &'static MultiProgress {
    BARS.get_or_init(MultiProgress::new)
}

/// Writes a line above the bars.
///
/// # Errors
/// Where nobody reads it.
pub fn write_line(line: &str) -> io::Result<()> {
    let line = format!("{line}\n");
    Line {
        priority: "",
        folded: None,
    }
    .write_all(line.as_bytes())
}

/// How the log says what happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// In a sentence, with all that a program may want to know in fields of their own.
    Fields,
    /// In a sentence, and which job it is about.
    Lines,
    /// In words for a person at a terminal, with the time since the start.
    Words,
}

/// A person's terminal has words in place of lines, unless something finer is asked for.
fn telling(format: LogFormat, is_journal: bool, filter: &Targets) -> Telling {
    let shows = |level: Level| filter.would_enable(module_path!(), &level);
    let is_usual = shows(Level::INFO) && !shows(Level::DEBUG);
    match format {
        LogFormat::Json => Telling::Fields,
        LogFormat::Auto if !is_journal && io::stderr().is_terminal() && is_usual => Telling::Words,
        LogFormat::Auto | LogFormat::Text => Telling::Lines,
    }
}

/// The time since the start, as the lines in words have it.
struct SinceStart {
    started: Instant,
    span: fn(i64) -> String,
}

impl FormatTime for SinceStart {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        let ms = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        write!(writer, "{:>8} ", (self.span)(ms))
    }
}

/// How lines look to a person, at a terminal.
#[derive(Debug, Clone, Copy)]
pub struct Looks {
    /// How long something took, in milliseconds, in words.
    pub span: fn(i64) -> String,
    /// A line, folded to the width of the terminal.
    pub folded: fn(&str) -> String,
}

/// Starts logging.
///
/// Whatever `log.level` says, the targets of the HTTP stack below WARN are left
/// out: at TRACE some may print requests, and requests hold the API key.
///
/// # Errors
/// If `log.level` is not a valid filter, or logging was started before.
pub fn init(log: &Log, looks: Looks) -> anyhow::Result<Telling> {
    let filter = log.level.parse::<Targets>()?;
    // The journal has times of its own.
    let is_journal = writes_to_journal();
    let telling = telling(log.format, is_journal, &filter);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(LogLines {
            is_journal,
            folded: (telling == Telling::Words).then_some(looks.folded),
        })
        .with_ansi(AutoStream::choice(&io::stderr()) != ColorChoice::Never)
        .with_target(false);
    let lines = match log.format {
        LogFormat::Json => lines.json().flatten_event(true).with_target(true).boxed(),
        LogFormat::Auto if is_journal => lines.without_time().boxed(),
        LogFormat::Auto if telling == Telling::Words => {
            let (started, span) = (Instant::now(), looks.span);
            lines.with_timer(SinceStart { started, span }).boxed()
        }
        LogFormat::Auto | LogFormat::Text => lines.boxed(),
    };
    tracing_subscriber::registry()
        .with(
            lines
                .with_filter(filter)
                .with_filter(FilterFn::new(|metadata| {
                    *metadata.level() <= Level::WARN || !is_leaky(metadata.target())
                })),
        )
        .try_init()?;
    Ok(telling)
}

/// What stands before a line of an error, where standard error leads to the journal.
pub fn error_priority() -> &'static str {
    if writes_to_journal() {
        priority(&Level::ERROR)
    } else {
        ""
    }
}

fn writes_to_journal() -> bool {
    is_journal(std::env::var("JOURNAL_STREAM").ok().as_deref())
}

/// As `sd-daemon(3)` has it.
const fn priority(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        Level::DEBUG | Level::TRACE => "<7>",
    }
}

/// Whether standard error leads to the journal: `JOURNAL_STREAM` names its device and
/// inode, and a program whose standard error was led elsewhere inherits the variable.
fn is_journal(stream: Option<&str>) -> bool {
    let named = stream.and_then(|stream| {
        let (device, inode) = stream.split_once(':')?;
        Some((device.parse().ok()?, inode.parse().ok()?))
    });
    named.is_some() && named == stderr_place()
}

#[cfg(unix)]
fn stderr_place() -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let found = std::fs::metadata("/dev/stderr").ok()?;
    Some((found.dev(), found.ino()))
}

#[cfg(not(unix))]
const fn stderr_place() -> Option<(u64, u64)> {
    None
}

/// Standard error.
struct LogLines {
    is_journal: bool,
    folded: Option<fn(&str) -> String>,
}

impl<'a> MakeWriter<'a> for LogLines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line {
            priority: "",
            folded: self.folded,
        }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line {
        let priority = if self.is_journal {
            priority(metadata.level())
        } else {
            ""
        };
        Line {
            priority,
            folded: self.folded,
        }
    }
}

/// A line with its priority in front, as `sd-daemon(3)` has it.
struct Line {
    priority: &'static str,
    folded: Option<fn(&str) -> String>,
}

impl Write for Line {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        // In one piece: lines of several threads must not mix.
        let line = match self.folded {
            Some(folded) => folded(&String::from_utf8_lossy(text)).into_bytes(),
            None => [self.priority.as_bytes(), text].concat(),
        };
        match BARS.get().filter(|bars| !bars.is_hidden()) {
            Some(bars) => bars.println(String::from_utf8_lossy(&line).trim_end())?,
            None => io::stderr().write_all(&line)?,
        }
        self.priority = "";
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn is_leaky(target: &str) -> bool {
    LEAKY_TARGETS.iter().any(|leaky| {
        target
            .strip_prefix(leaky)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_was_led_elsewhere_is_no_journal() {
        let place = stderr_place().map(|(device, inode)| format!("{device}:{inode}"));
        assert!(is_journal(place.as_deref()), "{place:?}");
        for stream in [None, Some(""), Some("1"), Some("1:x"), Some("1:1")] {
            assert!(!is_journal(stream), "{stream:?}");
        }
    }

    #[test]
    fn the_http_stack_is_left_out_and_parserd_is_not() {
        for (target, leaky) in [
            ("hyper_util::client::legacy", true),
            ("reqwest", true),
            ("reqwest_like", false),
            ("parserd::engine::worker", false),
        ] {
            assert_eq!(is_leaky(target), leaky, "{target}");
        }
    }
}
