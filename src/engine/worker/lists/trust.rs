//! Whether a list shows what is known to exist: only then do its absences prove anything.

use std::collections::HashSet;

use crate::{
    api::Service,
    core::{
        job::DurationMs,
        ledger::KnownParser,
        lifecycle::TRUSTED_LISTS,
        listing::{Assessment, Listing},
        outcome::PollOutcome,
    },
    engine::worker::Worker,
    store::{JobStore, StoreError},
};

/// How many missing parsers are asked for by id after one list. What is over leaves
/// the list without trust until the next one.
const MAX_ASKED_PER_LIST: usize = 32;

/// How long the asking may take: others wait for the list.
const MAX_ASKING_MS: DurationMs = 60_000;

impl<S: Service, D: JobStore> Worker<S, D> {
    /// Holds the list against what is known, and takes down what its absences prove.
    pub(super) async fn why_distrust(
        &self,
        listing: &mut Listing,
        known: Vec<KnownParser>,
    ) -> Result<Option<String>, StoreError> {
        listing.shows_known = known.iter().any(|parser| listing.holds(&parser.id));
        let (assessment, known) = self.assess(listing, known);
        listing.cut_to_chars = assessment.cut_to_chars;
        if let Some(altered) = &assessment.altered
            && self.lists.is_news(altered)
        {
            let (sent, listed) = altered;
            tracing::warn!(
                sent,
                listed,
                "the service alters the names of parsers: they are recognised by what is left of them"
            );
        }
        self.distrust_of(assessment, known).await
    }

    fn assess(
        &self,
        listing: &Listing,
        mut known: Vec<KnownParser>,
    ) -> (Assessment, Vec<KnownParser>) {
        // A list may lag a little. How little: those who were made together with a create
        // in doubt must count before the settling time of that one is over.
        let shortest_ms = self.policy.settle_ms.min(self.policy.settle_after_error_ms);
        known.retain(|parser| listing.must_show(parser, shortest_ms / TRUSTED_LISTS));
        (listing.assess(&known), known)
    }

    /// Why a list proves nothing by what it lacks, if so.
    async fn distrust_of(
        &self,
        assessment: Assessment,
        mut known: Vec<KnownParser>,
    ) -> Result<Option<String>, StoreError> {
        if let Some((sent, shown)) = assessment.renamed {
            return Ok(Some(format!(
                "the service changes names: {sent:?} was sent and {shown:?} is listed"
            )));
        }
        let missing: HashSet<_> = assessment.missing.into_iter().collect();
        known.retain(|parser| missing.contains(&parser.id));
        self.distrust(&known).await
    }

    /// Asks for known parsers that the list lacks: deleted ones restore its trust, a
    /// single one that exists shows that it is partial.
    async fn distrust(&self, missing: &[KnownParser]) -> Result<Option<String>, StoreError> {
        let started_at = self.clock.now();
        for (
            asked,
            KnownParser {
                id, known_since, ..
            },
        ) in missing.iter().enumerate()
        {
            if asked >= MAX_ASKED_PER_LIST || self.clock.now() - started_at > MAX_ASKING_MS {
                return Ok(Some(format!(
                    "it lacks {} more known parsers",
                    missing.len() - asked
                )));
            }
            match self.service.details(id).await {
                // Both may come from a copy of the service's data that lags: then what is in
                // doubt is missing for no better reason.
                PollOutcome::NotFound(_)
                    if (0..self.policy.settle_ms).contains(&(started_at - known_since)) =>
                {
                    return Ok(Some(format!(
                        "it lacks parser {id}, which was just made and is not found by its id \
                         either"
                    )));
                }
                PollOutcome::NotFound(_) => {
                    tracing::warn!(parser_id = %id, "a parser is gone from the account, and parserd did not delete it: its job \
                         stays as it is");
                    self.store.mark_gone(id.clone(), self.clock.now()).await?;
                }
                PollOutcome::Finished(_)
                | PollOutcome::Failed(_)
                | PollOutcome::Generating { .. } => {
                    return Ok(Some(format!("it lacks parser {id}, which exists")));
                }
                PollOutcome::Refused(_, words) | PollOutcome::Trouble(words) => {
                    return Ok(Some(format!(
                        "it lacks parser {id}, and asking for that one brought no answer: {}",
                        words.message
                    )));
                }
            }
        }
        Ok(None)
    }
}
