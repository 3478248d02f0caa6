//! From the texts of the layers to values: each reader notes what is wrong and goes
//! on, so that all of it is reported at once.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use ::config::ValueKind;
use url::{Host, Url};

use super::error::{BadValue, ConfigError};
use super::layers::FoundValue;
use crate::core::duration::{self, NoDuration};
use crate::core::nearest::did_you_mean;
use crate::core::spec::shown;

/// The longest duration that any key takes.
const MAX_DURATION: Duration = Duration::from_secs(3650 * 24 * 3600);
const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];

/// The values of all layers, and the problems found on the way.
pub(super) struct Reader {
    pub values: BTreeMap<&'static str, FoundValue>,
    pub problems: Vec<ConfigError>,
}

impl Reader {
    /// The text of a key and where it came from.
    pub fn text(&self, key: &str) -> Option<(String, String)> {
        let found = self.values.get(key)?;
        let text = match &found.value {
            ValueKind::String(text) => text.clone(),
            other => other.to_string(),
        };
        Some((text, found.origin.clone()))
    }

    /// Whether a key says anything: blank is as good as not set.
    pub fn has_value(&self, key: &str) -> bool {
        self.text(key)
            .is_some_and(|(text, _)| !text.trim().is_empty())
    }

    /// Notes what is wrong with a key.
    pub fn refuse(&mut self, key: &str, bad: BadValue) {
        let origin = self.values.get(key).map(|found| found.origin.clone());
        self.problems.push(bad.at(key, origin.unwrap_or_default()));
    }

    /// What a key says; None where it says nothing, or nothing of use.
    pub fn parsed<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, BadValue>,
    ) -> Option<T> {
        let (text, _) = self.text(key)?;
        parse(text.trim()).map_err(|bad| self.refuse(key, bad)).ok()
    }

    /// The same for a key without a default: blank is as good as not set.
    pub fn optional<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, BadValue>,
    ) -> Option<T> {
        let (text, _) = self.text(key)?;
        if text.trim().is_empty() {
            return None;
        }
        self.parsed(key, parse)
    }

    pub fn duration(&mut self, key: &str) -> Duration {
        self.parsed(key, duration).unwrap_or_default()
    }

    pub fn integer<T: FromStr + Default + PartialOrd + std::fmt::Display>(
        &mut self,
        key: &str,
        range: RangeInclusive<T>,
    ) -> T {
        self.parsed(key, |text| integer(text, &range))
            .unwrap_or_default()
    }

    pub fn multiplier(&mut self, key: &str) -> f64 {
        self.parsed(key, multiplier).unwrap_or_default()
    }

    /// A share, from 0 to 1.
    pub fn share(&mut self, key: &str) -> f64 {
        self.parsed(key, share).unwrap_or_default()
    }

    pub fn bool(&mut self, key: &str) -> bool {
        self.parsed(key, bool).unwrap_or_default()
    }

    /// One of the values of an enum, by its name.
    pub fn name<T: Copy>(
        &mut self,
        key: &str,
        all: &[T],
        as_str: fn(T) -> &'static str,
    ) -> Option<T> {
        self.parsed(key, |text| {
            let names: Vec<_> = all.iter().map(|value| as_str(*value)).collect();
            let found = all.iter().find(|value| as_str(**value) == text);
            found.copied().ok_or_else(|| unknown_name(text, &names))
        })
    }

    /// A list, or a text: with commas in it, or an array of texts as in a file.
    pub fn list(&self, key: &str) -> Vec<String> {
        let split = |text: &str| -> Vec<String> {
            let parts = text.split(',').map(str::trim);
            parts
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect()
        };
        match self.values.get(key).map(|found| &found.value) {
            Some(ValueKind::Array(items)) => items
                .iter()
                .filter_map(|item| item.clone().into_string().ok())
                .collect(),
            Some(ValueKind::String(text)) => array(text).unwrap_or_else(|| split(text)),
            _ => Vec::new(),
        }
    }

    /// Refuses a first interval that is longer than the longest.
    pub fn check_order(&mut self, first: &str, longest: &str, durations: (Duration, Duration)) {
        let max = self.text(longest);
        // A value that was refused is zero, and has been reported already.
        if let Some((text, origin)) =
            max.filter(|_| durations.0 > durations.1 && !durations.1.is_zero())
        {
            let problem = format!("is longer than {longest}, which is {text} ({origin})");
            self.refuse(
                first,
                BadValue::new(problem, format!("{text} or less, or a longer {longest}")),
            );
        }
    }
}

/// The texts of a TOML array. What is none may yet be a pattern: `[ab].toml`.
fn array(text: &str) -> Option<Vec<String>> {
    let table: toml::Table = format!("list = {text}").parse().ok()?;
    let items = table.get("list")?.as_array()?.iter();
    items.map(|item| item.as_str().map(str::to_owned)).collect()
}

pub(super) fn duration(text: &str) -> Result<Duration, BadValue> {
    let cure = "a duration such as 250ms, 5s, 15m or 24h";
    match duration::parse(text) {
        Err(NoDuration::Months { minutes }) => Err(BadValue::new(
            format!(
                "{} is not a valid duration (M would be months)",
                shown(text)
            ),
            format!("{} for minutes, or {cure}", shown(&minutes)),
        )),
        Err(error) => Err(BadValue::new(
            format!("{} is not a valid duration ({error})", shown(text)),
            cure,
        )),
        Ok(duration) if duration.as_millis() == 0 => Err(BadValue::new(
            format!("{} is less than a millisecond", shown(text)),
            cure,
        )),
        Ok(duration) if duration > MAX_DURATION => Err(BadValue::new(
            format!("{} is more than ten years", shown(text)),
            cure,
        )),
        Ok(duration) => Ok(duration),
    }
}

pub(super) fn integer<T: FromStr + PartialOrd + std::fmt::Display>(
    text: &str,
    range: &RangeInclusive<T>,
) -> Result<T, BadValue> {
    text.parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| {
            BadValue::new(
                format!("{} is not valid", shown(text)),
                format!("a whole number from {} to {}", range.start(), range.end()),
            )
        })
}

pub(super) fn multiplier(text: &str) -> Result<f64, BadValue> {
    text.parse()
        .ok()
        .filter(|number: &f64| number.is_finite() && *number >= 1.0)
        .ok_or_else(|| {
            BadValue::new(
                format!("{} is not valid", shown(text)),
                "a number from 1 up, such as 1.5",
            )
        })
}

fn share(text: &str) -> Result<f64, BadValue> {
    text.parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| {
            BadValue::new(
                format!("{} is not valid", shown(text)),
                "a number from 0 to 1, such as 0.5",
            )
        })
}

fn bool(text: &str) -> Result<bool, BadValue> {
    match text.to_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(BadValue::new(
            format!("{} is not valid", shown(text)),
            "true or false",
        )),
    }
}

pub(super) fn unknown_name(text: &str, names: &[&'static str]) -> BadValue {
    let near = did_you_mean(text, names.iter().copied());
    BadValue::new(
        format!("{} is unknown{near}", shown(text)),
        format!("one of {}", names.join(", ")),
    )
}

/// A URL of the service: https, or http on a loopback address.
pub(super) fn service_url(text: &str) -> Result<Url, BadValue> {
    let cure = "an address such as https://aiparser.scraperapi.com";
    // The text itself is not repeated before it is known to hold no password.
    let url = Url::parse(text)
        .map_err(|error| BadValue::new(format!("is not a valid URL ({error})"), cure))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(BadValue::new(
            "contains a user name or password",
            "the address alone; the key goes into api.key_file",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(BadValue::new(
            "contains a query or a fragment",
            "the address alone; the key goes into api.key_file",
        ));
    }
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err(BadValue::new(format!("{} has no host", shown(text)), cure)),
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        "http" => Err(BadValue::new(
            format!("{} would send the key unencrypted", shown(text)),
            "https:// (http:// is for a loopback address such as http://127.0.0.1:8080)",
        )),
        _ => Err(BadValue::new(
            format!("{} is neither http nor https", shown(text)),
            cure,
        )),
    }
}

/// An address with its port, of loopback unless `is_remote`; `localhost` stands for
/// 127.0.0.1.
pub(super) fn listen_address(text: &str, is_remote: bool) -> Result<SocketAddr, BadValue> {
    let cure = "a loopback address with a port, such as 127.0.0.1:9464; or set \
                http.remote = true, for /metrics and health only";
    let local = text
        .strip_prefix("localhost:")
        .and_then(|port| port.parse().ok())
        .map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    match local.map_or_else(|| text.parse::<SocketAddr>(), Ok) {
        Err(_) => Err(BadValue::new(
            format!("{} is not an address with a port", shown(text)),
            cure,
        )),
        Ok(address) if !is_remote && !address.ip().is_loopback() => Err(BadValue::new(
            format!("{} is open to other machines", shown(text)),
            cure,
        )),
        Ok(address) => Ok(address),
    }
}

/// The file of a `sqlite:` URL; a relative one is in `base`.
pub(super) fn database_path(text: &str, base: &Path) -> Result<PathBuf, BadValue> {
    let cure = "sqlite:// and a path, such as sqlite:///var/lib/parserd/parserd.db";
    let Some(rest) = text.strip_prefix("sqlite:") else {
        return Err(BadValue::new(
            format!("{} does not begin with sqlite:", shown(text)),
            cure,
        ));
    };
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path == ":memory:" || path.contains("mode=memory") {
        return Err(BadValue::new(
            "is a database in memory, and jobs must survive a restart",
            cure,
        ));
    }
    if path.contains('?') {
        return Err(BadValue::new(
            format!("{} contains options, and parserd sets its own", shown(text)),
            "the path alone",
        ));
    }
    if path.is_empty() || path.ends_with('/') {
        return Err(BadValue::new(
            format!("{} names no file", shown(text)),
            cure,
        ));
    }
    let file = base.join(path);
    match special(&file) {
        Some(what) => Err(BadValue::new(
            format!(
                "{} is {what}, and a database is a regular file",
                shown(text)
            ),
            cure,
        )),
        None => Ok(file),
    }
}

/// What is at a path, if it is something that SQLite must not even open: a FIFO would wait
/// for a writer, and jobs written to `/dev/null` are gone.
#[cfg(unix)]
fn special(path: &Path) -> Option<&'static str> {
    use std::os::unix::fs::FileTypeExt as _;
    // That it is not there, or not to be looked at, is found by opening it.
    let kind = path.metadata().ok()?.file_type();
    if kind.is_char_device() || kind.is_block_device() {
        Some("a device")
    } else if kind.is_fifo() {
        Some("a FIFO")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        None
    }
}

/// Elsewhere there are none of these.
#[cfg(not(unix))]
fn special(_path: &Path) -> Option<&'static str> {
    None
}

/// A level, or a filter of `tracing` in which each part without `=` is a level:
/// tracing itself would take a misspelt level for the name of a module.
pub(super) fn log_level(text: &str) -> Result<String, BadValue> {
    let is_level = |part: &str| LEVELS.contains(&part.to_lowercase().as_str());
    let bare = text
        .split(',')
        .map(str::trim)
        .find(|part| !part.contains(['=', '[', ']', '{', '}']) && !is_level(part));
    if let Some(part) = bare {
        return Err(unknown_name(part, LEVELS));
    }
    match text.parse::<tracing_subscriber::filter::Targets>() {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(BadValue::new(
            format!("{} is not a valid filter ({error})", shown(text)),
            "a level, or a filter such as info,parserd=debug",
        )),
    }
}

pub(super) fn glob_problem(pattern: &str) -> Option<BadValue> {
    glob::Pattern::new(pattern).err().map(|error| {
        BadValue::new(
            format!("{} is not a valid pattern ({error})", shown(pattern)),
            "paths or patterns separated by commas, such as /etc/parserd/jobs.d/*.toml, or an \
             array of them, such as [\"/etc/parserd/jobs.d/*.toml\"]",
        )
    })
}
