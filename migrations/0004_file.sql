-- What no statement may do to a row that is there, whatever it calls the column and
-- whatever it wants done about a conflict.
--
-- A trigger on UPDATE OF id is told nothing of SET rowid, oid or _rowid_, and none at all
-- is told of a row that OR REPLACE deletes. So the guards here look at every UPDATE, and
-- before every INSERT.

CREATE TRIGGER jobs_id_stays BEFORE UPDATE ON jobs
WHEN NEW.id IS NOT OLD.id
BEGIN
    SELECT RAISE(ABORT, 'the id of a job stays as it is: history and ledger name the job by it');
END;

-- Without a value, the id is -1 before the INSERT.
CREATE TRIGGER job_events_are_not_replaced BEFORE INSERT ON job_events
WHEN NEW.id IS NOT -1 AND EXISTS (SELECT 1 FROM job_events WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'job_events is append-only: leave out id to insert a new row');
END;

-- The record of what was paid for. What was sent stays as it was written; how it ended is
-- settled apart from that: pending becomes made or not_made, and what counted as not_made
-- may turn out to be made.
CREATE TRIGGER creates_stay BEFORE UPDATE ON creates
WHEN NEW.id IS NOT OLD.id OR NEW.job_id IS NOT OLD.job_id
  OR NEW.remote_name IS NOT OLD.remote_name OR NEW.sent_at IS NOT OLD.sent_at
  OR NEW.credits IS NOT OLD.credits OR NEW.baseline IS NOT OLD.baseline
BEGIN
    SELECT RAISE(ABORT, 'creates is append-only, the record of what was paid for: only outcome, parser_id and settled_at change, and parserd sets them');
END;

CREATE TRIGGER creates_settle_once BEFORE UPDATE OF outcome, parser_id, settled_at ON creates
WHEN NOT (OLD.outcome = 'pending' OR (OLD.outcome = 'not_made' AND NEW.outcome IS 'made'))
  AND (NEW.outcome IS NOT OLD.outcome OR NEW.parser_id IS NOT OLD.parser_id
       OR NEW.settled_at IS NOT OLD.settled_at)
BEGIN
    SELECT RAISE(ABORT, 'this create is settled: only one that counts as not_made may turn out to be made');
END;

CREATE TRIGGER creates_are_not_replaced BEFORE INSERT ON creates
WHEN NEW.id IS NOT -1 AND EXISTS (SELECT 1 FROM creates WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'creates is append-only, the record of what was paid for: leave out id to insert a new row');
END;

-- A trigger's own statements take on the conflict policy of the one that fired it (see
-- replace_guard): without REPLACE the unique index speaks for itself.
CREATE TRIGGER creates_pending_is_not_replaced BEFORE INSERT ON creates
WHEN NEW.outcome = 'pending'
BEGIN
    INSERT OR IGNORE INTO replace_guard (id, replaced)
    SELECT 1, 1 FROM creates WHERE remote_name = NEW.remote_name AND outcome = 'pending';
    SELECT RAISE(ABORT, 'REPLACE would delete a create in doubt: creates is append-only, the record of what was paid for')
    WHERE (SELECT replaced FROM replace_guard);
END;
