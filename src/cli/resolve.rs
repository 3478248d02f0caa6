//! `parserd resolve`: an operator's word on a create in doubt.

use super::output::{quoted, say};
use super::{Exit, Usage, show::unknown};
use crate::api::text::escaped;
use crate::clock::Clock;
use crate::config::Settings;
use crate::job::{Job, JobId, JobState, ParserId};
use crate::lifecycle::{Event, Transition, decide};
use crate::store::{Applied, Intent, Role, Store};
use crate::wiring;

/// Settles a create of which it is not known whether it made a parser.
#[derive(Debug, clap::Args)]
pub struct ResolveArgs {
    /// The job's id, or its name
    #[arg(value_name = "ID")]
    job: String,

    #[command(flatten)]
    word: Word,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Word {
    /// This parser of the account is the job's: poll it, pay nothing
    #[arg(long, value_name = "PARSER_ID")]
    adopt: Option<String>,

    /// The create made nothing: send another, which is paid for
    #[arg(long)]
    not_created: bool,
}

pub(super) async fn resolve(settings: &Settings, args: ResolveArgs) -> anyhow::Result<Exit> {
    let parser = args.word.adopt.map(ParserId);
    if parser.as_ref().is_some_and(|id| !is_plausible(id)) {
        let usage = "--adopt takes a parser's id, as the service writes it";
        return Err(Usage(usage.to_owned()).into());
    }
    let store = Store::open(settings.database_path(), Role::Reader).await?;
    let found = store.find(&args.job).await?;
    let exit = match found {
        Some(id) => settle(settings, &store, id, parser.as_ref()).await?,
        None => {
            say(&unknown(&args.job));
            Exit::Failed
        }
    };
    store.close().await;
    Ok(exit)
}

fn is_plausible(id: &ParserId) -> bool {
    !id.0.is_empty() && !id.0.chars().any(|c| c.is_whitespace() || c.is_control())
}

async fn settle(
    settings: &Settings,
    store: &Store,
    id: JobId,
    parser: Option<&ParserId>,
) -> anyhow::Result<Exit> {
    if let Some(parser) = parser
        && !store
            .claimed(std::slice::from_ref(parser), id)
            .await?
            .is_empty()
    {
        say(&format!(
            "error: another job holds parser {}: `parserd jobs` shows which",
            escaped(&parser.0)
        ));
        return Ok(Exit::Failed);
    }
    // Twice: parserd itself may have looked at the job meanwhile.
    for _ in 0..2 {
        let Some(job) = store.job(id).await? else {
            break;
        };
        let event = match parser {
            Some(parser) => Event::Adopt(parser.clone()),
            None => Event::NotCreated,
        };
        let now = Clock::system().now();
        let change = match decide(&job, event, &wiring::policy(settings), now, fastrand::f64()) {
            Transition::Change(change) => change,
            Transition::Ignored(why) => {
                refuse(&job, why);
                return Ok(Exit::Failed);
            }
        };
        if let Applied::Durable { .. } = store.apply(&job, &change, Intent::default(), now).await? {
            say(&done(&job, parser));
            return Ok(Exit::Done);
        }
    }
    say(&format!(
        "error: job {id} is being changed by parserd right now, nothing was done: \
         see `parserd show {id}`, and try again"
    ));
    Ok(Exit::Failed)
}

fn refuse(job: &Job, why: &str) {
    let id = job.id;
    let more = match job.progress.state {
        JobState::Creating => {
            "its create is under way, or was cut off; a running parserd finds out which".to_owned()
        }
        _ => format!("there is nothing to settle, see `parserd show {id}`"),
    };
    say(&format!(
        "error: job {id} {} is {}: {why}; {more}",
        quoted(&job.name),
        job.progress.state
    ));
}

fn done(job: &Job, parser: Option<&ParserId>) -> String {
    let id = job.id;
    match parser {
        Some(parser) => format!(
            "job {id} took parser {}: it is polled, and nothing more is paid",
            escaped(&parser.0)
        ),
        None => format!("job {id} is queued again: its next create is paid for"),
    }
}
