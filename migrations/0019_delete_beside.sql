-- A parser that is to be replaced is not deleted beside that: its replacement would be paid for all
-- the same. What is refused is the parser that the name stands for; one that was replaced before goes.
CREATE TRIGGER jobs_delete_beside_check BEFORE INSERT ON jobs
WHEN NEW.action = 'delete'
BEGIN
    SELECT RAISE(ABORT, 'a job of this name that is not done yet is to make another parser in place of this one: cancel it first (`parserd cancel NAME`, or set its state to CANCELLED), or wait until it is done')
    WHERE EXISTS (SELECT 1 FROM jobs JOIN named_parsers AS named ON named.name = jobs.name
        WHERE jobs.name = NEW.name AND jobs.action = 'create' AND jobs.released_at IS NULL
          AND jobs.state IN ('QUEUED', 'CREATING', 'GENERATING', 'PARKED')
          AND jobs.parser_id IS NOT named.parser_id
          AND ifnull(NEW.parser_id, named.parser_id) = named.parser_id);
END;
