"""Templates: one environment, the words as filters, and a page's answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import jinja2
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from dashboard import csrf, session, static, words

FORMATS = {
    "seconds": "%H:%M:%S",
    "minute": "%-d %b %Y, %H:%M",
    "moment": "%-d %b %Y, %H:%M:%S",
    "day": "%-d %b %Y",
    "short": "%-d %b, %H:%M",
}


def when(at: datetime, style: str = "minute", *, zone: bool = False) -> Markup:
    """An instant in UTC, marked so that times.js can rewrite it in the reader's own zone.

    ``style``: a name of `FORMATS`; ``ago``; ``since``, which leaves today's date out.
    """
    utc = at.astimezone(UTC)
    now = datetime.now(UTC)
    if style == "ago":
        text = words.ago(utc, now)
    elif style == "since":
        text = utc.strftime("%H:%M" if utc.date() == now.date() else FORMATS["short"])
    else:
        text = utc.strftime(FORMATS[style])
    mark = Markup(' data-zone="yes"') if zone else Markup()
    return Markup('<time datetime="{}" data-time="{}"{}>{}{}</time>').format(
        words.slot_name(utc), style, mark, text, " UTC" if zone else ""
    )


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("dashboard"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(
        when=when,
        duration=words.duration,
        exact=words.exact,
        amount=words.amount,
        slot_name=words.slot_name,
        cause=words.cause,
        span=words.span,
        common_name=words.common_name,
        instant=datetime.fromisoformat,
    )
    environment.globals.update(
        count=words.count,
        share=words.share,
        states=words.STATES,
        verdict=words.verdict,
        static=static.address,
    )
    return environment


ENVIRONMENT = _environment()


def page(request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Answer with a template. Pages are somebody's own, so no cache may keep them."""
    token = session.token_of(request)
    secret: bytes = request.app.state.settings.secret
    values.setdefault("visitor", None)
    text = ENVIRONMENT.get_template(name).render(
        request=request,
        csrf_token=csrf.token(secret, token) if token else "",
        now=datetime.now(UTC),
        **values,
    )
    return HTMLResponse(text, status, headers={"Cache-Control": "no-store"})
