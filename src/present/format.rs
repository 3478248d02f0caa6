//! PURE: times, spans and numbers as people read them.

use jiff::{SignedDuration, Timestamp};

use crate::core::{budget::Budget, job::UnixMs, text::escaped};

/// A time as one says it: `in 5 s`, `3 min ago`; `never` for the end of time.
pub fn relative(at: UnixMs, now: UnixMs) -> String {
    let apart_ms = at.saturating_sub(now);
    if Timestamp::from_millisecond(at).is_err() {
        "never".to_owned()
    } else if apart_ms.abs() < 1000 {
        "now".to_owned()
    } else if apart_ms > 0 {
        format!("in {}", span(apart_ms))
    } else {
        format!("{} ago", span(apart_ms))
    }
}

/// For how long something has been so: `for 3 min`.
pub fn lasting(since: UnixMs, now: UnixMs) -> String {
    format!("for {}", span(now.saturating_sub(since).max(0)))
}

/// How long, in the two largest units that matter.
pub fn span(ms: i64) -> String {
    let seconds = SignedDuration::from_millis(ms).unsigned_abs().as_secs();
    let two = |large: u64, unit: &str, small: u64, small_unit: &str| {
        if small == 0 {
            format!("{large} {unit}")
        } else {
            format!("{large} {unit} {small} {small_unit}")
        }
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..600 => two(seconds / 60, "min", seconds % 60, "s"),
        600..3600 => format!("{} min", seconds / 60),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// How many in a minute, or in the least larger time in which it is at least one.
pub fn rate(number: i64, took_ms: i64) -> String {
    let in_time = |ms: i64| number.saturating_mul(ms) / took_ms.max(1);
    let units = [(60_000, "a minute"), (3_600_000, "an hour")];
    let found = units.iter().find(|(ms, _)| in_time(*ms) > 0);
    let (ms, unit) = found.copied().unwrap_or((86_400_000, "a day"));
    format!("{} {unit}", grouped(in_time(ms)))
}

/// A number with a comma before each three digits.
pub fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if number < 0 { format!("-{out}") } else { out }
}

/// `1 job`, `2 jobs`.
pub fn count(number: usize, noun: &str) -> String {
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

/// What so many creates may cost.
pub fn cost(creates: usize, budget: &Budget) -> String {
    let creates = i64::try_from(creates).unwrap_or(i64::MAX);
    let each = budget.credits_per_create;
    format!(
        "up to {} x {} = {} credits",
        grouped(creates),
        grouped(each),
        grouped(creates.saturating_mul(each))
    )
}

/// A name as a message quotes it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", escaped(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::timestamp::iso;

    #[test]
    fn times_and_numbers_read_well() {
        for (ms, text) in [
            (0, "now"),
            (999, "now"),
            (5_400, "in 5 s"),
            (-59_999, "59 s ago"),
            (61_000, "in 1 min 1 s"),
            (-3_600_000, "1 h ago"),
            (3_660_000, "in 1 h 1 min"),
            (90_000_000, "in 1 d 1 h"),
            (i64::MAX, "never"),
        ] {
            assert_eq!(relative(ms, 0), text);
        }
        for (number, took_ms, text) in [
            (49, 60_000, "49 a minute"),
            (2_000, 60_000, "2,000 a minute"),
            (1, 120_000, "30 an hour"),
            (1, 7_200_000, "12 a day"),
            (0, 60_000, "0 a day"),
            (5, 0, "300,000 a minute"),
        ] {
            assert_eq!(rate(number, took_ms), text);
        }
        assert_eq!(lasting(0, 180_000), "for 3 min");
        assert_eq!(lasting(5, 0), "for 0 s", "the clock was set back");
        assert_eq!(iso(1_700_000_000_000), "2023-11-14T22:13:20.000Z");
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (-1_234_567, "-1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
