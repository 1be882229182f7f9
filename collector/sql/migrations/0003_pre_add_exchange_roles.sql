-- Exchanges that are no redirects: the same measured over the other IP family, the parts of a page.

CREATE TYPE vantage.exchange_role AS ENUM ('hop', 'pair', 'resource');
COMMENT ON TYPE vantage.exchange_role IS
    'What an exchange is to its result: hop, a step on the way of redirects; pair, made over the '
    'other IP family at the same time; resource, part of the page that the document asks for.';

ALTER TABLE vantage.exchanges
    ADD COLUMN role vantage.exchange_role NOT NULL DEFAULT 'hop',
    ADD COLUMN start_us integer CHECK (start_us >= 0),
    ADD COLUMN outcome vantage.outcome,
    ADD COLUMN failure text,
    ADD COLUMN detail text;
COMMENT ON TABLE vantage.exchanges IS
    'The exchanges of a result besides the last hop, which is the row in vantage.results itself: '
    'one row per redirect before it, per exchange over the other IP family, per resource of a page.';
COMMENT ON COLUMN vantage.exchanges.http_status IS 'NULL: no response.';
COMMENT ON COLUMN vantage.exchanges.hop IS
    'Counts the exchanges of one role from 1, in the order they were made.';
COMMENT ON COLUMN vantage.exchanges.http_version IS '1.0, 1.1, 2 or 3. NULL: no response.';
COMMENT ON COLUMN vantage.exchanges.target_ip IS 'Address connected to or tried. NULL: none.';
COMMENT ON COLUMN vantage.exchanges.local_ip IS 'The agent''s address. NULL: never connected.';
COMMENT ON COLUMN vantage.exchanges.role IS 'What it is to its result: hop, pair or resource.';
COMMENT ON COLUMN vantage.exchanges.start_us IS
    'When it began, counted from the result''s started_at. NULL: stored before this was recorded.';
COMMENT ON COLUMN vantage.exchanges.outcome IS
    'Of the last exchange of a pair and of a resource, which are judged by themselves. NULL: it is '
    'part of what is judged.';
COMMENT ON COLUMN vantage.exchanges.failure IS
    'Why its outcome is not up, a code of docs/failures.md. NULL: it is up, or is not judged.';
COMMENT ON COLUMN vantage.exchanges.detail IS 'The failure in words. NULL: nothing to add.';
