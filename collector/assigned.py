"""What each agent shall probe, as messages: made from rows, kept while the rows stay the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from uuid import UUID

import structlog
from psycopg.rows import DictRow

from collector.errors import CollectorError
from collector.keyring import Keyring
from collector.secret import opened
from vantage.v1 import monitor_pb2

log = structlog.get_logger()


class Assigned:
    """Every agent's message and the rows that it was made of; made anew when one of them changes.

    A collector looks often and finds little that is new.
    """

    def __init__(self, keyring: Keyring) -> None:
        self.keyring = keyring
        self.monitors: dict[int, tuple[DictRow, monitor_pb2.Monitor | None]] = {}
        self.agents: dict[UUID, tuple[DictRow | None, monitor_pb2.Assignments]] = {}

    def update(
        self, agent_ids: Iterable[UUID], agents: Iterable[DictRow], monitors: Iterable[DictRow]
    ) -> Iterator[tuple[UUID, monitor_pb2.Assignments]]:
        """Take the rows of the statements ``assigned`` and ``assigned_monitors``; return what every
        agent shall be told.
        """
        changed = self.change(monitors)
        rows = {row["agent_id"]: row for row in agents}
        known, self.agents = self.agents, {}
        for agent_id in agent_ids:
            row = rows.get(agent_id)
            before, assignments = known.get(agent_id, (None, None))
            if (
                assignments is None
                or row != before
                or (row and not changed.isdisjoint(row["monitor_ids"]))
            ):
                assignments = self.assignments(row)
            self.agents[agent_id] = row, assignments
            yield agent_id, assignments

    def change(self, monitors: Iterable[DictRow]) -> set[int]:
        """Take what monitors are now; return the ids of those that are not as before.

        One that is unusable is tried again each time: its secrets' key may be installed by now.
        """
        known, self.monitors = self.monitors, {}
        changed = set()
        for row in monitors:
            monitor_id = row["id"]
            before = known.get(monitor_id)
            if before is not None and before[1] is not None and before[0] == row:
                self.monitors[monitor_id] = before
                continue
            changed.add(monitor_id)
            try:
                self.monitors[monitor_id] = row, monitor(row, self.keyring)
            except (ValueError, TypeError, AttributeError, CollectorError) as error:
                # Written by other means than ours; the others must not wait for it.
                log.error("monitor_unusable", monitor_id=monitor_id, reason=str(error))
                self.monitors[monitor_id] = row, None
        return changed

    def assignments(self, row: DictRow | None) -> monitor_pb2.Assignments:
        """Make the message of one agent; ``row`` None: it has nothing to probe."""
        if row is None:
            return monitor_pb2.Assignments()
        made = monitor_pb2.Assignments(is_shared=row["is_shared"])
        for monitor_id, offset_us, from_slot_us, until_slot_us in zip(
            row["monitor_ids"],
            row["offsets_us"],
            row["from_slots_us"],
            row["until_slots_us"],
            strict=True,
        ):
            _, found = self.monitors.get(monitor_id, (None, None))
            if found is not None:
                made.assignments.add(
                    monitor=found,
                    offset_us=offset_us,
                    from_slot_us=from_slot_us,
                    until_slot_us=until_slot_us or 0,
                )
        return made


def monitor(row: DictRow, keyring: Keyring) -> monitor_pb2.Monitor:
    """Turn a row of the statement ``assigned_monitors`` into its message.

    Raises: ValueError, TypeError or AttributeError where headers or assertions are not as
    documented; CollectorError where its secrets cannot be opened: it is not probed without them.
    """
    secrets = opened(row["secrets"] or (), keyring)
    proxy_username, proxy_password = secrets.proxy or ("", "")
    phase_timeouts = {f"{phase}_us": limit for phase, limit in row["phase_timeouts"].items()}
    return monitor_pb2.Monitor(
        id=row["id"],
        url=row["url"],
        interval_us=row["interval_s"] * 1_000_000,
        timeout_us=row["timeout_us"],
        slow_us=row["slow_us"],
        max_redirects=row["max_redirects"],
        request=monitor_pb2.Request(
            method=row["method"],
            headers=[monitor_pb2.Header(**header) for header in row["headers"]],
            body=row["body"] or b"",
            http_version=row["http_version"] or "",
            is_insecure=row["is_insecure"],
            is_uncompressed=row["is_uncompressed"],
            secret_headers=[
                monitor_pb2.Header(name=name, value=value) for name, value in secrets.headers
            ],
            client_certificate=(row["client_certificate"] if secrets.client_key else None) or "",
            client_key=secrets.client_key or "",
            authority=row["authority"],
            proxy=row["proxy"],
            proxy_username=proxy_username,
            proxy_password=proxy_password,
            phase_timeouts=monitor_pb2.PhaseTimeouts(**phase_timeouts) if phase_timeouts else None,
        ),
        ip_version=row["ip_version"] or 0,
        is_paired=row["is_paired"],
        connect_to=row["connect_to"],
        name_server=row["name_server"],
        assertions=[monitor_pb2.Assertion(**each) for each in row["assertions"]],
        kind=row["kind"],
    )
