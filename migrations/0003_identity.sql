-- Whose a parser is: candidates of a create in doubt, parsers that nobody can explain, and
-- the parser that a job had before.

ALTER TABLE jobs ADD COLUMN candidates TEXT;
ALTER TABLE jobs ADD COLUMN dismissed TEXT;

CREATE TRIGGER jobs_insert_identity_check BEFORE INSERT ON jobs
WHEN NEW.candidates IS NOT NULL OR NEW.dismissed IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'candidates and dismissed are parserd''s to set: leave them out');
END;

CREATE TRIGGER jobs_identity_columns_check BEFORE UPDATE OF candidates, dismissed ON jobs
WHEN NEW.revision = OLD.revision
BEGIN
    SELECT RAISE(ABORT, 'candidates and dismissed are parserd''s to set: `parserd resolve` does');
END;

-- A create is found by its tag, too: whatever the service makes of the name around it.
CREATE INDEX creates_tag ON creates (substr(remote_name, -8));

-- Parsers of the account's lists that no job holds and no create made. `seen_with` is the
-- newest create at that time: one that was sent later did not make it. `remote_name` is the
-- name of the ledger whose tag it bears, where it bears one.
CREATE TABLE strangers (
    parser_id    TEXT    NOT NULL PRIMARY KEY,
    name         TEXT    NOT NULL,
    remote_name  TEXT,
    seen_with    INTEGER NOT NULL,
    seen_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX strangers_seen ON strangers (seen_with);

-- As before, save that a changed job is another one: it has no parser and no name yet.
DROP TRIGGER jobs_spec_changed;
CREATE TRIGGER jobs_spec_changed AFTER UPDATE OF name, urls, scraper_params, fields ON jobs
BEGIN
    INSERT INTO job_events (job_id, event, detail) VALUES (NEW.id, 'changed', json_object(
        'by', 'operator', 'old', json_object('name', OLD.name, 'urls', OLD.urls,
            'scraper_params', OLD.scraper_params, 'fields', OLD.fields,
            'parser_id', OLD.parser_id)));
    UPDATE jobs SET
        revision = OLD.revision + 1,
        parser_id = NULL,
        parser_version = NULL,
        recreation = 0,
        updated_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
    WHERE id = NEW.id AND revision = OLD.revision;
END;

-- As before, save that a job that is tried again keeps the id of the parser that it had:
-- that one is asked for before another is paid for.
DROP TRIGGER jobs_operator_changed;
CREATE TRIGGER jobs_operator_changed AFTER UPDATE OF state ON jobs
WHEN NEW.state <> OLD.state AND NEW.revision = OLD.revision
BEGIN
    UPDATE jobs SET
        revision = revision + 1,
        updated_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER),
        finished_at = CASE NEW.state WHEN 'CANCELLED'
            THEN CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) END,
        park_reason = NULL
    WHERE id = NEW.id;
    UPDATE jobs SET
        revision = revision + 1,
        state = CASE
            WHEN OLD.doubt_since IS NOT NULL THEN 'CREATING'
            WHEN OLD.parser_id IS NOT NULL
                AND OLD.error_kind IN ('generation_timeout', 'unexpected_response') THEN 'GENERATING'
            ELSE 'QUEUED' END,
        due_at = CASE
            WHEN OLD.doubt_since IS NOT NULL
                OR OLD.error_kind IN ('generation_timeout', 'unexpected_response') THEN updated_at
            ELSE max(updated_at, coalesce(run_at, 0)) END,
        recreation = recreation + (OLD.parser_id IS NOT NULL
            AND OLD.error_kind IN ('generation_failed', 'not_found')),
        generating_since = CASE WHEN OLD.error_kind IN ('generation_timeout', 'unexpected_response')
            THEN updated_at END,
        generated_at = NULL,
        attempts = 0, holds = 0, polls = 0, poll_errors = 0, missing_lists = 0,
        absent_since = NULL, absent_lists = 0, untrusted_since = NULL, candidates = NULL,
        error_kind = NULL, error_status = NULL, error_message = NULL, error_hint = NULL
    WHERE id = NEW.id AND NEW.state = 'QUEUED';
    INSERT INTO job_events (job_id, event, detail) VALUES (NEW.id,
        CASE NEW.state WHEN 'CANCELLED' THEN 'cancelled' ELSE 'requeued' END,
        json_object('by', 'operator', 'from', OLD.state, 'park_reason', OLD.park_reason,
            'error_kind', OLD.error_kind, 'parser_id', OLD.parser_id));
END;

-- To which service and with which key creates were sent and parsers are known. An epoch
-- begins where either changes; epochs of one account are known by a parser that was seen
-- in both. What was there before this table is of epoch 0, whoever it belongs to.
CREATE TABLE account_epochs (
    epoch        INTEGER PRIMARY KEY AUTOINCREMENT,
    since        INTEGER NOT NULL,
    fingerprint  TEXT    NOT NULL,
    account      INTEGER NOT NULL
) STRICT;

ALTER TABLE creates ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
-- The epoch in which the job came by its parser.
ALTER TABLE jobs ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;

CREATE TRIGGER jobs_insert_epoch_check BEFORE INSERT ON jobs
WHEN NEW.epoch IS NOT 0
BEGIN
    SELECT RAISE(ABORT, 'epoch is parserd''s to set: leave it out');
END;

CREATE TRIGGER jobs_epoch_check BEFORE UPDATE OF epoch ON jobs
WHEN NEW.revision = OLD.revision
BEGIN
    SELECT RAISE(ABORT, 'epoch is parserd''s to set: leave it out');
END;
