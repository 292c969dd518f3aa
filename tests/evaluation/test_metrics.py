"""Each metric against values worked by hand and against scikit-image."""

import math

import numpy as np
import pytest
from skimage import data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from phnet.errors import BadImage, BadInput, BadMask
from phnet.evaluation import metrics, protocols


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    """A photo's corner as the target, and a changed copy: uint8 (90, 120, 3)."""
    real = data.astronaut()[20:110, 170:290]
    noise = np.random.default_rng(0).normal(0, 12, real.shape)
    predicted = np.clip(real * 0.8 + 25 + noise, 0, 255).astype(np.uint8)
    return predicted, real


def by_hand() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two pixels: off by (3, 0, 0) with mask 1, and by (0, 6, 0) with mask 0.5."""
    real = np.array([[[10.0, 20, 30], [40, 50, 200]]])
    predicted = real + np.array([[[3.0, 0, 0], [0, -6, 0]]])
    return predicted, real, np.array([[1.0, 0.5]])


def test_values_worked_by_hand() -> None:
    predicted, real, mask = by_hand()
    assert metrics.mse(predicted, real) == pytest.approx((9 + 36) / 6)
    # eq. 16: (1 * 9 + 0.5 * 36) / (3 * 1.5) = 27 / 4.5; eq. 17: (9 + 0.25 * 36) / 4.5
    assert metrics.fmse(predicted, real, mask) == pytest.approx(6.0)
    assert metrics.fmse(predicted, real, mask, equation=17) == pytest.approx(4.0)
    assert metrics.psnr(predicted, real) == pytest.approx(10 * math.log10(65025 / 7.5))
    # the target's largest value is 200; the prediction goes from 13 to 200
    assert metrics.psnr(predicted, real, "target") == pytest.approx(10 * math.log10(40000 / 7.5))
    assert metrics.psnr(predicted, real, "range") == pytest.approx(10 * math.log10(187**2 / 7.5))
    assert metrics.fpsnr(predicted, real, mask) == pytest.approx(10 * math.log10(65025 / 6))
    inside = metrics.fpsnr(predicted, real, mask, "target", 17)
    assert inside == pytest.approx(10 * math.log10(40000 / 4))


def test_equations_16_and_17_agree_on_hard_masks_only(pair: tuple[np.ndarray, np.ndarray]) -> None:
    predicted, real = pair
    soft = np.clip(np.hypot(*np.mgrid[-1:1:90j, -1:1:120j]), 0, 1)
    hard = (soft > 0.5).astype(float)
    assert metrics.fmse(predicted, real, hard) == pytest.approx(
        metrics.fmse(predicted, real, hard, 17), rel=1e-12
    )
    assert metrics.fmse(predicted, real, soft, 17) < 0.95 * metrics.fmse(predicted, real, soft)
    inside = (predicted.astype(float) - real)[hard > 0]
    assert metrics.fmse(predicted, real, hard) == pytest.approx((inside**2).mean())


@pytest.mark.parametrize("peak", [255.0, "target", "range"])
def test_psnr_equals_scikit_image(pair: tuple[np.ndarray, np.ndarray], peak: metrics.Peak) -> None:
    predicted, real = pair
    spread = {"target": int(real.max()), "range": int(predicted.max()) - int(predicted.min())}
    expected = peak_signal_noise_ratio(real, predicted, data_range=spread.get(peak, 255))
    assert metrics.psnr(predicted, real, peak) == pytest.approx(expected, abs=1e-6)


def test_ssim_equals_scikit_image(pair: tuple[np.ndarray, np.ndarray]) -> None:
    predicted, real = pair
    gaussian = structural_similarity(
        predicted,
        real,
        channel_axis=2,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    uniform = structural_similarity(predicted, real, channel_axis=2, data_range=255)
    assert abs(gaussian - uniform) > 1e-3
    assert metrics.ssim(predicted, real) == pytest.approx(gaussian, abs=1e-6)
    assert metrics.ssim(predicted, real, "uniform") == pytest.approx(uniform, abs=1e-6)


def test_ssim_of_flat_images_by_hand() -> None:
    flat = np.full((11, 11, 3), 100.0)
    c1 = 2.55**2
    expected = (2 * 100 * 150 + c1) / (100**2 + 150**2 + c1)
    assert metrics.ssim(flat, flat + 50) == pytest.approx(expected, abs=1e-9)


def test_identical_images(pair: tuple[np.ndarray, np.ndarray]) -> None:
    _, real = pair
    scores = protocols.find("paper").scores(real, real, np.ones(real.shape[:2]))
    assert (scores.mse, scores.fmse) == (0, 0)
    assert scores.psnr == scores.fpsnr == math.inf
    assert scores.ssim == pytest.approx(1)


def test_integers_do_not_wrap_around() -> None:
    low, high = np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 255, np.uint8)
    assert metrics.mse(low, high) == 65025
    assert metrics.psnr(low, high) == pytest.approx(0)


def test_a_black_target_has_no_peak() -> None:
    assert metrics.psnr(np.ones((2, 2, 3)), np.zeros((2, 2, 3)), "target") == -math.inf


def test_what_cannot_be_scored_is_refused() -> None:
    image = np.zeros((12, 12, 3))
    with pytest.raises(BadMask, match="empty"):
        metrics.fmse(image, image, np.zeros((12, 12)))
    with pytest.raises(BadMask, match="size"):
        metrics.fmse(image, image, np.ones((12, 11)))
    with pytest.raises(BadMask, match=r"\[0, 1\], got 0 to 255"):
        metrics.fmse(image, image, np.eye(12) * 255)
    with pytest.raises(BadImage, match="one size"):
        metrics.mse(image, image[:5])
    with pytest.raises(BadImage, match="11x11"):
        metrics.ssim(image[:5], image[:5])
    with pytest.raises(BadInput, match=r"dovenet.*'iharmony4', which is the name of a former"):
        protocols.find("iharmony4")
    with pytest.raises(BadInput, match="'target' or 'range'"):
        metrics.psnr(image, image, "maximum")  # type: ignore[arg-type]


def test_delta_e_is_ciede2000_over_the_foreground() -> None:
    # Of Sharma's published pairs are Lab values; here sRGB pairs whose differences are known.
    red, blue = np.array([255.0, 0, 0]), np.array([0.0, 0, 255])
    predicted, real = np.tile(red, (1, 2, 1)), np.stack([[red, blue]])
    mask = np.array([[1.0, 1.0]])
    assert metrics.delta_e(predicted, real, mask) == pytest.approx(52.88 / 2, abs=0.01)
    assert metrics.delta_e(predicted, real, np.array([[0.0, 0.5]])) == pytest.approx(
        52.88, abs=0.01
    )
    assert metrics.delta_e(real, real, mask) == 0


def test_delta_e_does_not_depend_on_how_many_pixels_are_taken_at_once(
    pair: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    predicted, real = pair
    mask = np.hypot(*np.mgrid[-1:1:90j, -1:1:120j]).clip(0, 1)
    whole = metrics.delta_e(predicted, real, mask)
    monkeypatch.setattr(metrics, "PIXELS_AT_ONCE", 100)
    assert metrics.delta_e(predicted, real, mask) == pytest.approx(whole)
