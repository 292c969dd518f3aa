"""``phnet compose`` and ``phnet matte`` on folders, and what all commands say of folders."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from phnet.harmonization.harmonize_picture import FOUND
from tests.conftest import disc_mask, smooth_photo

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a portrait, one in a folder inside it, and a background."""
    monkeypatch.chdir(tmp_path)
    Path("in/sub").mkdir(parents=True)
    photo = Image.fromarray(astronaut()).resize((128, 128))
    photo.save("in/a.png")
    photo.save("in/sub/b.jpg", quality=95)
    Image.fromarray(smooth_photo(np.random.default_rng(0), 60, 90)).save("scene.png")


def written() -> list[str]:
    return sorted(path.as_posix() for path in Path("out").rglob("*") if path.is_file())


def test_people_of_a_folder_are_composed(command_line: Run) -> None:
    status, out, err = command_line("compose", "in", "scene.png", "-o", "out", "--recursive")
    assert (status, out) == (0, "out: 2 composed, 0 failed\n"), err
    assert written() == ["out/a.png", "out/sub/b.png"]
    assert command_line("compose", "in/a.png", "scene.png", "-o", "one.png")[0] == 0
    assert Path("one.png").read_bytes() == Path("out/a.png").read_bytes()
    Path("scenes").mkdir()
    Image.open("scene.png").save("scenes/a.tif")
    Path("masks").mkdir()
    Image.fromarray(disc_mask(128, 128)).save("masks/a_mask.png")
    status, out, _ = command_line("compose", "in", "scenes", "--mask", "masks", "-o", "out")
    assert (status, out) == (0, "out: 1 composed, 0 failed\n")
    assert "out/a.tif" in written()


def test_one_without_a_person_fails_alone(command_line: Run) -> None:
    Image.new("RGB", (64, 64), (90, 90, 90)).save("in/nobody.png")
    status, out, err = command_line("compose", "in", "scene.png", "-o", "out")
    assert (status, out) == (1, "out: 1 composed, 1 failed\n")
    assert "note: in: passed over 1 folder inside it (--recursive)" in err
    assert f"{Path('in/nobody.png')}: no person was found" in err
    assert "hand in a mask (--mask)" in err


def test_mattes_of_a_folder(command_line: Run) -> None:
    status, out, _ = command_line("matte", "in", "-o", "out", "--recursive", "--jobs", 2)
    assert (status, out) == (0, "out: 2 matted, 0 failed\n")
    assert written() == ["out/a.png", "out/sub/b.png"]
    assert np.asarray(Image.open("out/sub/b.png")).mean() > 20
    assert "2 skipped" in command_line("matte", "in", "-o", "out", "--recursive", "--resume")[1]


def test_a_folder_without_masks_is_told_once(command_line: Run) -> None:
    status, out, err = command_line("harmonize", "in", "-o", "out", "--recursive")
    assert (status, out) == (0, "out: 2 harmonized, 0 failed\n")
    assert written() == ["out/a.png", "out/sub/b.jpg"]
    assert err == f"phnet: note: in: {FOUND}\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["harmonize", "in", "-o", "scene.png"], "scene.png: expected a folder .* it is a file"),
        (["harmonize", "in", "-o", "scene.png/x"], r"but scene\.png is a file"),
        (["harmonize", "in", "scene.png", "-o", "out"], "expected a folder of .* it is a file"),
        (["compose", "in", "no.png", "-o", "out"], "no.png: expected an image file"),
    ],
)
def test_sentences_about_folders(command_line: Run, arguments: list[str], sentence: str) -> None:
    status, _, err = command_line(*arguments)
    assert status in (1, 2)
    assert re.search(sentence, err), err
