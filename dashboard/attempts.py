"""How often somebody tried what is allowed only so often, in this process's memory."""

from __future__ import annotations

from collections import OrderedDict, deque

from starlette.requests import Request

from dashboard.errors import TooMany

WINDOW_S = 300.0
TRIES = 10
REMEMBERED = 10_000


class Attempts:
    """Counts failures per key in a sliding window. The clock is a parameter."""

    def __init__(self, tries: int = TRIES) -> None:
        self._tries = tries
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, key: str, now: float) -> float:
        """Seconds until ``key`` may try again; 0: at once."""
        failures = self._failures.get(key)
        while failures and failures[0] <= now - WINDOW_S:
            failures.popleft()
        if not failures or len(failures) < self._tries:
            return 0.0
        return failures[0] + WINDOW_S - now

    def failed(self, key: str, now: float) -> None:
        """Remember a failure; the longest unseen keys are forgotten first."""
        self._failures.setdefault(key, deque(maxlen=self._tries)).append(now)
        self._failures.move_to_end(key)
        while len(self._failures) > REMEMBERED:
            self._failures.popitem(last=False)

    def count(self, key: str, now: float) -> None:
        """Remember a try, however it ends. Raises: TooMany."""
        if wait_s := self.wait_s(key, now):
            raise TooMany(wait_s)
        self.failed(key, now)

    def succeeded(self, key: str) -> None:
        """Forget the failures of ``key``."""
        self._failures.pop(key, None)


def address_of(request: Request) -> str:
    """Where a request came from, as a key; empty: nobody knows."""
    return request.client.host if request.client else ""
