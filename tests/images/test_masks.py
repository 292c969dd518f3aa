"""Masks as the world hands them in: each kind means a foreground, or is refused by one sentence."""

import io
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image

import phnet
from phnet.errors import BadMask
from phnet.images import Mask, load, load_mask, read_mask
from phnet.images.masks import turned

PERSON = np.zeros((40, 60), np.uint8)
PERSON[10:30, 20:40] = 1
SOFT = np.tile(np.arange(60, dtype=np.uint8) * 4, (40, 1))


def palette(indices: np.ndarray, colors: list[int]) -> Image.Image:
    image = Image.fromarray(indices)
    image.putpalette(colors + [0] * (768 - len(colors)))
    return image


def on_black(color: tuple[int, int, int]) -> np.ndarray:
    return (PERSON[..., None] * np.array(color)).astype(np.uint8)


@pytest.mark.parametrize(
    "mask",
    [
        PERSON,
        PERSON * 2,
        PERSON * 100,
        PERSON.astype(bool),
        PERSON.astype(np.int64),
        PERSON.astype(np.int32) * 255,
        PERSON.astype(np.uint16) * 255,
        PERSON * np.float64(255),
        PERSON * np.float32(0.5),
        PERSON[..., None],
        on_black((1, 1, 1)),
        on_black((200, 30, 30)),
        Image.fromarray(PERSON),
        Image.fromarray(PERSON * 255).convert("1"),
        Image.fromarray(PERSON.astype(np.uint16) * 65535),
        Image.fromarray(PERSON.astype(np.int32) * 255),
        Image.fromarray(PERSON * np.float32(255)),
        palette(PERSON * 15, [0, 0, 0] + [9, 9, 9] * 14 + [192, 128, 128]),
        palette(1 - PERSON, [128, 0, 0, 0, 0, 0]),
        palette(PERSON, [255, 0, 0, 0, 0, 255]),
        PERSON + 1,
        PERSON * 100 + 100,
        PERSON * np.int64(1 << 24),
        PERSON * np.float32(65535),
        PERSON.astype(np.int8) * np.int8(100),
        PERSON.astype(">u2") * 7,
        Image.fromarray(PERSON * np.float32(65535)),
        np.dstack([PERSON * 255] * 3 + [np.full_like(PERSON, 128)]),  # its alpha says nothing
        np.dstack([PERSON * 255] * 3 + [np.zeros_like(PERSON)]),
        np.dstack([PERSON * 255, np.full_like(PERSON, 7)]),
        np.dstack([np.full_like(PERSON, 255)] * 3 + [PERSON]),
        np.dstack([np.full_like(PERSON, 255)] * 3 + [PERSON * 128]),
        Image.fromarray(PERSON * 255).convert("LA").convert("La"),
    ],
)
def test_of_two_values_one_is_background_and_the_other_full_foreground(mask: Any) -> None:
    np.testing.assert_array_equal(read_mask(mask).alpha, PERSON)


@pytest.mark.parametrize("top", [1, 2, 255, 65535])
def test_files_hold_such_masks_too(tmp_path: Path, top: int) -> None:
    deep = (PERSON.astype(np.uint16)) * np.uint16(top)
    (tmp_path / "deep.png").write_bytes(imagecodecs.png_encode(deep))
    np.testing.assert_array_equal(load_mask(tmp_path / "deep.png"), PERSON)
    content = (tmp_path / "deep.png").read_bytes()
    np.testing.assert_array_equal(read_mask(content).alpha, PERSON)
    palette(PERSON, [0, 0, 0, 128, 0, 0]).save(tmp_path / "voc.png")
    np.testing.assert_array_equal(load_mask(tmp_path / "voc.png"), PERSON)


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (SOFT, SOFT / 255),
        (SOFT.astype(np.uint16), SOFT / 255),
        (SOFT.astype(np.uint16) * 257, SOFT / 255),
        (SOFT.astype(np.float32), SOFT / 255),
        (SOFT / 255, SOFT / 255),
        (Image.fromarray(SOFT.astype(np.float32)), SOFT / 255),
        (Image.fromarray(SOFT.astype(np.int32)), SOFT / 255),
        (palette(SOFT, [level for i in range(256) for level in (i, i, i)]), SOFT / 255),
        (np.dstack([PERSON * 0, SOFT]), SOFT / 255),
        (np.full((9, 9), 128, np.uint8), np.full((9, 9), 128 / 255)),
        (SOFT[..., None] * np.array([1, 0, 0], np.uint8), SOFT / SOFT.max()),
    ],
)
def test_soft_masks_stay_soft(mask: Any, expected: np.ndarray) -> None:
    np.testing.assert_allclose(read_mask(mask).alpha, expected, atol=1e-5)


def test_what_was_understood_is_said_where_it_was_not_obvious() -> None:
    def note(mask: Any) -> str:
        return read_mask(mask).note or ""

    assert note(PERSON * 255) == note(SOFT) == note(PERSON.astype(bool)) == ""
    assert "0 and 1" in note(PERSON)
    assert "100 as full foreground" in note(PERSON * 100)
    assert "#c81e1e" in note(on_black((200, 30, 30)))
    assert "class 1, #800000" in note(palette(PERSON, [0, 0, 0, 128, 0, 0]))
    assert isinstance(read_mask(PERSON), Mask)


@pytest.mark.parametrize(
    ("mask", "named"),
    [
        (PERSON + 2 * np.roll(PERSON, 20, 1), "ids 1, 2"),
        (on_black((255, 0, 0)) + np.roll(on_black((0, 0, 255)), 20, 1), "#0000ff, #ff0000"),
        (on_black((128, 0, 0)) + np.roll(on_black((64, 0, 0)), 20, 1), "#400000, #800000"),
        (PERSON * 24 + 7 * np.roll(PERSON, 20, 1), "ids 7, 24"),
        (PERSON.astype(np.uint16) * 24 + 7 * np.roll(PERSON, 20, 1), "ids 7, 24"),
        (PERSON * np.uint16(26001) + np.roll(PERSON, 20, 1) * np.uint16(24000), "ids 24000, 26001"),
        (PERSON + 255 * np.roll(PERSON, 20, 1), "ids 1, 255"),  # 255 is "void"
        (
            palette(PERSON + 2 * np.roll(PERSON, 20, 1), [0, 0, 0, 128, 0, 0, 0, 128, 0]),
            r"1 \(#800000\), 2 \(#008000\)",
        ),
    ],
)
def test_several_classes_are_refused_with_what_is_there(mask: Any, named: str) -> None:
    with pytest.raises(BadMask, match=f"m.png: expected one class .* got .*{named}"):
        read_mask(mask, "m.png")


@pytest.mark.parametrize("color", [(255, 0, 0), (0, 200, 80), (40, 100, 0)])
@pytest.mark.parametrize(("kind", "quality"), [("JPEG", 50), ("JPEG", 90), ("WEBP", 80)])
def test_one_color_on_black_that_was_compressed_is_the_foreground(
    color: tuple[int, int, int], kind: str, quality: int
) -> None:
    target = io.BytesIO()
    large = on_black(color).repeat(4, 0).repeat(4, 1)
    Image.fromarray(large).save(target, kind, quality=quality)
    mask = read_mask(target.getvalue())
    inside = large.any(-1)
    assert "is one color" in (mask.note or "")
    assert mask.alpha[inside].mean() > 0.97
    assert mask.alpha[~inside].mean() < 0.01


def test_two_colors_that_were_compressed_are_no_foreground_without_a_word() -> None:
    both = on_black((255, 0, 0)) + np.roll(on_black((0, 255, 0)), 20, 1)
    target = io.BytesIO()
    Image.fromarray(both.repeat(4, 0).repeat(4, 1)).save(target, "JPEG")
    assert "in color: its brightness" in (read_mask(target.getvalue()).note or "")
    chosen = read_mask(target.getvalue(), wanted="ff0000").alpha
    assert chosen[40:120, 80:160].mean() > 0.95
    assert chosen[40:120, 160:240].mean() < 0.05


def test_a_soft_mask_that_is_nowhere_white_gets_a_note() -> None:
    faint = (SOFT // 2).astype(np.uint8)
    assert "at most 46% of the change" in (read_mask(faint).note or "")
    np.testing.assert_allclose(read_mask(faint).alpha, faint / 255, atol=1e-5)


@pytest.mark.parametrize(
    "mask",
    [SOFT * 300.0, -SOFT.astype(int), np.full((4, 4), np.nan), PERSON.astype(complex), "a", 5],
)
def test_what_is_no_mask_is_refused(mask: Any) -> None:
    with pytest.raises(BadMask):
        read_mask(mask)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_mask_of_the_photo_as_it_is_stored_is_turned_with_it(
    tmp_path: Path, orientation: int
) -> None:
    stored = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "photo.png", exif=exif)
    picture = load(tmp_path / "photo.png")
    assert (picture.size, picture.orientation) == ((60, 40), orientation)
    made = turned(Mask(PERSON.astype(np.float32)), picture.size, orientation)
    assert "turned upright" in (made.note or "")
    dark = np.where(PERSON[..., None] > 0, stored, 0).astype(np.uint8)
    Image.fromarray(dark).save(tmp_path / "dark.png", exif=exif)
    expected = load(tmp_path / "dark.png").pixels
    seen = np.where(made.alpha[..., None] > 0, picture.pixels, 0)
    np.testing.assert_array_equal(seen, expected)  # the mask lies on what it was painted on
    upright = Mask(made.alpha)
    assert turned(upright, picture.size, orientation) is upright
    other = Mask(np.ones((30, 30), np.float32))
    assert turned(other, picture.size, orientation) is other


def test_a_photo_that_is_turned_takes_a_mask_of_either_shape(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png", exif=exif)
    mask = PERSON.copy()
    mask[12:16, 22:30] = 0
    as_stored = phnet.harmonize(tmp_path / "photo.png", mask, resolution=32)
    upright = phnet.harmonize(tmp_path / "photo.png", np.rot90(mask, -1), resolution=32)
    np.testing.assert_array_equal(np.asarray(as_stored), np.asarray(upright))
