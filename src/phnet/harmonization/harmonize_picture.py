"""A decoded composite to its harmonized pixels: what every door calls."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np

from phnet.errors import BadInput, BadMask, BadOption
from phnet.harmonization.color_map import ColorMap
from phnet.harmonization.finishing.edges import clean_edges
from phnet.harmonization.finishing.finish import Keep, finish
from phnet.harmonization.look import Look, check_alone
from phnet.harmonization.persons import persons, without_others
from phnet.harmonization.reference import in_light_of, shown
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
    """Interface of what decides the colors: :class:`phnet.harmonization.harmonizer.Harmonizer`."""

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
    notes: Sequence[str]  # warnings, a sentence each
    seen: Pixels  # sRGB (H, W, 3), what the network was shown: nothing that is transparent
    colors: ColorMap  # that was applied; of several persons, to the largest


def harmonize_picture(
    picture: Picture,
    mask: Mask | None,
    options: HarmonizeOptions,
    *,
    harmonizer: Decides,
    matter: Matter | None = None,
    name: str = "",
    mask_name: str = "mask",
    reference: Picture | None = None,
    look: Look | None = None,
    keep: Keep | None = None,
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
        reference: a picture that the light is read from instead of the background.
        look: a correction that is applied instead of a new one.
        keep: is told of each step, see :mod:`phnet.harmonization.finishing.finish`.

    Raises:
        BadInput: the mask does not fit, or no person was found.
    """
    check_alone(look, reference)
    about = f"{name}: " if name else ""
    notes = [f"{about}{note}" for note in picture.notes]
    if mask is None:
        if options.mask_class is not None:
            raise BadOption("mask_class: expected a mask, got none")
        alpha = _found(picture, matter or Matter(threads=harmonizer.threads), about)
        notes.append(f"{about}{FOUND}")
        mask_name = "matte"
    else:
        mask = turned(mask, picture.size, picture.orientation)
        alpha = mask.alpha
        notes += [f"{mask_name}: {mask.note}"] if mask.note else []
    if options.invert_mask:
        alpha = 1 - alpha
    alpha = check_mask(alpha, picture.size, mask_name)
    ids = None if mask is None or options.invert_mask else mask.ids
    if ids is not None and ids.shape != alpha.shape:
        ids = cv2.resize(ids, alpha.shape[::-1], interpolation=cv2.INTER_NEAREST)
    pasted = seen = picture.colors
    if picture.alpha is not None and hidden(picture.alpha):
        alpha = _visible(alpha, picture.alpha, mask is None, about)
        pasted = filled(pasted, picture.alpha, whole=False)
        seen = filled(pasted, picture.alpha, alpha)
    asked = (alpha, seen, matter, harmonizer.threads)
    found = [] if mask is None else advice(*asked, orientation=picture.orientation)
    notes += [f"{mask_name}: {note}" if name else note for note in found]
    behind = None if reference is None else shown(reference)
    made = _corrected(picture, pasted, seen, alpha, ids, options, harmonizer, behind, look, keep)
    return replace(made, notes=notes)


def _corrected(
    picture: Picture,
    pasted: Pixels,
    seen: Pixels,
    mask: Floats,
    ids: Pixels | None,
    options: HarmonizeOptions,
    harmonizer: Decides,
    reference: Pixels | None,
    look: Look | None,
    keep: Keep | None,
) -> Harmonized:
    """The composite, its hidden colors filled in, with clean edges, other colors and effects.

    Args:
        picture: it as it is.
        pasted: its colors, with those filled in that are hidden.
        seen: the same as the network is to see it, of the type of ``pasted``.
        mask: (H, W), where the picture can be seen.
        ids: (H, W), which person each pixel belongs to; None: separate regions are persons.
        options: how.
        harmonizer: the session.
        reference: colors (h, w, 3); see :func:`harmonize_picture`.
        look: see there.
        keep: see there.
    """
    colors, clean, see_through = pasted, mask, seen is not pasted
    if edges := options.amount("clean_edges"):
        colors, clean = clean_edges(pasted, mask, edges, threads=harmonizer.threads)
        seen = colors
        if see_through and picture.alpha is not None:
            seen = filled(colors, picture.alpha, clean)
        if keep:
            keep("clean_edges", pasted, colors)
    people = persons(clean, ids) if options.each else [clean]

    def decided(person: Floats) -> ColorMap:
        if look is not None:
            return look.map_for(person)
        alone = seen if len(people) == 1 else without_others(seen, clean, clean - person)
        lit = in_light_of(alone, person, reference)
        return harmonizer.color_map(lit, person, options.resolution, options.lift, options.light)

    maps = [decided(person) for person in people]
    result = _finished(colors, people, maps, options, harmonizer.threads, keep)
    if see_through:
        np.copyto(result, picture.colors, where=mask[..., None] == 0)
    return Harmonized(result, mask, [], in_light_of(seen, clean, reference), maps[0])


def _finished(
    colors: Pixels,
    people: Sequence[Floats],
    maps: Sequence[ColorMap],
    options: HarmonizeOptions,
    threads: int,
    keep: Keep | None,
) -> Pixels:
    """The composite (H, W, 3) with each person's colors changed, and all effects after that."""
    result, trims = colors, Trims(options.exposure, options.warmth)
    for person, changes in zip(people, maps, strict=True):
        result = changes.apply(result, person, options.strength, threads, trims)
    if keep:
        keep("color", colors, result)
    for person in people:
        result = finish(result, person, options, threads=threads, keep=keep)
    return result


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
