"""One class of a mask with several: by number, by color, or refused with what is there."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import phnet
from phnet.errors import BadMask, BadOption
from phnet.images import read_mask
from phnet.images.mask_classes import colors_of

PERSON = np.zeros((40, 60), np.uint8)
PERSON[10:30, 20:40] = 1
TREE = np.roll(PERSON, 20, 1)
IDS = PERSON * 15 + TREE * 3
COLORS = np.zeros((40, 60, 3), np.uint8)
COLORS[PERSON > 0] = (192, 128, 128)
COLORS[TREE > 0] = (0, 128, 0)


def with_palette() -> Image.Image:
    image = Image.fromarray(IDS)
    colors = np.zeros((256, 3), np.uint8)
    colors[15], colors[3] = (192, 128, 128), (0, 128, 0)
    image.putpalette(colors.ravel().tolist())
    return image


def as_jpeg() -> bytes:
    target = io.BytesIO()
    Image.fromarray(COLORS).save(target, "JPEG", quality=90, subsampling=0)
    return target.getvalue()


@pytest.mark.parametrize(
    ("mask", "wanted"),
    [
        (IDS, "15"),
        (IDS.astype(np.uint16), "15"),
        (IDS.astype(np.float32), "15"),
        (np.dstack([IDS, IDS, IDS]), "15"),
        (IDS * 17, "#ffffff"),
        (with_palette(), "15"),
        (with_palette(), "c08080"),
        (COLORS, "#C08080"),
        (np.dstack([COLORS, TREE * 255]), "c08080"),
        (np.dstack([IDS, TREE * 255]), "15"),
    ],
)
def test_the_class_that_is_asked_for_is_the_foreground(mask: Any, wanted: str) -> None:
    np.testing.assert_array_equal(read_mask(mask, wanted=wanted).alpha, PERSON)


def test_a_files_palette_counts_even_where_it_has_a_transparent_color(tmp_path: Path) -> None:
    with_palette().save(tmp_path / "m.png", transparency=0)
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", wanted="3").alpha, TREE)


def test_a_color_is_found_again_after_compression() -> None:
    alpha = read_mask(as_jpeg(), wanted="c08080").alpha
    assert np.abs(alpha - PERSON).mean() < 0.02


@pytest.mark.parametrize(
    ("mask", "wanted", "sentence"),
    [
        (IDS, "4", "m: expected the class 4 .mask_class., got the values 0, 3, 15"),
        (IDS, "c08080", "got the values 0, 3, 15"),
        (COLORS, "15", "got the colors #000000, #008000, #c08080"),
        (with_palette(), "1", r"got 0 .#000000., 3 .#008000., 15 .#c08080."),
        (np.arange(256, dtype=np.uint8).reshape(16, 16), "300", r"38, 39, \.\.\.$"),
    ],
)
def test_a_class_that_is_not_there_is_refused(mask: Any, wanted: str, sentence: str) -> None:
    with pytest.raises(BadMask, match=sentence):
        read_mask(mask, "m", wanted)


def test_python_has_the_option_and_refuses_what_names_no_class() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    expected = phnet.harmonize(picture, PERSON * 255, resolution=32)
    given = phnet.harmonize(picture, IDS, mask_class="15", resolution=32)
    np.testing.assert_array_equal(given, expected)
    with pytest.raises(BadMask, match=r"ids 3, 15; choose one \(mask_class\)"):
        phnet.harmonize(picture, IDS)
    with pytest.raises(BadOption, match="mask_class: expected ID or COLOR, got 'the person'"):
        phnet.harmonize(picture, IDS, mask_class="the person")
    with pytest.raises(BadOption, match="mask_class: expected a mask, got none"):
        phnet.harmonize(picture, mask_class="15")


def test_the_colors_of_parts_are_those_of_the_whole() -> None:
    drawn = np.random.default_rng(3).integers(0, 4, (90, 70, 3)).astype(np.uint8) * 85
    parts = (drawn[start : start + 40] for start in (0, 40, 80))
    np.testing.assert_array_equal(colors_of(parts), np.unique(drawn.reshape(-1, 3), axis=0))


@pytest.mark.parametrize("side", [(3, 70_000), (70_000, 3)])
def test_a_long_mask_in_two_colors_names_both(side: tuple[int, int]) -> None:
    drawn = np.zeros((*side, 3), np.uint8)
    drawn[: side[0] // 3, : side[1] // 3] = (255, 0, 0)
    drawn[side[0] // 2 :, side[1] // 2 :] = (0, 255, 0)
    with pytest.raises(BadMask, match="the colors #00ff00, #ff0000;"):
        read_mask(drawn)
