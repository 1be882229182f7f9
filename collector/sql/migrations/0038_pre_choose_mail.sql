-- Mail about the product is for those who want it.

ALTER TABLE vantage.users ADD COLUMN wants_product_mail boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN vantage.users.wants_product_mail IS
    'They chose to get mail about the product; mail about the account and the licence they get anyhow.';
