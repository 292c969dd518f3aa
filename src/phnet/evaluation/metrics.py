"""MSE, PSNR, fMSE, fPSNR and SSIM, on RGB values in [0, 255].

Numbers of two papers can only be compared where they agree on three things (the paper's
appendix A): what PSNR takes for its peak, how fMSE weighs soft masks, and what is averaged.
A :class:`Convention` names the first two; the third is always the mean of per-image values.
All arithmetic is in float64.
"""

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from phnet.errors import BadImage, BadInput, BadMask

Floats = npt.NDArray[np.float64]
Peak = float | Literal["target", "range"]
Equation = Literal[16, 17]
Window = Literal["gaussian", "uniform"]

FULL_SCALE = 255.0
SSIM_RADIUS = {"gaussian": 5, "uniform": 3}  # windows of 11 and 7 pixels
SSIM_SIGMA = 1.5  # pixels
SSIM_K1, SSIM_K2 = 0.01, 0.03


@dataclass(frozen=True)
class Convention:
    """What PSNR takes for its peak, and which equation fMSE is."""

    peak: Peak
    equation: Equation


CONVENTIONS = {
    "default": Convention(FULL_SCALE, 16),
    "iharmony4": Convention(FULL_SCALE, 17),  # DoveNet's repository
    "released": Convention("target", 16),  # the code of the paper's authors
}


@dataclass(frozen=True)
class Scores:
    """The five metrics of one image; squared gray levels and decibels."""

    mse: float
    psnr: float
    fmse: float
    fpsnr: float
    ssim: float


METRICS = ("mse", "psnr", "fmse", "fpsnr", "ssim")


def mse(predicted: npt.ArrayLike, real: npt.ArrayLike) -> float:
    """Mean squared error: the mean over pixels and channels of (predicted - real)^2.

    Args:
        predicted: (H, W, 3) in [0, 255].
        real: the same.

    Returns:
        Squared gray levels, in [0, 65025]. Source: section 6 of the paper.
    """
    x, y = _pair(predicted, real)
    return float(np.mean((x - y) ** 2))


def psnr(predicted: npt.ArrayLike, real: npt.ArrayLike, peak: Peak = FULL_SCALE) -> float:
    """Peak signal-to-noise ratio: 10 log10(peak^2 / MSE).

    Args:
        predicted: (H, W, 3) in [0, 255].
        real: the same.
        peak: a number; "target": the largest value in ``real``; "range": the largest minus the
            smallest value in ``predicted``. Source: appendix A, remark 2.

    Returns:
        Decibels; infinity for identical images. A peak of 0 (a black target, or a flat
        prediction under "range") gives minus infinity.
    """
    x, y = _pair(predicted, real)
    return _decibels(_peak(peak, x, y), mse(x, y))


def fmse(
    predicted: npt.ArrayLike, real: npt.ArrayLike, mask: npt.ArrayLike, equation: Equation = 16
) -> float:
    """Foreground MSE, with S the sum of the mask over pixels.

    Equation 16, of recent works: the sum of M (predicted - real)^2 over pixels and channels,
    by 3 S. Equation 17, of the iHarmony4 repository: the same with M squared above and not
    below. Both are equal where the mask is 0 or 1; at soft edges 17 is smaller.

    Args:
        predicted: (H, W, 3) in [0, 255].
        real: the same.
        mask: M, (H, W) in [0, 1].
        equation: 16 or 17. Source: appendix A.

    Returns:
        Squared gray levels.

    Raises:
        BadMask: the mask is empty, of another size, or out of range.
    """
    x, y = _pair(predicted, real)
    m = _mask(mask, x)
    if equation not in (16, 17):
        raise BadInput(f"equation: expected 16 or 17, got {equation}")
    weight = m if equation == 16 else m * m
    return float((weight[..., None] * (x - y) ** 2).sum() / (3 * m.sum()))


def fpsnr(
    predicted: npt.ArrayLike,
    real: npt.ArrayLike,
    mask: npt.ArrayLike,
    peak: Peak = FULL_SCALE,
    equation: Equation = 16,
) -> float:
    """Foreground PSNR: 10 log10(peak^2 / fMSE), the peak taken over the whole image.

    Args:
        predicted: (H, W, 3) in [0, 255].
        real: the same.
        mask: (H, W) in [0, 1].
        peak: as for :func:`psnr`.
        equation: as for :func:`fmse`.

    Returns:
        Decibels; infinity where the foregrounds are identical.
    """
    x, y = _pair(predicted, real)
    return _decibels(_peak(peak, x, y), fmse(x, y, mask, equation))


def ssim(predicted: npt.ArrayLike, real: npt.ArrayLike, window: Window = "gaussian") -> float:
    """Structural similarity, the mean over channels and over windows that lie inside the image.

    Of each window, with means m, variances v and covariance c, and C1 = (0.01 * 255)^2,
    C2 = (0.03 * 255)^2::

        (2 m_x m_y + C1) (2 c + C2) / ((m_x^2 + m_y^2 + C1) (v_x + v_y + C2))

    Args:
        predicted: (H, W, 3) in [0, 255].
        real: the same.
        window: "gaussian": 11 pixels, sigma 1.5, as in the source; "uniform": 7 pixels and
            variances by n - 1, which is what scikit-image does unless told otherwise.

    Returns:
        A number up to 1, which identical images give. Source: Wang et al., "Image quality
        assessment", 2004.

    Raises:
        BadImage: the image is smaller than the window.
    """
    x, y = _pair(predicted, real)
    radius = SSIM_RADIUS[window]
    side = 2 * radius + 1
    if min(x.shape[:2]) < side:
        raise BadImage(
            f"SSIM: expected at least {side}x{side} pixels, got {x.shape[1]}x{x.shape[0]}"
        )

    def mean(values: Floats) -> Floats:
        if window == "gaussian":
            blurred = cv2.GaussianBlur(values, (side, side), SSIM_SIGMA)
        else:
            blurred = cv2.blur(values, (side, side))
        return np.asarray(blurred[radius:-radius, radius:-radius], np.float64)

    sample = 1.0 if window == "gaussian" else side**2 / (side**2 - 1)
    mean_x, mean_y = mean(x), mean(y)
    variance_x = sample * (mean(x * x) - mean_x**2)
    variance_y = sample * (mean(y * y) - mean_y**2)
    covariance = sample * (mean(x * y) - mean_x * mean_y)
    c1, c2 = (SSIM_K1 * FULL_SCALE) ** 2, (SSIM_K2 * FULL_SCALE) ** 2
    likeness = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return float(
        np.mean(likeness / ((mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)))
    )


def score(
    predicted: npt.ArrayLike,
    real: npt.ArrayLike,
    mask: npt.ArrayLike,
    convention: str | Convention = "default",
) -> Scores:
    """All five metrics of one image.

    Args:
        predicted: (H, W, 3) in [0, 255].
        real: the same.
        mask: (H, W) in [0, 1].
        convention: a name in CONVENTIONS, or a convention of your own.

    Raises:
        BadImage, BadMask, BadInput: sizes differ, the mask is empty, the convention is unknown.
    """
    rule = convention if isinstance(convention, Convention) else _convention(convention)
    x, y = _pair(predicted, real)
    error, foreground = mse(x, y), fmse(x, y, mask, rule.equation)
    peak = _peak(rule.peak, x, y)
    decibels, inside = _decibels(peak, error), _decibels(peak, foreground)
    return Scores(error, decibels, foreground, inside, ssim(x, y))


def _convention(name: str) -> Convention:
    if name not in CONVENTIONS:
        raise BadInput(f"convention: expected one of {', '.join(CONVENTIONS)}, got {name!r}")
    return CONVENTIONS[name]


def _pair(predicted: npt.ArrayLike, real: npt.ArrayLike) -> tuple[Floats, Floats]:
    x, y = np.asarray(predicted, np.float64), np.asarray(real, np.float64)
    if x.ndim != 3 or x.shape[2] != 3 or x.shape != y.shape or 0 in x.shape:
        raise BadImage(f"expected two images (H, W, 3) of one size, got {x.shape} and {y.shape}")
    return x, y


def _mask(mask: npt.ArrayLike, image: Floats) -> Floats:
    m = np.asarray(mask, np.float64)
    if m.shape != image.shape[:2]:
        raise BadMask(f"mask: expected the image's size {image.shape[:2]}, got {m.shape}")
    if not (m.min() >= 0 and m.max() <= 1):  # false for NaN as well
        raise BadMask(f"mask: expected values in [0, 1], got {m.min():g} to {m.max():g}")
    if m.sum() == 0:
        raise BadMask("mask: expected a foreground, but the mask is empty")
    return m


def _peak(peak: Peak, predicted: Floats, real: Floats) -> float:
    if peak == "target":
        return float(real.max())
    if peak == "range":
        return float(predicted.max() - predicted.min())
    try:
        return float(peak)
    except (TypeError, ValueError) as error:
        raise BadInput(f"peak: expected a number, 'target' or 'range', got {peak!r}") from error


def _decibels(peak: float, error: float) -> float:
    if error == 0:
        return math.inf
    return 10 * math.log10(peak**2 / error) if peak > 0 else -math.inf
