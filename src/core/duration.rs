//! PURE: durations as people write them: `250ms`, `5s`, `15m`, `24h`.

use std::time::Duration;

/// Why a text is not a valid duration.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum NoDuration {
    /// Not in the way in which they are written.
    #[error("{0}")]
    Unreadable(#[from] humantime::DurationError),
    /// A capital M, which some take for minutes and some for months.
    #[error("M would be months; for minutes it is {minutes}")]
    Months {
        /// The same in minutes.
        minutes: String,
    },
}

/// The duration that a text stands for.
pub(crate) fn parse(text: &str) -> Result<Duration, NoDuration> {
    let is_letter = |c: char| c.is_alphabetic();
    if text.split(|c| !is_letter(c)).any(|unit| unit == "M") {
        let minutes = text.replace('M', "m");
        return Err(NoDuration::Months { minutes });
    }
    Ok(humantime::parse_duration(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capital_m_is_no_unit() {
        for (text, expected) in [
            ("250ms", Ok(250)),
            ("15m", Ok(900_000)),
            ("1h 30m", Ok(5_400_000)),
            ("1month", Ok(2_630_016_000)),
            ("30M", Err("M would be months; for minutes it is 30m")),
            ("1h 30M", Err("M would be months; for minutes it is 1h 30m")),
            (
                "1h30M5s",
                Err("M would be months; for minutes it is 1h30m5s"),
            ),
        ] {
            let found = parse(text).map(|duration| duration.as_millis());
            assert_eq!(
                found.map_err(|why| why.to_string()),
                expected.map_err(str::to_owned)
            );
        }
        assert!(matches!(parse("30"), Err(NoDuration::Unreadable(_))));
        assert!(matches!(parse("30MS"), Err(NoDuration::Unreadable(_))));
    }
}
