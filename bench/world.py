"""One account's monitors over a year, for the benches of the database and of the report centre.

One day is drawn by lot and summed up as the collector does it. The other days are that one again,
shifted, rows and sums alike: a sum over a shifted day is the shifted sum. On the full edition a day
that its policy would have put into columns by now is, as soon as it is filled. A world that is kept
(``--home``) is filled once, goes on where it was interrupted, and is brought up to the present
whenever it is opened.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click
import psycopg

from collector.local_db import Settings
from collector.migrate import migrate
from tests.support import seed
from tests.support.database import fetched_server, running, temporary_home

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MEDIANS = 8  # days that medians are kept
YEAR = 365
AT_ONCE = 2  # days
EMAIL = "bench@example.com"
SETTINGS: Settings = {"shared_buffers": "1GB", "max_wal_size": "8GB", "work_mem": "32MB"}
# What is filled can be filled again.
FILLING: Settings = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": 0,
    "synchronous_commit": "off",
    "checkpoint_timeout": "30min",
    "autovacuum": "off",
    "timescaledb.max_background_workers": 0,  # a policy would compress days half filled
}
UNMOVED = ("cert_expires_at",)

Connection = psycopg.Connection[Any]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Shape:
    """``days`` of hours, the last ``full_days`` of them of results, too; before, a year of days."""

    monitors: int = 100
    locations: int = 20
    days: int = 35
    full_days: int = 35

    @property
    def pairs(self) -> int:
        return self.monitors * self.locations


STATEMENTS = seed.statements(Path(__file__).with_suffix(".sql"))


@contextlib.contextmanager
def filled(
    shape: Shape | None, *, home: Path | None, database: str | None = None
) -> Iterator[World]:
    """A world: kept in ``home``, in an empty database, or for this run alone.

    Of this shape. None: of whichever it has already.
    """
    if database is not None:
        world = World(database, shape)
        world.fill()
        world.catch_up()
        yield world
        return
    server = fetched_server()
    with contextlib.ExitStack() as stack:
        if home is None:
            home = stack.enter_context(temporary_home(on_disk=True))
        if not (mark := home / "filled").exists():
            with running(home, server, {**SETTINGS, **FILLING}) as local:
                local.create_database()
                World(local.url(), shape).fill()
            mark.touch()
        with running(home, server, SETTINGS) as local:
            local.create_database()
            world = World(local.url(), shape)
            world.catch_up()
            yield world


class World:
    """``first_day`` and ``today`` are midnights: of the first results, and when filling began."""

    def __init__(self, url: str, shape: Shape | None) -> None:
        self.url = url
        migrate(url)
        with self.connect() as connection:
            connection.execute(STATEMENTS["world"].encode())
            found = connection.execute("SELECT * FROM public.bench_world").fetchone()
            if found is None:
                if shape is None:
                    raise click.ClickException("Nothing is kept there: fill it with bench.world.")
                found = self._create(connection, shape)
        self.today, self.is_filled, *sizes = found
        self.shape = Shape(*sizes)
        if shape not in (None, self.shape):
            raise click.ClickException(f"What is kept is {self.shape}, not {shape}.")
        self.first_day: datetime = self.today - self.shape.full_days * DAY

    def connect(self) -> Connection:
        return psycopg.connect(self.url, autocommit=True)

    def _create(self, connection: Connection, shape: Shape) -> tuple[Any, ...]:
        sizes = asdict(shape)
        today = _midnight(datetime.now(UTC))
        values = {
            **sizes,
            "since": today - (YEAR + 1) * DAY,
            "email": EMAIL,
            "password_hash": seed.HASHER.hash(seed.PASSWORD),
        }
        with connection.transaction():
            for name in ("places", "account", "monitors", "assignments", "definitions"):
                run(connection, name, **values)
            connection.execute(
                "INSERT INTO public.bench_world VALUES (%s, false, %s, %s, %s, %s)",
                [today, *sizes.values()],
            )
        return today, False, *sizes.values()

    def fill(self) -> None:
        """Everything up to today, except what is there."""
        if self.is_filled:
            return
        with self.connect() as connection:
            if not self._has(connection, "rollups_1d", self.first_day):
                self._draw_first_day(connection)
            there = connection.execute("SELECT DISTINCT bucket_at FROM vantage.rollups_1d")
            done = {day for (day,) in there}
            before = [self.first_day - n * DAY for n in range(1, YEAR + 1)]
            with connection.transaction():
                for day in sorted(set(before) - done):
                    self._copy(connection, "rollups_1d", day)
                    if day >= self._hours_at():
                        self._copy(connection, "rollups_1h", day)
                        self._copy(connection, "totals_1h", day)
            after = [self.first_day + n * DAY for n in range(1, self.shape.full_days)]
            missing = sorted(set(after) - done)
            self._make_chunks(connection, missing)
            with ThreadPoolExecutor(AT_ONCE) as pool:
                copying = [pool.submit(self._copy_day, day) for day in missing]
                for each in bar(as_completed(copying), "Copying days", len(copying)):
                    each.result()
            run(connection, "compress", day=self.first_day)
            self._progress(connection, self._medians_at(), self.today)
            for relation in ("rollups_1h", "totals_1h", "rollups_1d", "medians", "standings"):
                connection.execute(f"VACUUM (ANALYZE) vantage.{relation}".encode())
            connection.execute("ANALYZE vantage.results")
            connection.execute("UPDATE public.bench_world SET is_filled = true")
        self.is_filled = True

    def _progress(self, connection: Connection, medians_at: datetime, to_at: datetime) -> None:
        """Say what was summed up."""
        run(connection, "progress", hours_at=self._hours_at(), medians_at=medians_at, to_at=to_at)

    def _hours_at(self) -> datetime:
        since: datetime = self.today - self.shape.days * DAY
        return since

    def _medians_at(self) -> datetime:
        kept_at: datetime = self.today - MEDIANS * DAY
        return max(self.first_day, kept_at)

    def _draw_first_day(self, connection: Connection) -> None:
        connection.execute("TRUNCATE vantage.results, vantage.standings")
        sizes = {"monitors": self.shape.monitors, "locations": self.shape.locations}
        for hour in bar(range(24), "Drawing a day"):
            run(connection, "hour", **sizes, begin=self.first_day + hour * HOUR)
        connection.execute("VACUUM (ANALYZE) vantage.results")
        run(connection, "standings")
        to_at = self.first_day + DAY
        self._progress(connection, self.first_day, to_at)
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            connection.execute("SELECT vantage.rebuild_rollups(%s, %s)", [self.first_day, to_at])

    def _make_chunks(self, connection: Connection, days: Iterable[datetime]) -> None:
        """Some rows for each day, or two that are filled at once wait for each other."""
        until = self.first_day + timedelta(minutes=1)
        for day in days:
            if not self._chunk(connection, day):
                self._copy(connection, "results", day, from_at=self.first_day, to_at=until)

    def _copy_day(self, day: datetime) -> None:
        with self.connect() as connection:
            chunk = self._chunk(connection, day)
            with connection.transaction():
                # Emptied in the transaction that fills it, a table needs no log.
                connection.execute(f"TRUNCATE {chunk}".encode())
                self._copy(connection, "results", day, into=chunk)
                for relation in ("rollups_1h", "totals_1h", "rollups_1d"):
                    self._copy(connection, relation, day)
                if day >= self._medians_at():
                    self._copy(connection, "medians", day)
            run(connection, "compress", day=day)
            connection.execute(f"VACUUM (FREEZE, ANALYZE) {chunk}".encode())

    def catch_up(self) -> None:
        """Results since the last one, summed up as the collector does it."""
        with self.connect() as connection:
            last_at = self._last_at(connection)
            hours = list(_hours(last_at + timedelta(microseconds=1), datetime.now(UTC)))
            for begin, until in bar(hours, "Catching up"):
                day = _midnight(begin)
                shift = day - self.first_day
                with connection.transaction():
                    self._copy(
                        connection, "results", day, from_at=begin - shift, to_at=until - shift
                    )
                    run(connection, "ingested", begin=begin, until=until)
                for step in ("roll_up", "sum_up_medians", "sum_up_hour"):
                    while run(connection, step)[0][0]:
                        pass
            for relation in ("rollups_1h", "totals_1h", "rollups_1d", "standings"):
                connection.execute(f"VACUUM (ANALYZE) vantage.{relation}".encode())

    def last_hour(self) -> datetime:
        """The end of the last whole hour that has results."""
        with self.connect() as connection:
            return _hour(self._last_at(connection))

    def _last_at(self, connection: Connection) -> datetime:
        """The last slot; what is summed up already says in which chunks it cannot be."""
        last_at: datetime = run(connection, "last_slot")[0][0]
        return last_at

    def _has(self, connection: Connection, relation: str, day: datetime) -> bool:
        text = f"SELECT EXISTS (SELECT FROM vantage.{relation} WHERE bucket_at = %s)"
        return connection.execute(text.encode(), [day]).fetchone() == (True,)

    def _chunk(self, connection: Connection, day: datetime) -> str:
        found = run(connection, "chunk", day=day)
        return str(found[0][0]) if found else ""

    def _copy(
        self,
        connection: Connection,
        relation: str,
        day: datetime,
        *,
        into: str = "",
        from_at: datetime | None = None,
        to_at: datetime | None = None,
    ) -> None:
        """The first day's rows once more, on another day; or those of a part of it."""
        columns = run(connection, "columns", relation=f"vantage.{relation}")
        text = STATEMENTS["copy"].format(
            into=into or f"vantage.{relation}",
            columns=", ".join(name for name, _ in columns),
            moved=", ".join(
                f"{name} + %(shift)s" if is_instant and name not in UNMOVED else name
                for name, is_instant in columns
            ),
            relation=f"vantage.{relation}",
            instant=columns[0][0],
        )
        values = {
            "shift": day - self.first_day,
            "from_at": from_at or self.first_day,
            "to_at": to_at or self.first_day + DAY,
        }
        connection.execute(text.encode(), values)


def _midnight(at: datetime) -> datetime:
    return _hour(at).replace(hour=0)


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _hours(from_at: datetime, to_at: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The span, cut at whole hours."""
    while from_at < to_at:
        end = _hour(from_at) + HOUR
        yield from_at, min(end, to_at)
        from_at = end


def run(connection: Connection, name: str, **parameters: object) -> list[Any]:
    """Run a statement of world.sql."""
    text = STATEMENTS[name]
    if ";" in text:
        with psycopg.ClientCursor(connection) as script:
            script.execute(text.encode(), parameters)
        return []
    cursor = connection.execute(text.encode(), parameters)
    return cursor.fetchall() if cursor.description else []


def bar(items: Iterable[Item], label: str, length: int | None = None) -> Iterator[Item]:
    """The items, telling on standard error how far they are: by a bar, or in a log by lines."""
    if sys.stderr.isatty():
        with click.progressbar(items, length, label, file=sys.stderr, show_pos=True) as shown:
            yield from shown
        return
    for number, item in enumerate(items, 1):
        yield item
        print(f"{datetime.now(UTC):%H:%M:%S} {label}: {number}", file=sys.stderr, flush=True)


def shaped(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say which world it is, and where it is kept."""
    for option in (
        click.option("--home", type=click.Path(path_type=Path), help="Keep the database there."),
        click.option("--full-days", type=click.IntRange(2, 400), default=2, help="Of results."),
        click.option("--days", type=click.IntRange(2, YEAR), default=30, help="Of hours."),
        click.option("--locations", type=click.IntRange(1), default=20),
        click.option("--monitors", type=click.IntRange(10), default=100),
    ):
        command = option(command)
    return command


@click.command(context_settings={"show_default": True})
@shaped
def main(home: Path | None, **sizes: int) -> None:
    """Fill a database and leave it for the benches; what is there already stays."""
    with filled(Shape(**sizes), home=home) as world:
        click.echo(f"Filled up to {world.last_hour():%Y-%m-%d %H:%M} UTC.")


if __name__ == "__main__":
    main()
