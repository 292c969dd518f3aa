"""Block traces that a JPEG leaves: of which quality, and the same for the person.

A JPEG keeps each 8 x 8 block's frequencies as multiples of a step, the larger the lower its
quality. So what has been through one is told from what has not, however busy or smooth it is.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from phnet.harmonization.finishing.strips import Strip, changed_strips
from phnet.images.arrays import Bools, Doubles, Floats, Pixels, box_of, to_float, to_uint8
from phnet.images.color_profiles import LUMA
from phnet.images.push_pull import times

BLOCK = 8
LOOKED_AT = 1 << 20  # pixels
MOST_BLOCKS = 4096
# Frequencies that are looked at, down and across, and their steps in the standard's table for
# brightness (ITU-T T.81, table K.1), which is that of quality 50.
FREQUENCIES = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1))
STANDARD = np.array([11, 12, 12, 10, 14, 14, 13], np.float64)
STEPS = np.arange(3, 81)  # in levels of 255; below, rounding to 8 bits hides them
LEAST_COUNTED = 40  # frequencies beyond half a step; fewer tell nothing
CLEAR = 0.5  # how near to multiples they are, 1 all and 0 as by chance, from which it is no chance
AS_CLEAR = 0.5  # share of the scene's nearness from which a person has been through the same JPEG
LEAST_FREQUENCIES = 3  # that must tell


@dataclass(frozen=True)
class Steps:
    """Steps that a picture's frequencies are multiples of."""

    places: list[int]  # of FREQUENCIES
    steps: list[int]  # in levels of 255
    nearness: float  # mean, in [CLEAR, 1]

    @property
    def quality(self) -> int:
        """Of the JPEG that has such steps for brightness, 1 to 100."""
        scale = float(np.median(np.array(self.steps) / STANDARD[self.places]))
        quality = 50 / scale if scale > 1 else 100 - 50 * scale
        return int(np.clip(round(quality), 1, 100))


def steps_of(picture: Pixels, where: Bools) -> Steps | None:
    """Find the steps of the JPEG that a picture has been through.

    Args:
        picture: sRGB (H, W, 3); blocks begin at its upper left corner.
        where: (H, W), the part that is looked at.

    Returns:
        None where there was none, or one too fine, or too little to see.
    """
    found = [
        (place, step, near)
        for place, values in enumerate(_frequencies(picture, where))
        for step, near in [_coarsest(values)]
        if step
    ]
    if len(found) < LEAST_FREQUENCIES:
        return None
    places, steps, nears = (list(column) for column in zip(*found, strict=True))
    return Steps(places, steps, float(np.mean(nears)))


def scene_steps(picture: Pixels, mask: Floats) -> Steps | None:
    """The steps of the scene near a person; arguments as for :func:`through_jpeg`."""
    box = _part(mask)
    return steps_of(picture[box], mask[box] <= 0)


def quality_for(picture: Pixels, mask: Floats, scene: Steps | None) -> int | None:
    """Quality of the JPEG that a scene has been through and a person has not.

    Args:
        picture: as for :func:`through_jpeg`.
        mask: the same.
        scene: its steps; None for none.

    Returns:
        None where the person has been through it, or the scene through none.
    """
    box = _part(mask)
    inside = mask[box] > 0.99
    if scene is None or not inside.any():
        return None
    frequencies = _frequencies(picture[box], inside)
    nears = [
        _nearness(frequencies[place], np.array([step]))[0]
        for place, step in zip(scene.places, scene.steps, strict=True)
    ]
    return None if np.mean(nears) >= AS_CLEAR * scene.nearness else scene.quality


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
    box = box_of(mask)
    if box is None:
        return slice(0, 0), slice(0, 0)
    y, x = (part.start - side // 4 for part in box)
    y = max(0, min(y, height - side)) // BLOCK * BLOCK
    x = max(0, min(x, width - side)) // BLOCK * BLOCK
    return slice(y, y + side), slice(x, x + side)


def _frequencies(picture: Pixels, where: Bools) -> list[Doubles]:
    """Values of each of FREQUENCIES in the brightness of those blocks that lie within ``where``."""
    height, width = (side // BLOCK * BLOCK for side in where.shape)
    if not height or not width:
        return [np.zeros(0) for _ in FREQUENCIES]  # no block fits in
    tiles = (height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    within = where[:height, :width].reshape(tiles).all((1, 3)).ravel()
    rows = np.flatnonzero(within)
    rows = rows[:: max(1, len(rows) // MOST_BLOCKS)]
    luma = cv2.transform(to_float(picture[:height, :width]), 255 * LUMA[None])
    blocks = luma.reshape(tiles).transpose(0, 2, 1, 3).reshape(-1, BLOCK, BLOCK)[rows]
    across = np.cos(np.pi * (np.arange(BLOCK) + 0.5) * np.arange(3)[:, None] / BLOCK) / 2
    across[0] /= np.sqrt(2)
    low = across @ blocks @ across.T  # the DCT's first 3 x 3
    return [np.asarray(low[:, down, right], np.float64) for down, right in FREQUENCIES]


def _nearness(values: Doubles, steps: np.ndarray) -> Doubles:
    """Nearness of values to multiples of each step: 1 all of them, 0 as by chance."""
    far = np.abs(values) > steps[:, None] / 2  # what is rounded to 0 is a multiple of anything
    waves = np.cos(2 * np.pi * values / steps[:, None]) * far
    count = far.sum(1)
    return np.asarray(np.where(count < LEAST_COUNTED, 0, waves.sum(1) / np.maximum(count, 1)))


def _coarsest(values: Doubles) -> tuple[int, float]:
    """Find the coarsest step that values are multiples of, and how near; 0 where there is none.

    Multiples of 12 are multiples of 6, too; so the coarsest of those that fit as well.
    """
    if not len(values):
        return 0, 0.0
    nears = _nearness(values, STEPS)
    if nears.max() < CLEAR:
        return 0, 0.0
    place = int(np.flatnonzero(nears >= max(CLEAR, 0.85 * nears.max()))[-1])
    return int(STEPS[place]), float(nears[place])


def _as_bytes(picture: Pixels) -> Pixels:
    if picture.dtype == np.uint8:
        return picture
    return to_uint8(to_float(picture))


def _compressed(pixels: Pixels, quality: int) -> Pixels:
    """Through a JPEG and back; red, green and blue."""
    swapped = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2BGR)
    _, content = cv2.imencode(".jpg", swapped, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR))[..., ::-1]
