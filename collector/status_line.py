"""The line that `vantage up` shows while it runs: who is online, what is stored, what ails."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import psycopg

from collector import db
from collector.console import Console
from collector.errors import CollectorError
from collector.supervisor import Child

EVERY_S = 1.0
RATE_OVER_S = 60


class StatusLine:
    """Reads the database at ``url``; ``logs``: where people read why one of ``children`` ended."""

    def __init__(self, console: Console, url: str, children: Sequence[Child], logs: Path) -> None:
        self.console = console
        self.url = url
        self.children = children
        self.logs = logs
        self.seen: deque[tuple[float, int]] = deque(maxlen=int(RATE_OVER_S / EVERY_S))
        """When (seconds), and how many results there were."""

    async def keep(self) -> None:
        """Show it anew every second for ever."""
        while True:
            try:
                async with await db.connect(self.url) as connection:
                    while True:
                        self.console.status(await self.text(connection))
                        await asyncio.sleep(EVERY_S)
            except (CollectorError, psycopg.OperationalError):
                self.console.status("  The database does not answer; agents keep their results")
                await asyncio.sleep(EVERY_S)

    async def text(self, connection: db.AsyncConnection) -> str:
        cursor = await connection.execute(db.queries("operator")["status"])
        row = await cursor.fetchone()
        assert row is not None  # noqa: S101 - it has no FROM
        self.seen.append((asyncio.get_running_loop().time(), int(row["results"])))
        (first_s, first), (last_s, last) = self.seen[0], self.seen[-1]
        per_minute = (last - first) / (last_s - first_s) * 60 if last_s > first_s else 0
        down = [child.name for child in self.children if not child.is_running]
        trouble = f"  restarting: {', '.join(down)} (see {self.logs})" if down else ""
        return (
            f"  {row['agents_online']} of {row['agents']} agents online   {last:,} results, "
            f"{per_minute:,.0f} a minute   Ctrl-C stops{trouble}"
        )
