//! `parserd backup`: a sound copy of the database, while the daemon works on.

use std::path::PathBuf;

use serde::Serialize;

use super::output::{Out, count, grouped, say};
use super::{Exit, shutdown};
use crate::api::text::escaped;
use crate::config::Settings;
use crate::store;

/// Copies the database to a new file, checks the copy, and has it on disk when it says so.
#[derive(Debug, clap::Args)]
pub struct BackupArgs {
    /// The new file; one that is there is never overwritten
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Made {
    file: String,
    bytes: u64,
    jobs: i64,
}

pub(super) async fn backup(settings: &Settings, args: BackupArgs) -> anyhow::Result<Exit> {
    let copying = store::backup(settings.database_path(), &args.file);
    let copied = tokio::select! {
        // Dropped half-way, a copy removes its file.
        () = shutdown() => {
            say("error: stopped before the backup was done: nothing was written, run it again");
            return Ok(Exit::Failed);
        }
        copied = copying => copied?,
    };
    let file = args.file.display().to_string();
    let jobs = usize::try_from(copied.jobs).unwrap_or(usize::MAX);
    let bytes = i64::try_from(copied.bytes).unwrap_or(i64::MAX);
    say(&format!(
        "{}: {} bytes, {}, checked",
        escaped(&file),
        grouped(bytes),
        count(jobs, "job")
    ));
    if args.json {
        let mut out = Out::default();
        out.json(&Made {
            file,
            bytes: copied.bytes,
            jobs: copied.jobs,
        })?;
        out.flush()?;
    }
    Ok(Exit::Done)
}
