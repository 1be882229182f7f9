"""The collector's own exceptions. What a monitor finds is none of them: that is data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

Own = TypeVar("Own", bound=BaseException)


class CollectorError(Exception):
    """Something an operator can put right; the message names the thing, the value, the remedy.

    ``field``: of which field of a definition it is, such as interval; None: of none, or of several.
    """

    def __init__(self, message: str = "", *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class TransientError(CollectorError):
    """Worth trying again after a pause: the database restarts, the network is down."""


class FatalError(CollectorError):
    """Trying again cannot help: stop the process, non-zero."""


@contextmanager
def as_own() -> Iterator[None]:
    """Raise what is refused by rules that agents share, a ValueError, as a CollectorError."""
    try:
        yield
    except ValueError as error:
        raise CollectorError(str(error)) from error


def reason(error: Exception) -> str:
    """Say why a file cannot be used, without naming it once more as an OSError does."""
    if isinstance(error, UnicodeDecodeError):
        return "it is no text in UTF-8"
    return (isinstance(error, OSError) and error.strerror) or str(error)


def first(errors: BaseExceptionGroup[Own]) -> Own:
    """Return one error of a group, however deep it lies."""
    error = errors.exceptions[0]
    return first(error) if isinstance(error, BaseExceptionGroup) else error
