"""The database: how large a result is, how long questions take, what the rollups cost.

    python -m bench.storing --days 30 --full-days 2 [--home DIR] [--part questions]

Of the world that bench.world fills: on a private server of its own, or on an empty database of a
superuser. With ``--home`` it is filled once, and asked again and again. Beside other work only the
processor's time means something: it is told of every question, of the one process that answers it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import click
import psycopg
from psycopg.sql import SQL, Identifier

from bench.process import cpu_s
from bench.table import conditions, show
from bench.world import DAY, HOUR, Connection, Shape, World, filled, shaped
from collector import log, wire
from collector.db import AsyncConnection
from collector.migrate import migrate
from collector.upkeep import Upkeep
from dashboard.queries import statements as pages
from tests.support import seed
from tests.support.collector import result
from tests.support.rows import named

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
UNPACED_S = 5  # storing alone, and beside upkeep, as fast as it goes
PARTS = ("size", "questions", "storing", "upkeep")
SIZED = ("results", "rollups_1h", "totals_1h", "medians")
# Where what is stored for measuring ends up, and the column that says when.
FORGOTTEN = {
    "results": "slot_at",
    "rollups_1h": "bucket_at",
    "totals_1h": "bucket_at",
    "monitors_1h": "bucket_at",
    "rollups_1d": "bucket_at",
    "medians": "bucket_at",
    "standings": None,
}
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

STATEMENTS = seed.statements(Path(__file__).with_suffix(".sql"))


@click.command(context_settings={"show_default": True})
@shaped
@click.option("--runs", type=click.IntRange(5), default=50, help="Of each question.")
@click.option("--seconds", type=click.IntRange(5), default=30, help="Of each run of storing.")
@click.option("--database", help="URL of an empty database, as a superuser.  [default: an own one]")
@click.option("--part", "parts", type=click.Choice(PARTS), multiple=True, default=PARTS)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(
    home: Path | None,
    runs: int,
    seconds: int,
    database: str | None,
    parts: tuple[str, ...],
    as_json: bool,
    **sizes: int,
) -> None:
    """Load, then measure size, questions, storing and upkeep."""
    log.configure("warning")
    found: dict[str, Any] = {"conditions": conditions()}
    with filled(Shape(**sizes), home=home, database=database) as world:
        if "size" in parts:
            found["size"] = {name: size(world, name) for name in SIZED}
        if "questions" in parts:
            found["questions"] = ask(world, runs)
        if "storing" in parts:
            found["storing"] = stored_before_and_after(world, seconds)
        if "upkeep" in parts:
            found["upkeep"] = []
            later_us = _later_us(world)
            for monitors in (world.shape.monitors, 60 * RATE // world.shape.locations):
                with forgetting(world):
                    kept = asyncio.run(_upkeep(world, monitors, seconds, later_us))
                    found["upkeep"].append(kept)
        if "questions" in parts and is_full_edition(world):
            compress(world)
            found["size_compressed"] = {"results": size(world, "results")}
            found["questions_compressed"] = ask(world, runs)
    if as_json:
        click.echo(json.dumps(found, indent=2, default=str))
    else:
        _show(found)


def is_full_edition(world: World) -> bool:
    with world.connect() as connection:
        return connection.execute("SHOW timescaledb.license").fetchone() == ("timescale",)


def size(world: World, relation: str) -> dict[str, float]:
    """Bytes a row: of the table itself, with its indexes and all."""
    with world.connect() as connection:
        [(heap, indexes, total)] = _run(connection, "size", relation=f"vantage.{relation}")
        [(rows,)] = connection.execute(f"SELECT count(*) FROM vantage.{relation}".encode())
    return {"rows": rows, "heap": heap / rows, "indexes": indexes / rows, "total": total / rows}


def compress(world: World) -> None:
    """Every day that is over."""
    with world.connect() as connection:
        for (chunk,) in _run(connection, "chunks_over", relation="results"):
            connection.execute("SELECT compress_chunk(%s::regclass)", [chunk])
        connection.execute("VACUUM (ANALYZE) vantage.results")


def ask(world: World, runs: int) -> dict[str, dict[str, float]]:
    """Milliseconds of every question, asked as the report centre does."""
    to_at = world.last_hour()
    asked = {
        name.removeprefix("ask "): (text, {"to_at": to_at})
        for name, text in STATEMENTS.items()
        if name.startswith("ask ")
    }
    for page, parts in PAGES.items():
        for name, days, bucket in parts:
            asked[f"{page}: {name}, {days} d"] = pages()[name], _of_page(world, to_at, days, bucket)
    with world.connect() as connection:
        # As the report centre sees it: through its views, with an account.
        connection.execute("SET max_parallel_workers_per_gather = 0")
        connection.execute("SET ROLE vantage_dashboard")
        connection.execute("SELECT set_config('vantage.account_id', '1', false)")
        answered = {}
        for name, (text, parameters) in asked.items():
            for _ in range(2):
                connection.execute(text.encode(), parameters).fetchall()
            before, took = cpu_s(connection.info.backend_pid), []
            for _ in range(runs):
                began = time.perf_counter()
                connection.execute(text.encode(), parameters).fetchall()
                took.append((time.perf_counter() - began) * 1000)
            spent = cpu_s(connection.info.backend_pid) - before
            answered[name] = {
                "processor_ms": spent / runs * 1000,
                "p50_ms": statistics.median(took),
                "p95_ms": sorted(took)[int(len(took) * 0.95) - 1],
            }
    return answered


def _of_page(world: World, to_at: datetime, days: int, bucket: timedelta) -> dict[str, Any]:
    return {
        "monitor_id": 7,
        "monitor_ids": list(range(1, world.shape.monitors + 1)),
        "locations": [f"l{n}" for n in range(1, world.shape.locations + 1)],
        "from_at": to_at - days * DAY,
        "to_at": to_at,
        "settled_at": to_at,
        "bucket": bucket,
    }


def stored_before_and_after(world: World, seconds: int) -> dict[str, float]:
    """How fast results are stored in an empty table, and in one that is full; by turns, twice."""
    shape, empty, full = world.shape, [], []
    with empty_database(world.url) as url:
        for _ in range(2):
            empty.append(_store(url, shape.monitors, shape.locations, seconds, None))
            with world.connect() as connection:
                before = _wal(connection)
                full.append(
                    _store(
                        world.url, shape.monitors, shape.locations, seconds, None, shape.monitors
                    )
                )
                wal = _wal(connection) - before
    results = world_results(world)
    return {
        "results_there": results,
        "per_s_empty": statistics.mean(each.per_s for each in empty),
        "per_s_full": statistics.mean(each.per_s for each in full),
        "ratio": sum(each.per_s for each in full) / sum(each.per_s for each in empty),
        "us_empty": statistics.mean(each.us_per_result for each in empty),
        "us_full": statistics.mean(each.us_per_result for each in full),
        "wal_bytes_per_result": wal / full[-1].results,
    }


def world_results(world: World) -> int:
    with world.connect() as connection:
        row = connection.execute("SELECT approximate_row_count('vantage.results')").fetchone()
    assert row is not None
    return int(row[0])


@contextlib.contextmanager
def empty_database(url: str) -> Iterator[str]:
    """Another database on the same server, with the schema and nothing in it."""
    parts = urlsplit(url)
    fields = urlencode(dict(parse_qsl(parts.query)), quote_via=quote)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS bench_empty")
        connection.execute("CREATE DATABASE bench_empty")
        try:
            made = f"{parts.scheme}://{parts.netloc}/bench_empty?{fields}"
            migrate(made)
            yield made
        finally:
            connection.execute("DROP DATABASE bench_empty WITH (FORCE)")


@contextlib.contextmanager
def forgetting(world: World) -> Iterator[Connection]:
    """Then remove what was stored, and what was made of it: all of monitors that there are not."""
    with world.connect() as connection:
        try:
            yield connection
        finally:
            connection.execute("DELETE FROM vantage.ingested")
            for relation, instant in FORGOTTEN.items():
                since = f" AND {instant} >= date_trunc('day', now())" if instant else ""
                text = f"DELETE FROM vantage.{relation} WHERE monitor_id > %s{since}"
                connection.execute(text.encode(), [world.shape.monitors])
                newest = _run(connection, "newest_chunk", relation=relation)
                name = newest[0][0] if newest else f"vantage.{relation}"
                connection.execute(f"VACUUM (ANALYZE) {name}".encode())


def _run(connection: Connection, name: str, **parameters: object) -> list[Any]:
    return connection.execute(STATEMENTS[name].encode(), parameters).fetchall()


def _wal(connection: Connection) -> int:
    row = connection.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')")
    return int(row.fetchall()[0][0])


class Timed(Upkeep):
    """Upkeep that tells what it took of its server process's time, in seconds."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.is_settled = asyncio.Event()
        self.pid = 0
        self.later_s = 0.0

    async def lead(self, connection: AsyncConnection) -> bool:
        self.pid = connection.info.backend_pid
        return await super().lead(connection)

    async def sum_up(self, connection: AsyncConnection, step: str) -> None:
        before = cpu_s(self.pid)
        await super().sum_up(connection, step)
        self.later_s += cpu_s(self.pid) - before

    async def drop_expired(self, connection: AsyncConnection) -> None:
        """The last of what is done once an hour."""
        await super().drop_expired(connection)
        self.is_settled.set()

    def spent_s(self) -> float:
        """On what arrived, so far."""
        return cpu_s(self.pid) - self.later_s


async def _upkeep(
    world: World, monitors: int, seconds: int, later_us: tuple[float, float]
) -> dict[str, Any]:
    """What keeping the rollups costs while results come at RATE, and as fast as they can.

    ``later_us``: and what a result costs later.
    """
    url, locations, after = world.url, world.shape.locations, world.shape.monitors

    async def store(for_s: int, rate: int | None) -> Stored:
        return await asyncio.to_thread(_store, url, monitors, locations, for_s, rate, after)

    alone = await store(UNPACED_S, None)
    async with _kept(url) as upkeep:
        both = await store(UNPACED_S, None)
        await _until_done(url)
        before = upkeep.spent_s()
        lags: list[float] = []
        stop = threading.Event()
        watch = asyncio.create_task(asyncio.to_thread(_watch, url, lags, stop))
        paced = await store(seconds, RATE)
        stop.set()
        await watch
        await _until_done(url)
        us = (upkeep.spent_s() - before) / paced.results * 1e6
    return {
        "pairs": monitors * locations,
        "us_per_result": us,
        "us_of_medians": later_us[0],
        "us_of_hour": later_us[1],
        "share_of_a_core": (us + sum(later_us)) / 1e6 * RATE,
        "lag_s_p99": sorted(lags)[int(len(lags) * 0.99) - 1],
        "stored_per_s_alone": alone.per_s,
        "stored_per_s_beside_upkeep": both.per_s,
    }


def _later_us(world: World) -> tuple[float, float]:
    """What a result costs when its ten minutes and its hour are over: of the last one, undone."""
    hour_at = world.last_hour() - HOUR
    us = []
    with world.connect() as connection, connection.transaction(force_rollback=True):
        results = _run(connection, "hour_again", hour_at=hour_at)[0][0]
        for step in ("sum_up_medians", "sum_up_hour"):
            before = cpu_s(connection.info.backend_pid)
            while _run(connection, step, to_at=hour_at + HOUR):
                pass
            us.append((cpu_s(connection.info.backend_pid) - before) / results * 1e6)
    return us[0], us[1]


@contextlib.asynccontextmanager
async def _kept(url: str) -> AsyncIterator[Timed]:
    """The collector's upkeep, running."""
    upkeep = Timed(url)
    task = asyncio.create_task(upkeep.run())
    try:
        await upkeep.is_settled.wait()
        yield upkeep
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


def _store(
    url: str, monitors: int, locations: int, seconds: int, rate: int | None, after: int = 0
) -> Stored:
    """COPY batches of 1,000 as the collector does, with ``rate`` or as fast as it goes.

    ``after``: the monitors' ids are greater.
    """
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
                    batch["monitor_id"] = after + (turn * 1_000 + n) % monitors + 1
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
        return Stored(stored, took_s, cpu_s(connection.info.backend_pid))


def _copy(table: str, columns: list[str]) -> Any:
    return SQL("COPY vantage.{} ({}) FROM STDIN (FORMAT BINARY)").format(
        Identifier(table), SQL(", ").join(map(Identifier, columns))
    )


def _show(found: Mapping[str, Any]) -> None:
    click.echo(", ".join(f"{name} {value}" for name, value in found["conditions"].items()))
    if part := found.get("storing"):
        show("Storing", list(part), [list(part.values())])
    sizes = [
        [title, *found[part][title].values()]
        for part in ("size", "size_compressed")
        for title in found.get(part, {})
    ]
    if sizes:
        show("Bytes a row", ["table", "rows", "heap", "indexes", "total"], sizes)
    for part in ("questions", "questions_compressed"):
        if part in found:
            rows = [[name, *times.values()] for name, times in found[part].items()]
            show(f"Milliseconds ({part})", ["question", "processor", "p50", "p95"], rows)
    if kept := found.get("upkeep"):
        show("Upkeep", list(kept[0]), [list(each.values()) for each in kept])


if __name__ == "__main__":
    main()
