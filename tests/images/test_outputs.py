"""Pictures written: what is refused, and what a write that fails leaves."""

import dataclasses
import io
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from phnet.errors import BadImage, BadOutput
from phnet.images import (
    Picture,
    Source,
    check_output,
    encoded,
    load,
    load_mask,
    save,
)
from phnet.images.decoding import samples_of
from phnet.images.encoding import compressed
from tests.images.test_picture import SRGB, random_pixels, some_mask, write


def test_outputs_that_are_refused(tmp_path: Path) -> None:
    source = write(tmp_path / "in.png", random_pixels((4, 4, 3), np.uint8))
    (tmp_path / "link.png").hardlink_to(source)
    (tmp_path / "folder.png").mkdir()
    for name, inputs, reason in (
        ("in.png", [source], "also an input"),
        ("./in.png", [source], "also an input"),
        ("link.png", [source], "also an input"),
        ("folder.png", [], "is a folder"),
        ("nowhere/out.png", [], "existing folder"),
        ("out.gif", [], "ending in"),
        ("out", [], "ending in"),
    ):
        with pytest.raises(BadOutput, match=reason):
            check_output(tmp_path / name, *inputs)
    check_output(tmp_path / "out.png", source, None)


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = Picture(random_pixels((40, 60, 3), np.uint8))
    path = tmp_path / "out.jpg"
    path.write_bytes(b"old")

    def full(place: Path, _: bytes) -> None:
        place.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(BadOutput, match="No space left"):
        save(path, picture, picture.rgb, some_mask())
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_bytes_in_memory_are_read_and_written_as_files_are(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "a.webp", "a.tif"):
        path, mask = tmp_path / name, some_mask()
        values = random_pixels((40, 60, 3), np.uint16 if name in ("a.png", "a.tif") else np.uint8)
        save(path, Picture(values), values, mask)
        picture, from_memory = load(path), load(Source("upload", path.read_bytes()))
        assert np.array_equal(from_memory.pixels, picture.pixels)
        assert (from_memory.format, from_memory.lossless) == (picture.format, picture.lossless)
        save(path, picture, picture.colors, mask)
        assert encoded(picture.format, picture, picture.colors, mask) == path.read_bytes()
        assert np.array_equal(load_mask(Source("mask", path.read_bytes())), load_mask(path))
    with pytest.raises(BadImage, match="upload: expected at most 0 megapixels, got 60x40"):
        load(Source("upload", path.read_bytes(), most_pixels=2399))


@pytest.mark.parametrize("shape", [(400, 1, 3), (129, 2, 3), (1, 400, 3), (5000, 1), (3000, 1, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_narrow_pictures_of_noise_become_png(shape: tuple[int, ...], dtype: type) -> None:
    pixels = random_pixels(shape, dtype)
    read = np.asarray(imagecodecs.png_decode(compressed(pixels)))
    np.testing.assert_array_equal(read.reshape(shape), pixels)


def test_a_png_is_refused_a_profile_that_readers_do_not_take(tmp_path: Path) -> None:
    pixels = random_pixels((40, 60, 3), np.uint8)
    source = tmp_path / "source.png"
    Image.fromarray(pixels).save(source)
    picture = dataclasses.replace(load(source), icc=SRGB + bytes(1 << 20))
    with pytest.raises(BadOutput, match="profile of at most 1048576 bytes"):
        encoded("PNG", picture, picture.colors, some_mask())


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_has_the_bytes_that_pillow_makes_of_its_colors(progressive: bool) -> None:
    pixels = random_pixels((37, 53, 3), np.uint8)
    options = {"quality": 91, "subsampling": 1, "progressive": progressive}
    theirs = io.BytesIO()
    Image.fromarray(pixels).save(theirs, "JPEG", dpi=(0, 0), **options)
    picture = Picture(pixels, format="JPEG", jpeg=options)
    mask = np.zeros((37, 53), np.float32)
    assert encoded("JPEG", picture, pixels, mask) == theirs.getvalue()


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_a_picture_that_is_copied_in_parts_is_whole(
    monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr("phnet.images.decoding.ROWS", 120)
    image = Image.fromarray(random_pixels((19, 50, 4), np.uint8)).convert(mode)
    values = samples_of(image)
    np.testing.assert_array_equal(values, np.asarray(image))
    assert values.flags.c_contiguous
