-- Sessions: who visits, and how they sign in and out. Errors as in 20_people.sql.

-- Visiting ----------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION report.enter(given_user_id integer)
RETURNS TABLE (
    user_id integer, account_id integer, account text, name text, email text, role text,
    is_operator boolean, time_zone text)
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT users.id, users.account_id, accounts.name, users.name, users.email, users.role,
        users.is_operator, users.time_zone
    FROM vantage.users
    JOIN vantage.accounts ON accounts.id = users.account_id
    WHERE users.id = given_user_id AND accounts.deleted_at IS NULL;
    IF FOUND THEN
        PERFORM
            set_config('vantage.account_id', users.account_id::text, true),
            set_config('vantage.user_id', users.id::text, true)
        FROM vantage.users
        WHERE users.id = given_user_id;
    END IF;
END
$$;
COMMENT ON FUNCTION report.enter IS
    'Makes this person, whose sign-in was verified, the transaction''s visitor. No row: nobody.';

CREATE OR REPLACE FUNCTION vantage.session_ends_at(vantage.sessions)
RETURNS timestamptz
LANGUAGE sql STABLE
AS $$
    SELECT LEAST(
        $1.expires_at,
        COALESCE($1.last_used_at, $1.created_at)
            + CASE $1.kind WHEN 'path' THEN INTERVAL '1 hour' ELSE INTERVAL '3 days' END)
$$;
COMMENT ON FUNCTION vantage.session_ends_at IS
    'From when on a session no longer counts: when its time is up, or nobody used it for three '
    'days, an hour where it is in the path.';

CREATE OR REPLACE FUNCTION report.session_of(given_kind text, given_token_hash bytea)
RETURNS TABLE (user_id integer, session_id bigint)
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE vantage.sessions
    SET last_used_at = now()
    WHERE token_hash = given_token_hash
        AND COALESCE(last_used_at, created_at) < now() - INTERVAL '5 minutes'
        AND vantage.session_ends_at(sessions) > now();
    RETURN QUERY
    SELECT sessions.user_id, sessions.id
    FROM vantage.sessions
    WHERE token_hash = given_token_hash
        AND kind = given_kind
        AND vantage.session_ends_at(sessions) > now();
END
$$;
COMMENT ON FUNCTION report.session_of IS 'Whose session a token stands for. No row: nobody''s.';

CREATE OR REPLACE FUNCTION report.api_token_of(given_token_hash bytea)
RETURNS TABLE (user_id integer, scopes text[])
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE vantage.api_tokens
    SET last_used_at = now()
    WHERE token_hash = given_token_hash
        AND COALESCE(last_used_at, '-infinity') < now() - INTERVAL '1 minute';
    RETURN QUERY
    SELECT api_tokens.user_id, api_tokens.scopes
    FROM vantage.api_tokens
    WHERE token_hash = given_token_hash AND COALESCE(expires_at, 'infinity') > now();
END
$$;
COMMENT ON FUNCTION report.api_token_of IS 'Whose API token this is. No row: nobody''s.';

-- Signing in and out ------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION report.sign_in_candidate(given_email text)
RETURNS TABLE (user_id integer, password_hash text)
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT users.id, users.password_hash
    FROM vantage.users
    JOIN vantage.accounts ON accounts.id = users.account_id
    WHERE lower(users.email) = lower(given_email)
        AND users.password_hash IS NOT NULL
        AND accounts.deleted_at IS NULL
$$;
COMMENT ON FUNCTION report.sign_in_candidate IS
    'Whose password is to be verified for this address. No row: nobody''s.';

CREATE OR REPLACE FUNCTION report.start_session(
    given_user_id integer, given_token_hash bytea, given_handoff_hash bytea, lifetime interval,
    given_browser text)
RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    DELETE FROM vantage.sessions WHERE vantage.session_ends_at(sessions) < now();
    INSERT INTO vantage.sessions (token_hash, user_id, handoff_hash, expires_at, browser)
    VALUES (given_token_hash, given_user_id, given_handoff_hash, now() + lifetime, given_browser);
    INSERT INTO vantage.audit_log (account_id, user_id, actor, action, detail)
    SELECT account_id, id, email, 'signed_in', given_browser
    FROM vantage.users
    WHERE id = given_user_id
$$;
COMMENT ON FUNCTION report.start_session IS
    'Remembers a verified sign-in by the SHA-256 of its token.';

CREATE OR REPLACE FUNCTION report.keep_session(given_token_hash bytea)
RETURNS void
LANGUAGE sql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE vantage.sessions SET handoff_hash = NULL WHERE token_hash = given_token_hash
$$;
COMMENT ON FUNCTION report.keep_session IS 'The cookie came back: the session stays in it.';

CREATE OR REPLACE FUNCTION report.hand_over_session(
    given_handoff_hash bytea, given_token_hash bytea, lifetime interval)
RETURNS boolean
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE vantage.sessions
    SET
        token_hash = given_token_hash,
        kind = 'path',
        handoff_hash = NULL,
        expires_at = now() + lifetime
    WHERE handoff_hash = given_handoff_hash AND created_at > now() - INTERVAL '1 minute';
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION report.hand_over_session IS
    'The cookie did not come back: the session moves into the path, once. False: too late.';

CREATE OR REPLACE FUNCTION report.end_session(given_token_hash bytea)
RETURNS void
LANGUAGE sql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    DELETE FROM vantage.sessions WHERE token_hash = given_token_hash
$$;
COMMENT ON FUNCTION report.end_session IS 'Signs out.';

CREATE OR REPLACE VIEW report.sessions WITH (security_barrier) AS
SELECT
    id,
    kind,
    browser,
    created_at,
    last_used_at,
    vantage.session_ends_at(sessions) AS expires_at
FROM vantage.sessions
WHERE user_id = vantage.current_user_id() AND vantage.session_ends_at(sessions) > now();
COMMENT ON VIEW report.sessions IS 'Where the current person is signed in.';
COMMENT ON COLUMN report.sessions.id IS 'Identity.';
COMMENT ON COLUMN report.sessions.kind IS 'cookie or path.';
COMMENT ON COLUMN report.sessions.browser IS 'Kind of browser. NULL: not known.';
COMMENT ON COLUMN report.sessions.created_at IS 'When they signed in.';
COMMENT ON COLUMN report.sessions.last_used_at IS 'To five minutes. NULL: not since it began.';
COMMENT ON COLUMN report.sessions.expires_at IS
    'From when on it no longer counts, unless it is used before.';

CREATE OR REPLACE FUNCTION report.revoke_session(given_id bigint)
RETURNS void
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM vantage.sessions WHERE id = given_id AND user_id = vantage.current_user_id();
    IF NOT FOUND THEN
        RAISE EXCEPTION 'There is no such session of yours.' USING ERRCODE = 'VA404';
    END IF;
    PERFORM vantage.record('session_revoked');
END
$$;
COMMENT ON FUNCTION report.revoke_session IS 'Signs the current person out somewhere else.';

CREATE OR REPLACE FUNCTION report.revoke_other_sessions(kept_id bigint)
RETURNS void
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM vantage.sessions WHERE id <> kept_id AND user_id = vantage.current_user_id();
    PERFORM vantage.record('other_sessions_revoked');
END
$$;
COMMENT ON FUNCTION report.revoke_other_sessions IS
    'Signs the current person out everywhere but here.';
