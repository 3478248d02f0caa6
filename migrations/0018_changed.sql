-- As before, with the columns that differ: `old` has all of them, whichever was written.
DROP TRIGGER jobs_spec_changed;
CREATE TRIGGER jobs_spec_changed AFTER UPDATE OF name, urls, scraper_params, fields ON jobs
WHEN NEW.revision = OLD.revision
BEGIN
    INSERT INTO job_events (job_id, event, detail) VALUES (NEW.id, 'changed', json_object(
        'by', 'operator', 'old', json_object('name', OLD.name, 'urls', OLD.urls,
            'scraper_params', OLD.scraper_params, 'fields', OLD.fields,
            'parser_id', OLD.parser_id),
        'columns', json((SELECT json_group_array(column1) FROM (VALUES
            (iif(NEW.name IS NOT OLD.name, 'name', NULL)),
            (iif(NEW.urls IS NOT OLD.urls, 'urls', NULL)),
            (iif(NEW.scraper_params IS NOT OLD.scraper_params, 'scraper_params', NULL)),
            (iif(NEW.fields IS NOT OLD.fields, 'fields', NULL)))
            WHERE column1 IS NOT NULL))));
    UPDATE jobs SET
        revision = revision + 1,
        edit_requested_at = CASE WHEN state <> 'CANCELLED'
            THEN CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) END,
        updated_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
    WHERE id = NEW.id;
END;

-- Labels are part of the history too. Those that an update or delete takes over from the job of its
-- parser, when it is inserted, are nobody's change.
CREATE TRIGGER jobs_labels_changed AFTER UPDATE OF labels ON jobs
WHEN NEW.labels IS NOT OLD.labels AND NOT (NEW.action <> 'create' AND OLD.labels IS NULL)
BEGIN
    INSERT INTO job_events (job_id, event, detail) VALUES (NEW.id, 'changed', json_object(
        'by', 'operator', 'old', json_object('labels', OLD.labels),
        'columns', json_array('labels')));
END;
