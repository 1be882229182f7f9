"""Scripts, styles and pictures under an address that changes with their content.

What is served is what hatch_build.py made of the files in static/. The digest stands in the path,
so that a picture that the styles name relatively carries it as well.
"""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FOREVER = "public, max-age=31536000, immutable"


@cache
def _served() -> dict[str, bytes]:
    """Everything that may be served, by its name."""
    built = Path(str(files("dashboard").joinpath("static", "built")))
    return {
        path.name: path.read_bytes() for path in sorted(built.glob("*")) if path.suffix in TYPES
    }


@cache
def _digest() -> str:
    digest = hashlib.sha256()
    for name, content in _served().items():
        digest.update(f"{name}\0".encode() + content)
    return digest.hexdigest()[:12]


def address(name: str) -> str:
    """The path of a file, as pages write it."""
    if name not in _served():
        raise LookupError(f"there is no static file {name}; was the hook of hatch_build.py run?")
    return f"/static/{_digest()}/{name}"


@cache
def text(name: str) -> str:
    """What a file says."""
    return _served()[name].decode()


@cache
def _compressed(name: str) -> bytes:
    return gzip.compress(_served()[name], mtime=0)


async def serve(request: Request) -> Response:
    """Answer with a file; an older page's digest gets today's file, uncached."""
    name = request.path_params["name"]
    content = _served().get(name)
    if content is None:
        raise HTTPException(404)
    is_current = request.path_params["digest"] == _digest()
    headers = {"Cache-Control": FOREVER if is_current else "no-cache", "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        content = _compressed(name)
    return Response(content, media_type=TYPES[Path(name).suffix], headers=headers)
