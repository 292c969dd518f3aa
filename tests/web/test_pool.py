"""Workers that die, processes that cannot be started, and who is refused before the queue."""

import asyncio
import gc
import os
import random
import resource
import signal
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from phnet.errors import BadModel
from phnet.web import estimates
from phnet.web.forms import Form, MatteOptions
from phnet.web.limits import Limits
from phnet.web.pool import Pool
from phnet.web.problems import Problem
from phnet.web.service import Answer, Service
from tests.waiting import PATIENCE, until
from tests.web.services import Echo
from tests.web.test_app import Client, composite, encoded, mask, problem, running
from tests.web.test_limits import PARTS, in_the_end

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def asked(pool: Pool, photo: bytes) -> Answer:
    """What the pool answers to a client that stays."""

    async def ask() -> Answer:
        async def stays() -> None:
            await asyncio.Event().wait()

        return await pool.run("matte", Form({"photo": photo}, MatteOptions()), stays())

    return asyncio.run(ask())


@pytest.fixture
def quick() -> Iterator[Pool]:
    pool = Pool(Limits(workers=1, seconds=PATIENCE), Echo)
    yield pool
    pool.close()


@on_linux
def test_without_descriptors_requests_are_refused_and_the_worker_comes_back(quick: Pool) -> None:
    photo = encoded(composite(8))
    assert asked(quick, photo).content == photo
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    (process,) = quick.processes
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        os.kill(process, signal.SIGKILL)
        until(lambda: not quick.ready)
        until(lambda: refused(quick) == 503)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    until(lambda: quick.ready == 1)
    assert asked(quick, photo).content == photo
    assert quick.processes != [process]


def refused(pool: Pool) -> int | None:
    """The status that a request gets before its body is read; None: it gets a place."""
    try:
        with pool.place(1):
            return None
    except Problem as refusal:
        return refusal.status if "Retry-After" in (refusal.headers or {}) else None


def test_health_tells_whether_a_worker_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(make=Echo, workers=1) as client:
        assert client.ask("GET", "/healthz")[0] == 200
        with monkeypatch.context() as patched:
            patched.setattr(Pool, "ready", 0)
            reply = client.ask("GET", "/healthz")
        assert "no process is ready" in problem(reply, 503)
        assert int(reply[1]["retry-after"]) > 0
        assert client.ask("GET", "/healthz")[0] == 200


@on_linux
def test_an_idle_worker_that_the_system_ends_is_replaced(quick: Pool) -> None:
    (before,) = quick.processes
    os.kill(before, signal.SIGKILL)
    until(lambda: quick.ready == 1 and quick.processes not in ([], [before]))
    assert asked(quick, encoded(composite(8)))


@dataclass(frozen=True)
class Killed:
    """Makes services that are killed in the middle of their work, the first times."""

    folder: Path
    times: int

    def __call__(self, limits: Limits) -> Service:
        return _Killed(limits, self)

    @property
    def begun(self) -> int:
        return len(list(self.folder.iterdir()))


class _Killed(Echo):
    def __init__(self, limits: Limits, how: Killed) -> None:
        super().__init__(limits)
        self._how = how

    def matte(self, form: Form[MatteOptions]) -> Answer:
        (self._how.folder / str(time.monotonic_ns())).touch()
        if self._how.begun <= self._how.times:
            self.die()
        return super().matte(form)

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


@on_linux
def test_what_is_killed_twice_is_not_tried_again(tmp_path: Path) -> None:
    photo, service = encoded(composite(8)), Killed(tmp_path, 2)
    pool = Pool(Limits(workers=1, seconds=PATIENCE), service)
    try:
        with pytest.raises(Problem, match="killed from outside for the second time") as refusal:
            asked(pool, photo)
        assert refusal.value.status == 500
        assert service.begun == 2
        assert asked(pool, photo).content == photo
    finally:
        pool.close()


class _KilledInAnswer(_Killed):
    def die(self) -> None:
        lines = [one for one in gc.get_objects() if isinstance(one, Connection)]
        (line,) = (one for one in lines if not one.closed and one.writable)
        os.write(line.fileno(), struct.pack("!i", 1000) + b"half")
        super().die()


@dataclass(frozen=True)
class KilledInAnswer(Killed):
    def __call__(self, limits: Limits) -> Service:
        return _KilledInAnswer(limits, self)


@on_linux
@pytest.mark.parametrize("kind", [Killed, KilledInAnswer])
def test_what_is_killed_from_outside_is_done_once_more(kind: type[Killed], tmp_path: Path) -> None:
    photo, service = encoded(composite(8)), kind(tmp_path, 1)
    pool = Pool(Limits(workers=1, seconds=PATIENCE), service)
    try:
        assert asked(pool, photo).content == photo
        assert service.begun == 2
    finally:
        pool.close()


@on_linux
def test_what_was_killed_is_refused_where_no_process_can_be_started(tmp_path: Path) -> None:
    pool = Pool(Limits(workers=1, seconds=PATIENCE), Killed(tmp_path, 1))
    try:
        pool.make = _unloadable
        with pytest.raises(Problem, match="no process can be started") as refusal:
            asked(pool, encoded(composite(8)))
        assert refusal.value.status == 503
    finally:
        pool.close()


def _unloadable(_: Limits) -> Service:
    raise BadModel("expected a network, got none")


@on_linux
def test_a_worker_that_is_stopped_is_given_up_in_time() -> None:
    pool = Pool(Limits(workers=1, seconds=1), Echo)
    try:
        (process,) = pool.processes
        os.kill(process, signal.SIGSTOP)  # it neither reads nor answers nor ends
        with pytest.raises(Problem) as refusal:
            asked(pool, b"x" * (8 << 20))  # more than a pipe holds
        assert refusal.value.status in (500, 503)
        until(lambda: pool.processes not in ([], [process]) and pool.ready == 1)
    finally:
        pool.close()


@pytest.mark.parametrize("seconds", [5, pytest.param(60, marks=pytest.mark.slow)])
@on_linux
def test_workers_killed_at_random_under_load_cost_their_own_requests_only(seconds: int) -> None:
    statuses: Counter[int] = Counter()
    pools: list[Pool] = []
    began = Pool.__init__

    def remembered(self: Pool, *arguments: object, **options: object) -> None:
        began(self, *arguments, **options)  # type: ignore[arg-type]
        pools.append(self)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Pool, "__init__", remembered)
        with running(workers=2) as client, ThreadPoolExecutor(3) as many:
            end = time.monotonic() + seconds
            stop = threading.Event()
            clients = [many.submit(_ask_on, client, stop, statuses) for _ in range(3)]
            rng = random.Random(0)
            try:
                while time.monotonic() < end:
                    time.sleep(rng.uniform(0, 1))
                    if found := pools[0].processes:
                        with suppress(ProcessLookupError):  # it has gone by itself meanwhile
                            os.kill(rng.choice(found), signal.SIGKILL)
            finally:  # clients that go on asking would keep a failure from being seen
                stop.set()
            for each in clients:
                each.result()
            assert in_the_end(client) == 200
            until(lambda: pools[0].ready == 2)
    assert set(statuses) <= {200, 500, 503}
    assert sum(statuses.values()) > 0


def _ask_on(client: Client, stop: threading.Event, statuses: "Counter[int]") -> None:
    while not stop.is_set():
        statuses[client.harmonize(**PARTS)[0]] += 1


def test_work_that_cannot_be_done_in_time_is_refused_at_once(quick: Pool) -> None:
    photo = encoded(composite(100))
    for _ in range(3):
        quick.estimate.learn("matte alone", 10_000, 0.4 * PATIENCE)  # so much takes each

    async def flood() -> list[Answer | BaseException]:
        async def stays() -> None:
            await asyncio.Event().wait()

        form = Form({"photo": photo}, MatteOptions())
        asked = [quick.run("matte", form, stays()) for _ in range(4)]
        return await asyncio.gather(*asked, return_exceptions=True)

    said = asyncio.run(flood())
    assert [isinstance(answer, Answer) for answer in said] == [True, True, False, False]
    for refusal in said[2:]:
        assert isinstance(refusal, Problem)
        assert refusal.status == 503
        # Two before it take 0.8 of the time that there is, and it takes 0.4.
        pause = int((refusal.headers or {})["Retry-After"])
        assert 0.1 * PATIENCE < pause <= 0.2 * PATIENCE + 1
    assert asked(quick, photo).content == photo  # alone, it is let in


def test_an_estimate_follows_what_was_measured_and_knows_sizes_from_headers() -> None:
    estimate = estimates.Estimate()
    assert estimate.seconds("matte", 1_500_000) == pytest.approx(2 * estimates.FIRST)
    estimate.learn("matte", 1_500_000, 4.0)
    assert estimate.seconds("matte", 3_500_000) == pytest.approx(8.0)
    estimate.learn("matte", 1_500_000, 2.0)
    assert estimate.seconds("matte", 1_500_000) == pytest.approx(3.6)
    assert estimate.seconds("compose", 0) == pytest.approx(estimates.FIRST / 2)
    wide = composite(64)[:40]
    assert estimates.pixels([encoded(wide)]) == 40 * 64
    assert estimates.pixels([encoded(wide, "JPEG"), encoded(mask(64))]) == 40 * 64 + 64 * 64
    assert estimates.pixels([b"\xff\xd8" + b"\xff\xe0\0\0" * 1000]) == 4002  # its bytes
    assert estimates.pixels([b"\x89PNG\r\n\x1a\n" + b"\xff" * 20]) == 0  # is refused


@on_linux
@pytest.mark.parametrize("trouble", ["working", "stopped"])
def test_sigterm_ends_the_server_whatever_hangs(trouble: str) -> None:
    program = (
        "from phnet.web import server; from phnet.web.limits import Limits; "
        "from tests.web.services import Moody; "
        "server.run('127.0.0.1', 0, None, Limits(seconds=3, workers=1), Moody)"
    )
    with (
        subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=Path(__file__).parents[2],
            stderr=subprocess.PIPE,
            text=True,
        ) as server,
        ThreadPoolExecutor(1) as one,
    ):
        assert server.stderr
        client = Client(int(server.stderr.readline().strip().rpartition(":")[2]))
        if trouble == "stopped":
            for task in Path(f"/proc/{server.pid}/task").iterdir():
                for child in (task / "children").read_text().split():
                    os.kill(int(child), signal.SIGSTOP)
        hangs = one.submit(client.harmonize, strength="0.25", **PARTS)
        until(lambda: hangs.done() or b"places_taken 1.0" in client.ask("GET", "/metrics")[2])
        server.terminate()
        try:
            server.wait(PATIENCE)  # its grace is 3 + 5 + 10 seconds
        finally:
            server.kill()
        hangs.exception(PATIENCE)
