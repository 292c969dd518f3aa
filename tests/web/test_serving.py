"""The command ``phnet serve``: what is safe to serve, and how it ends."""

import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi")
uvicorn = pytest.importorskip("uvicorn")

from phnet.cli import main  # noqa: E402
from tests.waiting import PATIENCE  # noqa: E402
from tests.web.test_app import SECRET_NAME, Client, encoded, mask  # noqa: E402


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--host", "0.0.0.0"], "expected --token-file"),
        (["--host", "example.org"], "expected --token-file"),
        (["--token-file", "none"], "none: expected a readable file"),
        (["--token-file", "empty"], "empty: expected one token"),
    ],
)
def test_what_would_be_unsafe_is_not_served(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").write_text(" \n")
    monkeypatch.setattr("phnet.web.server.run", lambda *_: pytest.fail("it listens"))
    monkeypatch.setattr(sys, "argv", ["phnet", "serve", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ("127.0.0.1", 8000, None)),
        (["--host", "::1", "--port", "81"], ("::1", 81, None)),
        (["--host", "0.0.0.0", "--insecure"], ("0.0.0.0", 8000, None)),
        (["--host", "0.0.0.0", "--token-file", "token"], ("0.0.0.0", 8000, "s3cret")),
    ],
)
def test_what_is_safe_or_wanted_is_served(
    arguments: list[str],
    expected: tuple[str, int, str | None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text("s3cret\n")
    served: list[tuple[Any, ...]] = []
    monkeypatch.setattr("phnet.web.server.run", lambda *given, **_: served.append(given))
    monkeypatch.setattr(sys, "argv", ["phnet", "serve", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    assert not caught.value.code
    assert served == [expected]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM")
def test_the_command_serves_and_sigterm_finishes_what_is_running(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    command = [sys.executable, "-m", "phnet", "serve", "--port", "0", "--token-file", "token"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        try:
            found = re.search(r"http://127\.0\.0\.1:(\d+)", process.stderr.readline())
            assert found
            client = Client(int(found[1]))
            given = {"Authorization": "Bearer s3cret"}
            noise = np.random.default_rng(0).integers(0, 256, (700, 700, 3), np.uint8)
            picture = encoded(noise, compress_level=1)
            with ThreadPoolExecutor(1) as other:
                parts = {"composite": picture, "mask": encoded(mask())}
                reply = other.submit(client.harmonize, given, **parts)
                while b"phnet_places_taken 1.0" not in client.ask("GET", "/metrics")[2]:
                    if reply.done():  # too quick to be interrupted: once more
                        assert reply.result()[0] == 200
                        reply = other.submit(client.harmonize, given, **parts)
                process.send_signal(signal.SIGTERM)
                assert reply.result()[0] == 200
            assert process.wait(PATIENCE) in (0, -signal.SIGTERM)
            log = process.stderr.read()
        finally:
            process.kill()
    assert SECRET_NAME not in log
    assert "POST /v1/harmonize 200" in log
    assert {path.name for path in tmp_path.iterdir()} == {"token"}
