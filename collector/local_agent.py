"""An agent of `vantage up` on this machine: whether it is one yet, and how it becomes one."""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from collector import db, tokens
from collector.errors import CollectorError


@dataclass(frozen=True, slots=True)
class LocalAgent:
    """``database``: as its owner reaches it; ``enrolment``: the port where tokens are spent."""

    location: str
    home: Path
    database: str
    enrolment: int

    async def enrol(self) -> None:
        """Make it an agent of this database unless it is one. Raises: CollectorError."""
        if not await asyncio.to_thread(self.is_enrolled):
            await self.join()

    def is_enrolled(self) -> bool:
        """Whether the home's identity is one that this database welcomes."""
        try:
            agent_id = UUID(json.loads((self.home / "agent.json").read_text())["agent_id"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return False
        with db.session(self.database) as connection:
            row = connection.execute(
                db.queries("operator")["is_enrolled"], {"id": agent_id, "location": self.location}
            ).fetchone()
        return row is not None

    async def join(self) -> None:
        """Enrol it. An identity of another database is kept beside, with its results."""
        token = await asyncio.to_thread(self.invite)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agent", "join", "-", f"--home={self.home}",
            f"--name={self.location}",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate(token.encode())
        if process.returncode != 0:
            raise CollectorError(
                f"The agent at {self.location} cannot join: {said.decode().strip()}"
            )

    def invite(self) -> str:
        if self.home.exists():
            self.home.rename(self.home.with_name(f"{self.home.name}.{secrets.token_hex(4)}.old"))
        with db.session(self.database) as connection:
            return tokens.issue(connection, self.location, f"127.0.0.1:{self.enrolment}")
