"""Skin tone in a photo: the face's skin by a simple rule, and its individual typology angle.

Where the skin is. Inside the mask (above 0.5, two pixels from its edge), in the upper third of the
mask's box, where a portrait has its head: pixels whose Cb lies in 77 to 127 and Cr in 133 to 173
(ITU-R BT.601, full range), which do not depend on how bright the skin is. Source: Chai and Ngan,
"Face segmentation using skin-color map in videophone applications", 1999. Of them the largest
connected piece; less than 64 pixels or 0.2% of the mask is no face.

Its tone. The individual typology angle is atan((L - 50) / b) in degrees, of CIELAB under D65: the
lighter, the larger. Source: Chardon et al., "Skin colour typology and suntanning pathways", 1991,
whose classes are joined to three: light (above 41 degrees), medium (above 10), dark. L and b are
medians over the skin, so that highlights count little.

What it cannot do. The angle is that of the *photo*: a light face in the dark is called dark, and
colored light moves it. Hair, wood and clothes of the color of skin are taken for skin where they
touch it. It groups photos for a table; it says nothing about a person.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from phnet.images.arrays import Pixels

CB, CR = (77, 127), (133, 173)
HEAD = 1 / 3  # of the mask's box, from above
EDGE = 2  # pixels
LEAST_PIXELS, LEAST_SHARE = 64, 0.002
TONES = {"light": 41.0, "medium": 10.0, "dark": -math.inf}  # lower ends, in degrees

Bools = npt.NDArray[np.bool_]


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
    person = (np.asarray(mask) > 0.5).astype(np.uint8)
    rows = np.flatnonzero(person.any(1))
    if not rows.size:
        return None
    square = np.ones((2 * EDGE + 1, 2 * EDGE + 1), np.uint8)
    inside = cv2.erode(person, square, borderType=cv2.BORDER_CONSTANT, borderValue=1) > 0
    inside[rows[0] + math.ceil(HEAD * (rows[-1] + 1 - rows[0])) :] = False
    ycc = cv2.cvtColor(np.ascontiguousarray(photo, np.uint8), cv2.COLOR_RGB2YCrCb)
    cr, cb = ycc[..., 1], ycc[..., 2]
    like = inside & (cb >= CB[0]) & (cb <= CB[1]) & (cr >= CR[0]) & (cr <= CR[1])
    count, labels, stats, _ = cv2.connectedComponentsWithStats(like.astype(np.uint8))
    if count < 2:
        return None
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    where = np.asarray(labels == largest)
    if where.sum() < max(LEAST_PIXELS, LEAST_SHARE * float(person.sum())):
        return None
    lab = cv2.cvtColor((photo[where] / 255).astype(np.float32)[None], cv2.COLOR_RGB2LAB)[0]
    lightness, _, yellow = np.median(lab, 0).tolist()
    return Skin(where, angle(lightness, yellow))


def angle(lightness: float, yellow: float) -> float:
    """The individual typology angle in degrees, of L and b of CIELAB.

    Skin has a positive b; for others the angle goes on beyond 90 degrees.
    """
    return math.degrees(math.atan2(lightness - 50, yellow))


def shares(angles: Iterable[float | None]) -> dict[str, int]:
    """How many of each tone, and without a face, in the order of TONES."""
    counts = Counter("no face" if a is None else tone_of(a) for a in angles)
    return {name: counts[name] for name in (*TONES, "no face")}
