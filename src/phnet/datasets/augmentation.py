"""More variety for training than the paper's recipe: photos, masks and casts of light.

There are far fewer photos than a network sees images, so each photo is changed before its
composite is made: the target is never quite the same twice. Everything works on uint8 arrays
through lookup tables, which keeps it near a millisecond an image.
"""

from typing import Any

import cv2
import numpy as np

from phnet.images.arrays import Bools, Bytes, Doubles

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def _apply_curves(photo: Bytes, curves: Doubles) -> Bytes:
    """Apply one curve a channel; ``curves`` (3, 256), values in [0, 1]."""
    table = np.clip(curves * 255 + 0.5, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(photo, np.ascontiguousarray(table.T[None])), np.uint8)


def _saturate(photo: Bytes, amount: float) -> Bytes:
    """Scale each pixel's distance from its gray by ``amount``."""
    matrix = amount * np.eye(3, dtype=np.float32) + (1 - amount) * np.tile(_LUMA, (3, 1))
    return np.asarray(cv2.transform(photo, matrix), np.uint8)


def _light_curves(
    rng: np.random.Generator, exposure: float, tint: float, gamma: float, contrast: float
) -> Doubles:
    """Curves (3, 256) of a change of exposure, white balance, gamma and contrast."""
    x = np.linspace(0, 1, 256)
    gains = np.exp(rng.normal(0, exposure) + rng.normal(0, tint, 3))
    bent = x ** np.exp(rng.normal(0, gamma))
    s_curve = bent + rng.normal(0, contrast) * (bent - 0.5) * bent * (1 - bent) * 4
    return np.asarray(np.clip(gains[:, None] * s_curve[None], 0, 1), np.float64)


def vary_photo(photo: Bytes, rng: np.random.Generator) -> Bytes:
    """Another exposure, white balance, gamma and saturation of the whole photo."""
    varied = _apply_curves(photo, _light_curves(rng, 0.15, 0.05, 0.2, 0.2))
    return _saturate(varied, float(np.exp(rng.normal(0, 0.2))))


def vary_light(photo: Bytes, rng: np.random.Generator) -> Bytes:
    """A foreign light for the foreground: exposure, tint, gamma and, at times, a gradient."""
    varied = _apply_curves(photo, _light_curves(rng, 0.22, 0.12, 0.25, 0.3))
    varied = _saturate(varied, float(np.exp(rng.normal(0, 0.3))))
    if rng.random() < 0.3:
        height, width = photo.shape[:2]
        angle = rng.uniform(0, 2 * np.pi)
        across = np.linspace(-1, 1, width)[None] * np.cos(angle)
        down = np.linspace(-1, 1, height)[:, None] * np.sin(angle)
        gain = np.exp(rng.normal(0, 0.2) * (across + down))[..., None]
        varied = np.clip(varied * gain + 0.5, 0, 255).astype(np.uint8)
    return varied


def random_crop(
    photo: Bytes, mask: Bytes, size: int, rng: np.random.Generator
) -> tuple[Bytes, Bytes]:
    """Crop and flip photo (H, W, 3) and mask (H, W) alike, and resize both to ``size``."""
    height, width = photo.shape[:2]
    scale = rng.uniform(0.65, 1.0)
    aspect = np.exp(rng.normal(0, 0.08))
    h = int(np.clip(round(height * scale * aspect), 8, height))
    w = int(np.clip(round(width * scale / aspect), 8, width))
    top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
    flip = rng.random() < 0.5

    def cut(array: Bytes) -> Bytes:
        part = array[top : top + h, left : left + w]
        part = np.ascontiguousarray(part[:, ::-1] if flip else part)
        method = cv2.INTER_AREA if h > size else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(part, (size, size), interpolation=method), np.uint8)

    return cut(photo), cut(mask)


def vary_mask(mask: Bools, other: Bools, rng: np.random.Generator) -> Bools:
    """Another foreground: a part of the mask, a grown or shrunken one, or another photo's.

    Returns the mask itself when the variation would leave less than 1% or more than 97%.
    """
    height, width = mask.shape
    kind = rng.random()
    if kind < 0.35:
        varied = other
    elif kind < 0.7:
        angle, offset = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.3)
        across = np.linspace(-1, 1, width)[None] * np.cos(angle)
        down = np.linspace(-1, 1, height)[:, None] * np.sin(angle)
        varied = mask & (across + down > offset)
    else:
        radius = int(rng.integers(1, max(2, height // 20)))
        kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
        change: Any = cv2.dilate if rng.random() < 0.5 else cv2.erode
        varied = change(mask.astype(np.uint8), kernel) > 0
    return varied if 0.01 < varied.mean() < 0.97 else mask
