//! Logs: to standard error, one line an event that matters.

use std::io::IsTerminal as _;

use tracing_subscriber::{
    EnvFilter, Layer as _, filter::FilterFn, layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::{
    api::client::LEAKY_TARGETS,
    config::{Log, LogFormat},
};

/// Starts logging.
///
/// Whatever `log.level` says, the targets of the HTTP stack below WARN are left
/// out: at TRACE some may print requests, and requests hold the API key.
///
/// # Errors
/// If `log.level` is no filter, or logging was started before.
pub fn init(log: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&log.level)?;
    let is_terminal = std::io::stderr().is_terminal();
    // The journal has times of its own.
    let is_journal = !is_terminal && std::env::var_os("JOURNAL_STREAM").is_some();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(is_terminal && std::env::var_os("NO_COLOR").is_none())
        .with_target(false);
    let lines = match log.format {
        LogFormat::Json => lines.json().flatten_event(true).with_target(true).boxed(),
        LogFormat::Auto if is_journal => lines.without_time().boxed(),
        LogFormat::Auto | LogFormat::Text => lines.boxed(),
    };
    tracing_subscriber::registry()
        .with(
            lines
                .with_filter(filter)
                .with_filter(FilterFn::new(|metadata| {
                    *metadata.level() <= tracing::Level::WARN || !is_leaky(metadata.target())
                })),
        )
        .try_init()?;
    Ok(())
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
    fn the_http_stack_is_left_out_and_parserd_is_not() {
        for (target, leaky) in [
            ("hyper_util::client::legacy", true),
            ("reqwest", true),
            ("reqwest_like", false),
            ("parserd::worker", false),
        ] {
            assert_eq!(is_leaky(target), leaky, "{target}");
        }
    }
}
