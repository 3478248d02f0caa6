//! `parserd backup`: a sound copy of the database, while the daemon works on.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::exit::Usage;
use super::{Exit, hangup, shutdown};
use crate::config::Settings;
use crate::core::text::escaped;
use crate::store;
use crate::{
    cli::output::{Out, print_message},
    present::format::{count, grouped},
};

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
struct BackupReport {
    file: String,
    bytes: u64,
    jobs: i64,
}

pub(super) async fn backup(settings: &Settings, args: BackupArgs) -> anyhow::Result<Exit> {
    if args.file == Path::new("-") {
        let usage = "a backup is a file that SQLite writes, reads back and checks, and cannot go to \
                     standard output: name a file (./- for one named -)";
        return Err(Usage(usage.to_owned()).into());
    }
    let (asked, hung_up) = (shutdown(), hangup());
    let stopped = async {
        tokio::select! {
            () = asked => {}
            () = hung_up => {}
        }
    };
    let copied = store::backup(settings.database_path(), &args.file, stopped).await?;
    if !copied.removed.is_empty() {
        let names: Vec<_> = copied
            .removed
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        print_message(&format!(
            "removed what an earlier backup left when it was killed: {}",
            escaped(&names.join(", "))
        ));
    }
    let file = args.file.display().to_string();
    let jobs = usize::try_from(copied.jobs).unwrap_or(usize::MAX);
    let bytes = i64::try_from(copied.bytes).unwrap_or(i64::MAX);
    print_message(&format!(
        "{}: {} bytes, {}, checked",
        escaped(&file),
        grouped(bytes),
        count(jobs, "job")
    ));
    if args.json {
        let mut out = Out::default();
        out.json(&BackupReport {
            file,
            bytes: copied.bytes,
            jobs: copied.jobs,
        })?;
        out.flush()?;
    }
    Ok(Exit::Done)
}
