"""The account's plan and licence: what it may have, until when, and buying another."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard import forms
from dashboard.errors import NotFound, Unacceptable
from dashboard.forms import Submission
from dashboard.payments import Payments, StripeAway
from dashboard.rendering import page, settings_page
from dashboard.rows.mail import Mailed
from dashboard.rows.plan import Offer, Paying, Plan
from dashboard.session import visit
from dashboard.settings import Settings

PATH = "/settings/plan"
SAID = {"paid": "Thank you. Your licence is renewed as soon as the payment is confirmed."}
TOLD = {
    "trial_ends": "The trial ends",
    "licence_ends": "The licence ends",
    "grace_began": "The licence has ended",
    "expired": "Monitors are paused",
    "renewed": "The licence is renewed",
}


async def show(request: Request, *, status: int = 200, **values: Any) -> Response:
    """Answer ``/settings/plan``."""
    settings: Settings = request.app.state.settings
    pay: dict[str, Any] = {"offers": [], "paying": None, "is_paid_here": False}
    async with visit(request) as (visitor, reader):
        plan = await reader.the(Plan, "plan")
        mails = await reader.all(Mailed, "mails", kinds=list(TOLD)) if visitor.is_owner else []
        if settings.payments is not None and visitor.is_owner:
            pay = {
                "offers": await reader.all(Offer, "offers"),
                "paying": await reader.one(Paying, "subscription"),
                "is_paid_here": True,
            }
    return settings_page(
        request,
        "plan",
        visitor,
        status,
        plan=plan,
        mails=mails,
        told=TOLD,
        said=SAID.get(request.query_params.get("done", "")),
        **pay,
        **values,
    )


def _payments(given: Submission) -> Payments:
    """Where an owner pays. Raises: NotFound, Unacceptable."""
    settings: Settings = given.request.app.state.settings
    if settings.payments is None:
        raise NotFound("There is no such page here.")
    if not given.visitor.is_owner:
        raise Unacceptable("Only owners of the account buy a licence.")
    return settings.payments


def _back(given: Submission) -> str:
    settings: Settings = given.request.app.state.settings
    return f"{settings.public_url}{PATH}"


@forms.action(show, by_cookie=True)
async def buy(given: Submission) -> Response:
    """Lead to Stripe's page where a plan is paid for."""
    payments = _payments(given)
    offers = await given.reader.all(Offer, "offers")
    chosen = [offer for offer in offers if offer.name == given.form["plan"]]
    if not chosen:
        raise Unacceptable("There is no such plan to be bought.")
    paying = await given.reader.one(Paying, "subscription")
    if paying is not None and not paying.is_over:
        raise Unacceptable("There is a subscription already: change it, or end it first.")
    try:
        where = await payments.checkout(
            given.visitor.account_id,
            given.visitor.email,
            paying.customer_id if paying else None,
            chosen[0].stripe_price,
            _back(given),
        )
    except StripeAway as error:
        raise Unacceptable("The payment page cannot be reached. Try again in a while.") from error
    return leave(given.request, where)


@forms.action(show, by_cookie=True)
async def change(given: Submission) -> Response:
    """Lead to Stripe's page where a subscription is changed or ended."""
    payments = _payments(given)
    paying = await given.reader.one(Paying, "subscription")
    if paying is None:
        raise Unacceptable("There is no subscription yet.")
    try:
        where = await payments.portal(paying.customer_id, _back(given))
    except StripeAway as error:
        raise Unacceptable("The payment page cannot be reached. Try again in a while.") from error
    return leave(given.request, where)


def leave(request: Request, where: str) -> Response:
    """Go on elsewhere: not by a redirect, which would need a form that may leave this site."""
    answer = page(request, "settings/leaving.html", where=where)
    answer.headers["Refresh"] = f"0; url={where}"
    return answer


ROUTES = [
    Route(PATH, show),
    Route(f"{PATH}/buy", buy, methods=["POST"]),
    Route(f"{PATH}/change", change, methods=["POST"]),
]
