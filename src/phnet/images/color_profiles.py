"""Color profiles: a file's own colors to sRGB for the network, and the changes back.

Little CMS (imagecodecs) computes in 16 bits, relative colorimetric. A profile that is sRGB but
for rounding is treated as sRGB: its pixels go to the network as they are.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from phnet.images.arrays import FULL_SCALE, Floats, Pixels

RELATIVE_COLORIMETRIC = 1
STRIP_PIXELS = 1 << 21  # converted at a time, which bounds the memory
NO_DIFFERENCE = 200  # of 65535: less than a level of 8 bits
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as Pillow's convert("L")


def describes(icc: bytes | None, channels: int) -> bool:
    """Whether a profile can be used for pixels of 1 (gray) or 3 (RGB) channels."""
    if not icc or icc[16:20] != (b"RGB " if channels == 3 else b"GRAY"):
        return False
    try:
        _transform(np.zeros((1, 1, channels), np.uint16), icc, None)
        _transform(np.zeros((1, 1, 3), np.uint16), None, icc)
    except (RuntimeError, ValueError):  # a broken profile
        return False
    return True


def to_srgb(pixels: Pixels, icc: bytes | None) -> Pixels:
    """A file's own values as sRGB.

    Args:
        pixels: uint8 or uint16, (H, W) gray or (H, W, 3).
        icc: a profile that :func:`describes` them; None for sRGB.

    Returns:
        (H, W, 3): of the same type where nothing had to be converted, else uint16.
    """
    if icc is None or _is_srgb(icc):
        return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, 2)
    result = np.empty((*pixels.shape[:2], 3), np.uint16)
    for rows in _strips(pixels):
        part = deep(pixels[rows])
        result[rows] = _transform(part if pixels.ndim == 3 else part[..., None], icc, None)
    return result


def from_srgb(own: Pixels, colors: Pixels, result: Pixels, mask: Floats, icc: Any) -> Pixels:
    """A file's own values with the change from ``colors`` to ``result`` under the mask.

    What the conversion of ``colors`` cannot give back (colors outside sRGB, rounding) is added
    again, so a pixel that did not change keeps its value bit for bit.

    Args:
        own: uint8 or uint16, (H, W) gray or (H, W, 3).
        colors: ``to_srgb(own, icc)``.
        result: sRGB (H, W, 3): uint8, uint16, or floats in [0, 1].
        mask: (H, W); where it is 0 the result is ``own``.
        icc: as for :func:`to_srgb`.
    """
    merged = own.copy()
    scale = FULL_SCALE[own.dtype]
    converts = icc is not None and not _is_srgb(icc)
    for rows in _strips(own):
        inside = mask[rows] > 0
        if not inside.any():
            continue
        after, before = deep(result[rows][inside]), deep(colors[rows][inside])
        values = deep(own[rows][inside]).astype(np.float32).reshape(len(after), -1)
        if converts:
            change = np.subtract(
                _transform(after[None], None, icc)[0],
                _transform(before[None], None, icc)[0],
                dtype=np.float32,
            )
        else:
            change = np.subtract(after, before, dtype=np.float32)
            if own.ndim == 2:
                change = (change @ LUMA)[:, None]
        values = np.rint(np.clip(values + change, 0, 65535) * np.float32(scale / 65535))
        merged[rows][inside] = values.astype(own.dtype) if own.ndim == 3 else values[:, 0]
    return merged


@lru_cache(maxsize=32)
def _is_srgb(icc: bytes) -> bool:
    if icc[16:20] != b"RGB ":
        return False
    steps = np.linspace(0, 65535, 9).astype(np.uint16)
    grid = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(27, 27, 3)
    difference = np.subtract(_transform(grid, icc, None), grid, dtype=np.int32)
    return int(np.abs(difference).max()) < NO_DIFFERENCE


def _transform(pixels: Pixels, source: bytes | None, target: bytes | None) -> Pixels:
    """uint16 (H, W, 1 or 3) from one profile to another (None: sRGB)."""
    import imagecodecs

    srgb = imagecodecs.cms_profile("srgb")
    gray_in, gray_out = pixels.shape[2] == 1, bool(target and target[16:20] == b"GRAY")
    converted = np.asarray(
        imagecodecs.cms_transform(
            np.ascontiguousarray(pixels[..., 0] if gray_in else pixels),
            source or srgb,
            target or srgb,
            colorspace="gray" if gray_in else "rgb",
            outcolorspace="gray" if gray_out else "rgb",
            intent=RELATIVE_COLORIMETRIC,
        ),
        np.uint16,
    )
    shape = (*pixels.shape[:2], 1 if gray_out else 3)
    return np.asarray(converted.reshape(shape))


def deep(pixels: Pixels) -> Pixels:
    """Values of any allowed type as uint16 of full scale."""
    if pixels.dtype == np.uint16:
        return pixels
    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint16) * np.uint16(257)
    return np.asarray(np.rint(np.clip(pixels, 0, 1) * 65535), np.uint16)


def in_depth(values: Pixels, dtype: np.dtype[Any]) -> Pixels:
    """uint8 or uint16 of full scale in another of these two depths."""
    if values.dtype == dtype:
        return values
    if dtype == np.uint16:
        return deep(values)
    return np.asarray(np.rint(values / np.float32(257)), np.uint8)


def _strips(pixels: Pixels) -> list[slice]:
    rows = max(1, STRIP_PIXELS // max(1, pixels.shape[1]))
    return [slice(start, start + rows) for start in range(0, pixels.shape[0], rows)]
