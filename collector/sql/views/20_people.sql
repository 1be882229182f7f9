-- People, as the report centre knows them: oneself, the members of an account, what they did.
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
