-- Labels, by which people tell jobs apart: never sent, no part of a tag, and theirs to change in
-- every state.
ALTER TABLE jobs ADD COLUMN labels TEXT;

CREATE INDEX jobs_labelled ON jobs (id) WHERE labels IS NOT NULL;

-- Labels are checked by inserting them here; nothing is stored. The limits are those of
-- src/core/spec/labels.rs.
CREATE VIEW labels_check AS SELECT NULL AS labels WHERE 0;

CREATE TRIGGER labels_check_rules INSTEAD OF INSERT ON labels_check
BEGIN
    SELECT RAISE(ABORT, 'labels is too long: write at most 65536 bytes of JSON')
    WHERE length(CAST(NEW.labels AS BLOB)) > 65536;
    SELECT RAISE(ABORT, 'labels is not a JSON object: write it as {"team": "search"}, or leave it out')
    WHERE instr(NEW.labels, char(0)) OR NOT json_valid(NEW.labels)
       OR json_type(NEW.labels) <> 'object';
    SELECT RAISE(ABORT, 'labels has a key twice: write each once')
    WHERE (SELECT count(*) > count(DISTINCT key) FROM json_each(NEW.labels));
    SELECT RAISE(ABORT, 'labels has more than 16 entries: keep at most 16')
    WHERE (SELECT count(*) FROM json_each(NEW.labels)) > 16;
    -- Some versions of SQLite read a text only up to a NUL; without pairs of backslashes, the one
    -- that is left begins an escape.
    SELECT RAISE(ABORT, 'labels has a control character: write each value on one line, without tabs')
    WHERE instr(replace(NEW.labels, '\\', ''), '\u0000');
    SELECT RAISE(ABORT, 'labels has a key that is not valid: write 1 to 40 of a-z, 0-9, _, . and -')
    FROM json_each(NEW.labels)
    WHERE length(key) NOT BETWEEN 1 AND 40 OR key GLOB '*[^a-z0-9_.-]*';
    SELECT RAISE(ABORT, 'labels holds something that is not a string: write each value as a string, such as {"team": "search"}')
    FROM json_each(NEW.labels) WHERE type <> 'text';
    SELECT RAISE(ABORT, 'labels has a value that is empty or too long: write 1 to 80 characters')
    FROM json_each(NEW.labels) WHERE length(value) NOT BETWEEN 1 AND 80;
    SELECT RAISE(ABORT, 'labels has a control character: write each value on one line, without tabs')
    FROM json_each(NEW.labels) WHERE value GLOB (SELECT with_control FROM spec_characters);
END;

CREATE TRIGGER jobs_insert_labels_check BEFORE INSERT ON jobs
WHEN NEW.labels IS NOT NULL
BEGIN
    INSERT INTO labels_check (labels) VALUES (NEW.labels);
END;

CREATE TRIGGER jobs_labels_check BEFORE UPDATE OF labels ON jobs
WHEN NEW.labels IS NOT NULL
BEGIN
    INSERT INTO labels_check (labels) VALUES (NEW.labels);
END;

-- What changes or deletes a parser has the labels of the job that holds its name, unless it has its
-- own: its cost counts where that of the create does.
CREATE TRIGGER jobs_labels_inherited AFTER INSERT ON jobs
WHEN NEW.action <> 'create' AND NEW.labels IS NULL
BEGIN
    UPDATE jobs SET labels = (SELECT made.labels FROM jobs AS made
        WHERE made.name = NEW.name AND made.state <> 'CANCELLED' AND made.action = 'create'
          AND made.released_at IS NULL)
    WHERE id = NEW.id AND EXISTS (SELECT 1 FROM jobs AS made
        WHERE made.name = NEW.name AND made.state <> 'CANCELLED' AND made.action = 'create'
          AND made.released_at IS NULL AND made.labels IS NOT NULL);
END;

-- As before, with the labels.
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
    END                                                              AS due_at,
    labels
FROM jobs;
