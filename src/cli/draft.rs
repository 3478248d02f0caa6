//! `parserd draft`: a list of URLs as a job file.

mod file;
mod input;

use std::{
    collections::HashSet,
    fs::File,
    io::{self, BufReader},
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::{
    cli::{
        Exit,
        output::{Out, print_message},
    },
    config::Settings,
    core::{
        cure,
        draft::{Draft, PageType, Unfit, make_unique},
        shown::shown,
    },
    manifest::{STDIN, TOML_MAX_BYTES, source_name},
    present::format::{count, grouped},
    store::{Role, Store},
};
use input::{Item, ListFormat};

/// How many bad lines are named.
const MOST_NAMED: usize = 20;

/// Groups a list of URLs by host and page type, from the form of the URLs alone, and prints a job
/// file (TOML) with a job for each page type, to standard output. Nothing is asked for and nothing
/// is paid. Page types that jobs of the database cover are named in comments only.
#[derive(Debug, clap::Args)]
pub struct DraftArgs {
    /// A text with a URL a line, CSV with a column url, or a sitemap; - is standard input
    #[arg(value_name = "URLS")]
    list: PathBuf,

    /// How the list is written, where its beginning does not show it: text, csv or xml
    #[arg(long)]
    format: Option<ListFormat>,
}

/// A list that was read.
#[derive(Debug, Default)]
struct Listed {
    draft: Draft,
    sitemaps: usize,
    bad: usize,
    named: Vec<String>,
    /// It was not read to its end.
    is_broken: bool,
}

pub(super) async fn draft(settings: &Settings, args: DraftArgs) -> anyhow::Result<Exit> {
    let source = source_name(&args.list);
    let reading = tokio::task::spawn_blocking(move || Listed::read(&args.list, args.format));
    let listed = reading.await??;
    listed.report(&source);
    let Listed {
        mut draft,
        is_broken,
        ..
    } = listed;
    if draft.urls() == 0 {
        print_message(&format!("error: {source}: no URL of a page is in it"));
        return Ok(Exit::Failed);
    }
    let urls = usize::try_from(draft.urls()).unwrap_or(usize::MAX);
    let counted = format!("{}, {}", count(urls, "URL"), count(draft.hosts(), "host"));
    let taken = know_jobs(&mut draft, settings.database_path()).await?;
    let mut types = draft.page_types();
    make_unique(&mut types, |name| taken.contains(name));
    let text = file::text(&types);
    let mut out = Out::default();
    out.text(&text)?;
    out.flush()?;
    let credits = settings.budget.credits_per_create;
    print_message(&summary(&counted, &types, credits));
    if text.len() as u64 > TOML_MAX_BYTES {
        print_message(&format!(
            "the file is longer than {} MiB, which is the most that `parserd enqueue` reads of TOML: \
             split it, or draft from a part of the list",
            TOML_MAX_BYTES >> 20
        ));
    }
    Ok(if is_broken { Exit::Failed } else { Exit::Done })
}

/// Tells a draft which pages jobs have already, if there is a database. Returns the jobs' names.
async fn know_jobs(draft: &mut Draft, database: &Path) -> anyhow::Result<HashSet<String>> {
    let mut taken = HashSet::new();
    if !database.exists() {
        return Ok(taken);
    }
    let store = Store::open(database, Role::Reader).await?;
    let known = store.each_page(|job, url| {
        // A page that no list may have is of no type here.
        let _not_of_the_list = draft.know(job, url);
        taken.insert(job.to_owned());
    });
    known.await?;
    store.close().await;
    Ok(taken)
}

/// `4,812 URLs, 21 hosts, 37 page types: 37 parsers, 1,110,000 credits`
fn summary(counted: &str, types: &[PageType], credits_per_create: i64) -> String {
    let covered = types.iter().filter(|it| !it.jobs.is_empty()).count();
    let parsers = types.len() - covered;
    let credits = i64::try_from(parsers)
        .unwrap_or(i64::MAX)
        .saturating_mul(credits_per_create);
    let there = match covered {
        0 => String::new(),
        covered => format!("; {} covered by jobs already", count(covered, "page type")),
    };
    format!(
        "{counted}, {}: {}, {} credits{there}",
        count(types.len(), "page type"),
        count(parsers, "parser"),
        grouped(credits)
    )
}

impl Listed {
    fn read(list: &Path, format: Option<ListFormat>) -> anyhow::Result<Self> {
        let mut listed = Self::default();
        let take = |item| listed.take(item);
        let read = if list.to_str() == Some(STDIN) {
            input::each(io::stdin().lock(), format, take)
        } else {
            File::open(list).and_then(|file| input::each(BufReader::new(file), format, take))
        };
        read.map_err(|error| {
            let cure = cure::of_reading(&error);
            anyhow::Error::new(error).context(cure)
        })
        .with_context(|| format!("cannot read {}", source_name(list)))?;
        Ok(listed)
    }

    fn report(&self, source: &str) {
        for line in &self.named {
            print_message(&format!("{source}: {line}"));
        }
        if self.bad > self.named.len() {
            let more = count(self.bad - self.named.len(), "more line");
            print_message(&format!("{source}: {more} left out"));
        }
        if self.sitemaps > 0 {
            print_message(&format!(
                "{source}: lists {} and no page of theirs: fetch them, and draft from each",
                count(self.sitemaps, "sitemap")
            ));
        }
    }

    fn take(&mut self, item: Item) {
        match item {
            Item::Url(line, text) => {
                if let Err(unfit) = self.draft.add(&text) {
                    self.tell(Some(line), &refusal(&text, unfit));
                }
            }
            Item::Bad(line, reason) => self.tell(line, &reason),
            Item::Broken(line, reason) => {
                self.is_broken = true;
                self.tell(line, &reason);
            }
            Item::Sitemap => self.sitemaps += 1,
        }
    }

    fn tell(&mut self, line: Option<usize>, reason: &str) {
        self.bad += 1;
        // What ends the reading is told in any case.
        if self.named.len() < MOST_NAMED || self.is_broken {
            let line = line.map_or_else(String::new, |line| format!("line {line}: "));
            self.named.push(format!("{line}{reason}"));
        }
    }
}

/// What stands before an @ may be a password, and no message repeats it.
fn refusal(text: &str, unfit: Unfit) -> String {
    if text.contains('@') {
        format!("the address {unfit}")
    } else {
        format!("{} {unfit}", shown(text))
    }
}
