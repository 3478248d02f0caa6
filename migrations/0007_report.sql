-- Those of the parsers that nobody can explain which bear a name of the ledger: whoever
-- looks is told how many there are.
CREATE INDEX strangers_named ON strangers (seen_with) WHERE remote_name IS NOT NULL;
