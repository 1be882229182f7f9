"""Scripts, styles and pictures under an address that changes with their content.

The digest stands in the path, so that a script's relative imports carry it as well. Nothing is
painted before all styles are there, so pages ask for them as one file.
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
from starlette.responses import Response

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
IMPORTED = re.compile(r'^import .*? from "\./(?P<name>[^"]+)";$', re.MULTILINE)
STYLES, PARTS = "pages.css", ("colours.css", "app.css", "vendor/uPlot.min.css", "print.css")
FOREVER = "public, max-age=31536000, immutable"


@cache
def _served() -> dict[str, bytes]:
    """Everything that may be served, by its path below static/."""
    root = Path(str(files("dashboard").joinpath("static")))
    found = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.suffix in TYPES
    }
    found[STYLES] = b"\n".join(found[name] for name in PARTS)
    return found


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
