//! What there is to see of a request in doubt that changes or deletes a parser.

use serde_json::Value;

use super::AskService;
use crate::{
    api::Service,
    core::{
        field_changes::FieldChanges,
        job::{Job, ParserId, Part},
        lifecycle::Event,
        outcome::{ListOutcome, PollOutcome},
        sighting::ShownVersion,
    },
    store::{ChangeRecord, Intent, JobStore, StoreError},
};

/// What the service shows of a parser.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// It is there.
    There(ShownVersion),
    /// It is not there, in the service's words.
    Gone(String),
    /// That cannot be told, and why.
    Unknown(String),
}

/// Asks the service what a parser is like now. It costs nothing.
pub async fn look<S: Service>(service: &S, parser: &ParserId) -> Seen {
    let described = service.describe(parser, None).await;
    let version = match &described.outcome {
        PollOutcome::Finished(finished) => described.version.or(finished.version),
        PollOutcome::Failed(_) | PollOutcome::Generating { .. } => described.version,
        PollOutcome::NotFound(words) => return Seen::Gone(words.to_string()),
        PollOutcome::Refused(_, words) | PollOutcome::Trouble(words) => {
            return Seen::Unknown(words.to_string());
        }
    };
    let version = match version {
        Some(version) => Some(version),
        // The list names the latest version of each.
        None => match service.list().await {
            ListOutcome::Listed(parsers, _) => {
                let listed = parsers.into_iter().find(|listed| listed.id == *parser);
                listed.and_then(|listed| listed.version)
            }
            ListOutcome::Refused(..) | ListOutcome::Trouble(_) => None,
        },
    };
    let fields = described.fields.as_ref();
    let fields = fields.and_then(|fields| serde_json::from_str(fields.get()).ok());
    Seen::There(ShownVersion {
        version,
        fields: fields.filter(Value::is_array),
    })
}

/// What an operator's word comes to that the request of this job took effect; else what is the
/// case, and what to do.
pub(super) async fn took_effect<S: Service>(
    store: &impl JobStore,
    job: &Job,
    parser: &ParserId,
    asking: &AskService<'_, S>,
) -> Result<Result<(Event, Intent), String>, StoreError> {
    let id = job.id;
    if let Some(own) = &job.progress.parser_id
        && own != parser
    {
        return Ok(Err(format!(
            "job {id} is about parser {own} and about no other: `parserd resolve {id} --adopt {own}`"
        )));
    }
    let pending = store.pending_update(id).await?;
    let part = pending.as_ref().map(|pending| pending.part);
    let part = part.or(job.progress.part).unwrap_or(Part::Paid);
    let (before, sent) = pending.map_or((None, None), |pending| {
        (pending.latest_version, pending.fields)
    });
    let change = store.change_of(id).await?;
    let is_last = FieldChanges::ends_with(change.as_deref(), part);
    let shown = match asking {
        AskService::Skipped => Ok(ShownVersion::default()),
        AskService::Unable(why) => Err(format!(
            "the service cannot be asked for parser {parser}: {why}"
        )),
        AskService::Service(service) => judge(part, parser, before, look(*service, parser).await),
    };
    Ok(match shown {
        Ok(shown) => {
            let fields = shown.fields.as_ref().map(Value::to_string);
            let record = ChangeRecord {
                target_fields: fields.clone().filter(|_| is_last),
                fields: fields.or(sent),
                ..ChangeRecord::default()
            };
            let version = shown.version;
            let event = Event::TookEffect { version, is_last };
            let intent = Intent {
                change: Some(record),
                ..Intent::default()
            };
            Ok((event, intent))
        }
        Err(why) => Err(format!(
            "{why}; `parserd resolve {id}` shows what is known, `parserd resolve {id} --adopt \
             {parser} --force` takes it to have taken effect unseen"
        )),
    })
}

/// PURE: whether what is seen lets a request have taken effect, and what there is then.
fn judge(
    part: Part,
    parser: &ParserId,
    before: Option<i64>,
    seen: Seen,
) -> Result<ShownVersion, String> {
    match (part, seen) {
        (_, Seen::Unknown(why)) => Err(format!(
            "the service does not say whether it has parser {parser} ({why})"
        )),
        (Part::Delete, Seen::Gone(_)) => Ok(ShownVersion::default()),
        (Part::Delete, Seen::There(_)) => Err(format!(
            "the service has parser {parser} still: the delete made nothing, or takes effect later"
        )),
        (Part::Free | Part::Paid, Seen::Gone(why)) => {
            Err(format!("the service has no parser {parser} ({why})"))
        }
        (Part::Free | Part::Paid, Seen::There(shown)) => match shown.version {
            Some(version) if before.is_some_and(|before| version <= before) => Err(format!(
                "the service shows version {version} of parser {parser}, which was there before \
                 the request: it made nothing, or takes effect later"
            )),
            _ => Ok(shown),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_took_effect_only_where_the_service_shows_what_it_may_have_made() {
        let there = |version| {
            Seen::There(ShownVersion {
                version,
                fields: None,
            })
        };
        let gone = || Seen::Gone("HTTP 404".to_owned());
        let unknown = || Seen::Unknown("HTTP 503".to_owned());
        let (before, parser) = (Some(3), ParserId("p".to_owned()));
        for (part, seen, problem) in [
            (Part::Paid, there(Some(4)), ""),
            (Part::Free, there(Some(9)), ""),
            (Part::Paid, there(None), ""),
            (Part::Paid, there(Some(3)), "was there before the request"),
            (Part::Free, there(Some(2)), "was there before the request"),
            (Part::Paid, gone(), "has no parser p (HTTP 404)"),
            (Part::Free, unknown(), "does not say"),
            (Part::Delete, gone(), ""),
            (Part::Delete, there(Some(3)), "has parser p still"),
            (Part::Delete, unknown(), "does not say"),
        ] {
            let label = format!("{part} {seen:?}");
            let told = judge(part, &parser, before, seen).err().unwrap_or_default();
            assert_eq!(told.is_empty(), problem.is_empty(), "{label}: {told}");
            assert!(told.contains(problem), "{label}: {told}");
        }
    }
}
