//! Sections `preflight` and `ladder`: what is spent so that a create works.

use url::Url;

use super::{
    MAX_CREDITS, SERVICE_HOST, millis,
    read::{self, Reader},
};
use crate::{
    config::error::BadValue,
    core::{job::DurationMs, preflight::Mode},
};

/// Where the real service's account fetches pages.
const FETCH_URL: &str = "https://api.scraperapi.com/";

/// Section `preflight`.
#[derive(Debug, Clone)]
pub struct PreflightSettings {
    /// What is done before a create.
    pub mode: Mode,
    /// What the fetches for one job may cost together, in credits; at least 1.
    pub max_credits_per_job: i64,
    /// A verdict that is younger is not asked anew.
    pub max_age_ms: DurationMs,
    /// Where pages are fetched; there where the mode is not off.
    pub url: Option<Url>,
}

/// Section `ladder`, where it is enabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LadderSettings {
    /// The creates of one job, the first included; at least 1.
    pub max_creates_per_job: u32,
    /// The most that further creates may cost in a UTC day, in credits; None for what the budget
    /// allows.
    pub max_credits_per_day: Option<i64>,
}

pub(super) fn preflight(r: &mut Reader, base_url: Option<&Url>) -> Option<PreflightSettings> {
    let mode = r.name("preflight.mode", Mode::ALL, Mode::as_str);
    let max_credits_per_job = r.integer("preflight.max_credits_per_job", 1..=MAX_CREDITS);
    let max_age_ms = millis(r.duration("preflight.max_age"));
    let is_given = r.text("preflight.url").is_some();
    let url = match r.optional("preflight.url", read::service_url) {
        // Blank is a word here: nowhere.
        None if !is_given => base_url.and_then(known_fetch_url),
        url => url,
    };
    let mode = mode?;
    // An address that was refused is reported already.
    let has_url = url.is_some() || base_url.is_none() || r.has_value("preflight.url");
    if mode != Mode::Off && !has_url {
        let problem = format!("{mode} fetches pages, and it is not known where");
        let cure = "\"off\", or the address of the fetch API into preflight.url";
        r.refuse("preflight.mode", BadValue::new(problem, cure));
    }
    Some(PreflightSettings {
        mode,
        max_credits_per_job,
        max_age_ms,
        url,
    })
}

fn known_fetch_url(base_url: &Url) -> Option<Url> {
    let real = base_url.host_str() == Some(SERVICE_HOST);
    real.then(|| Url::parse(FETCH_URL).ok()).flatten()
}

pub(super) fn ladder(r: &mut Reader) -> Option<LadderSettings> {
    const BOUNDS: [&str; 3] = [
        "ladder.max_credits_per_day",
        "budget.max_credits_per_day",
        "budget.max_credits",
    ];
    let is_enabled = r.bool("ladder.enabled");
    let ladder = LadderSettings {
        max_creates_per_job: r.integer("ladder.max_creates_per_job", 1..=10),
        max_credits_per_day: r.optional("ladder.max_credits_per_day", |text| {
            read::integer(text, &(0..=MAX_CREDITS))
        }),
    };
    if is_enabled && !BOUNDS.iter().any(|key| r.has_value(key)) {
        let problem = "it pays for creates that nobody asked for, and nothing bounds that";
        let cure = format!(
            "false, or a bound into {} or {}",
            BOUNDS[..2].join(", "),
            BOUNDS[2]
        );
        r.refuse("ladder.enabled", BadValue::new(problem, cure));
    }
    is_enabled.then_some(ladder)
}
