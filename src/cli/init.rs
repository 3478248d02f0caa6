//! `parserd init`: an empty database, for programs that add jobs before parserd ever ran.

use crate::{
    cli::{Exit, output::print_message},
    config::Settings,
    store::{Role, Store, has_content},
};

/// Makes the database, with nothing in it: other programs may add jobs by SQL from then on. One that
/// is there stays as it is.
#[derive(Debug, clap::Args)]
pub struct InitArgs {}

pub(super) async fn init(settings: &Settings) -> anyhow::Result<Exit> {
    let path = settings.database_path();
    // One that is empty is what `sqlite3 FILE` leaves behind.
    let (is_there, was_made) = (path.exists(), has_content(path));
    let store = Store::open(path, Role::Tool).await?;
    let path = store.path().display().to_string();
    store.close().await;
    let next = "`parserd enqueue FILE` adds jobs, `parserd run` carries them out";
    print_message(&match (was_made, is_there) {
        (true, _) => format!("{path} is there already: nothing was changed"),
        (false, true) => format!("{path} was an empty file, and is a database now: {next}"),
        (false, false) => format!("{path} is made: {next}"),
    });
    Ok(Exit::Done)
}
