//! PURE: what of a job is never sent with a create, and reads otherwise in the file.

use super::{Diff, Known, Verb};
use crate::core::{job::JobState, spec::JobSpec};

/// What differs of what is never sent with a create, and a word on it. A file that says nothing of
/// `expect`, `check_urls`, `protect` and `labels` leaves what is there. A field keeps its expectation when it is renamed;
/// another expectation waits for the fields that it is about.
pub(super) fn settings(
    wanted: &JobSpec,
    known: &Known<'_>,
    diff: &Diff,
) -> (Vec<&'static str>, Option<String>) {
    let is_updated = match diff.verb {
        Verb::Same | Verb::EditWaiting => false,
        Verb::Replace if known.is_replacing && known.state == Some(JobState::Failed) => false,
        Verb::UpdateFree | Verb::UpdatePaid | Verb::UpdateBoth => true,
        Verb::Create | Verb::Replace | Verb::Cancel | Verb::InFlight | Verb::Refused => {
            return Default::default();
        }
    };
    let Some(asked) = known.asked else {
        return Default::default();
    };
    let differs = |new: Option<String>, old: Option<String>| new.is_some() && new != old;
    let carried = asked.expect_json();
    let carried = carried.and_then(|expect| diff.changes.carry_expect(&expect));
    let expects_otherwise = differs(wanted.expect_json(), carried);
    let parts = [
        ("expect", expects_otherwise && !is_updated),
        (
            "check_urls",
            differs(wanted.check_urls_json(), asked.check_urls_json()),
        ),
        ("priority", wanted.priority != asked.priority),
        ("run_at", wanted.run_at != asked.run_at),
        (
            "protect",
            wanted
                .protect
                .is_some_and(|protect| protect != asked.protect.unwrap_or_default()),
        ),
        ("labels", labels_differ(wanted, asked)),
    ];
    let parts = parts.iter().filter(|(_, differs)| *differs);
    let parts: Vec<_> = parts.map(|(part, _)| *part).collect();
    let note = if expects_otherwise && is_updated {
        Some("expect reads otherwise now: apply again once the update is done".to_owned())
    } else {
        (!parts.is_empty()).then(|| {
            format!(
                "{} read otherwise now, which costs nothing and needs no request",
                parts.join(", ")
            )
        })
    };
    (parts, note)
}

/// A file that says nothing of labels leaves them; an empty object takes them away.
fn labels_differ(wanted: &JobSpec, asked: &JobSpec) -> bool {
    let there = asked.labels.clone().unwrap_or_default();
    wanted
        .labels
        .as_ref()
        .is_some_and(|labels| *labels != there)
}
