"""Where the portraits of a build are made: in this process, in a pool of processes, on Ray."""

import json
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import connection
from typing import Any

import cv2

from phnet.data.portrait import Options, PortraitMaker, Record
from phnet.errors import BadOutput, MissingExtra

PENDING = 4  # tasks handed out ahead, a worker
RAY_BLOCKS = 8  # blocks a worker: what is made anew when an actor is lost


def run_processes(options: Options, tasks: list[Record], jobs: int) -> Generator[Record]:
    """Yield the records of ``tasks`` as they finish, from ``jobs`` worker processes.

    Raises:
        BadOutput: a worker died.
    """
    if jobs == 1:
        yield from _run_here(options, tasks)
        return
    pool = ProcessPoolExecutor(
        jobs, multiprocessing.get_context("spawn"), initializer=_start_worker, initargs=(options,)
    )
    waiting = iter(tasks)
    try:
        pending = {pool.submit(_make, task) for task in islice(waiting, jobs * PENDING)}
        while pending:
            done, pending = _first_done(pending)
            pending |= {pool.submit(_make, task) for task in islice(waiting, len(done))}
            for future in done:
                yield future.result()
    except BrokenProcessPool as error:
        raise BadOutput(
            "a worker process died (killed, or out of memory); the same command goes on from here"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _first_done(
    pending: set[Future[Record]],
) -> tuple[set[Future[Record]], set[Future[Record]]]:
    done, rest = wait(pending, return_when=FIRST_COMPLETED)
    return done, rest


def _run_here(options: Options, tasks: list[Record]) -> Generator[Record]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield from map(PortraitMaker(options), tasks)
    finally:
        cv2.setNumThreads(before)


_maker: PortraitMaker | None = None  # of a worker process


def _start_worker(options: Options) -> None:
    global _maker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which stops us
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    cv2.setNumThreads(1)
    _maker = PortraitMaker(options)


def _leave_with_parent() -> None:
    """End this worker when its parent ends, also when the parent is killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _make(task: Record) -> Record:
    assert _maker is not None
    return _maker(task)


class _Actor:
    """A PortraitMaker in a Ray actor; tasks and records travel as JSON text."""

    def __init__(self, options: Options) -> None:
        cv2.setNumThreads(1)
        self._maker = PortraitMaker(options)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"record": json.dumps(self._maker(json.loads(row["task"])))}


def run_ray(options: Options, tasks: list[Record], jobs: int) -> Generator[Record]:
    """Yield the records of ``tasks`` from ``jobs`` actors of Ray Data.

    Joins the cluster that RAY_ADDRESS names, else starts one on this machine. Lost actors are
    replaced and their blocks made again, which gives the same bytes.

    Raises:
        MissingExtra: ray is not installed.
    """
    try:
        import ray
        import ray.data
    except ImportError:
        raise MissingExtra("scale", "--engine ray") from None
    if not tasks:
        return
    started = not ray.is_initialized()
    if started:
        ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        logging.getLogger("ray.data").setLevel(logging.ERROR)  # it tells each execution's plan
        ray.data.DataContext.get_current().enable_progress_bars = False
        rows = [{"task": json.dumps(task)} for task in tasks]
        blocks = min(len(rows), max(jobs * RAY_BLOCKS, len(rows) // 64))
        actor: Any = _Actor  # Ray's annotations know only functions
        portraits = ray.data.from_items(rows, override_num_blocks=blocks).map(
            actor,
            fn_constructor_args=(options,),
            compute=ray.data.ActorPoolStrategy(size=jobs),
            num_cpus=1,
        )
        for row in portraits.iter_rows():
            yield json.loads(row["record"])
    finally:
        if started:
            ray.shutdown()


ENGINES: dict[str, Callable[[Options, list[Record], int], Generator[Record]]] = {
    "processes": run_processes,
    "ray": run_ray,
}
