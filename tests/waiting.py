"""Waiting for what must happen; imports nothing large, since servers' workers import it."""

import time
from collections.abc import Callable

# Seconds after which nothing will come any more, however busy the machine is: they bound how long
# a failure takes, and are no statement about speed.
PATIENCE = 600.0


def until(happened: Callable[[], object], what: str = "what was waited for") -> None:
    """Wait for something that must happen, at whatever speed."""
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.01)
