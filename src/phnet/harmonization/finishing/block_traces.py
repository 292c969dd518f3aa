"""The traces of 8 x 8 blocks that a JPEG leaves: how strong, and the same for the person."""

import cv2
import numpy as np

from phnet.harmonization.finishing.strips import Strip, changed_strips
from phnet.images.arrays import Floats, Pixels, to_float, to_uint8
from phnet.images.color_profiles import LUMA
from phnet.images.push_pull import times

BLOCK = 8
LEAST = 0.12  # how much steeper borders of blocks must be than the rest, as a share
NEAR = 0.75  # share of the scene's traces that is as good as the same
QUALITIES = (85, 75, 65, 55, 45, 35, 25, 15)
LOOKED_AT = 1 << 20  # pixels


def traces(picture: Pixels, where: Pixels) -> float:
    """Measure how much steeper a picture is between JPEG's blocks than within, as a share.

    Args:
        picture: sRGB (H, W, 3); blocks begin at its upper left corner.
        where: bool (H, W), the part that is looked at.
    """
    luma = np.asarray(cv2.transform(to_float(picture), LUMA[None]), np.float32)
    shares = []
    for axis in (0, 1):
        # A border is a second difference that its neighbors have not: edges count little.
        after, before = (np.s_[1:], np.s_[:-1]) if axis == 0 else (np.s_[:, 1:], np.s_[:, :-1])
        inside = where[after] & where[before]
        step = np.minimum(cv2.absdiff(luma[after], luma[before]), np.float32(0.04)) * inside
        sums = cv2.reduce(step, 1 - axis, cv2.REDUCE_SUM, dtype=cv2.CV_64F).ravel()
        counts = np.count_nonzero(inside, 1 - axis)
        phase = (np.arange(len(sums)) + 1) % BLOCK
        means = [sums[phase == k].sum() / max(counts[phase == k].sum(), 1.0) for k in range(BLOCK)]
        others = float(np.mean(means[2:7]))
        shares.append(means[0] / max(others, 0.2 / 255) - 1)
    return max(0.0, float(np.mean(shares)))


def scene_traces(picture: Pixels, mask: Floats) -> float:
    """The block traces of the scene near a person; arguments as for :func:`through_jpeg`."""
    box = _part(mask)
    return traces(picture[box], mask[box] <= 0)


def quality_for(picture: Pixels, mask: Floats, wanted: float) -> int | None:
    """The quality of a JPEG that leaves a person with as many block traces as ``wanted``.

    Arguments as for :func:`through_jpeg`.

    Returns:
        None where the person has as many, or the scene none.
    """
    box = _part(mask)
    inside = mask[box] > 0.99
    if wanted < LEAST or not inside.any() or traces(picture[box], inside) >= NEAR * wanted:
        return None
    part = _as_bytes(picture[box])
    for quality in QUALITIES:
        if traces(_compressed(part, quality), inside) >= NEAR * wanted:
            return quality
    return QUALITIES[-1]


def through_jpeg(
    picture: Pixels, mask: Floats, quality: int, amount: float = 1.0, *, threads: int = 1
) -> Pixels:
    """Put a person through a JPEG.

    Args:
        picture: the composite, sRGB (H, W, 3): uint8, uint16, or floats in [0, 1].
        mask: (H, W) in [0, 1]; where it is 0 the picture stays bit for bit.
        quality: of the JPEG.
        amount: how far to go, in [0, 1].
        threads: strips worked on at once.
    """
    bytes_ = _as_bytes(picture)
    made = _compressed(bytes_, quality)

    def change(strip: Strip) -> Floats:
        place = (strip.rows, strip.columns)
        # What 8 bits lost of a finer picture is kept.
        off = to_float(made[place]) - to_float(bytes_[place])
        share = np.asarray(strip.mask * np.float32(amount), np.float32)
        return np.asarray(strip.colors + times(off, share), np.float32)

    return changed_strips(picture, mask, 0, threads, change)


def _part(mask: Floats) -> tuple[slice, slice]:
    """A part of the picture with the person's middle in it, that begins where a block does."""
    height, width = mask.shape
    side = int(np.sqrt(LOOKED_AT))
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return slice(0, 0), slice(0, 0)
    y, x = int(rows[0]) - side // 4, int(columns[0]) - side // 4
    y = max(0, min(y, height - side)) // BLOCK * BLOCK
    x = max(0, min(x, width - side)) // BLOCK * BLOCK
    return slice(y, y + side), slice(x, x + side)


def _as_bytes(picture: Pixels) -> Pixels:
    if picture.dtype == np.uint8:
        return picture
    return to_uint8(to_float(picture))


def _compressed(pixels: Pixels, quality: int) -> Pixels:
    """Through a JPEG and back; red, green and blue."""
    swapped = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2BGR)
    _, content = cv2.imencode(".jpg", swapped, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR))[..., ::-1]
