-- What the database refuses, and what it makes of an operator's change of state.

-- What counts as blank, as a control character, and what no URL holds: the same as
-- Rust's char::is_whitespace and char::is_control.
CREATE VIEW spec_characters AS
SELECT
    char(9, 10, 11, 12, 13, 32, 133, 160, 5760, 8192, 8193, 8194, 8195, 8196, 8197, 8198,
         8199, 8200, 8201, 8202, 8232, 8233, 8239, 8287, 12288)            AS blanks,
    '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*' AS with_control,
    '*[' || char(1) || '-' || char(32) || char(127) || '-' || char(160) || char(5760)
         || char(8192) || '-' || char(8202) || char(8232) || char(8233) || char(8239)
         || char(8287) || char(12288) || ']*'                              AS not_for_url;

-- A specification is checked by inserting it here; nothing is stored. The limits
-- are those of src/spec/rules.rs, and tests/schema holds the two against each other.
CREATE VIEW spec_check AS
SELECT NULL AS name, NULL AS urls, NULL AS scraper_params, NULL AS fields WHERE 0;

CREATE TRIGGER spec_check_rules INSTEAD OF INSERT ON spec_check
BEGIN
    SELECT RAISE(ABORT, 'name is empty: give the job a name of 1 to 200 characters')
    WHERE NEW.name IS NULL OR trim(NEW.name, (SELECT blanks FROM spec_characters)) = '';
    SELECT RAISE(ABORT, 'name has control characters: write it on one line, without tabs')
    WHERE instr(NEW.name, char(0)) OR NEW.name GLOB (SELECT with_control FROM spec_characters);
    SELECT RAISE(ABORT, 'name is too long: write at most 200 characters')
    WHERE length(NEW.name) > 200;

    -- Some versions of SQLite read a text only up to a NUL.
    SELECT RAISE(ABORT, 'urls is too long: write at most 1 MB of JSON')
    WHERE length(CAST(NEW.urls AS BLOB)) > 1000000;
    SELECT RAISE(ABORT, 'urls is not a JSON array: write it as ["https://example.com/page"], with 1 to 3 URLs')
    WHERE NEW.urls IS NULL OR instr(NEW.urls, char(0))
       OR NOT json_valid(NEW.urls) OR json_type(NEW.urls) <> 'array';
    SELECT RAISE(ABORT, 'urls has no URL: write 1 to 3 example pages of one page type')
    WHERE json_array_length(NEW.urls) = 0;
    SELECT RAISE(ABORT, 'urls has more than 3 URLs: keep the 1 to 3 that show the page type best')
    WHERE json_array_length(NEW.urls) > 3;
    SELECT RAISE(ABORT, 'urls holds something that is no http(s) URL: write each as "https://host/path", without spaces')
    FROM json_each(NEW.urls)
    WHERE type <> 'text'
       OR NOT (lower(value) GLOB 'http://[^/?#\]*' OR lower(value) GLOB 'https://[^/?#\]*')
       OR instr(value, char(0)) OR instr(NEW.urls, '\u0000')
       OR value GLOB (SELECT not_for_url FROM spec_characters);
    SELECT RAISE(ABORT, 'urls holds a URL that is too long: write at most 2048 characters')
    FROM json_each(NEW.urls) WHERE length(value) > 2048;
    SELECT RAISE(ABORT, 'urls holds a user name or password: write the URL without what stands before the @')
    FROM (SELECT substr(rest, 1, instr(rest, '/') - 1) AS host FROM (
        SELECT replace(replace(replace(substr(value, instr(value, '://') + 3),
            '?', '/'), '#', '/'), '\', '/') || '/' AS rest FROM json_each(NEW.urls)))
    WHERE instr(host, '@');
    SELECT RAISE(ABORT, 'urls holds a URL whose host or port is none: write each as "https://host/path", or "https://host:8080/path"')
    FROM (SELECT host, substr(host, instr(host || ':', ':') + 1) AS port FROM (
        SELECT substr(rest, 1, instr(rest, '/') - 1) AS host FROM (
            SELECT replace(replace(replace(substr(value, instr(value, '://') + 3),
                '?', '/'), '#', '/'), '\', '/') || '/' AS rest FROM json_each(NEW.urls))))
    WHERE host GLOB '*[<>|^]*' OR host GLOB ':*'
       OR (host NOT GLOB '[[]*' AND (port GLOB '*[^0-9]*' OR CAST(port AS INTEGER) > 65535));
    SELECT RAISE(ABORT, 'urls holds the same URL twice: write each once')
    WHERE (SELECT count(DISTINCT value) FROM json_each(NEW.urls)) < json_array_length(NEW.urls);

    SELECT RAISE(ABORT, 'scraper_params is too long: write at most 65536 bytes')
    WHERE length(CAST(NEW.scraper_params AS BLOB)) > 1000000;
    SELECT RAISE(ABORT, 'scraper_params is not a JSON object: write it as {"render": true}, or leave it out')
    WHERE NEW.scraper_params IS NOT NULL
      AND (instr(NEW.scraper_params, char(0)) OR NOT json_valid(NEW.scraper_params)
           OR json_type(NEW.scraper_params) <> 'object');
    SELECT RAISE(ABORT, 'scraper_params is too long: write at most 65536 bytes')
    WHERE length(CAST(json(NEW.scraper_params) AS BLOB)) > 65536;
    SELECT RAISE(ABORT, 'scraper_params has an unknown key: write only render, country_code, premium, ultra_premium, session_number, keep_headers, device_type, follow_redirect, retry_404')
    FROM json_each(NEW.scraper_params)
    WHERE key NOT IN ('render', 'country_code', 'premium', 'ultra_premium', 'session_number',
                      'keep_headers', 'device_type', 'follow_redirect', 'retry_404');
    SELECT RAISE(ABORT, 'scraper_params has a key twice: write each once')
    WHERE (SELECT count(*) > count(DISTINCT key) FROM json_each(NEW.scraper_params));
    SELECT RAISE(ABORT, 'scraper_params: render, premium, ultra_premium, keep_headers, follow_redirect and retry_404 are true or false, without quotes')
    FROM json_each(NEW.scraper_params)
    WHERE key IN ('render', 'premium', 'ultra_premium', 'keep_headers', 'follow_redirect', 'retry_404')
      AND type NOT IN ('true', 'false');
    SELECT RAISE(ABORT, 'scraper_params: country_code is two letters, as in "us"')
    FROM json_each(NEW.scraper_params)
    WHERE key = 'country_code' AND NOT (type = 'text' AND value GLOB '[a-zA-Z][a-zA-Z]');
    SELECT RAISE(ABORT, 'scraper_params: session_number is a whole number of at least 1')
    FROM json_each(NEW.scraper_params)
    WHERE key = 'session_number'
      AND NOT (type = 'integer' AND typeof(value) = 'integer' AND value >= 1);
    SELECT RAISE(ABORT, 'scraper_params: device_type is "desktop" or "mobile"')
    FROM json_each(NEW.scraper_params)
    WHERE key = 'device_type' AND NOT (type = 'text' AND value IN ('desktop', 'mobile'));
    SELECT RAISE(ABORT, 'scraper_params: premium and ultra_premium exclude each other, keep one')
    WHERE json_extract(NEW.scraper_params, '$.premium') = 1
      AND json_extract(NEW.scraper_params, '$.ultra_premium') = 1;

    SELECT RAISE(ABORT, 'fields is too long: write at most 65536 bytes')
    WHERE length(CAST(NEW.fields AS BLOB)) > 1000000;
    SELECT RAISE(ABORT, 'fields is not a JSON array: write it as [{"name": "title", "description": "the title"}], or leave it out')
    WHERE NEW.fields IS NOT NULL
      AND (instr(NEW.fields, char(0)) OR NOT json_valid(NEW.fields)
           OR json_type(NEW.fields) <> 'array');
    SELECT RAISE(ABORT, 'fields is an empty array: name at least one field, or leave it out to have the fields inferred')
    WHERE json_array_length(NEW.fields) = 0;
    SELECT RAISE(ABORT, 'fields has more than 100 entries: keep at most 100')
    WHERE json_array_length(NEW.fields) > 100;
    SELECT RAISE(ABORT, 'fields is too long: write at most 65536 bytes')
    WHERE length(CAST(json(NEW.fields) AS BLOB)) > 65536;
    SELECT RAISE(ABORT, 'fields holds something that is no object: write each as {"name": "title", "description": "the title"}')
    FROM json_each(NEW.fields) WHERE type <> 'object';
    SELECT RAISE(ABORT, 'fields holds an entry with an unknown key: write only name, description, type and selector')
    FROM json_each(NEW.fields) AS field, json_each(field.value) AS part
    WHERE part.key NOT IN ('name', 'description', 'type', 'selector');
    SELECT RAISE(ABORT, 'fields holds an entry with a key twice: write each once')
    FROM json_each(NEW.fields) AS field
    WHERE (SELECT count(*) > count(DISTINCT key) FROM json_each(field.value));
    SELECT RAISE(ABORT, 'fields holds an entry without a name or a description: both are needed, as texts')
    FROM json_each(NEW.fields) AS field
    WHERE coalesce(json_type(field.value, '$.name'), '') <> 'text'
       OR coalesce(json_type(field.value, '$.description'), '') <> 'text'
       OR trim(json_extract(field.value, '$.name'), (SELECT blanks FROM spec_characters)) = ''
       OR trim(json_extract(field.value, '$.description'), (SELECT blanks FROM spec_characters)) = '';
    SELECT RAISE(ABORT, 'fields: type is "string", "number" or "array", or is left out')
    FROM json_each(NEW.fields) AS field
    WHERE json_type(field.value, '$.type') IS NOT NULL
      AND NOT (json_type(field.value, '$.type') = 'text'
               AND json_extract(field.value, '$.type') IN ('string', 'number', 'array'));
    SELECT RAISE(ABORT, 'fields: selector is a text, a CSS or XPath hint, or is left out')
    FROM json_each(NEW.fields) AS field
    WHERE coalesce(json_type(field.value, '$.selector'), 'text') <> 'text'
       OR trim(json_extract(field.value, '$.selector'), (SELECT blanks FROM spec_characters)) = '';
    SELECT RAISE(ABORT, 'fields holds a text that is too long: name at most 200 characters, description 2000, selector 1000')
    FROM json_each(NEW.fields) AS field
    WHERE length(json_extract(field.value, '$.name')) > 200
       OR length(json_extract(field.value, '$.description')) > 2000
       OR length(json_extract(field.value, '$.selector')) > 1000;
    SELECT RAISE(ABORT, 'fields holds two entries of one name: write each name once')
    WHERE (SELECT count(DISTINCT json_extract(value, '$.name')) FROM json_each(NEW.fields))
        < json_array_length(NEW.fields);
END;

-- INSERT OR REPLACE would delete a job, and no trigger is told of it. But a trigger's
-- own statements take on the conflict policy of the one that fired it: only then is
-- this row replaced, and everything is rolled back.
CREATE TABLE replace_guard (
    id        INTEGER NOT NULL PRIMARY KEY,
    replaced  INTEGER NOT NULL
) STRICT;
INSERT INTO replace_guard (id, replaced) VALUES (1, 0);

CREATE TRIGGER jobs_insert_check BEFORE INSERT ON jobs
BEGIN
    SELECT RAISE(ABORT, 'a new job is QUEUED: leave out state and the columns that parserd sets, write name, urls and, if wanted, scraper_params, fields, priority, run_at')
    WHERE NEW.state IS NOT 'QUEUED' OR NEW.park_reason IS NOT NULL OR NEW.parser_id IS NOT NULL
       OR NEW.parser_version IS NOT NULL OR NEW.example_result IS NOT NULL
       OR NEW.error_kind IS NOT NULL OR NEW.error_status IS NOT NULL
       OR NEW.error_message IS NOT NULL OR NEW.error_hint IS NOT NULL OR NEW.creates IS NOT 0
       OR NEW.finished_at IS NOT NULL OR NEW.revision IS NOT 0 OR NEW.remote_name IS NOT NULL
       OR NEW.recreation IS NOT 0 OR NEW.generating_since IS NOT NULL
       OR NEW.generated_at IS NOT NULL OR NEW.attempts IS NOT 0 OR NEW.holds IS NOT 0
       OR NEW.polls IS NOT 0 OR NEW.poll_errors IS NOT 0 OR NEW.missing_lists IS NOT 0
       OR NEW.doubt_since IS NOT NULL OR NEW.doubt_cause IS NOT NULL
       OR NEW.absent_since IS NOT NULL OR NEW.absent_lists IS NOT 0
       OR NEW.untrusted_since IS NOT NULL OR NEW.due_at IS NOT NEW.created_at
       OR NEW.updated_at IS NOT NEW.created_at;
    SELECT RAISE(ABORT, 'priority is empty: write a whole number, higher goes first, or leave it out')
    WHERE NEW.priority IS NULL;
    SELECT RAISE(ABORT, 'run_at is Unix milliseconds: multiply Unix seconds by 1000')
    WHERE NEW.run_at IS NOT NULL AND NEW.run_at NOT BETWEEN 100000000000 AND 32503680000000;
    INSERT INTO spec_check (name, urls, scraper_params, fields)
    VALUES (NEW.name, NEW.urls, NEW.scraper_params, NEW.fields);
    INSERT OR IGNORE INTO replace_guard (id, replaced)
    SELECT 1, 1 FROM jobs WHERE id = NEW.id OR (name = NEW.name AND state <> 'CANCELLED');
    SELECT RAISE(ABORT, 'REPLACE would delete the job of this name with its parser: use INSERT OR IGNORE, or set its state to CANCELLED first')
    WHERE (SELECT replaced FROM replace_guard);
END;

CREATE TRIGGER jobs_inserted AFTER INSERT ON jobs
BEGIN
    UPDATE jobs SET due_at = NEW.run_at WHERE id = NEW.id AND NEW.run_at IS NOT NULL;
    INSERT INTO job_events (job_id, at, event) VALUES (NEW.id, NEW.created_at, 'queued');
END;

CREATE TRIGGER jobs_spec_check BEFORE UPDATE OF name, urls, scraper_params, fields ON jobs
BEGIN
    SELECT RAISE(ABORT, 'this job is under way or done: only a QUEUED, PARKED or FAILED job that has no parser can be changed; cancel it and insert a new one')
    WHERE OLD.state NOT IN ('QUEUED', 'PARKED', 'FAILED') OR OLD.doubt_since IS NOT NULL
       OR (OLD.parser_id IS NOT NULL AND OLD.error_kind IN ('generation_timeout', 'unexpected_response'));
    INSERT INTO spec_check (name, urls, scraper_params, fields)
    VALUES (NEW.name, NEW.urls, NEW.scraper_params, NEW.fields);
    INSERT OR IGNORE INTO replace_guard (id, replaced)
    SELECT 1, 1 FROM jobs WHERE id <> OLD.id AND name = NEW.name AND state <> 'CANCELLED';
    SELECT RAISE(ABORT, 'REPLACE would delete the job of this name with its parser: choose another name, or set its state to CANCELLED first')
    WHERE (SELECT replaced FROM replace_guard);
END;

CREATE TRIGGER jobs_spec_changed AFTER UPDATE OF name, urls, scraper_params, fields ON jobs
BEGIN
    INSERT INTO job_events (job_id, event, detail) VALUES (NEW.id, 'changed', json_object(
        'by', 'operator', 'old', json_object('name', OLD.name, 'urls', OLD.urls,
            'scraper_params', OLD.scraper_params, 'fields', OLD.fields)));
    UPDATE jobs SET
        revision = OLD.revision + 1,
        updated_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
    WHERE id = NEW.id AND revision = OLD.revision;
END;

CREATE TRIGGER jobs_run_at_check BEFORE UPDATE OF run_at ON jobs
BEGIN
    SELECT RAISE(ABORT, 'run_at is Unix milliseconds: multiply Unix seconds by 1000')
    WHERE NEW.run_at IS NOT NULL AND NEW.run_at NOT BETWEEN 100000000000 AND 32503680000000;
END;

CREATE TRIGGER jobs_run_at_changed AFTER UPDATE OF run_at ON jobs
WHEN NEW.state = 'QUEUED'
BEGIN
    UPDATE jobs SET due_at = coalesce(NEW.run_at, NEW.created_at)
    WHERE id = NEW.id AND state = 'QUEUED';
END;

-- Without a new revision, the change is an operator's; with one, parserd's.
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
      AND NOT CASE OLD.state
          WHEN 'QUEUED'     THEN NEW.state IN ('CREATING', 'GENERATING', 'PARKED', 'FAILED', 'CANCELLED')
          WHEN 'CREATING'   THEN NEW.state IN ('QUEUED', 'GENERATING', 'PARKED', 'FAILED')
          WHEN 'GENERATING' THEN NEW.state IN ('FINISHED', 'FAILED')
          WHEN 'PARKED'     THEN NEW.state IN ('QUEUED', 'CREATING', 'GENERATING', 'CANCELLED')
          WHEN 'FAILED'     THEN NEW.state IN ('QUEUED', 'GENERATING', 'CANCELLED')
          -- A row that got in past the rules.
          ELSE NEW.state = 'FAILED' END;
END;

CREATE TRIGGER jobs_columns_check
BEFORE UPDATE OF id, park_reason, parser_id, parser_version, example_result, error_kind,
    error_status, error_message, error_hint, creates, created_at, updated_at, finished_at,
    remote_name, recreation, generating_since, generated_at, attempts, holds, polls,
    poll_errors, missing_lists, doubt_since, doubt_cause, absent_since, absent_lists,
    untrusted_since
ON jobs WHEN NEW.revision = OLD.revision
BEGIN
    SELECT RAISE(ABORT, 'this column is parserd''s to set: change only name, urls, scraper_params, fields, priority, run_at and state');
END;

CREATE TRIGGER jobs_due_at_check BEFORE UPDATE OF due_at ON jobs
WHEN NEW.revision = OLD.revision AND NEW.due_at IS NOT coalesce(NEW.run_at, NEW.created_at)
BEGIN
    SELECT RAISE(ABORT, 'due_at is parserd''s to set: write run_at to hold a QUEUED job back until then');
END;

CREATE TRIGGER jobs_revision_check BEFORE UPDATE OF revision ON jobs
WHEN NEW.revision NOT IN (OLD.revision, OLD.revision + 1)
BEGIN
    SELECT RAISE(ABORT, 'revision is parserd''s to set: leave it out');
END;

-- What an operator's word means. A create in doubt is settled before anything is
-- sent; a parser that may still finish is polled again, not paid for again.
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
        parser_id = CASE WHEN OLD.error_kind IN ('generation_timeout', 'unexpected_response')
            THEN OLD.parser_id END,
        parser_version = CASE WHEN OLD.error_kind IN ('generation_timeout', 'unexpected_response')
            THEN OLD.parser_version END,
        generating_since = CASE WHEN OLD.error_kind IN ('generation_timeout', 'unexpected_response')
            THEN updated_at END,
        generated_at = NULL,
        attempts = 0, holds = 0, polls = 0, poll_errors = 0, missing_lists = 0,
        absent_since = NULL, absent_lists = 0, untrusted_since = NULL,
        error_kind = NULL, error_status = NULL, error_message = NULL, error_hint = NULL
    WHERE id = NEW.id AND NEW.state = 'QUEUED';
    INSERT INTO job_events (job_id, event, detail) VALUES (NEW.id,
        CASE NEW.state WHEN 'CANCELLED' THEN 'cancelled' ELSE 'requeued' END,
        json_object('by', 'operator', 'from', OLD.state, 'park_reason', OLD.park_reason,
            'error_kind', OLD.error_kind, 'parser_id', OLD.parser_id));
END;

CREATE TRIGGER jobs_delete_check BEFORE DELETE ON jobs
WHEN OLD.state NOT IN ('FINISHED', 'FAILED', 'CANCELLED')
BEGIN
    SELECT RAISE(ABORT, 'this job is not done: set its state to CANCELLED first (QUEUED and PARKED jobs), or wait');
END;
