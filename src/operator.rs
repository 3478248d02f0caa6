//! An operator's word on a create in doubt, from the command line or from the page.

use crate::{
    job::{Job, JobId, ParserId, UnixMs},
    lifecycle::{Event, Policy, Transition, decide},
    store::{Applied, Intent, Store, StoreError},
};

/// What the operator says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// It made this parser.
    Adopt(ParserId),
    /// It made nothing.
    NotCreated,
}

/// What became of it.
#[derive(Debug)]
pub enum Settled {
    /// Done; the job as it was before.
    Done(Job),
    /// Nothing: another job holds that parser.
    HeldByAnother(ParserId),
    /// Nothing: the job, and why not.
    Refused(Job, &'static str),
    /// Nothing: the job is gone, or being changed by parserd right now.
    Busy,
}

/// A parser's id as the service writes them; none where the text cannot be one.
pub fn parser_id(text: &str) -> Option<ParserId> {
    let is_odd = |c: char| c.is_whitespace() || c.is_control();
    (!text.is_empty() && !text.chars().any(is_odd)).then(|| ParserId(text.to_owned()))
}

/// Settles a job's create in doubt as an operator says.
///
/// # Errors
/// Whatever the database says; then nothing was changed.
pub async fn settle(
    store: &Store,
    policy: &Policy,
    id: JobId,
    word: &Word,
    now: UnixMs,
) -> Result<Settled, StoreError> {
    if let Word::Adopt(parser) = word
        && !store
            .claimed(std::slice::from_ref(parser), id)
            .await?
            .is_empty()
    {
        return Ok(Settled::HeldByAnother(parser.clone()));
    }
    // Twice: parserd itself may have looked at the job meanwhile.
    for _ in 0..2 {
        let Some(job) = store.job(id).await? else {
            break;
        };
        let event = match word {
            Word::Adopt(parser) => Event::Adopt(parser.clone()),
            Word::NotCreated => Event::NotCreated,
        };
        let change = match decide(&job, event, policy, now, fastrand::f64()) {
            Transition::Change(change) => change,
            Transition::Ignored(why) => return Ok(Settled::Refused(job, why)),
        };
        if let Applied::Durable { .. } = store.apply(&job, &change, Intent::default(), now).await? {
            return Ok(Settled::Done(job));
        }
    }
    Ok(Settled::Busy)
}
