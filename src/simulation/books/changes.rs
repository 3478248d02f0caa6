//! What must hold of requests that change or delete parsers.

use super::{Books, Patch};
use crate::{
    core::job::UnixMs,
    simulation::verdict::{Verdict, holds},
    simulator::World,
    store::outside::OutsideJob,
};

/// How an update ends whose paid request took effect.
const ENDS: [Option<&str>; 6] = [
    None,
    Some("generation_failed"),
    Some("generation_timeout"),
    Some("unexpected_response"),
    Some("poor_result"),
    Some("not_found"),
];

impl Books {
    /// Whether a parser is ready that no job changes now.
    pub fn has_parser_to_change(&self) -> bool {
        let rests =
            |job: &OutsideJob| matches!(job.state.as_str(), "FINISHED" | "FAILED" | "CANCELLED");
        let ready = |job: &&OutsideJob| job.action == "create" && job.state == "FINISHED";
        let mut jobs = self.jobs.iter().filter(ready);
        jobs.any(|ready| {
            let mut others = self.jobs.iter();
            others.all(|job| job.action == "create" || job.name != ready.name || rests(job))
        })
    }

    /// The job that changes a parser, with its intent on record.
    fn changer(&self, parser: &str, is_delete: bool) -> Result<&OutsideJob, String> {
        let pending = self.updates.iter().find(|row| {
            row.parser_id == parser
                && row.outcome == "pending"
                && (row.part == "delete") == is_delete
        });
        let action = if is_delete { "delete" } else { "update" };
        let job = pending.and_then(|row| self.jobs.iter().find(|job| job.id == row.job_id));
        match job {
            Some(job) if job.state == "CREATING" && job.action == action => Ok(job),
            _ => Err(format!(
                "parser {parser} is changed without a durable intent"
            )),
        }
    }

    /// A PATCH is about to be sent; returns its number.
    pub fn patches(
        &mut self,
        parser: &str,
        body: &str,
        service: &World,
        time: UnixMs,
    ) -> Result<usize, String> {
        self.read();
        let job = self.changer(parser, false)?;
        let (id, name) = (job.id, job.name.clone());
        let is_paid = body.contains("add_fields") || body.contains("modify_fields");
        let same = self
            .patches
            .iter()
            .filter(|patch| patch.job == id && patch.body == body && patch.parser == parser);
        for patch in same {
            holds!(
                !patch.is_on_its_way,
                "the change of {name} is sent and an earlier one is on its way"
            );
            let live = patch.made.and_then(|version| {
                let is_there = service.parser(UnixMs::MAX, parser).is_some();
                is_there.then(|| service.is_failed_version(UnixMs::MAX, parser, version))
            });
            holds!(
                live != Some(false) || patch.is_forgotten || !patch.is_paid,
                "the change of {name} is sent again and made version {:?}",
                patch.made
            );
        }
        if is_paid || !self.gate.is_closed_for_long() {
            self.gate.lets(id, &name, time)?;
        }
        self.patches.push(Patch {
            job: id,
            parser: parser.to_owned(),
            body: body.to_owned(),
            is_paid,
            made: None,
            is_on_its_way: true,
            is_forgotten: false,
        });
        Ok(self.patches.len() - 1)
    }

    /// A DELETE is about to be sent: somebody asked for it. Returns the job.
    pub fn deletes(&mut self, parser: &str, time: UnixMs) -> Result<i64, String> {
        self.read();
        let job = self.changer(parser, true)?;
        let (id, name) = (job.id, job.name.clone());
        if !self.gate.is_closed_for_long() {
            self.gate.lets(id, &name, time)?;
        }
        Ok(id)
    }

    /// A version that is used gives way to none that is worth less.
    pub(super) fn versions_are_no_worse(&mut self) -> Verdict {
        for (id, version, quality) in self.outside.versions() {
            let before = self.versions.insert(id.clone(), (version, quality));
            let Some((used, worth)) = before else {
                continue;
            };
            holds!(
                used == version || quality.is_none() || worth.is_none() || quality <= worth,
                "version {version:?} of {id}, {quality:?}, is used in the place of {used:?}, {worth:?}"
            );
        }
        Ok(())
    }

    /// After all faults: what was paid for is on record as that.
    pub(super) fn changes_at_rest(&self, service: &World) -> Verdict {
        for patch in self.patches.iter().filter(|patch| patch.is_paid) {
            if patch.made.is_none()
                || patch.is_forgotten
                || service.parser(UnixMs::MAX, &patch.parser).is_none()
            {
                continue;
            }
            let Some(job) = self.jobs.iter().find(|job| job.id == patch.job) else {
                return Err(format!("the job that changed {} is gone", patch.parser));
            };
            let is_ambiguous = job.park_reason.as_deref() == Some("ambiguous");
            holds!(
                job.state == "CANCELLED"
                    || is_ambiguous
                    || matches!(job.state.as_str(), "FINISHED" | "FAILED")
                        && ENDS.contains(&job.error_kind.as_deref()),
                "the change of {} was paid for, and its job is {} {:?} {:?}",
                job.name,
                job.state,
                job.park_reason,
                job.error_kind
            );
        }
        Ok(())
    }
}
