"""The processes where pictures are worked on, and the bounded queue before them.

Decoders and encoders are C code that a thread cannot break off, and a file can be made to keep
them busy for minutes. A process can be killed: then its time, its memory and its place are free.
A decoder that crashes takes its own process along, not the server.
"""

import asyncio
import atexit
import logging
import multiprocessing
import signal
import traceback
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from phnet.errors import BadImage, BadModel, PHNetError
from phnet.images import quiet_readers
from phnet.images.decoding import Source, opened
from phnet.web.forms import Form
from phnet.web.limits import Budget, Deadline, Limits
from phnet.web.problems import UNFORESEEN, Problem
from phnet.web.service import Answer, Models, Service

_log = logging.getLogger(__name__)
SECONDS_TO_START = 60
SECONDS_FOR_NOBODY = 2  # about what a new process costs: what is done sooner may end by itself
Maker = Callable[[Limits], Service]


@dataclass(frozen=True)
class _Refusal:
    """A problem on its way from a worker."""

    status: int
    sentence: str
    trace: str = ""  # of an unforeseen error, without its message: that may quote the request


# -- in the worker's process --------------------------------------------------------------


def serve(line: Connection, make: Maker, limits: Limits) -> None:
    """Answer one request after the other until the server hangs up."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the server decides when this one ends
        signal.signal(number, signal.SIG_IGN)
    quiet_readers()
    _use_threads(limits.threads)
    with suppress(EOFError, OSError):  # the server is gone
        try:
            service = make(limits)
        except PHNetError as error:
            line.send(_Refusal(422, str(error)))
            return
        line.send(service.models())
        while True:
            _answer_one(line, service, limits)


def _answer_one(line: Connection, service: Service, limits: Limits) -> None:
    name, form = line.recv()
    pixels = _tried(lambda: _pixels(form, limits))
    line.send(pixels)
    if isinstance(pixels, int) and line.recv():
        line.send(_tried(lambda: getattr(service, name)(form)))


def _use_threads(count: int) -> None:
    import cv2

    cv2.setNumThreads(count)


def _pixels(form: Form[Any], limits: Limits) -> int:
    """What the pictures of a form will have when they are decoded, read off their headers."""
    total = 0
    for name, content in form.files.items():
        with opened(Source(name, content, limits.pixels), BadImage) as image:
            total += image.width * image.height
    return total


def _tried(work: Callable[[], Any]) -> Any:
    """What ``work`` returns, or the refusal that it ends in."""
    try:
        return work()
    except Problem as error:
        return _Refusal(error.status, str(error))
    except PHNetError as error:
        return _Refusal(422, str(error))
    except Exception as error:
        trace = "".join(traceback.format_tb(error.__traceback__))
        return _Refusal(500, UNFORESEEN, f"{type(error).__name__}\n{trace}")


# -- in the server's process --------------------------------------------------------------


class _Worker:
    """One process and the line to it."""

    def __init__(self, make: Maker, limits: Limits) -> None:
        context = multiprocessing.get_context("spawn")
        self._line, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, make, limits), daemon=True)
        self._process.start()
        theirs.close()
        self._models: Models | None = None

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.is_alive()

    def models(self, deadline: Deadline) -> Models:
        """What it says when it is ready."""
        if self._models is None:
            self._models = self._received(deadline)
        return self._models

    def ask(self, name: str, form: Form[Any], budget: Budget, deadline: Deadline) -> Answer:
        """Have it work on a form.

        Raises:
            Problem: as the service does.
            TimeoutError: not in time.
            EOFError, OSError: it died.
        """
        self.models(deadline)
        self._line.send((name, form))
        pixels = self._received(deadline)
        with budget.hold(pixels, deadline):
            try:
                self._line.send(True)
                answer: Answer = self._received(deadline)
            except (EOFError, OSError):
                self.kill()  # before its share of the budget is given back
                raise
        return answer

    def kill(self) -> None:
        """End it at once, whatever it does."""
        self._process.kill()
        self._process.join()
        self._line.close()

    def _received(self, deadline: Deadline) -> Any:
        if not deadline.wait(self._line.poll):
            raise TimeoutError
        reply = self._line.recv()
        if isinstance(reply, _Refusal):
            if reply.trace:
                _log.error("a request failed with %s", reply.trace)
            raise Problem(reply.status, reply.sentence)
        return reply


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
        self._limits, self._make = limits, make
        self._threads = ThreadPoolExecutor(limits.workers, "phnet")  # each waits for a worker
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self.pixels = Budget(limits.pixels_at_once)
        """Of the pictures that are worked on now."""
        self._bytes = 0
        self.taken = 0
        """Requests that have a place now."""
        self.killed = 0
        """Workers that took too long or crashed, so far."""
        atexit.register(self.close)  # else Python waits for workers that wait for requests
        workers = [_Worker(make, limits) for _ in range(limits.workers)]
        for worker in workers:
            self._idle.put(worker)
        deadline = Deadline(SECONDS_TO_START)
        try:
            said = [worker.models(deadline) for worker in workers]
        except Problem as error:
            self.close()
            raise BadModel(str(error)) from error
        except (EOFError, OSError) as error:
            self.close()
            raise PHNetError("the processes that work on pictures do not start") from error
        self.models = said[0]

    @contextmanager
    def place(self, size: int) -> Iterator[None]:
        """Hold a place for a request of ``size`` bytes.

        Raises:
            Problem: 429, when none is left.
        """
        most = self._limits.workers + self._limits.waiting
        if self.taken >= most or self._bytes + size > self._limits.bodies:
            sentence = f"all {self._limits.waiting} places in the queue are taken; try again soon"
            raise Problem(429, sentence, {"Retry-After": "2"})
        self.taken += 1
        self._bytes += size
        try:
            yield
        finally:
            self.taken -= 1
            self._bytes -= size

    async def run(
        self, name: str, form: Form[Any], deadline: Deadline, gone: Coroutine[Any, Any, None]
    ) -> Answer:
        """Have a worker's service do ``name`` with a form.

        Args:
            name: a method of the service.
            form: what it gets.
            deadline: until when.
            gone: comes when nobody waits for the answer any more; then the work is given up.

        Raises:
            Problem: as the service does, 503 when time is up, or 400 when nobody waits.
        """
        left = asyncio.create_task(gone)
        try:
            running = self._threads.submit(self._run, name, form, deadline)
            done = asyncio.wrap_future(running)
            either: list[asyncio.Future[Any]] = [done, left]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if done.done():
                return done.result()
            if not running.cancel():  # it has begun
                deadline.shorten(SECONDS_FOR_NOBODY)
            await asyncio.wait([done])
            raise Problem(400, "the connection was closed before the answer")
        finally:
            left.cancel()

    def _run(self, name: str, form: Form[Any], deadline: Deadline) -> Answer:
        late = f"the work took more than {self._limits.seconds:g} seconds and was given up"
        too_late = Problem(503, late, {"Retry-After": "10"})
        if deadline.passed:  # it waited for all of its time
            raise too_late
        worker = self._idle.get()
        try:
            if not worker.alive:  # the system ended it while it was idle
                worker.kill()
                worker = _Worker(self._make, self._limits)
            return worker.ask(name, form, self.pixels, deadline)
        except TimeoutError as error:
            worker.kill()
            raise too_late from error
        except (EOFError, OSError) as error:
            worker.kill()
            _log.error("a worker process ended in the middle of a request")
            raise Problem(500, "the process that worked on this ended unexpectedly") from error
        finally:
            if not worker.alive:
                self.killed += 1
                worker = _Worker(self._make, self._limits)
            self._idle.put(worker)

    def close(self) -> None:
        """Finish what is running."""
        atexit.unregister(self.close)
        self._threads.shutdown(wait=True, cancel_futures=True)
        while not self._idle.empty():
            self._idle.get().kill()
