//! Which jobs: the selectors that commands share.

use super::named::Named;
use crate::{
    core::{
        job::{ErrorKind, JobState, ParkReason, UnixMs},
        nearest::did_you_mean,
        selector::{LabelSelector, NamePattern, Selector, Since},
        text::escaped,
    },
    present::format::quoted,
    store::{Store, StoreError},
};

/// Jobs by what they are. All that is given must hold; of several states, kinds or reasons one.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(id = "selection", multiple = true)]
pub struct SelectorArgs {
    /// Jobs in this state; may be repeated
    #[arg(long = "state", value_name = "STATE", value_parser = STATE)]
    states: Vec<JobState>,

    /// Jobs with this error_kind; may be repeated
    #[arg(long = "error-kind", value_name = "KIND", value_parser = ERROR_KIND)]
    error_kinds: Vec<ErrorKind>,

    /// Jobs PARKED for this reason; may be repeated
    #[arg(long = "park-reason", value_name = "REASON", value_parser = PARK_REASON)]
    park_reasons: Vec<ParkReason>,

    #[command(flatten)]
    named: NamedArgs,

    /// Jobs changed since then: a time, or so long ago, such as 2h
    #[arg(long, value_name = "SINCE")]
    since: Option<Since>,

    /// So many at most, those with the lowest ids
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
}

/// Jobs, or parsers, by label and name.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(id = "named", multiple = true)]
pub struct NamedArgs {
    /// Those with this label; repeated, with all of them
    #[arg(long = "label", value_name = "KEY=VALUE")]
    labels: Vec<LabelSelector>,

    /// Those whose name matches a pattern, in quotes: * for any characters, ? for one, [a-c]
    #[arg(long = "name", value_name = "GLOB")]
    glob: Option<NamePattern>,
}

impl SelectorArgs {
    /// What is selected, seen from `now`.
    pub(super) fn selector(&self, now: UnixMs) -> Selector {
        Selector {
            states: self.states.clone(),
            error_kinds: self.error_kinds.clone(),
            park_reasons: self.park_reasons.clone(),
            since: self.since.map(|since| since.at(now)),
            limit: self.limit,
            ..self.named.selector()
        }
    }
}

impl NamedArgs {
    /// What is selected.
    pub(super) fn selector(&self) -> Selector {
        Selector {
            labels: self.labels.clone(),
            name: self.glob.as_ref().map(|glob| glob.0.clone()),
            ..Selector::default()
        }
    }
}

const STATE: Named<JobState> = Named::new(|| names(JobState::ALL, |state| state.as_str()), state);
const ERROR_KIND: Named<ErrorKind> =
    Named::new(|| names(ErrorKind::ALL, |kind| kind.as_str()), error_kind);
const PARK_REASON: Named<ParkReason> = Named::new(
    || names(ParkReason::ALL, |reason| reason.as_str()),
    park_reason,
);

fn names<T>(all: &[T], name: fn(&T) -> &'static str) -> Vec<&'static str> {
    all.iter().map(name).collect()
}

/// A state by its name, in whatever case.
fn state(text: &str) -> Result<JobState, String> {
    named(&text.to_uppercase(), JobState::ALL, |state| state.as_str())
}

fn error_kind(text: &str) -> Result<ErrorKind, String> {
    named(&text.to_lowercase(), ErrorKind::ALL, |kind| kind.as_str())
}

fn park_reason(text: &str) -> Result<ParkReason, String> {
    named(&text.to_lowercase(), ParkReason::ALL, |reason| {
        reason.as_str()
    })
}

fn named<T: Copy>(text: &str, all: &[T], name: fn(&T) -> &'static str) -> Result<T, String> {
    let found = all.iter().find(|one| name(one) == text);
    found.copied().ok_or_else(|| {
        let known: Vec<_> = all.iter().map(name).collect();
        let near = did_you_mean(text, known.iter().copied());
        format!("it must be one of {}{near}", known.join(", "))
    })
}

/// The message for a key that no job has.
pub(super) async fn unknown(store: &Store, key: &str) -> Result<String, StoreError> {
    let names = store.names_about(key).await?;
    let near = did_you_mean(key, names.iter().map(String::as_str));
    let near = escaped(&near);
    Ok(format!(
        "error: no job has the id or the name {}{near}: `parserd jobs` lists them",
        quoted(key)
    ))
}
