//! `parserd init`: an empty database, for programs that add jobs before parserd ever ran.

use crate::{
    cli::{Exit, output::print_message},
    config::Settings,
    store::{Role, Store},
};

/// Makes the database, with nothing in it: other programs may add jobs by SQL from then on. One that
/// is there stays as it is.
#[derive(Debug, clap::Args)]
pub struct InitArgs {}

pub(super) async fn init(settings: &Settings) -> anyhow::Result<Exit> {
    let path = settings.database_path();
    let was_there = path.exists();
    let store = Store::open(path, Role::Tool).await?;
    let path = store.path().display().to_string();
    store.close().await;
    print_message(&if was_there {
        format!("{path} is there already: nothing was changed")
    } else {
        format!("{path} is made: `parserd enqueue FILE` adds jobs, `parserd run` carries them out")
    });
    Ok(Exit::Done)
}
