"""``/stripe/events``: what Stripe tells of subscriptions, each event once, in any order.

An event says only which subscription changed: how it is now is asked for, so that events that come
late, or in another order, change nothing for the worse.
"""

from __future__ import annotations

from dataclasses import asdict

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from dashboard.db import Database
from dashboard.errors import NotFound
from dashboard.payments import KINDS, NotFromStripe, StripeAway
from dashboard.rows.answer import Answer
from dashboard.settings import Settings

LOG = structlog.get_logger()


async def receive(request: Request) -> Response:
    """Take an event into account. Whatever but 200 makes Stripe tell it again."""
    settings: Settings = request.app.state.settings
    database: Database = request.app.state.database
    payments = settings.payments
    if payments is None:
        raise NotFound("There is no such page here.")
    try:
        event = payments.event(await request.body(), request.headers.get("stripe-signature", ""))
    except NotFromStripe:
        return PlainTextResponse("This is not signed as an event of Stripe.\n", 400)
    if event.kind not in KINDS or not event.subscription_id:
        return PlainTextResponse("None of ours.\n")
    try:
        async with database.transaction() as reader:
            noted = await reader.the(Answer, "note_payment_event", id=event.id, kind=event.kind)
            if not noted.is_done:
                return PlainTextResponse("Known.\n")
            # One at a time, or an older answer of Stripe's might be the last to be written down.
            await reader.run("one_subscription_at_a_time", id=event.subscription_id)
            now = await payments.subscription(event.subscription_id)
            changed = await reader.the(Answer, "set_subscription", **asdict(now))
    except StripeAway as error:
        LOG.warning("stripe_away", reason=str(error))
        return PlainTextResponse("Stripe itself does not answer. Tell it again.\n", 503)
    LOG.info("subscription_told", kind=event.kind, status=now.status, is_ours=changed.is_done)
    return PlainTextResponse("Taken.\n")


ROUTES = [
    Route("/stripe/events", receive, methods=["POST"]),
]
