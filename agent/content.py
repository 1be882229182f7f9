"""What is kept of a response, for assertions to look at; nothing is when none does."""

from __future__ import annotations

MAX_KEPT_BYTES = 1024 * 1024


class Content:
    """Takes a response's headers and body as libcurl hands them over.

    ``headers``: (name, value) in order. ``body``: decompressed, its first MAX_KEPT_BYTES;
    ``is_cut``: there was more.
    """

    __slots__ = ("body", "headers", "is_cut")

    def __init__(self) -> None:
        self.headers: list[tuple[str, str]] = []
        self.body = bytearray()
        self.is_cut = False

    def on_header(self, line: bytes) -> None:
        """Take one line; the status line of another response (100 Continue, ...) begins anew."""
        if line.startswith(b"HTTP/"):
            self.headers.clear()
            return
        name, colon, value = line.decode("utf-8", "replace").partition(":")
        if colon:
            self.headers.append((name.strip(), value.strip()))

    def on_body(self, chunk: bytes) -> None:
        """Take the next part of the body."""
        room = MAX_KEPT_BYTES - len(self.body)
        self.is_cut = self.is_cut or len(chunk) > room
        self.body += chunk[:room]

    def values(self, name: str) -> list[str]:
        """Return the values of every header of that name."""
        return [value for each, value in self.headers if each.lower() == name.lower()]
