"""The regular expressions that customers write: RE2's, none so large that it holds an agent up.

Source: https://github.com/google/re2/wiki/Syntax.
"""

from __future__ import annotations

from typing import Any

import re2

# For compiling and for the automaton; an expression needs some 16 bytes an instruction.
BYTES = 1024 * 1024
# The time that matching takes grows with them.
INSTRUCTIONS = 1500
SHOWN = 80


def compiled(pattern: str) -> Any:
    """Return what matches by a pattern. Raises: ValueError saying what is wrong with it."""
    options = re2.Options()
    options.max_mem = BYTES
    options.never_capture = True
    options.log_errors = False
    try:
        expression = re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        words = error.args[0]
        reason = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(error)
        raise ValueError(
            f"The regular expression {pattern[:SHOWN]!r} is not RE2's: {reason}."
        ) from error
    if expression.programsize > INSTRUCTIONS:
        raise ValueError(
            f"The regular expression {pattern[:SHOWN]!r} compiles to {expression.programsize}"
            f" instructions; the limit is {INSTRUCTIONS}. Shorten its repetitions."
        )
    return expression
