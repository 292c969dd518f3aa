"""A person from a portrait in front of another background: matte, colors, place, harmony.

The module is called composer so that ``phnet.compose`` is the function and nothing else: Python
binds an imported submodule to its package under its own name.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, cast

import numpy as np

from phnet.compositing.parts import write_parts
from phnet.compositing.placement import (
    Cutout,
    Place,
    choose_place,
    cut_sides,
    default_place,
    put,
)
from phnet.compositing.shadow import cast_shadow, chosen_light, stands
from phnet.errors import BadImage, BadMask, BadOption
from phnet.harmonization.color_map import ColorMap
from phnet.harmonization.finishing.beside import Beside
from phnet.harmonization.finishing.edges import clean_colors
from phnet.harmonization.finishing.finish import Keep, finish
from phnet.harmonization.look import Look, check_alone, look_of, read_look
from phnet.harmonization.reference import in_light_of, shown
from phnet.harmonization.tiling import Trims
from phnet.images.arrays import (
    FULL_SCALE,
    Floats,
    Pixels,
    box_of,
    check_mask,
    check_pixels,
    strips,
    to_float,
)
from phnet.images.handed_in import bounded, read_picture
from phnet.images.masks import Mask, read_mask, turned
from phnet.images.picture import Picture
from phnet.images.transparency import filled, hidden, seen_around
from phnet.keywords import ComposeKeywords, SceneKeywords
from phnet.matting.foreground import estimate, without_ghosts
from phnet.matting.inverted import advice
from phnet.options import ComposeOptions, Foreground, SceneOptions, made_of

if TYPE_CHECKING:
    from PIL import Image

    from phnet.harmonization.harmonizer import Harmonizer
    from phnet.matting.matte import Matter

Scene = TypeVar("Scene", bound="str | os.PathLike[str] | Image.Image | Pixels")


@dataclass(frozen=True)
class Composition:
    """A finished picture and what it was made of, all at the scene's size."""

    result: Pixels  # harmonized; of the scene's type and channels
    composite: Pixels  # the same before harmonization
    foreground: Floats  # the person's colors before harmonization, (H, W, 3)
    mask: Floats  # (H, W)
    place: Place
    colors: ColorMap  # that was applied
    changed: Floats  # (H, W), above 0 where the scene is not as it was: the mask, and the shadow


class Composer:
    """Composes again and again with the same networks.

    Args:
        harmonizer: None for the embedded network.
        matter: None for the embedded network; it is loaded when a portrait comes without a mask.
        foreground: how colors at soft edges are estimated: "blur-fusion", "ml" (extra
            ``matte``) or "none".
    """

    def __init__(
        self,
        harmonizer: "Harmonizer | None" = None,
        matter: "Matter | None" = None,
        foreground: Foreground = ComposeOptions.foreground,
    ) -> None:
        from phnet.harmonization.harmonizer import Harmonizer

        self.harmonizer = harmonizer or Harmonizer()
        self.foreground = foreground
        self._matter = matter

    def cut_out(
        self, portrait: Pixels, mask: Pixels | None = None, foreground: Foreground | None = None
    ) -> Cutout:
        """Take the person out of a portrait.

        Args:
            portrait: (h, w, 3), or (h, w, 4): an alpha that is not opaque everywhere is the mask,
                and the colors are taken as they are.
            mask: (h, w), where the person is; None: the person is found.
            foreground: another estimate of colors at soft edges than the composer's own.

        Raises:
            BadInput: no person was found, or none surely enough.
        """
        check_pixels(portrait, "portrait")
        rgb, size = portrait[..., :3], portrait.shape[:2]
        is_cut_out = portrait.shape[2] == 4 and hidden(portrait[..., 3])
        if mask is not None:
            alpha = check_mask(mask, size)
            if is_cut_out:  # what cannot be seen of the portrait is not seen in the scene
                alpha = check_mask(alpha * to_float(portrait[..., 3]), size, "mask and alpha")
                rgb = filled(rgb, portrait[..., 3], whole=False)
        elif is_cut_out:
            alpha = check_mask(portrait[..., 3], size, "the portrait's alpha")
            return Cutout(to_float(rgb), alpha)
        else:
            from phnet.matting.matte import LEAST_SURE, Matter

            made = self.harmonizer
            self._matter = self._matter or Matter(threads=made.threads, providers=made.providers)
            alpha = without_ghosts(self._matter.matte(rgb, least_sure=LEAST_SURE))
        return Cutout(estimate(rgb, alpha, foreground or self.foreground), alpha)

    def compose(
        self,
        cutout: Cutout,
        scene: Pixels,
        place: Place | None = None,
        options: SceneOptions | None = None,
        *,
        reference: Pixels | None = None,
        look: Look | None = None,
        keep: Keep | None = None,
        **more: Unpack[SceneKeywords],
    ) -> Composition:
        """Put a person into a scene.

        Args:
            cutout: the person.
            scene: the background, (H, W, 3) or (H, W, 4); uint8, uint16, or floats in [0, 1].
            place: None for :func:`default_place`.
            options: how to harmonize; None: as ``more`` says, such as ``strength=0.5``.
            reference: a picture (h, w, 3) that the light is read from instead of the scene.
            look: a correction that is applied instead of a new one.
            keep: is told of each step, see :mod:`phnet.harmonization.finishing.finish`.
            more: the fields of :class:`phnet.options.SceneOptions` by name.

        Raises:
            BadMask: nothing of the person would be in the picture.
            BadImage: nothing of the scene can be seen around the person.
        """
        options = options or made_of(SceneOptions, more)
        check_pixels(scene, "background")
        size = (scene.shape[0], scene.shape[1])
        place = place or default_place(cutout.alpha, size)
        colors, mask = put(cutout, size, place)
        if float(mask.max(initial=0)) < 0.5 / 255:
            raise BadMask(f"place {place}: expected to see the person, but it is outside")
        bare = over(colors, mask, scene)
        composite = bare
        if edges := options.amount("clean_edges"):
            colors, mask = clean_colors(colors, mask, edges)
            composite = over(colors, mask, scene)
            if keep:
                keep("clean_edges", bare, composite)
        if look is not None:
            applied = look.map_for(mask)
        else:
            seen = in_light_of(_seen(composite, scene, mask), mask, reference)
            applied = self.harmonizer.color_map(seen, mask, lift=options.lift, light=options.light)
        inside = (mask > 0).astype(np.float32)
        trims, threads = Trims(options.exposure, options.warmth), self.harmonizer.threads
        harmonized = applied.apply(colors, inside, options.strength, threads, trims)
        result = over(harmonized, mask, scene)
        if keep:
            keep("color", composite, result)
        finished = finish(_plain(result), mask, options, threads=threads, keep=keep)
        np.copyto(result[..., :3], finished, where=mask[..., None] > 0)
        changed = mask
        below = cutout.alpha.shape[0] - (size[0] - place.y) / place.scale
        if options.amount("shadow") and stands(cutout.alpha, below):
            result, changed = _with_shadow(result, scene, mask, options, keep)
        return Composition(result, bare, colors, mask, place, applied, changed)


def _with_shadow(
    lit: Pixels, scene: Pixels, mask: Floats, options: SceneOptions, keep: Keep | None
) -> tuple[Pixels, Floats]:
    """The picture with the person's shadow, and (H, W) above 0 where the scene is not as it was."""
    light = chosen_light(_plain(scene), options)
    result, missing = cast_shadow(lit, mask, options.amount("shadow"), light)
    if keep:
        keep("shadow", lit, result)
    return result, np.maximum(mask, missing)


def _plain(pixels: Pixels) -> Pixels:
    """RGB (H, W, 3) of pixels that may have an alpha, with what lies hidden filled in."""
    colors = np.ascontiguousarray(pixels[..., :3])
    if pixels.shape[2] == 3 or not hidden(pixels[..., 3]):
        return colors
    return filled(colors, pixels[..., 3], whole=False)


def _seen(composite: Pixels, scene: Pixels, mask: Floats) -> Pixels:
    """Fill what is transparent for the network: RGB (H, W, 3)."""
    colors = composite[..., :3]
    if scene.shape[2] == 3 or not hidden(scene[..., 3]):
        return colors
    if not seen_around(scene[..., 3], mask, least=0):
        raise BadImage("background: expected one that can be seen, but it is transparent")
    return filled(colors, composite[..., 3], mask)


@dataclass(frozen=True)
class Composed:
    """Result of composing pictures."""

    made: Composition
    picture: Picture  # what the result is saved with: the background, with the result's alpha
    cut_sides: Sequence[str]  # where the portrait's frame cuts the person off
    notes: Sequence[str]  # warnings of the mask, a sentence each

    @property
    def result(self) -> Pixels:
        """SRGB (H, W, 3)."""
        return self.made.result[..., :3]


def compose_pictures(
    portrait: Picture,
    background: Picture,
    mask: Mask | None,
    options: ComposeOptions,
    *,
    composer: Composer,
    reference: Picture | None = None,
    look: Look | None = None,
    keep: Keep | None = None,
) -> Composed:
    """Put the person of a portrait in front of a background: what every door calls.

    Args:
        portrait: with the person.
        background: of any size.
        mask: where the person is in the portrait; None: its alpha, or the person is found.
        options: how.
        composer: the sessions.
        reference: a picture that the light is read from instead of the background.
        look: a correction that is applied instead of a new one.
        keep: is told of each step, see :mod:`phnet.harmonization.finishing.finish`.

    Raises:
        BadInput: what is handed in cannot be used, or no person was found.
    """
    check_alone(look, reference)
    place = choose_place(options.place, options.fit, portrait.size, background.size)
    alpha, notes = None, list[str]()
    if mask is not None:
        mask = turned(mask, portrait.size, portrait.orientation)
        notes = [mask.note] if mask.note else []
        alpha = check_mask(mask.alpha, portrait.size)
        threads, way = composer.harmonizer.threads, portrait.orientation
        notes += advice(alpha, portrait.colors, None, threads, "invert it", orientation=way)
    elif options.mask_class is not None:
        raise BadOption("mask_class: expected a mask, got none")
    cutout = composer.cut_out(portrait.colors_with_alpha, alpha, options.foreground)
    made = composer.compose(
        cutout,
        background.colors_with_alpha,
        place,
        options,
        reference=None if reference is None else shown(reference),
        look=look,
        keep=keep,
    )
    return Composed(made, background.behind(made.result), cut_sides(cutout.alpha), notes)


def compose(
    portrait: "str | os.PathLike[str] | Image.Image | Pixels",
    background: Scene,
    *,
    mask: "str | os.PathLike[str] | Image.Image | Pixels | None" = None,
    composer: Composer | None = None,
    reference: "str | os.PathLike[str] | Image.Image | Pixels | None" = None,
    look: str | os.PathLike[str] | None = None,
    save_look: str | os.PathLike[str] | None = None,
    save_psd: str | os.PathLike[str] | None = None,
    save_parts: str | os.PathLike[str] | None = None,
    **options: Unpack[ComposeKeywords],
) -> Scene:
    """Put the person of a portrait in front of another background, in harmony with it.

    Args:
        portrait: a path, a PIL image, or an array (h, w, 3) or (h, w, 4), uint8, uint16, or
            floats in [0, 1]; an alpha that is not opaque everywhere is the mask. Arrays are taken
            as sRGB; the profile of a file or PIL image is followed.
        background: likewise, of any size.
        mask: where the person is in the portrait; None: the person is found.
        composer: sessions to use again; None: the embedded networks.
        reference: a picture that the light is read from instead of the background.
        look: a file that ``save_look`` wrote: its correction is applied, and none found.
        save_look: where to write the correction, as JSON.
        save_psd: where to write a PSD, with effects a layer for each step.
        save_parts: a folder for the person, the mask, the bare paste, and a layer for each step.
        options: those of :class:`phnet.options.ComposeOptions` by name, such as ``fit="cover"``.

    Returns:
        The picture, of the background's type, size and depth (for a path a PIL image, or an
        array uint16 where PIL has no such depth). Pixels where neither person nor shadow is are
        those of the background, bit for bit.

    Raises:
        BadInput: what is handed in cannot be used, or no person was found; says why.
    """
    if composer is not None:
        options.setdefault("foreground", composer.foreground)
    chosen = made_of(ComposeOptions, options)
    beside = Beside(save_look, save_psd, save_parts)
    files = (portrait, background, mask, reference)
    return cast(Scene, _composed(files, composer or Composer(), look, chosen, beside))


def _composed(
    files: tuple[Any, Any, Any, Any],
    composer: Composer,
    look: str | os.PathLike[str] | None,
    chosen: ComposeOptions,
    beside: Beside,
) -> Any:
    """The work of :func:`compose`, on its four pictures, with checked options."""
    most, (portrait, background, mask, reference) = chosen.max_megapixels, files
    came = read_picture(bounded(background, most, "background"), "background")
    beside.check(came.picture, *files, look)
    layers = beside.layers(chosen)
    done = compose_pictures(
        read_picture(bounded(portrait, most, "portrait"), "portrait").picture,
        came.picture,
        None if mask is None else read_mask(bounded(mask, most, "mask"), wanted=chosen.mask_class),
        chosen,
        composer=composer,
        reference=None
        if reference is None
        else read_picture(bounded(reference, most, "reference"), "reference").picture,
        look=None if look is None else read_look(look),
        keep=layers,
    )
    made = done.made
    beside.write(
        lambda: look_of(made.colors, made.mask),
        *(done.picture, made.composite[..., :3], done.result, made.changed, layers, chosen),
    )
    if beside.parts is not None:
        write_parts(Path(beside.parts), made.foreground, made.mask, made.composite)
    return came.back(done.result, made.changed, done.picture)


# -- blending -------------------------------------------------------


def over(colors: Floats, mask: Floats, scene: Pixels) -> Pixels:
    """Blend colors over a scene (eq. 1) in the scene's own type; its alpha, if any, grows.

    Args:
        colors: (H, W, 3) in [0, 1].
        mask: (H, W) in [0, 1]; where it is 0 the scene comes back bit for bit.
        scene: (H, W, 3) or (H, W, 4) with alpha not multiplied into the colors.
    """
    result = scene.copy()
    box = box_of(mask)
    if box is None:
        return result
    colors, mask, part = colors[box], mask[box], result[box]
    for strip in strips((mask.shape[0], mask.shape[1])):
        _blend(colors[strip], mask[strip], part[strip])
    return result


def _blend(colors: Floats, mask: Floats, scene: Pixels) -> None:
    """Change a part of the scene in place; see :func:`over`."""
    scale = FULL_SCALE.get(scene.dtype, 1)
    alpha = mask[..., None]
    below = to_float(scene)
    share: Floats = alpha
    if scene.shape[2] == 4:
        total = alpha + below[..., 3:] * (1 - alpha)
        share = np.asarray(alpha / np.maximum(total, 1e-6), np.float32)
        below[..., :3] *= below[..., 3:] > 0  # what lies hidden leaves no trace, not by rounding
        below[..., 3:] = total
    below[..., :3] += (colors - below[..., :3]) * share
    if scene.dtype.kind == "u":
        below = np.rint(np.clip(below, 0, 1) * np.float32(scale))
    inside = mask > 0
    scene[inside] = below[inside].astype(scene.dtype)
