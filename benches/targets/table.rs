//! The one table that everything ends in.

/// A figure beside its target.
pub struct Row {
    /// The number of the target, and what was measured.
    pub target: &'static str,
    /// What was measured.
    pub what: String,
    /// What is asked for.
    pub wanted: String,
    /// What was seen.
    pub seen: String,
    /// How it compares with something measured in the same run.
    pub ratio: String,
    /// Whether the target is met.
    pub is_met: bool,
}

impl Row {
    /// A figure that is to be at least `wanted`.
    pub fn at_least(
        target: &'static str,
        what: &str,
        seen: f64,
        wanted: f64,
        unit: &'static str,
    ) -> Self {
        Self {
            target,
            what: what.to_owned(),
            wanted: format!("at least {} {unit}", figure(wanted)),
            seen: format!("{} {unit}", figure(seen)),
            ratio: String::new(),
            is_met: seen >= wanted,
        }
    }

    /// A figure that is to be at most `wanted`.
    pub fn at_most(
        target: &'static str,
        what: &str,
        seen: f64,
        wanted: f64,
        unit: &'static str,
    ) -> Self {
        Self {
            wanted: format!("at most {} {unit}", figure(wanted)),
            is_met: seen <= wanted,
            ..Self::at_least(target, what, seen, wanted, unit)
        }
    }

    /// A figure that is to be at most `times` a limit of the machine, measured in this run.
    pub fn at_most_times(
        target: &'static str,
        what: &str,
        seen: f64,
        (times, limit, limit_is): (f64, f64, &str),
        unit: &'static str,
    ) -> Self {
        Self::at_most(target, what, seen, times * limit, unit).ratio(format!(
            "{} x {limit_is}, {} {unit}; at most {}",
            figure(seen / limit),
            figure(limit),
            figure(times)
        ))
    }

    /// A figure that is to be at least `times` a limit of the machine, measured in this run.
    pub fn at_least_times(
        target: &'static str,
        what: &str,
        seen: f64,
        (times, limit, limit_is): (f64, f64, &str),
        unit: &'static str,
    ) -> Self {
        Self::at_least(target, what, seen, times * limit, unit).ratio(format!(
            "{} x {limit_is}, {} {unit}; at least {}",
            figure(seen / limit),
            figure(limit),
            figure(times)
        ))
    }

    /// With how it compares.
    pub fn ratio(mut self, ratio: String) -> Self {
        self.ratio = ratio;
        self
    }
}

fn figure(value: f64) -> String {
    if value != 0.0 && value.abs() < 10.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.0}")
    }
}

/// Prints the rows in columns.
pub fn print(rows: &[Row]) {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::ASCII_MARKDOWN);
    table.set_header(["target", "what", "wanted", "seen", "ratio", "met"]);
    for row in rows {
        table.add_row([
            row.target,
            &row.what,
            &row.wanted,
            &row.seen,
            &row.ratio,
            if row.is_met { "yes" } else { "NO" },
        ]);
    }
    println!("\n{table}");
}

/// The value below which `share` of `values` lie; they are sorted for it.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let rank = (last as f64 * share).round() as usize;
    values.get(rank).copied().unwrap_or(f64::NAN)
}
