"""Forms: what was sent by our own page, and how a settings page answers to it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dashboard import csrf, session
from dashboard.db import Reader
from dashboard.errors import NotSignedIn, Unacceptable
from dashboard.number import IDENTITY_MAX, whole
from dashboard.session import Visitor

CLOCK = re.compile("([01][0-9]|2[0-3]):[0-5][0-9]")


@dataclass(frozen=True, slots=True)
class Form:
    """What one form holds. A field that is not there is empty."""

    fields: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        return self.fields.get(name, "")

    def text(self, name: str) -> str:
        """A field on one line, without the white space around it."""
        return "".join(c if c.isprintable() else " " for c in self[name]).strip()

    def all(self, name: str) -> list[str]:
        """Every value of a field that may be given several times."""
        return [value.replace("\0", "") for value in self.lists.get(name, [])]

    def number(self, name: str) -> int:
        """A field that our own page filled in with an identity; 0, which is nobody's, otherwise."""
        return whole(self[name], IDENTITY_MAX) or 0

    def numbers(self, name: str) -> list[int]:
        """Every value of a field that our own page filled in with identities; what is none is
        left out."""
        found = (whole(value, IDENTITY_MAX) for value in self.all(name))
        return [number for number in found if number is not None]

    def time_of_day(self, name: str) -> str | None:
        """A field that holds hours and minutes, whatever follows. None: it is empty.

        Raises: Unacceptable.
        """
        text = self[name]
        if text and not CLOCK.fullmatch(text[:5]):
            raise Unacceptable(f"“{text[:40]}” is no time of day. It has the form 22:00.")
        return text[:5] or None


async def read(request: Request, subject: str) -> Form:
    """The form that was sent by our own page. ``subject``: as in `csrf.token`.

    Raises: Forbidden.
    """
    given = await request.form(max_files=0, max_fields=200)
    lists: dict[str, list[str]] = {}
    for name, value in given.multi_items():
        if isinstance(value, str):
            lists.setdefault(name, []).append(value)
    form = Form({name: values[-1] for name, values in lists.items()}, lists)
    csrf.require(request, form["csrf"], request.app.state.settings.secret, subject)
    return form


@dataclass(frozen=True, slots=True)
class Submission:
    """A visitor's form inside a transaction. ``afterwards``: run once it is committed."""

    request: Request
    visitor: Visitor
    reader: Reader
    form: Form
    afterwards: list[Callable[[], None]] = field(default_factory=list)


class Show(Protocol):
    """Answers with the page that the form is on."""

    def __call__(self, request: Request, **values: Any) -> Awaitable[Response]: ...


Act = Callable[[Submission], Awaitable[str | dict[str, Any] | Response]]
Handler = Callable[[Request], Awaitable[Response]]


def action(show: Show, *, by_cookie: bool = False) -> Callable[[Act], Handler]:
    """Make a coroutine the handler of a form on the page that ``show`` answers with.

    It returns where to go next, values to show that page with, or an answer of its own.
    ``by_cookie``: a session in the path is not enough.
    """

    def decorate(act: Act) -> Handler:
        async def handle(request: Request) -> Response:
            token = session.token_of(request)
            if not token:
                raise NotSignedIn
            form = await read(request, token)
            try:
                async with session.visit(request) as (visitor, reader):
                    if by_cookie:
                        visitor.require_cookie()
                    given = Submission(request, visitor, reader, form)
                    following = await act(given)
            except Unacceptable as error:
                return await show(request, status=400, error=str(error), form=form)
            for call in given.afterwards:
                call()
            if isinstance(following, Response):
                return following
            if isinstance(following, str):
                return RedirectResponse(following, 303)
            return await show(request, **following)

        return handle

    return decorate
