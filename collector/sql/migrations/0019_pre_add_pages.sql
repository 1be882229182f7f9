-- Whole pages: a document and the resources that it asks for.

ALTER TABLE vantage.monitors
    ADD COLUMN kind text NOT NULL DEFAULT 'request' CHECK (kind IN ('request', 'page')),
    ADD CONSTRAINT monitors_page_is_got
        CHECK (kind = 'request' OR (method = 'GET' AND body IS NULL));
COMMENT ON COLUMN vantage.monitors.kind IS
    'request: the URL alone; page: also the style sheets, scripts, images and fonts that its '
    'document asks for.';

ALTER TABLE vantage.results
    ADD COLUMN resources_us integer CHECK (resources_us >= 0),
    DROP CONSTRAINT results_phases_sum,
    ADD CONSTRAINT results_phases_sum CHECK (
        total_us = redirect_us + COALESCE(dns_us, 0) + COALESCE(connect_us, 0) + COALESCE(tls_us, 0)
            + COALESCE(send_us, 0) + COALESCE(wait_us, 0) + COALESCE(receive_us, 0)
            + COALESCE(resources_us, 0));
COMMENT ON TABLE vantage.results IS
    'One row per slot that was run: a monitor probed once from a location. '
    'redirect_us + dns_us + connect_us + tls_us + send_us + wait_us + receive_us + resources_us = '
    'total_us, exactly; a NULL phase was not reached or does not apply, 0 is a measured zero.';
COMMENT ON COLUMN vantage.results.resources_us IS
    'Of a page: from the end of its document to that of its last resource; the resources are in '
    'vantage.exchanges. NULL: no page, or there is no document.';

ALTER TABLE vantage.exchanges ADD COLUMN resource text;
COMMENT ON COLUMN vantage.exchanges.resource IS
    'What a resource is for: stylesheet, script, image or font. NULL: it is none. One over a '
    'connection that was there already has no dns_us, connect_us and tls_us.';
