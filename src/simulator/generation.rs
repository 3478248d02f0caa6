//! What the service would make of a parser: how long it takes, whether it
//! comes to anything, and what it extracts. Pure; all chance comes from the seed.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::pages::{self, Shown, host};
use crate::core::job::DurationMs;

/// The median time a generation takes, in milliseconds.
pub const MEDIAN_GENERATION_MS: f64 = 60_000.0;

/// Spread of the log-normal distribution: one generation in twelve takes longer
/// than the 163.4 s of the service's own example, one in a hundred over 5 minutes.
const GENERATION_SIGMA: f64 = 0.7;

/// No generation is drawn outside these bounds, in milliseconds, before scaling.
const GENERATION_BOUNDS_MS: (f64, f64) = (5_000.0, 1_500_000.0);

/// A source of chance that depends on nothing but its arguments.
///
/// `subject` is a parser's name where there is one: so the same jobs meet the
/// same fate in whatever order concurrent requests happen to arrive.
pub(super) fn chance(seed: u64, purpose: &str, subject: &str, nth: u64) -> fastrand::Rng {
    let mut hasher = Sha256::new();
    hasher.update(seed.to_le_bytes());
    hasher.update(nth.to_le_bytes());
    hasher.update(purpose.as_bytes());
    hasher.update([0]);
    hasher.update(subject.as_bytes());
    let digest = hasher.finalize();
    let mut word = [0; 8];
    word.copy_from_slice(&digest[..8]);
    fastrand::Rng::with_seed(u64::from_le_bytes(word))
}

/// Draws how long a generation takes: log-normal, median 60 s, times `scale`.
pub(super) fn draw_generation_ms(rng: &mut fastrand::Rng, scale: f64) -> DurationMs {
    // Box-Muller; 1 - f64() is never 0, so its logarithm is finite.
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    let normal = radius * (std::f64::consts::TAU * rng.f64()).cos();
    let unscaled_ms = MEDIAN_GENERATION_MS * (GENERATION_SIGMA * normal).exp();
    let (shortest_ms, longest_ms) = GENERATION_BOUNDS_MS;
    (unscaled_ms.clamp(shortest_ms, longest_ms) * scale).round() as DurationMs
}

/// Draws a parser id: opaque, and a UUID only one time in three, since the
/// service's own samples are none.
pub(super) fn draw_parser_id(rng: &mut fastrand::Rng) -> String {
    let groups: &[usize] = match rng.u8(0..3) {
        0 => {
            let (high, low) = (rng.u64(..), rng.u64(..));
            return format!(
                "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
                high >> 32,
                (high >> 16) & 0xffff,
                high & 0xfff,
                0x8000 | ((low >> 48) & 0x3fff),
                low & 0xffff_ffff_ffff,
            );
        }
        1 => &[8, 4, 4, 4, 12],
        _ => &[20],
    };
    let group = |&length: &usize, rng: &mut fastrand::Rng| -> String {
        (0..length).map(|_| rng.lowercase_or_digit()).collect()
    };
    let groups: Vec<String> = groups.iter().map(|length| group(length, rng)).collect();
    groups.join("-")
}

/// A character for an id.
trait LowercaseOrDigit {
    fn lowercase_or_digit(&mut self) -> char;
}

impl LowercaseOrDigit for fastrand::Rng {
    fn lowercase_or_digit(&mut self) -> char {
        if self.u8(0..36) < 10 {
            self.digit(10)
        } else {
            self.lowercase()
        }
    }
}

/// Why a generation from these example pages fails, or `None` if it does not: what of a page is shown
/// to these parameters ([`pages`]), or pages of different types, which are those of different hosts
/// and those whose URLs contain `mixed`.
pub(super) fn failure(urls: &[String], scraper_params: &Value) -> Option<String> {
    let effort = pages::effort(scraper_params);
    let failures = urls.iter().map(|url| Shown::of(url, effort).failure(url));
    if let Some(text) = failures.flatten().next() {
        return Some(text);
    }
    let first_host = urls.first().map(|url| host(url));
    let is_mixed = urls
        .iter()
        .any(|url| url.contains("mixed") || Some(host(url)) != first_host);
    is_mixed.then(|| "The example URLs are of different page types".to_owned())
}

/// The fields that the service settles on where a create leaves them out.
pub(super) fn inferred_fields() -> Vec<Value> {
    vec![
        json!({"name": "title", "description": "The title of the item", "type": "string"}),
        json!({"name": "price", "description": "The price of the item", "type": "number"}),
        json!({"name": "tags", "description": "The labels of the item", "type": "array"}),
    ]
}

/// What a parser with these fields extracts from a page. Dots in a field's name
/// nest; under a field of type `array` stands a list of objects.
pub(super) fn extract(fields: &[Value], url: &str) -> Value {
    let leaves: Vec<(&str, &str)> = fields
        .iter()
        .filter_map(|field| {
            let kind = field.get("type").and_then(Value::as_str);
            Some((field.get("name")?.as_str()?, kind.unwrap_or("string")))
        })
        .collect();
    extract_object(&leaves, url)
}

fn extract_object(leaves: &[(&str, &str)], url: &str) -> Value {
    let mut object = Map::new();
    for (name, kind) in leaves {
        let head = name.split('.').next().unwrap_or(name);
        if object.contains_key(head) {
            continue;
        }
        let children: Vec<(&str, &str)> = leaves
            .iter()
            .filter_map(|(name, kind)| Some((name.strip_prefix(head)?.strip_prefix('.')?, *kind)))
            .collect();
        let value = match (children.is_empty(), leaves.contains(&(head, "array"))) {
            (true, _) => extract_leaf(head, kind, url),
            (false, true) => json!([extract_object(&children, url)]),
            (false, false) => extract_object(&children, url),
        };
        object.insert(head.to_owned(), value);
    }
    Value::Object(object)
}

fn extract_leaf(name: &str, kind: &str, url: &str) -> Value {
    match kind {
        "number" => json!(f64::from(chance(0, name, url, 0).u16(100..10_000)) / 100.0),
        "array" => json!([format!("{name} 1"), format!("{name} 2")]),
        _ => json!(format!("The {name} of {url}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generation_times_have_a_median_of_a_minute_and_a_long_tail() {
        let mut drawn: Vec<DurationMs> = (0..4_001)
            .map(|nth| draw_generation_ms(&mut chance(7, "generation", "name", nth), 1.0))
            .collect();
        drawn.sort_unstable();
        assert!((55_000..65_000).contains(&drawn[2_000]), "{}", drawn[2_000]);
        assert!(drawn[3_960] > 240_000, "{}", drawn[3_960]);
        assert!(drawn[0] >= 5_000 && drawn[4_000] <= 1_500_000);
    }

    #[test]
    fn generation_times_scale_down_to_nothing() {
        let draw = |scale| draw_generation_ms(&mut chance(7, "generation", "name", 0), scale);
        assert_eq!(draw(0.0), 0);
        assert!((draw(0.001) - draw(1.0) / 1_000).abs() <= 1);
    }

    #[test]
    fn parser_ids_are_unique_and_mostly_not_uuids() {
        let ids: std::collections::HashSet<String> = (0..1_000)
            .map(|nth| draw_parser_id(&mut chance(7, "id", "name", nth)))
            .collect();
        assert_eq!(ids.len(), 1_000);
        let hexadecimal = ids
            .iter()
            .filter(|id| id.chars().all(|c| c == '-' || c.is_ascii_hexdigit()));
        assert!((200..500).contains(&hexadecimal.count()));
    }

    #[test]
    fn generation_fails_for_the_documented_causes_and_only_then() {
        let blocked = "https://a.example/blocked/1";
        let download = format!("DownloadError: Failed to download {blocked} after 3 retries");
        let nothing = "ExtractionError: No data could be extracted from https://a.example/needs-js";
        let mixed = "The example URLs are of different page types";
        let cases: &[(&[&str], Value, Option<&str>)] = &[
            (&["https://a.example/1"], json!({}), None),
            (&[blocked], json!({}), Some(&download)),
            (&[blocked], json!({"premium": false}), Some(&download)),
            (&[blocked], json!({"premium": true}), None),
            (&[blocked], json!({"ultra_premium": true}), None),
            (&["https://a.example/needs-js"], Value::Null, Some(nothing)),
            (
                &["https://a.example/needs-js"],
                json!({"render": true}),
                None,
            ),
            (&["https://a.example/mixed"], json!({}), Some(mixed)),
            (
                &["https://a.example/1", "https://b.example/1"],
                json!({}),
                Some(mixed),
            ),
            (
                &["https://a.example/1", "https://www.a.example/2"],
                json!({}),
                None,
            ),
        ];
        for (urls, params, expected) in cases {
            let urls: Vec<String> = urls.iter().map(|&url| url.to_owned()).collect();
            assert_eq!(
                failure(&urls, params).as_deref(),
                *expected,
                "{urls:?} {params}"
            );
        }
    }

    #[test]
    fn extracted_data_has_the_shape_of_the_fields() {
        let fields = [
            json!({"name": "title", "description": "d"}),
            json!({"name": "seller.name", "description": "d", "type": "string"}),
            json!({"name": "products", "description": "d", "type": "array"}),
            json!({"name": "products.price", "description": "d", "type": "number"}),
            json!({"name": "tags", "description": "d", "type": "array"}),
        ];
        let result = extract(&fields, "https://a.example/1");
        assert!(result["title"].is_string());
        assert!(result["seller"]["name"].is_string());
        assert!(result["products"][0]["price"].is_number());
        assert!(result["tags"][1].is_string());
    }
}
