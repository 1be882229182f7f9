"""The API as an application of its own: its errors, its description, its documentation page."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.datastructures import State

from dashboard.api import (
    channels,
    incidents,
    locations,
    monitors,
    problem,
    report_schedules,
    results,
    rules,
    status_pages,
)
from dashboard.rendering import page
from dashboard.session import visit

DESCRIPTION = """Everything that the report centre shows and changes, for programs.

Sign in with an API token (`Authorization: Bearer vantage_…`), made under Settings, or with an
e-mail address and its password (Basic). Times are ISO 8601 with a zone; durations are integer
microseconds (`_us`); null means not reached or not known, never zero. Errors are problem details
(RFC 9457). A list is given in pages: `next` is what to pass as `after` for the following one.
"""

PARTS = (
    monitors,
    results,
    incidents,
    rules,
    channels,
    report_schedules,
    status_pages,
    locations,
)


def make(state: State) -> FastAPI:
    """Build it. ``state``: the report centre's, which it shares."""
    app = FastAPI(
        title="Vantage",
        version="1",
        description=DESCRIPTION,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        exception_handlers=problem.HANDLERS,
        responses=problem.RESPONSES,
    )
    app.state = state
    for part in PARTS:
        app.include_router(part.ROUTER)
    app.add_api_route("/docs", _docs, include_in_schema=False)
    described = app.openapi

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            problem.tell_media_type(described())
        return app.openapi_schema or {}

    app.openapi = describe  # type: ignore[method-assign]
    return app


async def _docs(request: Request) -> Response:
    """Answer ``/api/v1/docs``: the description as a page, without anybody else's scripts."""
    async with visit(request) as (visitor, _):
        schema = request.app.openapi()
    parts: dict[str, list[dict[str, Any]]] = {}
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            shown = {"parameters": [], **operation, "path": path, "method": method}
            shown["body"] = _body(schema, operation)
            parts.setdefault(operation["tags"][0], []).append(shown)
    return page(request, "api.html", visitor=visitor, info=schema["info"], parts=parts)


def _body(schema: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    """The description of an operation's JSON body; without properties where it takes none."""
    if "requestBody" not in operation:
        return {"properties": {}}
    reference: str = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    found: dict[str, Any] = schema["components"]["schemas"][reference.rpartition("/")[2]]
    return found
