-- Mail that the report centre sends.

-- queue_product_mail --
SELECT vantage.queue_product_mail(%(subject)s, %(paragraphs)s, %(plan)s) AS queued

-- list --
SELECT
    mails.id,
    mails.kind,
    accounts.name AS account,
    users.email,
    mails.step,
    mails.created_at,
    mails.due_at,
    mails.attempts,
    mails.sent_at,
    mails.given_up_at,
    mails.last_error
FROM vantage.mails
JOIN vantage.accounts ON accounts.id = mails.account_id
JOIN vantage.users ON users.id = mails.user_id
ORDER BY mails.id DESC
LIMIT 100
