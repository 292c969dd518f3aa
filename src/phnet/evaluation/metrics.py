"""MSE, PSNR, fMSE, fPSNR, SSIM and CIEDE2000, on RGB values in [0, 255].

Numbers of two papers can only be compared where they agree on what PSNR takes for its peak, how
fMSE weighs soft masks (the paper's appendix A), and how pictures and masks were resized and
rounded before: :mod:`phnet.evaluation.protocols` names such agreements. What is averaged is always
per-image values. All arithmetic is in float64.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from phnet.errors import BadImage, BadInput, BadMask, MissingExtra
from phnet.images.arrays import Doubles

Peak = float | Literal["target", "range"]
Equation = Literal[16, 17]
Window = Literal["gaussian", "uniform"]

FULL_SCALE = 255.0
SSIM_RADIUS = {"gaussian": 5, "uniform": 3}  # windows of 11 and 7 pixels
SSIM_SIGMA = 1.5  # pixels
SSIM_K1, SSIM_K2 = 0.01, 0.03
PIXELS_AT_ONCE = 1 << 18  # of a color difference: bounds its memory


@dataclass(frozen=True)
class Scores:
    """The metrics of one image; squared gray levels, decibels, and units of CIEDE2000."""

    mse: float
    psnr: float
    fmse: float
    fpsnr: float
    ssim: float
    delta_e: float = math.nan  # NaN without the extra 'evaluate'


METRICS = ("mse", "psnr", "fmse", "fpsnr", "ssim", "delta_e")
ERRORS = ("mse", "fmse", "delta_e")  # of which less is better


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


def psnr(
    predicted: npt.ArrayLike,
    real: npt.ArrayLike,
    peak: Peak = FULL_SCALE,
    epsilon: float = 0.0,
) -> float:
    """Peak signal-to-noise ratio: 10 log10(peak^2 / (MSE + epsilon)).

    Args:
        predicted: (H, W, 3) in [0, 255].
        real: the same.
        peak: a number; "target": the largest value in ``real``; "range": the largest minus the
            smallest value in ``predicted``. Source: appendix A, remark 2.
        epsilon: added to the MSE.

    Returns:
        Decibels; infinity for identical images. A peak of 0 (a black target, or a flat
        prediction under "range") gives minus infinity.
    """
    x, y = _pair(predicted, real)
    return decibels(peak_of(peak, x, y), mse(x, y) + epsilon)


def fmse(
    predicted: npt.ArrayLike,
    real: npt.ArrayLike,
    mask: npt.ArrayLike,
    equation: Equation = 16,
    epsilon: float = 0.0,
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
        epsilon: added to 3 S.

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
    return float((weight[..., None] * (x - y) ** 2).sum() / (3 * m.sum() + epsilon))


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
    return decibels(peak_of(peak, x, y), fmse(x, y, mask, equation))


def ssim(
    predicted: npt.ArrayLike,
    real: npt.ArrayLike,
    window: Window = "gaussian",
    span: float = FULL_SCALE,
) -> float:
    """Structural similarity, the mean over channels and over windows that lie inside the image.

    Of each window, with means m, variances v and covariance c, and C1 = (0.01 * span)^2,
    C2 = (0.03 * span)^2::

        (2 m_x m_y + C1) (2 c + C2) / ((m_x^2 + m_y^2 + C1) (v_x + v_y + C2))

    Args:
        predicted: (H, W, 3) in [0, 255].
        real: the same.
        window: "gaussian": 11 pixels, sigma 1.5, as in the source; "uniform": 7 pixels and
            variances by n - 1, which is what scikit-image does unless told otherwise.
        span: what the values may span; scikit-image's ``data_range``.

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

    def mean(values: Doubles) -> Doubles:
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
    c1, c2 = (SSIM_K1 * span) ** 2, (SSIM_K2 * span) ** 2
    likeness = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return float(
        np.mean(likeness / ((mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)))
    )


def delta_e(predicted: npt.ArrayLike, real: npt.ArrayLike, mask: npt.ArrayLike) -> float:
    """CIEDE2000 color difference: the mean over the foreground, weighted by the mask.

    Values are taken as sRGB under D65. Needs scikit-image (the extra ``evaluate``).

    Args:
        predicted: (H, W, 3) in [0, 255].
        real: the same.
        mask: (H, W) in [0, 1].

    Returns:
        The mean difference; 1 is about what an eye can just tell. Source: Sharma et al., "The
        CIEDE2000 color-difference formula", 2005.

    Raises:
        BadMask: the mask is empty, of another size, or out of range.
        MissingExtra: scikit-image is not installed.
    """
    try:
        from skimage import color
    except ModuleNotFoundError as error:
        raise MissingExtra("evaluate", "CIEDE2000") from error
    lab: Any = color  # in part without types
    x, y = _pair(predicted, real)
    m = _mask(mask, x)
    inside = m > 0
    first, second, weight = x[inside] / FULL_SCALE, y[inside] / FULL_SCALE, m[inside]
    total = 0.0
    for start in range(0, len(weight), PIXELS_AT_ONCE):
        part = slice(start, start + PIXELS_AT_ONCE)
        difference = lab.deltaE_ciede2000(lab.rgb2lab(first[part]), lab.rgb2lab(second[part]))
        total += float(difference @ weight[part])
    return total / float(weight.sum())


def _pair(predicted: npt.ArrayLike, real: npt.ArrayLike) -> tuple[Doubles, Doubles]:
    x, y = np.asarray(predicted, np.float64), np.asarray(real, np.float64)
    if x.ndim != 3 or x.shape[2] != 3 or x.shape != y.shape or 0 in x.shape:
        raise BadImage(f"expected two images (H, W, 3) of one size, got {x.shape} and {y.shape}")
    return x, y


def _mask(mask: npt.ArrayLike, image: Doubles) -> Doubles:
    m = np.asarray(mask, np.float64)
    if m.shape != image.shape[:2]:
        raise BadMask(f"mask: expected the image's size {image.shape[:2]}, got {m.shape}")
    if not (m.min() >= 0 and m.max() <= 1):  # false for NaN as well
        raise BadMask(f"mask: expected values in [0, 1], got {m.min():g} to {m.max():g}")
    if m.sum() == 0:
        raise BadMask("mask: expected a foreground, but the mask is empty")
    return m


def peak_of(peak: Peak, predicted: Doubles, real: Doubles) -> float:
    """The peak of one image; see :func:`psnr`."""
    if peak == "target":
        return float(real.max())
    if peak == "range":
        return float(predicted.max() - predicted.min())
    try:
        return float(peak)
    except (TypeError, ValueError) as error:
        raise BadInput(f"peak: expected a number, 'target' or 'range', got {peak!r}") from error


def decibels(peak: float, error: float) -> float:
    """10 log10(peak^2 / error); infinity for no error, minus infinity for no peak."""
    if error == 0:
        return math.inf
    return 10 * math.log10(peak**2 / error) if peak > 0 else -math.inf
