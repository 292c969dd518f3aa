"""A field applied at any size, its detail, and the trims on top."""

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from phnet.harmonization.field import from_network
from phnet.harmonization.harmonizer import Harmonizer
from phnet.harmonization.tiling import Trims
from tests.conftest import disc_mask

PLACES = 32


def planes(seed: int = 0, detail: float = 0.0) -> np.ndarray:
    """A network's output (13, h, w) that changes slowly from place to place."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(0, 0.15, (13, 4, 4)).astype(np.float32)
    coarse[12] = detail
    smooth = [
        cv2.resize(plane, (PLACES, PLACES), interpolation=cv2.INTER_CUBIC) for plane in coarse
    ]
    return np.stack(smooth)


def by_the_formula(picture: np.ndarray, values: np.ndarray) -> np.ndarray:
    """C + b + sum of A times C + d (C - blur(C)), in floats, with nothing shared but OpenCV."""
    x = picture.astype(np.float64) / 255
    size = picture.shape[1::-1]
    large = [cv2.resize(p.astype(np.float64), size, interpolation=cv2.INTER_LINEAR) for p in values]
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)), mode="edge")
    rows = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    blurred = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 4
    result = x + np.stack(large[9:12], 2) + large[12][..., None] * (x - blurred)
    for k in range(3):
        result += np.stack(large[3 * k : 3 * k + 3], 2) * x[..., k : k + 1]
    return np.rint(np.clip(result, 0, 1) * 255)


@pytest.mark.parametrize("detail", [0.0, -0.9, 1.5])
@pytest.mark.parametrize("size", [(32, 32), (200, 311), (701, 512)])
def test_a_field_is_what_the_formula_says(size: tuple[int, int], detail: float) -> None:
    picture = np.asarray(cv2.resize(astronaut(), size[::-1]))
    values = planes(detail=detail)
    full = np.ones(size, np.float32)
    result = from_network(values).apply(picture, full, threads=2)
    assert np.abs(result - by_the_formula(picture, values)).max() <= 1


def test_zeros_change_nothing_and_strength_goes_on_beyond_one() -> None:
    picture, mask = astronaut(), disc_mask(512, 512) / np.float32(255)
    nothing = from_network(np.zeros((13, 8, 8), np.float32))
    assert np.array_equal(nothing.apply(picture, mask), picture)
    values = np.zeros((13, 8, 8), np.float32)
    values[9:12] = 0.1
    shift = from_network(values)
    gray = np.full((40, 40, 3), 100, np.uint8)
    full = np.ones((40, 40), np.float32)
    means = [shift.apply(gray, full, s).mean() for s in (0, 0.5, 1, 2)]
    assert np.allclose(means, [100, 113, 126, 151], atol=1)
    assert shift.apply(np.full((9, 9, 3), 250, np.uint8), full[:9, :9], 2).max() == 255


def test_the_same_change_at_every_size() -> None:
    values = planes(3)
    changes = []
    for side in (200, 256, 257, 512, 1500):
        picture = np.asarray(cv2.resize(astronaut(), (side, side), interpolation=cv2.INTER_AREA))
        mask = disc_mask(side, side) / np.float32(255)
        result = from_network(values).apply(picture, mask)
        inside = mask > 0.5
        changes.append((result.astype(float) - picture)[inside].mean(0))
    assert np.ptp(changes, axis=0).max() < 1


def test_the_self_ensemble_is_the_mean_with_the_mirror_images_field() -> None:
    harmonizer, twice = Harmonizer(threads=1), Harmonizer(threads=1, self_ensemble=True)
    picture, mask = astronaut(), disc_mask(512, 512) / np.float32(255)
    mask[:, :200] = 0  # not its own mirror image
    one = harmonizer.field(picture, mask)
    turned = (np.ascontiguousarray(x[:, ::-1]) for x in (picture, mask))
    other = harmonizer.field(*turned)
    both = twice.field(picture, mask)
    expected = (one.coefficients + other.coefficients[..., ::-1]) / 2
    assert np.abs(both.coefficients - one.coefficients).max() > 1e-3
    assert np.allclose(both.coefficients, expected, atol=1e-5)
    details = (one.detail, other.detail, both.detail)
    assert all(detail is not None for detail in details)
    first, second, mean = (np.asarray(detail) for detail in details)
    assert np.allclose(mean, (first + second[:, ::-1]) / 2, atol=1e-5)


def test_trims_are_stops_and_mireds_in_linear_light() -> None:
    assert not Trims()
    assert np.allclose(Trims().gains, 1)
    assert np.allclose(np.array(Trims(exposure=1).gains) ** 2.2, 2)
    red, green, blue = Trims(warmth=1).gains
    assert red > green > blue
    luma = np.array([red, green, blue]) ** 2.2 @ [0.2126, 0.7152, 0.0722]
    assert abs(luma - 1) < 1e-6
    cold = np.array(Trims(warmth=-0.5).gains)
    assert cold[0] < cold[1] < cold[2]


def test_trims_change_the_person_alone() -> None:
    picture, mask = astronaut(), disc_mask(512, 512) / np.float32(255)
    nothing = from_network(np.zeros((13, 8, 8), np.float32))
    result = nothing.apply(picture, mask, trims=Trims(exposure=-1))
    assert np.array_equal(result[mask == 0], picture[mask == 0])
    inside = mask == 1
    expected = np.rint(picture[inside] * 0.5 ** (1 / 2.2))
    assert np.abs(result[inside] - expected).max() <= 1


@pytest.mark.parametrize("depth", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("columns", [slice(0, 90), slice(101, 102), slice(150, 311)])
def test_a_part_is_changed_as_it_is_in_the_whole(columns: slice, depth: type) -> None:
    """Detail looks beyond the mask's columns, and at the picture's edges there is none."""
    scale = 1 if depth is np.float32 else np.iinfo(depth).max // 255
    picture = (np.asarray(cv2.resize(astronaut(), (311, 200))) * depth(scale)).astype(depth)
    if depth is np.float32:
        picture /= 255
    everywhere = np.ones((200, 311), np.float32)
    part = np.zeros_like(everywhere)
    part[20:160, columns] = 1
    field = from_network(planes(detail=1.5))
    whole, some = field.apply(picture, everywhere), field.apply(picture, part, threads=2)
    inside = part > 0
    np.testing.assert_array_equal(some[inside], whole[inside])
    np.testing.assert_array_equal(some[~inside], picture[~inside])
