"""``phnet harmonize FOLDER FOLDER -o FOLDER``: all that can be done is done, the rest is told."""

import json
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from phnet.errors import BadInput, BadOutput
from phnet.folders import Item, match, work_through
from tests.conftest import disc_mask, smooth_photo

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command_line: Run) -> Run:
    """Run ``phnet harmonize`` beside folders of three pictures and masks: status, out, err."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    Path("composites").mkdir()
    Path("masks").mkdir()
    for name in ("a.png", "b.jpg", "c.png"):
        Image.fromarray(smooth_photo(rng, 64, 48)).save(f"composites/{name}")
        Image.fromarray(disc_mask(64, 48)).save(f"masks/{Path(name).stem}.png")

    return partial(command_line, "harmonize", "composites", "masks", "-o", "out")


def test_a_folder_is_harmonized(run: Run) -> None:
    status, out, err = run("--jobs", 2)
    assert (status, out, err) == (0, "out: 3 harmonized, 0 failed\n", "")
    assert sorted(p.name for p in Path("out").iterdir()) == ["a.png", "b.jpg", "c.png"]
    before, after = (np.asarray(Image.open(f"{folder}/a.png")) for folder in ("composites", "out"))
    outside = disc_mask(64, 48) == 0
    np.testing.assert_array_equal(after[outside], before[outside])
    assert (after != before).any()


def test_a_failing_picture_stops_no_other(run: Run) -> None:
    Path("composites/b.jpg").write_bytes(b"no picture")
    Path("masks/c.png").unlink()
    status, out, err = run("--json", "--jobs", 2)
    assert status == 1
    summary = json.loads(out)
    assert (summary["done"], summary["skipped"], summary["failed"]) == (1, 0, 2)
    broken, lonely = summary["failures"]
    assert broken["composite"] == str(Path("composites/b.jpg"))
    assert "expected one mask c.*" in lonely["error"]
    assert [line.split(":")[0] for line in err.splitlines()] == ["phnet", "phnet"]
    assert [p.name for p in Path("out").iterdir()] == ["a.png"]


def test_resume_skips_what_is_done(run: Run) -> None:
    assert run()[0] == 0
    before = Path("out/a.png").stat().st_mtime_ns
    Path("out/c.png").unlink()
    assert run("--resume")[1] == "out: 1 harmonized, 2 skipped, 0 failed\n"
    assert Path("out/a.png").stat().st_mtime_ns == before
    assert Path("out/c.png").is_file()


def test_folders_that_cannot_be_are_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="found none"):
        match(tmp_path / "empty", None, tmp_path / "out")
    with pytest.raises(BadInput, match="expected a folder"):
        match(tmp_path / "composites", tmp_path / "missing", tmp_path / "out")
    with pytest.raises(BadOutput, match="another folder"):
        match(tmp_path / "composites", None, tmp_path / "composites")
    status, _, err = run("--save-lut", "look.cube")
    assert status == 2
    assert "--save-lut" in err


def test_two_composites_of_one_name_are_a_problem(run: Run) -> None:
    Image.new("RGB", (48, 64)).save("composites/a.jpg")
    status, _, err = run()
    assert status == 1
    assert "a.jpg, a.png" in err


def test_work_is_handed_out_as_it_is_done() -> None:
    items = [Item(Path(f"{i}"), None, Path(f"missing/{i}")) for i in range(50)]
    begun: list[Path] = []
    lock = threading.Lock()

    def work(item: Item) -> list[str]:
        with lock:
            begun.append(item.composite)
        if item.composite.name == "7":
            raise ZeroDivisionError("unforeseen")
        return [item.composite.name]

    outcomes = work_through(items, work, jobs=2)
    first = next(outcomes)
    assert first.state == "done"
    assert len(begun) <= 6
    rest = list(outcomes)
    assert len(rest) == 49
    assert [o.sentence for o in rest if o.sentence] == ["7: ZeroDivisionError: unforeseen"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc")
def test_a_thousand_pictures_need_no_more_memory_than_a_hundred(tmp_path: Path) -> None:
    from phnet.cli.harmonize import Options, harmonize_file
    from phnet.harmonizer import Harmonizer

    rng = np.random.default_rng(0)
    cv2.imwrite(str(tmp_path / "m.png"), disc_mask(80, 96))
    for i in range(4):
        cv2.imwrite(str(tmp_path / f"{i}.png"), smooth_photo(rng, 80, 96))
    harmonizer = Harmonizer(threads=1)

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1])

    items = [
        Item(tmp_path / f"{i % 4}.png", tmp_path / "m.png", tmp_path / f"out{i}.png")
        for i in range(1000)
    ]

    def work(item: Item) -> list[str]:
        options = Options(resolution=32)
        harmonize_file(harmonizer, item.composite, item.mask, item.output, options)
        item.output.unlink()
        return []

    after_hundred = 0
    for number, outcome in enumerate(work_through(items, work), 1):
        assert outcome.state == "done", outcome.sentence
        if number == 100:
            after_hundred = resident()
    assert resident() < after_hundred * 1.05
