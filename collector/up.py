"""Everything on one machine: database, collector, three agents, dashboard, supervised.

What it needs it makes, and a second run goes on with the data of the first. Each part is a
process of its own; the agents are enrolled and deliver over mTLS like any other.
"""

from __future__ import annotations

import asyncio
import fcntl
import signal
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from collector.console import Console
from collector.errors import CollectorError
from collector.installation import Installation
from collector.local_db import LocalDatabase, open_local_database
from collector.migrate import migrate
from collector.monitor import check_url
from collector.ports import must_be_free
from collector.up_settings import DatabaseUrls, Settings

RETRY_S = 5.0


async def up(settings: Settings, console: Console) -> None:
    """Run everything until Ctrl-C, SIGTERM or the end of the duration.

    Raises: CollectorError for whatever the operator can put right.
    """
    for url in settings.urls:
        check_url(url)
    must_be_free("127.0.0.1", settings.port, "--port")
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    with claimed(settings.home):
        async with database(settings, console) as urls:
            installation = Installation(settings, console, urls)
            try:
                await unless(stopping, installation.start())
                await installation.watch(stopping)
            finally:
                console.say("Stopping ...")
                await installation.stop()
    console.done("Stopped. Run it again to go on.")


async def unless(stopping: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    """Await work, or give it up when asked to stop."""
    task = asyncio.ensure_future(work)
    waiter = asyncio.ensure_future(stopping.wait())
    await asyncio.wait([task, waiter], return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
    if task.done():
        task.result()
    else:
        task.cancel()
        await asyncio.wait([task])


@asynccontextmanager
async def database(settings: Settings, console: Console) -> AsyncIterator[DatabaseUrls]:
    """Have a migrated database: the one named, or the home's private one, run meanwhile."""
    if settings.database is not None:
        await asyncio.to_thread(migrate, settings.database, console.progress)
        console.done("The database's schema is up to date")
        yield DatabaseUrls(*[settings.database] * 4)
        return
    local = await asyncio.to_thread(
        open_local_database,
        settings.home,
        cache=settings.cache,
        progress=console.progress,
        mirror=settings.mirror,
        insecure_mirror=settings.insecure_mirror,
    )
    console.progress("Starting the database")
    await asyncio.to_thread(start, local)
    keeper = asyncio.create_task(keep_running(local, console))
    try:
        await asyncio.to_thread(local.create_database)
        await asyncio.to_thread(migrate, local.url(), console.progress)
        console.done("TimescaleDB is running, its schema up to date")
        yield DatabaseUrls(
            admin=local.url(),
            collector=local.url(role="vantage_collector"),
            dashboard=local.url(role="vantage_dashboard"),
            reader=local.url(role="vantage_reader"),
        )
    finally:
        keeper.cancel()
        await asyncio.to_thread(local.stop)


def start(local: LocalDatabase) -> None:
    """Start the private server and wait until it answers."""
    local.initialise()
    local.popen()
    local.wait_ready()


async def keep_running(local: LocalDatabase, console: Console) -> None:
    """Start the private server again whenever it ends, however often that fails."""
    while True:
        try:
            if not local.is_running():
                await asyncio.to_thread(local.popen)
                await asyncio.to_thread(local.wait_ready)
        except CollectorError as error:
            console.say(f"{error} It is tried again in a few seconds.")
            await asyncio.sleep(RETRY_S)
        await asyncio.sleep(0.5)


@contextmanager
def claimed(home: Path) -> Iterator[None]:
    """Make the home and hold it alone. Raises: CollectorError."""
    try:
        home.mkdir(mode=0o755, parents=True, exist_ok=True)
        lock = (home / "lock").open("a+")
    except OSError as error:
        raise CollectorError(
            f"{home} cannot be written to: {error.strerror}. Name another directory with --home."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CollectorError(
                f"Vantage is running in {home} already. Stop it first, or name another "
                "directory with --home."
            ) from error
        yield
