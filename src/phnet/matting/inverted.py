"""Inverted masks: does the person lie in the white part, or in the rest?"""

from functools import lru_cache

import cv2
import numpy as np

from phnet.images.arrays import Floats, Pixels, mask_notes
from phnet.matting.matte import LEAST_PERSON, Matter

BORDER = 0.3  # share of the upper and side borders below which a mask is that of a person
FULL = 1 - 0.5 / 255  # a mask that is nowhere below this covers everything
OUTSIDE = 0.7  # share of the person that lies outside an inverted mask

INVERTED = (  # a sentence, with what to do
    "the person that is seen in the picture lies outside the mask (white is the foreground): if "
    "the mask is white where the background is, {remedy}"
)


def may_be_inverted(mask: Floats) -> bool:
    """Tell whether a mask (H, W) reaches much of the picture's border: it is worth a look."""
    edges = [mask[0], mask[:, 0], mask[:, -1]]
    count: int = sum(edge.size for edge in edges)
    covered = sum(float(edge.sum()) for edge in edges)
    return covered > BORDER * count


def leaves_out_the_person(mask: Floats, colors: Pixels, matter: Matter) -> bool | None:
    """Tell whether the person that the network sees lies outside the mask; None: it sees nobody.

    Args:
        mask: (H, W) in [0, 1].
        colors: (H, W, 3): uint8, uint16, or floats in [0, 1].
        matter: the session.
    """
    person = matter.segment(colors)
    if float((person > 0.5).mean()) < LEAST_PERSON:
        return None
    size = (person.shape[1], person.shape[0])
    inside = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA))
    outside = float((person * (1 - inside)).sum())
    return outside > OUTSIDE * float(person.sum())


def advice(
    mask: Floats,
    colors: Pixels,
    matter: Matter | None = None,
    threads: int | None = None,
    remedy: str = "invert it (invert_mask)",
) -> list[str]:
    """Warnings about a mask that can be used all the same; see :func:`mask_notes`.

    The network is asked only where the mask may be inverted.

    Args:
        mask: (H, W) in [0, 1].
        colors: (H, W, 3): uint8, uint16, or floats in [0, 1].
        matter: None: the embedded network, loaded once.
        threads: of the embedded network.
        remedy: what to do about a mask that is white where the background is.
    """
    notes = mask_notes(mask, remedy)
    if not may_be_inverted(mask) or float(mask.min()) > FULL:
        return notes
    left_out = leaves_out_the_person(mask, colors, matter or _embedded(threads))
    if left_out is None:  # nobody, or a thing: its shape decides
        return notes
    return [INVERTED.format(remedy=remedy)] if left_out else []


@lru_cache(maxsize=4)
def _embedded(threads: int | None) -> Matter:
    return Matter(threads=threads)
