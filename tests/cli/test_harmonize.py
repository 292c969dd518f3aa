"""``phnet harmonize`` as a person meets it: pictures out, or one sentence and exit code 2."""

import re
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps
from skimage.data import astronaut

from phnet.harmonization.harmonizer import Harmonizer
from phnet.images import load

ROOT = Path(__file__).parents[2]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command_line: Run) -> Run:
    """Run ``phnet harmonize`` in a folder with a composite and a mask: status, out, err."""
    monkeypatch.chdir(tmp_path)
    photo = Image.fromarray(astronaut()).resize((120, 120))
    photo.save("composite.png")
    Image.fromarray(person_mask(120, 120)).save("mask.png")

    return partial(command_line, "harmonize")


def person_mask(height: int, width: int) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 :, width // 4 : 3 * width // 4] = 255
    mask[height // 4, width // 4 : 3 * width // 4] = 100
    return mask


def changed(before: Path, after: Path) -> np.ndarray:
    """Where two pictures differ, (H, W)."""
    return np.any(load(before).pixels != load(after).pixels, -1)


def test_a_picture_comes_out_with_its_background_bit_for_bit(run: Run, tmp_path: Path) -> None:
    status, out, err = run("composite.png", "mask.png", "-o", "out.png", "--threads", 1)
    assert (status, err) == (0, "")
    assert out == "out.png: 120x120, 37% of it foreground, harmonized\n"
    mask = person_mask(120, 120)
    assert not changed(tmp_path / "composite.png", tmp_path / "out.png")[mask == 0].any()
    assert changed(tmp_path / "composite.png", tmp_path / "out.png")[mask > 0].mean() > 0.3


def test_a_model_that_cannot_be_used_is_told_though_it_is_opened_meanwhile(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "m.onnx").write_bytes(b"no network")
    given = ("mask.png", "-o", "out.png", "--model", "m.onnx")
    for composite, sentence in (
        ("composite.png", "phnet: m.onnx: expected an ONNX network"),
        ("none.png", "phnet: none.png: expected an image file"),
    ):
        status, out, err = run(composite, *given)
        assert (status, out) == (2, "")
        assert err.startswith(sentence)
        assert len(err.splitlines()) == 1
    assert not (tmp_path / "out.png").exists()


def test_a_deep_picture_with_a_profile_and_alpha_keeps_all(run: Run, tmp_path: Path) -> None:
    adobe = imagecodecs.cms_profile("adobergb")
    rgba = np.random.default_rng(0).integers(20_000, 40_000, (60, 90, 4)).astype(np.uint16)
    options = {"photometric": "rgb", "extrasamples": ["unassalpha"], "iccprofile": adobe}
    tifffile.imwrite("deep.tif", rgba, **options)
    Image.fromarray(person_mask(60, 90)).save("mask.png")
    assert run("deep.tif", "mask.png", "-o", "out.tif")[0] == 0
    back, mask = load(tmp_path / "out.tif"), person_mask(60, 90)
    assert (back.pixels.dtype, back.icc) == (np.uint16, adobe)
    np.testing.assert_array_equal(back.alpha, rgba[..., 3])
    np.testing.assert_array_equal(back.pixels[mask == 0], rgba[..., :3][mask == 0])
    status, _, err = run("deep.tif", "mask.png", "-o", "out.webp")
    assert status == 0
    assert "16 bits" in err


def test_a_mask_of_another_size_and_the_options(run: Run, tmp_path: Path) -> None:
    Image.fromarray(person_mask(61, 60)).save("small.png")
    status, _, _ = run(
        *("composite.png", "small.png", "-o", "out.jpg", "--lift", "lut", "--strength", 0.5),
        *("--resolution", 64, "--save-lut", "look.cube"),
    )
    assert status == 0
    assert load(tmp_path / "out.jpg").size == (120, 120)
    assert (tmp_path / "look.cube").read_text().count("\n") > 17**3


def test_the_self_ensemble_is_asked_for(run: Run, tmp_path: Path) -> None:
    """Of a file, a folder and in Python: the same picture, another than without it."""
    assert run("composite.png", "mask.png", "-o", "one.png")[0] == 0
    assert run("composite.png", "mask.png", "-o", "both.png", "--self-ensemble")[0] == 0
    assert changed(tmp_path / "one.png", tmp_path / "both.png").any()
    for folder, name in (("in", "composite.png"), ("masks", "mask.png")):
        Path(folder).mkdir()
        Path(folder, "a.png").write_bytes(Path(name).read_bytes())
    assert run("in", "masks", "-o", "out", "--self-ensemble")[0] == 0
    assert not changed(tmp_path / "out/a.png", tmp_path / "both.png").any()
    python = Harmonizer(self_ensemble=True).harmonize("composite.png", "mask.png")
    np.testing.assert_array_equal(np.asarray(python), np.asarray(Image.open("both.png")))


def test_strength_zero_is_the_composite(run: Run, tmp_path: Path) -> None:
    assert run("composite.png", "mask.png", "-o", "out.png", "--strength", 0)[0] == 0
    assert not changed(tmp_path / "composite.png", tmp_path / "out.png").any()


def test_an_inverted_mask_gets_a_hint_and_invert_mask_helps(run: Run, tmp_path: Path) -> None:
    Image.fromarray(255 - person_mask(120, 120)).save("inverted.png")
    portrait = ROOT / "tests" / "portraits" / "test_0010.jpg"
    ImageOps.invert(Image.open(portrait.with_suffix(".png")).convert("L")).save("turned.png")
    _, _, err = run(str(portrait), "turned.png", "-o", "hinted.png")
    assert "--invert-mask" in err
    status, _, err = run("composite.png", "inverted.png", "-o", "out.png", "--invert-mask")
    assert (status, err) == (0, "")
    run("composite.png", "mask.png", "-o", "straight.png")
    assert not changed(tmp_path / "out.png", tmp_path / "straight.png").any()


def test_a_full_mask_is_harmonized_with_a_warning(run: Run, tmp_path: Path) -> None:
    Image.fromarray(np.full((120, 120), 255, np.uint8)).save("full.png")
    status, _, err = run("composite.png", "full.png", "-o", "out.png")
    assert status == 0
    assert "covers everything" in err
    assert load(tmp_path / "out.png").size == (120, 120)


def test_without_a_mask_the_person_is_found_and_that_is_said(run: Run, tmp_path: Path) -> None:
    status, _, err = run("composite.png", "-o", "out.png")
    assert status == 0
    assert "no mask was given" in err
    assert not changed(tmp_path / "composite.png", tmp_path / "out.png")[:20, :20].any()
    Image.fromarray(np.full((120, 120, 3), 90, np.uint8)).save("nobody.png")
    status, _, err = run("nobody.png", "-o", "out2.png")
    assert status == 2
    assert "nobody.png: no person" in err
    assert not (tmp_path / "out2.png").exists()


def bad_inputs(folder: Path) -> None:
    photo = Image.open(folder / "composite.png")
    content = (folder / "composite.png").read_bytes()
    (folder / "cut.png").write_bytes(content[: len(content) // 2])
    (folder / "text.png").write_text("hello")
    photo.save(folder / "anim.webp", save_all=True, append_images=[photo.rotate(90)])
    header = b"IHDR" + struct.pack(">II", 20_000, 10_001) + content[24:29]
    huge = content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]
    (folder / "huge.png").write_bytes(huge)
    Image.fromarray(person_mask(120, 90)).save(folder / "aspect.png")
    Image.fromarray(np.zeros((120, 120), np.uint8)).save(folder / "empty.png")
    (folder / "folder").mkdir()
    (folder / "net.onnx").write_bytes(b"no network")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["missing.png", "mask.png"], "missing.png: expected an image file, but there is no such"),
        (["composite.png", "missing.png"], "missing.png: expected an image file"),
        (["cut.png", "mask.png"], "cut.png: expected a whole image"),
        (["composite.png", "cut.png"], "cut.png: expected a whole image"),
        (["text.png", "mask.png"], "text.png: expected an image"),
        (["anim.webp", "mask.png"], "anim.webp: expected a single picture, got .* 2 frames"),
        (["huge.png", "mask.png"], "huge.png: expected at most 100 megapixels, got 20000x10001"),
        (["composite.png", "huge.png"], "huge.png: expected at most 100 megapixels"),
        (["composite.png", "aspect.png"], "aspect.png: expected .* aspect .*120x120.* got 90x120"),
        (["composite.png", "empty.png"], "empty.png: .*empty"),
        (["folder", "mask.png"], "folder: expected pictures in this folder, found none"),
        (["composite.png", "mask.png", "--model", "net.onnx"], "net.onnx: expected an ONNX"),
        (["composite.png", "mask.png", "--model", "no.onnx"], "no.onnx: expected an ONNX file"),
        (["composite.png", "--matte", "no.onnx"], "no.onnx: "),
        (["composite.png", "mask.png", "--save-lut", "look.txt"], "look.txt: .*cube"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    run: Run, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    bad_inputs(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    status, out, err = run(*arguments, "-o", "out.png")
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert re.match(rf"phnet: {sentence}", err), err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("composite.png", "the output is also an input"),
        ("./mask.png", "the output is also an input"),
        ("nowhere/out.png", "existing folder"),
        ("out.gif", "ending in"),
    ],
)
def test_bad_output_is_one_sentence_and_leaves_inputs_alone(
    run: Run, tmp_path: Path, output: str, sentence: str
) -> None:
    (tmp_path / "folder.png").mkdir()
    contents = {path: path.read_bytes() for path in tmp_path.glob("*.png") if path.is_file()}
    status, out, err = run("composite.png", "mask.png", "-o", output)
    assert (status, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1
    assert {p: p.read_bytes() for p in tmp_path.glob("*.png") if p.is_file()} == contents


def test_alpha_is_not_lost_in_a_jpeg(run: Run, tmp_path: Path) -> None:
    Image.open("composite.png").convert("RGBA").save("alpha.png")
    status, _, err = run("alpha.png", "mask.png", "-o", "out.jpg")
    assert status == 2
    assert "alpha" in err
    assert not (tmp_path / "out.jpg").exists()


def test_the_example_in_a_new_process(tmp_path: Path) -> None:
    examples = ROOT / "examples"
    shutil.copy(examples / "composite.jpg", tmp_path)
    command = [sys.executable, "-m", "phnet", "harmonize", tmp_path / "composite.jpg"]
    command += [examples / "mask.png", "-o", tmp_path / "out.png"]
    result = subprocess.run(
        list(map(str, command)), cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stderr == ""
    before, after = load(tmp_path / "composite.jpg"), load(tmp_path / "out.png")
    mask = np.asarray(Image.open(examples / "mask.png"))
    assert before.size == after.size == mask.shape == (1000, 1500)
    np.testing.assert_array_equal(before.pixels[mask == 0], after.pixels[mask == 0])
    assert np.abs(before.rgb - after.rgb)[mask == 255].mean() > 0.01
