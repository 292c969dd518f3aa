"""What one request may cost, and the pool where pictures are worked on."""

import asyncio
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from phnet.web.problems import Problem

Result = TypeVar("Result")


def _workers() -> int:
    return min(4, os.cpu_count() or 1)


@dataclass(frozen=True)
class Limits:
    """What one request may cost, and how many may be here at once."""

    body: int = 64 << 20  # bytes of one request
    pixels: int = 50_000_000  # of one picture, read off its header
    seconds: float = 30  # from a request's first byte to its answer
    workers: int = field(default_factory=_workers)  # pictures worked on at the same time
    waiting: int = 16  # requests that may wait for a worker

    @property
    def threads(self) -> int:
        """CPU threads for each worker."""
        return max(1, (os.cpu_count() or 1) // self.workers)


class Pool:
    """Threads for the work, and a bounded number of requests that wait for one.

    A request takes its place before its body is read, so that memory is bounded too: at most
    ``workers + waiting`` bodies.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._executor = ThreadPoolExecutor(limits.workers, "phnet")
        self.taken = 0
        """Requests that have a place now."""

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place.

        Raises:
            Problem: 429, when none is left.
        """
        if self.taken >= self._limits.workers + self._limits.waiting:
            raise Problem(
                429,
                f"all {self._limits.waiting} places in the queue are taken; try again soon",
                {"Retry-After": "2"},
            )
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1

    async def run(self, work: Callable[[], Result]) -> Result:
        """Run ``work`` in a thread; cancelled, it is not begun, but what has begun runs on."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def close(self) -> None:
        """Finish what is running."""
        self._executor.shutdown(wait=True, cancel_futures=True)
