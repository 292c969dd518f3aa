"""Apply a function to many samples, here or in worker processes, in order."""

import multiprocessing
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from phnet.data.samples import Sample

Result = TypeVar("Result")


def apply(
    function: Callable[[Sample], Result], items: Iterable[Sample], jobs: int
) -> Generator[Result]:
    """Yield ``function`` of each item; a module's function, so that it can be sent."""
    if jobs == 1:
        yield from map(function, items)
        return
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"))
    try:
        yield from pool.map(function, items, chunksize=16)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
