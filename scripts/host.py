"""What the tests in real hosts share: their folders, environments, packages and pictures."""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
# Of these there must be one in an environment, under whichever name.
TWINS = ("opencv", "onnxruntime")


def folder(name: str) -> Path:
    """The folder of a host, made where it is missing."""
    made = Path(os.environ.get("PHNET_HOSTS", ROOT / ".venv-hosts")).resolve() / name
    made.mkdir(parents=True, exist_ok=True)
    return made


def run(*command: Any, where: Path | None = None, **more: Any) -> str:
    """What a command prints; raises with the end of it where it fails.

    Without PYTHONPATH: in a host it would put this checkout before the wheel that is tried.
    """
    words = [str(word) for word in command]
    more.setdefault("env", {k: v for k, v in os.environ.items() if k != "PYTHONPATH"})
    done = subprocess.run(
        words, cwd=where, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more
    )
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(words)[:200]}: exit {done.returncode}\n{done.stdout[-3000:]}"
        )
    return done.stdout


class Environment:
    """A virtual environment.

    Args:
        where: its folder; made where it is missing.
    """

    def __init__(self, where: Path) -> None:
        self.python = where / "bin" / "python"
        if not self.python.exists():
            print(f"making {where}", flush=True)
            venv.create(where, with_pip=True)

    def pip(self, *words: Any) -> str:
        """Run pip."""
        return run(self.python, "-m", "pip", *words)

    def packages(self) -> dict[str, str]:
        """Names and versions of what is installed."""
        listed = self.pip("list", "--format=json", "--disable-pip-version-check")
        start = listed.index("[{")
        found, _ = json.JSONDecoder().raw_decode(listed[start:])
        return {each["name"]: each["version"] for each in found}

    def once(self, purpose: str, steps: Sequence[Sequence[Any]]) -> None:
        """Run pip's steps, unless that was done before."""
        stamp = self.python.parents[1] / f"{purpose}.stamp"
        content = repr([[str(word) for word in step] for step in steps])
        if stamp.is_file() and stamp.read_text() == content:
            return
        for step in steps:
            print("pip", *step, flush=True)
            self.pip(*step)
        stamp.write_text(content)


def phnet() -> Environment:
    """An environment with this checkout's phnet and nothing else: the side compared with."""
    if python := os.environ.get("PHNET_PYTHON"):
        made = Environment.__new__(Environment)
        made.python = Path(python)
        return made
    made = Environment(folder("phnet"))
    made.once("phnet", [["install", "--quiet", "-e", f"{ROOT}[page]"]])
    return made


def example(python: Path, work: Path) -> None:
    """Put the example as composite.png and mask.png into a folder: JPEG decoders may differ."""
    script = (
        "import sys; from PIL import Image; e = sys.argv[1]; "
        "Image.open(e + '/composite.jpg').convert('RGB').save('composite.png'); "
        "Image.open(e + '/mask.png').convert('L').save('mask.png')"
    )
    run(python, "-c", script, EXAMPLES, where=work)


def wheel(into: Path) -> Path:
    """This checkout as a wheel."""
    for old in into.glob("phnet-*.whl"):
        old.unlink()
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", into, ROOT)
    (made,) = into.glob("phnet-*.whl")
    return made


def check_packages(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """What was added; refuses changes, and a second cv2 or ONNX Runtime."""
    changed = [
        f"{name} {version} -> {after.get(name)}"
        for name, version in before.items()
        if name != "phnet" and after.get(name) != version
    ]
    if changed:
        raise RuntimeError(f"expected no other package changed, but: {', '.join(changed)}")
    for twin in TWINS:
        found = [name for name in after if name.startswith(twin)]
        if len(found) != 1:
            raise RuntimeError(f"expected one {twin}, found {found}")
    return sorted(name for name in after if name not in before)
