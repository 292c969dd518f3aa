"""How the command ends: on Ctrl-C, where nothing can be written, with what libraries say."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import disc_mask, smooth_photo
from tests.waiting import PATIENCE, until

PHNET = [sys.executable, "-m", "phnet"]
posix = pytest.mark.skipif(os.name == "nt", reason="signals and devices of POSIX")


@pytest.fixture
def inputs(tmp_path: Path) -> list[str]:
    """A composite and its mask, which take a moment."""
    Image.fromarray(smooth_photo(np.random.default_rng(0), 1500, 1500)).save(tmp_path / "c.png")
    Image.fromarray(disc_mask(1500, 1500)).save(tmp_path / "m.png")
    return [str(tmp_path / "c.png"), str(tmp_path / "m.png")]


@posix
@pytest.mark.parametrize("share", [0.15, 0.5, 0.9])
def test_ctrl_c_is_one_line_and_leaves_nothing(
    tmp_path: Path, inputs: list[str], share: float
) -> None:
    command = [*PHNET, "harmonize", *inputs, "-o", str(tmp_path / "o.png")]
    before = {path.name for path in tmp_path.iterdir()}
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        until(lambda: _listens(running.pid))
        time.sleep(share)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=PATIENCE)
    if running.returncode == 0:  # it was done before
        assert out.endswith(b"harmonized\n")
        return
    assert (running.returncode, out, err) == (130, b"", b"phnet: interrupted\n")
    assert {path.name for path in tmp_path.iterdir()} - before <= {"o.png"}


@posix
def test_ctrl_c_after_all_is_done_changes_nothing() -> None:
    program = (
        "import builtins, os, signal, sys\n"
        "class Last:\n"
        "    def __init__(self): self.kill, self.me = os.kill, os.getpid()\n"
        "    def __del__(self): self.kill(self.me, 2)\n"
        "builtins.last = Last()\n"  # goes when Python has restored the signals
        "sys.argv = ['phnet', '--version']\n"
        "from phnet.__main__ import main\n"
        "main()\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=PATIENCE)
    assert (said.returncode, said.stderr) == (0, b"")
    assert said.stdout.startswith(b"phnet ")


def _listens(process: int) -> bool:
    """Whether it has a handler of SIGINT that is not Python's own: set last, before imports."""
    try:
        maps = Path(f"/proc/{process}/maps").read_text()
    except OSError:  # no such folder on this system
        time.sleep(0.5)
        return True
    return "numpy" in maps or "cv2" in maps


@posix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_standard_output_gets_a_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*PHNET, "--version"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert done.stderr.count("\n") == 1


@posix
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_parts_that_cannot_be_written_get_a_sentence_and_nothing_is(
    tmp_path: Path, inputs: list[str]
) -> None:
    command = [*PHNET, "compose", inputs[0], inputs[0], "--mask", inputs[1]]
    command += ["-o", str(tmp_path / "o.png"), "--save-parts", "/proc/x"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("phnet: /proc/x: expected a folder to write to, but")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "o.png").exists()


@posix
def test_libraries_in_c_do_not_reach_the_terminal(tmp_path: Path, inputs: list[str]) -> None:
    deep = np.full((40, 40, 3), 40_000, np.uint16)
    import imagecodecs

    content = bytes(imagecodecs.png_encode(deep))
    (tmp_path / "cut.png").write_bytes(content[:60] + bytes(20) + content[80:])
    command = [*PHNET, "harmonize", str(tmp_path / "cut.png"), inputs[1]]
    command += ["-o", str(tmp_path / "o.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"phnet: {tmp_path / 'cut.png'}: expected a whole image")
    assert done.stderr.count("\n") == 1
