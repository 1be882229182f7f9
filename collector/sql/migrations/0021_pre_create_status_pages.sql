-- What customers show to everybody.

CREATE TABLE vantage.status_pages (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id integer NOT NULL REFERENCES vantage.accounts ON DELETE CASCADE,
    slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9-]{1,62}$'),
    title text NOT NULL CHECK (length(title) BETWEEN 1 AND 100),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX status_pages_account ON vantage.status_pages (account_id);
COMMENT ON TABLE vantage.status_pages IS 'A page that anybody may read without signing in.';
COMMENT ON COLUMN vantage.status_pages.id IS 'Identity.';
COMMENT ON COLUMN vantage.status_pages.account_id IS 'Whose page it is.';
COMMENT ON COLUMN vantage.status_pages.slug IS 'Its address: /status/{slug}.';
COMMENT ON COLUMN vantage.status_pages.title IS 'Its heading.';
COMMENT ON COLUMN vantage.status_pages.created_at IS 'When it was made.';

CREATE TABLE vantage.status_page_monitors (
    page_id integer NOT NULL REFERENCES vantage.status_pages ON DELETE CASCADE,
    monitor_id integer NOT NULL REFERENCES vantage.monitors ON DELETE CASCADE,
    PRIMARY KEY (page_id, monitor_id)
);
CREATE INDEX status_page_monitors_monitor ON vantage.status_page_monitors (monitor_id);
COMMENT ON TABLE vantage.status_page_monitors IS
    'Which monitors a status page shows: their names, how they stand, how they stood each day; '
    'never their addresses.';
COMMENT ON COLUMN vantage.status_page_monitors.page_id IS 'The page.';
COMMENT ON COLUMN vantage.status_page_monitors.monitor_id IS 'A monitor of the same account.';
