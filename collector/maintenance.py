"""Makes the windows of maintenance that comes again, three months ahead."""

from __future__ import annotations

from datetime import timedelta

import structlog

from collector import db
from collector.errors import CollectorError
from collector.recurrence import Recurrence

log = structlog.get_logger()


async def plan(connection: db.AsyncConnection) -> int:
    """Make the windows that are missing; return how many. Repeating it makes none twice.

    A rule that cannot be followed is told in the log and looked at again a month later.
    """
    statements = db.queries("maintenance")
    made = 0
    async with connection.transaction():
        cursor = await connection.execute(statements["unplanned"])
        for row in await cursor.fetchall():
            recurrence = Recurrence(row["first_at"], row["time_zone"], row["rule"])
            try:
                begins = list(recurrence.between(row["from_at"], row["to_at"]))
            except CollectorError as error:
                log.warning("maintenance_rule_unusable", rule_id=row["id"], error=str(error))
                begins = []
            for from_at in begins:
                cursor = await connection.execute(
                    statements["plan"], {"id": row["id"], "from_at": from_at}
                )
                made += cursor.rowcount
            await connection.execute(
                statements["planned"], {"id": row["id"], "to_at": row["to_at"]}
            )
    return made


def length(seconds: float) -> timedelta:
    """Return how long a window lasts. Raises: CollectorError."""
    if not 60 <= seconds <= 604_800:
        raise CollectorError(f"Maintenance of {seconds:g} s cannot be: 1 minute to 7 days can.")
    return timedelta(seconds=round(seconds))
