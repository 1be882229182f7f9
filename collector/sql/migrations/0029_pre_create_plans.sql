-- Plans: what an account may have, and until when.

CREATE TABLE vantage.plans (
    name text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,31}$'),
    title text NOT NULL CHECK (title <> ''),
    max_monitors integer CHECK (max_monitors >= 0),
    min_interval_s integer CHECK (min_interval_s BETWEEN 1 AND 86400),
    max_locations integer CHECK (max_locations > 0),
    max_members integer CHECK (max_members > 0),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE vantage.plans IS
    'What accounts may have. Operators make plans; triggers hold accounts to them, whichever way '
    'something is added.';
COMMENT ON COLUMN vantage.plans.name IS 'What operators name it by.';
COMMENT ON COLUMN vantage.plans.title IS 'As shown to people.';
COMMENT ON COLUMN vantage.plans.max_monitors IS 'How many monitors, paused ones included. NULL: any.';
COMMENT ON COLUMN vantage.plans.min_interval_s IS 'Shortest interval, in seconds. NULL: 1.';
COMMENT ON COLUMN vantage.plans.max_locations IS 'How many locations for each monitor. NULL: all.';
COMMENT ON COLUMN vantage.plans.max_members IS
    'How many people, invited ones included. NULL: any.';
COMMENT ON COLUMN vantage.plans.created_at IS 'When it was made.';
INSERT INTO vantage.plans (name, title) VALUES ('unlimited', 'Unlimited');

ALTER TABLE vantage.accounts
    ADD COLUMN plan text NOT NULL DEFAULT 'unlimited' REFERENCES vantage.plans ON UPDATE CASCADE,
    ADD COLUMN is_trial boolean NOT NULL DEFAULT false,
    ADD COLUMN licence_ends_at timestamptz,
    ADD COLUMN grace_days smallint NOT NULL DEFAULT 14 CHECK (grace_days BETWEEN 0 AND 365);
COMMENT ON COLUMN vantage.accounts.plan IS 'What it may have.';
COMMENT ON COLUMN vantage.accounts.is_trial IS 'It tries the plan and has not bought it.';
COMMENT ON COLUMN vantage.accounts.licence_ends_at IS 'When its licence ends. NULL: never.';
COMMENT ON COLUMN vantage.accounts.grace_days IS
    'For how many days after that everything goes on; then nothing can be added or changed.';
CREATE INDEX accounts_plan ON vantage.accounts (plan);
