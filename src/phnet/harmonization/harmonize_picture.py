"""A decoded composite to its harmonized pixels: what every door calls."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from phnet.errors import BadInput, BadMask, BadOption
from phnet.harmonization.color_map import ColorMap
from phnet.harmonization.tiling import Trims
from phnet.images.arrays import Floats, Pixels, check_mask
from phnet.images.masks import Mask, turned
from phnet.images.picture import Picture
from phnet.images.transparency import LEAST_AROUND, filled, hidden, seen_around
from phnet.matting.inverted import advice
from phnet.matting.matte import Matter
from phnet.options import HarmonizeOptions, Lift

FOUND = "no mask was given; the person was found in the picture itself"
MOST_CARRIED = 0.3  # of the person's area


class Decides(Protocol):
    """What decides the colors: a :class:`phnet.harmonization.harmonizer.Harmonizer`."""

    threads: int

    def color_map(
        self,
        composite: Pixels,
        mask: Floats,
        resolution: int | None,
        lift: Lift,
        light: float | None,
    ) -> ColorMap:
        """See there."""


@dataclass(frozen=True)
class Harmonized:
    """A result, and what it was made with."""

    result: Pixels  # sRGB (H, W, 3), in the type of the picture's ``colors``
    mask: Floats  # (H, W) in [0, 1]
    notes: Sequence[str]  # what a person should know, a sentence each
    seen: Pixels  # sRGB (H, W, 3), what the network was shown: nothing that is transparent


def harmonize_picture(
    picture: Picture,
    mask: Mask | None,
    options: HarmonizeOptions,
    *,
    harmonizer: Decides,
    matter: Matter | None = None,
    name: str = "",
    mask_name: str = "mask",
) -> Harmonized:
    """Harmonize a composite.

    Args:
        picture: the composite.
        mask: where the pasted person is; None: the person is found.
        options: how.
        harmonizer: the session.
        matter: finds the person; None: the embedded network, loaded when it is needed.
        name: of the composite, for sentences about it; empty: there is only one.
        mask_name: of the mask, likewise.

    Raises:
        BadInput: the mask does not fit, or no person was found.
    """
    about = f"{name}: " if name else ""
    see_through = hidden(picture.alpha)
    read = [f"{about}{note}" for note in picture.notes]
    if mask is None:
        if options.mask_class is not None:
            raise BadOption("mask_class: expected a mask, got none")
        alpha = _found(picture, matter or Matter(threads=harmonizer.threads), about)
        notes = [*read, f"{about}{FOUND}"]
        mask_name = "matte"
    else:
        mask = turned(mask, picture.size, picture.orientation)
        alpha = mask.alpha
        notes = [*read, *([f"{mask_name}: {mask.note}"] if mask.note else [])]
    if options.invert_mask:
        alpha = 1 - alpha
    alpha = check_mask(alpha, picture.size, mask_name)
    colors = seen = picture.colors
    if see_through:
        assert picture.alpha is not None
        alpha = _visible(alpha, picture.alpha, mask is None, about)
        colors = filled(colors, picture.alpha, whole=False)
        seen = filled(colors, picture.alpha, alpha)
    found = advice(alpha, seen, matter, harmonizer.threads) if mask is not None else []
    notes += [f"{mask_name}: {note}" if name else note for note in found]
    look = harmonizer.color_map(seen, alpha, options.resolution, options.lift, options.light)
    trims = Trims(options.exposure, options.warmth)
    result = look.apply(colors, alpha, options.strength, harmonizer.threads, trims)
    if see_through:
        np.copyto(result, picture.colors, where=alpha[..., None] == 0)
    return Harmonized(result, alpha, notes, seen)


def _found(picture: Picture, matter: Matter, about: str) -> Floats:
    """The person's alpha (H, W)."""
    colors, remedy = picture.colors, "hand in a mask"
    if picture.alpha is not None and hidden(picture.alpha):
        colors = filled(colors, picture.alpha)
        remedy += ", or, of a cut-out, compose it with a background"
    try:
        return matter.matte(colors)
    except BadInput as error:
        raise BadInput(f"{about}{error}; {remedy}") from error


def _visible(mask: Floats, alpha: Pixels, was_found: bool, about: str) -> Floats:
    """The mask (H, W) where the picture, of an alpha (H, W), can be seen.

    Raises:
        BadInput: nothing else can be seen, or nothing of the person.
    """
    mask = np.where(alpha > 0, mask, np.float32(0))
    if float(mask.max()) < 0.5 / 255:
        raise BadMask(f"{about}the mask lies where the composite is transparent")
    # What a person holds or sits on is around the person that is found, and no background.
    if not seen_around(alpha, mask, MOST_CARRIED if was_found else LEAST_AROUND):
        raise BadInput(
            f"{about}the composite is transparent around the person: there is no background to "
            "learn colors from; compose puts a cut-out in front of one"
        )
    return mask
