"""Where the account is told: channels, their tests, and what was told."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard import forms, words
from dashboard.account.profile import zones
from dashboard.db import Reader
from dashboard.destination import Destination, read
from dashboard.errors import Unacceptable
from dashboard.forms import Form, Submission
from dashboard.monitors import listed
from dashboard.rendering import settings_page
from dashboard.rows.channel import Channel, Field, Notifying, Preview, Told
from dashboard.sealing import SealingKey
from dashboard.session import Visitor, visit

PATH = "/settings/notifications"
SAID = {
    "added": "It is added. Send it a test.",
    "changed": "It is changed.",
    "tested": "A test is on its way. What became of it is said below.",
    "muted": "It is told nothing until you unmute it.",
    "unmuted": "It is told again.",
    "removed": "It is told no more.",
    "worded": "Saved. Send it a test, which shows these words.",
}
DELAYS = {
    0: "At once",
    300: "After 5 minutes, if nobody acknowledged it",
    900: "After 15 minutes, if nobody acknowledged it",
    1_800: "After 30 minutes, if nobody acknowledged it",
    3_600: "After 1 hour, if nobody acknowledged it",
}
REMINDERS = {0: "Never", 900: "15 minutes", 3_600: "1 hour", 14_400: "4 hours", 86_400: "1 day"}
SEVERITIES = {"degraded": "Down, slow or degraded", "down": "Down only"}


async def show(
    request: Request, *, status: int = 200, is_done: bool = False, **values: Any
) -> Response:
    """Answer ``/settings/notifications``, with the form to change the channel that is asked for.

    ``is_done``: that has been changed.
    """
    async with visit(request) as (visitor, reader):
        channels = await reader.all(Channel, "channels")
        told = await reader.all(Told, "told")
        monitors = await listed(reader)
        key = await reader.one(SealingKey, "sealing_key")
        notifying = await reader.the(Notifying, "notifying")
        fields = await reader.all(Field, "notification_fields")
    wanted = "" if is_done else request.query_params.get("change", "")
    changed = next((channel for channel in channels if str(channel.id) == wanted), None)
    return settings_page(
        request,
        "notifications",
        visitor,
        status,
        channels=sorted(channels, key=lambda each: (each.delay_s, words.order(each.name))),
        changed=changed,
        told=told,
        monitors=monitors,
        names={monitor.id: monitor.name for monitor in monitors},
        # Collectors publish the key, too: that alone is nobody who tells.
        is_told=key is not None and (bool(channels) or not notifying.is_away),
        away_since=notifying.looked_at if channels and notifying.is_away else None,
        own_fields=fields,
        zones=zones(),
        delays=DELAYS,
        reminders=REMINDERS,
        severities=SEVERITIES,
        **{
            "said": SAID.get(request.query_params.get("done", "")),
            "fresh_secret": "",
            "preview": None,
            **({"form": filled(changed)} if changed else {}),
            **values,
        },
    )


def filled(channel: Channel) -> Form:
    """A channel's values as they would be typed in; its address is not shown to anybody."""
    return Form(
        {
            "name": channel.name,
            "severity": channel.least_severity,
            "delay": str(channel.delay_s),
            "remind": str(channel.remind_s or 0),
            "quiet_from": f"{channel.quiet_from:%H:%M}" if channel.quiet_from else "",
            "quiet_to": f"{channel.quiet_to:%H:%M}" if channel.quiet_to else "",
            "zone": channel.time_zone,
            "subject": channel.own_subject or "",
            "text": channel.own_text or "",
        },
        {"monitor": [str(one) for one in channel.monitor_ids or ()]},
    )


def _choices(given: Submission) -> dict[str, Any]:
    """When and of what a channel is told."""
    form = given.form
    return {
        "least_severity": "down" if form["severity"] == "down" else "degraded",
        "delay_s": form.number("delay"),
        "remind_s": form.number("remind") or None,
        "quiet_from": form.time_of_day("quiet_from"),
        "quiet_to": form.time_of_day("quiet_to"),
        "time_zone": form["zone"] or given.visitor.time_zone or "UTC",
        "monitor_ids": form.numbers("monitor") or None,
    }


async def sealed(visitor: Visitor, reader: Reader, destination: Destination) -> dict[str, Any]:
    """Where a channel is told, as nobody here can open it. Raises: Unacceptable."""
    key = await reader.one(SealingKey, "sealing_key")
    if key is None:
        raise Unacceptable(
            "Nobody tells anything here yet. Whoever runs this report centre starts "
            "`vantage-collector notify`."
        )
    return {
        "kind": destination.kind,
        "hint": destination.hint,
        "key_id": key.key_id,
        "sealed": destination.sealed(key, visitor.account_id),
    }


@forms.action(show, by_cookie=True)
async def add(given: Submission) -> str | dict[str, Any]:
    """Add a channel. A webhook's secret is shown once."""
    form = given.form
    destination = read(form.text("address"))
    await given.reader.run(
        "add_channel",
        name=form.text("name") or destination.hint,
        **await sealed(given.visitor, given.reader, destination),
        **_choices(given),
    )
    if destination.secret:
        return {"fresh_secret": destination.secret, "said": "It is added."}
    return f"{PATH}?done=added"


@forms.action(show, by_cookie=True)
async def change(given: Submission) -> str | dict[str, Any]:
    """Change a channel; without an address it is told where it was."""
    form = given.form
    told = dict.fromkeys(("kind", "hint", "key_id", "sealed"))
    destination = read(form.text("address")) if form.text("address") else None
    if destination is not None:
        told = await sealed(given.visitor, given.reader, destination)
    await given.reader.run(
        "change_channel",
        id=form.number("id"),
        name=form.text("name"),
        **told,
        **_choices(given),
    )
    if destination is not None and destination.secret:
        return {"fresh_secret": destination.secret, "said": "It is changed.", "is_done": True}
    return f"{PATH}?done=changed"


@forms.action(show)
async def word(given: Submission) -> str | dict[str, Any]:
    """Say in which words a channel is told, or show what they would be."""
    words = {
        "subject": given.form.text("subject") or None,
        "text": given.form["text"].replace("\r\n", "\n").replace("\0", "").strip() or None,
    }
    if given.form["preview"]:
        return {
            "preview": await given.reader.the(Preview, "preview_words", **words),
            "form": given.form,
            "said": "",
        }
    await given.reader.run("word_channel", id=given.form.number("id"), **words)
    return f"{PATH}?done=worded"


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
    Route(f"{PATH}/change", change, methods=["POST"]),
    Route(f"{PATH}/word", word, methods=["POST"]),
    Route(f"{PATH}/test", test, methods=["POST"]),
    Route(f"{PATH}/mute", mute, methods=["POST"]),
    Route(f"{PATH}/remove", remove, methods=["POST"]),
]
