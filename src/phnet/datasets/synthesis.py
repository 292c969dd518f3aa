"""Composites made from real photos, as section 3.2 of the paper makes FFHQH.

The person in a photo is recolored and put back over the untouched photo: the photo is then
the ground truth of its own composite. All randomness comes from the seed that is handed in.

The operations are Pillow's, which is what torchvision's transforms of the same names call for
PIL images: ColorJitter(0.5, 0.4, 0.06, 0.05), RandomPosterize(6, 0.5),
RandomAdjustSharpness(4, 0.5) and RandomAutocontrast(0.5), in this order; the jitter's own four
steps come in random order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from phnet.images.arrays import Bools, Bytes, Pixels

Seed = int | Sequence[int] | np.random.Generator

BRIGHTNESS, CONTRAST, SATURATION, HUE = 0.5, 0.4, 0.06, 0.05
POSTERIZE_BITS = 6
SHARPNESS = 4.0
PROBABILITY = 0.5  # of posterize, of sharpness and of autocontrast

Reading = Literal["photo", "soft", "object"]
READINGS: tuple[Reading, ...] = get_args(Reading)


@dataclass(frozen=True)
class Composite:
    """A composite and what made it."""

    image: Bytes  # uint8 (H, W, 3): the recolored person over the untouched photo
    mask: Bools  # (H, W), binarized at 0.5
    parameters: dict[str, Any]  # every drawn value, ready for JSON


def draw_parameters(rng: np.random.Generator) -> dict[str, Any]:
    """Draw one recoloring within the ranges of section 3.2."""
    order = ["brightness", "contrast", "saturation", "hue"]
    return {
        "order": [order[i] for i in rng.permutation(4)],
        "brightness": float(rng.uniform(1 - BRIGHTNESS, 1 + BRIGHTNESS)),
        "contrast": float(rng.uniform(1 - CONTRAST, 1 + CONTRAST)),
        "saturation": float(rng.uniform(1 - SATURATION, 1 + SATURATION)),
        "hue": float(rng.uniform(-HUE, HUE)),
        "posterize": bool(rng.random() < PROBABILITY),
        "sharpness": bool(rng.random() < PROBABILITY),
        "autocontrast": bool(rng.random() < PROBABILITY),
    }


def _shift_hue(image: Image.Image, amount: float) -> Image.Image:
    """Turn the hue by ``amount`` of the circle, in [-0.5, 0.5], in 8-bit HSV."""
    h, s, v = image.convert("HSV").split()
    turned = np.asarray(h) + np.int16(amount * 255).astype(np.uint8)  # wraps around at 256
    return Image.merge("HSV", (Image.fromarray(turned), s, v)).convert("RGB")


_JITTER: dict[str, Callable[[Image.Image, float], Image.Image]] = {
    "brightness": lambda image, value: ImageEnhance.Brightness(image).enhance(value),
    "contrast": lambda image, value: ImageEnhance.Contrast(image).enhance(value),
    "saturation": lambda image, value: ImageEnhance.Color(image).enhance(value),
    "hue": _shift_hue,
}


def recolor(photo: Bytes, parameters: dict[str, Any]) -> Bytes:
    """Apply drawn ``parameters`` to a whole photo, uint8 (H, W, 3)."""
    image = Image.fromarray(photo)
    for step in parameters["order"]:
        image = _JITTER[step](image, parameters[step])
    if parameters["posterize"]:
        image = ImageOps.posterize(image, POSTERIZE_BITS)
    if parameters["sharpness"]:
        image = ImageEnhance.Sharpness(image).enhance(SHARPNESS)
    if parameters["autocontrast"]:
        image = ImageOps.autocontrast(image)
    return np.asarray(image)


def binarize(mask: Pixels) -> Bools:
    """Mask to bool (H, W) at 0.5 (appendix A); uint8 in [0, 255], float in [0, 1], or bool."""
    if mask.dtype == np.bool_:
        return mask
    return np.asarray(mask > 127 if mask.dtype == np.uint8 else mask > 0.5)


def make_composite(photo: Bytes, mask: Pixels, seed: Seed, reading: Reading = "photo") -> Composite:
    """Make the composite of a photo and its person.

    Section 3.2 extracts the object, augments it, and blends it with the photo, which can be read
    in three ways. They draw the same values, and differ in what the operations see (contrast and
    autocontrast use its statistics) and in the edge:

    - "photo": the whole photo; the result is kept where the mask is at least a half.
    - "soft": the whole photo; the result is blended by the mask as it is.
    - "object": the person alone, before black; the result is blended by the mask.

    Args:
        photo: uint8 (H, W, 3), the real photo.
        mask: (H, W), uint8 in [0, 255], float in [0, 1] or bool; the composite's is binarized
            at 0.5 in all readings.
        seed: anything ``numpy.random.default_rng`` takes; the same seed gives the same bytes.
        reading: which of the three.
    """
    parameters = draw_parameters(np.random.default_rng(seed))
    hard = binarize(mask)
    if reading == "photo":
        image = np.where(hard[..., None], recolor(photo, parameters), photo)
        return Composite(image, hard, parameters)
    alpha = np.asarray(mask, np.float32) / np.float32(255 if mask.dtype == np.uint8 else 1)
    alpha = alpha[..., None]
    # What is cut out softly would be darkened twice: the person is cut out hard.
    seen = np.where(hard[..., None], photo, np.uint8(0)) if reading == "object" else photo
    blended = alpha * recolor(seen, parameters) + (1 - alpha) * photo
    return Composite(np.asarray(np.rint(blended), np.uint8), hard, parameters)
