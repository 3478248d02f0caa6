-- What will become of a create, foreseen from its example pages, and the parameters that were sent
-- in place of those that were written.

-- parserd's to write: the last verdict, and what a create is sent with where preflight or the ladder
-- changed scraper_params.
ALTER TABLE jobs ADD COLUMN preflight        TEXT;
ALTER TABLE jobs ADD COLUMN effective_params TEXT;
-- How many creates the ladder has asked for; whether a create was one of them, which counts in its
-- share of the day.
ALTER TABLE jobs    ADD COLUMN climbs    INTEGER NOT NULL DEFAULT 0 CHECK (climbs >= 0);
ALTER TABLE creates ADD COLUMN escalated INTEGER NOT NULL DEFAULT 0 CHECK (escalated IN (0, 1));

CREATE INDEX creates_escalated ON creates (sent_at) WHERE escalated;

PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql,
    '''existing_parser'', ''poor_result'')',
    '''existing_parser'', ''poor_result'', ''preflight_failed'')')
WHERE type = 'table' AND name = 'jobs';
PRAGMA writable_schema = RESET;

-- What was foreseen against what came of it.
CREATE INDEX jobs_foreseen ON jobs (state, error_kind, creates, effective_params IS NULL,
    CASE WHEN json_valid(preflight) THEN json_extract(preflight, '$.verdict') END)
WHERE preflight IS NOT NULL;

CREATE TRIGGER jobs_insert_foresight_check BEFORE INSERT ON jobs
WHEN NEW.preflight IS NOT NULL OR NEW.effective_params IS NOT NULL OR NEW.climbs IS NOT 0
BEGIN
    SELECT RAISE(ABORT, 'preflight, effective_params and climbs are parserd''s to set: leave them out, and write parameters as scraper_params');
END;

CREATE TRIGGER jobs_foresight_check BEFORE UPDATE OF preflight, effective_params, climbs ON jobs
WHEN NEW.revision = OLD.revision
BEGIN
    SELECT RAISE(ABORT, 'preflight, effective_params and climbs are parserd''s to set: write parameters as scraper_params');
END;

CREATE TRIGGER creates_escalated_stays BEFORE UPDATE OF escalated ON creates
WHEN NEW.escalated IS NOT OLD.escalated
BEGIN
    SELECT RAISE(ABORT, 'creates is append-only, the record of what was paid for: only outcome, parser_id and settled_at change, and parserd sets them');
END;

-- As before, and the ladder takes a job whose generation FAILED back to QUEUED.
DROP TRIGGER jobs_state_check;
CREATE TRIGGER jobs_state_check BEFORE UPDATE OF state ON jobs
WHEN NEW.state IS NOT OLD.state
BEGIN
    SELECT RAISE(ABORT, 'a job that is FINISHED or CANCELLED stays so: insert a new job instead')
    WHERE OLD.state IN ('FINISHED', 'CANCELLED');
    SELECT RAISE(ABORT, 'this change of state is parserd''s: by SQL set QUEUED, PARKED or FAILED jobs to CANCELLED, and PARKED or FAILED ones to QUEUED')
    WHERE NEW.revision = OLD.revision
      AND NOT (NEW.state IS 'CANCELLED' AND OLD.state IN ('QUEUED', 'PARKED', 'FAILED'))
      AND NOT (NEW.state IS 'QUEUED' AND OLD.state IN ('PARKED', 'FAILED'));
    SELECT RAISE(ABORT, 'no such change of state: see the state diagram in the README')
    WHERE NEW.revision <> OLD.revision
      AND NOT (OLD.action <> 'create' AND OLD.state IN ('QUEUED', 'CREATING')
               AND NEW.state IS 'FINISHED')
      AND NOT CASE OLD.state
          WHEN 'QUEUED'     THEN NEW.state IN ('CREATING', 'GENERATING', 'PARKED', 'FAILED', 'CANCELLED')
          WHEN 'CREATING'   THEN NEW.state IN ('QUEUED', 'GENERATING', 'PARKED', 'FAILED')
          WHEN 'GENERATING' THEN NEW.state IN ('FINISHED', 'FAILED')
              OR (NEW.state = 'QUEUED' AND NEW.climbs > OLD.climbs)
          WHEN 'PARKED'     THEN NEW.state IN ('QUEUED', 'CREATING', 'GENERATING', 'CANCELLED')
          WHEN 'FAILED'     THEN NEW.state IN ('QUEUED', 'GENERATING', 'CANCELLED')
          -- A row that got in past the rules.
          ELSE NEW.state = 'FAILED' END;
END;

-- Fetches of example pages, each written before it is sent: the record of what they cost and of
-- what was learned by them.
CREATE TABLE fetches (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id      INTEGER NOT NULL,
    url         TEXT    NOT NULL,
    host        TEXT    NOT NULL,
    proxy       TEXT    NOT NULL CHECK (proxy IN ('standard', 'premium', 'ultra_premium')),
    render      INTEGER NOT NULL CHECK (render IN (0, 1)),
    sent_at     INTEGER NOT NULL,
    credits     INTEGER NOT NULL,
    outcome     TEXT    NOT NULL DEFAULT 'pending' CHECK (outcome IN
        ('pending', 'page', 'gone', 'blocked', 'not_in_plan', 'too_dear', 'nothing')),
    -- What it brought, JSON: no text of the page but its title and its beginning.
    brought     TEXT    CHECK (brought IS NULL OR json_valid(brought)),
    settled_at  INTEGER,
    CHECK ((outcome = 'pending') = (settled_at IS NULL)),
    CHECK ((outcome = 'pending') = (brought IS NULL))
) STRICT;

CREATE INDEX fetches_job  ON fetches (job_id);
CREATE INDEX fetches_host ON fetches (host, sent_at);
CREATE INDEX fetches_plan ON fetches (sent_at) WHERE outcome = 'not_in_plan';

CREATE TRIGGER fetches_are_kept BEFORE DELETE ON fetches
BEGIN
    SELECT RAISE(ABORT, 'fetches is the record of what was paid for: its rows stay');
END;

CREATE TRIGGER fetches_stay BEFORE UPDATE ON fetches
WHEN NEW.id IS NOT OLD.id OR NEW.job_id IS NOT OLD.job_id OR NEW.url IS NOT OLD.url
  OR NEW.host IS NOT OLD.host OR NEW.proxy IS NOT OLD.proxy OR NEW.render IS NOT OLD.render
  OR NEW.sent_at IS NOT OLD.sent_at OR NEW.outcome = 'pending' OR OLD.outcome <> 'pending'
BEGIN
    SELECT RAISE(ABORT, 'fetches is append-only, the record of what was paid for: only a pending one is settled, and parserd does that');
END;

CREATE TRIGGER fetches_are_not_replaced BEFORE INSERT ON fetches
WHEN NEW.id IS NOT -1 AND EXISTS (SELECT 1 FROM fetches WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'fetches is append-only, the record of what was paid for: leave out id to insert a new row');
END;
