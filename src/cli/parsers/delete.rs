//! `parserd parsers delete`: jobs that delete parsers.

use std::collections::HashSet;

use crate::{
    cli::{Exit, Usage, ask, output::print_message},
    config::Settings,
    present::format::{count, quoted},
    store::{Manifest as _, Role, Store, StoreError, has_daemon, instructions::Refused},
};

/// Deletes parsers at the service, with all their versions; it cannot be undone. Adds a job for
/// each, all or none, which a running parserd carries out.
#[derive(Debug, clap::Args)]
pub struct DeleteArgs {
    /// Parsers by name
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,

    /// Do not ask; needed where there is no terminal
    #[arg(long)]
    yes: bool,
}

pub(super) async fn delete(settings: &Settings, args: DeleteArgs) -> anyhow::Result<Exit> {
    let store = Store::open(settings.database_path(), Role::Reader).await?;
    let exit = add(&store, args).await?;
    store.close().await;
    Ok(exit)
}

async fn add(store: &Store, args: DeleteArgs) -> anyhow::Result<Exit> {
    let mut seen = HashSet::new();
    let mut names = args.names;
    names.retain(|name| seen.insert(name.clone()));
    // What cannot be done is told before anybody is asked.
    if let Some(waiting) = replaced(store, &names).await? {
        return Ok(refuse(&waiting));
    }
    if let Err(refused) = store.delete_parsers(&names, true).await? {
        return Ok(refuse(&refused));
    }
    for name in &names {
        print_message(&line(store, name).await?);
    }
    let parsers = count(names.len(), "parser");
    if !args.yes {
        if !ask::is_possible() {
            let usage = format!(
                "{parsers} would be deleted, which cannot be undone, and there is no terminal to \
                 ask on: add --yes"
            );
            return Err(Usage(usage).into());
        }
        let question = format!("delete {parsers} with all versions? This cannot be undone");
        if !ask::agreed(&question).await? {
            print_message("nothing was changed");
            return Ok(Exit::Failed);
        }
    }
    let jobs = match store.delete_parsers(&names, false).await? {
        Ok(jobs) => jobs,
        Err(refused) => return Ok(refuse(&refused)),
    };
    let added = count(jobs.len(), "delete job");
    let next = if has_daemon(store.path()) == Some(false) {
        "no parserd runs: `parserd run` carries them out"
    } else {
        "parserd carries them out"
    };
    print_message(&format!(
        "{added} added; {next}, and `parserd show NAME` tells how far it is"
    ));
    Ok(Exit::Done)
}

/// Those whose name a job has that is to make another parser, which would be paid for all the same.
/// The database refuses these too, and cannot say which job it is.
async fn replaced(store: &Store, names: &[String]) -> Result<Option<Vec<Refused>>, StoreError> {
    let asked: Vec<_> = names.iter().map(String::as_str).collect();
    let records = store.on_record(&asked).await?;
    let mut refused: Vec<_> = records
        .into_iter()
        .filter_map(|(name, record)| {
            let (job, parser) = (record.job?, record.parser?);
            let makes_another = job.parser_id.as_ref() != Some(&parser.parser_id);
            let is_open = !job.state.is_terminal();
            (makes_another && is_open).then(|| Refused {
                why: format!(
                    "job {id} is {state}, and is to make another parser in place of this one: \
                     cancel it first (`parserd cancel {id}`), or wait until it is done",
                    id = job.id.0,
                    state = job.state
                ),
                name,
            })
        })
        .collect();
    refused.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((!refused.is_empty()).then_some(refused))
}

/// `delete books: parser p1, version 2`
async fn line(store: &Store, name: &str) -> Result<String, StoreError> {
    let Some(parser) = store.parser_named(name).await? else {
        return Ok(format!("delete {}", quoted(name)));
    };
    let version = parser
        .version
        .map_or_else(String::new, |version| format!(", version {version}"));
    Ok(format!(
        "delete {}: parser {}{version}",
        quoted(name),
        parser.parser_id
    ))
}

fn refuse(refused: &[Refused]) -> Exit {
    for Refused { name, why } in refused {
        print_message(&format!("error: {}: {why}", quoted(name)));
    }
    print_message("nothing was changed");
    Exit::Failed
}
