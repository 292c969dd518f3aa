"""Changing the foreground of a picture of any size: a strip of rows at a time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from phnet.images.arrays import FULL_SCALE, Floats, Pixels

STRIP_PIXELS = 1 << 17  # pixels handled at a time: bounds the memory and keeps it in the cache


def in_strips(
    composite: Pixels,
    mask: Floats,
    strength: float,
    threads: int,
    changed: Callable[[list[Floats], slice], list[Floats]],
) -> Pixels:
    """Blend ``changed`` channels over ``composite`` by the mask, a strip of rows at a time.

    ``changed`` takes the channels of a strip in [0, 1] and its rows, and returns channels that
    may be written over.
    """
    output = np.array(composite)
    scale = np.float32(FULL_SCALE.get(composite.dtype, 1))
    rows_with_mask = np.flatnonzero(mask.any(1))
    if not rows_with_mask.size:
        return output
    step = max(1, STRIP_PIXELS // mask.shape[1])
    starts = range(int(rows_with_mask[0]), int(rows_with_mask[-1]) + 1, step)
    stop = int(rows_with_mask[-1]) + 1

    def work(start: int) -> None:
        rows = slice(start, min(start + step, stop))
        strip, alpha = composite[rows], mask[rows]
        rgb = [_plane(strip[..., c], scale) for c in range(3)]
        amount, inside = alpha * np.float32(strength), alpha > 0
        for c, mixed in enumerate(changed(rgb, rows)):
            np.clip(mixed, 0, 1, out=mixed)
            mixed -= rgb[c]
            mixed *= amount
            mixed += rgb[c]
            if composite.dtype.kind == "u":
                mixed *= scale
                np.rint(mixed, out=mixed)
            np.copyto(output[rows, :, c], mixed, where=inside, casting="unsafe")

    if threads == 1 or len(starts) == 1:
        for start in starts:
            work(start)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, starts))
    return output


def _plane(channel: Pixels, scale: np.float32) -> Floats:
    """A channel as float32 in [0, 1]."""
    plane = channel.astype(np.float32)
    if scale != 1:
        plane *= 1 / scale
    return plane
