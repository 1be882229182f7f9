"""What agents are told: made of rows, and made anew only where rows have changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from collector.assigned import Assigned
from collector.keyring import Keyring
from vantage.v1 import monitor_pb2

ONE, TWO = UUID(int=1), UUID(int=2)


def monitor(monitor_id: int, **columns: Any) -> dict[str, Any]:
    """A row of the statement ``assigned_monitors``."""
    texts = ("client_certificate", "authority", "proxy", "connect_to", "name_server", "body")
    return {
        **dict.fromkeys((*texts, "ip_version", "http_version", "slow_us", "secrets")),
        **dict.fromkeys(("is_insecure", "is_uncompressed", "is_paired"), False),
        "id": monitor_id,
        "url": f"https://{monitor_id}.example/",
        "interval_s": 60,
        "timeout_us": 10_000_000,
        "max_redirects": 10,
        "method": "GET",
        "headers": [],
        "assertions": [],
        "phase_timeouts": {},
        "kind": "http",
        **columns,
    }


def agent(agent_id: UUID, *monitor_ids: int, until_us: int | None = None) -> dict[str, Any]:
    """A row of the statement ``assigned``."""
    return {
        "agent_id": agent_id,
        "is_shared": until_us is not None,
        "monitor_ids": list(monitor_ids),
        "offsets_us": [1_000 * monitor_id for monitor_id in monitor_ids],
        "from_slots_us": [7] * len(monitor_ids),
        "until_slots_us": [until_us] * len(monitor_ids),
    }


class World:
    def __init__(self) -> None:
        self.assigned = Assigned(Keyring(Path("/nonexistent")))
        self.agents = [agent(ONE, 1, 2), agent(TWO, 2, 3)]
        self.monitors = {each: monitor(each) for each in (1, 2, 3)}

    def look(self) -> dict[UUID, monitor_pb2.Assignments]:
        # As the database does it: other rows each time, which are equal or not.
        agents = [dict(row) for row in self.agents]
        monitors = [dict(row) for row in self.monitors.values()]
        return dict(self.assigned.update([ONE, TWO], agents, monitors))


def urls(message: monitor_pb2.Assignments) -> list[str]:
    return [each.monitor.url for each in message.assignments]


@pytest.fixture
def world() -> World:
    return World()


def test_an_agent_is_told_of_its_monitors_and_of_which_slots(world: World) -> None:
    world.agents[1] = agent(TWO, 3, until_us=9)
    told = world.look()
    assert urls(told[ONE]) == ["https://1.example/", "https://2.example/"]
    assert not told[ONE].is_shared
    [only] = told[TWO].assignments
    assert (only.monitor.id, only.offset_us) == (3, 3_000)
    assert (only.from_slot_us, only.until_slot_us) == (7, 9)
    assert told[TWO].is_shared


def test_an_agent_without_monitors_is_told_so(world: World) -> None:
    world.agents.pop()
    assert world.look()[TWO] == monitor_pb2.Assignments()


def test_what_has_not_changed_is_not_made_again(world: World) -> None:
    before, after = world.look(), world.look()
    assert before[ONE] is after[ONE]
    assert before[TWO] is after[TWO]


def test_a_changed_monitor_reaches_those_who_probe_it_and_no_others(world: World) -> None:
    before = world.look()
    world.monitors[3] = monitor(3, url="https://new.example/")
    after = world.look()
    assert before[ONE] is after[ONE]
    assert urls(after[TWO]) == ["https://2.example/", "https://new.example/"]


def test_a_monitor_taken_from_an_agent_is_gone_from_what_it_is_told(world: World) -> None:
    world.look()
    world.agents[0] = agent(ONE, 1)
    assert urls(world.look()[ONE]) == ["https://1.example/"]


def test_a_monitor_that_is_unusable_is_left_out_until_it_is_mended(world: World) -> None:
    world.monitors[2] = monitor(2, headers=[{"unknown": "field"}])
    assert urls(world.look()[ONE]) == ["https://1.example/"]
    world.monitors[2] = monitor(2)
    assert urls(world.look()[ONE]) == ["https://1.example/", "https://2.example/"]
