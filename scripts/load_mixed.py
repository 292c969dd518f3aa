"""The mixed load of ``scripts/load --mixed``: good, hostile, slow and leaving clients, and kills.

What must hold: every request that is sent whole gets an answer; a good one gets its picture in the
end (it is sent again while it is to be sent again); memory comes to a level.
"""

import argparse
import http.client
import io
import json
import os
import random
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the generator is in tests/

from tests.fuzz.pictures import case

PATIENCE = 300  # seconds for an answer; beyond them, a request has none
GOOD, HOSTILE, SLOW, LEAVING = 3, 2, 2, 1  # clients
SIDES = (0.3, 1, 1, 1, 2)  # of the good pictures, by --side
TO_COME_BACK = 60  # seconds for the server after the load
Headers = dict[str, str]
Encode = Callable[[int], bytes]
Resident = Callable[[int], int | None]


class Mixed:
    """All clients of one load, and what they have seen.

    Args:
        server: number of its process.
        port: where it listens.
        options: how long to ask, how large, how often to kill.
        request: makes the body of a good request, with pictures of that side.
        headers: of each request.
        resident: memory of a process and its children in MB.
    """

    def __init__(
        self,
        server: int,
        port: int,
        options: argparse.Namespace,
        request: Encode,
        headers: Headers,
        resident: Resident,
    ) -> None:
        self._server, self._port, self._headers = server, port, headers
        self._every, self._resident = options.kill_every, resident
        self._begun = time.monotonic()
        self._end = self._begun + options.seconds
        self._sides = [int(part * options.side) for part in SIDES]
        self._bodies = {side: request(side) for side in self._sides}
        self._lock = threading.Lock()
        self._statuses: dict[str, Counter[str]] = {}
        self._lost: list[str] = []
        self._broken: list[str] = []
        self._unready = 0
        self.kills = 0
        self.memory: list[tuple[float, int]] = []

    def run(self) -> dict[str, object]:
        """Load the server; figures."""
        kinds = [self._good] * GOOD + [self._hostile] * HOSTILE + [self._slow] * SLOW
        kinds += [self._leaving] * LEAVING + [self._kill, self._watch]
        threads = [
            threading.Thread(target=self._on, args=(kind, number), daemon=True)
            for number, kind in enumerate(kinds)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {
            "seconds": round(time.monotonic() - self._begun),
            "answers by kind of client": {k: dict(v) for k, v in sorted(self._statuses.items())},
            "without an answer, or lost": self._lost,
            "hostile requests that got 500": self._broken,
            "workers killed": self.kills,
            "times that no worker was ready": self._unready,
            "a good request afterwards": self._afterwards(),
            "resident MB, median and most, by ten minutes": self._levels(),
        }

    def _on(self, kind: Callable[[random.Random], None], number: int) -> None:
        rng = random.Random(number)
        while time.monotonic() < self._end:
            try:
                kind(rng)
            except Exception as error:
                self._lose(f"{kind.__name__.strip('_')}: {type(error).__name__}: {error}")
                time.sleep(1)

    def _lose(self, sentence: str) -> None:
        with self._lock:
            self._lost.append(f"{time.monotonic() - self._begun:.0f} s: {sentence}")

    def _count(self, kind: str, what: str) -> None:
        with self._lock:
            self._statuses.setdefault(kind, Counter())[what] += 1

    def _ask(self, body: bytes) -> tuple[int, float, bytes]:
        """The status, the seconds to wait as it says, and the content."""
        line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            line.request("POST", "/v1/harmonize", body, self._headers)
            answer = line.getresponse()
            content = answer.read()
            return answer.status, float(answer.headers.get("Retry-After", "0")), content
        finally:
            line.close()

    def _good(self, rng: random.Random) -> None:
        side = rng.choice(self._sides)
        while True:
            status, pause, content = self._ask(self._bodies[side])
            self._count("good", str(status))
            if status == 200:
                with Image.open(io.BytesIO(content)) as picture:
                    picture.load()
                    if picture.size != (side, side):
                        self._lose(f"good: expected {side}x{side}, got {picture.size}")
                return
            # 500: its worker was killed in the middle of it.
            if status not in (429, 500, 503) or time.monotonic() > self._end + PATIENCE:
                self._lose(f"good: {status} {content[:200]!r}")
                return
            time.sleep(pause)

    def _hostile(self, rng: random.Random) -> None:
        seed = rng.randrange(1 << 40)
        _, content = case(seed)
        body = self._bodies[self._sides[0]]
        name = b"composite" if rng.random() < 0.5 else b"mask"
        begin = body.index(b"\r\n\r\n", body.index(b'name="' + name)) + 4
        body = body[:begin] + content + body[body.index(b"\r\n--edge", begin) :]
        status, pause, said = self._ask(body)
        self._count("hostile", str(status))
        if status == 500:
            self._broken.append(f"seed {seed} as {name.decode()}: {json.loads(said)['detail']}")
        if status not in (200, 413, 422, 429, 500, 503):
            self._lose(f"hostile: {status} {said[:200]!r}")
        time.sleep(min(pause, 5) + rng.random() * 0.2)

    def _slow(self, rng: random.Random) -> None:
        body, what = self._bodies[self._sides[1]], rng.choice(("head", "body", "unread"))
        head = "POST /v1/harmonize HTTP/1.1\r\nHost: localhost\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in self._headers.items())
        sent = f"{head}Content-Length: {len(body)}\r\n\r\n".encode()
        if what == "head":
            sent = sent[: rng.randrange(1, len(sent) - 3)]
        elif what == "body":
            sent += body[: rng.randrange(len(body) - 1)]
        else:
            sent += body
        with socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE) as line:
            line.sendall(sent)
            if what == "unread":
                time.sleep(rng.uniform(1, 40))  # as long as it likes; then it leaves
                self._count("slow", "left its answer unread")
                return
            got = line.recv(16)
        self._count("slow", f"half a {what}: {got[9:12].decode() or 'closed'}")
        # What is refused before its body is read: 429 or 503.
        if got[9:12] not in ((b"408",) if what == "head" else (b"408", b"429", b"503")):
            self._lose(f"slow: half a {what} got {got!r}")

    def _leaving(self, rng: random.Random) -> None:
        line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            with suppress(ConnectionError):  # it was refused, and more is sent than is read
                line.request("POST", "/v1/harmonize", self._bodies[self._sides[1]], self._headers)
            time.sleep(rng.uniform(0, 3))
        finally:
            line.close()
        self._count("leaving", "left")

    def _kill(self, rng: random.Random) -> None:
        wait = self._end - time.monotonic()
        time.sleep(max(0.0, min(self._every, wait)))
        if wait > self._every and (found := workers(self._server)):
            with suppress(ProcessLookupError):
                os.kill(rng.choice(found), signal.SIGKILL)
                self.kills += 1

    def _watch(self, _: random.Random) -> None:
        found = self._resident(self._server)
        if found is not None:
            self.memory.append((time.monotonic() - self._begun, found))
        line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            line.request("GET", "/healthz")
            self._unready += line.getresponse().status != 200
        finally:
            line.close()
        time.sleep(5)

    def _afterwards(self) -> int:
        end = time.monotonic() + TO_COME_BACK
        while (
            status := self._ask(self._bodies[self._sides[0]])[0]
        ) != 200 and time.monotonic() < end:
            time.sleep(1)
        return status

    def _levels(self) -> dict[str, list[int]]:
        parts: dict[int, list[int]] = {}
        for when, megabytes in self.memory:
            parts.setdefault(int(when // 600), []).append(megabytes)
        return {
            f"{10 * part} to {10 * part + 10}": [sorted(found)[len(found) // 2], max(found)]
            for part, found in parts.items()
        }


def workers(server: int) -> list[int]:
    """Numbers of the processes that work on pictures."""
    found = []
    for task in Path(f"/proc/{server}/task").iterdir():
        for child in (task / "children").read_text().split():
            with suppress(OSError):
                if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.append(int(child))
    return found
