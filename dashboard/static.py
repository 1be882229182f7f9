"""Scripts, styles and pictures under an address that changes with their content.

The digest stands in the path, so that a script's relative imports carry it as well.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FOREVER = "public, max-age=31536000, immutable"


@cache
def _served() -> dict[str, Path]:
    """Every file that may be served, by its path below static/."""
    root = Path(str(files("dashboard").joinpath("static")))
    return {
        path.relative_to(root).as_posix(): path
        for path in sorted(root.rglob("*"))
        if path.suffix in TYPES
    }


@cache
def _digest() -> str:
    digest = hashlib.sha256()
    for name, path in _served().items():
        digest.update(f"{name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def address(name: str) -> str:
    """The path of a file, as pages write it."""
    if name not in _served():
        raise LookupError(f"there is no static file {name}; was the hook of hatch_build.py run?")
    return f"/static/{_digest()}/{name}"


async def serve(request: Request) -> Response:
    """Answer with a file; an older page's digest gets today's file, uncached."""
    path = _served().get(request.path_params["name"])
    if path is None:
        raise HTTPException(404)
    is_current = request.path_params["digest"] == _digest()
    caching = FOREVER if is_current else "no-cache"
    return FileResponse(path, media_type=TYPES[path.suffix], headers={"Cache-Control": caching})
