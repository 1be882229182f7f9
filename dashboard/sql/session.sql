-- Signing in, who is there, signing out.

-- sign_in_candidate --
SELECT
    user_id,
    password_hash
FROM report.sign_in_candidate(%(email)s)

-- start_session --
SELECT report.start_session(
    %(user_id)s, %(token_hash)s, %(handoff_hash)s, %(lifetime)s, %(browser)s)

-- keep_session --
SELECT report.keep_session(%(token_hash)s)

-- hand_over_session --
SELECT report.hand_over_session(%(handoff_hash)s, %(token_hash)s, %(lifetime)s) AS is_done

-- end_session --
SELECT report.end_session(%(token_hash)s)

-- visitor_by_session --
SELECT
    entered.user_id,
    entered.account_id,
    entered.account,
    entered.name,
    entered.email,
    entered.role,
    entered.is_operator,
    entered.time_zone,
    %(kind)s::text AS kind,
    found.session_id,
    ARRAY['read', 'write', 'run'] AS scopes
FROM report.session_of(%(kind)s, %(token_hash)s) AS found
CROSS JOIN LATERAL report.enter(found.user_id) AS entered

-- enter_again --
-- A person who was just seen. Plans are kept, since to plan for each span what reads several
-- hypertables takes longer than to run it. No helpers: to start them does, too.
SELECT
    entered.account_id,
    entered.account
FROM report.enter(%(user_id)s) AS entered
CROSS JOIN set_config('plan_cache_mode', 'force_generic_plan', true) AS kept
CROSS JOIN set_config('max_parallel_workers_per_gather', '0', true) AS alone

-- visitor_by_token --
SELECT
    entered.user_id,
    entered.account_id,
    entered.account,
    entered.name,
    entered.email,
    entered.role,
    entered.is_operator,
    entered.time_zone,
    'token' AS kind,
    NULL::bigint AS session_id,
    found.scopes
FROM report.api_token_of(%(token_hash)s) AS found
CROSS JOIN LATERAL report.enter(found.user_id) AS entered

-- visitor_by_password --
SELECT
    entered.user_id,
    entered.account_id,
    entered.account,
    entered.name,
    entered.email,
    entered.role,
    entered.is_operator,
    entered.time_zone,
    'password' AS kind,
    NULL::bigint AS session_id,
    ARRAY['read', 'write', 'run'] AS scopes
FROM report.enter(%(user_id)s) AS entered

-- begin_sign_in --
SELECT report.begin_sign_in(
    %(state_hash)s, %(browser_hash)s, %(following)s, %(identity)s::jsonb, %(lifetime)s)

-- spend_sign_in --
SELECT
    browser_hash,
    following,
    identity
FROM report.spend_sign_in(%(state_hash)s)

-- enter_identity --
SELECT report.enter_identity(
    %(issuer)s, %(subject)s, %(email)s, %(name)s, %(registration)s) AS id
