-- Whether what was paid for is any good: what a parser must find, what it was judged to be
-- worth, and parsers as things of their own.

-- To write, beside `fields`: what a field must hold, and up to five pages of the same type that
-- are never sent with the create.
ALTER TABLE jobs ADD COLUMN expect     TEXT;
ALTER TABLE jobs ADD COLUMN check_urls TEXT;

-- What SQLite's documentation gives as the way to weaken a constraint without a copy of the
-- table: nothing that is stored changes.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql,
    '''unexpected_response'', ''existing_parser'')',
    '''unexpected_response'', ''existing_parser'', ''poor_result'')')
WHERE type = 'table' AND name = 'jobs';
PRAGMA writable_schema = RESET;

-- A specification is checked by inserting it here, as into spec_check; nothing is stored. The
-- limits are those of src/core/spec/checks.rs and src/core/quality/expect.rs.
CREATE VIEW quality_check AS
SELECT NULL AS urls, NULL AS fields, NULL AS expect, NULL AS check_urls WHERE 0;

CREATE TRIGGER quality_check_rules INSTEAD OF INSERT ON quality_check
BEGIN
    SELECT RAISE(ABORT, 'check_urls is too long: write at most 1 MB of JSON')
    WHERE length(CAST(NEW.check_urls AS BLOB)) > 1000000;
    SELECT RAISE(ABORT, 'check_urls is not a JSON array: write it as ["https://example.com/page"], with 1 to 5 URLs, or leave it out')
    WHERE NEW.check_urls IS NOT NULL
      AND (instr(NEW.check_urls, char(0)) OR NOT json_valid(NEW.check_urls)
           OR json_type(NEW.check_urls) <> 'array');
    SELECT RAISE(ABORT, 'check_urls has no URL: write 1 to 5 pages of the same type as urls, or leave it out')
    WHERE json_array_length(NEW.check_urls) = 0;
    SELECT RAISE(ABORT, 'check_urls has more than 5 URLs: keep at most 5')
    WHERE json_array_length(NEW.check_urls) > 5;
    SELECT RAISE(ABORT, 'check_urls holds something that is not an http(s) URL: write each as "https://host/path", without spaces')
    FROM json_each(NEW.check_urls)
    WHERE type <> 'text'
       OR NOT (lower(value) GLOB 'http://[^/?#\]*' OR lower(value) GLOB 'https://[^/?#\]*')
       OR instr(value, char(0)) OR instr(NEW.check_urls, '\u0000')
       OR value GLOB (SELECT not_for_url FROM spec_characters);
    SELECT RAISE(ABORT, 'check_urls holds a URL that is too long: write at most 2048 characters')
    FROM json_each(NEW.check_urls) WHERE length(value) > 2048;
    SELECT RAISE(ABORT, 'check_urls holds a user name or password: write the URL without what stands before the @')
    FROM (SELECT substr(rest, 1, instr(rest, '/') - 1) AS host FROM (
        SELECT replace(replace(replace(substr(value, instr(value, '://') + 3),
            '?', '/'), '#', '/'), '\', '/') || '/' AS rest FROM json_each(NEW.check_urls)))
    WHERE instr(host, '@');
    SELECT RAISE(ABORT, 'check_urls holds a URL whose host or port is not valid: write each as "https://host/path", or "https://host:8080/path"')
    FROM (SELECT host, substr(host, instr(host || ':', ':') + 1) AS port FROM (
        SELECT substr(rest, 1, instr(rest, '/') - 1) AS host FROM (
            SELECT replace(replace(replace(substr(value, instr(value, '://') + 3),
                '?', '/'), '#', '/'), '\', '/') || '/' AS rest FROM json_each(NEW.check_urls))))
    WHERE host GLOB '*[<>|^]*' OR host GLOB ':*'
       OR (host NOT GLOB '[[]*' AND (port GLOB '*[^0-9]*' OR CAST(port AS INTEGER) > 65535));
    SELECT RAISE(ABORT, 'check_urls holds the same URL twice: write each once')
    WHERE (SELECT count(DISTINCT value) FROM json_each(NEW.check_urls)) < json_array_length(NEW.check_urls);
    SELECT RAISE(ABORT, 'check_urls holds a URL that urls holds too: write pages that the parser was not made from')
    FROM json_each(NEW.check_urls) AS held
    WHERE held.value IN (SELECT value FROM json_each(NEW.urls));

    SELECT RAISE(ABORT, 'expect is too long: write at most 65536 bytes')
    WHERE length(CAST(NEW.expect AS BLOB)) > 1000000;
    SELECT RAISE(ABORT, 'expect is not a JSON object: write it as {"products": {"min_items": 10}}, or leave it out')
    WHERE NEW.expect IS NOT NULL
      AND (instr(NEW.expect, char(0)) OR NOT json_valid(NEW.expect)
           OR json_type(NEW.expect) <> 'object');
    SELECT RAISE(ABORT, 'expect is too long: write at most 65536 bytes')
    WHERE length(CAST(json(NEW.expect) AS BLOB)) > 65536;
    SELECT RAISE(ABORT, 'expect has a key twice: write each once')
    WHERE (SELECT count(*) > count(DISTINCT key) FROM json_each(NEW.expect));
    SELECT RAISE(ABORT, 'expect holds something that is not an object: write each as {"min_items": 10}')
    FROM json_each(NEW.expect) WHERE type <> 'object';
    SELECT RAISE(ABORT, 'expect names a field that is not one of fields: write the name of a field')
    FROM json_each(NEW.expect) AS field
    WHERE NEW.fields IS NOT NULL
      AND field.key NOT IN (SELECT json_extract(value, '$.name') FROM json_each(NEW.fields));
    SELECT RAISE(ABORT, 'expect holds an entry with an unknown key: write only min_items, max_items, pattern, min, max, one_of and required')
    FROM json_each(NEW.expect) AS field, json_each(field.value) AS part
    WHERE part.key NOT IN ('min_items', 'max_items', 'pattern', 'min', 'max', 'one_of', 'required');
    SELECT RAISE(ABORT, 'expect holds an entry with a key twice: write each once')
    FROM json_each(NEW.expect) AS field
    WHERE (SELECT count(*) > count(DISTINCT key) FROM json_each(field.value));
    SELECT RAISE(ABORT, 'expect: min_items and max_items are whole numbers from 0 up')
    FROM json_each(NEW.expect) AS field, json_each(field.value) AS part
    WHERE part.key IN ('min_items', 'max_items')
      AND NOT (part.type = 'integer' AND typeof(part.value) = 'integer' AND part.value >= 0);
    SELECT RAISE(ABORT, 'expect: min and max are numbers')
    FROM json_each(NEW.expect) AS field, json_each(field.value) AS part
    WHERE part.key IN ('min', 'max') AND part.type NOT IN ('integer', 'real');
    SELECT RAISE(ABORT, 'expect: pattern is a text, a regular expression')
    FROM json_each(NEW.expect) AS field, json_each(field.value) AS part
    WHERE part.key = 'pattern' AND part.type <> 'text';
    SELECT RAISE(ABORT, 'expect: one_of is an array of strings and numbers with at least one entry')
    FROM json_each(NEW.expect) AS field, json_each(field.value) AS part
    WHERE part.key = 'one_of'
      AND (part.type <> 'array' OR json_array_length(part.value) = 0
           OR EXISTS (SELECT 1 FROM json_each(part.value)
                      WHERE type NOT IN ('text', 'integer', 'real', 'true', 'false')));
    SELECT RAISE(ABORT, 'expect: required is true or false, without quotes')
    FROM json_each(NEW.expect) AS field, json_each(field.value) AS part
    WHERE part.key = 'required' AND part.type NOT IN ('true', 'false');
    SELECT RAISE(ABORT, 'expect: a min is above its max: exchange them')
    FROM json_each(NEW.expect)
    WHERE json_extract(value, '$.min') > json_extract(value, '$.max')
       OR json_extract(value, '$.min_items') > json_extract(value, '$.max_items');
END;

CREATE TRIGGER jobs_insert_quality_check BEFORE INSERT ON jobs
WHEN NEW.expect IS NOT NULL OR NEW.check_urls IS NOT NULL
BEGIN
    INSERT INTO quality_check (urls, fields, expect, check_urls)
    VALUES (NEW.urls, NEW.fields, NEW.expect, NEW.check_urls);
END;

CREATE TRIGGER jobs_quality_check BEFORE UPDATE OF urls, fields, expect, check_urls ON jobs
WHEN NEW.expect IS NOT NULL OR NEW.check_urls IS NOT NULL
BEGIN
    INSERT INTO quality_check (urls, fields, expect, check_urls)
    VALUES (NEW.urls, NEW.fields, NEW.expect, NEW.check_urls);
END;

DROP TRIGGER jobs_columns_check;
CREATE TRIGGER jobs_columns_check
BEFORE UPDATE OF park_reason, parser_id, parser_version, example_result, error_kind,
    error_status, error_message, error_hint, creates, created_at, updated_at, finished_at,
    remote_name, recreation, generating_since, generated_at, attempts, holds, polls,
    poll_errors, missing_lists, doubt_since, doubt_cause, absent_since, absent_lists,
    untrusted_since
ON jobs WHEN NEW.revision = OLD.revision
BEGIN
    SELECT RAISE(ABORT, 'this column is parserd''s to set: change only name, urls, scraper_params, fields, expect, check_urls, priority, run_at and state');
END;

-- One row a parser. Jobs are what was done, parsers what is there because of it: a row stays
-- when its job goes.
CREATE TABLE parsers (
    parser_id       TEXT    NOT NULL PRIMARY KEY,
    name            TEXT    NOT NULL,
    version         INTEGER,
    latest_version  INTEGER,
    urls            TEXT,
    scraper_params  TEXT,
    fields          TEXT,
    quality         TEXT    CHECK (quality IN ('ok', 'thin', 'bad')),
    quality_detail  TEXT    CHECK (quality_detail IS NULL OR json_valid(quality_detail)),
    protected       INTEGER NOT NULL DEFAULT 0 CHECK (protected IN (0, 1)),
    job_id          INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    deleted_at      INTEGER,
    -- parserd's own: by which rules it was judged; NULL where that is to be done.
    judged_by       TEXT
) STRICT;

CREATE INDEX parsers_name    ON parsers (name);
CREATE INDEX parsers_job     ON parsers (job_id);
CREATE INDEX parsers_quality ON parsers (quality);
CREATE INDEX parsers_judged  ON parsers (judged_by);

CREATE TRIGGER parsers_are_kept BEFORE DELETE ON parsers
BEGIN
    SELECT RAISE(ABORT, 'parsers is the record of what there is: its rows stay');
END;

CREATE TRIGGER parsers_are_not_replaced BEFORE INSERT ON parsers
BEGIN
    INSERT OR IGNORE INTO replace_guard (id, replaced)
    SELECT 1, 1 FROM parsers WHERE parser_id = NEW.parser_id;
    SELECT RAISE(ABORT, 'REPLACE would delete the row of this parser: parsers is parserd''s to write')
    WHERE (SELECT replaced FROM replace_guard);
END;

-- Requests for held-out pages, each written before it is sent: the record of what they cost.
CREATE TABLE parses (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id      INTEGER NOT NULL,
    parser_id   TEXT    NOT NULL,
    version     INTEGER,
    url         TEXT    NOT NULL,
    sent_at     INTEGER NOT NULL,
    credits     INTEGER NOT NULL,
    outcome     TEXT    NOT NULL DEFAULT 'pending'
        CHECK (outcome IN ('pending', 'found', 'inconclusive', 'final')),
    result      TEXT,
    message     TEXT,
    settled_at  INTEGER,
    CHECK ((outcome = 'pending') = (settled_at IS NULL)),
    CHECK (outcome <> 'found' OR result IS NOT NULL)
) STRICT;

CREATE INDEX parses_job ON parses (job_id, parser_id);

CREATE TRIGGER parses_are_kept BEFORE DELETE ON parses
BEGIN
    SELECT RAISE(ABORT, 'parses is the record of what was paid for: its rows stay');
END;

CREATE TRIGGER parses_stay BEFORE UPDATE ON parses
WHEN NEW.id IS NOT OLD.id OR NEW.job_id IS NOT OLD.job_id OR NEW.parser_id IS NOT OLD.parser_id
  OR NEW.url IS NOT OLD.url OR NEW.sent_at IS NOT OLD.sent_at OR NEW.credits IS NOT OLD.credits
  OR OLD.outcome <> 'pending'
BEGIN
    SELECT RAISE(ABORT, 'parses is append-only, the record of what was paid for: only a pending one is settled, and parserd does that');
END;

CREATE TRIGGER parses_are_not_replaced BEFORE INSERT ON parses
WHEN NEW.id IS NOT -1 AND EXISTS (SELECT 1 FROM parses WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'parses is append-only, the record of what was paid for: leave out id to insert a new row');
END;

-- Those of jobs that are FINISHED already; of several jobs of one parser, the last.
INSERT OR IGNORE INTO parsers (parser_id, name, version, latest_version, urls, scraper_params,
    fields, job_id, created_at, updated_at)
SELECT parser_id, name, parser_version, parser_version, urls, scraper_params, fields, id,
    coalesce(generating_since, finished_at, updated_at), updated_at
FROM jobs WHERE state = 'FINISHED' AND parser_id IS NOT NULL ORDER BY id DESC;

-- Those that were made for jobs that have gone on without them, or that are gone.
INSERT OR IGNORE INTO parsers (parser_id, name, urls, scraper_params, fields, job_id,
    created_at, updated_at)
SELECT creates.parser_id, coalesce(jobs.name, creates.remote_name), jobs.urls,
    jobs.scraper_params, jobs.fields, creates.job_id, creates.settled_at, creates.settled_at
FROM creates LEFT JOIN jobs ON jobs.id = creates.job_id
WHERE creates.outcome = 'made'
  AND (jobs.id IS NULL OR jobs.parser_id IS NOT creates.parser_id OR jobs.state = 'CANCELLED');

-- A parser that is gone from the account, and one that is there again.
UPDATE parsers SET deleted_at = (SELECT at FROM gone_parsers AS gone
    WHERE gone.parser_id = parsers.parser_id);

CREATE TRIGGER gone_parsers_noted AFTER INSERT ON gone_parsers
BEGIN
    UPDATE parsers SET deleted_at = NEW.at, updated_at = NEW.at WHERE parser_id = NEW.parser_id;
END;

CREATE TRIGGER gone_parsers_back AFTER DELETE ON gone_parsers
BEGIN
    UPDATE parsers SET deleted_at = NULL WHERE parser_id = OLD.parser_id;
END;

-- A parser that is still there when its job is deleted, and that is not on record yet.
CREATE TRIGGER jobs_deleted_parser AFTER DELETE ON jobs
WHEN OLD.parser_id IS NOT NULL
    AND OLD.error_kind IN ('generation_timeout', 'unexpected_response')
BEGIN
    INSERT OR IGNORE INTO parsers (parser_id, name, version, latest_version, urls,
        scraper_params, fields, job_id, created_at, updated_at)
    VALUES (OLD.parser_id, OLD.name, OLD.parser_version, OLD.parser_version, OLD.urls,
        OLD.scraper_params, OLD.fields, OLD.id, coalesce(OLD.generating_since, OLD.updated_at),
        OLD.updated_at);
END;

-- A parser that a create made after its job had gone on without it, or had been cancelled.
CREATE TRIGGER creates_landed AFTER UPDATE OF outcome ON creates
WHEN NEW.outcome = 'made' AND OLD.outcome IS NOT 'made'
BEGIN
    INSERT OR IGNORE INTO parsers (parser_id, name, urls, scraper_params, fields, job_id,
        created_at, updated_at)
    SELECT NEW.parser_id, coalesce(jobs.name, NEW.remote_name), jobs.urls, jobs.scraper_params,
        jobs.fields, NEW.job_id, NEW.settled_at, NEW.settled_at
    FROM (SELECT 1) LEFT JOIN jobs ON jobs.id = NEW.job_id
    WHERE jobs.id IS NULL OR jobs.parser_id IS NOT NEW.parser_id OR jobs.state = 'CANCELLED';
END;

-- What a parser was judged by is another.
CREATE TRIGGER jobs_expect_changed AFTER UPDATE OF expect ON jobs
WHEN NEW.expect IS NOT OLD.expect
BEGIN
    -- What a worker has in hand was judged by the one before.
    UPDATE jobs SET revision = revision + 1 WHERE id = NEW.id;
    UPDATE parsers SET judged_by = NULL WHERE job_id = NEW.id;
    INSERT INTO job_events (job_id, event, detail) VALUES (NEW.id, 'changed', json_object(
        'by', 'operator', 'old', json_object('expect', OLD.expect)));
END;
