"""The classical methods of section 2: colors of the foreground moved to the background's.

Each is called as a Harmonizer is: ``METHODS["reinhard"].harmonize(composite, mask)``. Statistics
are weighted by the mask for the foreground and by its rest for the background; the result is
blended by the mask, so that the background stays as it is, bit for bit. A composite without any
background comes back unchanged: there is nothing to learn from.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

import cv2
import numpy as np

from phnet.evaluation.color_transfer import (
    Points,
    histogram_map,
    idt_map,
    monge_kantorovich_map,
    reinhard_map,
    weighted,
)
from phnet.images import read_mask, read_picture
from phnet.images.arrays import (
    Bools,
    Doubles,
    Floats,
    Pixels,
    blend,
    check_mask,
    in_levels,
    to_float,
    to_uint8,
)
from phnet.options import HarmonizeOptions

if TYPE_CHECKING:
    from PIL import Image

Composite = TypeVar("Composite", bound="str | os.PathLike[str] | Image.Image | Pixels")
Recolor = Callable[[Floats, Floats], Floats]  # RGB (H, W, 3) and mask (H, W) to RGB, unclipped

LEAST_BACKGROUND = 1.0  # pixels of background, in sum, that statistics need
LAB_SCALE = 100.0  # brings Lab near [0, 1], as the maps expect
PYRAMID_LEVELS = 4  # bands of detail above the coarse rest
GAIN_SIGMA = 2.0  # pixels, of the blur of a band's gain
LARGEST_GAIN = 2.0
POISSON_RIM = 3  # pixels that cv2.seamlessClone takes off the mask it is given


# -- methods on pictures ------------------------------------------------------------------


def _lab(image: Floats) -> Floats:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), np.float32) / np.float32(LAB_SCALE)


def _rgb(lab: Floats) -> Floats:
    return np.asarray(cv2.cvtColor(lab * np.float32(LAB_SCALE), cv2.COLOR_LAB2RGB))


def by_map(
    mapping: Callable[[Doubles, Points, Points], Doubles], image: Floats, mask: Floats
) -> Floats:
    """Apply a map of colors to what is under the mask of (H, W, 3)."""
    result = image.copy()
    inside = mask > 0
    source, target = weighted(image, mask), weighted(image, 1 - mask)
    result[inside] = mapping(source.values, source, target)
    return result


def reinhard(image: Floats, mask: Floats) -> Floats:
    """Mean and deviation in CIE Lab (the source uses its own l-alpha-beta)."""
    return _rgb(by_map(reinhard_map, _lab(image), mask))


def monge_kantorovich(image: Floats, mask: Floats) -> Floats:
    """Mean and covariance in RGB."""
    return by_map(monge_kantorovich_map, image, mask)


def idt(image: Floats, mask: Floats) -> Floats:
    """N-dimensional distribution in RGB."""
    return by_map(idt_map, image, mask)


def histogram(image: Floats, mask: Floats) -> Floats:
    """The distribution of each of R, G and B."""
    return by_map(histogram_map, image, mask)


def poisson(image: Floats, mask: Floats) -> Floats:
    """Poisson editing: the foreground's gradients, with the background's colors at its edge.

    cv2.seamlessClone, in 8 bits. The foreground is continued outwards and the background
    inwards by the nearest color, so that the edge between them is not taken for a gradient;
    a border added on all sides keeps a person cut off by the frame away from it. Binary at 0.5.
    Source: Pérez et al., "Poisson image editing", 2003 (the paper cites Di Martino et al.).
    """
    hard = mask > 0.5
    if not hard.any():
        return image
    rim = 2 * POISSON_RIM + 2
    padded = cv2.copyMakeBorder(image, rim, rim, rim, rim, cv2.BORDER_REPLICATE)
    inside = cv2.copyMakeBorder(hard.astype(np.uint8), rim, rim, rim, rim, cv2.BORDER_CONSTANT)
    person = to_uint8(_continued(padded, inside > 0))
    scene = to_uint8(_continued(padded, inside == 0))
    side = 2 * POISSON_RIM + 1
    grown = cv2.dilate(inside, np.ones((side, side), np.uint8))
    x, y, width, height = cv2.boundingRect(grown)
    center = (x + width // 2, y + height // 2)
    cloned = cv2.seamlessClone(person, scene, grown * 255, center, cv2.NORMAL_CLONE)
    return to_float(cloned[rim:-rim, rim:-rim])


def _continued(image: Pixels, known: Bools) -> Floats:
    """Fill what is not known with the color of the nearest pixel that is."""
    unknown = (~known).astype(np.uint8)
    _, labels = cv2.distanceTransformWithLabels(
        unknown, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colors = np.zeros((int(labels.max()) + 1, 3), np.float32)
    colors[labels[known]] = image[known]
    return np.asarray(colors[labels], np.float32)


def multiscale(image: Floats, mask: Floats) -> Floats:
    """Histograms of a pyramid: each band's contrast and the coarse rest match the background's.

    In Lab, with bands taken under the mask and outside it apart, so that neither leaks into the
    other. A band is multiplied by a smooth gain between 1/2 and 2 that brings its histogram to
    the background's, as in the source's "smooth histogram matching"; its noise matching and its
    blending of boundaries are left out. Source: Sunkavalli et al., "Multi-scale image
    harmonization", 2010.
    """
    lab, outside = _lab(image), 1 - mask
    result = np.zeros_like(lab)
    rest, rest_outside = lab, lab
    for level in range(PYRAMID_LEVELS):
        sigma = float(2**level)
        smooth = _blurred(rest, mask, sigma)
        smooth_outside = _blurred(rest_outside, outside, sigma)
        band, band_outside = rest - smooth, rest_outside - smooth_outside
        source, target = weighted(band, mask), weighted(band_outside, outside)
        matched = band.copy()
        matched[mask > 0] = histogram_map(source.values, source, target)
        strength = _blurred(np.abs(band), mask, GAIN_SIGMA * sigma) + 1e-4
        gain = _blurred(np.abs(matched), mask, GAIN_SIGMA * sigma) / strength
        result += band * np.clip(gain, 1 / LARGEST_GAIN, LARGEST_GAIN)
        rest, rest_outside = smooth, smooth_outside
    source, target = weighted(rest, mask), weighted(rest_outside, outside)
    coarse = rest.copy()
    coarse[mask > 0] = histogram_map(source.values, source, target)
    return _rgb(result + coarse)


def _blurred(values: Floats, weight: Floats, sigma: float) -> Floats:
    """A Gaussian blur in which only pixels of weight count; elsewhere the values stay."""
    total = cv2.GaussianBlur(values * weight[..., None], (0, 0), sigma)
    amount = cv2.GaussianBlur(weight, (0, 0), sigma)[..., None]
    return np.where(amount > 1e-3, total / np.maximum(amount, 1e-3), values).astype(np.float32)


def untouched(image: Floats, mask: Floats) -> Floats:  # noqa: ARG001
    """The composite itself, what every method should beat."""
    return image


# -- behind one call ----------------------------------------------------------------------


@dataclass(frozen=True)
class Transfer:
    """A classical method that is called as a Harmonizer is."""

    name: str
    recolor: Recolor

    def harmonize(
        self,
        composite: Composite,
        mask: "str | os.PathLike[str] | Image.Image | Pixels",
        *,
        strength: float = HarmonizeOptions.strength,
    ) -> Composite:
        """Harmonize a composite; everything as in :meth:`phnet.Harmonizer.harmonize`.

        Args:
            composite: a path, a PIL image, or an array RGB(A) (H, W, 3 or 4).
            mask: a path, a PIL image, or an array (H, W).
            strength: how much of the change to take, in [0, 1].
        """
        HarmonizeOptions(strength=strength)  # refuses what cannot be
        came = read_picture(composite)
        picture = came.picture
        alpha = check_mask(read_mask(mask).alpha, picture.size)
        result = self._result(picture.colors, alpha, strength)
        return cast(Composite, came.back(result, alpha))

    def _result(self, composite: Pixels, alpha: Floats, strength: float) -> Pixels:
        rgb = to_float(composite)
        if float((1 - alpha).sum()) < LEAST_BACKGROUND:
            return composite.copy()
        recolored = np.clip(self.recolor(rgb, alpha), 0, 1)
        mixed = blend(recolored, rgb, alpha * np.float32(strength))
        mixed = in_levels(mixed, composite.dtype)
        result = composite.copy()
        inside = alpha > 0
        result[inside] = mixed[inside].astype(composite.dtype)
        return result


METHODS = {
    name: Transfer(name, recolor)
    for name, recolor in (
        ("reinhard", reinhard),
        ("mk", monge_kantorovich),
        ("idt", idt),
        ("histogram", histogram),
        ("poisson", poisson),
        ("multiscale", multiscale),
        ("composite", untouched),
    )
}
