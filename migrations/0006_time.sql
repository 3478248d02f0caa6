-- Clocks that were wrong.

-- When a create counts as spent that a clock dated which was ahead: on the day on which that
-- was found, by a clock that the service's agreed with. Null where its own date stands.
ALTER TABLE creates ADD COLUMN counted_at INTEGER;

CREATE TRIGGER creates_are_counted_once BEFORE UPDATE OF counted_at ON creates
WHEN NEW.counted_at IS NOT OLD.counted_at
  AND (OLD.counted_at IS NOT NULL OR NEW.counted_at > OLD.sent_at)
BEGIN
    SELECT RAISE(ABORT, 'creates is append-only, the record of what was paid for: counted_at is parserd''s to set, once');
END;

-- QUEUED jobs that wait for something else than their `run_at`: for a second try, or because
-- a clock that was ahead dated them.
CREATE INDEX jobs_unscheduled ON jobs (due_at) WHERE state = 'QUEUED' AND due_at IS NOT run_at;
