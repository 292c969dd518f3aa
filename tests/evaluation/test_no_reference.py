"""Checks that need no true photo."""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from phnet.datasets.readers import read
from phnet.evaluation import (
    no_reference,
    score,
    statistics,
)
from tests.evaluation.conftest import IHARMONY4


@pytest.fixture
def portrait() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    photo = cv2.GaussianBlur(rng.integers(40, 215, (60, 60, 3)).astype(np.uint8), (5, 5), 1)
    mask = np.zeros((60, 60), bool)
    mask[15:50, 20:45] = True
    return photo, mask


def test_detail_is_kept_by_gains_and_lost_by_blur(portrait: tuple[np.ndarray, np.ndarray]) -> None:
    photo, mask = portrait
    dimmer = np.where(mask[..., None], photo * 0.5 + 20, photo).astype(np.uint8)
    blurred = np.where(mask[..., None], cv2.GaussianBlur(photo, (9, 9), 4), photo)
    assert no_reference.gradient_correlation(dimmer, photo, mask) > 0.99
    assert no_reference.gradient_correlation(blurred, photo, mask) < 0.8
    assert no_reference.gradient_correlation(255 - photo, photo, mask) == pytest.approx(-1)
    flat = np.full_like(photo, 9)
    assert math.isnan(no_reference.gradient_correlation(flat, flat, mask))


def test_color_step_in_gray_levels() -> None:
    mask = np.zeros((40, 40), bool)
    mask[10:30, 10:30] = True
    image = np.full((40, 40, 3), 100, np.uint8)
    image[mask] = (130, 100, 85)
    assert no_reference.color_step(image, mask) == pytest.approx((30 + 0 + 15) / 3)
    assert no_reference.color_step(np.full_like(image, 7), mask) == pytest.approx(0, abs=1e-9)
    assert math.isnan(no_reference.color_step(image, np.ones_like(mask)))


def test_clipping_counts_what_was_not_clipped_before() -> None:
    composite = np.array([[[0, 10, 20], [255, 30, 40]]], np.uint8)
    predicted = np.array([[[0, 0, 20], [255, 255, 40]]], np.uint8)
    assert no_reference.clipped(predicted, composite, np.ones((1, 2), bool)) == pytest.approx(2 / 6)
    assert no_reference.clipped(predicted, composite, np.array([[True, False]])) == pytest.approx(
        1 / 3
    )


def test_a_changed_background_is_counted(predictions: Path) -> None:
    samples = read(IHARMONY4, "test")
    path = predictions / "half" / samples[0].composite_path.name
    result = cv2.imread(str(path))
    mask = samples[0].mask
    y, x = np.argwhere(mask == 0)[0]
    result[y, x, 1] ^= 1
    cv2.imwrite(str(path.with_suffix(".png")), result)
    path.unlink()
    found = statistics.summary(score.evaluate(samples, [predictions / "half"]))
    assert found["methods"][0]["checks"]["images_with_background_changed"] == 1
