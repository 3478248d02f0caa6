-- Jobs that an operator retried: those of a batch are found without a look at all of its history.
CREATE INDEX job_events_requeued ON job_events (id) WHERE event = 'requeued';
