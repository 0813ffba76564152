-- The time, written where it is archived with everything else: how old it is in what was recovered is what would have
-- been lost. On a standby nothing is done, so that whoever is promoted goes on.
SET client_min_messages = warning;
-- A standby that is missing must not hold it up.
SET synchronous_commit = local;
SELECT NOT pg_is_in_recovery() AS writes \gset
\if :writes
CREATE TABLE IF NOT EXISTS public.runbook_heartbeat (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    at timestamptz NOT NULL
);
INSERT INTO public.runbook_heartbeat (at) VALUES (clock_timestamp())
    ON CONFLICT (single) DO UPDATE SET at = excluded.at;
\endif
