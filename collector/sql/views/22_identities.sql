-- Signing in at an identity provider. Errors as in 20_people.sql.

CREATE OR REPLACE FUNCTION report.begin_sign_in(
    given_state_hash bytea, given_browser_hash bytea, given_following text, given_identity jsonb,
    lifetime interval)
RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    DELETE FROM vantage.sign_ins WHERE expires_at < now();
    INSERT INTO vantage.sign_ins (state_hash, browser_hash, following, identity, expires_at)
    VALUES (given_state_hash, given_browser_hash, given_following, given_identity, now() + lifetime)
$$;
COMMENT ON FUNCTION report.begin_sign_in IS
    'Remembers a sign-in at the identity provider by the SHA-256 of its state.';

CREATE OR REPLACE FUNCTION report.spend_sign_in(given_state_hash bytea)
RETURNS TABLE (browser_hash bytea, following text, identity jsonb)
LANGUAGE sql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    DELETE FROM vantage.sign_ins
    WHERE state_hash = given_state_hash AND expires_at > now()
    RETURNING browser_hash, following, identity
$$;
COMMENT ON FUNCTION report.spend_sign_in IS
    'The sign-in of this state, which is good no more. No row: it is used, too old, or none.';

CREATE OR REPLACE FUNCTION report.enter_identity(
    given_issuer text, given_subject text, given_email text, given_name text, registration text)
RETURNS integer
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found record;
    invited vantage.links;
    new_name CONSTANT text := left(COALESCE(NULLIF(given_name, ''), given_email), 100);
    entered_id integer;
BEGIN
    SELECT users.id, accounts.deleted_at INTO found
    FROM vantage.identities
    JOIN vantage.users ON users.id = identities.user_id
    JOIN vantage.accounts ON accounts.id = users.account_id
    WHERE issuer = given_issuer AND subject = given_subject;
    IF found.id IS NOT NULL AND found.deleted_at IS NULL THEN
        RETURN found.id;
    ELSIF given_email = '' THEN
        RAISE EXCEPTION 'Your identity provider has not verified an e-mail address of yours, so '
            'nobody here can be known by it.' USING ERRCODE = 'VA403';
    END IF;
    PERFORM vantage.check_email(given_email);
    SELECT users.id, accounts.deleted_at INTO found
    FROM vantage.users
    JOIN vantage.accounts ON accounts.id = users.account_id
    WHERE lower(users.email) = lower(given_email);
    IF found.id IS NOT NULL THEN
        IF found.deleted_at IS NOT NULL OR EXISTS (
            SELECT FROM vantage.identities WHERE user_id = found.id AND issuer = given_issuer
        ) THEN
            -- The provider gave the address to another person since, or the account is leaving.
            RAISE EXCEPTION 'The address % belongs to somebody else here. Ask who runs this report '
                'centre.', given_email USING ERRCODE = 'VA403';
        END IF;
        entered_id := found.id;
    ELSIF registration <> 'closed' THEN
        DELETE FROM vantage.links
        WHERE id = (
            SELECT links.id
            FROM vantage.links
            JOIN vantage.accounts ON accounts.id = links.account_id
            WHERE purpose = 'invite'
                AND lower(email) = lower(given_email)
                AND expires_at > now()
                AND accounts.deleted_at IS NULL
            ORDER BY links.created_at DESC
            LIMIT 1)
        RETURNING * INTO invited;
        IF invited.id IS NOT NULL OR registration = 'open' THEN
            INSERT INTO vantage.users (account_id, email, name, role)
            VALUES (
                COALESCE(invited.account_id, vantage.new_account(given_email)),
                given_email, new_name, COALESCE(invited.role, 'owner'))
            RETURNING id INTO entered_id;
        END IF;
    END IF;
    IF entered_id IS NULL THEN
        RAISE EXCEPTION 'Nobody here has the address %. Ask who runs this report centre, or an '
            'owner of your account for an invitation.', given_email USING ERRCODE = 'VA403';
    END IF;
    INSERT INTO vantage.identities (issuer, subject, user_id)
    VALUES (given_issuer, given_subject, entered_id);
    PERFORM set_config('vantage.user_id', entered_id::text, true);
    IF found.id IS NULL THEN
        PERFORM vantage.record(
            CASE WHEN invited.id IS NULL THEN 'account_registered' ELSE 'member_joined' END,
            invited.role);
    END IF;
    PERFORM vantage.record('identity_linked', given_issuer);
    RETURN entered_id;
END
$$;
COMMENT ON FUNCTION report.enter_identity IS
    'Whom an identity provider has vouched for: by their subject, else, once, by the address that it '
    'verified (empty: none), else who is invited or may register. Raises VA403: nobody.';
