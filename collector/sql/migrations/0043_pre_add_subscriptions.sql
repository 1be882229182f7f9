-- Licences that are paid for at Stripe's hosted checkout. No card data is ever here.

ALTER TABLE vantage.plans ADD COLUMN stripe_price text UNIQUE CHECK (stripe_price ~ '^price_\w{1,100}$');
COMMENT ON COLUMN vantage.plans.stripe_price IS
    'Stripe''s id of the recurring price that buys it. NULL: operators give it.';

ALTER TABLE vantage.accounts ADD COLUMN is_renewing boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN vantage.accounts.is_renewing IS
    'A subscription is to renew the licence by itself, so nobody is warned that it ends.';

CREATE TABLE vantage.subscriptions (
    account_id integer PRIMARY KEY REFERENCES vantage.accounts ON DELETE CASCADE,
    subscription_id text NOT NULL UNIQUE CHECK (subscription_id <> ''),
    customer_id text NOT NULL CHECK (customer_id <> ''),
    status text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE vantage.subscriptions IS 'How accounts pay for their licences, as Stripe says it.';
COMMENT ON COLUMN vantage.subscriptions.account_id IS 'Whose.';
COMMENT ON COLUMN vantage.subscriptions.subscription_id IS 'Stripe''s id of the subscription.';
COMMENT ON COLUMN vantage.subscriptions.customer_id IS 'Stripe''s id of who pays.';
COMMENT ON COLUMN vantage.subscriptions.status IS
    'As Stripe names it: active, past_due, canceled, ...';
COMMENT ON COLUMN vantage.subscriptions.updated_at IS 'When Stripe last told something of it.';

CREATE TABLE vantage.payment_events (
    id text PRIMARY KEY CHECK (id <> ''),
    kind text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE vantage.payment_events IS
    'Events of Stripe that were taken into account, so that each is once; kept for 90 days.';
COMMENT ON COLUMN vantage.payment_events.id IS 'Stripe''s id of the event.';
COMMENT ON COLUMN vantage.payment_events.kind IS 'Such as customer.subscription.updated.';
COMMENT ON COLUMN vantage.payment_events.received_at IS 'When it came.';
