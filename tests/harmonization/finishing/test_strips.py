"""Strips: what is worked on where, with neighbors, at once or one after the other."""

from typing import Any

import cv2
import numpy as np
import pytest

from phnet.harmonization.finishing import edges, strips
from phnet.harmonization.finishing.edges import clean_edges, find_band
from phnet.harmonization.finishing.grain import noise_rows
from phnet.harmonization.finishing.light_wrap import light_wrap
from phnet.harmonization.finishing.sharpness import blurred, sharpened
from phnet.harmonization.finishing.strips import Strip, changed_strips
from phnet.images.arrays import Floats, Pixels

SIZE = (260, 300)


def person() -> Floats:
    """A round head over wide shoulders that the frame cuts off, its edge soft."""
    made = np.zeros(SIZE, np.float32)
    cv2.circle(made, (150, 70), 40, 1, -1)
    cv2.ellipse(made, (150, 260), (140, 130), 0, 0, 360, 1, -1)
    made = np.asarray(cv2.GaussianBlur(made, (0, 0), 1.2), np.float32)
    made[made < 0.01] = 0
    return made


def picture(dtype: Any = np.uint8) -> Pixels:
    rng = np.random.default_rng(1)
    rough = cv2.resize(rng.random((26, 30, 3), np.float32), SIZE[::-1])
    made = np.clip(0.2 + 0.6 * rough + 0.03 * rng.standard_normal(rough.shape), 0, 1)
    scale = {np.uint8: 255, np.uint16: 65535}.get(dtype, 1)
    return np.asarray(made * scale, dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_each_pixel_of_the_mask_gets_its_new_color_and_no_other_does(
    dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strips, "STRIP_PIXELS", 4000)
    given, mask = picture(dtype), person()
    seen: list[tuple[int, int]] = []

    def change(strip: Strip) -> Floats:
        seen.append(strip.mask.shape)
        return 1 - strip.colors

    made = changed_strips(given, mask, 3, 2, change)
    full = {np.uint8: 255, np.uint16: 65535}.get(dtype, 1)
    expected = np.where(mask[..., None] > 0, full - given, given)
    np.testing.assert_allclose(made, expected, atol=1e-6 if full == 1 else 0)
    np.testing.assert_array_equal(made[mask == 0], given[mask == 0])
    assert len({width for _, width in seen}) > 3  # each strip is as wide as the person there


@pytest.mark.parametrize("threads", [1, 2])
def test_effects_are_the_same_in_small_strips_as_at_once(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    mask = person()
    share = mask[..., None]
    cut = share * 0.4 * picture() + (1 - share) * 255  # a dark person before white, cut out
    given = np.rint(share * cut + (1 - share) * (105 + 0.5 * picture())).astype(np.uint8)
    works: list[Any] = [
        lambda **how: blurred(given, mask, 1.1, **how),
        lambda **how: sharpened(given, mask, 0.8, 0.7, **how),
        lambda **how: clean_edges(given, mask, **how)[0],
        lambda **how: light_wrap(given, mask, **how),
    ]
    whole = [work() for work in works]
    monkeypatch.setattr(strips, "STRIP_PIXELS", 3000)
    monkeypatch.setattr(edges, "BAND_PIXELS", 3000)
    monkeypatch.setattr("phnet.images.arrays.CACHED_PIXELS", 2000)
    for work, expected in zip(works, whole, strict=True):
        assert not np.array_equal(expected, given)
        np.testing.assert_array_equal(work(threads=threads), expected)


def test_the_band_of_a_large_mask_is_that_of_one_distance_transform() -> None:
    mask = cv2.resize(person(), None, fx=9, fy=9, interpolation=cv2.INTER_LINEAR)
    band = find_band(np.asarray(mask, np.float32), threads=2)
    full = (mask >= edges.SOLID).astype(np.uint8)
    depth = cv2.distanceTransform(full, cv2.DIST_L2, 3)
    assert mask.size > 8 * edges.BAND_PIXELS
    near = depth <= 2 * edges.DEPTH * band.scale
    np.testing.assert_array_equal(band.distance[near], depth[near])
    np.testing.assert_array_equal(band.distance <= 2 * edges.DEPTH * band.scale, near)
    rows, columns = np.nonzero((mask >= edges.LEAST) & (depth <= edges.DEPTH * band.scale))
    np.testing.assert_array_equal(band.rows, rows)
    np.testing.assert_array_equal(band.columns, columns)


def test_noise_is_white_and_as_good_as_normal() -> None:
    drawn = noise_rows(slice(0, 1024), 1024, 0, 3, 0).astype(np.float64)
    assert drawn.mean() == pytest.approx(0, abs=0.004)
    assert drawn.var() == pytest.approx(1, rel=0.005)
    for sigmas, share in ((1, 0.3173), (2, 0.0455), (3, 0.0027)):
        assert (np.abs(drawn) > sigmas).mean() == pytest.approx(share, rel=0.15)
    power = np.abs(np.fft.fft2(drawn)) ** 2 / drawn.size
    parts = power.reshape(8, 128, 8, 128).mean((1, 3))
    np.testing.assert_allclose(parts, 1, atol=0.05)
    other = noise_rows(slice(0, 1024), 1024, 0, 3, 1)
    assert abs(float(np.corrcoef(drawn.ravel(), other.ravel())[0, 1])) < 0.005
