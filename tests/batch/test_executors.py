"""Engines: every task once, a few handed out ahead, one worker a process."""

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from phnet.batch.executors import Record, run_processes, run_threads
from phnet.errors import BadOutput

TASKS: list[Record] = [{"number": i} for i in range(50)]


class Adder:
    """Adds what it was made with; dies at a number, if it was told one."""

    def __init__(self, settings: dict[str, int]) -> None:
        self.settings = settings

    def __call__(self, task: Record) -> Record:
        if task["number"] == self.settings.get("dies_at"):
            os._exit(3)
        return {**task, "sum": task["number"] + self.settings["add"], "process": os.getpid()}


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("run", [run_threads, run_processes])
def test_every_task_is_done_once(run: Callable[..., Any], jobs: int) -> None:
    records = list(run(Adder, {"add": 7}, TASKS, jobs))
    assert sorted(record["number"] for record in records) == list(range(50))
    assert all(record["sum"] == record["number"] + 7 for record in records)
    elsewhere = {record["process"] for record in records} - {os.getpid()}
    assert bool(elsewhere) == (run is run_processes and jobs == 2)


def test_a_dead_process_is_told() -> None:
    with pytest.raises(BadOutput, match="a worker process died"):
        list(run_processes(Adder, {"add": 0, "dies_at": 20}, TASKS, 2))


def test_tasks_are_handed_out_as_they_are_done() -> None:
    begun: list[int] = []
    lock = threading.Lock()

    def make(_: None) -> Callable[[Record], Record]:
        def work(task: Record) -> Record:
            with lock:
                begun.append(task["number"])
            return task

        return work

    records = run_threads(make, None, TASKS, jobs=2)
    next(records)
    assert len(begun) <= 12
    assert len(list(records)) == 49
    assert sorted(begun) == list(range(50))
