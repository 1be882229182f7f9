-- People: how they come in, what they change about themselves and each other.

-- link --
SELECT
    email,
    name,
    account,
    role,
    invited_by
FROM report.link(%(token_hash)s, %(purpose)s)

-- begin_register --
SELECT report.begin_registration(%(email)s, %(name)s, %(token_hash)s, %(lifetime)s) AS is_done

-- finish_registration --
SELECT report.finish_registration(%(token_hash)s, %(password_hash)s) AS id

-- begin_reset --
SELECT report.begin_reset(%(email)s, %(token_hash)s, %(lifetime)s) AS is_done

-- finish_reset --
SELECT report.finish_reset(%(token_hash)s, %(password_hash)s) AS id

-- finish_invitation --
SELECT report.finish_invitation(%(token_hash)s, %(name)s, %(password_hash)s) AS id

-- change_profile --
SELECT report.change_profile(%(name)s, %(time_zone)s)

-- own_password_hash --
SELECT report.own_password_hash() AS password_hash

-- is_fresh --
-- Whether a session began a moment ago.
SELECT EXISTS (
    SELECT FROM report.sessions
    WHERE id = %(session_id)s AND created_at > now() - %(age)s) AS is_done

-- change_password --
SELECT report.change_password(%(password_hash)s, %(session_id)s)

-- begin_email_change --
SELECT report.begin_email_change(%(email)s, %(token_hash)s, %(lifetime)s) AS is_done

-- finish_email_change --
SELECT report.finish_email_change(%(token_hash)s)

-- rename_account --
SELECT report.rename_account(%(name)s)

-- members --
SELECT
    id,
    name,
    email,
    role,
    is_operator,
    created_at
FROM report.members
ORDER BY lower(name), id

-- invitations --
SELECT
    id,
    email,
    role,
    created_at,
    expires_at
FROM report.invitations
ORDER BY created_at

-- invite --
SELECT report.invite(%(email)s, %(role)s, %(token_hash)s, %(lifetime)s) AS is_done

-- withdraw_invitation --
SELECT report.withdraw_invitation(%(id)s)

-- set_role --
SELECT report.set_role(%(id)s, %(role)s)

-- remove_member --
SELECT report.remove_member(%(id)s)

-- sessions --
SELECT
    id,
    kind,
    browser,
    created_at,
    last_used_at,
    expires_at
FROM report.sessions
ORDER BY COALESCE(last_used_at, created_at) DESC

-- revoke_session --
SELECT report.revoke_session(%(id)s)

-- revoke_other_sessions --
SELECT report.revoke_other_sessions(%(id)s)

-- api_tokens --
SELECT
    id,
    name,
    hint,
    scopes,
    created_at,
    expires_at,
    last_used_at,
    made_by
FROM report.api_tokens
ORDER BY id

-- add_api_token --
SELECT report.add_api_token(
    %(name)s, %(token_hash)s, %(hint)s, %(scopes)s, %(lifetime)s::interval)

-- revoke_api_token --
SELECT report.revoke_api_token(%(id)s)

-- audit_log --
SELECT
    id,
    at,
    actor,
    action,
    detail
FROM report.audit_log
WHERE id < %(before)s
ORDER BY id DESC
LIMIT %(count)s
