"""Sharpness: a person as sharp as what is sharp in the scene.

How blurred an edge is, is read from how much it loses when it is blurred once more (Zhuo and Sim,
"Defocus map estimation from a single image", 2011): the gradient of a step of blur s falls by
``sqrt(s^2 + r^2) / s`` under another blur r. Each side is judged by its sharpest edges; what is out
of focus in the scene by intent does not count.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from phnet.harmonization.finishing.strips import Strip, blur, changed_strips
from phnet.images.arrays import Floats, Pixels, on_threads, to_float
from phnet.images.color_profiles import LUMA
from phnet.images.push_pull import times

AGAIN = 1.0  # sigma of the blur that edges are tried with, pixels
SHARPEST = 35  # percentile of the edges' blurs that stands for a side
LEAST_EDGE = 0.03  # gradient per pixel, of 1, below which there is no edge
LEAST_EDGES = 60  # pixels that tell something
WINDOW = 384  # side of the windows that are looked at
WINDOWS = 10  # at most, on each side
FOCUS = 2.2  # a scene whose sharpest edges are more blurred than this, in pixels, is out of focus
REFERENCE = 4000  # longer side for each of which that limit grows by 1
ALIKE = 0.15  # pixels of blur that nobody sees
MOST_BLUR, MOST_SHARPENING = 3.0, 1.0
LEAST_BLUR, LEAST_GAIN = 0.15, 0.01  # of what is applied; less changes nothing


@dataclass(frozen=True)
class Blurs:
    """Blur of the sharpest edges of a paste, as sigmas in pixels; None: cannot be told."""

    person: float | None
    scene: float | None


@dataclass(frozen=True)
class Refocus:
    """Change that brings a person to a scene's sharpness; all 0: none."""

    sigma: float = 0.0  # of a blur, in pixels
    reach: float = 0.0  # of an unsharp mask: its blur's sigma, in pixels
    gain: float = 0.0  # of the same: how much of what its blur takes away is added


def measure(picture: Pixels, mask: Floats, threads: int = 1) -> Blurs:
    """Estimate the blur of a person and of the scene.

    Args:
        picture: the composite, sRGB (H, W, 3): uint8, uint16, or floats in [0, 1].
        mask: (H, W) in [0, 1].
        threads: windows looked at at once.
    """
    scene = blur_of(picture, (mask <= 0).view(np.uint8), threads=threads)
    return Blurs(blur_of(picture, _inside(mask), threads=threads), scene)


def blur_of(picture: Pixels, where: Pixels, more: float = 0.0, threads: int = 1) -> float | None:
    """Estimate how blurred the sharpest edges of a part of a picture are.

    Args:
        picture: sRGB (H, W, 3).
        where: uint8 (H, W), 1 in that part; edges near its outline are left out.
        more: sigma of a blur, in pixels, that is tried first.
        threads: windows looked at at once.

    Returns:
        a sigma in pixels; None where there are too few edges.
    """
    found = on_threads(
        lambda box: _window(picture[box], where[box], more), _windows(where), threads
    )
    blurs = np.concatenate(found) if found else np.zeros(0, np.float32)
    if blurs.size < LEAST_EDGES:
        return None
    return float(np.percentile(blurs, SHARPEST))


def _windows(where: Pixels) -> list[tuple[slice, slice]]:
    """Windows that hold some of the part: evenly spaced, where there are many."""
    height, width = where.shape
    boxes = [
        (slice(y, min(y + WINDOW, height)), slice(x, min(x + WINDOW, width)))
        for y in range(0, height, WINDOW)
        for x in range(0, width, WINDOW)
    ]
    boxes = [box for box in boxes if where[box][::8, ::8].mean() > 0.2]
    if len(boxes) <= WINDOWS:
        return boxes
    chosen = np.linspace(0, len(boxes) - 1, WINDOWS).round().astype(int)
    return [boxes[i] for i in chosen]


def _window(picture: Pixels, where: Pixels, more: float) -> Floats:
    """The blurs of the edges in a window, (n,)."""
    luma = np.asarray(to_float(picture) @ LUMA, np.float32)
    luma = blur(luma, more) if more else luma
    inside = cv2.erode(where, np.ones((9, 9), np.uint8), borderType=cv2.BORDER_REPLICATE)
    once, twice = _gradient(luma), _gradient(blur(luma, AGAIN))
    noise = float(np.median(once[inside > 0])) if inside.any() else 0.0
    crest = once >= cv2.dilate(once, np.ones((3, 3), np.uint8)) - 1e-7
    edges = crest & (inside > 0) & (once > max(LEAST_EDGE, 4 * noise))
    ratio = once[edges] / np.maximum(twice[edges], 1e-6)
    ratio = np.maximum(ratio, 1.0 + 1e-3)
    return (AGAIN / np.sqrt(ratio**2 - 1)).clip(0, 5).astype(np.float32)


def _gradient(luma: Floats) -> Floats:
    across = cv2.Scharr(luma, cv2.CV_32F, 1, 0, scale=1 / 32)
    down = cv2.Scharr(luma, cv2.CV_32F, 0, 1, scale=1 / 32)
    return np.asarray(cv2.magnitude(across, down))


def match_sharpness(
    picture: Pixels, mask: Floats, amount: float = 1.0, *, threads: int = 1
) -> Pixels:
    """Blur a person, or sharpen it mildly, to the sharpness of the scene.

    Where nothing in the scene is sharp, or where too few edges tell, all stays as it is.

    Args:
        picture: the composite, sRGB (H, W, 3): uint8, uint16, or floats in [0, 1].
        mask: (H, W) in [0, 1]; where it is 0 the picture stays bit for bit.
        amount: how far to go, in [0, 1].
        threads: strips worked on at once.
    """
    change = None
    if amount != 0:
        blurs = measure(picture, mask, threads)
        change = _refocus(picture, mask, blurs, max(mask.shape), threads)
    return refocused(picture, mask, change or Refocus(), amount, threads=threads)


def refocus_for(
    picture: Pixels, mask: Floats, scene: float | None, *, longer: int | None = None
) -> Refocus | None:
    """Find what makes a person as sharp as a scene.

    Args:
        picture: see :func:`match_sharpness`.
        mask: see there.
        scene: the scene's blur, see :class:`Blurs`.
        longer: longer side, in pixels, of the picture of which this is a part; None: it is whole.

    Returns:
        None where too few edges tell.
    """
    person = None if scene is None else blur_of(picture, _inside(mask))
    return _refocus(picture, mask, Blurs(person, scene), longer or max(mask.shape), 1)


def _inside(mask: Floats) -> Pixels:
    """Pixels that show the person alone, uint8 (H, W)."""
    return (mask > 0.99).view(np.uint8)


def _refocus(
    picture: Pixels, mask: Floats, blurs: Blurs, longer: int, threads: int
) -> Refocus | None:
    """See :func:`refocus_for`."""
    person, scene = blurs.person, blurs.scene
    if person is None or scene is None:
        return None
    limit = FOCUS + longer / REFERENCE
    if scene > limit or abs(scene - person) < ALIKE:
        return Refocus()
    if scene > person:
        return Refocus(sigma=_blur_for(picture, mask, person, scene, threads))
    # As strong as makes the steepest place of an edge as steep as wanted.
    reach = float(np.sqrt(max(person**2 - scene**2, 0.01)))
    loss = person / np.sqrt(person**2 + reach**2)  # of an edge's slope, under the blur
    gain = (person / max(scene, 0.3) - 1) / max(1 - loss, 1e-3)
    return Refocus(reach=reach, gain=float(min(MOST_SHARPENING, gain)))


def refocused(
    picture: Pixels, mask: Floats, change: Refocus, amount: float = 1.0, *, threads: int = 1
) -> Pixels:
    """Blur or sharpen a person; arguments as for :func:`match_sharpness`."""
    made = picture
    if change.sigma >= LEAST_BLUR:
        made = blurred(made, mask, change.sigma, amount, threads=threads)
    if change.gain >= LEAST_GAIN:
        gain = amount * change.gain
        made = sharpened(made, mask, change.reach, gain, threads=threads)
    return np.array(picture) if made is picture else made


def _blur_for(picture: Pixels, mask: Floats, have: float, want: float, threads: int) -> float:
    """The blur that takes a person from ``have`` to ``want``, as it is measured: tried once."""
    sigma = float(np.sqrt(want**2 - have**2))
    got = blur_of(picture, _inside(mask), sigma, threads)
    if got is not None and got > have + 0.05:
        sigma *= float(np.clip(np.sqrt((want**2 - have**2) / (got**2 - have**2)), 0.6, 1.6))
    return min(MOST_BLUR, sigma)


def blurred(
    picture: Pixels, mask: Floats, sigma: float, amount: float = 1.0, *, threads: int = 1
) -> Pixels:
    """Blur a person by ``sigma`` pixels; nothing from outside the mask flows in."""

    def change(strip: Strip) -> Floats:
        return _mixed(strip, _own_blur(strip, sigma), amount)

    margin = int(np.ceil(3 * sigma)) + 1
    return changed_strips(picture, mask, margin, threads, change)


def sharpened(
    picture: Pixels, mask: Floats, sigma: float, gain: float, *, threads: int = 1
) -> Pixels:
    """Sharpen a person by an unsharp mask of a blur of ``sigma`` pixels.

    Never beyond the darkest and brightest neighbors: no halos.
    """
    around = np.ones((2 * int(np.ceil(sigma)) + 1,) * 2, np.uint8)

    def change(strip: Strip) -> Floats:
        soft = _own_blur(strip, sigma)
        made = cv2.addWeighted(strip.colors, 1 + gain, soft, -gain, 0)
        low, high = cv2.erode(strip.colors, around), cv2.dilate(strip.colors, around)
        return _mixed(strip, np.clip(made, low, high), 1.0)

    margin = 3 * int(np.ceil(sigma)) + 2
    return changed_strips(picture, mask, margin, threads, change)


def _own_blur(strip: Strip, sigma: float) -> Floats:
    """The person's colors, blurred; pixels that show the background weigh less."""
    weight = np.asarray(np.maximum(strip.mask * strip.mask, 1e-4), np.float32)
    share = np.asarray(1 / blur(weight, sigma), np.float32)
    return times(blur(times(strip.colors, weight), sigma), share)


def _mixed(strip: Strip, made: Floats, amount: float) -> Floats:
    """New colors as far as a pixel shows the person."""
    share = cv2.merge([strip.mask * strip.mask * np.float32(amount)] * 3)
    change = cv2.multiply(cv2.subtract(made, strip.colors), share)
    return np.asarray(cv2.add(strip.colors, change, dst=change), np.float32)
