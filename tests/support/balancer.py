"""A balancer as simple as they come: TCP, in turn, past whoever does not answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import cycle

from tests.support.proxies import join


class Balancer:
    """Listens at ``port``; each new connection goes to the next of ``targets``."""

    def __init__(self, targets: Sequence[int]) -> None:
        self.port = 0
        self._targets = cycle(targets)
        self._count = len(targets)

    async def listen(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(self._count):
            with suppress(OSError):
                above, below = await asyncio.open_connection("127.0.0.1", next(self._targets))
                break
        else:
            writer.transport.abort()
            return
        try:
            await join((reader, writer), (above, below))
        finally:
            writer.close()


@contextmanager
def running_balancer(targets: Sequence[int]) -> Iterator[Balancer]:
    """Run one in a thread of its own."""
    balancer = Balancer(targets)
    listening = threading.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        server = await balancer.listen()
        listening.set()
        async with server:
            await stopping.wait()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    stopping = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), name="balancer")
    thread.start()
    assert listening.wait(10)
    try:
        yield balancer
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join()
        loop.close()
