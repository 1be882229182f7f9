"""The database: how large a result is, how long questions take, what the rollups cost.

    python -m bench.storing --days 30 --full-days 3

Loads monitors x locations x one result a minute: the last ``--full-days`` in full, the days before
as rollups alone. On a private server of its own, or on an empty database of a superuser; one that a
run before has loaded is asked again. Beside other work only the processor's time means something:
it is told of every question, of the one process that answers it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import click
import psycopg
from psycopg.sql import SQL, Identifier

from bench.table import conditions, show
from collector import wire
from collector.local_db import LocalDatabase
from collector.migrate import migrate
from collector.private_server import default_cache, ensure_server
from collector.progress import silent
from collector.upkeep import Upkeep
from dashboard.queries import statements as pages
from tests.support.collector import result
from tests.support.database import temporary_home
from tests.support.rows import named

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
INGESTED_COLUMNS = {
    "from_slot_at": "int8",
    "to_slot_at": "int8",
    "agent_id": "bytea",
    "results": "int4",
    "location": "text",
}
POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
INSTANTS = ("slot_at", "started_at")  # COPY takes them as numbers
AGENT = bytes(16)
RATE = 5_000  # results a second, at which upkeep is measured
SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "8GB", "work_mem": "32MB"}
SIZED = ("results", "rollups_1h", "medians")
PAGES = {
    "overview": (("watched", 1, HOUR), ("standings", 1, HOUR), ("day", 1, HOUR)),
    "monitor": (
        ("monitor_stats_1h", 1, HOUR),
        ("series_10m", 1, HOUR / 6),
        ("heat_10m", 1, HOUR / 2),
        ("bands_1h", 1, HOUR),
        ("series_1h", 7, HOUR),
        ("monitor_stats_1h", 30, HOUR),
        ("series_1h", 30, 3 * HOUR),
        ("heat_1h", 30, 3 * HOUR),
        ("bands_1h", 30, 3 * HOUR),
    ),
}
"""The report centre's statements by page: of how many days, and in buckets of which width."""

Connection = psycopg.Connection[Any]


def statements() -> Mapping[str, str]:
    """The blocks of storing.sql by name."""
    text = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    blocks = re.split(r"^-- ([\w ]+) --$", text, flags=re.MULTILINE)
    return dict(zip(blocks[1::2], blocks[2::2], strict=True))


@click.command(context_settings={"show_default": True})
@click.option("--monitors", type=click.IntRange(10), default=100)
@click.option("--locations", type=click.IntRange(1), default=20)
@click.option("--days", type=click.IntRange(2, 365), default=30, help="Of hours, summed up.")
@click.option("--full-days", type=click.IntRange(1, 35), default=2, help="Of results in full.")
@click.option("--runs", type=click.IntRange(5), default=50, help="Of each question.")
@click.option("--seconds", type=click.IntRange(5), default=30, help="Of each run of storing.")
@click.option("--database", help="URL of an empty database, as a superuser.  [default: an own one]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(
    monitors: int,
    locations: int,
    days: int,
    full_days: int,
    runs: int,
    seconds: int,
    database: str | None,
    as_json: bool,
) -> None:
    """Load, then measure size, questions and upkeep."""
    found: dict[str, Any] = {"conditions": conditions()}
    with _server(database) as url:
        migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            world, before = World(connection, monitors, locations), None
            if not world.is_loaded:
                before = _store(url, monitors, locations, seconds, None)
                connection.execute("TRUNCATE vantage.results, vantage.ingested")
                found["load"] = world.load(days, full_days)
                found["storing"] = _compared(
                    before, _store(url, monitors, locations, seconds, None)
                )
            found["size"] = {name: world.size(name) for name in SIZED}
            found["questions"] = world.ask(url, runs)
            if world.is_full_edition:
                world.compress()
                found["size_compressed"] = {"results": world.size("results")}
                found["questions_compressed"] = world.ask(url, runs)
            if before:
                full = _store(url, monitors, locations, seconds, None)
                found["storing"] = _compared(before, full)
            found["upkeep"] = [
                asyncio.run(_upkeep(url, each, locations, seconds))
                for each in (monitors, 60 * RATE // locations)
            ]
    if as_json:
        click.echo(json.dumps(found, indent=2, default=str))
    else:
        _show(found)


@contextlib.contextmanager
def _server(url: str | None) -> Iterator[str]:
    if url is not None:
        yield url
        return
    server = ensure_server(cache=default_cache(), progress=silent)
    with temporary_home(on_disk=True) as home:
        local = LocalDatabase(home, server, settings=SETTINGS)
        local.initialise()
        try:
            local.popen()
            local.wait_ready()
            local.create_database()
            yield local.url()
        finally:
            local.stop()


class World:
    """One account's monitors, and what was measured of them up to the last whole hour."""

    def __init__(self, connection: Connection, monitors: int, locations: int) -> None:
        self.connection = connection
        self.monitors, self.locations = monitors, locations
        self.to_at = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        self.statements = statements()

    @property
    def pairs(self) -> int:
        return self.monitors * self.locations

    @property
    def is_full_edition(self) -> bool:
        row = self.connection.execute("SHOW timescaledb.license").fetchone()
        return row == ("timescale",)

    @property
    def is_loaded(self) -> bool:
        row = self.connection.execute("SELECT max(slot_at) FROM vantage.results").fetchone()
        if row is None or row[0] is None:
            return False
        last_at: datetime = row[0]
        self.to_at = last_at.replace(minute=0, second=0, microsecond=0) + HOUR
        return True

    def load(self, shown_days: int, full_days: int) -> dict[str, Any]:
        """Results of the last days, and their rollups; then the rollups of the days before."""
        sizes = {"monitors": self.monitors, "locations": self.locations}
        self._run("world", **sizes, since=self.to_at - 366 * DAY)
        first_day = self.to_at.replace(hour=0) - full_days * DAY
        medians_at = max(first_day, self.to_at - 8 * DAY)
        self._run("progress", days_to_at=first_day + full_days * DAY, medians_at=medians_at)
        began, before = time.perf_counter(), self._wal()
        hours = int((self.to_at - first_day) / HOUR)
        with click.progressbar(range(hours), label="Loading", file=sys.stderr) as bar:
            for hour in bar:
                self._run("hour", **sizes, begin=first_day + hour * HOUR)
        loaded, wal = time.perf_counter() - began, self._wal() - before
        self.connection.execute("VACUUM (ANALYZE) vantage.results")
        days = range(full_days + 1)
        with click.progressbar(days, label="Summing up", file=sys.stderr) as bar:
            for day in bar:
                self._sum_up(first_day + day * DAY)
        self._run("standings")
        while self._run("medians") != [(None,)]:
            pass
        self._before("rollups_1h", first_day, shown_days - full_days)
        self._before("rollups_1d", first_day, 365)
        for rollup in ("rollups_1h", "rollups_1d", "medians", "standings"):
            self.connection.execute(f"VACUUM (ANALYZE) vantage.{rollup}".encode())
        results = hours * 60 * self.pairs
        return {
            "results": results,
            "wal_bytes_per_result": wal / results,
            "inserted_per_s": results / loaded,
        }

    def _sum_up(self, day: datetime) -> None:
        with self.connection.transaction():
            self.connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            self.connection.execute("SELECT vantage.rebuild_rollups(%s, %s)", [day, day + DAY])

    def size(self, relation: str) -> dict[str, float]:
        """Bytes a row: of the table itself, with its indexes and all."""
        [(heap, indexes, total)] = self._run("size", relation=f"vantage.{relation}")
        [(rows,)] = self.connection.execute(f"SELECT count(*) FROM vantage.{relation}".encode())
        return {"rows": rows, "heap": heap / rows, "indexes": indexes / rows, "total": total / rows}

    def compress(self) -> None:
        for (chunk,) in self._run("chunks", relation="results"):
            self.connection.execute("SELECT compress_chunk(%s::regclass)", [chunk])
        self.connection.execute("VACUUM (ANALYZE) vantage.results")

    def ask(self, url: str, runs: int) -> dict[str, dict[str, float]]:
        """Milliseconds of every question, asked as the report centre does."""
        asked = {
            name.removeprefix("ask "): (text, {"to_at": self.to_at})
            for name, text in self.statements.items()
            if name.startswith("ask ")
        }
        for page, parts in PAGES.items():
            for name, days, bucket in parts:
                asked[f"{page}: {name}, {days} d"] = pages()[name], self._page(days, bucket)
        with psycopg.connect(url, autocommit=True) as connection:
            # As the report centre sees it: through its views, with an account.
            connection.execute("SET max_parallel_workers_per_gather = 0")
            connection.execute("SET ROLE vantage_dashboard")
            connection.execute("SELECT set_config('vantage.account_id', '1', false)")
            answered = {}
            for name, (text, parameters) in asked.items():
                if "vantage.availability" in text:
                    text = text.replace("vantage.availability", "report.availability")
                for _ in range(2):
                    connection.execute(text.encode(), parameters).fetchall()
                before, took = _processor_s(connection.info.backend_pid), []
                for _ in range(runs):
                    began = time.perf_counter()
                    connection.execute(text.encode(), parameters).fetchall()
                    took.append((time.perf_counter() - began) * 1000)
                spent = _processor_s(connection.info.backend_pid) - before
                answered[name] = {
                    "processor_ms": spent / runs * 1000,
                    "p50_ms": statistics.median(took),
                    "p95_ms": sorted(took)[int(len(took) * 0.95) - 1],
                }
        return answered

    def _page(self, days: int, bucket: timedelta) -> dict[str, Any]:
        return {
            "monitor_id": 7,
            "monitor_ids": list(range(1, self.monitors + 1)),
            "locations": [f"l{n}" for n in range(1, self.locations + 1)],
            "from_at": self.to_at - days * DAY,
            "to_at": self.to_at,
            "settled_at": self.to_at,
            "bucket": bucket,
        }

    def _before(self, rollup: str, first_day: datetime, days: int) -> None:
        columns = [
            row[0]
            for row in self.connection.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0",
                [f"vantage.{rollup}"],
            )
        ]
        shifted = ["bucket_at - make_interval(days => n)", *columns[1:]]
        assert columns[0] == "bucket_at"
        text = self.statements["before"].format(
            rollup=f"vantage.{rollup}", columns=", ".join(columns), shifted=", ".join(shifted)
        )
        self.connection.execute(text.encode(), {"days": days, "first_day": first_day})

    def _run(self, name: str, **parameters: object) -> list[Any]:
        text = self.statements[name]
        if ";" in text:
            with psycopg.ClientCursor(self.connection) as script:
                script.execute(text.encode(), parameters)
            return []
        cursor = self.connection.execute(text.encode(), parameters)
        return cursor.fetchall() if cursor.description else []

    def _wal(self) -> int:
        row = self.connection.execute("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")
        return int(row.fetchall()[0][0])


def _compared(before: Stored, after: Stored) -> dict[str, float]:
    """How fast results are stored in an empty table, and in one that is full."""
    return {
        "per_s_empty": before.per_s,
        "per_s_full": after.per_s,
        "ratio": after.per_s / before.per_s,
        "us_empty": before.us_per_result,
        "us_full": after.us_per_result,
    }


async def _upkeep(url: str, monitors: int, locations: int, seconds: int) -> dict[str, Any]:
    """What keeping the rollups costs while results come at RATE, and as fast as they can."""
    found: dict[str, Any] = {"pairs": monitors * locations}
    alone = await asyncio.to_thread(_store, url, monitors, locations, seconds, None)
    async with _kept(url) as keeper:
        both = await asyncio.to_thread(_store, url, monitors, locations, seconds, None)
        await _until_done(url)
        before = _processor_s(keeper)
        lags: list[float] = []
        stop = threading.Event()
        watch = asyncio.create_task(asyncio.to_thread(_watch, url, lags, stop))
        paced = await asyncio.to_thread(_store, url, monitors, locations, seconds, RATE)
        stop.set()
        await watch
        await _until_done(url)
        spent = _processor_s(keeper) - before
    found["stored_per_s_alone"] = alone.per_s
    found["stored_per_s_beside_upkeep"] = both.per_s
    found["us_per_result"] = spent / paced.results * 1e6
    found["share_of_a_core"] = spent / paced.results * RATE
    found["lag_s_p99"] = sorted(lags)[int(len(lags) * 0.99) - 1]
    return found


@contextlib.asynccontextmanager
async def _kept(url: str) -> Any:
    """The collector's upkeep, running; the process id of its server process."""
    upkeep = Upkeep(url)
    task = asyncio.create_task(upkeep.run())
    try:
        while True:
            await asyncio.sleep(0.2)
            with psycopg.connect(url) as connection:
                rows = connection.execute(
                    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
                    " AND objid = hashtext('vantage.upkeep')::bigint & 4294967295"
                ).fetchall()
            if rows:
                yield rows[0][0]
                return
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _until_done(url: str) -> None:
    while True:
        with psycopg.connect(url) as connection:
            row = connection.execute("SELECT batches FROM vantage.rollup_backlog").fetchone()
        if row == (0,):
            return
        await asyncio.sleep(0.5)


def _watch(url: str, lags: list[float], stop: threading.Event) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        while not stop.wait(0.2):
            row = connection.execute(
                "SELECT extract(epoch FROM lag)::float FROM vantage.rollup_backlog"
            ).fetchone()
            assert row is not None
            lags.append(row[0])


class Stored(NamedTuple):
    """``processor_s``: of the one server process that stored them."""

    results: int
    took_s: float
    processor_s: float

    @property
    def per_s(self) -> float:
        return self.results / self.took_s

    @property
    def us_per_result(self) -> float:
        return self.processor_s / self.results * 1e6


def _store(url: str, monitors: int, locations: int, seconds: int, rate: int | None) -> Stored:
    """COPY batches of 1,000 as the collector does, with ``rate`` or as fast as it goes."""
    columns = list(wire.RESULT_COLUMNS)
    stored = 0
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        message = wire.decode(result(1, 0))
        now_us = time.time_ns() // 1_000
        first, _ = wire.rows(message, wire.Origin(AGENT, "l1"), now_us)
        row = named(first, wire.RESULT_COLUMNS)
        began = time.perf_counter()
        while (now := time.perf_counter() - began) < seconds:
            if rate and stored > now * rate:
                time.sleep(0.01)
                continue
            slot_at = int((datetime.now(UTC) - POSTGRES_EPOCH) / timedelta(microseconds=1))
            turn, place = divmod(stored // 1_000, locations)
            location = f"l{place + 1}"
            batch = {**row, "location": location} | dict.fromkeys(INSTANTS, slot_at)
            with cursor.copy(_copy("results", columns)) as writer:
                writer.set_types(list(wire.RESULT_COLUMNS.values()))
                for n in range(1_000):
                    batch["monitor_id"] = (turn * 1_000 + n) % monitors + 1
                    writer.write_row([batch[name] for name in columns])
            told = list(INGESTED_COLUMNS)
            values = {
                "from_slot_at": slot_at,
                "to_slot_at": slot_at,
                "agent_id": AGENT,
                "results": 1_000,
                "location": location,
            }
            with cursor.copy(_copy("ingested", told)) as writer:
                writer.set_types(list(INGESTED_COLUMNS.values()))
                writer.write_row([values[name] for name in told])
            connection.commit()
            stored += 1_000
        took_s = time.perf_counter() - began
        return Stored(stored, took_s, _processor_s(connection.info.backend_pid))


def _copy(table: str, columns: list[str]) -> Any:
    return SQL("COPY vantage.{} ({}) FROM STDIN (FORMAT BINARY)").format(
        Identifier(table), SQL(", ").join(map(Identifier, columns))
    )


def _processor_s(pid: int) -> float:
    """User and system time of a process so far."""
    values = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(values[11]) + int(values[12])) / 100


def _show(found: Mapping[str, Any]) -> None:
    click.echo(", ".join(f"{name} {value}" for name, value in found["conditions"].items()))
    for title in ("load", "storing"):
        if part := found.get(title):
            show(title.capitalize(), list(part), [list(part.values())])
    sizes = [
        [title, *found[part][title].values()]
        for part in ("size", "size_compressed")
        for title in found.get(part, {})
    ]
    show("Bytes a row", ["table", "rows", "heap", "indexes", "total"], sizes)
    for part in ("questions", "questions_compressed"):
        if part in found:
            rows = [[name, *times.values()] for name, times in found[part].items()]
            show(f"Milliseconds ({part})", ["question", "processor", "p50", "p95"], rows)
    show("Upkeep", list(found["upkeep"][0]), [list(each.values()) for each in found["upkeep"]])


if __name__ == "__main__":
    main()
