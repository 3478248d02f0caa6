-- Events of no job: their job_id is 0, which is no job's. They are in job_events so that one
-- sequence of ids, and one cursor, covers all that happened.
--
-- The gates' are written here, since people open a gate by SQL as well. Each closing has one: a new
-- time for the probe is no new closing, and another reason is. `throttled` has none: a busy service
-- closes and opens the gate every few seconds, and each job that met it has an event of its own.

CREATE TRIGGER jobs_insert_zero_id_check BEFORE INSERT ON jobs
WHEN NEW.id = 0
BEGIN
    SELECT RAISE(ABORT, 'id 0 stands for no job: leave it out, the database counts');
END;

CREATE TRIGGER gates_closed AFTER INSERT ON gates
WHEN NEW.reason <> 'throttled'
BEGIN
    INSERT INTO job_events (job_id, event, detail) VALUES (0, 'gate_closed', json_object(
        'scope', NEW.scope, 'reason', NEW.reason, 'since', NEW.since,
        'next_probe_at', NEW.next_probe_at));
END;

CREATE TRIGGER gates_closed_for_another_reason AFTER UPDATE OF reason ON gates
WHEN NEW.reason <> OLD.reason AND NEW.reason <> 'throttled'
BEGIN
    INSERT INTO job_events (job_id, event, detail) VALUES (0, 'gate_closed', json_object(
        'scope', NEW.scope, 'reason', NEW.reason, 'since', NEW.since,
        'next_probe_at', NEW.next_probe_at));
END;

-- What is only throttled is open to whoever was told that it closed.
CREATE TRIGGER gates_closed_no_more AFTER UPDATE OF reason ON gates
WHEN NEW.reason = 'throttled' AND OLD.reason <> 'throttled'
BEGIN
    INSERT INTO job_events (job_id, event, detail) VALUES (0, 'gate_opened', json_object(
        'scope', OLD.scope, 'reason', OLD.reason, 'since', OLD.since, 'closed_ms',
        max(0, CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) - OLD.since)));
END;

CREATE TRIGGER gates_opened AFTER DELETE ON gates
WHEN OLD.reason <> 'throttled'
BEGIN
    INSERT INTO job_events (job_id, event, detail) VALUES (0, 'gate_opened', json_object(
        'scope', OLD.scope, 'reason', OLD.reason, 'since', OLD.since, 'closed_ms',
        max(0, CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) - OLD.since)));
END;

-- What happened before this version is part of no batch that this version announces.
INSERT INTO meta (key, value)
SELECT 'batch', json_object('event_id', max(id)) FROM job_events HAVING max(id) IS NOT NULL;
