"""Many tasks for one kind of worker: in threads, in a pool of processes, on Ray.

A worker is made once from its settings and called with one task after another. Tasks and records
are dictionaries that JSON can hold; settings and the function that makes the worker must be such
that they can be sent to another process (a class or function of a module, a dataclass).
"""

import json
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Any, Protocol, TypeVar

import cv2

from phnet.errors import BadOutput, MissingExtra

PENDING = 4  # tasks handed out ahead, a worker
RAY_BLOCKS = 8  # blocks a worker: what is made anew when an actor is lost
RAY_LARGEST_BLOCK = 64  # tasks

Record = dict[str, Any]
Worker = Callable[[Record], Record]
Settings = TypeVar("Settings")
Item = TypeVar("Item")
Result = TypeVar("Result")


class Engine(Protocol):
    """Yields the records of tasks as they finish, in any order."""

    def __call__(
        self,
        make: Callable[[Settings], Worker],
        settings: Settings,
        tasks: Sequence[Record],
        jobs: int,
        threads: int = 1,
    ) -> Generator[Record]:
        """Run all tasks.

        Args:
            make: makes a worker; is called once for each process or actor.
            settings: what it is handed.
            tasks: what the workers are called with.
            jobs: how many at once.
            threads: CPU threads that each worker uses.
        """
        ...


def run_threads(
    make: Callable[[Settings], Worker],
    settings: Settings,
    tasks: Sequence[Record],
    jobs: int,
    threads: int = 1,  # noqa: ARG001  (the worker's own affair here)
) -> Generator[Record]:
    """Run tasks in threads of this process over one worker; see :class:`Engine`."""
    worker = make(settings)
    pool = ThreadPoolExecutor(jobs)
    try:
        yield from _handed_out(pool, worker, tasks, jobs)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def run_processes(
    make: Callable[[Settings], Worker],
    settings: Settings,
    tasks: Sequence[Record],
    jobs: int,
    threads: int = 1,
) -> Generator[Record]:
    """Run tasks in processes, a worker each; one job runs in this process. See :class:`Engine`.

    Raises:
        BadOutput: a worker died.
    """
    if jobs == 1:
        yield from _run_here(make, settings, tasks, threads)
        return
    pool = ProcessPoolExecutor(
        jobs,
        multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(make, settings, threads),
    )
    try:
        yield from _handed_out(pool, _call_worker, tasks, jobs)
    except BrokenProcessPool as error:
        raise BadOutput(
            "a worker process died (killed, or out of memory); what it had finished is kept, and "
            "the same call goes on from here (resume)"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _handed_out(
    pool: Executor, worker: Worker, tasks: Sequence[Record], jobs: int
) -> Generator[Record]:
    """Hand out a few tasks at a time: a million futures would be a million records in memory."""
    waiting = iter(tasks)
    pending = {pool.submit(worker, task) for task in islice(waiting, jobs * PENDING)}
    while pending:
        done, pending = _first_done(pending)
        pending |= {pool.submit(worker, task) for task in islice(waiting, len(done))}
        for future in done:
            yield future.result()


def _first_done(
    pending: set[Future[Record]],
) -> tuple[set[Future[Record]], set[Future[Record]]]:
    done, rest = wait(pending, return_when=FIRST_COMPLETED)
    return done, rest


def _run_here(
    make: Callable[[Settings], Worker], settings: Settings, tasks: Sequence[Record], threads: int
) -> Generator[Record]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(threads)
    try:
        yield from map(make(settings), tasks)
    finally:
        cv2.setNumThreads(before)


_worker: Worker | None = None  # of a worker process


def _start_worker(make: Callable[[Any], Worker], settings: Any, threads: int) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which stops us
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    cv2.setNumThreads(threads)
    _worker = make(settings)


def _leave_with_parent() -> None:
    """End this worker when its parent ends, also when the parent is killed."""
    from multiprocessing import connection

    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _call_worker(task: Record) -> Record:
    assert _worker is not None
    return _worker(task)


class _Actor:
    """A worker in a Ray actor; tasks and records travel as JSON text."""

    def __init__(self, make: Callable[[Any], Worker], settings: Any, threads: int) -> None:
        cv2.setNumThreads(threads)
        self._worker = make(settings)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"record": json.dumps(self._worker(json.loads(row["task"])))}


def load_ray() -> Any:
    """Import Ray with Ray Data.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import ray
        import ray.data
    except ImportError:
        raise MissingExtra("scale", "the engine ray") from None
    return ray


def run_ray(
    make: Callable[[Settings], Worker],
    settings: Settings,
    tasks: Sequence[Record],
    jobs: int,
    threads: int = 1,
) -> Generator[Record]:
    """Run tasks in ``jobs`` actors of Ray Data, a worker each; see :class:`Engine`.

    Joins the cluster that RAY_ADDRESS names, else starts one on this machine. Lost actors are
    replaced and their blocks run again: a worker must give the same whichever time it is called.

    Raises:
        MissingExtra: ray is not installed.
    """
    ray = load_ray()
    if not tasks:
        return
    started = not ray.is_initialized()
    if started:
        ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        logging.getLogger("ray.data").setLevel(logging.ERROR)  # it tells each execution's plan
        ray.data.DataContext.get_current().enable_progress_bars = False
        rows = [{"task": json.dumps(task)} for task in tasks]
        blocks = min(len(rows), max(jobs * RAY_BLOCKS, len(rows) // RAY_LARGEST_BLOCK))
        actor: Any = _Actor  # Ray's annotations know only functions
        results = ray.data.from_items(rows, override_num_blocks=blocks).map(
            actor,
            fn_constructor_args=(make, settings, threads),
            compute=ray.data.ActorPoolStrategy(size=jobs),
            num_cpus=threads,
        )
        for row in results.iter_rows():
            yield json.loads(row["record"])
    finally:
        if started:
            ray.shutdown()


ENGINES: dict[str, Engine] = {
    "threads": run_threads,
    "processes": run_processes,
    "ray": run_ray,
}


def apply(
    function: Callable[[Item], Result], items: Iterable[Item], jobs: int
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
