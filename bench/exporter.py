"""prometheus-blackbox-exporter, where it is installed: the peer whose probes ours stand beside."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bench.target import pinned
from tests.support.processes import answers, free_port, wait_until

# Only the one module: it reads the file anew for every probe.
_CONFIGURATION = """
modules:
  fetch:
    prober: http
    timeout: 10s
    http: {preferred_ip_protocol: ip4, tls_config: {ca_file: AUTHORITY}}
"""


@dataclass(frozen=True, slots=True)
class Exporter:
    """One that runs, on a processor of its own."""

    pid: int
    port: int

    def asking(self, target: str, hostname: str = "") -> str:
        """Return what to ask it for one probe, after its address; ``hostname``: in the request."""
        named = f"&hostname={hostname}" if hostname else ""
        return f"/probe?module=fetch{named}&target={quote(target, safe='')}"

    def threads(self) -> list[int]:
        return [int(each.name) for each in Path(f"/proc/{self.pid}/task").iterdir()]

    def cpu_s(self) -> float:
        """User and system time that it has ever taken; see clock_getcpuclockid(3)."""
        return time.clock_gettime((~self.pid << 3) | 2)


@contextmanager
def running_exporter(folder: Path, authority: Path, core: int) -> Iterator[Exporter | None]:
    """Run one that trusts ``authority``; None: it is not installed."""
    program = shutil.which("prometheus-blackbox-exporter")
    if program is None:
        print("prometheus-blackbox-exporter is not run (apt-get install it).", file=sys.stderr)
        yield None
        return
    configuration = folder / "blackbox.yml"
    configuration.write_text(_CONFIGURATION.replace("AUTHORITY", str(authority)))
    port = free_port()
    command = [program, f"--config.file={configuration}", "--log.level=error"]
    command.append(f"--web.listen-address=127.0.0.1:{port}")
    process = subprocess.Popen(pinned(core, command), env={**os.environ, "GOMAXPROCS": "1"})
    try:
        wait_until(lambda: answers(port), seconds=10, what="the exporter")
        yield Exporter(process.pid, port)
    finally:
        process.terminate()
        process.wait()
