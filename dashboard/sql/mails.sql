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

-- queued_mails --
SELECT
    id,
    kind,
    email,
    content ->> 'name' AS report,
    content ->> 'period' AS period,
    content ->> 'first_day' AS first_day,
    (content ->> 'revision')::integer AS revision,
    created_at,
    sent_at,
    given_up_at,
    last_error
FROM report.mails
WHERE kind = ANY(%(kinds)s)
ORDER BY id DESC
LIMIT %(count)s

-- own_choices --
SELECT wants_product_mail
FROM report.own_choices

-- choose_product_mail --
SELECT report.choose_product_mail(%(is_wanted)s)

-- choose_product_mail_joining --
SELECT report.choose_product_mail(true)
FROM report.enter(%(user_id)s)

-- unsubscribe --
SELECT report.unsubscribe(%(user_id)s)
