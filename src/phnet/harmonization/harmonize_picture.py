"""A decoded composite to its harmonized pixels: what every door calls."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from phnet.errors import BadInput
from phnet.harmonization.color_map import ColorMap
from phnet.harmonization.finishing.edges import clean_edges
from phnet.harmonization.finishing.finish import Keep, finish
from phnet.harmonization.look import Look
from phnet.harmonization.persons import persons, without_others
from phnet.harmonization.reference import in_light_of
from phnet.harmonization.tiling import Trims
from phnet.images.arrays import Floats, Pixels, check_mask, mask_notes
from phnet.images.masks import Mask
from phnet.images.picture import Picture
from phnet.matting.matte import Matter
from phnet.options import HarmonizeOptions, Lift


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
    about = f"{name}: " if name else ""
    notes: list[str] = []
    if mask is None:
        try:
            alpha = (matter or Matter(threads=harmonizer.threads)).matte(picture.colors)
        except BadInput as error:
            raise BadInput(f"{about}{error}; hand in a mask") from error
        notes.append(f"{about}no mask was given; the person was found in the picture itself")
        mask_name = "matte"
    else:
        alpha = mask.alpha
        notes += [f"{mask_name}: {mask.note}"] if mask.note else []
    if options.invert_mask:
        alpha = 1 - alpha
    alpha = check_mask(alpha, picture.size, mask_name)
    notes += [f"{mask_name}: {note}" if name else note for note in mask_notes(alpha)]
    pixels, shown = picture.colors, alpha
    if edges := options.amount("clean_edges"):
        pixels, shown = clean_edges(pixels, alpha, edges)
        if keep:
            keep("clean_edges", picture.colors, pixels)
    people = persons(shown) if options.each else [shown]
    trims, threads = Trims(options.exposure, options.warmth), harmonizer.threads
    result, maps = pixels, []
    for person in people:
        if look is not None:
            colors = look.map_for(person)
        else:
            seen = pixels
            if len(people) > 1:
                seen = without_others(pixels, shown, shown - person)
            seen = in_light_of(seen, person, None if reference is None else reference.colors)
            colors = harmonizer.color_map(
                seen, person, options.resolution, options.lift, options.light
            )
        maps.append(colors)
        result = colors.apply(result, person, options.strength, threads, trims)
    if keep:
        keep("color", pixels, result)
    for person in people:
        result = finish(result, person, options, threads=threads, keep=keep)
    return Harmonized(result, alpha, notes, maps[0])
