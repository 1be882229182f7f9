-- Mail that is queued, and what became of it.

-- decide_mails --
SELECT report.decide_mails() AS decided

-- claim_mail --
SELECT
    id,
    lease,
    kind,
    content,
    created_at,
    user_id,
    email,
    name,
    time_zone
FROM report.claim_mail(%(lease_s)s)

-- finish_mail --
SELECT report.finish_mail(%(id)s, %(lease)s, %(error)s)

-- mails --
SELECT
    id,
    kind,
    email,
    content,
    created_at,
    sent_at,
    given_up_at,
    last_error
FROM report.mails
WHERE kind = ANY(%(kinds)s)
ORDER BY id DESC
LIMIT 30
