"""Results beyond what real probes make: put into an agent's writer, as its probing thread would.

The file VANTAGE_LOAD holds how many a second and of which monitors: `2000 17 18 19`. It may change.
"""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

from agent.writer import Writer
from vantage.v1 import result_pb2

PERIOD_S = 0.02
# No two of them are equal: their times are how the history tells results apart.
SPAN_US = 2**24


class LoadedWriter(Writer):
    """Writes what a made-up load brings besides what is measured."""

    file: Path

    def run(self) -> None:
        threading.Thread(target=self.load, name="load", daemon=True).start()
        super().run()

    def load(self) -> None:
        dice = random.Random()
        due = 0.0
        while True:
            time.sleep(PERIOD_S)
            rate, *monitors = map(int, self.file.read_text().split())
            due = min(due + rate * PERIOD_S, rate) if monitors else 0.0
            while due >= 1 and self.is_ready:
                self.put(made(dice.choice(monitors), dice))
                due -= 1


def made(monitor_id: int, dice: random.Random) -> bytes:
    now_us = time.time_ns() // 1000
    total_us = dice.randrange(SPAN_US)
    exchange = result_pb2.Exchange(
        url="http://127.0.0.1:1/",
        phases=result_pb2.Phases(connect_us=0, send_us=0, wait_us=total_us, receive_us=0),
        total_us=total_us,
        http_status=200,
        http_version="1.1",
        target_ip=bytes([127, 0, 0, 1]),
        target_port=1,
    )
    return result_pb2.Result(
        monitor_id=monitor_id,
        slot_at_us=now_us,
        started_at_us=now_us,
        outcome=result_pb2.OUTCOME_UP,
        exchanges=[exchange],
        total_us=total_us,
        delay_us=dice.randrange(SPAN_US),
    ).SerializeToString()
