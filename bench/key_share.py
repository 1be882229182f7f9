"""What the key share X25519MLKEM768 costs a handshake, with servers that choose it and others.

    python -m bench.key_share [--rounds N] [--json]

Two probers in one thread take turns, one as shipped and one that offers X25519 only; CPU is the
thread's own. The server that chooses it is the same program with the OpenSSL that pycurl brings.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from statistics import median
from time import thread_time
from unittest import mock

import pycurl
import uvloop

from agent import log, transfer
from agent.probe import Prober
from agent.result import Monitor
from bench.table import conditions, show
from bench.target import cores, serving

PROBES = 40
SHARES = {"X25519MLKEM768 and X25519, as shipped": "", "X25519": "X25519:P-256"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print JSON, and no table")
    options = parser.parse_args()
    log.configure("error")
    beside = conditions()
    os.sched_setaffinity(0, {cores()[0]})
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for chooses in (True, False):
            folder = Path(name) / str(chooses)
            folder.mkdir()
            with _libraries(folder, chooses), serving(folder) as target:
                os.environ["SSL_CERT_FILE"] = str(target.authorities)
                rows += uvloop.run(_measured(target.https, chooses, options.rounds))
    headings = ("server chooses", "offered", "CPU us a probe", "to X25519", "tls_us, median")
    if options.json:
        found = [dict(zip(headings, row, strict=True)) for row in rows]
        print(json.dumps({"beside": beside, "rows": found}))
        return
    show(f"Cost of a key share: {beside}", headings, rows)


@contextmanager
def _libraries(folder: Path, is_new: bool) -> Iterator[None]:
    """Have the server use the OpenSSL that pycurl brings, which knows the share."""
    if not is_new:
        yield
        return
    bundled = next(Path(pycurl.__file__).parents[1].glob("pycurl.libs"))
    for name in ("libssl", "libcrypto"):
        (folder / f"{name}.so.3").symlink_to(next(bundled.glob(f"{name}-*.so*")))
    with mock.patch.dict(os.environ, LD_LIBRARY_PATH=str(folder)):
        yield


async def _measured(url: str, chooses: bool, rounds: int) -> list[tuple[object, ...]]:
    probers = {offered: _prober(curves) for offered, curves in SHARES.items()}
    spent: dict[str, list[float]] = {offered: [] for offered in SHARES}
    took: dict[str, list[int]] = {offered: [] for offered in SHARES}
    for number in range(rounds + 1):
        for offered, prober in probers.items():
            began = thread_time()
            results = [await prober.probe(Monitor(1, url)) for _ in range(PROBES)]
            cpu_us = (thread_time() - began) / PROBES * 1e6
            if any(each.failure for each in results):
                raise SystemExit(f"A probe failed: {results[0].failure}.")
            if number:
                spent[offered].append(cpu_us)
                took[offered] += [each.exchanges[0].phases.tls_us or 0 for each in results]
    for prober in probers.values():
        await prober.close()
    least = spent["X25519"]
    return [
        (
            "X25519MLKEM768, if offered" if chooses else "X25519",
            offered,
            median(each),
            median(mine / theirs for mine, theirs in zip(each, least, strict=True)),
            median(took[offered]),
        )
        for offered, each in spent.items()
    ]


def _prober(curves: str) -> Prober:
    """Make a prober whose handles offer ``curves``; empty: what they always do."""
    prober = Prober(allow_networks=[ip_network("127.0.0.0/8")])
    if curves:
        made = prober._engine._new_handle

        def offering() -> transfer.Handle:
            handle = made()
            handle.curl.setopt(pycurl.SSL_EC_CURVES, curves)
            return handle

        prober._engine._new_handle = offering  # type: ignore[method-assign]
    return prober


if __name__ == "__main__":
    main()
