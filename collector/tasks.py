"""Work that goes on side by side until one part of it ends the whole."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


async def run_until_one_fails(*works: Coroutine[Any, Any, None]) -> None:
    """Run these side by side; once one raises, end the others and raise that.

    For what is begun again after a failure: Python 3.11's TaskGroup forgets that it is being
    cancelled itself where a part fails in the same moment, and whoever ran it would go on.
    """
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
