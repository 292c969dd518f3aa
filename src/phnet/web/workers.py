"""The processes where pictures are worked on; :mod:`phnet.web.pool` hands them their work.

Decoders and encoders are C code that a thread cannot break off, and a file can be made to keep
them busy for minutes. A process can be killed: then its time, its memory and its place are free.
A decoder that crashes takes its own process along, not the server.
"""

import logging
import multiprocessing
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from phnet.errors import BadImage, PHNetError
from phnet.images import quiet_readers
from phnet.images.decoding import Source, opened
from phnet.web.forms import Form
from phnet.web.limits import Budget, Deadline, Limits
from phnet.web.problems import UNFORESEEN, Problem
from phnet.web.service import Answer, Models, Service

_log = logging.getLogger(__name__)
SECONDS_TO_DIE = 5  # for a process that was killed: more means that the system itself hangs
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
    """Count the pixels of a form's pictures when they are decoded, read off their headers."""
    total = 0
    for name, content in form.files.items():
        if name == "look":  # no picture
            continue
        with opened(Source(name, content, limits.pixels), BadImage) as image:
            total += image.width * image.height
    return total


def _tried(work: Callable[[], Any]) -> Any:
    """Run ``work``; return its answer, or the refusal that it ends in."""
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


class Worker:
    """One process and the line to it.

    Args:
        make: its service.
        limits: of each request, and how long the line may be stuck in the middle of a message.

    Raises:
        OSError, MemoryError, RuntimeError: the system has no more descriptors, memory or processes.
    """

    def __init__(self, make: Maker, limits: Limits) -> None:
        context = multiprocessing.get_context("spawn")
        self._line, theirs = context.Pipe()
        try:
            _bound(self._line, limits.seconds)
            self._process = context.Process(target=serve, args=(theirs, make, limits), daemon=True)
            self._process.start()
        except BaseException:
            self._line.close()
            raise
        finally:
            theirs.close()
        self._limits = limits
        self.ended_by_others = False
        """It was killed (SIGKILL) by the system or a person, not by this object."""
        self.ending = "not ended"
        """How it ended, in words, where it did in the middle of a request."""

    @property
    def alive(self) -> bool:
        """Tell whether it can be asked."""
        return not self._line.closed and self._process.is_alive()

    @property
    def process(self) -> int | None:
        """Its number in the system."""
        return self._process.pid

    def models(self, deadline: Deadline) -> Models:
        """First message, which comes when it is ready."""
        said: Models = self._received(deadline)
        return said

    def ask(self, name: str, form: Form[Any], budget: Budget, deadline: Deadline) -> Answer:
        """Have it work on a form.

        Args:
            name: a method of the service.
            form: what it gets.
            budget: of pixels.
            deadline: of reading the headers; it starts anew when the work itself does.

        Raises:
            Problem: as the service does.
            TimeoutError: not in time.
            EOFError, OSError: it died.
        """
        with self._line_kept():
            self._line.send((name, form))
            pixels = self._received(deadline)
        with budget.hold(pixels, deadline), self._line_kept():
            deadline.restart(self._limits.seconds)
            self._line.send(True)
            answer: Answer = self._received(deadline)
        return answer

    @contextmanager
    def _line_kept(self) -> Iterator[None]:
        """End it where the line breaks, before its share of the budget is given back."""
        try:
            yield
        except (EOFError, OSError) as error:
            # Where the line is stuck (see _bound) it lives; else it has ended, or is about to.
            status = None if isinstance(error, BlockingIOError) else self._ended()
            self.ended_by_others = status == -9
            self.ending = _ending(status)
            self.kill()
            raise

    def _ended(self) -> int | None:
        """Wait for its end; how it ended, None where that takes too long."""
        deadline = Deadline(SECONDS_TO_DIE)
        while not deadline.passed:
            self._process.join(SECONDS_TO_DIE)
            if (status := self._process.exitcode) is not None:
                return status
            time.sleep(0.01)  # another thread, which starts a process, has just been told instead
        return None

    def kill(self) -> None:
        """End it at once, whatever it does."""
        self._process.kill()
        self._process.join(SECONDS_TO_DIE)
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


def _ending(status: int | None) -> str:
    """Words for how a process ended."""
    if status is None:
        return "it was stuck in the middle of a message"
    if status == -9:
        return "it was killed from outside"
    if status < 0:
        try:
            return f"it crashed ({signal.Signals(-status).name})"
        except ValueError:  # one of the signals without a name
            return f"it crashed (signal {-status})"
    return f"it left with status {status}"


def _bound(line: Connection, seconds: float) -> None:
    """Let neither reading nor writing be stuck for longer: a stopped process reads nothing."""
    if sys.platform == "win32":  # a named pipe, which knows no such bound
        return
    with socket.socket(fileno=line.fileno()) as ours:
        try:
            value = struct.pack("ll", int(seconds) + 1, 0)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
        finally:
            ours.detach()
