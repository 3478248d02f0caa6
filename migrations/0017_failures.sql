-- How many jobs FAILED for what: metrics count them from the index alone.
CREATE INDEX jobs_failed_kind ON jobs (error_kind) WHERE state = 'FAILED';
