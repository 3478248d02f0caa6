-- What an operator says by SQL is recorded here, and what follows from it is decided by parserd,
-- as for its own commands: nothing else changes a job's state.

-- Since when a job is to be tried again, and since when its specification is another one, where
-- no daemon has taken that in yet.
ALTER TABLE jobs ADD COLUMN retry_requested_at INTEGER;
ALTER TABLE jobs ADD COLUMN edit_requested_at  INTEGER;

CREATE INDEX jobs_requested ON jobs (id)
    WHERE retry_requested_at IS NOT NULL OR edit_requested_at IS NOT NULL;

CREATE TRIGGER jobs_insert_requested_check BEFORE INSERT ON jobs
WHEN NEW.retry_requested_at IS NOT NULL OR NEW.edit_requested_at IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'retry_requested_at and edit_requested_at are parserd''s to set: leave them out');
END;

CREATE TRIGGER jobs_requested_check BEFORE UPDATE OF retry_requested_at, edit_requested_at ON jobs
WHEN NEW.revision = OLD.revision
BEGIN
    SELECT RAISE(ABORT, 'retry_requested_at and edit_requested_at are parserd''s to set: set state to QUEUED to have a job tried again');
END;

DROP TRIGGER jobs_operator_changed;
CREATE TRIGGER jobs_operator_changed AFTER UPDATE OF state ON jobs
WHEN NEW.state <> OLD.state AND NEW.revision = OLD.revision
BEGIN
    UPDATE jobs SET
        revision = revision + 1,
        updated_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER),
        finished_at = CASE NEW.state WHEN 'CANCELLED'
            THEN CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) END,
        retry_requested_at = CASE NEW.state WHEN 'QUEUED'
            THEN CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) END,
        -- That of a PARKED job is none to count with.
        due_at = CASE NEW.state WHEN 'QUEUED'
            THEN max(CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER),
                     coalesce(run_at, 0))
            ELSE due_at END,
        edit_requested_at = CASE NEW.state WHEN 'QUEUED' THEN edit_requested_at END,
        park_reason = NULL
    WHERE id = NEW.id;
    INSERT INTO job_events (job_id, event, detail) VALUES (NEW.id,
        CASE NEW.state WHEN 'CANCELLED' THEN 'cancelled' ELSE 'requeued' END,
        json_object('by', 'operator', 'from', OLD.state, 'park_reason', OLD.park_reason,
            'error_kind', OLD.error_kind, 'parser_id', OLD.parser_id));
END;

DROP TRIGGER jobs_spec_changed;
CREATE TRIGGER jobs_spec_changed AFTER UPDATE OF name, urls, scraper_params, fields ON jobs
BEGIN
    INSERT INTO job_events (job_id, event, detail) VALUES (NEW.id, 'changed', json_object(
        'by', 'operator', 'old', json_object('name', OLD.name, 'urls', OLD.urls,
            'scraper_params', OLD.scraper_params, 'fields', OLD.fields,
            'parser_id', OLD.parser_id)));
    UPDATE jobs SET
        revision = revision + 1,
        edit_requested_at = CASE WHEN state <> 'CANCELLED'
            THEN CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) END,
        updated_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
    WHERE id = NEW.id;
END;
