-- Jobs, their history, the create requests and the gates.
--
-- SQL is an interface: any program may enqueue with nothing but SQLite 3.38 or
-- newer, and its own SQLite runs these triggers. So they use only what that
-- version knows, and RAISE gets plain texts.
--
-- Times are Unix milliseconds, UTC.

CREATE TABLE jobs (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,

    -- To write.
    name              TEXT    NOT NULL,
    urls              TEXT    NOT NULL,
    scraper_params    TEXT,
    fields            TEXT,
    priority          INTEGER NOT NULL DEFAULT 0,
    run_at            INTEGER,

    -- To read.
    state             TEXT    NOT NULL DEFAULT 'QUEUED' CHECK (state IN
        ('QUEUED', 'CREATING', 'GENERATING', 'PARKED', 'FINISHED', 'FAILED', 'CANCELLED')),
    park_reason       TEXT    CHECK (park_reason IN
        ('credits', 'unauthorized', 'budget', 'ambiguous')),
    parser_id         TEXT,
    parser_version    INTEGER,
    example_result    TEXT,
    error_kind        TEXT    CHECK (error_kind IN
        ('bad_request', 'not_found', 'server_error', 'generation_failed',
         'generation_timeout', 'unexpected_response', 'existing_parser')),
    error_status      INTEGER,
    error_message     TEXT,
    error_hint        TEXT,
    creates           INTEGER NOT NULL DEFAULT 0,
    created_at        INTEGER NOT NULL
        DEFAULT (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)),
    updated_at        INTEGER NOT NULL
        DEFAULT (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)),
    finished_at       INTEGER,

    -- parserd's own. `revision` counts every change; parserd stores a change only
    -- on the revision that it was decided for.
    revision          INTEGER NOT NULL DEFAULT 0,
    due_at            INTEGER NOT NULL
        DEFAULT (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)),
    remote_name       TEXT,
    recreation        INTEGER NOT NULL DEFAULT 0,
    generating_since  INTEGER,
    generated_at      INTEGER,
    attempts          INTEGER NOT NULL DEFAULT 0,
    holds             INTEGER NOT NULL DEFAULT 0,
    polls             INTEGER NOT NULL DEFAULT 0,
    poll_errors       INTEGER NOT NULL DEFAULT 0,
    missing_lists     INTEGER NOT NULL DEFAULT 0,
    doubt_since       INTEGER,
    doubt_cause       TEXT CHECK (doubt_cause IN ('service_error', 'answer_lost', 'interrupted')),
    absent_since      INTEGER,
    absent_lists      INTEGER NOT NULL DEFAULT 0,
    untrusted_since   INTEGER,

    CHECK (state <> 'PARKED'     OR park_reason IS NOT NULL),
    CHECK (state <> 'FAILED'     OR error_kind  IS NOT NULL),
    CHECK (state <> 'CREATING'   OR remote_name IS NOT NULL),
    CHECK (state <> 'GENERATING' OR (parser_id IS NOT NULL AND generating_since IS NOT NULL)),
    CHECK (state <> 'FINISHED'   OR parser_id   IS NOT NULL),
    CHECK ((doubt_since IS NULL) = (doubt_cause IS NULL))
) STRICT;

CREATE UNIQUE INDEX jobs_name       ON jobs (name)                    WHERE state <> 'CANCELLED';
CREATE INDEX        jobs_queued     ON jobs (priority, due_at, id)    WHERE state = 'QUEUED';
CREATE INDEX        jobs_queued_due ON jobs (due_at)                  WHERE state = 'QUEUED';
CREATE INDEX        jobs_creating   ON jobs (due_at, id)              WHERE state = 'CREATING';
CREATE INDEX        jobs_generating ON jobs (due_at, id)              WHERE state = 'GENERATING';
CREATE INDEX        jobs_parked     ON jobs (park_reason, due_at, id) WHERE state = 'PARKED';
CREATE INDEX        jobs_failed     ON jobs (id)                      WHERE state = 'FAILED';
CREATE INDEX        jobs_parser     ON jobs (parser_id)               WHERE parser_id IS NOT NULL;
CREATE INDEX        jobs_state      ON jobs (state);

-- Append-only history. Every state change and its line here are one transaction.
CREATE TABLE job_events (
    id      INTEGER PRIMARY KEY,
    job_id  INTEGER NOT NULL,
    at      INTEGER NOT NULL
        DEFAULT (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)),
    event   TEXT    NOT NULL,
    detail  TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(detail))
) STRICT;

CREATE INDEX job_events_job ON job_events (job_id, id);

CREATE TRIGGER job_events_stay BEFORE UPDATE ON job_events
BEGIN
    SELECT RAISE(ABORT, 'job_events is append-only: insert a new row instead');
END;

CREATE TRIGGER job_events_are_kept BEFORE DELETE ON job_events
WHEN EXISTS (SELECT 1 FROM jobs WHERE id = OLD.job_id)
BEGIN
    SELECT RAISE(ABORT, 'job_events is append-only: the history of a job stays as long as the job');
END;

-- One row a create request, written before its first byte is sent. It outlives
-- its job: what was paid for is never lost track of.
CREATE TABLE creates (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id       INTEGER NOT NULL,
    remote_name  TEXT    NOT NULL,
    sent_at      INTEGER NOT NULL,
    credits      INTEGER NOT NULL,
    -- Ids of parsers that bore the name before: they are not this create's.
    baseline     TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(baseline)),
    outcome      TEXT    NOT NULL DEFAULT 'pending'
        CHECK (outcome IN ('pending', 'made', 'not_made')),
    parser_id    TEXT,
    settled_at   INTEGER,
    CHECK ((outcome = 'made') = (parser_id IS NOT NULL)),
    CHECK ((outcome = 'pending') = (settled_at IS NULL))
) STRICT;

CREATE INDEX creates_name    ON creates (remote_name, outcome);
-- No second request while the first of its name is unresolved.
CREATE UNIQUE INDEX creates_pending ON creates (remote_name) WHERE outcome = 'pending';
CREATE INDEX creates_job     ON creates (job_id);

CREATE TRIGGER creates_are_kept BEFORE DELETE ON creates
BEGIN
    SELECT RAISE(ABORT, 'creates is the record of what was paid for: its rows stay');
END;

-- Parsers that the service says are gone (404): no list need show them.
CREATE TABLE gone_parsers (
    parser_id  TEXT    NOT NULL PRIMARY KEY,
    at         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The account's closed gates; no row, no closed gate. Deleting a row opens it.
CREATE TABLE gates (
    scope          TEXT    NOT NULL PRIMARY KEY CHECK (scope IN ('create', 'read')),
    reason         TEXT    NOT NULL CHECK (reason IN
        ('unauthorized', 'credits', 'throttled', 'unreachable')),
    since          INTEGER NOT NULL,
    next_probe_at  INTEGER NOT NULL,
    interval_ms    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE meta (
    key    TEXT NOT NULL PRIMARY KEY,
    value  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One readable row a job.
CREATE VIEW job_overview AS
SELECT
    id,
    name,
    state,
    park_reason,
    parser_id,
    parser_version,
    creates,
    error_kind,
    error_status,
    error_message,
    error_hint,
    CASE WHEN json_valid(urls) THEN json_array_length(urls) END      AS url_count,
    strftime('%Y-%m-%dT%H:%M:%fZ', created_at / 1000.0, 'unixepoch')  AS created_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', updated_at / 1000.0, 'unixepoch')  AS updated_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', finished_at / 1000.0, 'unixepoch') AS finished_at,
    CASE WHEN state IN ('QUEUED', 'CREATING', 'GENERATING') THEN
        strftime('%Y-%m-%dT%H:%M:%fZ', due_at / 1000.0, 'unixepoch')
    END                                                              AS due_at
FROM jobs;
