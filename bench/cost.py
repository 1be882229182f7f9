"""What a probe costs: CPU of the whole agent against a C program that only fetches, and peers.

    python -m bench.cost [--seconds S] [--rounds N] [--in-flight N] [--python PATH] [--json]

Every contender fetches the same two URLs, in turn, on one core, with a new connection (and a full
TLS 1.3 handshake) each time; the server has another core. The C program (multi.c) is compiled here
and linked with the very libcurl that the agent uses, so what is compared is all that is not
libcurl. A ratio is to the C program of the same round; the median of the rounds is shown.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import pycurl

from bench.exporter import Exporter, running_exporter
from bench.table import conditions, show
from bench.target import Target, cores, pinned, serving

HERE = Path(__file__).parent
NAMES = {
    "multi": "C, libcurl multi on epoll",
    "prober": "agent: probing alone",
    "agent": "agent: schedule, probe, encode, spool",
    "paced": "the same at half of what it can do",
    "aiohttp": "aiohttp on uvloop",
    "httpx": "httpx on uvloop",
    "blackbox": "prometheus-blackbox-exporter",
}
# Fetches a URL, as often as it can in so many seconds; returns CPU per fetch in us.
Contender = Callable[[str], float]


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as name, ExitStack() as opened:
        folder = Path(name)
        beside = conditions()
        target = opened.enter_context(serving(folder))
        contenders = opened.enter_context(_contenders(folder, target, options))
        if options.only:
            named = {"multi", *options.only.split(",")}
            contenders = {name: each for name, each in contenders.items() if name in named}
        found = _rounds(contenders, target, options.rounds)
    _report(found, {**beside, "server": target.server, **vars(options)})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.8, help="length of each run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--in-flight", type=int, default=50)
    parser.add_argument("--only", default="", help="only these, parted by commas, and C")
    parser.add_argument("--python", default=sys.executable, help="runs what is in Python")
    parser.add_argument("--json", action="store_true", help="print JSON, and no table")
    return parser.parse_args()


@contextmanager
def _contenders(
    folder: Path, target: Target, options: argparse.Namespace
) -> Iterator[dict[str, Contender]]:
    """Make ready whatever is installed; say what is not, and how it would be."""
    multi = _compiled(folder)
    core, _ = cores()

    def run(command: list[str]) -> Contender:
        def fetch(url: str) -> float:
            rest = [url, str(options.seconds), str(options.in_flight), str(target.authorities)]
            return _cpu_us(subprocess.check_output(pinned(core, [*command, *rest]), text=True))

        return fetch

    contenders: dict[str, Contender] = {}
    if multi is not None:
        contenders["multi"] = run([str(multi)])
    for name in ("prober", "agent", "paced", "aiohttp", "httpx"):
        if name in ("aiohttp", "httpx") and importlib.util.find_spec(name) is None:
            _say(f"{name} is not installed (pip install {name}).")
        else:
            contenders[name] = run([options.python, "-m", "bench.contender", name])
    with running_exporter(folder, target.authority, core) as exporter:
        if exporter is not None and multi is not None:
            contenders["blackbox"] = _exporting(exporter, multi, target, options)
        yield contenders


def _exporting(
    exporter: Exporter, multi: Path, target: Target, options: argparse.Namespace
) -> Contender:
    """Have the C program ask the exporter, from the other core, for probe after probe."""

    def probe(url: str) -> float:
        ask = f"http://127.0.0.1:{exporter.port}{exporter.asking(url)}"
        command = [str(multi), ask, str(options.seconds), str(options.in_flight)]
        command.append(str(target.authorities))
        before_s = exporter.cpu_s()
        output = subprocess.check_output(pinned(cores()[1], command), text=True)
        used_us = (exporter.cpu_s() - before_s) * 1e6
        # The driver does not count its first fetches, of which the exporter has had as many.
        return float(used_us / (int(output.split()[0]) + options.in_flight))

    return probe


def _compiled(folder: Path) -> Path | None:
    """Compile multi.c against the libcurl that pycurl brings, or say what that needs."""
    bundled = sorted(Path(pycurl.__file__).parents[1].glob("pycurl.libs/libcurl-*.so*"))
    libraries = [str(bundled[0]), f"-Wl,-rpath,{bundled[0].parent}"] if bundled else ["-lcurl"]
    program = folder / "multi"
    command = ["cc", "-O2", "-o", str(program), str(HERE / "multi.c"), *libraries]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        _say("The C program cannot be compiled (apt-get install gcc libcurl4-openssl-dev).")
        return None
    return program


def _cpu_us(output: str) -> float:
    if output.startswith("{"):
        found = json.loads(output)
        done, failed, cpu_us = found["done"], found["failed"], found["cpu_us"]
    else:
        done, failed, all_us, _ = map(float, output.split())
        cpu_us = all_us / max(1, done)
    if failed or not done:
        raise SystemExit(f"{failed:.0f} of {done:.0f} fetches failed: nothing was measured.")
    return float(cpu_us)


def _rounds(
    contenders: dict[str, Contender], target: Target, rounds: int
) -> dict[str, dict[str, list[float]]]:
    found: dict[str, dict[str, list[float]]] = {
        name: {"http": [], "https": []} for name in contenders
    }
    for _ in range(rounds):
        for scheme, url in (("http", target.http), ("https", target.https)):
            for name, fetch in contenders.items():
                found[name][scheme].append(fetch(url))
    return found


def _report(found: dict[str, dict[str, list[float]]], beside: dict[str, object]) -> None:
    rows = []
    for name, costs in found.items():
        row: list[object] = [NAMES[name]]
        for scheme in ("http", "https"):
            row.append(median(costs[scheme]))
            reference = found.get("multi", {}).get(scheme)
            pairs = zip(costs[scheme], reference or (), strict=False)
            row.append(median(mine / least for mine, least in pairs) if reference else None)
        rows.append(row)
    if beside["json"]:
        print(json.dumps({"beside": beside, "cpu_us": found}))
        return
    headings = ["CPU per fetch, us", "HTTP", "to C", "HTTPS", "to C"]
    show(f"Cost of a probe: {beside}", headings, rows)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)


if __name__ == "__main__":
    main()
