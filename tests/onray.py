"""Scripts run with a local Ray, and a look at their actors, so that a test can kill one."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.waiting import PATIENCE

ROOT = Path(__file__).parent.parent


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run Python with arguments in the repository's folder, where scripts may import ``tests``."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0"},
    )


def actors() -> Iterator[int]:
    """The process numbers of Ray Data's actors that this process has started."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                line = (folder / "cmdline").read_bytes()
                if line.startswith(b"ray::Map") and _descends(int(folder.name)):
                    yield int(folder.name)
            except OSError:
                pass


def _descends(pid: int) -> bool:
    while pid > 1:
        if pid == os.getpid():
            return True
        status = Path(f"/proc/{pid}/status").read_text()
        pid = int(status.split("PPid:")[1].split()[0])
    return False
