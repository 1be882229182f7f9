"""What only some monitors need is loaded with their assignment, not by a probe."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Whether it is there: before, and once such a monitor is assigned.
_PROGRAM = """
import sys
import agent.process, agent.probe
from agent import wire
from vantage.v1 import monitor_pb2

def loaded():
    print(*{"dns.message"} & set(sys.modules))

loaded()
monitor = monitor_pb2.Monitor(id=1, url=sys.argv[1], kind=sys.argv[2], interval_us=60_000_000)
message = monitor_pb2.Assignment(monitor=monitor)
assert not wire.assignments(monitor_pb2.Assignments(assignments=[message])).unusable
loaded()
"""


@pytest.mark.parametrize(
    ("url", "kind", "needed"),
    [
        ("https://shop.example/", "request", ""),
        ("https://shop.example/", "page", ""),
        ("dns://192.0.2.1/shop.example", "request", "dns.message"),
    ],
)
def test_what_a_monitor_needs_is_loaded_with_its_assignment(
    url: str, kind: str, needed: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, url, kind],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines() == ["", needed]
