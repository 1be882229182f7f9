-- People: roles, sessions that can be told apart, links sent by mail, API tokens, what was done.

ALTER TABLE vantage.accounts ADD COLUMN deleted_at timestamptz;
COMMENT ON COLUMN vantage.accounts.deleted_at IS
    'When an owner deleted it; its rows are being removed, and nobody can sign in. NULL: in use.';

ALTER TABLE vantage.users
    ADD COLUMN role text NOT NULL DEFAULT 'owner' CHECK (role IN ('owner', 'editor', 'viewer')),
    ADD COLUMN is_operator boolean NOT NULL DEFAULT false,
    ADD COLUMN time_zone text CHECK (time_zone <> ''),
    ALTER COLUMN password_hash DROP NOT NULL;
COMMENT ON COLUMN vantage.users.role IS
    'owner: everything, people included; editor: monitors and status pages; viewer: reads.';
COMMENT ON COLUMN vantage.users.is_operator IS
    'Runs this installation: may see every agent in the report centre.';
COMMENT ON COLUMN vantage.users.time_zone IS
    'IANA name of the zone that pages show times in. NULL: the browser''s own.';
COMMENT ON COLUMN vantage.users.password_hash IS
    'argon2id, in PHC string format. NULL: signs in through an identity provider only.';

ALTER TABLE vantage.sessions
    ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    ADD COLUMN kind text NOT NULL DEFAULT 'cookie' CHECK (kind IN ('cookie', 'path')),
    ADD COLUMN handoff_hash bytea UNIQUE CHECK (length(handoff_hash) = 32),
    ADD COLUMN browser text,
    ADD COLUMN last_used_at timestamptz;
COMMENT ON COLUMN vantage.sessions.id IS 'What people name it by when they end it.';
COMMENT ON COLUMN vantage.sessions.kind IS
    'Where the browser keeps the token: in a cookie, or, where it refuses cookies, in the path.';
COMMENT ON COLUMN vantage.sessions.handoff_hash IS
    'SHA-256 of what turns a cookie that did not come back into a path, once and within a minute. '
    'NULL: it was decided.';
COMMENT ON COLUMN vantage.sessions.browser IS
    'Kind of browser, such as Firefox on Linux, for its owner to recognise. NULL: not known.';
COMMENT ON COLUMN vantage.sessions.last_used_at IS
    'To five minutes. NULL: not since it began.';

CREATE TABLE vantage.links (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_hash bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    purpose text NOT NULL CHECK (purpose IN ('register', 'invite', 'reset', 'email')),
    email text NOT NULL CHECK (email LIKE '%_@_%' AND length(email) <= 254),
    name text CHECK (name <> ''),
    account_id integer REFERENCES vantage.accounts ON DELETE CASCADE,
    user_id integer REFERENCES vantage.users ON DELETE CASCADE,
    role text CHECK (role IN ('owner', 'editor', 'viewer')),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    CHECK ((purpose = 'register') = (name IS NOT NULL)),
    CHECK ((purpose = 'invite') = (account_id IS NOT NULL AND role IS NOT NULL)),
    CHECK ((purpose = 'register') = (user_id IS NULL))
);
CREATE INDEX links_account ON vantage.links (account_id);
CREATE INDEX links_user ON vantage.links (user_id);
COMMENT ON TABLE vantage.links IS 'One-time links sent by mail. A used one is deleted.';
COMMENT ON COLUMN vantage.links.id IS 'What an invitation is withdrawn by.';
COMMENT ON COLUMN vantage.links.token_hash IS 'SHA-256 of the token in the link.';
COMMENT ON COLUMN vantage.links.purpose IS
    'register: make an account; invite: join one; reset: set a password; email: use this address.';
COMMENT ON COLUMN vantage.links.email IS 'Where it was sent.';
COMMENT ON COLUMN vantage.links.name IS 'Of the person who registers. NULL: no registration.';
COMMENT ON COLUMN vantage.links.account_id IS 'Which account to join. NULL: no invitation.';
COMMENT ON COLUMN vantage.links.user_id IS
    'Whose password or address, or who invites. NULL: a registration.';
COMMENT ON COLUMN vantage.links.role IS 'Role of who joins. NULL: no invitation.';
COMMENT ON COLUMN vantage.links.created_at IS 'When it was sent.';
COMMENT ON COLUMN vantage.links.expires_at IS 'From when on it is refused.';

CREATE TABLE vantage.api_tokens (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id integer NOT NULL REFERENCES vantage.users ON DELETE CASCADE,
    name text NOT NULL CHECK (name <> '' AND length(name) <= 100),
    token_hash bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    hint text NOT NULL CHECK (length(hint) <= 16),
    scopes text[] NOT NULL
        CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['read', 'write', 'run']),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    last_used_at timestamptz
);
CREATE INDEX api_tokens_user ON vantage.api_tokens (user_id);
COMMENT ON TABLE vantage.api_tokens IS 'What programs sign in with. Deleting the row revokes it.';
COMMENT ON COLUMN vantage.api_tokens.id IS 'Identity.';
COMMENT ON COLUMN vantage.api_tokens.user_id IS
    'Who made it; it can do no more than this person may.';
COMMENT ON COLUMN vantage.api_tokens.name IS 'As shown to people.';
COMMENT ON COLUMN vantage.api_tokens.token_hash IS 'SHA-256 of the token, which was shown once.';
COMMENT ON COLUMN vantage.api_tokens.hint IS 'How the token begins, to recognise it by.';
COMMENT ON COLUMN vantage.api_tokens.scopes IS
    'What it may be used for: read; write, which changes monitors; run, which probes one now.';
COMMENT ON COLUMN vantage.api_tokens.created_at IS 'When it was made.';
COMMENT ON COLUMN vantage.api_tokens.expires_at IS 'From when on it is refused. NULL: never.';
COMMENT ON COLUMN vantage.api_tokens.last_used_at IS 'To a minute. NULL: never.';

CREATE TABLE vantage.audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id integer NOT NULL REFERENCES vantage.accounts ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT now(),
    user_id integer REFERENCES vantage.users ON DELETE SET NULL,
    actor text NOT NULL,
    action text NOT NULL CHECK (action ~ '^[a-z_]+$'),
    detail text
);
CREATE INDEX audit_log_account ON vantage.audit_log (account_id, id DESC);
COMMENT ON TABLE vantage.audit_log IS 'Who did what in an account, and when.';
COMMENT ON COLUMN vantage.audit_log.id IS 'Identity; later entries have larger ones.';
COMMENT ON COLUMN vantage.audit_log.account_id IS 'In which account.';
COMMENT ON COLUMN vantage.audit_log.at IS 'When.';
COMMENT ON COLUMN vantage.audit_log.user_id IS 'Who. NULL: a person who was removed since.';
COMMENT ON COLUMN vantage.audit_log.actor IS 'The person''s e-mail address at that time.';
COMMENT ON COLUMN vantage.audit_log.action IS 'What, such as member_invited.';
COMMENT ON COLUMN vantage.audit_log.detail IS 'With what or whom. NULL: nothing to add.';

-- Replaced by functions that tell more.
DROP FUNCTION IF EXISTS report.start_session(integer, bytea, interval);
DROP FUNCTION IF EXISTS report.session_user_of(bytea);
