"""The report centre as an ASGI application: its routes, and what it answers when it cannot."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus
from urllib.parse import quote

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from dashboard import (
    editing,
    errors,
    incidents,
    lists,
    live,
    locations,
    metrics,
    monitor,
    monitor_data,
    overview,
    payment_events,
    report_schedules,
    reports,
    result,
    rules,
    session,
    signing,
    static,
    status,
    unsubscribing,
)
from dashboard.access_log import route_of
from dashboard.account import (
    audit,
    channels,
    joining,
    leaving,
    maintenance,
    members,
    plan,
    profile,
    provider_sign_in,
    sessions,
    status_pages,
    tokens,
)
from dashboard.api import application as api
from dashboard.attempts import Attempts
from dashboard.authorization import Verified
from dashboard.body_limit import BodyLimit
from dashboard.compression import LEAST_BYTES, Compression
from dashboard.db import Database
from dashboard.headers import ALWAYS, Guard
from dashboard.looks import Looks
from dashboard.mail import Mailer
from dashboard.outbox import Outbox
from dashboard.passwords import Passwords
from dashboard.path_session import PathSession
from dashboard.rendering import page
from dashboard.session import Visitor
from dashboard.settings import Settings

LOG = structlog.get_logger()

# Tries within five minutes from one address, whatever is tried.
TRIES_OF_AN_ADDRESS = 100
# Of a request: nothing is uploaded, and forms are short.
MOST_BODY_BYTES = 256 * 1024

ROUTES: list[BaseRoute] = [
    Route("/", overview.show),
    Route("/m/{monitor_id:int}", monitor.show),
    Route("/m/{monitor_id:int}/run", monitor.ask, methods=["POST"]),
    Route("/m/{monitor_id:int}/{name}.{form}", monitor_data.answer),
    Route("/m/{monitor_id:int}/r/{slot}/{location}", result.show),
    Route("/m/{monitor_id:int}/r/{slot}/{location}/requests.{form}", result.requests),
    Route("/live", live.stream),
    Route("/sign-in", signing.form),
    Route("/sign-in", signing.sign_in, methods=["POST"]),
    Route("/signed-in", signing.signed_in),
    Route("/sign-out", signing.sign_out, methods=["POST"]),
    Route("/static/{digest}/{name:path}", static.serve),
    *editing.ROUTES,
    *incidents.ROUTES,
    *locations.ROUTES,
    *lists.ROUTES,
    *reports.ROUTES,
    *report_schedules.ROUTES,
    *joining.ROUTES,
    *provider_sign_in.ROUTES,
    *profile.ROUTES,
    *plan.ROUTES,
    *rules.ROUTES,
    *members.ROUTES,
    *sessions.ROUTES,
    *tokens.ROUTES,
    *status_pages.ROUTES,
    *maintenance.ROUTES,
    *channels.ROUTES,
    *audit.ROUTES,
    *leaving.ROUTES,
    *status.ROUTES,
    *unsubscribing.ROUTES,
    *payment_events.ROUTES,
    *metrics.ROUTES,
]


def make(settings: Settings) -> Starlette:
    """Build the application; it opens the database when it starts."""
    database = Database(settings.database)
    app = Starlette(
        routes=[*ROUTES, Route("/healthz", _healthz)],
        middleware=[
            Middleware(PathSession),
            Middleware(Guard, allowed_hosts=settings.allowed_hosts, access_log=settings.access_log),
            Middleware(BodyLimit, most_bytes=MOST_BODY_BYTES),
            Middleware(Compression, minimum_size=LEAST_BYTES),
        ],
        exception_handlers={
            errors.BadRequest: _bad_request,
            errors.DatabaseAway: _database_away,
            errors.Forbidden: _forbidden,
            errors.NotFound: _not_found,
            errors.NotSignedIn: _not_signed_in,
            errors.TooMany: _too_many,
            errors.Unacceptable: _bad_request,
            HTTPException: _http_error,
            Exception: _broken,
        },
        lifespan=_lifespan,
    )
    app.router.routes.append(Mount("/api/v1", api.make(app.state)))
    app.state.settings = settings
    app.state.database = database
    app.state.hub = live.Hub(database)
    app.state.looks = Looks()
    app.state.purge = leaving.Purge(database)
    app.state.outbox = Outbox(database, settings)
    app.state.status_pages = {}
    app.state.attempts = Attempts()
    app.state.strangers = Attempts(TRIES_OF_AN_ADDRESS)
    app.state.mailings = Attempts()
    app.state.verified = Verified()
    app.state.mailer = Mailer(settings.mail_server)
    app.state.passwords = Passwords()
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    database: Database = app.state.database
    await database.open()
    running = [
        asyncio.create_task(app.state.hub.run()),
        asyncio.create_task(app.state.purge.run()),
        asyncio.create_task(app.state.outbox.run()),
    ]
    settings: Settings = app.state.settings
    if settings.access_log is not None:
        running.append(asyncio.create_task(settings.access_log.run()))
    try:
        yield
    finally:
        for task in running:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await app.state.mailer.close()
        await database.close()
        if settings.access_log is not None:
            settings.access_log.close()


async def _healthz(request: Request) -> Response:
    """200 when the database answers."""
    database: Database = request.app.state.database
    try:
        async with database.transaction() as reader:
            await reader.run("health")
    except errors.DatabaseAway as error:
        return PlainTextResponse(f"{error}\n", 503)
    return PlainTextResponse("ok\n")


async def _not_signed_in(request: Request, _: Exception) -> Response:
    """Pages lead to the form and back; everything else is told so."""
    if request.method != "GET" or "text/html" not in request.headers.get("accept", ""):
        # Not Basic: a browser would ask for a password in a window of its own.
        return PlainTextResponse("Sign in first.\n", 401, {"WWW-Authenticate": "Bearer"})
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    following = "" if wanted == "/" else f"?next={quote(wanted, safe='/')}"
    return RedirectResponse(f"/sign-in{following}", 303)


async def _bad_request(request: Request, error: Exception) -> Response:
    title = "This address cannot be used"
    if isinstance(error, errors.Unacceptable):
        title = "That was not accepted"
    return await _error(request, 400, title, str(error))


async def _forbidden(request: Request, error: Exception) -> Response:
    LOG.info("request_refused", route=route_of(request.scope), method=request.method)
    return await _error(request, 403, "Not allowed", str(error))


async def _not_found(request: Request, error: Exception) -> Response:
    return await _error(request, 404, "Not found", str(error))


async def _too_many(request: Request, error: Exception) -> Response:
    message = error.remedy if isinstance(error, errors.TooMany) else str(error)
    answer = await _error(request, 429, "Too many tries", message)
    if isinstance(error, errors.TooMany):
        answer.headers["Retry-After"] = f"{error.wait_s:.0f}"
    return answer


async def _database_away(request: Request, error: Exception) -> Response:
    LOG.error("database_away", reason=str(error))
    message = "The database does not answer. Results are not lost: agents keep them until it does."
    if isinstance(error, errors.Busy):
        message = f"{error} Ask again in a few seconds."
    answer = await _error(request, 503, "Nothing to show right now", message)
    answer.headers["Retry-After"] = "5"
    return answer


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 404:
        return await _error(request, status, "Not found", "There is no such page here.")
    if status == 413 and isinstance(error, HTTPException):
        return await _error(request, status, "Too much at once", error.detail)
    message = f"{HTTPStatus(status).phrase}: {request.method} is not how this page is asked for."
    if status == 400 and isinstance(error, HTTPException):
        message = error.detail
    return await _error(request, status, "This request cannot be answered", message)


async def _broken(request: Request, _: Exception) -> Response:
    message = "The report centre could not make this page. Its log says why."
    answer = await _error(request, 500, "This page failed", message)
    # It is sent from outside of what adds them to every other answer.
    answer.headers.update(ALWAYS)
    return answer


async def _error(request: Request, status: int, title: str, message: str) -> Response:
    if "text/html" not in request.headers.get("accept", ""):
        return PlainTextResponse(f"{message}\n", status)
    visitor: Visitor | None = getattr(request.state, "visitor", None)
    if visitor is None and status < 500:
        visitor = await _visitor(request)
    told = {"title": title, "message": message, "may_pass": status == 503}
    return page(request, "error.html", status, visitor=visitor, **told)


async def _visitor(request: Request) -> Visitor | None:
    """Who gets the message, so that it comes with the way on. None: nobody who is signed in."""
    if not session.token_of(request):
        return None
    try:
        async with session.visit(request) as (visitor, _):
            return visitor
    except (errors.NotSignedIn, errors.DatabaseAway):
        return None
