//! `parserd completions`: what a shell completes.

use clap_complete::Shell;

use super::{Exit, help};
use crate::cli::output::Out;

/// Prints the completions of a shell, to be loaded by it.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

pub(super) fn completions(args: CompletionsArgs) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut help::completed(), "parserd", &mut script);
    let mut out = Out::default();
    out.text(&String::from_utf8(script)?)?;
    out.flush()?;
    Ok(Exit::Done)
}
