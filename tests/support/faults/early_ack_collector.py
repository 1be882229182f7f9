"""A collector with the fault that no collector may have: it acknowledges before it commits."""

from __future__ import annotations

import asyncio

from collector import db, ingest
from collector.batch import Batch, Stored
from collector.cli import main

COMMIT_S = 1.0


class EarlyCommitter(ingest.Committer):
    """Answers at once what the commit will decide, and takes its time for that."""

    async def commit(self, connection: db.AsyncConnection, batches: list[Batch]) -> None:
        for batch in batches:
            batch.reply(Stored(batch.first_seq + len(batch.payloads) - 1))
        await asyncio.sleep(COMMIT_S)
        await super().commit(connection, batches)


if __name__ == "__main__":
    ingest.Committer = EarlyCommitter  # type: ignore[misc]
    main(prog_name="vantage-collector")
