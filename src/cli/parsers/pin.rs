//! `parserd parsers pin`: the version of a parser that is used.

use crate::{
    cli::{Exit, output::print_message},
    clock::Clock,
    config::Settings,
    present::format::quoted,
    store::{Role, Store, instructions::Pinned},
};

/// Has a version of a parser used from now on: free, and nothing is sent. A later update is based
/// on the latest version all the same.
#[derive(Debug, clap::Args)]
pub struct PinArgs {
    /// The parser's name
    #[arg(value_name = "NAME")]
    name: String,

    /// The version, from 0 to the latest one
    #[arg(value_name = "VERSION", value_parser = clap::value_parser!(i64).range(0..))]
    version: i64,
}

pub(super) async fn pin(settings: &Settings, args: PinArgs) -> anyhow::Result<Exit> {
    let PinArgs { name, version } = args;
    let store = Store::open(settings.database_path(), Role::Reader).await?;
    let pinned = store.pin(&name, version, Clock::system().now()).await?;
    store.close().await;
    let name = quoted(&name);
    let problem = match pinned {
        Pinned::Done { from, latest } => {
            let before =
                from.map_or_else(String::new, |from| format!(", in place of version {from}"));
            print_message(&format!(
                "parser {name}: version {version} is used from now on{before}; the next update \
                 is based on version {latest}, the latest"
            ));
            return Ok(Exit::Done);
        }
        Pinned::Already => {
            print_message(&format!(
                "parser {name}: version {version} is used already, nothing was changed"
            ));
            return Ok(Exit::Done);
        }
        Pinned::NoParser => {
            format!("there is no parser {name}: `parserd parsers` lists those that are there")
        }
        Pinned::NoVersions => format!(
            "the versions of parser {name} are not known yet: the first update of it tells them"
        ),
        Pinned::NoSuchVersion { latest } => format!(
            "parser {name} has no version {version}: write a number from 0 to {latest}, which is \
             the latest"
        ),
        Pinned::NotReady => format!(
            "version {version} of parser {name} was never ready, its generation failed: choose \
             another version"
        ),
    };
    print_message(&format!("error: {problem}; nothing was changed"));
    Ok(Exit::Failed)
}
