//! What must hold once nothing goes wrong any more and every job has come to rest.

use super::{Books, is_failed};
use crate::{
    core::job::UnixMs,
    simulation::{scenario::Scenario, verdict::holds},
    simulator::World,
    store::outside::OutsideJob,
};

impl Books {
    /// After all faults: whether every job has come to rest, and rightly so.
    pub fn at_rest(&self, plan: &Scenario, service: &World, time: UnixMs) -> Result<bool, String> {
        let is_spent = self.is_budget_spent(plan);
        for job in &self.jobs {
            let rests = match (job.state.as_str(), job.park_reason.as_deref()) {
                ("FINISHED" | "FAILED" | "CANCELLED", _) => true,
                ("PARKED", Some("budget")) => is_spent,
                // No probe is sent without budget, and who would probe waits for it.
                ("PARKED", Some("credits" | "unauthorized")) => {
                    is_spent && self.is_parked_for_budget()
                }
                ("PARKED", Some("ambiguous")) => {
                    holds!(
                        !self.strangers.is_empty()
                            || plan.alters_names
                            || self.was_elsewhere
                            || self.was_partial
                            || self.had_no_list
                            || self.was_changed_elsewhere
                            || self.lost_young
                            || self.has_unexplained(),
                        "job {} is PARKED ambiguous and nothing was",
                        job.name
                    );
                    true
                }
                _ => false,
            };
            if !rests {
                return Ok(false);
            }
        }
        for post in &self.posts {
            let Some(job) = self.jobs.iter().find(|job| job.id == post.job) else {
                return Err(format!("the job of {} is gone", post.name));
            };
            let Some(made) = &post.made else { continue };
            let is_live = service
                .parser(UnixMs::MAX, made)
                .is_some_and(|parser| !is_failed(&parser));
            let is_excused = job.state == "CANCELLED"
                || self.edited.contains(&job.id)
                || job.park_reason.as_deref() == Some("ambiguous")
                // A person said so.
                || !self.strangers.is_empty() && job.parser_id.is_some();
            holds!(
                !is_live || is_excused || job.parser_id.as_ref() == Some(made),
                "parser {made} was paid for and job {} ({}) has {:?}",
                job.name,
                job.state,
                job.parser_id
            );
        }
        self.changes_at_rest(service)?;
        for job in &self.jobs {
            let id = job.parser_id.as_deref().unwrap_or_default();
            let is_gone = job.error_kind.as_deref() == Some("not_found");
            holds!(
                !is_gone
                    || !plan.tells_by_id()
                    // Another tool's parser of a job's name makes two accounts one.
                    || self.was_elsewhere && !self.strangers.is_empty()
                    || service.parser(UnixMs::MAX, id).is_none(),
                "job {} is FAILED not_found, and its parser {id} is there",
                job.name
            );
        }
        // A delete of what somebody else deleted first names no parser.
        let finished = |job: &&OutsideJob| job.state == "FINISHED" && job.action != "delete";
        for job in self.jobs.iter().filter(finished) {
            let id = job.parser_id.as_deref().unwrap_or_default();
            let found = service
                .parsers(time)
                .into_iter()
                .any(|parser| parser.id == id)
                || self.was_deleted(service, id);
            holds!(
                found,
                "job {} is FINISHED with {id}, which never was",
                job.name
            );
        }
        Ok(true)
    }

    /// Whether a parser is there that an old copy of the database has forgotten, and whose job
    /// was called off since: nobody looks for it.
    fn has_unexplained(&self) -> bool {
        let mut forgotten = self.posts.iter().filter(|post| post.is_forgotten);
        forgotten.any(|post| {
            let job = self.jobs.iter().find(|job| job.id == post.job);
            post.made.is_some() && job.is_none_or(|job| job.state == "CANCELLED")
        })
    }
}
