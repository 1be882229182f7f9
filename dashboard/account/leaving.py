"""Taking everything along, and leaving: the archive, and deleting the account."""

from __future__ import annotations

import asyncio
import io
import time
import zipfile
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from dashboard import forms
from dashboard.account.profile import must_be_oneself
from dashboard.background import keep_doing
from dashboard.db import Database, Reader
from dashboard.errors import Forbidden, Unacceptable
from dashboard.forms import Submission
from dashboard.rendering import settings_page
from dashboard.rows.answer import Answer
from dashboard.rows.people import PasswordHash
from dashboard.session import visit
from vantage import spreadsheet

LOG = structlog.get_logger()
PATH = "/settings/data"
LOOK_AGAIN_S = 3600.0
MEASURED = ("results", "exchanges", "gaps", "results_1h", "results_1d")
AT_ONCE = 500


async def show(request: Request, *, status: int = 200, **values: Any) -> Response:
    """Answer ``/settings/data``."""
    async with visit(request) as (visitor, reader):
        stored = await reader.the(PasswordHash, "own_password_hash")
    return settings_page(
        request,
        "data",
        visitor,
        status,
        has_password=stored.password_hash is not None,
        **values,
    )


async def download(request: Request) -> Response:
    """Answer ``/settings/data/everything.zip``, made while it is sent."""
    async with visit(request) as (visitor, _):
        if not visitor.is_owner:
            raise Forbidden("Only owners of the account download everything.")
    return StreamingResponse(
        _archive(request),
        media_type="application/zip",
        headers={"Content-Disposition": 'attachment; filename="everything.zip"'},
    )


class _Pipe(io.RawIOBase):
    """Where the archive is written to, and taken from again."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        """Only that: nobody can go back in what was sent."""
        return True

    def write(self, data: Any) -> int:
        """Keep what was written."""
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """What was written since the last time."""
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


async def _archive(request: Request) -> AsyncIterator[bytes]:
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        async with visit(request) as (_, reader):
            tables: dict[str, list[Any]] = {}
            async for row in reader.stream("own_rows"):
                tables.setdefault(row["relation"], []).append(row["content"])
            tables["certificates"] = [row async for row in reader.stream("own_certificates")]
            for table, rows in tables.items():
                archive.writestr(f"{table}.json", msgspec.json.encode(rows, enc_hook=str))
                yield pipe.take()
            for monitor in tables.get("monitors", []):
                for name in MEASURED:
                    # By its name alone it would be of 1980.
                    file = zipfile.ZipInfo(
                        f"{name}/monitor-{monitor['id']}.csv", time.localtime()[:6]
                    )
                    file.compress_type = zipfile.ZIP_DEFLATED
                    with archive.open(file, "w", force_zip64=True) as out:
                        async for part in _csv(reader, f"every_{name}", monitor["id"]):
                            out.write(part)
                            yield pipe.take()
    yield pipe.take()


async def _csv(reader: Reader, name: str, monitor_id: int) -> AsyncIterator[bytes]:
    rows: list[Sequence[Any]] = []
    async for row in reader.table(name, monitor_id=monitor_id):
        rows.append(row)
        if len(rows) >= AT_ONCE:
            yield spreadsheet.encode(rows)
            rows.clear()
    yield spreadsheet.encode(rows)


@forms.action(show, by_cookie=True)
async def delete(given: Submission) -> str:
    """Delete the account: at once for people, within a day for every row."""
    await must_be_oneself(given)
    if given.form.text("account") != given.visitor.account:
        raise Unacceptable(
            "Type the account's name as it is written over the field. Nothing was deleted."
        )
    await given.reader.run("delete_account")
    given.afterwards.append(given.request.app.state.purge.wake)
    given.afterwards.append(given.request.app.state.status_pages.clear)
    return "/sign-in?done=deleted"


class Purge:
    """Removes the rows of deleted accounts, piece by piece: soon, and again every hour."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There is something to remove."""
        self._woken.set()

    async def run(self) -> None:
        """Go on for ever."""
        await keep_doing("purge", self._all_pieces, LOOK_AGAIN_S, self._woken)

    async def _all_pieces(self) -> None:
        pieces = 0
        while await self._piece():
            pieces += 1
        if pieces:
            LOG.info("deleted_accounts_purged", pieces=pieces)

    async def _piece(self) -> bool:
        async with self._database.transaction() as reader:
            return (await reader.the(Answer, "purge")).is_done


ROUTES = [
    Route(PATH, show),
    Route(f"{PATH}/everything.zip", download),
    Route(f"{PATH}/delete", delete, methods=["POST"]),
]
