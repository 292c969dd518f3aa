"""The person's own colours at soft edges, so that the old background does not shine through hair.

A pixel at an edge is a mixture, I = a F + (1 - a) B. Pasted as it is, it brings its old background
along; F alone does not.
"""

import cv2
import numpy as np

from phnet.errors import BadInput, MissingExtra
from phnet.pixels import Floats

ESTIMATES = ("blur-fusion", "ml", "none")
WIDE, NARROW = 90, 6  # sides, in pixels, of the two blurs for a photo of REFERENCE pixels
REFERENCE = 1024
TINY = 1e-5


def estimate(photo: Floats, alpha: Floats, how: str = "blur-fusion") -> Floats:
    """Estimate the foreground's colours, (H, W, 3) in [0, 1].

    Args:
        photo: RGB (H, W, 3) in [0, 1].
        alpha: (H, W) in [0, 1].
        how: "blur-fusion"; "ml" for pymatting's estimate_foreground_ml (extra ``matte``);
            "none" for the photo's own colours.

    Raises:
        BadInput: there is no such estimate.
        MissingExtra: pymatting is not installed.
    """
    if how not in ESTIMATES:
        raise BadInput(f"foreground: expected one of {', '.join(ESTIMATES)}, got {how!r}")
    if how == "none":
        return photo
    if how == "blur-fusion":
        return blur_fusion(photo, alpha)
    try:
        from pymatting import estimate_foreground_ml
    except ImportError:
        raise MissingExtra("matte", "foreground ml") from None
    colours = estimate_foreground_ml(photo.astype(np.float64), alpha.astype(np.float64))
    return np.asarray(np.clip(colours, 0, 1), np.float32)


def blur_fusion(photo: Floats, alpha: Floats) -> Floats:
    """Estimate the foreground's colours by blurring, twice: wide, then narrow.

    Arguments as in :func:`estimate`. Where alpha is 1 the photo's colours come back.

    Forte, "Approximate fast foreground colour estimation" (ICIP 2021), eq. 4-7. Deviation: the
    two blurs' sides, 90 and 6 pixels there, grow with photos of more than 1024 pixels.
    """
    scale = max(1.0, max(alpha.shape) / REFERENCE)
    wide, narrow = round(WIDE * scale), round(NARROW * scale)
    foreground, background = _fuse(photo, photo, photo, alpha, wide)
    foreground, _ = _fuse(photo, foreground, background, alpha, narrow)
    return foreground


def _fuse(
    photo: Floats, foreground: Floats, background: Floats, alpha: Floats, side: int
) -> tuple[Floats, Floats]:
    """One round: local means of both layers, corrected by what the mixture leaves unexplained."""

    def blur(values: Floats) -> Floats:
        return np.asarray(cv2.blur(values, (side, side)), np.float32)

    a = alpha[..., None]
    share = blur(alpha)[..., None]
    mean_f = blur(foreground * a) / (share + TINY)
    mean_b = blur(background * (1 - a)) / (1 - share + TINY)
    fused = mean_f + a * (photo - a * mean_f - (1 - a) * mean_b)
    return np.clip(fused, 0, 1).astype(np.float32), mean_b
