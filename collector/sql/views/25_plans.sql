-- Plans and licences, held to by triggers: the page, the API, the command and a file of
-- definitions all end here. SQLSTATE VA409, with a sentence for the reader.

CREATE OR REPLACE FUNCTION vantage.licence_state_at(account vantage.accounts, at timestamptz)
RETURNS text
LANGUAGE sql STABLE
AS $$
    SELECT CASE
        WHEN COALESCE(account.licence_ends_at, 'infinity') > at THEN
            CASE WHEN account.is_trial THEN 'trial' ELSE 'active' END
        WHEN account.licence_ends_at + make_interval(days => account.grace_days) > at THEN 'grace'
        ELSE 'expired'
    END
$$;
COMMENT ON FUNCTION vantage.licence_state_at IS
    'trial, active, grace or expired: what an account''s licence is at an instant, as it stands.';

CREATE OR REPLACE FUNCTION vantage.licence_state(account vantage.accounts)
RETURNS text
LANGUAGE sql STABLE
RETURN vantage.licence_state_at(account, now());
COMMENT ON FUNCTION vantage.licence_state IS 'trial, active, grace or expired.';

CREATE OR REPLACE FUNCTION vantage.apply_licence(account vantage.accounts)
RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
    changed integer;
BEGIN
    IF vantage.licence_state(account) = 'expired' THEN
        UPDATE vantage.monitors SET paused_at = now(), is_paused_by_licence = true
        WHERE account_id = account.id AND removed_at IS NULL AND paused_at IS NULL;
    ELSE
        UPDATE vantage.monitors SET paused_at = NULL, is_paused_by_licence = false
        WHERE account_id = account.id AND removed_at IS NULL AND is_paused_by_licence;
    END IF;
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END
$$;
COMMENT ON FUNCTION vantage.apply_licence IS
    'Lets an account''s monitors rest where its licence has expired, and those go on that rested for '
    'this reason where it has not; returns how many changed.';

CREATE OR REPLACE FUNCTION vantage.licence_changed() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM vantage.apply_licence(NEW);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION vantage.licence_changed IS
    'Trigger: what a licence''s new end means for the monitors is so at once.';
CREATE OR REPLACE TRIGGER accounts_licence_changed
    AFTER UPDATE OF licence_ends_at, grace_days ON vantage.accounts
    FOR EACH ROW EXECUTE FUNCTION vantage.licence_changed();

CREATE OR REPLACE FUNCTION vantage.enforce_licences()
RETURNS TABLE (account text, monitors integer)
LANGUAGE plpgsql
AS $$
DECLARE
    expired vantage.accounts;
BEGIN
    FOR expired IN
        SELECT accounts.*
        FROM vantage.accounts
        WHERE accounts.deleted_at IS NULL
            AND vantage.licence_state(accounts) = 'expired'
            AND EXISTS (
                SELECT FROM vantage.monitors AS probed
                WHERE probed.account_id = accounts.id
                    AND probed.removed_at IS NULL
                    AND probed.paused_at IS NULL)
        FOR NO KEY UPDATE OF accounts
    LOOP
        account := expired.name;
        monitors := vantage.apply_licence(expired);
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION vantage.enforce_licences IS
    'Lets the monitors of accounts rest whose licences have expired meanwhile; one row an account.';

CREATE OR REPLACE FUNCTION vantage.require_licence(given_account_id integer)
RETURNS vantage.plans
LANGUAGE plpgsql
AS $$
DECLARE
    account vantage.accounts;
    chosen vantage.plans;
BEGIN
    -- Two who add at one time are counted one after the other.
    SELECT * INTO account FROM vantage.accounts WHERE id = given_account_id FOR NO KEY UPDATE;
    IF vantage.licence_state(account) = 'expired' THEN
        RAISE EXCEPTION 'The licence of “%” ended on %: nothing can be added or changed until it is '
            'renewed. What was measured stays.', account.name,
            to_char(account.licence_ends_at AT TIME ZONE 'UTC', 'FMDD Mon YYYY')
            USING ERRCODE = 'VA409';
    END IF;
    SELECT * INTO chosen FROM vantage.plans WHERE name = account.plan;
    RETURN chosen;
END
$$;
COMMENT ON FUNCTION vantage.require_licence IS
    'The account''s plan, the account locked. Raises VA409 where its licence has expired.';

CREATE OR REPLACE FUNCTION vantage.hold_monitor_to_plan() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    plan vantage.plans;
    used integer;
BEGIN
    IF NEW.paused_at IS NULL THEN
        NEW.is_paused_by_licence := false;
    END IF;
    -- What only rests or goes is nobody's to forbid.
    IF NEW.removed_at IS NOT NULL OR (TG_OP = 'UPDATE'
        AND (NEW.url, NEW.interval_s, NEW.timeout_us, NEW.removed_at, NEW.name)
            IS NOT DISTINCT FROM
            (OLD.url, OLD.interval_s, OLD.timeout_us, OLD.removed_at, OLD.name)
        AND (NEW.paused_at IS NOT NULL OR OLD.paused_at IS NULL)) THEN
        RETURN NEW;
    END IF;
    plan := vantage.require_licence(NEW.account_id);
    IF NEW.interval_s < plan.min_interval_s
        AND (TG_OP = 'INSERT' OR NEW.interval_s <> OLD.interval_s) THEN
        RAISE EXCEPTION 'The plan % has intervals of % s and more; % s is too short.', plan.title,
            plan.min_interval_s, NEW.interval_s USING ERRCODE = 'VA409';
    END IF;
    IF plan.max_monitors IS NOT NULL AND (TG_OP = 'INSERT' OR OLD.removed_at IS NOT NULL) THEN
        SELECT count(*) INTO used FROM vantage.monitors
        WHERE account_id = NEW.account_id AND removed_at IS NULL AND id <> NEW.id;
        IF used >= plan.max_monitors THEN
            RAISE EXCEPTION 'The plan % has % monitors, and the account has %. Remove one first, or '
                'ask for a larger plan.', plan.title, plan.max_monitors, used
                USING ERRCODE = 'VA409';
        END IF;
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION vantage.hold_monitor_to_plan IS
    'Trigger: no more monitors, and none more often, than the account''s plan has.';
CREATE OR REPLACE TRIGGER monitors_within_plan BEFORE INSERT OR UPDATE ON vantage.monitors
    FOR EACH ROW EXECUTE FUNCTION vantage.hold_monitor_to_plan();

CREATE OR REPLACE FUNCTION vantage.hold_locations_to_plan() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    beyond record;
BEGIN
    SELECT monitors.name, plans.title, plans.max_locations, count(*) AS used INTO beyond
    FROM vantage.monitors
    JOIN vantage.accounts ON accounts.id = monitors.account_id
    JOIN vantage.plans ON plans.name = accounts.plan
    JOIN vantage.monitor_locations ON monitor_locations.monitor_id = monitors.id
    WHERE monitors.id IN (SELECT added.monitor_id FROM added)
    GROUP BY monitors.id, plans.name
    HAVING count(*) > plans.max_locations
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'The plan % allows a monitor at most % of the locations; “%” would have %. '
            'Choose fewer.',
            beyond.title, beyond.max_locations, beyond.name, beyond.used USING ERRCODE = 'VA409';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION vantage.hold_locations_to_plan IS
    'Trigger: no monitor is probed from more locations than the account''s plan has.';
CREATE OR REPLACE TRIGGER monitor_locations_within_plan AFTER INSERT ON vantage.monitor_locations
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION vantage.hold_locations_to_plan();

CREATE OR REPLACE FUNCTION vantage.hold_members_to_plan() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    plan vantage.plans;
    used integer;
BEGIN
    IF NEW.account_id IS NULL THEN
        RETURN NEW;
    END IF;
    plan := vantage.require_licence(NEW.account_id);
    SELECT count(DISTINCT lower(email)) INTO used
    FROM (
        SELECT email FROM vantage.users WHERE account_id = NEW.account_id
        UNION ALL
        SELECT email FROM vantage.links
        WHERE account_id = NEW.account_id AND purpose = 'invite' AND expires_at > now()
    ) AS people
    WHERE lower(email) <> lower(NEW.email);
    IF used >= plan.max_members THEN
        RAISE EXCEPTION 'The plan % has % members, invited ones included. Remove one first, or ask '
            'for a larger plan.', plan.title, plan.max_members USING ERRCODE = 'VA409';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION vantage.hold_members_to_plan IS
    'Trigger: no more people, invited ones included, than the account''s plan has.';
CREATE OR REPLACE TRIGGER users_within_plan BEFORE INSERT ON vantage.users
    FOR EACH ROW EXECUTE FUNCTION vantage.hold_members_to_plan();
CREATE OR REPLACE TRIGGER links_within_plan BEFORE INSERT ON vantage.links
    FOR EACH ROW EXECUTE FUNCTION vantage.hold_members_to_plan();

CREATE OR REPLACE VIEW report.plan WITH (security_barrier) AS
SELECT
    plans.title,
    plans.max_monitors,
    plans.min_interval_s,
    plans.max_locations,
    plans.max_members,
    vantage.licence_state(accounts) AS licence,
    accounts.licence_ends_at,
    (SELECT count(*) FROM vantage.monitors
     WHERE monitors.account_id = accounts.id AND monitors.removed_at IS NULL) AS monitors,
    (SELECT count(*) FROM vantage.users WHERE users.account_id = accounts.id) AS members,
    accounts.licence_ends_at + make_interval(days => accounts.grace_days) AS grace_ends_at,
    LEAST(
        accounts.results_kept_days,
        plans.max_results_days,
        (SELECT extract(epoch FROM keep)::integer / 86400
         FROM vantage.retention WHERE relation = 'results')) AS results_days
FROM vantage.accounts
JOIN vantage.plans ON plans.name = accounts.plan
WHERE accounts.id = vantage.current_account();
COMMENT ON VIEW report.plan IS 'The account''s plan, licence, and how much of it is used.';
COMMENT ON COLUMN report.plan.title IS 'As shown to people.';
COMMENT ON COLUMN report.plan.max_monitors IS 'NULL: any number.';
COMMENT ON COLUMN report.plan.min_interval_s IS 'Shortest interval, in seconds. NULL: 1.';
COMMENT ON COLUMN report.plan.max_locations IS 'For each monitor. NULL: all.';
COMMENT ON COLUMN report.plan.max_members IS 'NULL: any number.';
COMMENT ON COLUMN report.plan.licence IS 'trial, active, grace or expired.';
COMMENT ON COLUMN report.plan.licence_ends_at IS 'NULL: never.';
COMMENT ON COLUMN report.plan.monitors IS 'Monitors that it has.';
COMMENT ON COLUMN report.plan.members IS 'People that it has.';
COMMENT ON COLUMN report.plan.grace_ends_at IS
    'From when on nothing can be added or changed. NULL: never.';
COMMENT ON COLUMN report.plan.results_days IS
    'Age in days at which results are removed: the least of what the account, its plan and the '
    'installation say. NULL: they are kept for ever.';
