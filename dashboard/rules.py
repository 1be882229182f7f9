"""When an incident opens: the rule of one monitor, and of all that have none of their own."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard import editing, forms, words
from dashboard.errors import Forbidden, Unacceptable
from dashboard.forms import Form, Submission
from dashboard.monitors import listed
from dashboard.number import whole
from dashboard.rendering import page, settings_page
from dashboard.rows.incident import Rule
from dashboard.session import visit
from vantage.phase import LASTING

PATH = "/settings/rules"
SAID = {"saved": "Saved. It is in force within five seconds.", "removed": "The rule is gone."}


@dataclass(frozen=True, slots=True)
class Named:
    """A monitor by its name."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Parent:
    """What a monitor depends on."""

    id: int


def filled(rule: Rule) -> Form:
    """A rule's values as they would be typed in."""
    return Form(
        {
            "counted": "percent" if rule.needed_locations is None else "locations",
            "needed": str(rule.needed_locations or rule.needed_percent),
            "consecutive": str(rule.consecutive),
            "distinct_by": rule.distinct_by,
            "closes_after": str(rule.closes_after_s),
            "degraded": "yes" if rule.opens_when_degraded else "",
            "slower_factor": f"{rule.slower_factor.normalize():f}" if rule.slower_factor else "",
            "slower_phase": rule.slower_phase,
            "slower_for": f"{rule.slower_for_s / 60:g}",
            "slower_locations": str(rule.slower_locations),
        }
    )


def values(form: Form) -> dict[str, Any]:
    """What a form says of a rule. Raises: Unacceptable for what is no number."""
    needed = _number(form, "needed", "How many must fail")
    is_percent = form["counted"] == "percent"
    return {
        "needed_locations": None if is_percent else needed,
        "needed_percent": needed if is_percent else None,
        "consecutive": _number(form, "consecutive", "How often in a row"),
        "distinct_by": form.text("distinct_by"),
        "closes_after_s": _number(form, "closes_after", "The time until it closes"),
        "opens_when_degraded": form["degraded"] == "yes",
        "slower_factor": _factor(form),
        "slower_phase": form.text("slower_phase") or "total",
        "slower_for_s": 60 * _number(form, "slower_for", "For how many minutes it is slower"),
        "slower_locations": _number(form, "slower_locations", "From how many it must be slower"),
    }


def _number(form: Form, name: str, what: str) -> int:
    text = form.text(name)
    number = whole(text, 999_999_999)
    if number is None:
        raise Unacceptable(f"{what} cannot be “{text[:20]}”: give a whole number.")
    return number


def _factor(form: Form) -> Decimal | None:
    text = form.text("slower_factor").replace(",", ".")
    if not text:
        return None
    try:
        factor = Decimal(text)
    except InvalidOperation:
        factor = Decimal("NaN")
    if not factor.is_finite() or abs(factor) > 1000:
        raise Unacceptable(f"“{text[:20]}” times as long as usual is no number: give 3, or 2.5.")
    return round(factor, 1)


async def show_account(request: Request, *, status: int = 200, **shown: Any) -> Response:
    """Answer ``/settings/rules``."""
    async with visit(request) as (visitor, reader):
        rule = await reader.the(Rule, "account_rule")
        own = await reader.all(Named, "own_rules")
    return settings_page(
        request,
        "rules",
        visitor,
        status,
        said=SAID.get(request.query_params.get("done", "")),
        rule=rule,
        own=own,
        phases=LASTING,
        **{"form": filled(rule), **shown},
    )


async def show(request: Request, *, status: int = 200, **shown: Any) -> Response:
    """Answer ``/m/{id}/rule``."""
    async with visit(request) as (visitor, reader):
        if not visitor.is_editor:
            raise Forbidden("This takes the role of editor; yours is viewer.")
        monitor = await editing.find(reader, request.path_params["monitor_id"])
        rule = await reader.the(Rule, "rule", monitor_id=monitor.id)
        parents = await reader.all(Parent, "parents", monitor_id=monitor.id)
        others = await listed(reader)
    return page(
        request,
        "rule.html",
        status,
        visitor=visitor,
        monitor=monitor,
        rule=rule,
        phases=LASTING,
        parents=[parent.id for parent in parents],
        others=sorted(
            (each for each in others if each.id != monitor.id),
            key=lambda each: words.order(each.name),
        ),
        **{"form": filled(rule), "error": "", **shown},
    )


@forms.action(show_account)
async def save_account(given: Submission) -> str:
    """Set the rule of every monitor that has none of its own."""
    await given.reader.run("save_rule", monitor_id=None, **values(given.form))
    return f"{PATH}?done=saved"


@forms.action(show_account)
async def remove_account(given: Submission) -> str:
    """Follow the installation's again."""
    await given.reader.run("remove_rule", monitor_id=None)
    return f"{PATH}?done=removed"


@forms.action(show)
async def save(given: Submission) -> str:
    """Give a monitor a rule of its own."""
    monitor = await editing.find(given.reader, given.request.path_params["monitor_id"])
    await given.reader.run("save_rule", monitor_id=monitor.id, **values(given.form))
    return f"/m/{monitor.id}"


@forms.action(show)
async def remove(given: Submission) -> str:
    """Let a monitor follow the account's rule again."""
    monitor = await editing.find(given.reader, given.request.path_params["monitor_id"])
    await given.reader.run("remove_rule", monitor_id=monitor.id)
    return f"/m/{monitor.id}"


@forms.action(show)
async def depend(given: Submission) -> str:
    """Say what a monitor depends on."""
    monitor = await editing.find(given.reader, given.request.path_params["monitor_id"])
    parents = given.form.numbers("monitor")
    await given.reader.run("set_dependencies", monitor_id=monitor.id, parents=parents)
    return f"/m/{monitor.id}"


ROUTES = [
    Route(PATH, show_account),
    Route(f"{PATH}/save", save_account, methods=["POST"]),
    Route(f"{PATH}/remove", remove_account, methods=["POST"]),
    Route("/m/{monitor_id:int}/rule", show),
    Route("/m/{monitor_id:int}/rule", save, methods=["POST"]),
    Route("/m/{monitor_id:int}/rule/remove", remove, methods=["POST"]),
    Route("/m/{monitor_id:int}/dependencies", depend, methods=["POST"]),
]
