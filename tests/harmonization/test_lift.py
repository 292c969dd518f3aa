"""The lift: details and background stay, soft edges stay smooth, and colors arrive."""

from itertools import islice
from pathlib import Path
from statistics import mean

import cv2
import numpy as np
import pytest

from phnet.benchmarks.lift_loss import edit, lifted, read_photos
from phnet.evaluation.metrics import fpsnr
from phnet.harmonization.lift import Kind, fit

PORTRAITS = Path(__file__).parents[1] / "portraits"
GAIN, OFFSET = np.float32([0.7, 0.9, 0.8]), np.float32([0.1, 0.02, 0.05])
KINDS: tuple[Kind, ...] = ("guided", "lut", "none")


def scene(size: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture of soft colors (size, size, 3) and a disc with a wide soft edge."""
    down, across = np.mgrid[:size, :size].astype(np.float32) / size
    image = np.dstack([across, down, 0.5 + 0.3 * np.sin(9 * (across + down))]).astype(np.float32)
    radius = np.hypot(across - 0.5, down - 0.5)
    return image, np.clip((0.4 - radius) / 0.15, 0, 1).astype(np.float32)


def small_pair(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, ...]:
    """Composite, mapped and blended result, and mask at 64 pixels."""
    small, alpha = (cv2.resize(v, (64, 64), interpolation=cv2.INTER_AREA) for v in (image, mask))
    return small, small + (small * GAIN + OFFSET - small) * alpha[..., None], alpha


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_background_and_type_stay(kind: Kind, dtype: type) -> None:
    image, mask = scene(200)
    small, result, alpha = small_pair(image, mask)
    scale = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    composite = (image * scale).astype(dtype)
    before = composite.copy()
    out = fit(kind, small, result, alpha, mask.shape).apply(composite, mask)
    assert out.dtype == dtype
    np.testing.assert_array_equal(composite, before)
    np.testing.assert_array_equal(out[mask == 0], composite[mask == 0])
    assert np.abs(out[mask > 0.5] / scale - composite[mask > 0.5] / scale).mean() > 0.03


@pytest.mark.parametrize("kind", ["guided", "lut"])
def test_a_soft_edge_has_no_halo_and_no_step(kind: Kind) -> None:
    image, mask = scene(256)
    out = fit(kind, *small_pair(image, mask), mask.shape).apply(image, mask)
    ideal = image + (image * GAIN + OFFSET - image) * mask[..., None]
    assert np.abs(out - ideal).max() < 0.03
    # Along a row the error changes no faster than a gray level a pixel.
    assert np.abs(np.diff(out - ideal, axis=1)).max() < 1 / 255


@pytest.mark.parametrize("kind", KINDS)
def test_threads_and_strength(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phnet.harmonization.tiling.STRIP_PIXELS", 5000)
    image, mask = scene(160)
    colors = fit(kind, *small_pair(image, mask), mask.shape)
    one = colors.apply(image, mask)
    np.testing.assert_array_equal(one, colors.apply(image, mask, threads=3))
    np.testing.assert_array_equal(image, colors.apply(image, mask, strength=0))
    half = colors.apply(image, mask, strength=0.5)
    np.testing.assert_allclose(half, (one + image) / 2, atol=1e-6)


def test_an_empty_mask_changes_nothing() -> None:
    image, mask = scene(96)
    colors = fit("guided", *small_pair(image, mask), mask.shape)
    np.testing.assert_array_equal(colors.apply(image, np.zeros_like(mask)), image)


def test_ideal_pairs_of_portraits_arrive() -> None:
    """Issue 7: guided at least 34 and 33 dB, and at least 9 dB above none."""
    photos = list(islice(read_photos(PORTRAITS), 0, 12, 3))
    assert len(photos) == 4
    for kind, least in (("global", 34), ("varying", 33)):
        scores: dict[str, list[float]] = {"guided": [], "none": []}
        for seed, photo in enumerate(photos):
            composite = edit(photo, kind, seed)
            for lift, values in scores.items():
                result = lifted(photo, composite, lift)
                values.append(fpsnr(result, photo.pixels, photo.mask))
        assert mean(scores["guided"]) >= least
        assert mean(scores["guided"]) >= mean(scores["none"]) + 9
