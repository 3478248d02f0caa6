//! `parserd generate`: what a package holds besides the program. Made from the same
//! definitions as the command line itself, so that it says the same.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap_complete::{Generator as _, Shell};

use super::{Exit, completions::script, help, manual};

/// Writes man pages (man/) and completions (completions/) below a directory.
#[derive(Debug, clap::Args)]
pub struct GenerateArgs {
    /// The directory; it is made if it is not there
    directory: PathBuf,
}

pub(super) fn generate(args: &GenerateArgs) -> anyhow::Result<Exit> {
    let man = made(&args.directory, "man")?;
    for page in manual::pages(help::command()).context("cannot make the man pages")? {
        let path = man.join(page.file);
        std::fs::write(&path, page.text)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let completions = made(&args.directory, "completions")?;
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        let path = completions.join(shell.file_name("parserd"));
        let script = script(shell).context("cannot make the completions")?;
        std::fs::write(&path, script)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(Exit::Done)
}

fn made(directory: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = directory.join(name);
    std::fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
    Ok(path)
}
