//! What was foreseen of a create, in words.

use serde_json::Value;

use crate::{
    core::{
        job::UnixMs,
        preflight::{Record, Verdict},
    },
    present::format::{count, relative},
    store::{foresight::Foresight, report::JobRow},
};

/// What was found of a job's pages, and with what it was sent, a line each: what, and the text.
pub(crate) fn lines(row: &JobRow, now: UnixMs) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if let Some(json) = &row.preflight {
        match serde_json::from_value::<Record>(json.clone()) {
            Ok(record) => lines.extend(found(record, now)),
            // Another version wrote it.
            Err(_) => lines.push(("preflight", text(json))),
        }
    }
    if let Some(params) = &row.effective_params {
        lines.push(("sent with", text(params)));
    }
    lines
}

fn text(json: &Value) -> String {
    match json {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn found(record: Record, now: UnixMs) -> impl Iterator<Item = (&'static str, String)> {
    let Record { at, foreseen } = record;
    let verdict = format!(
        "{}: {} ({}, {})",
        foreseen.verdict,
        words(foreseen.verdict),
        count(usize::try_from(foreseen.credits).unwrap_or(0), "credit"),
        relative(at, now)
    );
    let seen = match (foreseen.page, foreseen.seen) {
        (Some(page), Some(seen)) => Some(format!("{page}: {seen}")),
        (page, seen) => page.or(seen),
    };
    let others = [
        ("seen", seen),
        ("cure", foreseen.cure),
        ("set beside", foreseen.set),
    ];
    let others = others
        .into_iter()
        .filter_map(|(what, text)| Some((what, text?)));
    std::iter::once(("preflight", verdict)).chain(others)
}

const fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "nothing speaks against a create",
        Verdict::Gone => "a page is not there",
        Verdict::Blocked => "a page is refused",
        Verdict::NeedsJs => "the pages need their JavaScript",
        Verdict::MixedTypes => "the pages are of different types",
        Verdict::Login => "a page asks for a password",
        Verdict::Unknown => "it could not be found out",
    }
}

/// What was foreseen against what came of it: how many jobs, and which.
pub(crate) const fn table(foresight: &Foresight) -> [(i64, &'static str); 5] {
    [
        (foresight.foreseen_failed, "foreseen to fail and failed"),
        (
            foresight.foreseen_worked,
            "foreseen to fail and worked all the same",
        ),
        (foresight.unforeseen_failed, "not foreseen and failed"),
        (foresight.unforeseen_worked, "not foreseen and worked"),
        (
            foresight.not_sent,
            "foreseen to fail and not sent, so that nobody knows",
        ),
    ]
}
