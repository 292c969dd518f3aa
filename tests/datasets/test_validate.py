"""``phnet data check``: each thing that can be wrong is found, all at once."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from phnet.datasets.validate import check
from phnet.errors import BadData

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A sound FFHQH tree: the fixture, with photos that are not near-duplicates."""
    copy = tmp_path / "ffhqh"
    shutil.copytree(FIXTURES / "ffhqh", copy)
    rng = np.random.default_rng(0)
    for path in (copy / "real").iterdir():
        Image.fromarray(rng.integers(0, 256, (32, 40, 3), np.uint8)).save(path)
    return copy


def test_sound_trees_have_no_problems(tree: Path) -> None:
    report = check(tree)
    assert report.problems == []
    assert report.samples == {"train": 3, "val": 1, "test": 1}
    report = check(FIXTURES / "iharmony4")
    assert (report.layout, report.samples) == ("iHarmony4", {"train": 4, "test": 5})


def test_everything_wrong_is_listed_at_once(tree: Path) -> None:
    (tree / "comp" / "00000.jpg").unlink()
    Image.new("L", (40, 32), 127).save(tree / "alpha" / "00001.png")
    (tree / "comp" / "00002.jpg").write_bytes((tree / "comp" / "00002.jpg").read_bytes()[:300])
    Image.new("L", (20, 16), 255).save(tree / "alpha" / "00003.png")
    real = np.asarray(Image.open(tree / "real" / "00003.png")).copy()
    real[0, 0] = 255 - real[0, 0]
    Image.fromarray(real).save(tree / "real" / "00004.png")
    with (tree / "test_split.txt").open("a") as handle:
        handle.write("00001.jpg\n00004.jpg\n")
    progress: list[tuple[int, int]] = []
    report = check(tree, progress=lambda done, total: progress.append((done, total)))
    listed = "\n".join(report.problems)
    for expected in (
        "the composite of 00000.jpg is missing",
        f"{tree / 'alpha' / '00001.png'}: the mask is empty (no pixel above 0.5)",
        f"{tree / 'comp' / '00002.jpg'}: ",
        "00003: sizes differ: ",
        "FFHQH: 00001 is in the splits train and test",
        "FFHQH: 00004 is 2 times in the split test",
        "00003.png (val) and ",
        "00004.png (test) are near-duplicates: ",
        "00001.png (train) and ",
    ):
        assert expected in listed, expected
    # The last two: one repeated line, and the photo of the id that is in two splits.
    assert len(report.problems) == 8
    assert progress[-1] == (6, 6)


def test_missing_lists_and_folders_are_problems_too(tree: Path) -> None:
    (tree / "val_split.txt").unlink()
    report = check(tree)
    assert report.problems == [
        f"{tree / 'val_split.txt'}: expected the list of a split, found no such file"
    ]
    shutil.rmtree(tree / "real")
    (problem,) = check(tree).problems
    assert "expected the folder of the real photos" in problem
    with pytest.raises(BadData, match="found neither"):
        check(tree.parent)


def test_the_command_lists_and_ends_with_two(tree: Path) -> None:
    command = [sys.executable, "-m", "phnet", "data", "check", "--jobs", "2"]
    sound = subprocess.run(
        [*command, str(tree)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert sound.returncode == 0, sound.stderr
    assert sound.stdout == f"{tree}: FFHQH is sound (train 3, val 1, test 1)\n"
    (tree / "alpha" / "00000.png").unlink()
    (tree / "alpha" / "00003.png").unlink()
    wrong = subprocess.run(
        [*command, str(tree)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 2
    assert len(wrong.stdout.splitlines()) == 2
    assert wrong.stderr.endswith(f"phnet: {tree}: 2 problems in FFHQH (train 2, test 1)\n")
