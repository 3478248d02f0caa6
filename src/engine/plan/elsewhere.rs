//! What the account's list says of a parser that is on record as another one, or as there.

use super::{Planner, Standing};
use crate::{
    api::Service,
    core::{diff::Record, job::ParserId},
    engine::naming::Lookup as _,
    store::{JobStore, StoreError},
};

/// How many parsers that the list lacks are asked for, as after a list of the daemon's.
const MAX_MISSING: usize = 32;

impl<S: Service, D: JobStore> Planner<'_, S, D> {
    /// What others did to the parser of a name, as far as the list tells: a word for a person.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn elsewhere(&mut self, record: &Record) -> Result<Option<String>, StoreError> {
        let Some(parser) = record.parser.as_ref().filter(|parser| !parser.is_deleted) else {
            return Ok(None);
        };
        let id = &parser.parser_id;
        let Some(listed) = self.listing.find(id) else {
            return Ok(self.is_gone(id).await?.then(|| {
                "the account's list does not show its parser, and there is none of its id: deleted \
                 elsewhere; once the daemon has noticed, the plan is to create another"
                    .to_owned()
            }));
        };
        // The version of an update that is not done is its own.
        let versions = listed.version.zip(parser.latest_version);
        let newer = versions.filter(|(shown, known)| record.open.is_none() && shown > known);
        let Some((shown, known)) = newer else {
            return Ok(None);
        };
        Ok((!self.is_foreign(id).await?).then(|| {
            format!(
                "version {shown} at the service, {known} on record: changed elsewhere; an update \
                 would end as a conflict, which overwrites nothing and takes note of the fields"
            )
        }))
    }

    /// Whether a parser that the list lacks is not there. By what it lacks a list proves nothing
    /// where it lacks one that is there.
    async fn is_gone(&mut self, id: &ParserId) -> Result<bool, StoreError> {
        let (Some(store), Some(_)) = (self.store, self.service) else {
            return Ok(false);
        };
        let Some(missing) = self.missing.filter(|missing| *missing < MAX_MISSING) else {
            return Ok(false);
        };
        if self.is_foreign(id).await? {
            return Ok(false);
        }
        // The newest are among the known: just made, it may be late in the list and by its id alike.
        let mut known = store.known_parsers().await?.into_iter();
        let known = known.find(|parser| parser.id == *id);
        let settle_ms = self.policy.settle_ms;
        if known.is_some_and(|parser| !self.listing.must_show(&parser, settle_ms)) {
            return Ok(false);
        }
        let is_gone = matches!(self.ask(id).await?, Ok(Standing::Gone));
        self.missing = is_gone.then_some(missing + 1);
        Ok(is_gone)
    }
}
