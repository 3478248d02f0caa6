//! `parserd completions`: what a shell completes.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, Exit};
use crate::cli::output::Out;

/// Prints the completions of a shell, to be loaded by it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
bash: parserd completions bash > ~/.local/share/bash-completion/completions/parserd
zsh:  parserd completions zsh > a directory in $fpath, as _parserd
fish: parserd completions fish > ~/.config/fish/completions/parserd.fish")]
pub struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

pub(super) fn completions(args: CompletionsArgs) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "parserd", &mut script);
    let mut out = Out::default();
    out.text(&String::from_utf8(script)?)?;
    out.flush()?;
    Ok(Exit::Done)
}
