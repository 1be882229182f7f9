"""How a monitor stands now: what its locations agree on, what is usual, who is silent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard import agreement, usual
from dashboard.db import Reader
from dashboard.rows.incident import Verdict
from dashboard.rows.maintenance import Maintenance
from dashboard.scene import Scene
from dashboard.usual import Usual

PATIENCE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Present:
    """``quorum`` None: nobody has judged it yet. ``silent``: locations that have nothing to say
    though they had time, and when an agent there was last heard of."""

    state: str
    sentence: str
    quorum: Verdict | None
    usual: Usual
    maintenance: Maintenance | None
    silent: list[tuple[str, datetime | None]]


async def read(reader: Reader, scene: Scene) -> Present:
    """What the database says of it at this moment."""
    monitor, standings = scene.monitor, scene.standings
    quorum = await reader.one(Verdict, "verdict", monitor_id=monitor.id)
    state = agreement.state(agreement.counted(standings), quorum.state if quorum else None)
    slower = len(quorum.slower) if quorum else 0
    return Present(
        state=state,
        sentence=agreement.sentence(state, standings, slower=slower),
        quorum=quorum,
        usual=await usual.compared(reader, monitor, standings),
        maintenance=await reader.one(Maintenance, "maintenance_of", monitor_id=monitor.id),
        silent=_silent(scene),
    )


def _silent(scene: Scene) -> list[tuple[str, datetime | None]]:
    if scene.now - scene.monitor.created_at < PATIENCE:
        return []
    return [
        (standing.title, standing.last_seen_at)
        for standing in scene.standings
        if standing.state in ("waiting", "missing")
    ]
