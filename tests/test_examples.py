"""The examples' scripts: what is missing is one sentence."""

import subprocess
import sys
from pathlib import Path

import pytest

MAKE = Path(__file__).parents[1] / "examples" / "make.py"


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ("pymatting", "examples/make.py needs pymatting: pip install '.[matte]' scikit-image\n"),
        ("none", "usage: python examples/make.py SCENE.jpg"),
    ],
)
def test_what_is_missing_is_one_sentence(missing: str, sentence: str) -> None:
    if missing == "none":
        pytest.importorskip("pymatting")
    script = f"import runpy, sys; sys.modules[{missing!r}] = None; sys.argv = ['make.py']\n"
    script += f"runpy.run_path({str(MAKE)!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(sentence)
    assert done.stderr.count("\n") == 1
