//! What follows when a task ends.

use std::sync::atomic::Ordering;

use tokio::task::{Id, JoinError};

use super::{Daemon, STORE_PAUSE_MS, TaskResult, Yield};
use crate::{
    api::Service,
    core::job::JobId,
    engine::worker::{Done, HeldBack},
    store::{JobStore, Lane},
};

impl<S: Service, D: JobStore> Daemon<S, D> {
    pub(super) fn joined(&mut self, joined: Result<(Id, TaskResult), JoinError>) {
        let (id, outcome) = match joined {
            Ok((id, outcome)) => (id, outcome.map_err(|error| error.to_string())),
            Err(error) => (error.id(), Err(format!("a worker ended: {error}"))),
        };
        let Some(task) = self.running.remove(&id) else {
            return;
        };
        self.look_for_rest();
        let has_taken_up = self.worker.has_taken_up.swap(false, Ordering::Relaxed);
        self.agenda.task_ended(task.is_overtaken || has_taken_up);
        if self
            .worker
            .has_adopted_otherwise
            .swap(false, Ordering::Relaxed)
        {
            self.holds.load();
        }
        if task.lane == Lane::Reconcile {
            self.reconciled();
        }
        self.survey_ended(id);
        match outcome {
            Ok(Yield::Survey(survey)) => self.surveyed(survey),
            Ok(Yield::Done(done)) => {
                for id in &task.jobs {
                    self.leased.remove(id);
                }
                for done in done {
                    match done.held_back {
                        Some(HeldBack::Sweeping) => {
                            self.leased.insert(done.id);
                            self.set_aside.push(done.id);
                            continue;
                        }
                        Some(HeldBack::DistrustedList) => self.hold_for_list(),
                        None if task.lane == Lane::Create => self.creates_wait.list_came(),
                        None => {}
                    }
                    self.probed(done);
                    self.note(done);
                }
            }
            Err(error) => {
                self.log_task_error(&error, &task.jobs);
                // What was reported lost may have been stored: also a job PARKED for a
                // reason that holds no longer.
                self.lifted.clear();
                // Most likely the database: it gets time to recover.
                self.resume_at = Some(self.worker.clock.now() + STORE_PAUSE_MS);
                match task.lane {
                    // Whether anything was sent is on record; nobody else has the job.
                    Lane::Create => {
                        self.orphans.extend(&task.jobs);
                        self.worker.account.distrust_count();
                    }
                    Lane::Poll | Lane::Reconcile => {
                        for id in &task.jobs {
                            self.leased.remove(id);
                        }
                        self.agenda.look_at_all();
                    }
                }
            }
        }
    }

    /// A full disk ends the tasks of hundreds of jobs, each again and again: one line a minute.
    fn log_task_error(&mut self, error: &str, jobs: &[JobId]) {
        let now = self.worker.clock.now();
        if let Some(times) = self.repeats.came("task", error, now) {
            let job = jobs.first().map(|id| id.0);
            tracing::error!(
                job,
                times,
                "work on a job ended with an error, and is taken up again: {error}"
            );
        }
    }

    /// Takes in where a job waits now.
    pub(super) fn note(&mut self, done: Done) {
        match done.waits {
            Some((Lane::Create, due_at)) => self.agenda.create_due(due_at),
            Some((Lane::Poll, due_at)) => self.agenda.poll_due(due_at),
            Some((Lane::Reconcile, due_at)) => self.agenda.doubt_due(due_at),
            None => {}
        }
        self.agenda.job_ended(done.parked.is_some());
        if let Some(reason) = done.parked {
            // It may have been parked after its reason was lifted: look once more.
            self.lifted.retain(|lifted| *lifted != reason);
        }
    }
}
