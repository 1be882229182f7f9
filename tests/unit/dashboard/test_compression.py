"""Answers are as long as they were, once who asked has unpacked them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from dashboard.compression import LEAST_BYTES, Compression

TEXT = "A page says much that it has said before. " * 5_000


async def whole(_: Request) -> Response:
    return PlainTextResponse(TEXT)


async def parts(_: Request) -> Response:
    return StreamingResponse(TEXT[at : at + 50_000] for at in range(0, len(TEXT), 50_000))


async def short(_: Request) -> Response:
    return PlainTextResponse("short")


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = Starlette(
        routes=[Route("/whole", whole), Route("/parts", parts), Route("/short", short)],
        middleware=[Middleware(Compression, minimum_size=LEAST_BYTES)],
    )
    with TestClient(app) as client:
        yield client


@pytest.mark.parametrize("path", ["/whole", "/parts"])
def test_what_is_long_is_compressed(client: TestClient, path: str) -> None:
    packed = client.get(path, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers.get("content-length", "0")) < len(TEXT) / 50
    assert packed.text == TEXT


@pytest.mark.parametrize(("path", "accepted"), [("/whole", "identity"), ("/short", "gzip")])
def test_what_is_short_or_not_asked_for_compressed_is_not(
    client: TestClient, path: str, accepted: str
) -> None:
    answer = client.get(path, headers={"Accept-Encoding": accepted})
    assert "content-encoding" not in answer.headers
    assert answer.text == (TEXT if path == "/whole" else "short")
