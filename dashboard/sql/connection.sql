-- What a connection runs before it serves anybody.

-- become_dashboard --
SET ROLE vantage_dashboard

-- bound_statements --
SET statement_timeout = '20s';
-- It is expected to find what it kept again where every pair is another one: thousands of pairs take twice
-- as long with it.
SET enable_memoize = off;
-- It takes longer to compile such statements than to run them.
SET jit = off

-- readiness --
SELECT to_regclass('report.latest') IS NOT NULL
    AND EXISTS (SELECT FROM pg_roles WHERE rolname = 'vantage_dashboard')

-- health --
SELECT 1 AS answer

-- listen --
LISTEN vantage_results;
LISTEN vantage_incidents
