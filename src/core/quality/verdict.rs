//! PURE: the rules by which counts make a verdict.

use std::collections::BTreeMap;

use super::{
    FieldJudgement, Judgement, Quality, RULES, Wanted, WantedField,
    kind::Kind,
    tally::{Path, Tally},
};
use crate::core::nearest::nearest;

/// So many paths are told of where no fields were asked for.
const MAX_TOLD: usize = 100;

/// So many fields at fault, or keys beside a missing one, are named in a sentence.
const MAX_NAMED: usize = 3;

/// So many values like those of a consent page, and no others, are no coincidence.
const MIN_WALLS: u64 = 2;

type Fault = (Quality, String);

/// The verdict on what was counted.
pub(super) fn of(tally: &Tally<'_>, fits_examples_alone: bool, min_fill: f64) -> Judgement {
    let wanted = tally.wanted();
    let mut fields: BTreeMap<String, FieldJudgement> = BTreeMap::new();
    for (number, field) in wanted.fields.iter().enumerate() {
        if let Some(path) = tally.of_wanted(number) {
            let fault = of_field(tally, path, field, min_fill);
            fields.insert(field.path.clone(), told(path, fault));
        }
    }
    if !wanted.has_fields {
        let found = tally
            .paths
            .iter()
            .skip(1)
            .filter(|path| path.wanted.is_none());
        for path in found.filter(|path| path.total.seen > 0).take(MAX_TOLD) {
            let fault = (path.is_common && path.is_lacking).then(|| {
                let why = "it is on one page and not on another".to_owned();
                (Quality::Thin, why)
            });
            fields.insert(tally.name(path), told(path, fault));
        }
    }
    let whole = of_whole(tally, wanted, fits_examples_alone);
    let worst = fields.values().map(|field| field.quality).max();
    let quality = whole.as_ref().map(|(quality, _)| *quality).max(worst);
    Judgement {
        quality: quality.unwrap_or(Quality::Ok),
        rules: RULES,
        reason: whole.map(|(_, why)| why).or_else(|| summary(&fields)),
        min_fill,
        pages: tally.pages,
        checks: Vec::new(),
        fields,
    }
}

fn told(path: &Path, fault: Option<Fault>) -> FieldJudgement {
    let (quality, reason) =
        fault.map_or((Quality::Ok, None), |(quality, why)| (quality, Some(why)));
    FieldJudgement {
        quality,
        places: path.total.places,
        filled: path.total.filled,
        types: path.kinds.seen().into_iter().map(Kind::as_str).collect(),
        samples: path.samples.clone(),
        reason,
    }
}

/// What is wrong with the result as a whole.
fn of_whole(tally: &Tally<'_>, wanted: &Wanted, fits_examples_alone: bool) -> Option<Fault> {
    if let Some(why) = &tally.unreadable {
        return Some((Quality::Bad, format!("a result cannot be read: {why}")));
    }
    if tally.pages_filled == 0 {
        return Some((Quality::Bad, "nothing was found on any page".to_owned()));
    }
    if fits_examples_alone {
        let why = "nothing was found on any of the held-out pages (check_urls)".to_owned();
        return Some((Quality::Bad, why));
    }
    if !wanted.has_fields && tally.pages_filled < tally.pages {
        let (filled, pages) = (tally.pages_filled, tally.pages);
        let why = format!("something was found on {filled} of {pages} pages only");
        return Some((Quality::Thin, why));
    }
    let problem = wanted.problems.first()?;
    Some((Quality::Thin, format!("not all can be judged: {problem}")))
}

fn of_field(tally: &Tally<'_>, path: &Path, field: &WantedField, min_fill: f64) -> Option<Fault> {
    let counts = path.total;
    let is_optional = is_optional(tally.wanted(), field);
    if let Some(missed) = &path.missed {
        return Some((Quality::Bad, missed.clone()));
    }
    if is_optional && counts.filled == 0 {
        return None;
    }
    let walls = if path.walls > 0 {
        "; there is the text of a consent page or of a check for robots"
    } else {
        ""
    };
    // Once, it may be a title; again and again it is the page that kept the parser out.
    if path.walls >= MIN_WALLS && path.walls == path.values {
        let why = "each value is the text of a consent page or of a check for robots".to_owned();
        return Some((Quality::Bad, why));
    }
    if counts.filled == 0 {
        let why = if counts.seen == 0 {
            format!("it is missing{}", beside(tally, path))
        } else {
            format!("it is empty in all of its {} places{walls}", counts.places)
        };
        return Some((Quality::Bad, why));
    }
    if !is_optional && path.pages_filled < tally.pages {
        let why = format!(
            "it is filled on {} of {} pages only{walls}",
            path.pages_filled, tally.pages
        );
        return Some((Quality::Thin, why));
    }
    let at_least = |share: u64, of: u64| share as f64 >= min_fill * of as f64;
    if !is_optional && !at_least(counts.filled, counts.places) {
        let why = format!(
            "it is filled in {} of its {} places only{walls}",
            counts.filled, counts.places
        );
        return Some((Quality::Thin, why));
    }
    if path.pages_usable < path.pages_filled && !is_parent(path, field) {
        let wanted = field.kind.map_or("value", Kind::as_str);
        let why = format!(
            "it is of type {wanted} on {} of the {} pages on which it is filled",
            path.pages_usable, path.pages_filled
        );
        return Some((Quality::Thin, why));
    }
    // An object or an array in place of a list of fields is what those fields are judged by.
    if !at_least(counts.usable, counts.filled) && !is_parent(path, field) {
        let wanted = field.kind.map_or("value", Kind::as_str);
        let why = format!(
            "it is not of type {wanted} in {} of the {} places where it is filled",
            counts.filled - counts.usable,
            counts.filled
        );
        return Some((Quality::Thin, why));
    }
    None
}

/// Whether the field may be missing: it, or what it is within.
fn is_optional(wanted: &Wanted, field: &WantedField) -> bool {
    let holds = |other: &WantedField| {
        field
            .path
            .strip_prefix(&other.path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let mut optional = wanted
        .fields
        .iter()
        .filter(|other| other.expectation.is_optional);
    optional.any(holds)
}

fn is_parent(path: &Path, field: &WantedField) -> bool {
    field.kind != Some(Kind::Array) && path.leads_to_wanted
}

/// What stands where a missing key ought to be.
fn beside(tally: &Tally<'_>, path: &Path) -> String {
    let keys: Vec<&str> = tally.beside(path).collect();
    let Some(first) = nearest(&path.key, keys.iter().copied()).or(keys.first().copied()) else {
        return String::new();
    };
    let others = keys.iter().copied().filter(|key| *key != first);
    let named: Vec<&str> = std::iter::once(first)
        .chain(others)
        .take(MAX_NAMED)
        .collect();
    format!("; there is {}", named.join(", "))
}

fn summary(fields: &BTreeMap<String, FieldJudgement>) -> Option<String> {
    let mut at_fault: Vec<_> = fields
        .iter()
        .filter(|(_, field)| field.quality > Quality::Ok)
        .collect();
    at_fault.sort_by_key(|(_, field)| std::cmp::Reverse(field.quality));
    let sentence = |(name, field): &(&String, &FieldJudgement)| {
        let why = field.reason.as_deref().unwrap_or_default();
        format!("{name}: {why}")
    };
    let mut named: Vec<String> = at_fault.iter().take(MAX_NAMED).map(sentence).collect();
    if at_fault.len() > MAX_NAMED {
        named.push(format!("and {} more", at_fault.len() - MAX_NAMED));
    }
    (!named.is_empty()).then(|| named.join("; "))
}
