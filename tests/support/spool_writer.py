"""A process that appends to a spool until it is killed, and says what is durable.

`spool_writer.py kill DIRECTORY ROUNDS`: kills one child after another at random moments; prints
a line `<directory> <last durable>` for each.
`spool_writer.py full DIRECTORY BYTES`: appends under a limit on file size, past it; prints what
the last append said was durable.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import sys
import time
from pathlib import Path

from agent.spool import Spool


def payload(seq: int) -> bytes:
    return b"%d/" % seq + bytes(seq % 256 for _ in range(1 + seq * 7 % 300))


def append_for_ever(directory: Path, pipe: int) -> None:
    spool = Spool(directory, segment_bytes=20_000)
    seq = 0
    while True:
        count = random.randint(1, 40)
        spool.append([payload(n) for n in range(seq + 1, seq + count + 1)])
        seq += count
        os.write(pipe, b"%d\n" % seq)


def kill(directory: Path, rounds: int) -> None:
    for number in range(rounds):
        place = directory / str(number)
        place.mkdir()
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            append_for_ever(place, writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as said:
            first = said.readline()
            time.sleep(random.random() * 0.01)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            lines = (first + said.read()).splitlines()
        print(place, int(lines[-1]), flush=True)


def full(directory: Path, limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    spool = Spool(directory)
    for seq in range(1, 301):
        spool.append([payload(seq)])
    print(spool.running.last_seq)


if __name__ == "__main__":
    {"kill": kill, "full": full}[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
