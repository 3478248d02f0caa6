//! PURE: charts, from figures to shapes. No text is drawn: a chart is stretched to whatever width
//! there is, and its words stand around it.

use crate::core::job::{DurationMs, UnixMs};

/// The width of every chart, in units of its own.
pub(super) const WIDTH: i64 = 1000;

/// The height of a chart with an axis.
pub(super) const HEIGHT: i64 = 200;

/// A line has no more points than this.
const COLUMNS: i64 = 200;

/// The least width of a state in the bar, so that one job of thousands can be seen.
const LEAST_PART: i64 = 6;

/// About so many bars make a histogram.
const BINS: i64 = 24;

/// Widths of bars that people can read, in seconds.
const BIN_SECONDS: &[i64] = &[
    1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400,
];

/// Where `value` is on a line of `length` that goes from `from` to `to`; at an end where it is
/// beyond that, and at the start where they are the same.
pub(super) fn along(value: i64, from: i64, to: i64, length: i64) -> i64 {
    let span = i128::from(to) - i128::from(from);
    if span <= 0 {
        return 0;
    }
    let value = i128::from(value.clamp(from, to)) - i128::from(from);
    i64::try_from(value * i128::from(length) / span).unwrap_or(length)
}

/// How high `value` is in a chart that reaches to `top`, from above.
pub(super) fn height(value: i64, top: i64) -> i64 {
    HEIGHT - along(value, 0, top, HEIGHT)
}

/// The times and heights that a chart over time has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub from: UnixMs,
    pub to: UnixMs,
    pub top: i64,
}

/// A line that goes up by `each` at each of the sorted times, as a path.
pub(super) fn steps(times: &[UnixMs], each: i64, frame: Frame) -> String {
    let mut path = format!("M0 {HEIGHT}");
    let mut last = HEIGHT;
    let mut add = |column: i64, count: i64| {
        let y = height(count.saturating_mul(each), frame.top);
        if y != last {
            path.push_str(&format!("H{}V{y}", column * (WIDTH / COLUMNS)));
            last = y;
        }
    };
    let column = |at| along(at, frame.from, frame.to, COLUMNS);
    let mut count = 0;
    for (index, at) in times.iter().enumerate() {
        count += 1;
        let next = times.get(index + 1).map(|at| column(*at));
        if next != Some(column(*at)) {
            add(column(*at), count);
        }
    }
    path.push_str(&format!("H{WIDTH}"));
    path
}

/// The parts of a bar, in the order given: where each begins, and how wide it is. What is not 0
/// can be seen; what is has no width.
pub(super) fn stack(counts: &[i64]) -> Vec<(i64, i64)> {
    let total: i64 = counts.iter().map(|count| (*count).max(0)).sum();
    let mut widths: Vec<i64> = counts
        .iter()
        .map(|count| match count {
            ..=0 => 0,
            count => along(*count, 0, total, WIDTH).max(LEAST_PART),
        })
        .collect();
    // What is left over, or too much, is the widest part's.
    let taken: i64 = widths.iter().sum();
    if total > 0
        && let Some(widest) = widths.iter_mut().max()
    {
        *widest += WIDTH - taken;
    }
    let mut start = 0;
    let place = |width: i64| {
        let place = (start, width);
        start += width;
        place
    };
    widths.into_iter().map(place).collect()
}

/// A histogram of durations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bins {
    /// How much time a bar stands for.
    pub width_ms: DurationMs,
    /// How many durations are in each.
    pub counts: Vec<i64>,
    /// Whether the last has all that are longer, too.
    pub has_longer: bool,
}

impl Bins {
    /// Where the last bar ends.
    pub fn end_ms(&self) -> DurationMs {
        let bars = i64::try_from(self.counts.len()).unwrap_or(i64::MAX);
        self.width_ms.saturating_mul(bars)
    }
}

/// The histogram of sorted durations. A few that are far longer than the rest go into the last bar.
pub(super) fn bins(sorted: &[DurationMs], p95: DurationMs) -> Bins {
    let longest = sorted.last().copied().unwrap_or(0).max(1);
    let end = longest.min(p95.saturating_mul(2).max(1_000));
    let width = BIN_SECONDS
        .iter()
        .map(|seconds| seconds * 1_000)
        .find(|width| end / width < BINS)
        .unwrap_or_else(|| end / BINS + 1);
    let bars = usize::try_from(end / width + 1).unwrap_or(1);
    let mut counts = vec![0; bars];
    for duration in sorted {
        let bar = usize::try_from((*duration).max(0) / width).unwrap_or(usize::MAX);
        counts[bar.min(bars - 1)] += 1;
    }
    Bins {
        width_ms: width,
        has_longer: longest / width >= i64::try_from(bars).unwrap_or(i64::MAX),
        counts,
    }
}

/// The least round number that is not below `value`: of two digits at the most, and zeros.
pub(super) fn round_up(value: i64) -> i64 {
    let small = [1, 2, 3, 4, 5, 6, 8]
        .into_iter()
        .find(|round| *round >= value);
    if let Some(round) = small {
        return round;
    }
    let mut unit: i64 = 1;
    loop {
        for factor in [10, 12, 15, 20, 25, 30, 40, 50, 60, 80] {
            let round = unit.saturating_mul(factor);
            if round >= value {
                return round;
            }
        }
        unit = unit.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_put_where_it_belongs_and_never_outside() {
        for (value, from, to, expected) in [
            (0, 0, 10, 0),
            (5, 0, 10, 500),
            (10, 0, 10, 1000),
            (-5, 0, 10, 0),
            (99, 0, 10, 1000),
            (3, 3, 3, 0),
            (3, 9, 3, 0),
            (i64::MAX, i64::MIN, i64::MAX, 1000),
        ] {
            assert_eq!(along(value, from, to, 1000), expected, "{value}");
        }
    }

    #[test]
    fn a_line_of_steps_begins_at_nothing_and_reaches_the_edge() {
        let frame = Frame {
            from: 0,
            to: 1_000,
            top: 4,
        };
        for (times, each, expected) in [
            (&[][..], 1, "M0 200H1000"),
            (&[500], 1, "M0 200H500V150H1000"),
            (&[0, 500], 1, "M0 200H0V150H500V100H1000"),
            // At the same time, and too close together to be told apart.
            (&[500, 500, 501], 1, "M0 200H500V50H1000"),
            (&[500], 2, "M0 200H500V100H1000"),
            // A sample may come to more than there are.
            (&[500], 9, "M0 200H500V0H1000"),
            (&[-5, 2_000], 1, "M0 200H0V150H1000V100H1000"),
        ] {
            assert_eq!(steps(times, each, frame), expected, "{times:?}");
        }
        let many: Vec<_> = (0..100_000).collect();
        let frame = Frame {
            from: 0,
            to: 100_000,
            top: 100_000,
        };
        let path = steps(&many, 1, frame);
        assert!(path.matches('H').count() <= 202, "{path}");
        assert!(path.ends_with("V0H1000"), "{path}");
    }

    #[test]
    fn a_bar_is_filled_and_each_state_in_it_can_be_seen() {
        for (counts, expected) in [
            (&[][..], vec![]),
            (&[0, 0], vec![(0, 0), (0, 0)]),
            (&[1], vec![(0, 1000)]),
            (&[1, 1], vec![(0, 500), (500, 500)]),
            (&[2, 0, 1], vec![(0, 667), (667, 0), (667, 333)]),
            (&[100_000, 1], vec![(0, 994), (994, 6)]),
        ] {
            assert_eq!(stack(counts), expected, "{counts:?}");
        }
    }

    #[test]
    fn durations_are_put_into_bars_that_can_be_read() {
        let bins_of = |sorted: &[DurationMs]| {
            let p95 = crate::core::trend::percentile(sorted, 95).unwrap_or(0);
            let bins = bins(sorted, p95);
            (bins.width_ms, bins.counts, bins.has_longer)
        };
        assert_eq!(bins_of(&[]), (1_000, vec![0], false));
        assert_eq!(bins_of(&[0]), (1_000, vec![1], false));
        assert_eq!(
            bins_of(&[1_500, 1_600, 3_000]),
            (1_000, vec![0, 2, 0, 1], false)
        );
        // One in a hundred took a day.
        let mut sorted = vec![10_000; 99];
        sorted.push(86_400_000);
        let (width, counts, has_longer) = bins_of(&sorted);
        assert_eq!((width, counts.len(), has_longer), (1_000, 21, true));
        assert_eq!(counts.iter().sum::<i64>(), 100);
        assert_eq!((counts[10], counts[20]), (99, 1));
        let far = bins_of(&[i64::MAX - 1, i64::MAX]);
        assert!(far.1.len() <= 25, "{far:?}");
    }

    #[test]
    fn an_axis_ends_at_a_round_number() {
        for (value, expected) in [
            (-1, 1),
            (0, 1),
            (1, 1),
            (3, 3),
            (7, 8),
            (9, 10),
            (11, 12),
            (60_001, 80_000),
            (1_900_000, 2_000_000),
            (i64::MAX, i64::MAX),
        ] {
            assert_eq!(round_up(value), expected, "{value}");
        }
    }
}
