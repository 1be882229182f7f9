"""Scripts, styles and pictures under an address that changes with their content.

The digest stands in the path, so that a script's relative imports carry it as well.
"""

from __future__ import annotations

import gzip
import hashlib
import re
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
IMPORTED = re.compile(r'^import .*? from "\./(?P<name>[^"]+)";$', re.MULTILINE)
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


@cache
def scripts(name: str) -> list[str]:
    """The addresses of a module and of all that it imports, so that a page can ask for them at once
    and not for one after the other."""
    found = [name]
    for each in found:
        imported = (match["name"] for match in IMPORTED.finditer(text(each)))
        found += [other for other in imported if other not in found]
    return [address(each) for each in found]


@cache
def text(name: str) -> str:
    """What a file says."""
    return _served()[name].read_text(encoding="utf-8")


@cache
def _compressed(name: str) -> bytes:
    return gzip.compress(_served()[name].read_bytes(), mtime=0)


async def serve(request: Request) -> Response:
    """Answer with a file; an older page's digest gets today's file, uncached."""
    name = request.path_params["name"]
    path = _served().get(name)
    if path is None:
        raise HTTPException(404)
    is_current = request.path_params["digest"] == _digest()
    headers = {"Cache-Control": FOREVER if is_current else "no-cache", "Vary": "Accept-Encoding"}
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return FileResponse(path, media_type=TYPES[path.suffix], headers=headers)
    headers["Content-Encoding"] = "gzip"
    return Response(_compressed(name), media_type=TYPES[path.suffix], headers=headers)
