-- People, as the report centre knows them: who visits, how they signed in, who else there is.
-- What a person may not do is refused here, whatever the page allowed: SQLSTATE VA400 (a value that
-- cannot be), VA403 (not yours to do), VA404 (there is none), VA409 (there is one already), with a
-- sentence for the reader.

CREATE OR REPLACE FUNCTION vantage.current_user_id()
RETURNS integer
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT NULLIF(current_setting('vantage.user_id', true), '')::integer
$$;
COMMENT ON FUNCTION vantage.current_user_id IS
    'The person that SET LOCAL vantage.user_id names. NULL: none.';

CREATE OR REPLACE FUNCTION vantage.require_role(needed text)
RETURNS integer
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    ranks CONSTANT text[] := ARRAY['viewer', 'editor', 'owner'];
    found record;
BEGIN
    SELECT account_id, role INTO found
    FROM vantage.users
    WHERE id = vantage.current_user_id() AND account_id = vantage.current_account();
    IF found.role IS NULL THEN
        RAISE EXCEPTION 'Sign in first.' USING ERRCODE = 'VA403';
    ELSIF array_position(ranks, found.role) < array_position(ranks, needed) THEN
        RAISE EXCEPTION 'This takes the role of %; yours is %.', needed, found.role
            USING ERRCODE = 'VA403';
    END IF;
    RETURN found.account_id;
END
$$;
COMMENT ON FUNCTION vantage.require_role IS
    'The current account''s id. Raises VA403 unless the current person has at least this role.';

CREATE OR REPLACE FUNCTION vantage.record(given_action text, given_detail text DEFAULT NULL)
RETURNS void
LANGUAGE sql
AS $$
    INSERT INTO vantage.audit_log (account_id, user_id, actor, action, detail)
    SELECT account_id, id, email, given_action, given_detail
    FROM vantage.users
    WHERE id = vantage.current_user_id()
$$;
COMMENT ON FUNCTION vantage.record IS 'Writes down what the current person did.';

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

-- Links sent by mail ------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION vantage.check_email(given_email text)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
    IF given_email !~ '^[^\s@<>,;:"]+@[^\s@<>,;:"]+$' OR length(given_email) > 254 THEN
        RAISE EXCEPTION '“%” is no e-mail address. It has the form person@example.com.',
            left(given_email, 100) USING ERRCODE = 'VA400';
    END IF;
END
$$;
COMMENT ON FUNCTION vantage.check_email IS 'Raises VA400 for what cannot be an e-mail address.';

CREATE OR REPLACE FUNCTION vantage.add_link(
    given_token_hash bytea, given_purpose text, given_email text, lifetime interval,
    given_name text DEFAULT NULL, given_account_id integer DEFAULT NULL,
    given_user_id integer DEFAULT NULL, given_role text DEFAULT NULL)
RETURNS void
LANGUAGE sql
AS $$
    DELETE FROM vantage.links
    WHERE expires_at < now()
        OR (purpose = given_purpose AND lower(email) = lower(given_email)
            AND account_id IS NOT DISTINCT FROM given_account_id);
    INSERT INTO vantage.links
        (token_hash, purpose, email, name, account_id, user_id, role, expires_at)
    VALUES (given_token_hash, given_purpose, given_email, given_name, given_account_id,
        given_user_id, given_role, now() + lifetime)
$$;
COMMENT ON FUNCTION vantage.add_link IS
    'Remembers a link; an older one for the same purpose and address no longer counts.';

CREATE OR REPLACE FUNCTION vantage.spend_link(given_token_hash bytea, given_purpose text)
RETURNS vantage.links
LANGUAGE plpgsql
AS $$
DECLARE
    spent vantage.links;
BEGIN
    DELETE FROM vantage.links
    WHERE token_hash = given_token_hash AND purpose = given_purpose AND expires_at > now()
    RETURNING * INTO spent;
    IF spent.id IS NULL THEN
        RAISE EXCEPTION 'This link has been used already or is too old. Ask for a new one.'
            USING ERRCODE = 'VA404';
    END IF;
    RETURN spent;
END
$$;
COMMENT ON FUNCTION vantage.spend_link IS
    'The link of this token, which is good no more. Raises VA404 where there is none.';

CREATE OR REPLACE FUNCTION report.link(given_token_hash bytea, given_purpose text)
RETURNS TABLE (email text, name text, account text, role text, invited_by text)
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT links.email, links.name, accounts.name, links.role, users.name
    FROM vantage.links
    LEFT JOIN vantage.accounts ON accounts.id = links.account_id
    LEFT JOIN vantage.users ON users.id = links.user_id
    WHERE links.token_hash = given_token_hash
        AND links.purpose = given_purpose
        AND links.expires_at > now()
        AND accounts.deleted_at IS NULL
$$;
COMMENT ON FUNCTION report.link IS 'What a link is about. No row: it is used, too old, or none.';

CREATE OR REPLACE FUNCTION report.begin_registration(
    given_email text, given_name text, given_token_hash bytea, lifetime interval)
RETURNS boolean
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM vantage.check_email(given_email);
    IF given_name = '' OR length(given_name) > 100 THEN
        RAISE EXCEPTION 'A name has 1 to 100 characters.' USING ERRCODE = 'VA400';
    END IF;
    IF EXISTS (SELECT FROM vantage.users WHERE lower(email) = lower(given_email)) THEN
        RETURN false;
    END IF;
    PERFORM vantage.add_link(
        given_token_hash, 'register', given_email, lifetime, given_name => given_name);
    RETURN true;
END
$$;
COMMENT ON FUNCTION report.begin_registration IS
    'Remembers who wants an account until the link is used. False: the address has one; tell '
    'nobody but the address.';

CREATE OR REPLACE FUNCTION vantage.new_account(wanted text)
RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
    free text := wanted;
    made integer;
BEGIN
    FOR number IN 2..1000 LOOP
        INSERT INTO vantage.accounts (name) VALUES (free)
        ON CONFLICT (name) DO NOTHING
        RETURNING id INTO made;
        EXIT WHEN made IS NOT NULL;
        free := format('%s (%s)', wanted, number);
    END LOOP;
    RETURN made;
END
$$;
COMMENT ON FUNCTION vantage.new_account IS
    'Makes an account of this name; where another one has it, with a number: nobody keeps somebody '
    'from registering by taking a name.';

CREATE OR REPLACE FUNCTION report.finish_registration(
    given_token_hash bytea, given_password_hash text)
RETURNS integer
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    spent CONSTANT vantage.links := vantage.spend_link(given_token_hash, 'register');
    new_user_id integer;
BEGIN
    INSERT INTO vantage.users (account_id, email, name, password_hash, role)
    VALUES (vantage.new_account(spent.email), spent.email, spent.name, given_password_hash, 'owner')
    RETURNING id INTO new_user_id;
    PERFORM set_config('vantage.user_id', new_user_id::text, true);
    PERFORM vantage.record('account_registered');
    RETURN new_user_id;
EXCEPTION WHEN unique_violation THEN
    RAISE EXCEPTION 'There is an account for this address already. Sign in, or reset its password.'
        USING ERRCODE = 'VA409';
END
$$;
COMMENT ON FUNCTION report.finish_registration IS
    'Makes the account that a link asked for, and its owner, whose id it returns.';

CREATE OR REPLACE FUNCTION report.begin_reset(
    given_email text, given_token_hash bytea, lifetime interval)
RETURNS boolean
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found record;
BEGIN
    PERFORM vantage.check_email(given_email);
    SELECT users.id, users.email INTO found
    FROM vantage.users
    JOIN vantage.accounts ON accounts.id = users.account_id
    WHERE lower(users.email) = lower(given_email) AND accounts.deleted_at IS NULL;
    IF found.id IS NULL THEN
        RETURN false;
    END IF;
    PERFORM vantage.add_link(
        given_token_hash, 'reset', found.email, lifetime, given_user_id => found.id);
    RETURN true;
END
$$;
COMMENT ON FUNCTION report.begin_reset IS
    'Remembers a link that sets a new password. False: nobody has the address; tell nobody.';

CREATE OR REPLACE FUNCTION report.finish_reset(given_token_hash bytea, given_password_hash text)
RETURNS integer
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    spent CONSTANT vantage.links := vantage.spend_link(given_token_hash, 'reset');
BEGIN
    UPDATE vantage.users SET password_hash = given_password_hash WHERE id = spent.user_id;
    DELETE FROM vantage.sessions WHERE user_id = spent.user_id;
    PERFORM set_config('vantage.user_id', spent.user_id::text, true);
    PERFORM vantage.record('password_reset');
    RETURN spent.user_id;
END
$$;
COMMENT ON FUNCTION report.finish_reset IS
    'Sets the password that a link asked for and signs out everywhere; returns whose it is.';

-- Oneself -----------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION report.own_password_hash()
RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT password_hash FROM vantage.users WHERE id = vantage.current_user_id()
$$;
COMMENT ON FUNCTION report.own_password_hash IS
    'What the current person''s password is verified against. NULL: they have none.';

CREATE OR REPLACE FUNCTION report.change_password(given_password_hash text, kept_session_id bigint)
RETURNS void
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM vantage.require_role('viewer');
    UPDATE vantage.users SET password_hash = given_password_hash
    WHERE id = vantage.current_user_id();
    DELETE FROM vantage.sessions
    WHERE user_id = vantage.current_user_id() AND id <> kept_session_id;
    DELETE FROM vantage.links WHERE user_id = vantage.current_user_id() AND purpose = 'reset';
    PERFORM vantage.record('password_changed');
END
$$;
COMMENT ON FUNCTION report.change_password IS
    'Sets the current person''s password and signs them out everywhere else.';

CREATE OR REPLACE FUNCTION report.change_profile(given_name text, given_time_zone text)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM vantage.require_role('viewer');
    IF COALESCE(length(given_name), 0) NOT BETWEEN 1 AND 100 THEN
        RAISE EXCEPTION 'A name has 1 to 100 characters.' USING ERRCODE = 'VA400';
    ELSIF NOT EXISTS (SELECT FROM pg_timezone_names WHERE name = given_time_zone)
        AND given_time_zone IS NOT NULL THEN
        RAISE EXCEPTION '“%” is no time zone. It has the form Europe/Berlin.',
            left(given_time_zone, 100) USING ERRCODE = 'VA400';
    END IF;
    UPDATE vantage.users SET name = given_name, time_zone = given_time_zone
    WHERE id = vantage.current_user_id();
    PERFORM vantage.record('profile_changed');
END
$$;
COMMENT ON FUNCTION report.change_profile IS
    'Sets the current person''s name and time zone (NULL: the browser''s own).';

CREATE OR REPLACE FUNCTION report.begin_email_change(
    given_email text, given_token_hash bytea, lifetime interval)
RETURNS boolean
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM vantage.require_role('viewer');
    PERFORM vantage.check_email(given_email);
    IF EXISTS (SELECT FROM vantage.users WHERE lower(email) = lower(given_email)) THEN
        RETURN false;
    END IF;
    PERFORM vantage.add_link(given_token_hash, 'email', given_email, lifetime,
        given_user_id => vantage.current_user_id());
    RETURN true;
END
$$;
COMMENT ON FUNCTION report.begin_email_change IS
    'Remembers a link that makes this the current person''s address. False: it is taken; tell '
    'nobody but the address.';

CREATE OR REPLACE FUNCTION report.finish_email_change(given_token_hash bytea)
RETURNS void
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    spent CONSTANT vantage.links := vantage.spend_link(given_token_hash, 'email');
BEGIN
    PERFORM set_config('vantage.user_id', spent.user_id::text, true);
    PERFORM vantage.record('email_changed', spent.email);
    UPDATE vantage.users SET email = spent.email WHERE id = spent.user_id;
    -- What was sent to the former address is worth nothing any more.
    DELETE FROM vantage.links WHERE user_id = spent.user_id AND purpose = 'reset';
EXCEPTION WHEN unique_violation THEN
    RAISE EXCEPTION 'This address is in use by now.' USING ERRCODE = 'VA409';
END
$$;
COMMENT ON FUNCTION report.finish_email_change IS 'Uses the address that a link was sent to.';

-- The account and its members ---------------------------------------------------------------------

CREATE OR REPLACE FUNCTION report.rename_account(given_name text)
RETURNS void
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own_id CONSTANT integer := vantage.require_role('owner');
BEGIN
    IF length(given_name) NOT BETWEEN 1 AND 254 THEN
        RAISE EXCEPTION 'An account''s name has 1 to 254 characters.' USING ERRCODE = 'VA400';
    END IF;
    UPDATE vantage.accounts SET name = given_name WHERE id = own_id;
    PERFORM vantage.record('account_renamed', given_name);
EXCEPTION WHEN unique_violation THEN
    RAISE EXCEPTION 'Another account is named “%”. Choose another name.', given_name
        USING ERRCODE = 'VA409';
END
$$;
COMMENT ON FUNCTION report.rename_account IS 'Names the account anew.';

CREATE OR REPLACE VIEW report.members WITH (security_barrier) AS
SELECT
    id,
    name,
    email,
    role,
    is_operator,
    created_at
FROM vantage.users
WHERE account_id = vantage.current_account();
COMMENT ON VIEW report.members IS 'The account''s people.';
COMMENT ON COLUMN report.members.id IS 'Identity.';
COMMENT ON COLUMN report.members.name IS 'As shown to people.';
COMMENT ON COLUMN report.members.email IS 'Sign-in name.';
COMMENT ON COLUMN report.members.role IS 'owner, editor or viewer.';
COMMENT ON COLUMN report.members.is_operator IS 'Runs this installation.';
COMMENT ON COLUMN report.members.created_at IS 'When they joined.';

CREATE OR REPLACE VIEW report.invitations WITH (security_barrier) AS
SELECT
    id,
    email,
    role,
    created_at,
    expires_at
FROM vantage.links
WHERE account_id = vantage.current_account() AND purpose = 'invite' AND expires_at > now();
COMMENT ON VIEW report.invitations IS 'Who was asked to join the account and has not yet.';
COMMENT ON COLUMN report.invitations.id IS 'Identity.';
COMMENT ON COLUMN report.invitations.email IS 'Who was asked.';
COMMENT ON COLUMN report.invitations.role IS 'As what.';
COMMENT ON COLUMN report.invitations.created_at IS 'When.';
COMMENT ON COLUMN report.invitations.expires_at IS 'Until when they may join.';

CREATE OR REPLACE FUNCTION report.invite(
    given_email text, given_role text, given_token_hash bytea, lifetime interval)
RETURNS boolean
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own_id CONSTANT integer := vantage.require_role('owner');
    holder integer;
BEGIN
    PERFORM vantage.check_email(given_email);
    IF given_role NOT IN ('owner', 'editor', 'viewer') THEN
        RAISE EXCEPTION '“%” is no role: owner, editor or viewer.', left(given_role, 100)
            USING ERRCODE = 'VA400';
    END IF;
    SELECT account_id INTO holder FROM vantage.users WHERE lower(email) = lower(given_email);
    IF holder = own_id THEN
        RAISE EXCEPTION '% is a member already.', given_email USING ERRCODE = 'VA409';
    END IF;
    PERFORM vantage.record('member_invited', given_email || ' as ' || given_role);
    IF holder IS NOT NULL THEN
        RETURN false;
    END IF;
    PERFORM vantage.add_link(given_token_hash, 'invite', given_email, lifetime,
        given_account_id => own_id, given_user_id => vantage.current_user_id(),
        given_role => given_role);
    RETURN true;
END
$$;
COMMENT ON FUNCTION report.invite IS
    'Remembers a link by which this address may join. False: it belongs to another account; tell '
    'nobody but the address.';

CREATE OR REPLACE FUNCTION report.withdraw_invitation(given_id bigint)
RETURNS void
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own_id CONSTANT integer := vantage.require_role('owner');
    whose text;
BEGIN
    DELETE FROM vantage.links
    WHERE id = given_id AND account_id = own_id AND purpose = 'invite'
    RETURNING email INTO whose;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'There is no such invitation.' USING ERRCODE = 'VA404';
    END IF;
    PERFORM vantage.record('invitation_withdrawn', whose);
END
$$;
COMMENT ON FUNCTION report.withdraw_invitation IS 'Makes an invitation''s link worthless.';

CREATE OR REPLACE FUNCTION report.finish_invitation(
    given_token_hash bytea, given_name text, given_password_hash text)
RETURNS integer
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    spent CONSTANT vantage.links := vantage.spend_link(given_token_hash, 'invite');
    new_user_id integer;
BEGIN
    IF length(given_name) NOT BETWEEN 1 AND 100 THEN
        RAISE EXCEPTION 'A name has 1 to 100 characters.' USING ERRCODE = 'VA400';
    END IF;
    INSERT INTO vantage.users (account_id, email, name, password_hash, role)
    VALUES (spent.account_id, spent.email, given_name, given_password_hash, spent.role)
    RETURNING id INTO new_user_id;
    PERFORM set_config('vantage.user_id', new_user_id::text, true);
    PERFORM vantage.record('member_joined', spent.role);
    RETURN new_user_id;
EXCEPTION WHEN unique_violation THEN
    RAISE EXCEPTION 'There is an account for this address already.' USING ERRCODE = 'VA409';
END
$$;
COMMENT ON FUNCTION report.finish_invitation IS
    'Makes the person that a link invited a member; returns their id.';

CREATE OR REPLACE FUNCTION vantage.require_another_owner(own_id integer, leaving_id integer)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    -- Two owners who leave at the same time wait for each other here.
    PERFORM FROM vantage.accounts WHERE id = own_id FOR UPDATE;
    IF NOT EXISTS (
        SELECT FROM vantage.users
        WHERE account_id = own_id AND role = 'owner' AND id <> leaving_id
    ) THEN
        RAISE EXCEPTION 'An account needs an owner. Make somebody else an owner first.'
            USING ERRCODE = 'VA409';
    END IF;
END
$$;
COMMENT ON FUNCTION vantage.require_another_owner IS
    'Raises VA409 where the account would be without an owner but for this person.';

CREATE OR REPLACE FUNCTION report.set_role(given_user_id integer, given_role text)
RETURNS void
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own_id CONSTANT integer := vantage.require_role('owner');
    whose text;
BEGIN
    IF given_role NOT IN ('owner', 'editor', 'viewer') THEN
        RAISE EXCEPTION '“%” is no role: owner, editor or viewer.', left(given_role, 100)
            USING ERRCODE = 'VA400';
    END IF;
    UPDATE vantage.users SET role = given_role
    WHERE id = given_user_id AND account_id = own_id
    RETURNING email INTO whose;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'There is no such member.' USING ERRCODE = 'VA404';
    END IF;
    PERFORM vantage.require_another_owner(own_id, 0);
    PERFORM vantage.record('role_changed', whose || ' to ' || given_role);
END
$$;
COMMENT ON FUNCTION report.set_role IS 'Gives a member another role.';

CREATE OR REPLACE FUNCTION report.remove_member(given_user_id integer)
RETURNS void
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own_id CONSTANT integer := vantage.require_role('owner');
    whose text;
BEGIN
    SELECT email INTO whose FROM vantage.users
    WHERE id = given_user_id AND account_id = own_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'There is no such member.' USING ERRCODE = 'VA404';
    END IF;
    PERFORM vantage.require_another_owner(own_id, given_user_id);
    PERFORM vantage.record('member_removed', whose);
    DELETE FROM vantage.users WHERE id = given_user_id;
END
$$;
COMMENT ON FUNCTION report.remove_member IS
    'Removes a person from the account, with their sessions and API tokens.';

-- API tokens --------------------------------------------------------------------------------------

CREATE OR REPLACE VIEW report.api_tokens WITH (security_barrier) AS
SELECT
    api_tokens.id,
    api_tokens.name,
    api_tokens.hint,
    api_tokens.scopes,
    api_tokens.created_at,
    api_tokens.expires_at,
    api_tokens.last_used_at,
    users.email AS made_by
FROM vantage.api_tokens
JOIN vantage.users ON users.id = api_tokens.user_id
WHERE users.account_id = vantage.current_account()
    AND (users.id = vantage.current_user_id() OR EXISTS (
        SELECT FROM vantage.users AS visitor
        WHERE visitor.id = vantage.current_user_id()
            AND visitor.account_id = vantage.current_account()
            AND visitor.role = 'owner'));
COMMENT ON VIEW report.api_tokens IS
    'The current person''s API tokens; an owner sees every member''s.';
COMMENT ON COLUMN report.api_tokens.id IS 'Identity.';
COMMENT ON COLUMN report.api_tokens.name IS 'As shown to people.';
COMMENT ON COLUMN report.api_tokens.hint IS 'How the token begins.';
COMMENT ON COLUMN report.api_tokens.scopes IS 'read, write, run.';
COMMENT ON COLUMN report.api_tokens.created_at IS 'When it was made.';
COMMENT ON COLUMN report.api_tokens.expires_at IS 'From when on it is refused. NULL: never.';
COMMENT ON COLUMN report.api_tokens.last_used_at IS 'To a minute. NULL: never.';
COMMENT ON COLUMN report.api_tokens.made_by IS 'E-mail address of who made it.';

CREATE OR REPLACE FUNCTION report.add_api_token(
    given_name text, given_token_hash bytea, given_hint text, given_scopes text[],
    lifetime interval)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM vantage.require_role(
        CASE WHEN given_scopes && ARRAY['write', 'run'] THEN 'editor' ELSE 'viewer' END);
    INSERT INTO vantage.api_tokens (user_id, name, token_hash, hint, scopes, expires_at)
    VALUES (vantage.current_user_id(), given_name, given_token_hash, given_hint, given_scopes,
        now() + lifetime);
    PERFORM vantage.record('token_made', given_name);
EXCEPTION WHEN check_violation THEN
    RAISE EXCEPTION 'A token has a name of 1 to 100 characters and at least one of the scopes '
        'read, write and run.' USING ERRCODE = 'VA400';
END
$$;
COMMENT ON FUNCTION report.add_api_token IS
    'Remembers an API token of the current person. A lifetime of NULL: it never expires.';

CREATE OR REPLACE FUNCTION report.revoke_api_token(given_id integer)
RETURNS void
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    named text;
BEGIN
    SELECT name INTO named FROM report.api_tokens WHERE id = given_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'There is no such token of yours.' USING ERRCODE = 'VA404';
    END IF;
    DELETE FROM vantage.api_tokens WHERE id = given_id;
    PERFORM vantage.record('token_revoked', named);
END
$$;
COMMENT ON FUNCTION report.revoke_api_token IS
    'Makes a token worthless: one''s own, or, for an owner, any member''s.';

-- What was done -----------------------------------------------------------------------------------

CREATE OR REPLACE VIEW report.audit_log WITH (security_barrier) AS
SELECT
    id,
    at,
    actor,
    action,
    detail
FROM vantage.audit_log
WHERE account_id = vantage.current_account() AND EXISTS (
    SELECT FROM vantage.users AS visitor
    WHERE visitor.id = vantage.current_user_id()
        AND visitor.account_id = vantage.current_account()
        AND visitor.role = 'owner');
COMMENT ON VIEW report.audit_log IS 'What was done in the account; owners only.';
COMMENT ON COLUMN report.audit_log.id IS 'Identity; later entries have larger ones.';
COMMENT ON COLUMN report.audit_log.at IS 'When.';
COMMENT ON COLUMN report.audit_log.actor IS 'Who: the e-mail address at that time.';
COMMENT ON COLUMN report.audit_log.action IS 'What, such as member_invited.';
COMMENT ON COLUMN report.audit_log.detail IS 'With what or whom. NULL: nothing to add.';
