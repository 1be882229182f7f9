-- Links sent by mail, and registering and forgotten passwords by them. Errors as in 20_people.sql.

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
