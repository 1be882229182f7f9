-- Mail about licences, the product and reports: what is to be sent to whom, once; and monitors that
-- rest because their account's licence has expired.

CREATE TABLE vantage.mails (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id integer NOT NULL REFERENCES vantage.accounts ON DELETE CASCADE,
    user_id integer NOT NULL REFERENCES vantage.users ON DELETE CASCADE,
    step text NOT NULL CHECK (step <> ''),
    kind text NOT NULL CHECK (kind IN (
        'trial_ends', 'licence_ends', 'grace_began', 'expired', 'renewed', 'product', 'report')),
    content jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL DEFAULT now(),
    attempts smallint NOT NULL DEFAULT 0,
    lease uuid,
    leased_until timestamptz,
    sent_at timestamptz,
    given_up_at timestamptz,
    last_error text,
    UNIQUE (user_id, step),
    CHECK (sent_at IS NULL OR given_up_at IS NULL)
);
CREATE INDEX mails_waiting ON vantage.mails (due_at) WHERE sent_at IS NULL AND given_up_at IS NULL;
CREATE INDEX mails_account ON vantage.mails (account_id, id DESC);
COMMENT ON TABLE vantage.mails IS
    'Mail to people about their licence, the product and their reports: a queue, and the record of '
    'what was sent. The report centre sends it. Incidents are vantage.notifications.';
COMMENT ON COLUMN vantage.mails.id IS 'Identity; part of the mail''s Message-ID.';
COMMENT ON COLUMN vantage.mails.account_id IS 'Which account it is about.';
COMMENT ON COLUMN vantage.mails.user_id IS 'Whom it is sent to: at the address they have by then.';
COMMENT ON COLUMN vantage.mails.step IS
    'What it is about, once per person: licence_ends 7 and when the licence ends, ...';
COMMENT ON COLUMN vantage.mails.kind IS
    'trial_ends, licence_ends, grace_began, expired, renewed: of the licence, to owners; product: to '
    'those who want it; report: to those whom a schedule names.';
COMMENT ON COLUMN vantage.mails.content IS 'The facts, as they were when it was decided.';
COMMENT ON COLUMN vantage.mails.created_at IS 'When it was decided.';
COMMENT ON COLUMN vantage.mails.due_at IS 'When it may be sent: after a pause where sending failed.';
COMMENT ON COLUMN vantage.mails.attempts IS 'How often sending was tried.';
COMMENT ON COLUMN vantage.mails.lease IS 'Which sender works on it. NULL: none.';
COMMENT ON COLUMN vantage.mails.leased_until IS
    'When another sender may take over, because that one must have died. NULL: none works on it.';
COMMENT ON COLUMN vantage.mails.sent_at IS 'When the mail server took it. NULL: not yet.';
COMMENT ON COLUMN vantage.mails.given_up_at IS
    'When it was given up, a day after it was due. NULL: it was not.';
COMMENT ON COLUMN vantage.mails.last_error IS
    'Why the last try failed, without any secret. NULL: none did.';

ALTER TABLE vantage.monitors
    ADD COLUMN is_paused_by_licence boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT monitors_paused_by_licence CHECK (NOT is_paused_by_licence OR paused_at IS NOT NULL);
COMMENT ON COLUMN vantage.monitors.is_paused_by_licence IS
    'It rests because the account''s licence has expired, and goes on by itself when that is renewed.';
