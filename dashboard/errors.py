"""The report centre's own exceptions; the message names the thing, the value, the remedy."""

from __future__ import annotations


class DashboardError(Exception):
    """Something an operator can put right; printed as one sentence, without a traceback."""


class DatabaseAway(DashboardError):
    """The database does not answer: a page says so, and the next request tries again."""


class Busy(DatabaseAway):
    """Too many others wait for the database as well; the next request may have more luck."""


class BadRequest(Exception):
    """The address holds a value that cannot be used; the message is for the reader of the page."""


class NotFound(Exception):
    """There is no such thing, or it is not this account's: the answer is the same."""


class NotSignedIn(Exception):
    """The page needs a signed-in visitor."""


class Forbidden(Exception):
    """The visitor may not do that, or the request was not sent by our own page."""


class Unacceptable(Exception):
    """A form's value cannot be used; the message is for who filled it in."""


class TooMany(Exception):
    """It was tried too often. ``wait_s``: when it may be tried again."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = wait_s
        self.remedy = f"Wait {-(-wait_s // 60):.0f} min, then try again."
        super().__init__(f"Too many tries. {self.remedy}")
