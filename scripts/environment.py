"""The virtual environment that the scripts beside this file share; needs Python and pip alone.

It lies in ``.venv``, or where the variable PHNET_VENV says. What was installed is remembered by
a stamp inside it, so that a second run starts at once.
"""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "scripts" / "constraints.txt"
OLDEST_PYTHON = (3, 11)
TEST_EXTRAS = "train,matte,serve,video,scale,heic,evaluate,psd"


def folder() -> Path:
    """Where the environment is."""
    return Path(os.environ.get("PHNET_VENV", ROOT / ".venv"))


def program(name: str) -> Path:
    """A program of the environment, such as ``python`` or ``phnet``."""
    return folder() / ("Scripts" if os.name == "nt" else "bin") / name


def for_use() -> None:
    """Install the package alone, as ``pip install`` does for a user."""
    _install("use", [["-e", str(ROOT)]])


def for_tests() -> None:
    """Install the package with its extras and the development tools, all at pinned versions."""
    package = f"{ROOT}[{TEST_EXTRAS}]"
    group = ["--group", f"{ROOT / 'pyproject.toml'}:dev"]
    _install("tests", [["--upgrade", "pip>=25.1"], ["-c", str(CONSTRAINTS), "-e", package, *group]])


def run(worker: str) -> int:
    """Run a script beside this file in the environment, with this process's own arguments."""
    command = [str(program("python")), str(ROOT / "scripts" / worker), *sys.argv[1:]]
    return subprocess.run(command, check=False).returncode


def _install(purpose: str, steps: list[list[str]]) -> None:
    if sys.version_info < OLDEST_PYTHON:
        wanted = ".".join(map(str, OLDEST_PYTHON))
        sys.exit(f"expected Python {wanted} or newer, got {sys.version.split()[0]}")
    stamp = folder() / f"phnet-{purpose}.stamp"
    content = _state()
    if stamp.is_file() and stamp.read_text() == content:
        return
    if not _works():
        print(f"making {folder()}", flush=True)
        venv.create(folder(), with_pip=True, clear=True)
    for step in steps:
        command = [str(program("python")), "-m", "pip", "install", *step]
        print("pip install", *step, flush=True)
        print("(minutes, where nothing was downloaded before; pip says what it does)", flush=True)
        if status := subprocess.run(command, cwd=ROOT, check=False).returncode:
            sys.exit(status)
    stamp.write_text(content)


def _state() -> str:
    """What the installed packages depend on, as one sum."""
    parts = [sys.version.encode(), str(ROOT).encode(), Path(__file__).read_bytes()]
    parts += [path.read_bytes() for path in (ROOT / "pyproject.toml", CONSTRAINTS)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _works() -> bool:
    """Whether there is an environment with a pip that runs."""
    try:
        command = [str(program("python")), "-m", "pip", "--version"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
