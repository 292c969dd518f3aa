"""Limits of requests, and of the work at once."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from phnet.options import cores

MOST_CONNECTIONS, LEAST_CONNECTIONS = 256, 8
OTHER_FILES = 48  # what the server and the start of its processes have open


def _workers() -> int:
    return min(4, cores())


def _connections() -> int:
    """Half of the files that may be open: as many again may come at once, to be told to go."""
    try:
        import resource
    except ModuleNotFoundError:  # on Windows, which has no such limit
        return MOST_CONNECTIONS
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return min(MOST_CONNECTIONS, max(LEAST_CONNECTIONS, (files - OTHER_FILES) // 2))


@dataclass(frozen=True)
class Limits:
    """Limits of one request, and of how many may be here at once."""

    body: int = 64 << 20  # bytes of one request
    bodies: int = 512 << 20  # bytes of all requests that are here
    pixels: int = 50_000_000  # of one picture, read off its header
    pixels_at_once: int = 100_000_000  # of all pictures that are worked on
    seconds: float = 30  # to arrive, then to wait, and then to be worked on: each so many
    workers: int = field(default_factory=_workers)  # processes: requests worked on at once
    waiting: int = 16  # requests that may wait for a worker
    connections: int = field(default_factory=_connections)  # that are open at once
    head: float = 10  # seconds for the head of a request
    unread: float = 20  # seconds for an answer to be read, and one more for each 64 KiB of it

    @property
    def threads(self) -> int:
        """CPU threads for each worker."""
        return max(1, cores() // self.workers)


class Deadline:
    """End of a request's time. It may come sooner once nobody waits for the answer.

    Args:
        seconds: from now.
    """

    LOOK = 0.25  # seconds after which one who waits looks whether it has come sooner

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._short = math.inf

    @property
    def passed(self) -> bool:
        """Tell whether time is up."""
        return time.monotonic() >= self._end

    def shorten(self, seconds: float) -> None:
        """Let it be no later than so many seconds from now, for good."""
        self._short = min(self._short, time.monotonic() + seconds)
        self._end = min(self._end, self._short)

    def restart(self, seconds: float) -> None:
        """Let it be so many seconds from now, unless it was shortened."""
        self._end = min(self._short, time.monotonic() + seconds)

    def wait(self, happened: Callable[[float], bool]) -> bool:
        """Tell whether it happened before the time was up.

        Args:
            happened: waits for so many seconds; says whether it happened.
        """
        while (left := self._end - time.monotonic()) > 0:
            if happened(min(left, self.LOOK)):
                return True
        return happened(0)


class Budget:
    """So much may be held at once; who wants more waits, first come first served.

    Args:
        most: who wants more than this gets all of it, alone.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()
        self.held = 0
        """How much is held now."""

    @contextmanager
    def hold(self, amount: int, deadline: Deadline) -> Iterator[None]:
        """Hold an amount as soon as it is there.

        Raises:
            TimeoutError: it was not there in time.
        """
        amount, ticket = min(amount, self._most), object()
        with self._changed:
            self._waiting.append(ticket)
            granted = deadline.wait(
                lambda seconds: self._changed.wait_for(
                    lambda: self._waiting[0] is ticket and self.held + amount <= self._most, seconds
                )
            )
            self._waiting.remove(ticket)
            self.held += amount if granted else 0
            self._changed.notify_all()  # there may be room for the next one, too
        if not granted:
            raise TimeoutError
        try:
            yield
        finally:
            with self._changed:
                self.held -= amount
                self._changed.notify_all()
