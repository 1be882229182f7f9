-- A channel may be told in its account's own words.

ALTER TABLE vantage.channels
    ADD COLUMN own_subject text
        CHECK (length(own_subject) BETWEEN 1 AND 200 AND own_subject !~ '[[:cntrl:]]'),
    ADD COLUMN own_text text CHECK (length(own_text) BETWEEN 1 AND 4000);
COMMENT ON COLUMN vantage.channels.own_subject IS
    'Subject in the account''s own words, with {fields} (docs/notifications.md). NULL: Vantage''s.';
COMMENT ON COLUMN vantage.channels.own_text IS
    'Text of each thing that is told, likewise. NULL: Vantage''s.';
