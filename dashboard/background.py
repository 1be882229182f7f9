"""What the report centre does for ever, beside answering: nothing that fails ends it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from dashboard.errors import DatabaseAway

LOG = structlog.get_logger()


async def keep_doing(
    work: str,
    once: Callable[[], Awaitable[None]],
    every_s: float,
    woken: asyncio.Event | None = None,
) -> None:
    """Do something again and again, resting ``every_s`` in between, less when ``woken``.

    A database that is away is worth a line; everything else that is raised is a bug, of which
    somebody shall read, and the work goes on.
    """
    woken = woken or asyncio.Event()
    while True:
        woken.clear()
        try:
            await once()
        except DatabaseAway as error:
            LOG.warning("work_interrupted", work=work, reason=str(error))
        except Exception:
            LOG.exception("work_failed", work=work)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(every_s):
                await woken.wait()
