"""Light wrap: bright surroundings bleed over the person's edge, as a lens and the air make it."""

import cv2
import numpy as np

from phnet.harmonization.tiling import GAMMA
from phnet.images.arrays import (
    Floats,
    Pixels,
    enlarged_rows,
    in_levels,
    on_threads,
    shrunk,
    strips,
    to_float,
)
from phnet.images.push_pull import Spread

LEAST = 1e-3  # of the light; less changes nothing
WIDTH = 0.005  # sigma of the bleeding, as a share of the picture's shorter side
SIDE = 1024  # longest side at which the light is spread
MOST = 0.4  # of the surroundings' light, at the very edge
DIM, BRIGHT = 0.08, 0.55  # linear light of surroundings from which the wrap sets in, and is whole
LINEAR = np.asarray([0.2126, 0.7152, 0.0722], np.float32)


def light_wrap(
    picture: Pixels,
    mask: Floats,
    amount: float = 1.0,
    *,
    threads: int = 1,
    shorter: int | None = None,
    side: int = SIDE,
) -> Pixels:
    """Let bright surroundings bleed over a person's edge, in linear light.

    How much comes is decided by how bright the surroundings are, and by how much brighter than the
    person; nothing is ever darkened, and nothing outside the mask changes.

    Args:
        picture: the composite, sRGB (H, W, 3): uint8, uint16, or floats in [0, 1].
        mask: (H, W) in [0, 1]; where it is 0 the picture stays bit for bit.
        amount: how strong, in [0, 1].
        threads: strips worked on at once.
        shorter: shorter side, in pixels, of the picture of which this is a part; None: it is whole.
        side: longest side at which the light is spread.
    """
    output = np.array(picture)
    light, share = _bleeding(picture, mask, shorter or min(mask.shape), side, threads)
    if amount == 0 or not share.any():
        return output
    size = (mask.shape[0], mask.shape[1])
    spread = Spread(light, size)

    def work(rows: slice) -> None:
        much = enlarged_rows(share, size, rows)
        much *= mask[rows] * np.float32(amount)
        place = np.nonzero(much > LEAST)
        if not place[0].size:
            return
        own = np.clip(to_float(output[rows][place]), 0, 1) ** np.float32(GAMMA)
        more = np.maximum(spread.at_places(place[0] + rows.start, place[1]) - own, 0)
        made = (own + much[place][:, None] * more) ** np.float32(1 / GAMMA)
        output[rows][place] = in_levels(made, picture.dtype)

    on_threads(work, strips(size), threads)
    return output


def _bleeding(
    picture: Pixels, mask: Floats, shorter: int, side: int, threads: int
) -> tuple[Floats, Floats]:
    """The surroundings' linear light (h, w, 3), and how much of it comes (h, w), small."""
    shrink = max(1.0, max(mask.shape) / side)
    fitted = (max(1, round(mask.shape[0] / shrink)), max(1, round(mask.shape[1] / shrink)))
    alpha = np.clip(shrunk(mask, fitted, threads=threads), 0, 1)
    sigma = max(0.7, WIDTH * round(shorter / shrink))
    outside = 1 - alpha
    linear = np.clip(shrunk(picture, fitted, threads=threads), 0, 1) ** np.float32(GAMMA)
    linear *= outside[..., None]
    # A sharp core and a wide skirt, as glare has them.
    blurs = [(values, wide * sigma) for wide in (3, 1) for values in (linear, outside)]
    far, far_weight, near, near_weight = on_threads(lambda one: _blurred(*one), blurs, threads)
    weight = 0.8 * near_weight + 0.2 * far_weight
    light = (0.8 * near + 0.2 * far) / np.maximum(weight, 1e-4)[..., None]
    bright = np.clip((light @ LINEAR - DIM) / (BRIGHT - DIM), 0, 1)
    bright = bright * bright * (3 - 2 * bright)
    share = np.float32(2 * MOST) * np.minimum(weight, 0.5) * bright
    return np.asarray(light, np.float32), np.asarray(share, np.float32)


def _blurred(values: Floats, sigma: float) -> Floats:
    made = cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(made, np.float32)
