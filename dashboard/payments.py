"""Stripe: its hosted pages, where people pay, and what it says of subscriptions.

Card data is typed there and never comes here. The library is an extra, ``stripe``; it is imported
only where payments are configured, and blocks, so every call runs in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from dashboard.errors import DashboardError
from dashboard.number import IDENTITY_MAX, whole

if TYPE_CHECKING:
    import stripe

API = "https://api.stripe.com"
KINDS = frozenset(
    (
        "checkout.session.completed",
        "customer.subscription.created",
        "customer.subscription.updated",
        "customer.subscription.deleted",
        "invoice.paid",
        "invoice.payment_failed",
    )
)
"""Events that may change a licence. All else is none of ours."""

Answer = TypeVar("Answer")


class NotFromStripe(Exception):
    """The signature is wrong or too old, or the body is no event."""


class StripeAway(Exception):
    """Stripe does not answer, or refuses; its words may hold what is secret."""


@dataclass(frozen=True, slots=True)
class Event:
    """``subscription_id`` empty: it is about none."""

    id: str
    kind: str
    subscription_id: str


@dataclass(frozen=True, slots=True)
class Subscription:
    """As Stripe has it now. ``account_id`` 0: it is none that was bought here."""

    account_id: int
    subscription_id: str
    customer_id: str
    price: str
    status: str
    period_from_at: datetime
    period_to_at: datetime
    ended_at: datetime | None
    is_ending: bool


@dataclass(frozen=True, slots=True)
class Payments:
    """How Stripe knows us. ``api``: where it is."""

    key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    api: str = API

    async def checkout(
        self, account_id: int, email: str, customer_id: str | None, price: str, back: str
    ) -> str:
        """Return the address of a page where a plan is paid for. Raises: StripeAway."""
        # What Stripe gives back with everything that it says of the subscription.
        whose = {"account_id": str(account_id)}
        payer = {"customer": customer_id} if customer_id else {"customer_email": email}
        asked: dict[str, Any] = {
            "mode": "subscription",
            "line_items": [{"price": price, "quantity": 1}],
            "success_url": f"{back}?done=paid",
            "cancel_url": back,
            "client_reference_id": str(account_id),
            "subscription_data": {"metadata": whose},
            **payer,
        }
        made = await self._ask(lambda stripe: stripe.v1.checkout.sessions.create(asked))  # type: ignore[arg-type]
        return str(made.url)

    async def portal(self, customer_id: str, back: str) -> str:
        """Return the address of a page to change how one pays, or to end it. Raises: StripeAway."""
        made = await self._ask(
            lambda stripe: stripe.v1.billing_portal.sessions.create(
                {"customer": customer_id, "return_url": back}
            )
        )
        return str(made.url)

    async def subscription(self, subscription_id: str) -> Subscription:
        """Return a subscription as it is now. Raises: StripeAway."""
        found = await self._ask(lambda stripe: stripe.v1.subscriptions.retrieve(subscription_id))
        return subscription(found.to_dict())

    def event(self, body: bytes, signature: str) -> Event:
        """Read an event. Raises: NotFromStripe."""
        import stripe

        try:
            told = stripe.Webhook.construct_event(body, signature, self.webhook_secret)
            return event(told.to_dict())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise NotFromStripe from error
        except stripe.SignatureVerificationError as error:
            raise NotFromStripe from error

    async def _ask(self, call: Callable[[stripe.StripeClient], Answer]) -> Answer:
        import stripe

        client = stripe.StripeClient(
            self.key, base_addresses={"api": self.api}, max_network_retries=1
        )
        try:
            return await asyncio.to_thread(call, client)
        except stripe.StripeError as error:
            raise StripeAway(type(error).__name__) from error


def event(told: dict[str, Any]) -> Event:
    """Read an event whose signature is right. Raises: KeyError, TypeError, AttributeError."""
    about = told["data"]["object"]
    if told["type"].startswith("customer.subscription."):
        found = about["id"]
    else:
        # Of an invoice it stands deeper since 2025-03.
        parent = (about.get("parent") or {}).get("subscription_details") or {}
        found = about.get("subscription") or parent.get("subscription")
    return Event(told["id"], told["type"], str(found or ""))


def subscription(found: dict[str, Any]) -> Subscription:
    """Read a subscription as Stripe writes it."""
    item = found["items"]["data"][0]
    # Until 2025-03 the period was the subscription's own.
    period = {**found, **item}
    whose = str((found.get("metadata") or {}).get("account_id", ""))
    ended = found.get("ended_at")
    return Subscription(
        account_id=whole(whose, IDENTITY_MAX) or 0,
        subscription_id=found["id"],
        customer_id=str(found["customer"]),
        price=item["price"]["id"],
        status=found["status"],
        period_from_at=datetime.fromtimestamp(period["current_period_start"], UTC),
        period_to_at=datetime.fromtimestamp(period["current_period_end"], UTC),
        ended_at=None if ended is None else datetime.fromtimestamp(ended, UTC),
        is_ending=bool(found.get("cancel_at_period_end") or found.get("cancel_at")),
    )


def configured(key: str, webhook_secret: str, api: str) -> Payments | None:
    """Say how Stripe knows us. None: nobody pays here. Raises: DashboardError."""
    if not key and not webhook_secret:
        return None
    if not key or not webhook_secret:
        raise DashboardError(
            "--stripe-key-file and --stripe-webhook-secret-file belong together: name both."
        )
    try:
        import stripe  # noqa: F401 - whether it is there
    except ImportError as error:
        raise DashboardError(
            "Stripe's library is not installed: pip install 'vantage-monitor[stripe]'."
        ) from error
    return Payments(key, webhook_secret, api.rstrip("/"))
