"""The bounded queue before the worker processes, and who is let into it.

Each worker process has a thread of its own, which hands it one job after the other and starts
another process when it dies, again and again with pauses where the system has nothing to start one
with. So no slot is ever lost. A job that cannot be done in time is refused before it waits. One
whose process was killed from outside (which a picture that crashes a decoder does not) is done
once more.
"""

import asyncio
import atexit
import logging
import math
import threading
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from phnet.errors import BadModel, PHNetError
from phnet.web import estimates
from phnet.web.forms import Form
from phnet.web.limits import Budget, Deadline, Limits
from phnet.web.problems import UNFORESEEN, Problem
from phnet.web.service import Answer, Models, Service
from phnet.web.workers import Maker, Worker

_log = logging.getLogger(__name__)
SECONDS_TO_START = 60
SECONDS_FOR_NOBODY = 2  # about what a new process costs: what is done sooner may end by itself
SECONDS_TO_CLOSE = 5
PAUSES = (0.5, 1, 2, 4, 8)  # seconds before a process is started again; then always the last
SHARE_TO_PAUSE = 0.25  # of the time that what is here will take, before one asks again
NO_PROCESS = "no process can be started to work on this; try again later"
LOOK = 0.25  # seconds after which one who waits for work looks whether its process is alive


@dataclass(eq=False)
class _Job:
    """Work that one request asks for."""

    name: str
    form: Form[Any]
    pixels: int
    expected: float  # seconds
    deadline: Deadline
    answer: "Future[Answer]" = field(default_factory=Future)
    begun: float | None = None  # by the monotonic clock
    again: bool = False  # its process was killed by others; this is the second time

    @property
    def kind(self) -> str:
        """Kind of work, for estimates: without a mask, the person is looked for, too."""
        return self.name if "mask" in self.form.files else f"{self.name} alone"

    @property
    def left(self) -> float:
        """Seconds that it will still take, as far as one can tell."""
        gone = 0 if self.begun is None else time.monotonic() - self.begun
        return max(0.0, self.expected - gone)


class _Slot:
    """A place for a worker process: a thread that keeps one there and hands it jobs."""

    def __init__(self, pool: "Pool", number: int) -> None:
        self._pool = pool
        self._worker: Worker | None = None
        self._start = Deadline(SECONDS_TO_START)
        self.ready = threading.Event()
        """A worker answers."""
        self.failed: BaseException | None = None
        """Why the latest process could not be started."""
        self.tried = threading.Event()
        """The first process was started, or could not be."""
        self.models: Models | None = None
        self._left: _Job | None = None  # to be done again, by the next process
        self.thread = threading.Thread(target=self._live, name=f"phnet-{number}", daemon=True)

    @property
    def process(self) -> int | None:
        """The number of its process in the system."""
        worker = self._worker
        return None if worker is None else worker.process

    def end(self) -> None:
        """Kill the process, whatever it does; the thread ends with it."""
        self._start.shorten(0)
        worker = self._worker
        if worker is not None:
            worker.kill()

    def _live(self) -> None:
        failures = 0
        while not self._pool.closing.is_set():
            try:
                self._begin()
                failures = 0
                self._work()
            except BaseException as error:
                self.failed = error
                name = type(error).__name__
                if not self._pool.closing.is_set():
                    _log.error("a worker process cannot be started (%s); trying again", name)
            finally:
                self.ready.clear()
                self._drop()
                self.tried.set()
                if self.failed is not None or self._pool.closing.is_set():
                    self._give_up()
            if self.failed is not None:
                self._pool.closing.wait(PAUSES[min(failures, len(PAUSES) - 1)])
                failures += 1

    def _begin(self) -> None:
        """Start a process and wait until it answers."""
        self._start = Deadline(SECONDS_TO_START)
        self._worker = Worker(self._pool.make, self._pool.limits)
        self.models = self._worker.models(self._start)
        self.failed = None
        self.ready.set()
        self.tried.set()

    def _work(self) -> None:
        """Hand out jobs until the process is dead or the pool is closed."""
        while not self._pool.closing.is_set():
            assert self._worker is not None
            if not self._worker.alive:
                self._pool.killed += 1
                return
            if self._left is not None:
                job, self._left = self._left, None
                self._do(job, self._worker)
                continue
            try:
                job = self._pool.jobs.get(timeout=LOOK)
            except Empty:
                continue
            if job.answer.set_running_or_notify_cancel():
                self._do(job, self._worker)

    def _give_up(self) -> None:
        """Refuse what was to be done again: there is no process to do it."""
        job, self._left = self._left, None
        if job is not None:
            job.answer.set_exception(Problem(503, NO_PROCESS, {"Retry-After": "5"}))

    def _do(self, job: _Job, worker: Worker) -> None:
        job.begun = time.monotonic()
        job.deadline.restart(self._pool.limits.seconds)
        try:
            answer = worker.ask(job.name, job.form, self._pool.pixels, job.deadline)
        except Problem as problem:
            job.answer.set_exception(problem)
        except TimeoutError:
            worker.kill()
            late = f"the work took more than {self._pool.limits.seconds:g} seconds and was given up"
            job.answer.set_exception(Problem(503, late, {"Retry-After": "10"}))
        except (EOFError, OSError):
            worker.kill()
            _log.error("a worker process ended in the middle of a request: %s", worker.ending)
            if worker.ended_by_others and not job.again:
                job.again, self._left = True, job
                return
            ended = f"the process that worked on this ended unexpectedly: {worker.ending}"
            ended += " for the second time" if worker.ended_by_others else ""
            job.answer.set_exception(Problem(500, ended))
        except BaseException:
            worker.kill()
            job.answer.set_exception(Problem(500, UNFORESEEN))
            raise
        else:
            self._pool.estimate.learn(job.kind, job.pixels, time.monotonic() - job.begun)
            job.answer.set_result(answer)

    def _drop(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            try:
                worker.kill()
            except Exception:
                _log.debug("a worker process was gone already")


class Pool:
    """Worker processes, and a bounded number of requests that wait for one.

    A request takes its place before its body is read, so that memory is bounded too.

    Args:
        limits: how many processes, how many places, how long.
        make: loads the networks, in each worker anew; a module's function or class.

    Raises:
        PHNetError: the networks cannot be loaded, or the processes do not start.
    """

    def __init__(self, limits: Limits, make: Maker = Service) -> None:
        self.limits, self.make = limits, make
        self.jobs: SimpleQueue[_Job] = SimpleQueue()
        self.closing = threading.Event()
        self.estimate = estimates.Estimate()
        self.pixels = Budget(limits.pixels_at_once)
        """Of the pictures that are worked on now."""
        self.bytes = 0
        """Of requests that are here, and of answers that are not read yet."""
        self._here: set[_Job] = set()
        self.taken = 0
        """Requests that have a place now."""
        self.killed = 0
        """Workers that took too long or crashed, so far."""
        atexit.register(self.close)  # else Python waits for workers that wait for requests
        self._slots = [_Slot(self, number) for number in range(limits.workers)]
        for slot in self._slots:
            slot.thread.start()
        for slot in self._slots:
            slot.tried.wait(SECONDS_TO_START + SECONDS_TO_CLOSE)
        models = [slot.models for slot in self._slots]
        if None in models:
            failed = next((slot.failed for slot in self._slots if slot.failed), None)
            self.close()
            if isinstance(failed, Problem):
                raise BadModel(str(failed)) from failed
            raise PHNetError("the processes that work on pictures do not start") from failed
        assert models[0] is not None
        self.models: Models = models[0]

    @property
    def ready(self) -> int:
        """Count of workers that can answer, now or when they are done with what they do."""
        return sum(slot.ready.is_set() for slot in self._slots)

    @property
    def processes(self) -> list[int]:
        """The numbers of the workers' processes in the system."""
        found = [slot.process for slot in self._slots]
        return [process for process in found if process is not None]

    def check(self) -> None:
        """Refuse where no worker is there and none can be started.

        Raises:
            Problem: 503.
        """
        if not self.ready and all(slot.failed is not None for slot in self._slots):
            raise Problem(503, NO_PROCESS, {"Retry-After": "5"})

    @contextmanager
    def place(self, size: int) -> Iterator[None]:
        """Hold a place for a request of ``size`` bytes.

        Raises:
            Problem: 429, when none is left; 503, when nobody could work on it.
        """
        self.check()
        most = self.limits.workers + self.limits.waiting
        if self.taken >= most or self.bytes + size > self.limits.bodies:
            sentence = f"all {self.limits.waiting} places in the queue are taken; try again soon"
            raise Problem(429, sentence, self._pause(2))
        self.taken += 1
        try:
            with self.memory(size):
                yield
        finally:
            self.taken -= 1

    @contextmanager
    def memory(self, size: int) -> Iterator[None]:
        """Count bytes that are here: of a request, or of an answer that is not read yet."""
        self.bytes += size
        try:
            yield
        finally:
            self.bytes -= size

    async def run(self, name: str, form: Form[Any], gone: Coroutine[Any, Any, None]) -> Answer:
        """Have a worker's service do ``name`` with a form.

        Args:
            name: a method of the service.
            form: what it gets.
            gone: comes when nobody waits for the answer any more; then the work is given up.

        Raises:
            Problem: as the service does; 503 when it cannot be done in time, or was not; 400 when
                nobody waits.
        """
        left = asyncio.create_task(gone)
        job: _Job | None = None
        try:
            job = self._admitted(name, form)
            self.jobs.put(job)
            return await self._answer(job, left)
        finally:
            left.cancel()
            if job is not None:
                self._here.discard(job)
                if not job.answer.cancel():
                    job.deadline.shorten(SECONDS_FOR_NOBODY)

    def _admitted(self, name: str, form: Form[Any]) -> _Job:
        """A job, if what is here before it lets it be done in time."""
        self.check()
        pixels = estimates.pixels(form.files.values())
        job = _Job(name, form, pixels, 0, Deadline(self.limits.seconds))
        job.expected = min(self.limits.seconds, self.estimate.seconds(job.kind, pixels))
        wait = self._wait()
        late = wait + job.expected - self.limits.seconds
        if self._here and late > 0:
            sentence = (
                f"this would be done in {wait + job.expected:.0f} seconds, expected at most "
                f"{self.limits.seconds:g}; try again later"
            )
            raise Problem(503, sentence, self._pause(late))
        self._here.add(job)
        return job

    def _wait(self) -> float:
        """Seconds that what is here will still take."""
        return sum(other.left for other in self._here) / self.limits.workers

    def _pause(self, least: float) -> dict[str, str]:
        """The header that says when to ask again.

        Not as soon as there is a place: to ask costs, too, and all who were refused would ask for
        the same one. There is enough to do meanwhile.
        """
        return {"Retry-After": str(max(1, math.ceil(max(least, self._wait() * SHARE_TO_PAUSE))))}

    async def _answer(self, job: _Job, left: "asyncio.Task[None]") -> Answer:
        """Wait until it is done, within the time for waiting and that for working."""
        done = asyncio.wrap_future(job.answer)
        either: list[asyncio.Future[Any]] = [done, left]
        seconds: float | None = self.limits.seconds
        while not done.done():
            await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if done.done():
                break
            waiting = job.answer.cancel()
            if left.done():
                if not waiting:
                    job.deadline.shorten(SECONDS_FOR_NOBODY)
                    await asyncio.wait([done], timeout=2 * self.limits.seconds)
                raise Problem(400, "the connection was closed before the answer")
            if waiting:
                late = f"no worker was free for {self.limits.seconds:g} seconds"
                raise Problem(503, late, {"Retry-After": "10"})
            # It has begun; its own deadlines bound the rest.
            seconds = None
        return done.result()

    def close(self, seconds: float = SECONDS_TO_CLOSE) -> None:
        """Let what has begun be finished for so long, then end all processes."""
        atexit.unregister(self.close)
        self.closing.set()
        end = time.monotonic() + seconds
        for slot in self._slots:
            if not slot.ready.is_set():
                slot.end()
        for slot in self._slots:
            slot.thread.join(max(0.0, end - time.monotonic()))
        for slot in self._slots:
            slot.end()
