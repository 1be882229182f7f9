"""What only some monitors need, loaded before the first of them is probed.

Loading takes up to a second in which a probe's loop would stand still: it would be counted in the
phases of whatever is in flight.
"""

from __future__ import annotations

from importlib import import_module

from agent.result import Monitor


def load_needed(monitor: Monitor) -> None:
    """Import what probing ``monitor`` takes besides what every agent has loaded."""
    if monitor.url.startswith("dns:"):  # dnspython takes 5 MB
        import_module("agent.schemes.question")
