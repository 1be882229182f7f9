"""Refuses a response that is compressed more than once, before any of it is decompressed.

libcurl undoes up to five encodings, one inside the other, in one action of the probing thread. 2 KB
that unpack to 600 KB, and those to 400 MB of empty blocks, kept it busy for 2 s, and more would for
all of the monitor's timeout; no limit on the body sees it, as nothing comes out. What was packed
once is at most a thousand times as large: 10 KB hold all that a body may have, and take 25 ms to
unpack. A smaller receive buffer (CURLOPT_BUFFERSIZE) does not part that, as libcurl fills ten of
them in one action; it only makes ordinary bodies dearer.

Source: RFC 9110, section 8.4; RFC 1951, section 3.2.4 (blocks that hold nothing).
"""

from __future__ import annotations

from collections.abc import Callable

_NAME = b"content-encoding"
# What libcurl unpacks.
_PACKED = {b"gzip", b"x-gzip", b"deflate", b"br", b"zstd"}


class Encodings:
    """Looks at a response's headers as libcurl hands them over.

    ``is_refused``: the response was ended, for being compressed more than once.
    """

    __slots__ = ("_count", "_is_unpacked", "_keep", "is_refused")

    def __init__(self) -> None:
        self.begin()

    def begin(
        self, keep: Callable[[bytes], None] | None = None, *, is_unpacked: bool = True
    ) -> None:
        """Expect another response; ``keep``: wants every line, too.

        ``is_unpacked``: libcurl is to unpack it; else it may be packed in any way.
        """
        self._count = 0
        self._is_unpacked = is_unpacked
        self._keep = keep
        self.is_refused = False

    def on_header(self, line: bytes) -> int | None:
        """Take one line; 0 has libcurl end the transfer. It must not see this raise."""
        if self._keep is not None:
            self._keep(line)
        # Of nearly all others these octets are different.
        if line[8:16].lower() != _NAME[8:] or line[: len(_NAME)].lower() != _NAME:
            return None
        _, _, value = line.partition(b":")
        self._count += sum(each.strip().lower() in _PACKED for each in value.split(b","))
        self.is_refused = self._is_unpacked and self._count > 1
        return 0 if self.is_refused else None
