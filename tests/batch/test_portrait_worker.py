"""``phnet compose`` and ``phnet matte`` on folders, and what all commands say of folders."""

import re
from collections.abc import Callable
from pathlib import Path

import imagecodecs
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


def test_a_folder_takes_a_look_and_a_reference_but_saves_none(command_line: Run) -> None:
    flags = ("--look", "look.json", "--shadow", 1)
    one = ("compose", "in/a.png", "scene.png")
    assert command_line(*one, "-o", "saved.png", "--save-look", "look.json")[0] == 0
    status, _, err = command_line("compose", "in", "scene.png", "-o", "out", *flags)
    assert status == 0, err
    assert command_line(*one, "-o", "one.png", *flags)[0] == 0
    assert Path("one.png").read_bytes() == Path("out/a.png").read_bytes()
    photo = Image.open("scene.png").rotate(180)
    Image.eval(photo, lambda value: value // 3).save("dark.png")
    status, _, err = command_line(
        "compose", "in", "scene.png", "-o", "d", "--reference", "dark.png"
    )
    assert status == 0, err
    means = [np.asarray(Image.open(file)).mean() for file in ("d/a.png", "saved.png")]
    assert means[0] < means[1]
    for flag in ("--save-look", "--save-parts"):
        status, _, err = command_line("compose", "in", "scene.png", "-o", "none", flag, "x")
        assert (status, err) == (2, f"phnet: {flag}: expected one portrait, got a folder\n")
    assert not Path("none").exists()


def test_the_shadow_beyond_the_mask_is_saved(command_line: Run) -> None:
    alpha = np.zeros((80, 60), np.uint8)
    alpha[10:60, 20:40] = 255
    cutout = np.dstack([np.full((80, 60, 3), 90, np.uint8), alpha])
    Image.fromarray(cutout).save("cutout.png")
    Image.new("RGB", (60, 80), (150, 160, 170)).save("plain.png")
    place = ("--place", "0,0,1", "--shadow", 1, "--save-parts", "parts")
    status, _, err = command_line("compose", "cutout.png", "plain.png", "-o", "out.png", *place)
    assert status == 0, err
    made = np.asarray(Image.open("out.png"))
    assert made[61, 30, 0] < 140
    np.testing.assert_array_equal(made[:5], np.asarray(Image.open("plain.png"))[:5])
    below = np.asarray(Image.open("parts/composite.png")).astype(float) / 255
    for layer in ("layer-1-color.png", "layer-2-shadow.png"):
        below += imagecodecs.imread(Path("parts") / layer) / 65535 * 2 - 1
    assert np.abs(below * 255 - made).max() <= 1.5


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
