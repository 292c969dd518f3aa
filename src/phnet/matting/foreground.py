"""The person's own colors at soft edges, so that the old background does not shine through hair.

A pixel at an edge is a mixture, I = a F + (1 - a) B. Pasted as it is, it brings its old background
along; F alone does not.
"""

from typing import get_args

import cv2
import numpy as np

from phnet.errors import BadInput, MissingExtra
from phnet.images.arrays import Floats, Pixels, enlarged_rows, shrunk, strips, to_float
from phnet.options import Foreground

ESTIMATES = get_args(Foreground)
WIDE, NARROW = 90, 6  # sides, in pixels, of the two blurs for a photo of REFERENCE pixels
REFERENCE = 1024
TINY = 1e-5
FAINT = 0.05  # alpha from which pixels hang together
SOLID = 0.9  # alpha from which a pixel is surely person
LEAST_SOLID = 0.25  # share of a part that must be solid


def estimate(photo: Pixels, alpha: Floats, how: str = "blur-fusion") -> Floats:
    """Estimate the foreground's colors, (H, W, 3) in [0, 1]; they mean something where alpha > 0.

    Args:
        photo: RGB (H, W, 3): uint8, uint16, or floats in [0, 1].
        alpha: (H, W) in [0, 1].
        how: "blur-fusion"; "ml" for pymatting's estimate_foreground_ml (extra ``matte``);
            "none" for the photo's own colors.

    Raises:
        BadInput: there is no such estimate.
        MissingExtra: pymatting is not installed.
    """
    if how not in ESTIMATES:
        raise BadInput(f"foreground: expected one of {', '.join(ESTIMATES)}, got {how!r}")
    if how == "none":
        return to_float(photo)
    if how == "blur-fusion":
        return blur_fusion(photo, alpha, max(1, max(alpha.shape) // REFERENCE))
    try:
        from pymatting import estimate_foreground_ml
    except ImportError:
        raise MissingExtra("matte", "foreground ml") from None
    colors = estimate_foreground_ml(to_float(photo).astype(np.float64), alpha.astype(np.float64))
    return np.asarray(np.clip(colors, 0, 1), np.float32)


def without_ghosts(alpha: Floats) -> Floats:
    """A found matte (H, W) without the parts, apart from the largest, that are hardly there.

    A passer-by behind a person is often found by half, and would stand there half transparent.
    """
    count, labels, about, _ = cv2.connectedComponentsWithStats((alpha > FAINT).astype(np.uint8))
    if count <= 2:
        return alpha
    areas = about[:, cv2.CC_STAT_AREA]
    solid = np.bincount(labels[alpha > SOLID], minlength=count)
    kept = solid >= LEAST_SOLID * areas
    kept[[0, 1 + int(areas[1:].argmax())]] = True
    return np.where(kept[labels], alpha, np.float32(0))


def blur_fusion(photo: Pixels, alpha: Floats, shrink: int = 1) -> Floats:
    """Estimate the foreground's colors by blurring, twice: wide, then narrow.

    Arguments as in :func:`estimate`. Where alpha is 1 the photo's colors come back;
    where it is 0 in whole strips of rows, 0.

    Forte, "Approximate fast foreground color estimation" (ICIP 2021), eq. 4-7. Deviations: the
    two blurs' sides, 90 and 6 pixels there, grow with photos of more than 1024 pixels; with
    ``shrink`` the blurs are taken of a picture that many times smaller, for speed.
    """
    scale = max(1.0, max(alpha.shape) / REFERENCE) / shrink
    wide, narrow = round(WIDE * scale), max(1, round(NARROW * scale))
    size = (alpha.shape[0], alpha.shape[1])
    fitted = (max(1, size[0] // shrink), max(1, size[1] // shrink))
    small, small_alpha = shrunk(photo, fitted), shrunk(alpha, fitted)
    mean_f, mean_b = _means(small, small, small_alpha, wide)
    first = _explained(small, small_alpha, mean_f, mean_b)
    mean_f, mean_b = _means(first, mean_b, small_alpha, narrow)
    colors = np.zeros((*size, 3), np.float32)
    for rows in strips(size):
        if alpha[rows].any():
            wide_f, wide_b = (enlarged_rows(mean, size, rows) for mean in (mean_f, mean_b))
            colors[rows] = _explained(to_float(photo[rows]), alpha[rows], wide_f, wide_b)
    return colors


def _means(
    foreground: Floats, background: Floats, alpha: Floats, side: int
) -> tuple[Floats, Floats]:
    """Local means of both layers, (h, w, 3) each, weighted by alpha and by what it leaves."""

    def blur(values: Floats) -> Floats:
        return np.asarray(cv2.blur(values, (side, side)), np.float32)

    a, share = _in_three(alpha), _in_three(blur(alpha))
    mean_f = blur(foreground * a) / (share + TINY)
    mean_b = blur(background * (1 - a)) / (1 - share + TINY)
    return mean_f, mean_b


def _explained(photo: Floats, alpha: Floats, mean_f: Floats, mean_b: Floats) -> Floats:
    """The foreground's mean, corrected by what the mixture of both means leaves unexplained."""
    a = _in_three(alpha)
    fused = mean_f + a * (photo - mean_b - a * (mean_f - mean_b))
    return np.asarray(np.clip(fused, 0, 1), np.float32)


def _in_three(plane: Floats) -> Floats:
    return np.asarray(cv2.merge([plane, plane, plane]), np.float32)
