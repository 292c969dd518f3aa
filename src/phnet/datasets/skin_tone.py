"""Skin tone in a photo: the face's skin by a simple rule, and its individual typology angle.

Where the skin is. The head begins at the top of the mask (above 0.5) and is as high as d, the first
height at which the mean width of the mask's rows is at most 0.62 d (a head's, as an ellipse); where
there is none, that with the narrowest rows. In the face's place, 0.38 d to 0.8 d below the top and
0.25 d to either side of the mask's middle there, those pixels of the mask are skin whose Cb lies in
77 to 127 and Cr in 133 to 173 (ITU-R BT.601, full range): these do not depend on how bright it is.
Source: Chai and Ngan, "Face segmentation using skin-color map in videophone applications", 1999.
Less than 64 pixels, or a quarter of the place, is no face.

Its tone. The individual typology angle is atan((L - 50) / b) in degrees, of CIELAB under D65: the
lighter, the larger. Source: Chardon et al., "Skin colour typology and suntanning pathways", 1991,
whose classes are joined to three: light (above 41 degrees), medium (above 10), dark. L and b are
medians over the skin, so that highlights count little.

What it cannot do. The angle is that of the *photo*: a light face in the dark is called dark, and
colored light moves it or hides the face. Hair, hats and beards in the face's place count where they
have the color of skin; raised arms and people beside each other put the place elsewhere. It groups
photos for a table; it says nothing about a person.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from phnet.images.arrays import Bools, Pixels

CB, CR = (77, 127), (133, 173)
WIDTH = 0.62  # of a head's height: the mean width of its rows
FACE = (0.38, 0.80)  # of a head's height, from its top
HALF = 0.25  # of a head's height: half the width of the face's place
LEAST_HEAD = 8  # pixels
LEAST_PIXELS, LEAST_SHARE = 64, 0.25
TONES = {"light": 41.0, "medium": 10.0, "dark": -math.inf}  # lower ends, in degrees


@dataclass(frozen=True)
class Skin:
    """A face's skin."""

    where: Bools  # (H, W)
    angle: float  # individual typology angle, in degrees

    @property
    def tone(self) -> str:
        """One of TONES."""
        return tone_of(self.angle)


def tone_of(angle: float) -> str:
    """The bin of an individual typology angle in degrees."""
    return next(name for name, low in TONES.items() if angle > low)


def find_skin(photo: Pixels, mask: npt.ArrayLike) -> Skin | None:
    """The skin of the face in a photo; None where the rule finds none.

    Args:
        photo: uint8 (H, W, 3).
        mask: (H, W), the person above 0.5.
    """
    person = np.asarray(mask) > 0.5
    place = face_place(person)
    if place is None:
        return None
    ycc = cv2.cvtColor(np.ascontiguousarray(photo[place], np.uint8), cv2.COLOR_RGB2YCrCb)
    cr, cb = ycc[..., 1], ycc[..., 2]
    where = np.zeros(person.shape, bool)
    where[place] = person[place] & (cb >= CB[0]) & (cb <= CB[1]) & (cr >= CR[0]) & (cr <= CR[1])
    if where.sum() < max(LEAST_PIXELS, LEAST_SHARE * person[place].size):
        return None
    lab = cv2.cvtColor((photo[where] / 255).astype(np.float32)[None], cv2.COLOR_RGB2LAB)[0]
    lightness, _, yellow = np.median(lab, 0).tolist()
    return Skin(where, angle(lightness, yellow))


def face_place(person: Bools) -> tuple[slice, slice] | None:
    """Rows and columns where a person's face is, by the mask's shape (H, W); see the module."""
    widths = person.sum(1)
    rows = np.flatnonzero(widths)
    if len(rows) < LEAST_HEAD:
        return None
    top = int(rows[0])
    heights = np.arange(1, rows[-1] + 2 - top)
    ratios = np.cumsum(widths[top : rows[-1] + 1]) / heights**2
    ratios[: LEAST_HEAD - 1] = np.inf
    fits = np.flatnonzero(ratios <= WIDTH)
    height = int(heights[fits[0] if fits.size else np.argmin(ratios)])
    first, last = (top + round(share * height) for share in FACE)
    columns = np.flatnonzero(person[first:last].any(0))
    if not columns.size:
        return None
    weights = person[first:last].sum(0)
    middle = float((weights * np.arange(len(weights))).sum() / weights.sum())
    left, right = (round(middle + side * HALF * height) for side in (-1, 1))
    return slice(first, last), slice(max(left, 0), max(right, 0) + 1)


def angle(lightness: float, yellow: float) -> float:
    """The individual typology angle in degrees, of L and b of CIELAB.

    Skin has a positive b; for others the angle goes on beyond 90 degrees.
    """
    return math.degrees(math.atan2(lightness - 50, yellow))


def shares(angles: Iterable[float | None]) -> dict[str, int]:
    """Count each tone, and those without a face, in the order of TONES."""
    counts = Counter("no face" if a is None else tone_of(a) for a in angles)
    return {name: counts[name] for name in (*TONES, "no face")}
