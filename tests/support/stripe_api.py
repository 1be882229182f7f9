"""As much of Stripe's API as a report centre asks for, on loopback; and events signed by its own
library."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import stripe

from tests.support.in_thread import serving_in_thread

KEY, WEBHOOK_SECRET = "sk_test_of_ours", "whsec_of_ours"


class StripeApi:
    """``subscriptions``: how each is now; ``asked``: what was sent to which path."""

    def __init__(self) -> None:
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.is_away = False
        self.port = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def subscribe(self, name: str, account_id: int, price: str, **values: Any) -> None:
        """Let a subscription be like this from now on."""
        period = {key: values.pop(key) for key in ("current_period_start", "current_period_end")}
        self.subscriptions[name] = {
            "id": name,
            "object": "subscription",
            "customer": "cus_1",
            "status": "active",
            "cancel_at_period_end": False,
            "metadata": {"account_id": str(account_id)},
            "items": {"object": "list", "data": [{"id": "si_1", "price": {"id": price}, **period}]},
            **values,
        }

    def answer(self, path: str, form: dict[str, str]) -> dict[str, Any] | None:
        self.asked.append((path, form))
        if self.is_away:
            return None
        if path == "/v1/checkout/sessions":
            return {
                "id": "cs_test_1",
                "object": "checkout.session",
                "url": "https://checkout.stripe.com/c/pay/cs_test_1",
            }
        if path == "/v1/billing_portal/sessions":
            return {
                "id": "bps_1",
                "object": "billing_portal.session",
                "url": "https://billing.stripe.com/p/session/1",
            }
        return self.subscriptions.get(path.removeprefix("/v1/subscriptions/"))


def signed(event_id: str, kind: str, about: dict[str, Any], at: int | None = None) -> Any:
    """An event's body and its Stripe-Signature."""
    body = json.dumps({"id": event_id, "object": "event", "type": kind, "data": {"object": about}})
    header = stripe.WebhookSignature.generate_signature_header(body, WEBHOOK_SECRET, at)
    return body, header


@contextmanager
def stripe_api() -> Iterator[StripeApi]:
    api = StripeApi()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            form = dict(parse_qsl(self.rfile.read(length).decode()))
            is_known = self.headers["authorization"] == f"Bearer {KEY}"
            found = api.answer(self.path, form) if is_known else None
            status = 200 if found else 503 if api.is_away else 404
            body = json.dumps(found or {"error": {"message": "no", "type": "api_error"}}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.port = server.server_port
    with serving_in_thread(server):
        yield api
