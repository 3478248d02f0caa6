//! An operator's word on a request in doubt, from the command line or from the page.

mod change;

use crate::{
    api::Service,
    core::{
        candidates::ParserNames,
        job::{Action, Job, JobId, ParserId, UnixMs},
        lifecycle::{Event, Policy, Transition, decide},
        outcome::{Description, ListOutcome, PollOutcome},
    },
    engine::operate,
    store::{Applied, Intent, JobStore, StoreError},
};

pub use change::{Seen, look};

/// What the operator says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// It made this parser; of a change or delete of this parser, that it took effect.
    Adopt(ParserId),
    /// It made nothing.
    NotCreated,
}

impl Word {
    /// What it says of this job, before anything is known of the parser.
    pub fn event(&self, job: &Job) -> Event {
        match self {
            Self::Adopt(parser) if job.action == Action::Create => Event::Adopt(parser.clone()),
            Self::Adopt(_) => Event::TookEffect {
                version: None,
                is_last: true,
            },
            Self::NotCreated => Event::NotCreated,
        }
    }
}

/// Who is asked whether a parser that is to be adopted is there, and is the job's. It costs
/// nothing.
#[derive(Debug)]
pub enum AskService<'a, S> {
    /// The service.
    Service(&'a S),
    /// It cannot be asked, for this reason.
    Unable(String),
    /// Nobody: the operator knows.
    Skipped,
}

/// What became of it.
#[derive(Debug)]
pub enum Settled {
    /// Done; the job as it was before.
    Done(Job),
    /// Nothing: another job holds that parser.
    HeldByAnother(ParserId),
    /// Nothing: the parser is not there, or not this job's, or that cannot be told. What is
    /// the case, and what to do.
    NotVouchedFor(String),
    /// Nothing: the job, and why not.
    Refused(Job, &'static str),
    /// Nothing: the job is gone, or being changed by parserd right now.
    Busy,
}

/// A parser's id as the service writes them; none where the text cannot be one.
pub fn parser_id(text: &str) -> Option<ParserId> {
    let is_odd = |c: char| c.is_whitespace() || c.is_control();
    (!text.is_empty() && !text.chars().any(is_odd)).then(|| ParserId(text.to_owned()))
}

/// Settles a job's request in doubt as an operator says.
///
/// # Errors
/// Whatever the database says; then nothing was changed.
pub async fn settle<S: Service>(
    store: &impl JobStore,
    policy: &Policy,
    id: JobId,
    word: &Word,
    asking: AskService<'_, S>,
    now: UnixMs,
) -> Result<Settled, StoreError> {
    let mut vouched_for = None;
    // More than once: parserd itself may have looked at the job meanwhile, or something was said
    // of it by SQL.
    for _ in 0..3 {
        let Some(job) = store.job(id).await? else {
            break;
        };
        if job.requested.any() {
            operate::take_in(store, policy, now).await?;
            continue;
        }
        let makes_one = job.action == Action::Create;
        if let Word::Adopt(parser) = word
            && makes_one
        {
            let one = std::slice::from_ref(parser);
            if !store.claimed(one, id).await?.is_empty() {
                return Ok(Settled::HeldByAnother(parser.clone()));
            }
        }
        let mut event = word.event(&job);
        if let Transition::Ignored(why) = decide(&job, event.clone(), policy, now, 0.0) {
            return Ok(Settled::Refused(job, why));
        }
        let mut intent = Intent::default();
        if let Word::Adopt(parser) = word {
            let vouched = match vouched_for.take() {
                Some(vouched) => vouched,
                None if makes_one => match vouch(store, &job, parser, &asking).await? {
                    Ok(()) => (event, intent),
                    Err(why) => return Ok(Settled::NotVouchedFor(why)),
                },
                None => match change::took_effect(store, &job, parser, &asking).await? {
                    Ok(vouched) => vouched,
                    Err(why) => return Ok(Settled::NotVouchedFor(why)),
                },
            };
            vouched_for = Some(vouched.clone());
            (event, intent) = vouched;
        }
        let change = match decide(&job, event, policy, now, fastrand::f64()) {
            Transition::Change(change) => change,
            Transition::Ignored(why) => return Ok(Settled::Refused(job, why)),
        };
        if let Applied::Durable { .. } = store.apply(&job, &change, intent, now).await? {
            return Ok(Settled::Done(job));
        }
    }
    Ok(Settled::Busy)
}

/// Whether the service has this parser and it may be the job's; else what is the case, and
/// what to do.
async fn vouch<S: Service>(
    store: &impl JobStore,
    job: &Job,
    parser: &ParserId,
    asking: &AskService<'_, S>,
) -> Result<Result<(), String>, StoreError> {
    let forced = format!(
        "`parserd resolve {} --adopt {parser} --force` takes it unseen",
        job.id
    );
    let service = match asking {
        AskService::Skipped => return Ok(Ok(())),
        AskService::Unable(why) => {
            return Ok(Err(format!(
                "the service cannot be asked for parser {parser}: {why}; {forced}"
            )));
        }
        AskService::Service(service) => service,
    };
    let names = ParserNames::of(job, store.sent_names(job.id).await?);
    let mut description = service.describe(parser, None).await;
    if description.name.is_none() && description.outcome.shows_parser() {
        description.name = listed_name(*service, parser).await;
    }
    let is_suspected = job.progress.candidates.contains(parser);
    Ok(
        judge(&names, parser, is_suspected, &description).map_err(|why| {
            format!(
                "{why}; `parserd resolve {}` lists those that may be this job's; {forced}",
                job.id
            )
        }),
    )
}

async fn listed_name<S: Service>(service: &S, id: &ParserId) -> Option<String> {
    match service.list().await {
        ListOutcome::Listed(parsers, _) => {
            let parser = parsers.into_iter().find(|parser| parser.id == *id);
            parser.map(|parser| parser.name)
        }
        ListOutcome::Refused(..) | ListOutcome::Trouble(_) => None,
    }
}

/// PURE: whether what the service says of a parser lets it be the job's.
fn judge(
    names: &ParserNames,
    parser: &ParserId,
    is_suspected: bool,
    description: &Description,
) -> Result<(), String> {
    match &description.outcome {
        PollOutcome::Finished(_) | PollOutcome::Failed(_) | PollOutcome::Generating { .. } => {}
        PollOutcome::NotFound(words) => {
            return Err(format!("the service has no parser {parser} ({})", words));
        }
        PollOutcome::Refused(_, words) | PollOutcome::Trouble(words) => {
            return Err(format!(
                "the service does not say whether it has parser {parser} ({})",
                words
            ));
        }
    }
    let own = names.own_name();
    match &description.name {
        _ if is_suspected => Ok(()),
        None => Err(format!(
            "the service does not say what parser {parser} is named, and this job's is {own:?}"
        )),
        Some(name) if names.kinship(name).is_none() => Err(format!(
            "parser {parser} is named {name:?}, and this job's is {own:?}"
        )),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::job::{Action, Progress, Requested};
    use crate::core::outcome::ErrorDetail;

    fn words(status: Option<u16>) -> ErrorDetail {
        ErrorDetail {
            status,
            message: "text".to_owned(),
        }
    }

    #[test]
    fn a_parser_is_taken_only_where_it_is_there_and_may_be_the_jobs() {
        let job = Job {
            id: JobId(1),
            name: "books".to_owned(),
            action: Action::Create,
            revision: 1,
            run_at: None,
            requested: Requested::default(),
            progress: Progress {
                remote_name: Some("books_pd_abcd2345".to_owned()),
                ..Progress::queued(0)
            },
        };
        let names = ParserNames::of(&job, []);
        let there = || PollOutcome::Generating {
            unknown_status: None,
        };
        let own = Some("Books-pd-abcd2345");
        for (outcome, name, is_suspected, problem) in [
            (there(), own, false, ""),
            (PollOutcome::Failed(words(Some(200))), own, false, ""),
            (there(), Some("books"), false, ""),
            (there(), Some("films"), true, ""),
            (there(), None, true, ""),
            (
                there(),
                Some("films_pd_mnop2345"),
                false,
                "is named \"films_pd_mnop2345\"",
            ),
            (there(), None, false, "does not say what parser p is named"),
            (
                PollOutcome::NotFound(words(Some(404))),
                None,
                true,
                "has no parser p (HTTP 404",
            ),
            (
                PollOutcome::Trouble(words(None)),
                own,
                true,
                "does not say whether",
            ),
        ] {
            let description = Description {
                name: name.map(str::to_owned),
                ..Description::from(outcome)
            };
            let judged = judge(
                &names,
                &ParserId("p".to_owned()),
                is_suspected,
                &description,
            );
            let told = judged.err().unwrap_or_default();
            let fits = if problem.is_empty() {
                told.is_empty()
            } else {
                told.contains(problem)
            };
            assert!(fits, "{description:?}: {told}");
        }
    }
}
