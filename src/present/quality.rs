//! What a parser is worth, in words.

use serde::Deserialize;
use serde_json::value::RawValue;

/// `quality_detail`, as far as it is told.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Detail {
    /// Why, in a sentence.
    #[serde(default)]
    pub reason: Option<String>,
    #[serde(default)]
    checks: Vec<Check>,
    #[serde(default)]
    fields: std::collections::BTreeMap<String, Field>,
}

#[derive(Debug, Deserialize)]
struct Check {
    url: String,
    #[serde(default)]
    why: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Field {
    quality: String,
    places: u64,
    filled: u64,
    #[serde(default)]
    samples: Vec<String>,
    #[serde(default)]
    reason: Option<String>,
}

impl Detail {
    /// Reads it; what another version wrote otherwise says nothing.
    pub(crate) fn of(detail: Option<&RawValue>) -> Self {
        let read = detail.and_then(|detail| serde_json::from_str(detail.get()).ok());
        read.unwrap_or_default()
    }

    /// The held-out pages, each with why it says nothing, if it does not.
    pub(crate) fn checks(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let checks = self.checks.iter();
        checks.map(|check| (check.url.as_str(), check.why.as_deref()))
    }

    /// A line for each field: its name, and what it is like.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&str, String)> {
        self.fields.iter().map(|(name, field)| {
            let fill = format!("{} of {} filled", field.filled, field.places);
            let samples = match field.samples.as_slice() {
                [] => String::new(),
                samples => format!(", such as {}", samples.join(" | ")),
            };
            let why = field.reason.as_ref();
            let why = why.map_or_else(String::new, |why| format!(": {why}"));
            (
                name.as_str(),
                format!("{}, {fill}{samples}{why}", field.quality),
            )
        })
    }
}
