"""Whether there is what an id names."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from collector import db
from collector.errors import CollectorError


def no_monitor(monitor_id: int) -> CollectorError:
    """Say that there is no such monitor."""
    return CollectorError(f"There is no monitor {monitor_id}. See: vantage monitor list")


def must_be_monitors(
    connection: db.Connection, monitor_ids: Iterable[int], account_id: int | None = None
) -> None:
    """See that these are, or were, monitors; of an account, if one is given.

    Raises: CollectorError.
    """
    wanted = list(monitor_ids)
    rows = connection.execute(
        db.queries("operator")["known_monitors"], {"ids": wanted, "account_id": account_id}
    ).fetchall()
    known = {row["id"] for row in rows}
    for each in wanted:
        if each not in known:
            raise no_monitor(each)


def must_be_agent(connection: db.Connection, agent_id: UUID) -> None:
    """See that this is, or was, an agent. Raises: CollectorError."""
    if connection.execute(db.queries("operator")["known_agent"], {"id": agent_id}).rowcount == 0:
        raise CollectorError(f"There is no agent {agent_id}. See: vantage agent list")
