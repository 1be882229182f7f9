"""Where the account is told: channels, their tests, and what was told."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard import forms, sealing
from dashboard.account.profile import zones
from dashboard.errors import Unacceptable
from dashboard.forms import Submission
from dashboard.rendering import settings_page
from dashboard.rows.channel import Channel, SealingKey, Told
from dashboard.rows.monitor import Monitor
from dashboard.session import visit

PATH = "/settings/notifications"
SAID = {
    "added": "It is added. Send it a test.",
    "tested": "A test is on its way. What became of it is said below.",
    "muted": "It is told nothing until you unmute it.",
    "unmuted": "It is told again.",
    "removed": "It is told no more.",
}
DELAYS = {
    0: "At once",
    300: "After 5 minutes, if nobody acknowledged it",
    900: "After 15 minutes, if nobody acknowledged it",
    1_800: "After 30 minutes, if nobody acknowledged it",
    3_600: "After 1 hour, if nobody acknowledged it",
}
REMINDERS = {0: "Never", 900: "15 minutes", 3_600: "1 hour", 14_400: "4 hours", 86_400: "1 day"}
SEVERITIES = {"degraded": "Down and slow", "down": "Down only"}
KINDS = {
    "opened": "Down or slow",
    "reminder": "Reminder",
    "worsened": "Now down",
    "acknowledged": "Acknowledged",
    "closed": "Up again",
    "certificate": "Certificate expires",
    "test": "Test",
}
CLOCK = re.compile("([01][0-9]|2[0-3]):[0-5][0-9]")


async def show(request: Request, *, status: int = 200, **values: Any) -> Response:
    """Answer ``/settings/notifications``."""
    async with visit(request) as (visitor, reader):
        channels = await reader.all(Channel, "channels")
        told = await reader.all(Told, "told")
        monitors = await reader.all(Monitor, "monitors")
        key = await reader.one(SealingKey, "sealing_key")
    return settings_page(
        request,
        "notifications",
        visitor,
        status,
        channels=channels,
        told=told,
        monitors=monitors,
        names={monitor.id: monitor.name for monitor in monitors},
        is_told=key is not None,
        zones=zones(),
        delays=DELAYS,
        reminders=REMINDERS,
        severities=SEVERITIES,
        kinds=KINDS,
        **{
            "said": SAID.get(request.query_params.get("done", "")),
            "fresh_secret": "",
            **values,
        },
    )


def clock(given: Submission, name: str) -> str | None:
    """A field that holds a time of day. None: it is empty. Raises: Unacceptable."""
    text = given.form[name]
    if text and not CLOCK.fullmatch(text[:5]):
        raise Unacceptable(f"“{text[:40]}” is no time of day. It has the form 22:00.")
    return text[:5] or None


@forms.action(show, by_cookie=True)
async def add(given: Submission) -> str | dict[str, Any]:
    """Add a channel. A webhook's secret is shown once."""
    form = given.form
    destination = sealing.read(form.text("address"))
    key = await given.reader.one(SealingKey, "sealing_key")
    if key is None:
        raise Unacceptable(
            "Nobody tells anything here yet. Whoever runs this report centre starts "
            "`vantage-collector notify`."
        )
    await given.reader.run(
        "add_channel",
        name=form.text("name") or destination.hint,
        kind=destination.kind,
        hint=destination.hint,
        key_id=key.key_id,
        sealed=destination.sealed(key.public_key, given.visitor.account_id),
        least_severity="down" if form["severity"] == "down" else "degraded",
        delay_s=form.number("delay"),
        remind_s=form.number("remind") or None,
        quiet_from=clock(given, "quiet_from"),
        quiet_to=clock(given, "quiet_to"),
        time_zone=form["zone"] or given.visitor.time_zone or "UTC",
        monitor_ids=[int(one) for one in form.all("monitor") if one.isdigit()][:1000] or None,
    )
    if destination.secret:
        return {"fresh_secret": destination.secret, "said": "It is added."}
    return f"{PATH}?done=added"


@forms.action(show)
async def test(given: Submission) -> str:
    """Have a channel told that this is a test."""
    await given.reader.run("test_channel", id=given.form.number("id"))
    return f"{PATH}?done=tested"


@forms.action(show)
async def mute(given: Submission) -> str:
    """Tell a channel nothing, or again."""
    is_wanted = given.form["mute"] == "yes"
    await given.reader.run("mute_channel", id=given.form.number("id"), is_wanted=is_wanted)
    return f"{PATH}?done={'muted' if is_wanted else 'unmuted'}"


@forms.action(show, by_cookie=True)
async def remove(given: Submission) -> str:
    """Forget a channel."""
    await given.reader.run("remove_channel", id=given.form.number("id"))
    return f"{PATH}?done=removed"


ROUTES = [
    Route(PATH, show),
    Route(f"{PATH}/add", add, methods=["POST"]),
    Route(f"{PATH}/test", test, methods=["POST"]),
    Route(f"{PATH}/mute", mute, methods=["POST"]),
    Route(f"{PATH}/remove", remove, methods=["POST"]),
]
