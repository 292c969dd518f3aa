"""Masks that are inverted or turned: where does the person lie?"""

from functools import lru_cache

import cv2
import numpy as np

from phnet.images.arrays import Floats, Pixels, has_aspect, mask_notes
from phnet.images.decoding import upright
from phnet.matting.matte import LEAST_PERSON, Matter

BORDER = 0.3  # share of the upper and side borders below which a mask is that of a person
FULL = 1 - 0.5 / 255  # a mask that is nowhere below this covers everything
OUTSIDE = 0.7  # share of the person that lies outside an inverted mask

INVERTED = (  # a sentence, with what to do
    "the person that is seen in the picture lies outside the mask (white is the foreground): if "
    "the mask is white where the background is, {remedy}"
)

# A mask that fits a photo both ways, where EXIF turns the photo.
CLEARER = 0.1  # of the overlap (0 to 1) with the person: what tells one way from the other
SAME = 0.02  # mean difference of a mask and itself turned: it looks alike either way
TURNED = (
    "the person that is seen in the picture lies in the mask if that is turned as EXIF turns the "
    "photo: if it was painted on the photo as it is stored, turn it; it was taken as it is"
)
UNTOLD = (
    "EXIF turns the photo, and the mask's shape does not tell whether it was painted on the photo "
    "upright or as it is stored: it was taken as upright"
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


def turn_note(mask: Floats, colors: Pixels, matter: Matter, orientation: int) -> str | None:
    """A warning where a mask was, or may have been, painted on the photo as it is stored.

    Args:
        mask: (H, W) in [0, 1].
        colors: (H, W, 3), upright: uint8, uint16, or floats in [0, 1].
        matter: the session.
        orientation: EXIF's, by which the photo was turned, and the mask was not; 2 to 8.
    """
    person = matter.segment(colors)
    size = (person.shape[1], person.shape[0])
    as_is, turned = (
        np.asarray(cv2.resize(way, size, interpolation=cv2.INTER_AREA), np.float32)
        for way in (mask, upright(mask, orientation))
    )
    if float(np.abs(as_is - turned).mean()) < SAME:
        return None
    gained = _overlap(person, turned) - _overlap(person, as_is)
    seen = float((person > 0.5).mean()) >= LEAST_PERSON
    if not seen or abs(gained) < CLEARER:
        return UNTOLD
    return TURNED if gained > 0 else None


def _overlap(one: Floats, other: Floats) -> float:
    """Share that two masks have in common, of what either has."""
    return float(np.minimum(one, other).sum() / max(1e-6, float(np.maximum(one, other).sum())))


def advice(
    mask: Floats,
    colors: Pixels,
    matter: Matter | None = None,
    threads: int | None = None,
    remedy: str = "invert it (invert_mask)",
    orientation: int = 1,
) -> list[str]:
    """Warnings about a mask that can be used all the same; see :func:`mask_notes`.

    The network is asked only where the mask may be inverted, or turned.

    Args:
        mask: (H, W) in [0, 1].
        colors: (H, W, 3): uint8, uint16, or floats in [0, 1].
        matter: None: the embedded network, loaded once.
        threads: of the embedded network.
        remedy: what to do about a mask that is white where the background is.
        orientation: EXIF's, by which the photo was turned upright.
    """
    notes = mask_notes(mask, remedy)
    if orientation in (2, 3, 4) or (orientation > 4 and has_aspect(mask.shape, mask.shape[::-1])):
        note = turn_note(mask, colors, matter or _embedded(threads), orientation)
        if note:
            return [*notes, note]
    if not may_be_inverted(mask) or float(mask.min()) > FULL:
        return notes
    left_out = leaves_out_the_person(mask, colors, matter or _embedded(threads))
    if left_out is None:  # nobody, or a thing: its shape decides
        return notes
    return [INVERTED.format(remedy=remedy)] if left_out else []


@lru_cache(maxsize=4)
def _embedded(threads: int | None) -> Matter:
    return Matter(threads=threads)
