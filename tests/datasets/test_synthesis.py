"""Composites by the paper's recipe."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from phnet.datasets import synthesis
from phnet.datasets.synthesis import binarize, draw_parameters, make_composite, recolor

NEUTRAL = {
    "order": ["brightness", "contrast", "saturation", "hue"],
    "brightness": 1.0,
    "contrast": 1.0,
    "saturation": 1.0,
    "hue": 0.0,
    "posterize": False,
    "sharpness": False,
    "autocontrast": False,
}


@pytest.fixture
def photo() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.asarray(
        Image.fromarray(rng.integers(0, 256, (6, 5, 3), np.uint8)).resize((50, 60), 2)
    )


def test_neutral_parameters_change_nothing_but_hsv_rounding(photo: np.ndarray) -> None:
    assert np.abs(recolor(photo, NEUTRAL).astype(int) - photo).max() <= 5


def test_each_operation_is_pillows(photo: np.ndarray) -> None:
    image = Image.fromarray(photo)
    cases = {
        "brightness": (1.4, ImageEnhance.Brightness(image).enhance(1.4)),
        "contrast": (0.7, ImageEnhance.Contrast(image).enhance(0.7)),
        "saturation": (1.05, ImageEnhance.Color(image).enhance(1.05)),
    }
    for name, (value, expected) in cases.items():
        only = NEUTRAL | {"order": [name], name: value}
        np.testing.assert_array_equal(recolor(photo, only), np.asarray(expected))
    plain = NEUTRAL | {"order": []}
    np.testing.assert_array_equal(
        recolor(photo, plain | {"posterize": True}), np.asarray(ImageOps.posterize(image, 6))
    )
    np.testing.assert_array_equal(
        recolor(photo, plain | {"sharpness": True}),
        np.asarray(ImageEnhance.Sharpness(image).enhance(4)),
    )


def test_hue_turns_the_circle() -> None:
    red = np.full((4, 4, 3), (255, 0, 0), np.uint8)
    third = recolor(red, NEUTRAL | {"order": ["hue"], "hue": 1 / 3})
    assert third[0, 0].tolist() == [0, 255, 0]
    back = recolor(red, NEUTRAL | {"order": ["hue"], "hue": -1 / 3})
    assert back[0, 0, 2] == 255
    assert back[0, 0, :2].max() <= 6


def test_the_order_of_the_jitter_matters(photo: np.ndarray) -> None:
    values = NEUTRAL | {"brightness": 1.5, "contrast": 1.4}
    first = recolor(photo, values | {"order": ["brightness", "contrast"]})
    second = recolor(photo, values | {"order": ["contrast", "brightness"]})
    assert not np.array_equal(first, second)


def test_statistics_come_from_the_whole_photo(photo: np.ndarray) -> None:
    mask = np.zeros(photo.shape[:2], bool)
    mask[20:40, 10:30] = True
    for seed in range(5):
        made = make_composite(photo, mask, seed)
        np.testing.assert_array_equal(made.image[mask], recolor(photo, made.parameters)[mask])
        np.testing.assert_array_equal(made.image[~mask], photo[~mask])


def test_the_same_seed_gives_the_same_bytes(photo: np.ndarray) -> None:
    mask = np.ones(photo.shape[:2], np.uint8) * 255
    a, b, c = (make_composite(photo, mask, seed) for seed in ([3, 1], [3, 1], [3, 2]))
    assert a.image.tobytes() == b.image.tobytes()
    assert a.parameters == b.parameters
    assert a.parameters != c.parameters


def test_ranges_and_shares_of_the_drawn_parameters() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_parameters(rng) for _ in range(4000)]
    ranges = {
        "brightness": (0.5, 1.5),
        "contrast": (0.6, 1.4),
        "saturation": (0.94, 1.06),
        "hue": (-0.05, 0.05),
    }
    for name, (low, high) in ranges.items():
        values = np.array([d[name] for d in drawn])
        assert low <= values.min() < low + 0.01 * (high - low) + 1e-9
        assert high - 0.01 * (high - low) < values.max() <= high
    for name in ("posterize", "sharpness", "autocontrast"):
        assert np.mean([d[name] for d in drawn]) == pytest.approx(0.5, abs=0.03)
    assert len({tuple(d["order"]) for d in drawn}) == 24
    assert (synthesis.POSTERIZE_BITS, synthesis.SHARPNESS) == (6, 4.0)


def test_masks_are_binarized_at_one_half() -> None:
    assert binarize(np.array([[0, 127, 128, 255]], np.uint8)).tolist() == [
        [False, False, True, True]
    ]
    assert binarize(np.array([[0.0, 0.5, 0.51, 1.0]])).tolist() == [[False, False, True, True]]


def test_the_three_readings_of_section_3_2() -> None:
    """The same draw; what the operations see and how the edge is blended differ."""
    rng = np.random.default_rng(5)
    photo = rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)
    mask = np.zeros((20, 24), np.uint8)
    mask[5:15, 6:18], mask[5:15, 18] = 255, 102
    hard = make_composite(photo, mask, 7)
    soft = make_composite(photo, mask, 7, "soft")
    alone = make_composite(photo, mask, 7, "object")
    assert hard.parameters == soft.parameters == alone.parameters
    changed = recolor(photo, hard.parameters).astype(float)
    inside = mask == 255
    np.testing.assert_array_equal(soft.image[inside], hard.image[inside])
    edge = mask == 102
    np.testing.assert_array_equal(hard.image[edge], photo[edge])
    np.testing.assert_array_equal(
        soft.image[edge], np.rint(0.4 * changed[edge] + 0.6 * photo[edge]).astype(np.uint8)
    )
    cut = np.where(inside[..., None], photo, 0).astype(np.uint8)
    np.testing.assert_array_equal(alone.image[inside], recolor(cut, hard.parameters)[inside])
    assert not np.array_equal(alone.image[inside], hard.image[inside])
    for made in (soft, alone):
        np.testing.assert_array_equal(made.mask, hard.mask)
        np.testing.assert_array_equal(made.image[mask == 0], photo[mask == 0])
