-- How far each reader of the history has come: `parserd events --cursor NAME`.
CREATE TABLE event_cursors (
    name       TEXT    NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 100),
    -- The last event that was handed on.
    event_id   INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
