-- Signing in, who is there, signing out.

-- sign_in_candidate --
SELECT
    user_id,
    password_hash
FROM report.sign_in_candidate(%(email)s)

-- start_session --
SELECT report.start_session(%(user_id)s, %(token_hash)s, %(lifetime)s)

-- visitor --
SELECT
    user_id,
    account_id,
    name,
    email,
    set_config('vantage.account_id', account_id::text, true) AS account
FROM report.session_user_of(%(token_hash)s)

-- end_session --
SELECT report.end_session(%(token_hash)s)
