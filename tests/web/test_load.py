"""Many clients at once: no request is lost, and memory comes to a level."""

import json
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from tests.waiting import PATIENCE, until
from tests.web.test_app import Client, composite, encoded, mask

LOAD = Path(__file__).parents[2] / "scripts" / "load"
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def loaded(*arguments: str) -> tuple[dict[str, object], dict[str, int]]:
    """What scripts/load says: all of it, and megabytes by requests answered."""
    command = [sys.executable, str(LOAD), *arguments]
    said = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    return said, next(value for name, value in said.items() if name.startswith("resident"))


@on_linux
def test_beyond_the_queue_none_is_lost_if_it_asks_again() -> None:
    said, memory = loaded("--requests", "40", "--clients", "30", "--side", "300")
    assert said["answered"] == 40
    assert said["turned away and asked again"]
    assert 0 < memory["0"] <= memory["40"]


@on_linux
@pytest.mark.slow
def test_after_200_requests_of_a_megapixel_memory_has_come_to_a_level() -> None:
    said, memory = loaded()
    assert said["answered"] == 200
    assert memory["200"] < 1.1 * memory["50"]


def processes(server: int) -> list[int]:
    """A process and all that it started."""
    found = [server]
    for task in Path(f"/proc/{server}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += processes(int(child))
    return found


def open_files(process: int) -> list[str]:
    links = []
    with suppress(OSError):
        for link in Path(f"/proc/{process}/fd").iterdir():
            with suppress(OSError):
                links.append(str(link.readlink()))
    return links


def _killed_while_it_works(
    server: subprocess.Popen[str], many: ThreadPoolExecutor
) -> tuple[list[int], set[str]]:
    """Its processes, and the files that they had open."""
    assert server.stderr
    found = re.search(r":(\d+)$", server.stderr.readline().strip())
    assert found
    client, family = Client(int(found[1])), processes(server.pid)
    assert len(family) >= 2
    parts = {"composite": encoded(composite(1200)), "mask": encoded(mask(1200))}
    assert len(parts["composite"]) > 1 << 20  # python-multipart would spool it to disk

    def ask_on() -> None:  # so that there is always something to be interrupted
        while True:
            assert client.harmonize(**parts)[0] == 200

    asked = [many.submit(ask_on) for _ in range(4)]
    seen: set[str] = set()
    while b"phnet_pixels_held 0.0" in client.ask("GET", "/metrics")[2]:
        seen |= {name for process in family for name in open_files(process)}
    for _ in range(10):
        seen |= {name for process in family for name in open_files(process)}
    server.send_signal(signal.SIGKILL)
    for reply in asked:
        assert isinstance(reply.exception(PATIENCE), OSError | HTTPException)
    return family, seen


@on_linux
def test_nothing_is_written_and_nothing_left_when_the_server_is_killed(tmp_path: Path) -> None:
    for name in ("tmp", "home", "here"):
        (tmp_path / name).mkdir()
    places = {name: str(tmp_path / "tmp") for name in ("TMPDIR", "TEMP", "TMP")}
    environment = os.environ | places | {"HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "phnet", "serve", "--port", "0"]
    server = subprocess.Popen(
        command,
        cwd=tmp_path / "here",
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # else pytest's own file
        stderr=subprocess.PIPE,
        text=True,
    )
    with server, ThreadPoolExecutor(4) as many:
        try:
            family, seen = _killed_while_it_works(server, many)
        finally:
            server.kill()
    until(
        lambda: not [process for process in family if Path(f"/proc/{process}/exe").exists()],
        "the end of the server's workers",
    )
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert not [name for name in seen if str(tmp_path) in name or "(deleted)" in name]
    assert any("socket:" in name for name in seen)
