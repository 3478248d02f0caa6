-- A parser's whole life: jobs that update or delete one, beside those that create one.

-- To write: what the job does, and of an update what changes (`add_fields`, `modify_fields`,
-- `rename_fields`, `remove_fields`, as the service has them). `protect` keeps the parser from
-- being deleted.
ALTER TABLE jobs ADD COLUMN action  TEXT    NOT NULL DEFAULT 'create'
    CHECK (action IN ('create', 'update', 'delete'));
ALTER TABLE jobs ADD COLUMN change  TEXT;
ALTER TABLE jobs ADD COLUMN protect INTEGER NOT NULL DEFAULT 0 CHECK (protect IN (0, 1));
-- parserd's own: which request of an update or delete is the next one or under way, the fields
-- that an update is to bring about, and since when the name of a create is free again, because
-- its parser was deleted.
ALTER TABLE jobs ADD COLUMN part          TEXT CHECK (part IN ('free', 'paid', 'delete'));
ALTER TABLE jobs ADD COLUMN target_fields TEXT;
ALTER TABLE jobs ADD COLUMN released_at   INTEGER;

-- What SQLite's documentation gives as the way to add a default and to weaken a constraint
-- without a copy of the table: nothing that is stored changes.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(replace(sql,
    'urls              TEXT    NOT NULL,',
    'urls              TEXT    NOT NULL DEFAULT ''[]'','),
    'CHECK (state <> ''CREATING''   OR remote_name IS NOT NULL)',
    'CHECK (state <> ''CREATING''   OR remote_name IS NOT NULL OR part IS NOT NULL)')
WHERE type = 'table' AND name = 'jobs';
PRAGMA writable_schema = RESET;

DROP INDEX jobs_name;
CREATE UNIQUE INDEX jobs_name ON jobs (name)
    WHERE state <> 'CANCELLED' AND action = 'create' AND released_at IS NULL;
CREATE INDEX jobs_changes ON jobs (name) WHERE action <> 'create';
CREATE UNIQUE INDEX jobs_open_change ON jobs (name, ifnull(parser_id, ''))
    WHERE action <> 'create' AND state IN ('QUEUED', 'CREATING', 'GENERATING', 'PARKED');
-- Those that adopt the parser which they name, and never create one.
CREATE INDEX jobs_adopting ON jobs (id)
    WHERE action = 'create' AND parser_id IS NOT NULL AND remote_name IS NULL AND creates = 0
        AND state IN ('QUEUED', 'PARKED');

-- The version that `fields` describes, the parser that took this one's place, and whether nobody
-- knows with which `scraper_params` it was made: one that was adopted, of which no answer tells.
ALTER TABLE parsers ADD COLUMN applied_version INTEGER;
ALTER TABLE parsers ADD COLUMN replaced_by     TEXT;
ALTER TABLE parsers ADD COLUMN params_unknown  INTEGER NOT NULL DEFAULT 0
    CHECK (params_unknown IN (0, 1));
UPDATE parsers SET applied_version = latest_version;

-- To read: the version to use moves among those that there are, and protection follows the job that
-- made or adopted the parser. Where that job is gone, nothing else says it.
CREATE TRIGGER parsers_version_check BEFORE UPDATE OF version ON parsers
WHEN NEW.version IS NOT OLD.version
  AND (NEW.version IS NULL AND NEW.latest_version IS NOT NULL OR NEW.version < 0
       OR NEW.version > max(ifnull(NEW.latest_version, -1), ifnull(OLD.version, -1)))
BEGIN
    SELECT RAISE(ABORT, 'version is parserd''s to set, and one of those from 0 to latest_version: use `parserd parsers pin NAME VERSION`');
END;

CREATE TRIGGER parsers_protected_check BEFORE UPDATE OF protected ON parsers
WHEN NEW.protected IS NOT OLD.protected
  AND EXISTS (SELECT 1 FROM jobs WHERE parser_id = NEW.parser_id AND action = 'create')
  AND NOT EXISTS (SELECT 1 FROM jobs WHERE parser_id = NEW.parser_id AND action = 'create'
      AND protect = NEW.protected)
BEGIN
    SELECT RAISE(ABORT, 'protected follows protect of the job that made or adopted the parser: write UPDATE jobs SET protect = 1 WHERE name = ''NAME'' AND action = ''create'', or 0, or protect in its job file');
END;

-- A job that was to replace a parser is called off: the name is again that of the job which made
-- the one that is there.
CREATE TRIGGER jobs_cancelled_gives_back AFTER UPDATE OF state ON jobs
WHEN NEW.state = 'CANCELLED' AND OLD.state <> 'CANCELLED' AND NEW.action = 'create'
  AND NEW.released_at IS NULL
BEGIN
    UPDATE jobs SET revision = revision + 1, released_at = NULL
    WHERE id = (SELECT max(other.id) FROM jobs AS other
        JOIN named_parsers ON named_parsers.parser_id = other.parser_id
        WHERE other.name = NEW.name AND named_parsers.name = NEW.name
          AND other.action = 'create' AND other.released_at IS NOT NULL
          AND other.state <> 'CANCELLED');
END;

-- The parser that a name stands for: of several one that was not replaced and that a job holds,
-- else the newest.
CREATE VIEW named_parsers AS
SELECT parsers.* FROM parsers
WHERE deleted_at IS NULL AND parser_id = (
    SELECT other.parser_id FROM parsers AS other
    WHERE other.name = parsers.name AND other.deleted_at IS NULL
    ORDER BY other.replaced_by IS NULL DESC,
        EXISTS (SELECT 1 FROM jobs WHERE jobs.parser_id = other.parser_id
            AND jobs.action = 'create' AND jobs.state <> 'CANCELLED') DESC,
        other.created_at DESC, other.parser_id
    LIMIT 1);

-- Requests that change or delete a parser, each written before its first byte is sent: the
-- record of what they cost, and on which version they were based. It outlives its job.
CREATE TABLE updates (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id          INTEGER NOT NULL,
    parser_id       TEXT    NOT NULL,
    part            TEXT    NOT NULL CHECK (part IN ('free', 'paid', 'delete')),
    -- The version in the path of the request, and the latest one that was there.
    base_version    INTEGER,
    latest_version  INTEGER,
    -- What was sent, and the fields as they stand if it takes effect.
    change          TEXT,
    fields          TEXT,
    sent_at         INTEGER NOT NULL,
    credits         INTEGER NOT NULL,
    outcome         TEXT    NOT NULL DEFAULT 'pending'
        CHECK (outcome IN ('pending', 'made', 'not_made')),
    -- The version that it made.
    version         INTEGER,
    settled_at      INTEGER,
    epoch           INTEGER NOT NULL DEFAULT 0,
    CHECK ((outcome = 'pending') = (settled_at IS NULL))
) STRICT;

-- No second request while the first one of its parser is unresolved.
CREATE UNIQUE INDEX updates_pending ON updates (parser_id) WHERE outcome = 'pending';
CREATE INDEX        updates_job     ON updates (job_id);

CREATE TRIGGER updates_are_kept BEFORE DELETE ON updates
BEGIN
    SELECT RAISE(ABORT, 'updates is the record of what was sent and paid for: its rows stay');
END;

CREATE TRIGGER updates_stay BEFORE UPDATE ON updates
WHEN NEW.id IS NOT OLD.id OR NEW.job_id IS NOT OLD.job_id OR NEW.parser_id IS NOT OLD.parser_id
  OR NEW.part IS NOT OLD.part OR NEW.base_version IS NOT OLD.base_version
  OR NEW.latest_version IS NOT OLD.latest_version OR NEW.change IS NOT OLD.change
  OR NEW.fields IS NOT OLD.fields OR NEW.sent_at IS NOT OLD.sent_at
  OR NEW.credits IS NOT OLD.credits
  OR NOT (OLD.outcome = 'pending' OR (OLD.outcome = 'not_made' AND NEW.outcome IS 'made'))
BEGIN
    SELECT RAISE(ABORT, 'updates is append-only, the record of what was sent and paid for: only a pending one is settled, and parserd does that');
END;

CREATE TRIGGER updates_are_not_replaced BEFORE INSERT ON updates
BEGIN
    SELECT RAISE(ABORT, 'updates is append-only: leave out id to insert a new row')
    WHERE NEW.id IS NOT -1 AND EXISTS (SELECT 1 FROM updates WHERE id = NEW.id);
    INSERT OR IGNORE INTO replace_guard (id, replaced)
    SELECT 1, 1 FROM updates
    WHERE NEW.outcome = 'pending' AND parser_id = NEW.parser_id AND outcome = 'pending';
    SELECT RAISE(ABORT, 'REPLACE would delete a request in doubt: updates is append-only')
    WHERE (SELECT replaced FROM replace_guard);
END;

-- A change of fields is checked by inserting it here, with the fields as they stand where they
-- are known; nothing is stored. The rules are those of src/core/field_changes.rs.
CREATE VIEW change_check AS SELECT NULL AS change, NULL AS fields WHERE 0;

CREATE TRIGGER change_check_rules INSTEAD OF INSERT ON change_check
BEGIN
    SELECT RAISE(ABORT, 'change is too long: write at most 1 MB of JSON')
    WHERE length(CAST(NEW.change AS BLOB)) > 1000000;
    SELECT RAISE(ABORT, 'change is not a JSON object: write it as {"rename_fields": [{"name": "title", "new_name": "book.title"}]}')
    WHERE NEW.change IS NULL OR instr(NEW.change, char(0)) OR NOT json_valid(NEW.change)
       OR json_type(NEW.change) <> 'object';
    SELECT RAISE(ABORT, 'change has an unknown key: write only add_fields, modify_fields, rename_fields and remove_fields')
    FROM json_each(NEW.change)
    WHERE key NOT IN ('add_fields', 'modify_fields', 'rename_fields', 'remove_fields');
    SELECT RAISE(ABORT, 'change has a key twice: write each once')
    WHERE (SELECT count(*) > count(DISTINCT key) FROM json_each(NEW.change));
    SELECT RAISE(ABORT, 'change: add_fields, modify_fields, rename_fields and remove_fields are arrays')
    FROM json_each(NEW.change) WHERE type <> 'array';
    SELECT RAISE(ABORT, 'change is empty: name at least one field to add, modify, rename or remove')
    WHERE (SELECT coalesce(sum(json_array_length(value)), 0) FROM json_each(NEW.change)) = 0;
    -- Whole fields, by the rules of fields.
    INSERT INTO spec_check (name, urls, fields)
    SELECT 'x', '["https://example.com/"]', value FROM json_each(NEW.change)
    WHERE key IN ('add_fields', 'modify_fields') AND json_array_length(value) > 0;
    SELECT RAISE(ABORT, 'change: an entry of rename_fields is an object with name and new_name, as in {"name": "title", "new_name": "book.title"}')
    FROM json_each(NEW.change, '$.rename_fields') AS entry
    WHERE entry.type <> 'object'
       OR (SELECT count(*) FROM json_each(entry.value)) <> 2
       OR coalesce(json_type(entry.value, '$.name'), '') <> 'text'
       OR coalesce(json_type(entry.value, '$.new_name'), '') <> 'text';
    SELECT RAISE(ABORT, 'change: an entry of remove_fields is the name of a field, a text')
    FROM json_each(NEW.change, '$.remove_fields') WHERE type <> 'text';
    SELECT RAISE(ABORT, 'change is too long: write at most 65536 bytes')
    WHERE length(CAST(json(NEW.change) AS BLOB)) > 65536;
    SELECT RAISE(ABORT, 'change removes every field: a parser has at least one; to be rid of it insert a job with action ''delete''')
    WHERE json_array_length(NEW.fields)
        = coalesce(json_array_length(NEW.change, '$.remove_fields'), 0);
    -- Names without the blanks around them, and those that stay after renames and removals.
    INSERT INTO change_names (renames, removed, added, modified, fields, kept)
    SELECT renames, removed, added, modified, fields,
        (SELECT json_group_array(coalesce(
             (SELECT json_extract(rename.value, '$.new_name') FROM json_each(renames) AS rename
              WHERE json_extract(rename.value, '$.name') = field.value), field.value))
         FROM json_each(fields) AS field
         WHERE field.value NOT IN (SELECT value FROM json_each(removed)))
    FROM (SELECT
        (SELECT json_group_array(json_object(
             'name', trim(json_extract(value, '$.name'), blanks),
             'new_name', trim(json_extract(value, '$.new_name'), blanks)))
         FROM json_each(NEW.change, '$.rename_fields')) AS renames,
        (SELECT json_group_array(trim(value, blanks))
         FROM json_each(NEW.change, '$.remove_fields')) AS removed,
        (SELECT json_group_array(trim(json_extract(value, '$.name'), blanks))
         FROM json_each(NEW.change, '$.add_fields')) AS added,
        (SELECT json_group_array(trim(json_extract(value, '$.name'), blanks))
         FROM json_each(NEW.change, '$.modify_fields')) AS modified,
        -- What the service shows may hold entries without a name.
        CASE WHEN NEW.fields IS NOT NULL THEN
            (SELECT json_group_array(name)
             FROM (SELECT CASE WHEN type = 'object' THEN
                       CASE WHEN json_type(value, '$.name') = 'text'
                           THEN trim(json_extract(value, '$.name'), blanks) END
                   END AS name FROM json_each(NEW.fields))
             WHERE name <> '') END AS fields
        FROM spec_characters);
END;

CREATE VIEW change_names AS
SELECT NULL AS renames, NULL AS removed, NULL AS added, NULL AS modified, NULL AS fields,
    NULL AS kept WHERE 0;

CREATE TRIGGER change_names_rules INSTEAD OF INSERT ON change_names
BEGIN
    SELECT RAISE(ABORT, 'change: the name of a field is blank or longer than 200 characters')
    FROM (SELECT json_extract(value, '$.name') AS name FROM json_each(NEW.renames)
          UNION ALL SELECT json_extract(value, '$.new_name') FROM json_each(NEW.renames)
          UNION ALL SELECT value FROM json_each(NEW.removed))
    WHERE name = '' OR length(name) > 200;
    SELECT RAISE(ABORT, 'change names a field twice: write each name once')
    FROM (SELECT json_extract(value, '$.name') AS name FROM json_each(NEW.renames)
          UNION ALL SELECT value FROM json_each(NEW.removed))
    GROUP BY name HAVING count(*) > 1;
    SELECT RAISE(ABORT, 'change gives two fields one name: write each name once')
    FROM (SELECT json_extract(value, '$.new_name') AS name FROM json_each(NEW.renames)
          UNION ALL SELECT value FROM json_each(NEW.added))
    GROUP BY name HAVING count(*) > 1;
    SELECT RAISE(ABORT, 'change has a field in two of add_fields, modify_fields and remove_fields: write it in one of them')
    FROM (SELECT value AS name FROM json_each(NEW.removed)
          UNION ALL SELECT value FROM json_each(NEW.added)
          UNION ALL SELECT value FROM json_each(NEW.modified))
    GROUP BY name HAVING count(*) > 1;
    SELECT RAISE(ABORT, 'change modifies a field under a name that it renames: write its new name')
    FROM json_each(NEW.modified)
    WHERE value IN (SELECT json_extract(value, '$.name') FROM json_each(NEW.renames));
    SELECT RAISE(ABORT, 'change renames a field to a name that is there already, or in a circle: choose another name, or write two updates')
    FROM (SELECT json_extract(value, '$.new_name') AS name FROM json_each(NEW.renames))
    WHERE name IN (SELECT json_extract(value, '$.name') FROM json_each(NEW.renames))
       OR name IN (SELECT value FROM json_each(NEW.removed))
       OR name IN (SELECT value FROM json_each(NEW.fields));

    -- Against the fields that are there, where these are known.
    SELECT RAISE(ABORT, 'change names a field in rename_fields or remove_fields that the parser does not have: write the name of one of its fields')
    FROM (SELECT json_extract(value, '$.name') AS name FROM json_each(NEW.renames)
          UNION ALL SELECT value FROM json_each(NEW.removed))
    WHERE NEW.fields IS NOT NULL AND name NOT IN (SELECT value FROM json_each(NEW.fields));
    SELECT RAISE(ABORT, 'change removes or renames a field whose children stay, as products.price does where products goes: name the children too')
    FROM (SELECT json_extract(value, '$.name') AS name FROM json_each(NEW.renames)
          UNION ALL SELECT value FROM json_each(NEW.removed)) AS gone,
         json_each(NEW.kept) AS child
    WHERE substr(child.value, 1, length(gone.name) + 1) = gone.name || '.';
    SELECT RAISE(ABORT, 'change modifies a field that the parser does not have: write it under add_fields, or the name of one of its fields as it is after the renames')
    FROM json_each(NEW.modified)
    WHERE NEW.fields IS NOT NULL AND value NOT IN (SELECT value FROM json_each(NEW.kept));
    SELECT RAISE(ABORT, 'change adds a field that the parser has already: write it under modify_fields')
    FROM json_each(NEW.added) WHERE value IN (SELECT value FROM json_each(NEW.kept));
    SELECT RAISE(ABORT, 'change makes more than 100 fields: keep at most 100')
    WHERE json_array_length(NEW.fields) <= 100
      AND json_array_length(NEW.kept) + json_array_length(NEW.added) > 100;
END;

DROP TRIGGER jobs_insert_check;
CREATE TRIGGER jobs_insert_check BEFORE INSERT ON jobs
BEGIN
    SELECT RAISE(ABORT, 'a new job is QUEUED: leave out state and the columns that parserd sets, write name, urls and, if wanted, scraper_params, fields, priority, run_at')
    WHERE NEW.state IS NOT 'QUEUED' OR NEW.park_reason IS NOT NULL
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
       OR NEW.updated_at IS NOT NEW.created_at OR NEW.part IS NOT NULL
       OR NEW.target_fields IS NOT NULL OR NEW.released_at IS NOT NULL;
    SELECT RAISE(ABORT, 'priority is empty: write a whole number, higher goes first, or leave it out')
    WHERE NEW.priority IS NULL;
    SELECT RAISE(ABORT, 'run_at is Unix milliseconds: multiply Unix seconds by 1000')
    WHERE NEW.run_at IS NOT NULL AND NEW.run_at NOT BETWEEN 100000000000 AND 32503680000000;
    SELECT RAISE(ABORT, 'action is not one of create, update and delete: write one of them, or leave it out to create')
    WHERE NEW.action IS NULL OR NEW.action NOT IN ('create', 'update', 'delete');
    SELECT RAISE(ABORT, 'parser_id cannot be the id of a parser: write 1 to 200 visible characters without spaces, or leave it out')
    WHERE NEW.parser_id IS NOT NULL
      AND (length(NEW.parser_id) NOT BETWEEN 1 AND 200 OR instr(NEW.parser_id, char(0))
           OR NEW.parser_id GLOB (SELECT not_for_url FROM spec_characters));
    INSERT INTO spec_check (name, urls, scraper_params, fields)
    SELECT NEW.name, NEW.urls, NEW.scraper_params, NEW.fields WHERE NEW.action = 'create';
    -- Not with INSERT OR IGNORE, whose policy holds here too: that repeats safely.
    INSERT OR REPLACE INTO replace_guard (id, replaced)
    SELECT 1, 1 WHERE NEW.action = 'create'
        AND EXISTS (SELECT 1 FROM jobs WHERE name = NEW.name AND action <> 'create'
            AND action = 'delete' AND state IN ('QUEUED', 'CREATING', 'GENERATING', 'PARKED'))
        AND EXISTS (SELECT 1 FROM jobs WHERE name = NEW.name AND state <> 'CANCELLED'
            AND action = 'create' AND released_at IS NULL);
    SELECT RAISE(ABORT, 'a delete of this name''s parser is not done yet: insert the job once it is, or call the delete off (set its state to CANCELLED) to keep the parser')
    WHERE (SELECT replaced FROM replace_guard);
    INSERT OR IGNORE INTO replace_guard (id, replaced)
    SELECT 1, 1 FROM jobs WHERE id = NEW.id
        OR (NEW.action = 'create' AND name = NEW.name AND state <> 'CANCELLED'
            AND action = 'create' AND released_at IS NULL);
    SELECT RAISE(ABORT, 'REPLACE would delete the job of this name with its parser: use INSERT OR IGNORE, or set its state to CANCELLED first')
    WHERE (SELECT replaced FROM replace_guard);
END;

CREATE TRIGGER jobs_insert_change_check BEFORE INSERT ON jobs
WHEN NEW.action IS NOT 'create' OR NEW.change IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'change is for action ''update'': write action too, or leave change out')
    WHERE NEW.action IS NOT 'update' AND NEW.change IS NOT NULL;
    SELECT RAISE(ABORT, 'an update or delete names a parser that is there and takes no urls, scraper_params, fields, expect, check_urls, parser_id and protect: write name and, of an update, change')
    WHERE NEW.urls IS NOT '[]' OR NEW.scraper_params IS NOT NULL OR NEW.fields IS NOT NULL
       OR NEW.expect IS NOT NULL OR NEW.check_urls IS NOT NULL OR NEW.protect IS NOT 0
       OR (NEW.parser_id IS NOT NULL AND NEW.action <> 'delete');
    SELECT RAISE(ABORT, 'no parser has this name: `parserd parsers` and table parsers have those that are there')
    WHERE NOT EXISTS (SELECT 1 FROM parsers WHERE name = NEW.name);
    SELECT RAISE(ABORT, 'the parser of this name was deleted: insert a job that creates one')
    WHERE NOT EXISTS (SELECT 1 FROM parsers WHERE name = NEW.name AND deleted_at IS NULL);
    SELECT RAISE(ABORT, 'the parser of this parser_id does not have this name, or was deleted: leave parser_id out to delete the one that the name stands for')
    WHERE NEW.parser_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM parsers
        WHERE parser_id = NEW.parser_id AND name = NEW.name AND deleted_at IS NULL);
    SELECT RAISE(ABORT, 'another update or delete of this parser is not done yet: wait for it, or call it off (`parserd cancel NAME`, or set its state to CANCELLED)')
    WHERE EXISTS (SELECT 1 FROM jobs WHERE name = NEW.name AND action <> 'create'
        AND state IN ('QUEUED', 'CREATING', 'GENERATING', 'PARKED')
        AND ifnull(parser_id, (SELECT parser_id FROM named_parsers WHERE name = NEW.name))
            = ifnull(NEW.parser_id, (SELECT parser_id FROM named_parsers WHERE name = NEW.name)));
    SELECT RAISE(ABORT, 'this parser is protected: apply its job file with protect = false, or set protect of the job that created it to 0, first')
    WHERE NEW.action = 'delete'
      AND (SELECT protected FROM parsers WHERE parser_id = ifnull(NEW.parser_id,
          (SELECT parser_id FROM named_parsers WHERE name = NEW.name)));
    INSERT INTO change_check (change, fields)
    SELECT NEW.change, (SELECT fields FROM named_parsers WHERE name = NEW.name)
    WHERE NEW.action = 'update';
END;

-- An update or delete that waits may be called off, and tried again; what it does is edited by
-- a new one.
CREATE TRIGGER jobs_change_stays BEFORE UPDATE ON jobs
WHEN NEW.action IS NOT OLD.action OR NEW.change IS NOT OLD.change
  OR (OLD.action <> 'create'
      AND (NEW.name IS NOT OLD.name OR NEW.urls IS NOT OLD.urls
           OR NEW.scraper_params IS NOT OLD.scraper_params OR NEW.fields IS NOT OLD.fields
           OR NEW.expect IS NOT OLD.expect OR NEW.check_urls IS NOT OLD.check_urls
           OR NEW.protect IS NOT OLD.protect))
BEGIN
    SELECT RAISE(ABORT, 'action and change stay as they are, and an update or delete takes nothing else: set its state to CANCELLED and insert a new one');
END;

CREATE TRIGGER jobs_open_change_check BEFORE UPDATE OF state ON jobs
WHEN OLD.action <> 'create' AND OLD.state = 'FAILED' AND NEW.state IS NOT OLD.state
  AND NEW.state IS NOT 'CANCELLED'
BEGIN
    SELECT RAISE(ABORT, 'another update or delete of this parser is not done yet: wait for it, or call it off (`parserd cancel NAME`, or set its state to CANCELLED)')
    WHERE EXISTS (SELECT 1 FROM jobs WHERE name = OLD.name AND action <> 'create'
        AND state IN ('QUEUED', 'CREATING', 'GENERATING', 'PARKED')
        AND ifnull(parser_id, (SELECT parser_id FROM named_parsers WHERE name = OLD.name))
            IS ifnull(OLD.parser_id, (SELECT parser_id FROM named_parsers WHERE name = OLD.name)));
    SELECT RAISE(ABORT, 'the parser of this name was deleted: there is nothing to change any more')
    WHERE NOT EXISTS (SELECT 1 FROM parsers WHERE name = OLD.name AND deleted_at IS NULL);
END;

CREATE TRIGGER jobs_protected_stays BEFORE UPDATE OF state ON jobs
WHEN OLD.action = 'delete' AND NEW.state IS 'QUEUED' AND OLD.state IN ('PARKED', 'FAILED')
  AND NEW.revision = OLD.revision
BEGIN
    SELECT RAISE(ABORT, 'this parser is protected: apply its job file with protect = false, or set protect of the job that created it to 0, first')
    WHERE (SELECT protected FROM parsers WHERE parser_id = ifnull(OLD.parser_id,
        (SELECT parser_id FROM named_parsers WHERE name = OLD.name)));
END;

CREATE TRIGGER jobs_life_columns_check BEFORE UPDATE OF part, target_fields, released_at ON jobs
WHEN NEW.revision = OLD.revision
BEGIN
    SELECT RAISE(ABORT, 'part, target_fields and released_at are parserd''s to set: leave them out');
END;

CREATE TRIGGER jobs_protect_check BEFORE UPDATE OF protect ON jobs
WHEN NEW.protect IS NULL OR NEW.protect NOT IN (0, 1)
BEGIN
    SELECT RAISE(ABORT, 'protect is 1 or 0');
END;

CREATE TRIGGER jobs_protect_changed AFTER UPDATE OF protect ON jobs
WHEN NEW.protect IS NOT OLD.protect
BEGIN
    UPDATE parsers SET protected = NEW.protect WHERE parser_id = NEW.parser_id;
    INSERT INTO job_events (job_id, event, detail) VALUES (NEW.id, 'changed', json_object(
        'by', 'operator', 'old', json_object('protect', OLD.protect)));
END;

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
          WHEN 'PARKED'     THEN NEW.state IN ('QUEUED', 'CREATING', 'GENERATING', 'CANCELLED')
          WHEN 'FAILED'     THEN NEW.state IN ('QUEUED', 'GENERATING', 'CANCELLED')
          -- A row that got in past the rules.
          ELSE NEW.state = 'FAILED' END;
END;

-- As before, save that an update that took effect says anew what its parser is asked for: the row
-- of the job that made it is the truth of what there is.
DROP TRIGGER jobs_spec_check;
CREATE TRIGGER jobs_spec_check BEFORE UPDATE OF name, urls, scraper_params, fields ON jobs
WHEN NEW.revision = OLD.revision AND OLD.action = 'create'
BEGIN
    SELECT RAISE(ABORT, 'this job is under way or done: only a QUEUED, PARKED or FAILED job that has no parser can be changed; cancel it and insert a new one')
    WHERE OLD.state NOT IN ('QUEUED', 'PARKED', 'FAILED') OR OLD.doubt_since IS NOT NULL
       OR (OLD.parser_id IS NOT NULL AND OLD.error_kind IN ('generation_timeout', 'unexpected_response'));
    INSERT INTO spec_check (name, urls, scraper_params, fields)
    VALUES (NEW.name, NEW.urls, NEW.scraper_params, NEW.fields);
    INSERT OR IGNORE INTO replace_guard (id, replaced)
    SELECT 1, 1 FROM jobs WHERE id <> OLD.id AND name = NEW.name AND state <> 'CANCELLED'
        AND action = 'create' AND released_at IS NULL;
    SELECT RAISE(ABORT, 'REPLACE would delete the job of this name with its parser: choose another name, or set its state to CANCELLED first')
    WHERE (SELECT replaced FROM replace_guard);
END;

DROP TRIGGER jobs_spec_changed;
CREATE TRIGGER jobs_spec_changed AFTER UPDATE OF name, urls, scraper_params, fields ON jobs
WHEN NEW.revision = OLD.revision
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

DROP TRIGGER jobs_expect_changed;
CREATE TRIGGER jobs_expect_changed AFTER UPDATE OF expect ON jobs
WHEN NEW.expect IS NOT OLD.expect AND NEW.revision = OLD.revision
BEGIN
    -- What a worker has in hand was judged by the one before.
    UPDATE jobs SET revision = revision + 1 WHERE id = NEW.id;
    UPDATE parsers SET judged_by = NULL WHERE parser_id = NEW.parser_id;
    INSERT INTO job_events (job_id, event, detail) VALUES (NEW.id, 'changed', json_object(
        'by', 'operator', 'old', json_object('expect', OLD.expect)));
END;

-- A request in doubt whose job is called off counts as spent: nobody looks for it any more.
CREATE TRIGGER jobs_change_cancelled AFTER UPDATE OF state ON jobs
WHEN NEW.state = 'CANCELLED' AND OLD.state <> 'CANCELLED' AND NEW.action <> 'create'
BEGIN
    UPDATE updates SET outcome = 'made',
        settled_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
    WHERE job_id = NEW.id AND outcome = 'pending';
END;

-- As before, with what the job does.
DROP VIEW job_overview;
CREATE VIEW job_overview AS
SELECT
    id,
    name,
    action,
    state,
    park_reason,
    parser_id,
    parser_version,
    creates,
    error_kind,
    error_status,
    error_message,
    error_hint,
    change,
    CASE WHEN json_valid(urls) THEN json_array_length(urls) END      AS url_count,
    strftime('%Y-%m-%dT%H:%M:%fZ', created_at / 1000.0, 'unixepoch')  AS created_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', updated_at / 1000.0, 'unixepoch')  AS updated_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', finished_at / 1000.0, 'unixepoch') AS finished_at,
    CASE WHEN state IN ('QUEUED', 'CREATING', 'GENERATING') THEN
        strftime('%Y-%m-%dT%H:%M:%fZ', due_at / 1000.0, 'unixepoch')
    END                                                              AS due_at
FROM jobs;
