//! What goes wrong beside the requests: crashes, clocks, disks, people.

use super::{
    books::Books,
    scenario::{Focus, LATEST_ARRIVAL_MS, SETTLE_MS},
    world::{Sim, What},
};
use crate::{
    core::job::UnixMs,
    core::spec::JobSpec,
    engine::worker::{Stop, turn::crash_point::CrashPoint},
    simulator::Inserted,
    store::outside::{Operation, OutsideJob},
};

const HOUR_MS: i64 = 3_600_000;

/// What the jobs ask for whose parsers are changed later.
const FIELDS: &str =
    r#"[{"description":"the title","name":"title"},{"description":"the price","name":"price"}]"#;

/// How many jobs people add while it runs.
const MOST_NEW_JOBS: u32 = 2;

impl Books {
    /// A program adds a job; how many rows.
    pub fn insert(
        &mut self,
        now: UnixMs,
        name: &str,
        urls: &str,
        checks: u32,
        has_fields: bool,
    ) -> usize {
        let pages: Vec<_> = (0..checks)
            .map(|n| format!("https://{name}.example/held/{n}"))
            .collect();
        let pages = (checks > 0).then(|| serde_json::json!(pages).to_string());
        self.operate(
            now,
            Operation::Insert {
                name,
                urls,
                priority: 0,
                run_at: None,
                check_urls: pages.as_deref(),
                fields: has_fields.then_some(FIELDS),
                parser_id: None,
                protect: false,
            },
        )
    }
}

impl Sim {
    /// The example pages of a job; those of no two are the same.
    pub fn urls(&mut self, name: &str, edition: u32) -> String {
        let mut urls = vec![format!("https://{name}.example/{edition}")];
        let texts = self.plan.pages;
        if texts.len() > 1 {
            if self.chance.once_in(2) {
                urls.push(format!("https://{name}.example/{edition}/more"));
            }
            for url in &mut urls {
                url.push_str(self.chance.of(texts));
            }
        }
        serde_json::json!(urls).to_string()
    }

    /// One of the things that go wrong.
    pub fn wreak(&mut self) {
        if self.chance.once_in(2) && self.wreaks_the_focus() {
            return;
        }
        match self.chance.below(18) {
            0 | 1 => {
                self.note(|| "crash".to_owned());
                self.crash();
            }
            2 | 3 => self.crash_at = Some(self.chance.of(CrashPoint::ALL)),
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
            10 if self.plan.tells_by_id() => {
                self.is_partial = !self.is_partial;
                let is_partial = self.is_partial;
                self.note(|| format!("lists are partial: {is_partial}"));
            }
            11 => self.delete_a_parser(),
            12 => self.insert_a_parser(),
            13 => self.add_credits(),
            // Nobody can tell there what a copy of before has forgotten.
            14 if self.is_elsewhere || !self.books.was_restored => {
                self.ask_elsewhere(!self.is_elsewhere);
            }
            15 => self.freeze(),
            _ => self.operate(),
        }
    }

    /// A turn has come to this gap. What it does from here on first waits for the scheduler,
    /// which lets nothing go on in a process that has crashed.
    pub fn reached(&mut self, point: CrashPoint) {
        if self.crash_at == Some(point) && self.order.is_none() {
            self.note(|| format!("crash: {point}"));
            self.crashed_at[point as usize] += 1;
            self.crash();
        }
    }

    /// A create that nobody waits for any more is still to arrive.
    pub fn has_late_create(&self) -> bool {
        self.packets
            .iter()
            .any(|packet| packet.is_late_create(self.time))
    }

    /// What this run is about; returns whether that could go wrong now.
    fn wreaks_the_focus(&mut self) -> bool {
        let Some(focus) = self.plan.focus else {
            return false;
        };
        match focus {
            Focus::Freeze if self.has_late_create() => self.freeze(),
            // It stays there for a while.
            Focus::Elsewhere if self.is_elsewhere && !self.chance.once_in(4) => {
                self.pause(HOUR_MS / 4);
            }
            Focus::Elsewhere => self.ask_elsewhere(!self.is_elsewhere),
            // At another address nothing shows what a copy does not know.
            Focus::Restore if self.books.can_restore() && !self.is_elsewhere => self.restore(),
            Focus::Restore => self.back_up(),
            Focus::Retry => return self.retry_a_failed_job(),
            Focus::Change => return self.change_a_parser(),
            Focus::Strangers if self.has_doubt_for_nothing() => self.insert_a_parser(),
            Focus::Freeze
            | Focus::Gateways
            | Focus::Partial
            | Focus::Strangers
            | Focus::Ladder
            | Focus::Preflight => {
                return false;
            }
        }
        true
    }

    fn retry_a_failed_job(&mut self) -> bool {
        let mut jobs = self.books.jobs.iter();
        let Some(failed) = jobs.find(|job| job.state == "FAILED").cloned() else {
            return false;
        };
        self.note(|| format!("somebody retries {}", failed.name));
        let now = self.now() + self.clock_step_ms;
        let changed = self.books.operate(now, Operation::Retry(failed.id));
        if changed > 0 {
            self.changed();
        }
        changed > 0
    }

    /// Somebody updates or deletes a parser by a job, or another tool changes it.
    fn change_a_parser(&mut self) -> bool {
        let ready = |job: &&OutsideJob| job.state == "FINISHED" && job.action == "create";
        let mut jobs = self.books.jobs.iter().filter(ready);
        let Some((id, name)) =
            jobs.find_map(|job| Some((job.parser_id.clone()?, job.name.clone())))
        else {
            return false;
        };
        let Some(parser) = self.service.world.parser(self.time, &id) else {
            return false;
        };
        let first = parser.fields.first();
        let first = first
            .and_then(|field| field["name"].as_str())
            .unwrap_or("title");
        let step = self.steps;
        let rename = format!(r#""rename_fields":[{{"name":"{first}","new_name":"field{step}"}}]"#);
        let add = format!(r#""add_fields":[{{"name":"added{step}","description":"more"}}]"#);
        let change = match self.chance.below(6) {
            0 => Some(format!("{{{rename}}}")),
            1 | 2 => Some(format!("{{{add}}}")),
            3 => Some(format!("{{{add},{rename}}}")),
            4 => None,
            _ => {
                let body = serde_json::from_str(&format!("{{{rename}}}")).unwrap_or_default();
                let made = self.service.world.patch_as_other(self.time, &id, &body);
                self.books.was_changed_elsewhere |= made.is_ok();
                self.note(|| format!("another tool changes {id}: {made:?}"));
                return true;
            }
        };
        // Not each time: what is deleted is changed no more.
        if change.is_none() && !self.chance.once_in(3) {
            return false;
        }
        self.note(|| format!("somebody changes {name}: {change:?}"));
        let now = self.now() + self.clock_step_ms;
        let operation = Operation::Change {
            name: &name,
            change: change.as_deref(),
        };
        let changed = self.books.operate(now, operation);
        if changed > 0 {
            self.changed();
        }
        changed > 0
    }

    fn back_up(&mut self) {
        self.note(|| "a backup is made".to_owned());
        self.books.back_up();
    }

    fn restore(&mut self) {
        self.note(|| "the backup is put in place".to_owned());
        self.books.restore();
        self.was_restored = true;
        self.crash();
    }

    /// The machine stands still, with all that it was about to send.
    fn freeze(&mut self) {
        let pause_ms = self.chance.of(&[60_000, 1_200_000, HOUR_MS]);
        self.note(|| format!("the machine is frozen for {pause_ms} ms"));
        self.time += pause_ms;
        for packet in &mut self.packets {
            packet.thaw(pause_ms);
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
            let parser = &parsers[self.chance.index(parsers.len())];
            let id = &parser.id;
            self.service.world.delete_parser(id);
            self.books.lost_young |= self.time - parser.created_at_ms < SETTLE_MS;
            self.note(|| format!("somebody deletes {id}"));
        }
    }

    /// Another tool makes a parser of a job's name, before parserd does.
    fn insert_a_parser(&mut self) {
        let without = |job: &&OutsideJob| !self.books.has_posted(job.id) && job.state == "QUEUED";
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
        // Who insists on one that this account does not have gets that job FAILED.
        let is_said = self.plan.focus == Some(Focus::Strangers) || self.chance.once_in(2);
        if is_said && !self.is_elsewhere {
            self.resolve(&id);
        }
    }

    fn has_doubt_for_nothing(&self) -> bool {
        let mut jobs = self.books.jobs.iter();
        jobs.any(|job| self.books.is_in_doubt_for_nothing(job))
    }

    /// A person says `parserd resolve --adopt` of a create in doubt that made nothing: its
    /// job takes another job's parser.
    fn resolve(&mut self, parser: &str) {
        let in_doubt = |job: &&OutsideJob| self.books.is_in_doubt_for_nothing(job);
        let Some(job) = self.books.jobs.iter().find(in_doubt) else {
            return;
        };
        let (id, now) = (job.id, self.now());
        let name = job.name.clone();
        self.note(|| format!("somebody resolves {name} with {parser}"));
        if self.books.operate(now, Operation::Adopt { id, parser }) > 0 {
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
                let has_fields = self.plan.focus == Some(Focus::Change);
                let urls = self.urls(&name, 0);
                self.books
                    .insert(now, &name, &urls, self.plan.checks, has_fields)
            }
            0 | 1 => {
                self.note(|| format!("somebody cancels {}", job.name));
                self.books.operate(now, Operation::Cancel(id))
            }
            2 => {
                self.note(|| format!("somebody retries {}", job.name));
                self.books.operate(now, Operation::Retry(id))
            }
            3 => {
                self.note(|| "somebody opens the gates".to_owned());
                let opened = self.books.operate(now, Operation::OpenGates);
                if opened > 0 {
                    self.books.gate.opened_by_somebody();
                }
                opened
            }
            _ => {
                self.note(|| format!("somebody edits {}", job.name));
                let urls = self.urls(&job.name, self.steps);
                let changed = self.books.operate(now, Operation::Edit { id, urls: &urls });
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
