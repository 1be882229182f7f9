-- Notifications in an account's own words: which {fields} there are, and what a template makes of
-- them. Errors as in 20_people.sql.

CREATE OR REPLACE FUNCTION vantage.notification_fields()
RETURNS TABLE (name text, says text, sample text)
LANGUAGE sql IMMUTABLE
AS $$
    VALUES
        ('headline', 'What Vantage itself would write as the subject', 'Down: Shop'),
        ('event', 'opened, reminder, worsened, acknowledged, closed, certificate', 'opened'),
        ('state', 'Down, Slow, Degraded, Up, Not watched, or Certificate expires', 'Down'),
        ('monitor', 'The monitor''s name', 'Shop'),
        ('url', 'What it watches', 'https://shop.example/'),
        ('summary', 'The cause, from where, and since when by the channel''s clocks',
            'TCP connect timed out from 2 of 5 locations (Frankfurt and Singapore). Since '
            '25 Nov 2026, 13:32 UTC.'),
        ('cause', 'The code of the cause (docs/failures.md)', 'connect_timeout'),
        ('began', 'When it began, by the channel''s clocks', '25 Nov 2026, 13:32 UTC'),
        ('ended', 'When it was over; empty until then', ''),
        ('lasted', 'How long it took; empty until it is over', ''),
        ('acknowledged_by', 'Who takes care of it; empty: nobody said so', ''),
        ('incident', 'The incident''s number', '12'),
        ('link', 'Where the report centre shows it', 'https://reports.example.com/incidents/12')
$$;
COMMENT ON FUNCTION vantage.notification_fields IS
    'What a channel''s own words may name in braces; the samples are what a preview and a test show.';

CREATE OR REPLACE VIEW report.notification_fields WITH (security_barrier) AS
SELECT
    name,
    says,
    sample
FROM vantage.notification_fields()
WHERE vantage.current_account() IS NOT NULL;
COMMENT ON VIEW report.notification_fields IS
    'What a channel''s own words may name in braces, in the order in which people are shown it.';
COMMENT ON COLUMN report.notification_fields.name IS 'As written between braces: {monitor}.';
COMMENT ON COLUMN report.notification_fields.says IS 'What stands there instead.';
COMMENT ON COLUMN report.notification_fields.sample IS 'What a preview and a test show.';

CREATE OR REPLACE FUNCTION vantage.worded(template text, fields jsonb)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT
AS $$
    SELECT string_agg(
        CASE
            WHEN part[1] = '{{' THEN '{'
            WHEN part[1] = '}}' THEN '}'
            WHEN part[1] LIKE '{_%' THEN COALESCE(fields ->> btrim(part[1], '{}'), '')
            ELSE part[1]
        END, '' ORDER BY number)
    FROM regexp_matches(template, '\{\{|\}\}|\{[a-z_]+\}|[^{}]+|[{}]', 'g')
        WITH ORDINALITY AS found (part, number)
$$;
COMMENT ON FUNCTION vantage.worded IS
    'A template with its {fields} filled in; {{ and }} are braces. Senders do the same '
    '(collector/telling/own_words.py).';

CREATE OR REPLACE FUNCTION vantage.check_template(given text)
RETURNS void
LANGUAGE plpgsql IMMUTABLE STRICT
AS $$
DECLARE
    part text;
    known CONSTANT text := (
        SELECT string_agg('{' || name || '}', ', ') FROM vantage.notification_fields());
BEGIN
    FOR part IN
        SELECT matched[1]
        FROM regexp_matches(given, '\{\{|\}\}|\{[^{}]*\}|[{}]', 'g') AS matched
    LOOP
        IF part IN ('{', '}') THEN
            RAISE EXCEPTION 'A brace that is no field''s is written twice: {{ or }}.'
                USING ERRCODE = 'VA400';
        ELSIF part NOT IN ('{{', '}}') AND NOT EXISTS (
            SELECT FROM vantage.notification_fields() WHERE part = '{' || name || '}'
        ) THEN
            RAISE EXCEPTION 'There is no field %. There are %.', left(part, 60), known
                USING ERRCODE = 'VA400';
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION vantage.check_template IS
    'Raises VA400, saying why, for a template that names what there is not.';

CREATE OR REPLACE FUNCTION vantage.word_channel(
    given_id integer, given_subject text, given_text text)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM vantage.check_template(given_subject);
    PERFORM vantage.check_template(given_text);
    IF num_nonnulls(given_subject, given_text) > 0 AND EXISTS (
        SELECT FROM vantage.channels WHERE id = given_id AND kind = 'webhook'
    ) THEN
        RAISE EXCEPTION 'A webhook is told in JSON, which has no words of its own.'
            USING ERRCODE = 'VA400';
    END IF;
    UPDATE vantage.channels
    SET own_subject = given_subject, own_text = given_text
    WHERE id = given_id;
EXCEPTION WHEN check_violation THEN
    RAISE EXCEPTION 'A subject has up to 200 characters on one line, a text up to 4,000.'
        USING ERRCODE = 'VA400';
END
$$;
COMMENT ON FUNCTION vantage.word_channel IS
    'Has a channel told in these words. NULL: in Vantage''s. Raises VA400 for what cannot be.';

CREATE OR REPLACE FUNCTION report.preview_words(given_subject text, given_text text)
RETURNS TABLE (subject text, content text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    samples CONSTANT jsonb := (
        SELECT jsonb_object_agg(name, sample) FROM vantage.notification_fields());
BEGIN
    PERFORM vantage.check_template(given_subject);
    PERFORM vantage.check_template(given_text);
    RETURN QUERY SELECT
        vantage.worded(COALESCE(given_subject, '{headline}'), samples),
        vantage.worded(
            COALESCE(given_text, E'{summary}\nBegan {began}.\n{url}\n{link}'), samples);
END
$$;
COMMENT ON FUNCTION report.preview_words IS
    'What people would read of a sample incident in these words. NULL: in Vantage''s.';
