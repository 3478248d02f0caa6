-- After the largest id that there is, no row can be added: such a one is a slip.
CREATE TRIGGER jobs_insert_id_check BEFORE INSERT ON jobs
WHEN NEW.id > 9007199254740991
BEGIN
    SELECT RAISE(ABORT, 'id is too large: leave it out, the database counts');
END;

CREATE TRIGGER creates_insert_id_check BEFORE INSERT ON creates
WHEN NEW.id > 9007199254740991
BEGIN
    SELECT RAISE(ABORT, 'id is too large: leave it out, the database counts');
END;
