//! `parserd parsers import`: a job file of parsers that the account holds.

mod file;

use std::{collections::HashSet, time::Duration};

use anyhow::anyhow;
use futures_util::{StreamExt as _, stream};

use super::{LOOK_UP_STEP, listed};
use crate::{
    api::{Service as _, client::Client},
    cli::{
        Exit,
        output::{Out, print_message},
    },
    clock::Clock,
    config::Settings,
    core::{
        backoff::Schedule,
        job::{DurationMs, ParserId},
        outcome::{Description, PollOutcome, Refusal},
        text::escaped,
    },
    present::format::{count, quoted},
    store::{Role, Store},
    wiring,
};
use file::{File, Imported};

/// How often a parser is asked for that the service does not answer for.
const MAX_TRIES: i64 = 4;

/// The longest pause before a parser is asked for again.
const MAX_PAUSE_MS: DurationMs = 60_000;

/// How many parsers that are left out are named.
const MOST_NAMED: usize = 5;

/// Prints a job file (TOML) of parsers that the account holds, to standard output. Loading it
/// adopts them: nothing is created, nothing is paid.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// Parsers by their ids
    #[arg(value_name = "PARSER_ID", required_unless_present = "all")]
    ids: Vec<String>,

    /// All parsers of the account that no job knows
    #[arg(long, conflicts_with = "ids")]
    all: bool,
}

pub(super) async fn import(settings: &Settings, args: ImportArgs) -> anyhow::Result<Exit> {
    let path = settings.database_path();
    let store = if path.exists() {
        Some(Store::open(path, Role::Reader).await?)
    } else {
        None
    };
    let client = wiring::hasty_client(settings).map_err(|error| anyhow!(error))?;
    let mut importing = Importing::default();
    let wanted = if args.all {
        importing.whole_list(&client).await?
    } else {
        let mut seen = HashSet::new();
        let mut ids = args.ids;
        ids.retain(|id| seen.insert(id.clone()));
        ids.into_iter().map(ParserId).collect()
    };
    let wanted = importing.unknown(store.as_ref(), wanted).await?;
    let asking = Asking {
        client: &client,
        retry: wiring::policy(settings).retry,
        clock: Clock::system(),
    };
    let described = stream::iter(wanted)
        .map(|id| asking.about(id))
        .buffered(settings.workers.max_requests);
    let mut described = std::pin::pin!(described);
    let mut file = File::default();
    while let Some((id, described)) = described.next().await {
        let Some(imported) = importing.read(&id, described) else {
            continue;
        };
        if let Err((name, why)) = file.add(imported) {
            importing.unfit.put(format!("{}: {why}", quoted(&name)));
        }
    }
    let mut taken = HashSet::new();
    if let Some(store) = store {
        taken.extend(store.named(&file.names()).await?.into_keys());
        store.close().await;
    }
    file.avoid(&taken);
    let mut out = Out::default();
    if file.len() > 0 {
        out.text(&file.text())?;
    }
    out.flush()?;
    Ok(importing.report(file.len()))
}

/// Parsers that are left out, with the first few of them.
#[derive(Debug, Default)]
struct LeftOut {
    number: usize,
    first: Vec<String>,
}

impl LeftOut {
    fn put(&mut self, what: String) {
        self.number += 1;
        if self.first.len() < MOST_NAMED {
            self.first.push(what);
        }
    }

    /// `2 parsers that FAILED: a, b`
    fn line(&self, what: &str) -> Option<String> {
        let more = if self.number > self.first.len() {
            ", ..."
        } else {
            ""
        };
        (self.number > 0).then(|| {
            format!(
                "left out: {} {what}: {}{more}",
                count(self.number, "parser"),
                escaped(&self.first.join(", "))
            )
        })
    }
}

/// What becomes of the parsers that are asked for.
#[derive(Debug, Default)]
struct Importing {
    known: LeftOut,
    failed: LeftOut,
    generating: LeftOut,
    without_urls: LeftOut,
    /// What the service says of them keeps no rule of a job file.
    unfit: LeftOut,
    missing: LeftOut,
    unanswered: LeftOut,
    /// The account's list has more than can be read.
    is_partial: bool,
}

impl Importing {
    /// The parsers of the account that are ready, by their ids.
    async fn whole_list(&mut self, client: &Client) -> anyhow::Result<Vec<ParserId>> {
        let (parsers, trouble) = listed(client).await?;
        self.is_partial = trouble;
        let mut wanted = Vec::new();
        for parser in parsers {
            match (parser.failed, parser.settled) {
                (true, _) => self.failed.put(parser.name),
                (false, true) => wanted.push(parser.id),
                (false, false) => self.generating.put(parser.name),
            }
        }
        Ok(wanted)
    }

    /// Those that no job knows.
    async fn unknown(
        &mut self,
        store: Option<&Store>,
        ids: Vec<ParserId>,
    ) -> anyhow::Result<Vec<ParserId>> {
        let Some(store) = store else {
            return Ok(ids);
        };
        let mut known: HashSet<ParserId> = HashSet::new();
        for some in ids.chunks(LOOK_UP_STEP) {
            let some: Vec<_> = some.iter().collect();
            known.extend(store.parsers_on_record(&some).await?);
        }
        let (known, unknown) = ids.into_iter().partition(|id| known.contains(id));
        let known: Vec<ParserId> = known;
        known.into_iter().for_each(|id| self.known.put(id.0));
        Ok(unknown)
    }

    /// A parser that may go into the file.
    fn read(&mut self, id: &ParserId, described: Description) -> Option<Imported> {
        let name = described.name.clone().unwrap_or_else(|| id.0.clone());
        match &described.outcome {
            PollOutcome::Finished(_) => {}
            PollOutcome::Failed(_) => {
                self.failed.put(name);
                return None;
            }
            PollOutcome::Generating { .. } => {
                self.generating.put(name);
                return None;
            }
            PollOutcome::NotFound(_) => {
                self.missing.put(id.0.clone());
                return None;
            }
            PollOutcome::Refused(_, words) | PollOutcome::Trouble(words) => {
                self.unanswered.put(format!("{id} ({words})"));
                return None;
            }
        }
        let imported = Imported::of(id, described);
        if imported.is_none() {
            self.without_urls.put(name);
        }
        imported
    }

    /// Tells what is left out, and why.
    fn report(&self, written: usize) -> Exit {
        let lines = [
            self.known.line("that jobs know already"),
            self.failed.line("that FAILED"),
            self.generating.line("that are being generated"),
            self.without_urls
                .line("of which the service shows no example page"),
            self.unfit.line("that no job file can describe"),
        ];
        let errors = [
            self.missing.line("that the account does not have"),
            self.unanswered
                .line("that the service does not answer for, try again later"),
        ];
        lines.iter().flatten().for_each(|line| print_message(line));
        for line in errors.iter().flatten() {
            print_message(&format!("error: {line}"));
        }
        print_message(&format!(
            "{} in the file; the service does not say which scraper_params it used: add them by hand where \
             a parser needs them",
            count(written, "parser")
        ));
        if self.is_partial || errors.iter().any(Option::is_some) {
            Exit::Failed
        } else {
            Exit::Done
        }
    }
}

/// Who is asked for single parsers, and how patiently.
#[derive(Debug)]
struct Asking<'a> {
    client: &'a Client,
    retry: Schedule,
    clock: Clock,
}

impl Asking<'_> {
    async fn about(&self, id: ParserId) -> (ParserId, Description) {
        let mut tries = 0;
        loop {
            let described = self.client.describe(&id, None).await;
            tries += 1;
            let wait_ms = match &described.outcome {
                PollOutcome::Refused(Refusal::Throttled { retry_after_ms }, _) => *retry_after_ms,
                PollOutcome::Trouble(_) => None,
                _ => return (id, described),
            };
            if tries >= MAX_TRIES {
                return (id, described);
            }
            let pause_ms = self.retry.delay_ms(tries - 1, fastrand::f64());
            let pause_ms = pause_ms.max(wait_ms.unwrap_or(0)).min(MAX_PAUSE_MS);
            let pause = Duration::from_millis(pause_ms.unsigned_abs());
            self.clock.sleep(pause).await;
        }
    }
}
