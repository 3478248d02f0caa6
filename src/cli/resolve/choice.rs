//! `parserd resolve NAME`: the parsers among which a person chooses.

use super::refuse;
use crate::api::Service;
use crate::api::client::Client;
use crate::cli::Exit;
use crate::clock::Clock;
use crate::config::Settings;
use crate::core::candidates::{Candidate, ParserNames, among};
use crate::core::job::{Job, JobId, JobState, ParserId, UnixMs};
use crate::core::lifecycle::{Transition, decide};
use crate::core::listing::Listing;
use crate::core::outcome::{ListOutcome, ListedParser, PollOutcome};
use crate::core::text::escaped;
use crate::engine::operator::Word;
use crate::store::{Store, StoreError};
use crate::wiring;
use crate::{
    cli::output::{Columns, Out, print_message},
    present::format::{count, quoted, relative},
    store::{Ledger as _, Queue as _},
};

/// How many parsers are asked for by their ids, for when they were made.
const MAX_ASKED: usize = 10;

pub(super) async fn list(settings: &Settings, store: &Store, id: JobId) -> anyhow::Result<Exit> {
    let Some(job) = store.job(id).await? else {
        return Ok(Exit::Failed);
    };
    let now = Clock::system().now();
    // Whether there is anything to settle, as `--adopt` would find.
    let policy = wiring::policy(settings);
    let adopting = Word::Adopt(ParserId(String::new())).event(&job);
    // One that was cancelled in doubt is only looked for: it stays CANCELLED.
    let is_called_off = job.progress.state == JobState::Cancelled && job.progress.doubt.is_some();
    if let Transition::Ignored(why) = decide(&job, adopting, &policy, now, 0.0)
        && !is_called_off
    {
        refuse(&job, why);
        return Ok(Exit::Failed);
    }
    let service = wiring::hasty_client(settings);
    let (listing, trouble) = listing(service.as_ref(), now).await;
    let found = candidates(store, &job, &listing).await?;
    let mut asks = service.as_ref().ok().filter(|_| trouble.is_none());
    let mut columns = Columns::new(&["PARSER_ID", "NAME", "STATUS", "MADE", "WHY"]);
    for (place, (candidate, was_there)) in found.iter().enumerate() {
        if place >= MAX_ASKED {
            asks = None;
        }
        columns.row(row(candidate, *was_there, asks, now).await);
    }
    let mut out = Out::default();
    if !found.is_empty() {
        for line in columns.lines() {
            out.line(&line)?;
        }
    }
    out.flush()?;
    print_summary(&job, found.len(), trouble.as_deref());
    Ok(if trouble.is_some() {
        Exit::Failed
    } else {
        Exit::Done
    })
}

/// The account's list, or an empty one and why.
async fn listing(service: Result<&Client, &String>, now: UnixMs) -> (Listing, Option<String>) {
    let without = |why: String| (Listing::new(Vec::new(), now), Some(why));
    match service {
        Err(why) => without(why.clone()),
        Ok(service) => match service.list().await {
            ListOutcome::Listed(parsers, _) => (Listing::new(parsers, now), None),
            ListOutcome::Refused(_, words) | ListOutcome::Trouble(words) => {
                without(words.to_string())
            }
        },
    }
}

/// Those that may be the job's, each with whether it was there before the create.
async fn candidates(
    store: &Store,
    job: &Job,
    listing: &Listing,
) -> Result<Vec<(Candidate, bool)>, StoreError> {
    let names = ParserNames::of(job, store.sent_names(job.id).await?);
    let found = among(job, &names, listing, &Default::default());
    let ids: Vec<_> = found.iter().map(|candidate| candidate.id.clone()).collect();
    let excluded = store.excluded(&ids, job).await?;
    let before = match &job.progress.remote_name {
        Some(name) => store.ledger(name).await?.baseline,
        None => Vec::new(),
    };
    let is_free = |candidate: &Candidate| !excluded.contains(&candidate.id);
    let found = found.into_iter().filter(is_free);
    Ok(found
        .map(|candidate| {
            let was_there = before.contains(&candidate.id);
            (candidate, was_there)
        })
        .collect())
}

async fn row(
    candidate: &Candidate,
    was_there: bool,
    service: Option<&Client>,
    now: UnixMs,
) -> [String; 5] {
    let Described {
        name,
        status,
        created_at,
    } = ask(service, &candidate.id).await;
    let listed = candidate.listed.as_ref();
    let unknown = || "unknown".to_owned();
    let why = candidate.kinship.as_str();
    [
        candidate.id.0.clone(),
        listed
            .map(|parser| parser.name.clone())
            .or(name)
            .unwrap_or_else(unknown),
        status
            .or_else(|| listed.map(status_of))
            .map_or_else(unknown, str::to_owned),
        created_at.map_or_else(unknown, |at| relative(at, now)),
        if was_there {
            format!("{why}; it was there before the create")
        } else {
            why.to_owned()
        },
    ]
}

const fn status_of(parser: &ListedParser) -> &'static str {
    match (parser.failed, parser.settled) {
        (true, _) => "FAILED",
        (false, true) => "FINISHED",
        (false, false) => "GENERATING",
    }
}

/// What the service says of one parser.
#[derive(Debug, Default)]
struct Described {
    name: Option<String>,
    status: Option<&'static str>,
    created_at: Option<UnixMs>,
}

async fn ask(service: Option<&Client>, id: &ParserId) -> Described {
    let Some(service) = service else {
        return Described::default();
    };
    let description = service.describe(id, None).await;
    let status = match description.outcome {
        PollOutcome::Finished(_) => Some("FINISHED"),
        PollOutcome::Failed(_) => Some("FAILED"),
        PollOutcome::Generating { .. } => Some("GENERATING"),
        PollOutcome::NotFound(_) => Some("not found (404)"),
        PollOutcome::Refused(..) | PollOutcome::Trouble(_) => None,
    };
    Described {
        name: description.name,
        status,
        created_at: description.created_at,
    }
}

/// What to do with them.
fn print_summary(job: &Job, found: usize, trouble: Option<&str>) {
    let id = job.id;
    if let Some(why) = &job.progress.error_message {
        print_message(&format!("job {id} {}: {}", quoted(&job.name), escaped(why)));
    }
    if let Some(why) = trouble {
        print_message(&format!(
            "error: the account's list is not available: {}; only parsers that parserd recorded \
             earlier are shown",
            escaped(why)
        ));
    }
    if job.progress.state == JobState::Cancelled {
        print_message(&format!(
            "{} may be what its create made; job {id} stays CANCELLED: enqueued again, the same \
             job takes what was made and pays nothing",
            count(found, "parser")
        ));
        return;
    }
    if found == 0 {
        print_message(&format!(
            "no parser of the account that may be this job's is known; if the service's \
             dashboard shows none either: `parserd resolve {id} --not-created`, whose next \
             create is paid for"
        ));
        return;
    }
    print_message(&format!(
        "{} may be this job's: `parserd resolve {id} --adopt PARSER_ID` takes one and pays \
         nothing; `parserd resolve {id} --not-created` says that it is none of them, and the \
         next create is paid for",
        count(found, "parser")
    ));
}
