//! `parserd resolve`: an operator's word on a request in doubt, and what there is to choose
//! from.

mod change;
mod choice;

use super::{Exit, Usage, selector::unknown};
use crate::clock::Clock;
use crate::config::Settings;
use crate::core::job::{Action, Job, JobId, JobState, Part};
use crate::core::text::escaped;
use crate::engine::operator::{self, AskService, Settled, Word};
use crate::store::{Queue as _, Role, Store, StoreError};
use crate::wiring;
use crate::{cli::output::print_message, present::format::quoted};

/// Settles a create of which it is not known whether it made a parser, or an update or delete of
/// which it is not known whether it took effect; alone, lists the parsers of the account that may
/// be the job's, or shows what the parser is like now and what was wanted.
#[derive(Debug, clap::Args)]
pub struct ResolveArgs {
    /// The job's id, or its name
    #[arg(value_name = "ID-or-NAME")]
    job: String,

    #[command(flatten)]
    word: WordArgs,

    /// Take the parser without asking the service whether it is there and bears the job's
    /// name
    #[arg(long, requires = "adopt")]
    force: bool,
}

#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct WordArgs {
    /// This parser of the account is the job's: poll it, pay nothing. Of an update or delete of
    /// this parser: it took effect, take what is there. The service is asked for it first, which
    /// is free
    #[arg(long, value_name = "PARSER_ID")]
    adopt: Option<String>,

    /// The create, update or delete made nothing: send another, which is paid for where the first
    /// one was
    #[arg(long)]
    not_created: bool,
}

impl WordArgs {
    /// The message; none where the question says it all.
    fn word(&self) -> Result<Option<Word>, Usage> {
        match self.adopt.as_deref().map(operator::parser_id) {
            Some(Some(parser)) => Ok(Some(Word::Adopt(parser))),
            Some(None) => {
                let usage = "--adopt takes a parser's id, as the service writes it";
                Err(Usage(usage.to_owned()))
            }
            None => Ok(self.not_created.then_some(Word::NotCreated)),
        }
    }
}

pub(super) async fn resolve(settings: &Settings, args: ResolveArgs) -> anyhow::Result<Exit> {
    let word = args.word.word()?;
    let store = Store::open(settings.database_path(), Role::Reader).await?;
    let found = store.find(&args.job).await?;
    let exit = match (found, word) {
        (Some(id), Some(word)) => settle(settings, &store, id, &word, args.force).await?,
        (Some(id), None) => match store.job(id).await? {
            Some(job) if job.action != Action::Create => {
                change::show(settings, &store, &job).await?
            }
            _ => choice::list(settings, &store, id).await?,
        },
        (None, _) => {
            print_message(&unknown(&store, &args.job).await?);
            Exit::Failed
        }
    };
    store.close().await;
    Ok(exit)
}

async fn settle(
    settings: &Settings,
    store: &Store,
    id: JobId,
    word: &Word,
    is_forced: bool,
) -> Result<Exit, StoreError> {
    let policy = wiring::policy(settings);
    let service = wiring::hasty_client(settings);
    let asking = match &service {
        _ if is_forced => AskService::Skipped,
        Ok(service) => AskService::Service(service),
        Err(why) => AskService::Unable(why.clone()),
    };
    let now = Clock::system().now();
    match operator::settle(store, &policy, id, word, asking, now).await? {
        Settled::Done(job) => {
            print_message(&done(&job, word));
            return Ok(Exit::Done);
        }
        Settled::HeldByAnother(parser) => print_message(&format!(
            "error: another job holds parser {}: `parserd jobs` shows which",
            escaped(&parser.0)
        )),
        Settled::NotVouchedFor(why) => {
            print_message(&format!("error: nothing was done: {}", escaped(&why)));
        }
        Settled::Refused(job, why) => refuse(&job, why),
        Settled::Busy => print_message(&format!(
            "error: job {id} is being changed by parserd right now, nothing was done: \
             see `parserd show {id}`, and try again"
        )),
    }
    Ok(Exit::Failed)
}

fn refuse(job: &Job, why: &str) {
    let id = job.id;
    let more = match job.progress.state {
        JobState::Creating => {
            "its request is under way, or was cut off; a running parserd finds out which".to_owned()
        }
        _ => format!("there is nothing to settle, see `parserd show {id}`"),
    };
    print_message(&format!(
        "error: job {id} {} is {}: {why}; {more}",
        quoted(&job.name),
        job.progress.state
    ));
}

fn done(job: &Job, word: &Word) -> String {
    let id = job.id;
    let is_paid = job.progress.part == Some(Part::Paid);
    match word {
        Word::Adopt(parser) if job.action != Action::Create => format!(
            "job {id}: its request took effect, and parserd goes on from what parser {} is like now",
            escaped(&parser.0)
        ),
        Word::NotCreated if job.action != Action::Create && !is_paid => {
            format!("job {id} is queued again: its next request is free")
        }
        Word::NotCreated if job.action != Action::Create => {
            format!("job {id} is queued again: its next request is paid for")
        }
        Word::Adopt(parser) => format!(
            "job {id} took parser {}: it is polled, and nothing more is paid",
            escaped(&parser.0)
        ),
        Word::NotCreated => format!("job {id} is queued again: its next create is paid for"),
    }
}
