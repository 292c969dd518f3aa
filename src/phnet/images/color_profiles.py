"""Color profiles: a file's own colors to sRGB for the network, and the changes back.

Little CMS (imagecodecs) computes in 16 bits, relative colorimetric. A profile that is sRGB but
for rounding is treated as sRGB: its pixels go to the network as they are. A profile that can only
be read (a scanner's) is inverted by Newton's method. CMYK and Lab, which no output keeps, become
sRGB.
"""

from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from phnet.images.arrays import FULL_SCALE, Floats, Pixels, strips

PERCEPTUAL, RELATIVE_COLORIMETRIC = 0, 1
EXACT, HIGH_RESOLUTION = 0x0100, 0x0400  # of Little CMS: no shortcuts, fine tables
INVERSIONS = 6  # steps of Newton's method
INVERTED = 1 << 18  # pixels at a time
DIFFERENCE = 512  # of 65535, for its slopes
NO_DIFFERENCE = 200  # of 65535: less than a level of 8 bits
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as Pillow's convert("L")


def describes(icc: bytes | None, channels: int) -> bool:
    """Tell whether a profile can be used for pixels of 1 (gray) or 3 (RGB) channels."""
    if not icc or icc[16:20] != (b"RGB " if channels == 3 else b"GRAY"):
        return False
    try:
        _transform(np.zeros((1, 1, channels), np.uint16), icc, None)
    except (RuntimeError, ValueError):  # a broken profile
        return False
    return channels == 3 or _can_be_written(icc)


def fault(icc: bytes | None, channels: int) -> str | None:
    """Reason why a profile does not :func:`describe <describes>` pixels, where that matters."""
    if not icc or describes(icc, channels):
        return None
    if channels == 1 and describes(icc, 3) and _is_srgb(icc):
        return None
    space, wanted = icc[16:20].decode("latin-1").strip(), "RGB" if channels == 3 else "gray"
    if not space.isalnum() or not space.isascii():  # what a sentence and a header cannot carry
        space = "no known space"
    kind = "cannot be used" if space.upper() == wanted.upper() else f"is for {space}, not {wanted}"
    return f"its color profile {kind} and was left out: its colors were taken as sRGB"


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
    for rows in strips((pixels.shape[0], pixels.shape[1])):
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
    if colors is own and result.dtype == own.dtype:  # sRGB: nothing was converted
        cv2.copyTo(result, (mask > 0).view(np.uint8), merged)
        return merged
    scale = FULL_SCALE[own.dtype]
    converts = icc is not None and not _is_srgb(icc)
    for rows in strips(mask.shape):
        inside = mask[rows] > 0
        if not inside.any():
            continue
        after, before = deep(result[rows][inside]), deep(colors[rows][inside])
        values = deep(own[rows][inside]).astype(np.float32).reshape(len(after), -1)
        if converts and own.ndim == 3 and not _can_be_written(icc):
            values = _inverted(values, after, icc)
            merged[rows][inside] = np.rint(values * np.float32(scale / 65535)).astype(own.dtype)
            continue
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
    gray_out = bool(target and target[16:20] == b"GRAY")
    if pixels.shape[2] == 1 and source and not target:
        return np.asarray(_grays(source)[pixels[..., 0]])
    converted = np.asarray(
        imagecodecs.cms_transform(
            np.ascontiguousarray(pixels),
            source or srgb,
            target or srgb,
            colorspace="rgb",
            outcolorspace="gray" if gray_out else "rgb",
            intent=RELATIVE_COLORIMETRIC,
            flags=HIGH_RESOLUTION if gray_out else None,
        ),
        np.uint16,
    )
    shape = (*pixels.shape[:2], 1 if gray_out else 3)
    return np.asarray(converted.reshape(shape))


@lru_cache(maxsize=8)
def _grays(icc: bytes) -> Pixels:
    """The sRGB colors (65536, 3) of all grays, without the shortcuts that miss dark ones."""
    import imagecodecs

    grays = np.arange(65536, dtype=np.uint16)[None]
    srgb = imagecodecs.cms_profile("srgb")
    colors = imagecodecs.cms_transform(
        *(grays, icc, srgb),
        colorspace="gray",
        outcolorspace="rgb",
        intent=RELATIVE_COLORIMETRIC,
        flags=EXACT,
    )
    return np.asarray(colors, np.uint16).reshape(-1, 3)


@lru_cache(maxsize=32)
def _can_be_written(icc: bytes) -> bool:
    """Tell whether the profile leads from sRGB to its own values, too."""
    try:
        _transform(np.zeros((1, 1, 3), np.uint16), None, icc)
    except (RuntimeError, ValueError):
        return False
    return True


def _inverted(start: Floats, wanted: Pixels, icc: bytes) -> Floats:
    """Values (N, 3) near ``start`` that a profile turns into ``wanted``; 65535 is full scale.

    What reaches ``wanted`` already stays. Damped Gauss-Newton with a Jacobian by differences.
    """
    if len(start) > INVERTED:
        parts = range(0, len(start), INVERTED)
        several = [_inverted(start[at:][:INVERTED], wanted[at:][:INVERTED], icc) for at in parts]
        return np.concatenate(several)
    values, goal = start.astype(np.float64), wanted.astype(np.float64)

    def forward(at: Any) -> Any:
        return _transform(np.rint(at)[None].astype(np.uint16), icc, None)[0].astype(np.float64)

    reached = forward(values)
    for _ in range(INVERSIONS):
        off = goal - reached
        columns = []
        for channel in range(3):
            step = np.where(values[:, channel] < 32768, DIFFERENCE, -DIFFERENCE)
            beside = values.copy()
            beside[:, channel] += step
            columns.append((forward(beside) - reached) / step[:, None])
        slopes = np.stack(columns, -1)
        squared = slopes.transpose(0, 2, 1) @ slopes + 1e-3 * np.eye(3)
        change = np.linalg.solve(squared, slopes.transpose(0, 2, 1) @ off[..., None])[..., 0]
        tried = np.clip(values + np.clip(change, -16384, 16384), 0, 65535)
        landed = forward(tried)
        nearer = ((goal - landed) ** 2).sum(1) < (off**2).sum(1)
        values[nearer], reached[nearer] = tried[nearer], landed[nearer]
    return values.astype(np.float32)


def cmyk_to_rgb(pixels: Pixels, icc: bytes | None) -> tuple[Pixels, str]:
    """Ink as sRGB of the same type, by the profile or else as ideal ink; and a note about it.

    Args:
        pixels: (H, W, 4), uint8 or uint16, full scale is full ink.
        icc: the file's profile, if there is one.
    """
    if icc and icc[16:20] == b"CMYK":
        try:
            return _by_strips(pixels, icc, "cmyk"), "is CMYK: converted to sRGB by its profile"
        except (RuntimeError, ValueError):  # a broken profile
            pass
    paper = np.iinfo(pixels.dtype).max - pixels.astype(np.uint32)
    product = paper[..., :3] * paper[..., 3:]
    full = np.uint32(np.iinfo(pixels.dtype).max)
    rgb = ((product + full // 2) // full).astype(pixels.dtype)
    return rgb, (
        "is CMYK without a usable profile: converted to RGB as ideal ink, so that its colors may "
        "differ from those in print"
    )


def lab_to_rgb(pixels: Pixels) -> Pixels:
    """CIELab (D50) as sRGB of the same type: (H, W, 3), a and b 0 at 128/255 of full scale."""
    import imagecodecs

    return _by_strips(pixels, imagecodecs.cms_profile("lab4"), "lab")


def _by_strips(pixels: Pixels, icc: bytes, space: str) -> Pixels:
    import imagecodecs

    result = np.empty((*pixels.shape[:2], 3), pixels.dtype)
    for rows in strips((pixels.shape[0], pixels.shape[1])):
        result[rows] = imagecodecs.cms_transform(
            np.ascontiguousarray(pixels[rows]),
            icc,
            imagecodecs.cms_profile("srgb"),
            colorspace=space,
            outcolorspace="rgb",
            outdtype=pixels.dtype,
            intent=PERCEPTUAL,
        )
    return result


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
