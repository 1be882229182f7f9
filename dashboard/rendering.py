"""Templates: one environment, the words as filters, and a page's answer."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import jinja2
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from dashboard import csrf, path_session, session, static, words
from dashboard.forms import Form
from dashboard.view import tz_of
from vantage.failure import cause, is_of_whole

if TYPE_CHECKING:
    from dashboard.session import Visitor
    from dashboard.settings import Settings

ZONE: ContextVar[tzinfo] = ContextVar("zone", default=UTC)
"""What times are written in while a page is made: the visitor's choice, else UTC."""

FORMATS = {
    "seconds": "%H:%M:%S",
    "minute": "%-d %b %Y, %H:%M",
    "moment": "%-d %b %Y, %H:%M:%S",
    "day": "%-d %b %Y",
    "short": "%-d %b, %H:%M",
    "weekday": "%A %H:%M",
}


def when(at: datetime, style: str = "minute", *, zone: bool = False) -> Markup:
    """An instant, marked so that times.js can rewrite it in the reader's own zone.

    ``style``: a name of `FORMATS`; ``ago``; ``since``, which leaves today's date out.
    """
    local = at.astimezone(ZONE.get())
    now = datetime.now(ZONE.get())
    if style == "ago":
        text = words.ago(local, now)
    elif style == "since":
        text = local.strftime("%H:%M" if local.date() == now.date() else FORMATS["short"])
    else:
        text = local.strftime(FORMATS[style])
    mark = ' data-zone="yes"' if zone else ""
    name = f" {local.tzname()}" if zone else ""
    # Nothing in it is anybody's text, and escaping each part took longer than all the rest.
    return Markup(  # noqa: S704
        f'<time datetime="{words.slot_name(at)}" data-time="{style}"{mark}>{text}{name}</time>'
    )


def _unbroken(said: Callable[[int], str]) -> Callable[[int], str]:
    """The same with a space that no line ends at: a number stays with its unit."""
    return lambda number: said(number).replace(" ", "\N{NO-BREAK SPACE}")


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("dashboard"),
        autoescape=jinja2.select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        # They change with the program: to look at their files took its time on every page.
        auto_reload=False,
    )
    environment.filters.update(
        when=when,
        duration=_unbroken(words.duration),
        exact=_unbroken(words.exact),
        amount=_unbroken(words.amount),
        slot_name=words.slot_name,
        cause=cause,
        is_of_whole=is_of_whole,
        span=words.span,
        every=words.every,
        lasted=words.lasted,
        common_name=words.common_name,
        instant=datetime.fromisoformat,
    )
    environment.globals.update(
        count=words.count,
        in_trouble=words.troubled,
        share=words.share,
        states=words.STATES,
        outcome_states=words.OUTCOME_STATES,
        state_word=words.state,
        static=static.address,
    )
    return environment


ENVIRONMENT = _environment()

FIRST = (
    "sign_in.html",
    "overview.html",
    "overview_list.html",
    "monitor.html",
    "monitor_main.html",
    "base.html",
    "parts.html",
    "quorum.html",
    "usual.html",
)
"""What visits begin with, and all that these templates name."""


def compile_first() -> None:
    """Compile what visits begin with: each page waited longer for it than for all else."""
    for name in FIRST:
        ENVIRONMENT.get_template(name)


# Nearly every piece of a page has been written before: a median is one of a histogram's few hundred
# steps. To find it takes a fiftieth of the time in which a template writes it.
@lru_cache(8_192)
def piece(name: str, *values: object) -> Markup:
    """What a macro of parts.html makes of these values alone: no zone, nothing of the request."""
    macro = getattr(ENVIRONMENT.get_template("parts.html").module, name)
    return Markup(macro(*values))  # noqa: S704 - the template has escaped it


ENVIRONMENT.globals["piece"] = piece


def page(request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Answer with a template. Pages are somebody's own, so no cache may keep them."""
    token = session.token_of(request)
    settings: Settings = request.app.state.settings
    provider = settings.identity_provider
    visitor: Visitor | None = values.setdefault("visitor", None)
    ZONE.set(zone_of(request, visitor))
    # Where the page hears of what comes after what it shows.
    live = f"/live?since={getattr(request.state, 'visited_at', 0.0) * 1000:.0f}"
    text = ENVIRONMENT.get_template(name).render(
        request=request,
        live=live,
        csrf_token=csrf.token(settings.secret, token) if token else "",
        provider=provider.name if provider else "",
        now=datetime.now(UTC),
        zone_name=str(ZONE.get()).replace("_", " "),
        **values,
    )
    text = path_session.prefixed(text, request.scope)
    return HTMLResponse(text, status)


def fragment(name: str, zone: tzinfo, **values: Any) -> Markup:
    """A piece of a page that is the same for all who read it in this zone."""
    ZONE.set(zone)
    text = ENVIRONMENT.get_template(name).render(values)
    return Markup(text)  # noqa: S704 - the template has escaped it


def zone_of(request: Request, visitor: Visitor | None) -> tzinfo:
    """What this visitor's times are written in: the address's choice goes before their own."""
    if tz_of(request.query_params) or not visitor or not visitor.time_zone:
        return UTC
    return ZoneInfo(visitor.time_zone)


SECTIONS = {
    "profile": "Profile",
    "plan": "Plan and licence",
    "members": "Members",
    "sessions": "Sessions",
    "tokens": "API tokens",
    "rules": "Alert rules",
    "status-pages": "Status pages",
    "notifications": "Notifications",
    "maintenance": "Maintenance",
    "audit": "Audit log",
    "data": "Your data",
}


def settings_page(
    request: Request, section: str, visitor: Visitor, status: int = 200, **values: Any
) -> HTMLResponse:
    """Answer with a page of the settings; ``error`` and ``said``: how a form was answered."""
    sections = {name: title for name, title in SECTIONS.items() if _may_see(visitor, name)}
    return page(
        request,
        f"settings/{section}.html",
        status,
        visitor=visitor,
        section=section,
        sections=sections,
        **{"error": "", "said": None, "form": Form(), **values},
    )


def _may_see(visitor: Visitor, section: str) -> bool:
    return section != "audit" or visitor.is_owner
