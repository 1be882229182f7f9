-- People whom an identity provider vouches for, and sign-ins there that are under way.

CREATE TABLE vantage.identities (
    issuer text NOT NULL CHECK (issuer <> ''),
    subject text NOT NULL CHECK (subject <> ''),
    user_id integer NOT NULL REFERENCES vantage.users ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (issuer, subject),
    UNIQUE (user_id, issuer)
);
COMMENT ON TABLE vantage.identities IS
    'Who somebody is at an identity provider (OpenID Connect). An address is looked at once, when the '
    'two are linked; from then on the subject alone counts.';
COMMENT ON COLUMN vantage.identities.issuer IS 'The provider, by its issuer URL.';
COMMENT ON COLUMN vantage.identities.subject IS 'Whom the provider knows them as; never given to another.';
COMMENT ON COLUMN vantage.identities.user_id IS 'Who it is here.';
COMMENT ON COLUMN vantage.identities.created_at IS 'When they first came that way.';

CREATE TABLE vantage.sign_ins (
    state_hash bytea PRIMARY KEY CHECK (length(state_hash) = 32),
    browser_hash bytea CHECK (length(browser_hash) = 32),
    following text NOT NULL CHECK (following LIKE '/%'),
    identity jsonb,
    expires_at timestamptz NOT NULL,
    CHECK ((browser_hash IS NULL) = (identity IS NOT NULL))
);
COMMENT ON TABLE vantage.sign_ins IS
    'Sign-ins at an identity provider that were begun and are not over. Gone once used, and after '
    'ten minutes.';
COMMENT ON COLUMN vantage.sign_ins.state_hash IS 'SHA-256 of what the provider sends back with somebody.';
COMMENT ON COLUMN vantage.sign_ins.browser_hash IS
    'SHA-256 of what the browser that began keeps in a cookie. NULL: it kept none, so it is asked.';
COMMENT ON COLUMN vantage.sign_ins.following IS 'Path of the page to go on to.';
COMMENT ON COLUMN vantage.sign_ins.identity IS
    'Whom the provider vouched for, until they say that it is them. NULL: it was not asked yet.';
COMMENT ON COLUMN vantage.sign_ins.expires_at IS 'From when on it no longer counts.';
