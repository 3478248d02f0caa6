//! `parserd generate`: what a package holds besides the program. Made from the same
//! definitions as the command line itself, so that it says the same.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, Exit};

/// Writes man pages (man/) and completions (completions/) below a directory.
#[derive(Debug, clap::Args)]
pub struct GenerateArgs {
    /// The directory; it is made if it is not there
    directory: PathBuf,
}

pub(super) fn generate(args: &GenerateArgs) -> anyhow::Result<Exit> {
    let man = made(&args.directory, "man")?;
    clap_mangen::generate_to(Cli::command(), &man)
        .with_context(|| format!("cannot write man pages to {}", man.display()))?;
    let completions = made(&args.directory, "completions")?;
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        clap_complete::generate_to(shell, &mut Cli::command(), "parserd", &completions)
            .with_context(|| format!("cannot write completions to {}", completions.display()))?;
    }
    Ok(Exit::Done)
}

fn made(directory: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = directory.join(name);
    std::fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
    Ok(path)
}
