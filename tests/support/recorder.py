"""A behaviour for ``targets.serve`` that remembers what it was asked."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.support import targets
from tests.support.targets import Connection


@dataclass
class Received:
    """One request as it came over the wire."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Recorder:
    """Answers every request, and remembers it; by path, or with 200."""

    responses: dict[str, bytes] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)

    async def __call__(self, connection: Connection) -> None:
        head = (await connection.reader.readuntil(b"\r\n\r\n")).decode()
        line, headers = targets.head_of(head)
        body = await connection.reader.readexactly(int(headers.get("content-length", 0)))
        self.received.append(Received(line, headers, body))
        path = line.split(" ")[1]
        response = self.responses.get(path, targets.OK)
        if line.startswith("HEAD "):
            response = response.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        await connection.send(response)
