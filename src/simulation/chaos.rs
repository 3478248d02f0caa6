//! What goes wrong beside the requests: crashes, clocks, disks, people.

use super::{
    books::JobRow,
    scenario::LATEST_ARRIVAL_MS,
    world::{Sim, What},
};
use crate::{simulator::Inserted, spec::JobSpec, worker::Stop};

const HOUR_MS: i64 = 3_600_000;

/// How many jobs people add while it runs.
const MOST_NEW_JOBS: u32 = 2;

pub(super) fn url(name: &str, edition: u32) -> String {
    format!("[\"https://{name}.example/{edition}\"]")
}

impl Sim {
    /// One of the things that go wrong.
    pub fn wreak(&mut self) {
        match self.chance.below(16) {
            0..=3 => {
                self.note(|| "crash".to_owned());
                self.crash();
            }
            4 => {
                self.note(|| "told to stop".to_owned());
                if let Some(stop) = &self.stop {
                    stop.send_replace(Stop::Drain);
                }
            }
            5 | 6 => {
                self.failing_commits += 1;
                self.note(|| "the next commit fails".to_owned());
            }
            7 => {
                let hours = self.chance.of(&[1, 3, 8, -1, -3, -8]);
                self.note(|| format!("the clock is set by {hours} h"));
                self.clock_step_ms += hours * HOUR_MS;
            }
            8 => {
                let pause_ms = self.chance.of(&[1_000, 30_000, LATEST_ARRIVAL_MS, HOUR_MS]);
                self.pause(pause_ms);
            }
            9 => {
                self.is_down = !self.is_down;
                let is_down = self.is_down;
                self.note(|| format!("the service is down: {is_down}"));
            }
            10 => {
                self.is_partial = !self.is_partial;
                let is_partial = self.is_partial;
                self.note(|| format!("lists are partial: {is_partial}"));
            }
            11 => self.delete_a_parser(),
            12 => self.insert_a_parser(),
            13 => self.add_credits(),
            _ => self.operate(),
        }
    }

    /// A day's outage is many of these; nothing runs that does not wait for a time.
    fn pause(&mut self, pause_ms: i64) {
        // Who is between a request and its deadline would only be late by as much.
        let is_sending = self.points.iter().any(|(what, _)| *what == What::Send);
        if is_sending {
            return;
        }
        self.note(|| format!("{pause_ms} ms pass"));
        self.time += pause_ms.min(self.latest_pause());
    }

    /// Packets arrive in time, whatever else is late.
    fn latest_pause(&self) -> i64 {
        let arrivals = self
            .packets
            .iter()
            .map(|packet| packet.event_at() - self.time);
        arrivals.min().unwrap_or(i64::MAX).max(0)
    }

    fn add_credits(&mut self) {
        self.note(|| "credits are bought".to_owned());
        self.service.world.add_credits(60_000);
    }

    fn delete_a_parser(&mut self) {
        let parsers = self.service.world.parsers(self.time);
        if !parsers.is_empty() {
            let id = &parsers[self.chance.index(parsers.len())].id;
            self.service.world.delete_parser(id);
            self.note(|| format!("somebody deletes {id}"));
        }
    }

    /// Another tool makes a parser of a job's name, before parserd does.
    fn insert_a_parser(&mut self) {
        let without = |job: &&JobRow| !self.books.has_posted(job.id) && job.state == "QUEUED";
        let Some(job) = self.books.jobs.iter().find(without) else {
            return;
        };
        let spec = JobSpec::from_columns(&job.name, &job.urls, None, None);
        let Ok(spec) = spec else { return };
        let name = spec.remote_name(0, true);
        self.note(|| format!("another tool makes {name}"));
        let inserted = Inserted {
            name: name.clone(),
            urls: spec.urls,
            ..Inserted::default()
        };
        let id = self.service.world.insert_parser(self.time, inserted);
        self.books.strangers.push((id.clone(), name));
        if self.chance.once_in(2) {
            self.resolve(&id);
        }
    }

    /// A person says `parserd resolve --adopt` of a create in doubt that made nothing: its
    /// job takes another job's parser.
    fn resolve(&mut self, parser: &str) {
        let in_doubt = |job: &&JobRow| self.books.is_in_doubt_for_nothing(job);
        let Some(job) = self.books.jobs.iter().find(in_doubt) else {
            return;
        };
        let (id, now) = (job.id, self.now());
        let name = job.name.clone();
        self.note(|| format!("somebody resolves {name} with {parser}"));
        let adopted = format!(
            "UPDATE jobs SET revision = revision + 1, state = 'GENERATING', \
             parser_id = '{parser}', generating_since = {now}, due_at = {now}, \
             updated_at = {now}, doubt_since = NULL, doubt_cause = NULL, absent_since = NULL, \
             absent_lists = 0, untrusted_since = NULL, park_reason = NULL, remote_name = NULL \
             WHERE id = {id} AND doubt_since IS NOT NULL AND state IN ('CREATING', 'PARKED')"
        );
        if self.books.sql(now, Some(id), &adopted) > 0 {
            let made = format!(
                "UPDATE creates SET outcome = 'made', parser_id = '{parser}', \
                 settled_at = {now} WHERE job_id = {id} AND outcome = 'pending'"
            );
            self.books.sql(now, None, &made);
            self.changed();
        }
    }

    fn changed(&mut self) {
        self.look();
        if let Some(nudge) = &self.nudge {
            nudge.notify_one();
        }
    }

    /// Another program changes the database: a person, or a script.
    fn operate(&mut self) {
        let now = self.now() + self.clock_step_ms;
        let count = self.books.jobs.len();
        if count == 0 {
            return;
        }
        let job = self.books.jobs[self.chance.index(count)].clone();
        let id = job.id;
        let changed = match self.chance.below(6) {
            0 if self.new_jobs < MOST_NEW_JOBS => {
                self.new_jobs += 1;
                let name = format!("new{}", self.new_jobs);
                self.note(|| format!("somebody adds {name}"));
                self.books.sql(now, None, &insert(&name, now))
            }
            0 | 1 => {
                self.note(|| format!("somebody cancels {}", job.name));
                let sql = format!("UPDATE jobs SET state = 'CANCELLED' WHERE id = {id}");
                self.books.sql(now, Some(id), &sql)
            }
            2 => {
                self.note(|| format!("somebody retries {}", job.name));
                let sql = format!(
                    "UPDATE jobs SET state = 'QUEUED' WHERE id = {id} AND state <> 'QUEUED'"
                );
                self.books.sql(now, Some(id), &sql)
            }
            3 => {
                self.note(|| "somebody opens the gates".to_owned());
                let opened = self.books.sql(now, None, "DELETE FROM gates");
                if opened > 0 {
                    self.books.gate.opened();
                }
                opened
            }
            _ => {
                self.note(|| format!("somebody edits {}", job.name));
                let sql = format!(
                    "UPDATE jobs SET urls = '{}' WHERE id = {id}",
                    url(&job.name, self.steps)
                );
                let changed = self.books.sql(now, Some(id), &sql);
                if changed > 0 {
                    self.books.edited.insert(id);
                }
                changed
            }
        };
        if changed > 0 {
            self.changed();
        }
    }
}

pub(super) fn insert(name: &str, now: i64) -> String {
    let urls = url(name, 0);
    format!(
        "INSERT INTO jobs (name, urls, created_at, updated_at, due_at) \
         VALUES ('{name}', '{urls}', {now}, {now}, {now})"
    )
}
