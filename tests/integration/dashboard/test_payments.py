"""Licences that are bought: a report centre, a stand-in of Stripe's API, and events signed by
Stripe's own library."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.dashboard.conftest import Visitor
from tests.support import seed
from tests.support.database import Databases
from tests.support.report_centre import Centre
from tests.support.report_centre import centre as run_centre
from tests.support.stripe_api import KEY, WEBHOOK_SECRET, StripeApi, signed, stripe_api

DAY = 86_400
NOW = int(time.time())
SUBSCRIPTION = "customer.subscription.updated"
PERIOD = {"current_period_start": NOW - 10 * DAY, "current_period_end": NOW + 20 * DAY}


@pytest.fixture(scope="module")
def api() -> Iterator[StripeApi]:
    with stripe_api() as started:
        yield started


@pytest.fixture(scope="module")
def running_centre(
    databases: Databases, api: StripeApi, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Centre]:
    home = tmp_path_factory.mktemp("paid-centre")
    (home / "key").write_text(KEY + "\n")
    (home / "webhook").write_text(WEBHOOK_SECRET + "\n")
    with run_centre(
        databases,
        home,
        f"--stripe-key-file={home / 'key'}",
        f"--stripe-webhook-secret-file={home / 'webhook'}",
        f"--stripe-api={api.address}",
        "--public-url=https://reports.example.com",
        length=timedelta(minutes=5),
    ) as started:
        started.execute(
            "INSERT INTO vantage.plans (name, title, max_monitors, stripe_price, max_results_days)"
            " VALUES ('pro', 'Pro', 50, 'price_pro', 14)"
        )
        yield started


@pytest.fixture
def account_id(centre: Centre, api: StripeApi) -> int:
    """The account, which has bought nothing yet."""
    api.asked.clear()
    api.subscriptions.clear()
    centre.execute("DELETE FROM vantage.subscriptions")
    centre.execute("DELETE FROM vantage.payment_events")
    [(number,)] = centre.execute(
        "SELECT account_id FROM vantage.users WHERE email = %(email)s", email=seed.EMAIL
    )
    assert isinstance(number, int)
    centre.execute(
        "UPDATE vantage.accounts SET plan = 'unlimited', licence_ends_at = NULL, is_trial = false,"
        " is_renewing = false WHERE id = %(id)s",
        id=number,
    )
    return number


def licence(centre: Centre, account_id: int) -> tuple[Any, ...]:
    """Plan, state, days until its end, and whether it renews itself."""
    [(plan, state, ends_at, is_renewing)] = centre.execute(
        "SELECT plan, vantage.licence_state(accounts), licence_ends_at, is_renewing"
        " FROM vantage.accounts WHERE id = %(id)s",
        id=account_id,
    )
    days = round((ends_at - datetime.fromtimestamp(NOW, UTC)).total_seconds() / DAY) if isinstance(
        ends_at, datetime
    ) else None  # fmt: skip
    return plan, state, days, is_renewing


def tell(centre: Centre, body: str, signature: str) -> tuple[int, str]:
    """Tell the report centre an event; its status and words."""
    connection = http.client.HTTPConnection("127.0.0.1", centre.port, timeout=60)
    try:
        headers = {"Stripe-Signature": signature, "Content-Type": "application/json"}
        connection.request("POST", "/stripe/events", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode().strip()
    finally:
        connection.close()


def test_a_plan_is_bought_at_stripe(
    visitor: Visitor, centre: Centre, api: StripeApi, account_id: int
) -> None:
    page = visitor.ask("/settings/plan").text
    assert "Buy Pro" in page
    assert "results are kept for 14 days" in page
    form = {"csrf": visitor.form_token("/settings/plan"), "plan": "pro"}
    answer = visitor.ask("/settings/plan/buy", "POST", form)
    where = "https://checkout.stripe.com/c/pay/cs_test_1"
    assert (answer.status, answer.headers["refresh"]) == (200, f"0; url={where}")
    assert f'href="{where}"' in answer.text
    # Nothing of theirs is let into our pages.
    assert "stripe" not in answer.headers["content-security-policy"]
    [(path, asked)] = api.asked
    assert path == "/v1/checkout/sessions"
    assert asked["line_items[0][price]"] == "price_pro"
    assert asked["subscription_data[metadata][account_id]"] == str(account_id)
    assert asked["success_url"] == "https://reports.example.com/settings/plan?done=paid"
    assert licence(centre, account_id)[:2] == ("unlimited", "active")
    # Paid, Stripe says so.
    api.subscribe("sub_1", account_id, "price_pro", **PERIOD)
    done = {"id": "cs_test_1", "object": "checkout.session", "subscription": "sub_1"}
    assert tell(centre, *signed("evt_1", "checkout.session.completed", done)) == (200, "Taken.")
    assert licence(centre, account_id) == ("pro", "active", 20, True)
    assert "It renews the licence by itself." in visitor.ask("/settings/plan").text
    # Who pays already changes that instead of paying twice.
    again = visitor.ask("/settings/plan/buy", "POST", form)
    assert (again.status, "a subscription already" in again.text) == (400, True)
    change = visitor.ask("/settings/plan/change", "POST", form)
    assert change.headers["refresh"] == "0; url=https://billing.stripe.com/p/session/1"
    assert api.asked[-1][1]["customer"] == "cus_1"
    with pytest.raises(Exception, match="would be paid on"):
        centre.execute(
            "UPDATE vantage.accounts SET deleted_at = now() WHERE id = %(id)s", id=account_id
        )
    assert KEY not in centre.program.said()
    assert WEBHOOK_SECRET not in centre.program.said()


def test_events_may_come_twice_late_and_in_any_order(
    centre: Centre, api: StripeApi, account_id: int
) -> None:
    api.subscribe("sub_2", account_id, "price_pro", status="past_due", **PERIOD)
    failed = {"object": "invoice", "parent": {"subscription_details": {"subscription": "sub_2"}}}
    assert tell(centre, *signed("evt_2", "invoice.payment_failed", failed))[0] == 200
    # The period that has begun is not paid: that is grace, for 14 days from its beginning.
    assert licence(centre, account_id) == ("pro", "grace", -10, False)
    api.subscribe("sub_2", account_id, "price_pro", **PERIOD)
    paid = signed("evt_3", SUBSCRIPTION, {"id": "sub_2", "status": "active"})
    assert tell(centre, *paid) == (200, "Taken.")
    assert licence(centre, account_id) == ("pro", "active", 20, True)
    asked = len(api.asked)
    assert tell(centre, *paid) == (200, "Known.")
    assert len(api.asked) == asked
    # What was true before comes last: it is how the subscription is now that counts.
    late = signed("evt_0", SUBSCRIPTION, {"id": "sub_2", "status": "past_due"})
    assert tell(centre, *late) == (200, "Taken.")
    assert licence(centre, account_id) == ("pro", "active", 20, True)


def test_a_subscription_that_is_ended_ends_the_licence(
    visitor: Visitor, centre: Centre, api: StripeApi, account_id: int
) -> None:
    api.subscribe("sub_3", account_id, "price_pro", cancel_at_period_end=True, **PERIOD)
    about = {"id": "sub_3"}
    assert tell(centre, *signed("evt_4", SUBSCRIPTION, about))[0] == 200
    assert licence(centre, account_id) == ("pro", "active", 20, False)
    centre.execute("UPDATE vantage.accounts SET grace_days = 0 WHERE id = %(id)s", id=account_id)
    api.subscribe(
        "sub_3", account_id, "price_pro", status="canceled", ended_at=NOW - 5 * DAY, **PERIOD
    )
    assert tell(centre, *signed("evt_5", "customer.subscription.deleted", about))[0] == 200
    assert licence(centre, account_id) == ("pro", "expired", -5, False)
    probed = (
        "SELECT count(*) FILTER (WHERE paused_at IS NULL), count(*) > 0 FROM vantage.monitors"
        " WHERE account_id = %(id)s AND removed_at IS NULL"
    )
    assert centre.execute(probed, id=account_id) == [(0, True)]
    assert "The licence ended on" in visitor.ask("/").text
    assert "Renew Pro" in visitor.ask("/settings/plan").text
    # Another one is bought, and then the end of the former comes again.
    api.subscribe("sub_4", account_id, "price_pro", **PERIOD)
    assert tell(centre, *signed("evt_6", SUBSCRIPTION, {"id": "sub_4"}))[0] == 200
    assert centre.execute(probed, id=account_id) != [(0, True)]
    assert "The licence ended on" not in visitor.ask("/").text
    assert tell(centre, *signed("evt_7", "customer.subscription.deleted", about))[0] == 200
    assert licence(centre, account_id) == ("pro", "active", 20, True)
    centre.execute("UPDATE vantage.accounts SET grace_days = 14 WHERE id = %(id)s", id=account_id)


def test_what_stripe_did_not_sign_changes_nothing(
    centre: Centre, api: StripeApi, account_id: int
) -> None:
    api.subscribe("sub_5", account_id, "price_pro", **PERIOD)
    body, signature = signed("evt_8", SUBSCRIPTION, {"id": "sub_5"})
    old = signed("evt_8", SUBSCRIPTION, {"id": "sub_5"}, NOW - 3_600)
    for wrong in ((body, ""), (body, signature[:-1] + "x"), (body + " ", signature), old):
        assert tell(centre, *wrong)[0] == 400
    assert tell(centre, *signed("evt_9", "customer.created", {"id": "cus_1"}))[1] == "None of ours."
    assert tell(centre, *signed("evt_9", SUBSCRIPTION, {}))[0] == 400
    assert api.asked == []
    assert licence(centre, account_id)[0] == "unlimited"


def test_what_stripe_cannot_answer_is_told_again(
    centre: Centre, api: StripeApi, account_id: int
) -> None:
    event = signed("evt_10", SUBSCRIPTION, {"id": "sub_6"})
    assert tell(centre, *event)[0] == 503
    api.subscribe("sub_6", account_id, "price_pro", **PERIOD)
    assert tell(centre, *event) == (200, "Taken.")
    assert licence(centre, account_id)[0] == "pro"


def test_only_owners_pay(other_visitor: Visitor, centre: Centre, account_id: int) -> None:
    assert "/settings/plan/buy" in other_visitor.ask("/settings/plan").text
    centre.execute(
        "UPDATE vantage.users SET role = 'viewer' WHERE email = %(email)s", email=seed.OTHER_EMAIL
    )
    try:
        assert "/settings/plan/buy" not in other_visitor.ask("/settings/plan").text
        form = {"csrf": other_visitor.form_token("/settings"), "plan": "pro"}
        assert other_visitor.ask("/settings/plan/buy", "POST", form).status == 400
    finally:
        centre.execute(
            "UPDATE vantage.users SET role = 'owner' WHERE email = %(email)s",
            email=seed.OTHER_EMAIL,
        )
