//! `run --standby`: waits until no other daemon has the database, and takes over as a start does.

use std::{path::Path, time::Duration};

use crate::store::{Role, Store, StoreError};

/// How often it is looked whether the other daemon has ended.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Opens the database for the daemon as soon as no other one has it; `waiting` is called at each
/// look that finds another one.
///
/// # Errors
/// Whatever else keeps the database from being opened.
pub(super) async fn open(path: &Path, waiting: impl Fn()) -> Result<Store, StoreError> {
    let mut is_logged = false;
    loop {
        match Store::open(path, Role::Daemon).await {
            Err(StoreError::Locked { .. }) => {
                if !std::mem::replace(&mut is_logged, true) {
                    let database = path.display();
                    tracing::info!(%database, "standby: waiting until another daemon has ended");
                }
                waiting();
                tokio::time::sleep(LOOK_EVERY).await;
            }
            opened => return opened,
        }
    }
}
