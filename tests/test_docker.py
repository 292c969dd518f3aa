"""The Dockerfile, as far as it can be checked without an engine: its commands are run in a folder.

What the image has under ``/opt/phnet``, ``/build`` and ``/run`` lies in a temporary folder here.
"""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import PATIENCE, until

ROOT = Path(__file__).parent.parent
Instruction = tuple[str, str]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the image's commands are POSIX")


def instructions() -> list[Instruction]:
    """Name and arguments of each instruction."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def the(name: str) -> str:
    (found,) = [rest for other, rest in instructions() if other == name]
    return found


def test_it_is_slim_without_a_compiler_and_not_root() -> None:
    bases = [rest.split()[0] for name, rest in instructions() if name == "FROM"]
    assert len(bases) == 2  # what is installed is copied out of the stage that installs it
    assert all(re.fullmatch(r"python:3\.\d+-slim", base) for base in bases)
    stages = " ".join(name for name, _ in instructions()).split("FROM")
    assert "RUN" not in stages[-1]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", the("USER"))  # numbers: Kubernetes can check them
    assert not any(name == "ADD" for name, _ in instructions())
    assert not re.search(r"curl|wget|https?://(?!127\.0\.0\.1)", (ROOT / "Dockerfile").read_text())


def test_versions_are_pinned_and_commands_are_in_exec_form() -> None:
    for name, rest in instructions():
        if name == "RUN" and "pip install" in rest:
            assert "-c scripts/constraints.txt" in rest
            assert "--no-cache-dir" in rest
    command = json.loads(the("CMD"))
    assert command[:2] == ["phnet", "serve"]
    assert "--token-file" in command
    assert "--insecure" not in command
    assert isinstance(json.loads(the("HEALTHCHECK").split("CMD", 1)[1]), list)
    assert "PYTHONDONTWRITEBYTECODE=1" in the("ENV")


def test_nothing_but_what_is_copied_reaches_the_engine() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split("\n")
    kept = {line[1:] for line in ignored if line.startswith("!")}
    copied = [
        source
        for name, rest in instructions()
        if name == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    ]
    assert "*" in ignored
    assert kept == set(copied)
    assert all((ROOT / source).exists() for source in copied)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the build makes: its instructions, carried out below a folder."""
    folder = tmp_path_factory.mktemp("image")
    (folder / "opt").mkdir()
    (folder / "token").write_text("s3cret")
    here = folder
    for name, rest in instructions():
        if name == "WORKDIR":
            here = folder / rest.strip("/")
            here.mkdir(exist_ok=True)
        if name == "COPY" and not rest.startswith("--from"):
            *sources, target = rest.split()
            for source in sources:
                place = here / target if len(sources) == 1 else here / target / source
                place.parent.mkdir(parents=True, exist_ok=True)
                skip = shutil.ignore_patterns("__pycache__", "*.egg-info")
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, place, ignore=skip)
                else:
                    shutil.copyfile(ROOT / source, place)
        if name == "RUN":
            command = shlex.split(rest.replace("/opt/phnet", str(folder / "opt" / "phnet")))
            command[0] = sys.executable if command[0] == "python" else command[0]
            subprocess.run(command, cwd=here, check=True)
    let_write(folder, False)
    yield folder
    let_write(folder, True)
    shutil.rmtree(folder)  # hundreds of megabytes


def let_write(folder: Path, wanted: bool) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o200 if wanted else mode & ~0o222)


@pytest.mark.slow
def test_what_is_built_serves_on_a_file_system_that_is_read_only(image: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    settings = dict(part.split("=", 1) for part in shlex.split(the("ENV")))
    settings["PATH"] = f"{image}/opt/phnet/bin:/usr/bin:/bin"
    settings |= dict.fromkeys(("HOME", "TMPDIR"), str(image))
    # Root may write everywhere, unless all of its privileges are taken.
    alone = ["setpriv", "--bounding-set=-all", "--"] if os.getuid() == 0 else []

    def run(command: list[str]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([*alone, *command], cwd=image, env=settings)

    refused = run([sys.executable, "-c", "open('here', 'w')"])
    assert refused.wait() == 1  # this file system is read-only indeed

    def placed(command: list[str]) -> list[str]:
        command = [part.replace("8000", port).replace("/run/token", "token") for part in command]
        return [f"{image}/opt/phnet/bin/{command[0]}", *command[1:]]

    health = placed(json.loads(the("HEALTHCHECK").split("CMD", 1)[1]))
    before = set(image.rglob("*"))
    with run(placed(json.loads(the("CMD")))) as server:
        try:

            def serves() -> bool:
                assert server.poll() is None, "the server ended"
                return run(health).wait() == 0

            until(serves, "a healthcheck that passes")
            form = {"Content-Type": "multipart/form-data; boundary=edge"}
            form |= {"Authorization": "Bearer s3cret"}
            body = b""
            for name, file in (("composite", "composite.jpg"), ("mask", "mask.png")):
                head = f'--edge\r\nContent-Disposition: form-data; name="{name}"; filename="f"\r\n'
                body += head.encode() + b"\r\n" + (ROOT / "examples" / file).read_bytes() + b"\r\n"
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/v1/harmonize", body + b"--edge--\r\n", form
            )
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                assert answer.headers["content-type"] == "image/jpeg"
                assert len(answer.read()) > 1000
        finally:
            server.terminate()
        assert server.wait(PATIENCE) in (0, -15)
    assert run(health).wait() == 1  # the check can fail
    assert set(image.rglob("*")) == before
