"""What `vantage up` shows: steps that are done, the one under way, then a line of status."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

BAR = 24
PLAIN_STATUS_EVERY_S = 10.0


class Console:
    """Rewrites its last line on a terminal; elsewhere prints lines, and not too many of them."""

    def __init__(self, out: TextIO | None = None) -> None:
        self.out = out or sys.stdout
        self.is_terminal = self.out.isatty()
        self.is_line_open = False
        self.current_step = ""
        self.status_at = float("-inf")

    def done(self, text: str) -> None:
        """Say that a step is done."""
        self.close_line()
        self.out.write(f"  ✓ {text}\n")
        self.out.flush()

    def say(self, text: str = "") -> None:
        self.close_line()
        self.out.write(f"{text}\n")
        self.out.flush()

    def progress(self, step: str, done: int = 0, total: int = 0) -> None:
        """Show how far the step under way is; see collector.progress.Progress."""
        if self.is_terminal:
            self.rewrite(f"  … {step}{measure(done, total)}")
        elif step != self.current_step:
            self.say(f"  … {step}")
        self.current_step = step

    def status(self, text: str) -> None:
        if self.is_terminal:
            self.rewrite(text)
        elif time.monotonic() - self.status_at >= PLAIN_STATUS_EVERY_S:
            self.status_at = time.monotonic()
            self.say(text)

    def rewrite(self, text: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        self.out.write(f"\r\x1b[K{text[:width]}")
        self.out.flush()
        self.is_line_open = True

    def close_line(self) -> None:
        if self.is_line_open:
            self.out.write("\r\x1b[K")
            self.is_line_open = False


def measure(done: int, total: int) -> str:
    """Draw a bar with megabytes; nothing for a step without a measure."""
    if total <= 0:
        return ""
    full = round(BAR * min(done, total) / total)
    return f"  {'█' * full}{'░' * (BAR - full)} {done / 1e6:.1f} of {total / 1e6:.1f} MB"
