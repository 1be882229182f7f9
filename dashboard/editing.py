"""Adding, changing, pausing and removing monitors. What may be is decided by the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from dashboard import asking, expectation, forms, secret, terms, words
from dashboard.db import Reader
from dashboard.errors import Forbidden, NotFound, Unacceptable
from dashboard.forms import Form, Submission
from dashboard.rendering import page
from dashboard.rows.answer import Added
from dashboard.rows.location import Place
from dashboard.rows.monitor import Asked
from dashboard.sealing import SealingKey
from dashboard.session import visit
from vantage.request import HTTP_VERSIONS, METHODS

INTERVALS_S = (10, 30, 60, 300, 900, 3_600)
USUAL = {"interval": "60", "timeout": "10", "slow": "", "where": "everywhere"}
# Of a monitor that nobody has said anything about; the others are empty.
NEW = {**USUAL, **asking.USUAL, **dict.fromkeys((*terms.NAMES, *expectation.NAMES), "")}


@dataclass(frozen=True, slots=True)
class Editable:
    """A monitor as its form shows it. ``paused_at`` None: it is probed.

    ``request``, ``terms``: columns of vantage.monitors by their names.
    """

    id: int
    name: str
    url: str
    interval_s: int
    timeout_us: int
    slow_us: int | None
    kind: str
    is_everywhere: bool
    paused_at: datetime | None
    tags: list[str]
    locations: list[str]
    request: dict[str, Any]
    terms: dict[str, Any]
    assertions: list[dict[str, Any]]

    @property
    def form(self) -> Form:
        """Its values as they would be typed in."""
        fields = {
            "name": self.name,
            "url": self.url,
            "tags": ", ".join(self.tags),
            "interval": str(self.interval_s),
            "timeout": f"{self.timeout_us / 1_000_000:g}",
            "slow": "" if self.slow_us is None else f"{self.slow_us / 1_000:g}",
            "where": "everywhere" if self.is_everywhere else "chosen",
            "whole": "yes" if self.kind == "page" else "",
            **asking.fields(self.request),
            **terms.fields(self.terms),
            **(expectation.fields(self.assertions) or {}),
        }
        return Form(fields, {"location": self.locations})


@dataclass(frozen=True, slots=True)
class First:
    """A monitor's oldest result."""

    slot_at: datetime
    location: str


async def find(reader: Reader, monitor_id: int) -> Editable:
    """The account's monitor. Raises: NotFound."""
    found = None
    if monitor_id < 2**31:
        found = await reader.one(Editable, "editable", id=monitor_id)
    if found is None:
        raise NotFound("There is no such monitor in your account.")
    return found


async def show_new(
    request: Request, *, status: int = 200, form: Form | None = None, **values: Any
) -> Response:
    """Answer ``/monitors/new``; what a form leaves out, as a first address's does, is as usual."""
    given = form or Form()
    shown = Form({**NEW, **given.fields}, given.lists)
    return await _show(request, None, status, form=shown, **values)


async def show(request: Request, *, status: int = 200, **values: Any) -> Response:
    """Answer ``/m/{id}/edit``."""
    return await _show(request, request.path_params["monitor_id"], status, **values)


async def _show(
    request: Request,
    monitor_id: int | None,
    status: int,
    form: Form | None = None,
    error: str = "",
) -> Response:
    async with visit(request) as (visitor, reader):
        if not visitor.is_editor:
            raise Forbidden("This takes the role of editor; yours is viewer.")
        monitor = None if monitor_id is None else await find(reader, monitor_id)
        places = await reader.all(Place, "places")
        secrets = await reader.all(secret.Secret, "secrets", id=monitor_id)
        key = await reader.one(SealingKey, "sealing_key")
    shown = form or (monitor.form if monitor else Form(NEW))
    intervals = {*INTERVALS_S, *([monitor.interval_s] if monitor else [])}
    return page(
        request,
        "edit.html",
        status,
        visitor=visitor,
        monitor=monitor,
        form=shown,
        chosen=shown.all("location"),
        places=sorted(places, key=lambda place: words.order(place.title)),
        intervals=sorted(intervals),
        error=error,
        methods=METHODS,
        http_versions=HTTP_VERSIONS,
        asks_more=any(shown[name] != usual for name, usual in asking.USUAL.items())
        or bool(shown["insecure"] or shown["uncompressed"]),
        expects_more=any(shown[name] for name in expectation.NAMES),
        is_shown="status" in shown.fields,
        goes_its_way=any(shown[name] for name in terms.NAMES if name != "client_certificate")
        or any(each.name == secret.PROXY_PASSWORD for each in secrets),
        can_seal=key is not None,
        set_at={each.name: each.set_at for each in secrets},
        secret_headers=[each.name for each in secrets if each.is_other_header],
        must_retype=form is not None and secret.was_typed(form),
    )


def values(form: Form) -> dict[str, Any]:
    """What a form says of a monitor; what is not there is as usual.

    Raises: Unacceptable for what is no number.
    """
    url = form.text("url")
    if url and "://" not in url:
        url = f"https://{url}"
    where = form["where"] or USUAL["where"]
    locations = None if where == "everywhere" else form.all("location")
    if locations == []:
        raise Unacceptable("Choose at least one location.")
    slow = form.text("slow")
    return {
        "name": form.text("name"),
        "url": url,
        "interval_s": _number(form, "interval", "The interval", 1),
        "timeout_us": _number(form, "timeout", "The timeout", 1_000_000),
        "slow_us": _number(form, "slow", "The limit for slowness", 1_000) if slow else None,
        "locations": locations,
        "kind": "page" if form["whole"] else "request",
    }


async def define(given: Submission, monitor_id: int, secrets: secret.Given) -> None:
    """Save what a form says is asked, on which terms, and expected; what it leaves out stays.

    Raises: Unacceptable.
    """
    request, wanted = asking.request_of(given.form), terms.terms_of(given.form)
    assertions = expectation.expected_of(given.form)
    terms.check_certificates(wanted or terms.NONE, secrets.get(secret.CLIENT_KEY))
    await given.reader.run(
        "define_monitor",
        id=monitor_id,
        **as_stored(request, wanted, assertions),
        secrets=await secret.sealed(given.reader, given.visitor.account_id, monitor_id, secrets),
    )


def as_stored(
    request: Mapping[str, Any] | None,
    terms: Mapping[str, Any] | None,
    assertions: Sequence[Mapping[str, Any]] | None,
) -> dict[str, Any]:
    """What statement ``define_monitor`` takes. None: it stays as it is."""
    return {
        "request": None if request is None else Jsonb(request),
        "terms": None if terms is None else Jsonb(terms),
        "assertions": None if assertions is None else Jsonb(assertions),
    }


def tags(form: Form) -> list[str]:
    """The words between a field's commas."""
    return form.text("tags").split(",")


def _number(form: Form, name: str, what: str, unit: int) -> int:
    """A field times its unit, as the database takes it: 32 bits; what may be, it decides."""
    text = form.text(name) or USUAL[name]
    try:
        number = round(float(text) * unit)
    except (ValueError, OverflowError):
        number = -1
    if not 0 <= number < 2**31:
        raise Unacceptable(f"{what} cannot be “{text[:20]}”.")
    return number


@forms.action(show_new)
async def add(given: Submission) -> str:
    """Watch an address, and ask for its first result at once."""
    added = await given.reader.the(Added, "add_monitor", **values(given.form))
    await define(given, added.id, secret.secrets_of(given.form))
    await given.reader.run("tag_monitor", id=added.id, tags=tags(given.form))
    await given.reader.one(Asked, "run_now", monitor_id=added.id)
    return f"/m/{added.id}/first"


@forms.action(show)
async def change(given: Submission) -> str:
    """Define a monitor anew."""
    monitor = await find(given.reader, given.request.path_params["monitor_id"])
    secrets = secret.secrets_of(given.form)
    await given.reader.run(
        "change_monitor", id=monitor.id, **values(given.form), anew=list(secrets)
    )
    await define(given, monitor.id, secrets)
    await given.reader.run("tag_monitor", id=monitor.id, tags=tags(given.form))
    return f"/m/{monitor.id}"


@forms.action(show)
async def pause(given: Submission) -> str:
    """Let a monitor rest, or go on."""
    monitor = await find(given.reader, given.request.path_params["monitor_id"])
    await given.reader.run("pause_monitor", id=monitor.id, is_wanted=given.form["pause"] == "yes")
    return f"/m/{monitor.id}"


@forms.action(show)
async def remove(given: Submission) -> str:
    """Watch no longer."""
    monitor = await find(given.reader, given.request.path_params["monitor_id"])
    await given.reader.run("remove_monitor", id=monitor.id)
    return "/"


async def first(request: Request) -> Response:
    """Answer ``/m/{id}/first``: wait for the first result, then lead to its waterfall."""
    async with visit(request) as (visitor, reader):
        monitor = await find(reader, request.path_params["monitor_id"])
        found = await reader.one(First, "first_result", monitor_id=monitor.id)
        places = await reader.all(Place, "places")
    if found is not None:
        slot = words.slot_name(found.slot_at)
        return RedirectResponse(f"/m/{monitor.id}/r/{slot}/{found.location}", 303)
    shown = [place for place in places if place.name in monitor.locations]
    return page(request, "first.html", visitor=visitor, monitor=monitor, places=shown)


ROUTES = [
    Route("/monitors/new", show_new),
    Route("/monitors/new", add, methods=["POST"]),
    Route("/m/{monitor_id:int}/edit", show),
    Route("/m/{monitor_id:int}/edit", change, methods=["POST"]),
    Route("/m/{monitor_id:int}/pause", pause, methods=["POST"]),
    Route("/m/{monitor_id:int}/remove", remove, methods=["POST"]),
    Route("/m/{monitor_id:int}/first", first),
]
