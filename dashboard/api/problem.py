"""Errors as problem details (RFC 9457)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from dashboard import errors

LOG = structlog.get_logger()
MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """Why a request was not done (RFC 9457)."""

    type: str = Field(description="Always about:blank: the status tells the kind.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The status of the answer.")
    detail: str = Field(description="What was wrong with this request, in a sentence.")
    errors: list[str] = Field(description="Every field that cannot be used, and why.")


RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": HTTPStatus(status).phrase}
    for status in (400, 401, 403, 404, 413, 422, 429, 503)
}


def tell_media_type(schema: dict[str, Any]) -> None:
    """Say in an OpenAPI description that errors are problem details."""
    for path in schema["paths"].values():
        for operation in path.values():
            for status, answer in operation["responses"].items():
                if status >= "400" and "application/json" in answer.get("content", {}):
                    answer["content"][MEDIA_TYPE] = answer["content"].pop("application/json")


def answer(
    status: int,
    detail: str,
    fields: Sequence[str] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem as an answer."""
    told = Problem(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        errors=list(fields),
    )
    return Response(
        msgspec.json.encode(told.model_dump()),
        status,
        headers,
        media_type=MEDIA_TYPE,
    )


async def _invalid(_: Request, error: Exception) -> Response:
    fields = []
    if isinstance(error, RequestValidationError):
        fields = [
            f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}"
            for each in error.errors()
        ]
    return answer(422, "The request cannot be used: " + "; ".join(fields), fields)


async def _too_many(_: Request, error: Exception) -> Response:
    wait_s = error.wait_s if isinstance(error, errors.TooMany) else 60
    return answer(429, str(error), headers={"Retry-After": f"{wait_s:.0f}"})


async def _not_signed_in(_: Request, __: Exception) -> Response:
    return answer(
        401,
        "Sign in with an API token: Authorization: Bearer ….",
        headers={"WWW-Authenticate": "Bearer"},
    )


async def _away(_: Request, error: Exception) -> Response:
    LOG.error("database_away", reason=str(error))
    detail = str(error) if isinstance(error, errors.Busy) else "The database does not answer."
    return answer(503, detail, headers={"Retry-After": "5"})


async def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    headers = dict(error.headers or {})
    if error.status_code == 405:
        # Starlette names the methods of one route; the same path has several.
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    detail = {404: "There is no such resource.", 405: "This resource has no such method."}
    return answer(error.status_code, detail.get(error.status_code, error.detail), headers=headers)


def _methods(request: Request) -> set[str]:
    path = getattr(request.scope.get("route"), "path", "")
    return {method.upper() for method in request.app.openapi()["paths"].get(path, {})}


def _saying(status: int) -> Callable[[Request, Exception], Coroutine[Any, Any, Response]]:
    async def say(_: Request, error: Exception) -> Response:
        return answer(status, str(error))

    return say


HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    errors.BadRequest: _saying(400),
    errors.Unacceptable: _saying(400),
    errors.Forbidden: _saying(403),
    errors.NotFound: _saying(404),
    errors.NotSignedIn: _not_signed_in,
    errors.TooMany: _too_many,
    errors.DatabaseAway: _away,
    RequestValidationError: _invalid,
    HTTPException: _http,
}
