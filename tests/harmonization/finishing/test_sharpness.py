"""Sharpness: measured, and matched both ways."""

import cv2
import numpy as np
import pytest

from phnet.harmonization.finishing.sharpness import blur_of, match_sharpness, measure
from phnet.images.arrays import Floats, Pixels


def steps(sigma: float, size: int = 384) -> Pixels:
    """Shapes with edges of all directions, blurred."""
    rng = np.random.default_rng(3)
    picture = np.full((size, size, 3), 90, np.uint8)
    for _ in range(90):
        x, y, r = (int(v) for v in rng.integers((0, 0, 12), (size, size, 40)))
        cv2.circle(picture, (x, y), r, [int(v) for v in rng.integers(30, 220, 3)], -1, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma)) if sigma else picture


def middle(size: int = 384) -> Floats:
    mask = np.zeros((size, size), np.float32)
    mask[60:-60, 90:-90] = 1
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), 1.5), np.float32)


@pytest.mark.parametrize("sigma", [1.0, 1.5, 2.0])
def test_a_known_blur_is_measured(sigma: float) -> None:
    found = blur_of(steps(sigma), np.ones((384, 384), np.uint8))
    assert found == pytest.approx(sigma, rel=0.25)


def test_without_edges_nothing_is_told() -> None:
    assert blur_of(np.full((99, 99, 3), 80, np.uint8), np.ones((99, 99), np.uint8)) is None


@pytest.mark.parametrize(("person", "scene"), [(0.5, 1.6), (1.6, 0.8)])
def test_a_person_becomes_as_sharp_as_the_scene(person: float, scene: float) -> None:
    mask = middle()
    paste = np.where((mask > 0)[..., None], steps(person), steps(scene))
    made = match_sharpness(paste, mask)
    np.testing.assert_array_equal(made[mask == 0], paste[mask == 0])
    before, after = measure(paste, mask), measure(made, mask)
    assert before.person is not None
    assert before.scene is not None
    assert after.person is not None
    share = 0.35 if person < scene else 0.8
    assert abs(after.person - before.scene) < share * abs(before.person - before.scene)


def test_nothing_happens_where_the_scene_is_out_of_focus() -> None:
    mask = middle()
    paste = np.where((mask > 0)[..., None], steps(0.5), steps(4))
    np.testing.assert_array_equal(match_sharpness(paste, mask), paste)


def test_sharpening_makes_no_halo() -> None:
    picture = np.full((384, 384, 3), 60, np.uint8)
    for x in range(20, 384, 60):
        picture[:, x : x + 30] = 180
    mask = middle()
    soft = np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.6))
    paste = np.where((mask > 0)[..., None], soft, picture)
    made = match_sharpness(paste, mask)
    inside = mask > 0.99
    assert not np.array_equal(made, paste)
    assert made[inside].min() >= 59
    assert made[inside].max() <= 181
