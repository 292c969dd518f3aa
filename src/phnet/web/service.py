"""From uploaded bytes to answered bytes: the models, and the work that a thread does."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from phnet.compositing.composer import Composer, compose_pictures
from phnet.errors import BadModel
from phnet.harmonization.color_map import ColorMap
from phnet.harmonization.finishing.finish import Layers, layers_for
from phnet.harmonization.harmonize_picture import harmonize_picture
from phnet.harmonization.harmonizer import Harmonizer, find_model
from phnet.harmonization.look import Look, look_of, look_text, read_look
from phnet.harmonization.lut3d import Lut
from phnet.images import Mask, Picture, encoded, left_out, load, read_mask
from phnet.images.arrays import Floats, Pixels, to_uint8
from phnet.images.decoding import Source
from phnet.images.encoding import compressed
from phnet.images.psd import psd_bytes
from phnet.matting.matte import Matter
from phnet.web.forms import ComposeRequest, Form, HarmonizeRequest, MatteOptions
from phnet.web.limits import Limits
from phnet.web.problems import Problem

MEDIA_TYPES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WEBP": "image/webp",
    "TIFF": "image/tiff",
}
# What is only made for who asks for it: layers, the colors as one table, and the correction.
PSD, CUBE, LOOK = (
    "image/vnd.adobe.photoshop",
    "application/x-cube",
    "application/vnd.phnet.look+json",
)
DEFAULT = "portrait"


class Model(BaseModel):
    """A network that requests can choose."""

    name: str = Field(examples=[DEFAULT])
    default: bool = Field(
        description="Whether it is taken where a request names none.", examples=[True]
    )
    resolution: int = Field(description="Side of the square that it works at.", examples=[256])
    parameters: int | None = Field(
        description="How many numbers it has learned.", examples=[1066242]
    )
    light: float | None = Field(
        description="The light that it takes where a request names none; null: it takes none.",
        examples=[0.9],
    )


class Models(BaseModel):
    """All networks that requests can choose."""

    models: list[Model]


@dataclass(frozen=True)
class Answer:
    """A harmonized picture, encoded."""

    content: bytes
    media_type: str
    notes: Sequence[str]  # warnings, a sentence each


class Service:
    """The loaded networks; used from several threads."""

    def __init__(self, limits: Limits, providers: str | None = None) -> None:
        self._limits = limits
        self._matter = Matter(threads=limits.threads, providers=providers)
        files = {DEFAULT: find_model(None)}
        with suppress(BadModel):  # not every package has it
            files["int8"] = find_model("int8")
        self._harmonizers = {
            name: Harmonizer(file, limits.threads, providers=providers)
            for name, file in files.items()
        }

    def models(self) -> Models:
        """Networks that can be chosen."""
        return Models(
            models=[
                Model(
                    name=name,
                    default=name == DEFAULT,
                    resolution=harmonizer.card.resolution,
                    parameters=harmonizer.card.about.get("parameters"),
                    light=harmonizer.card.light if harmonizer.takes_light else None,
                )
                for name, harmonizer in self._harmonizers.items()
            ]
        )

    def harmonize(self, form: Form[HarmonizeRequest]) -> Answer:
        """Decode, harmonize and encode.

        Raises:
            PHNetError: the pictures cannot be used; says why.
            Problem: the model does not exist.
        """
        options = form.options
        harmonizer = self._chosen(options.model)
        picture = self._picture(form.files, "composite")
        layers = layers_for(options) if _wants(form, PSD) else None
        made = harmonize_picture(
            *(picture, self._mask(form), options),
            harmonizer=harmonizer,
            matter=self._matter,
            reference=self._reference(form.files),
            look=_look(form.files),
            keep=layers,
        )
        if _wants(form, CUBE):
            resolution, light = options.resolution, options.light
            table = harmonizer.color_map(made.seen, made.mask, resolution, "lut", light)
            return _cube(form, table, made.notes)
        if _wants(form, LOOK):
            return _saved(made.colors, made.mask, made.notes)
        if _wants(form, PSD):
            return _psd(picture, picture.colors, made.result, made.mask, made.notes, layers)
        return _answer(form.types, picture, made.result, made.mask, made.notes)

    def compose(self, form: Form[ComposeRequest]) -> Answer:
        """Put a portrait's person in front of another background, in harmony with it.

        Raises:
            PHNetError: the pictures cannot be used; says why.
            Problem: the model does not exist.
        """
        options = form.options
        composer = Composer(self._chosen(options.model), self._matter)
        portrait = self._picture(form.files, "portrait")
        scene = self._picture(form.files, "background")
        layers = layers_for(options) if _wants(form, PSD) else None
        done = compose_pictures(
            *(portrait, scene, self._mask(form), options),
            composer=composer,
            reference=self._reference(form.files),
            look=_look(form.files),
            keep=layers,
        )
        notes = [*portrait.notes, *scene.notes, *done.notes]
        if sides := done.cut_sides:
            notes.append(f"the portrait's frame cuts the person off ({', '.join(sides)})")
        if _wants(form, CUBE):
            pasted, light = done.made.composite[..., :3], options.light
            table = composer.harmonizer.color_map(pasted, done.made.mask, None, "lut", light)
            return _cube(form, table, notes)
        if _wants(form, LOOK):
            return _saved(done.made.colors, done.made.mask, notes)
        if _wants(form, PSD):
            pasted = done.made.composite[..., :3]
            return _psd(scene, pasted, done.result, done.made.changed, notes, layers)
        return _answer(form.types, done.picture, done.result, done.made.changed, notes)

    def matte(self, form: Form[MatteOptions]) -> Answer:
        """Find the person: a gray PNG, white where the person is.

        Raises:
            PHNetError: the picture cannot be used, or no person was found; says why.
        """
        alpha = self._matter.matte(self._picture(form.files, "photo").colors)
        gray = to_uint8(alpha)
        return Answer(compressed(gray), MEDIA_TYPES["PNG"], [])

    def _chosen(self, model: str) -> Harmonizer:
        if model not in self._harmonizers:
            raise Problem(422, f"model: expected one of {', '.join(self._harmonizers)}")
        return self._harmonizers[model]

    def _picture(self, files: dict[str, bytes], name: str) -> Picture:
        return load(Source(name, files[name], self._limits.pixels))

    def _reference(self, files: dict[str, bytes]) -> Picture | None:
        return self._picture(files, "reference") if "reference" in files else None

    def _mask(self, form: Form[HarmonizeRequest] | Form[ComposeRequest]) -> Mask | None:
        if "mask" not in form.files:
            return None
        source = Source("mask", form.files["mask"], self._limits.pixels)
        several = isinstance(form.options, HarmonizeRequest) and form.options.each
        return read_mask(source, wanted=form.options.mask_class, several=several)


def _look(files: dict[str, bytes]) -> Look | None:
    return read_look(files["look"]) if "look" in files else None


def _wants(form: Form[Any], media_type: str) -> bool:
    return bool(form.types) and form.types[0] == media_type


def _cube(form: Form[Any], table: ColorMap, notes: Sequence[str]) -> Answer:
    """The colors as one table.

    Raises:
        Problem: a look was handed in, of which there is none.
    """
    if "look" in form.files or not isinstance(table, Lut):
        raise Problem(422, "look: a table is made of a look that is found, but one is handed in")
    return Answer(table.cube().encode(), CUBE, notes)


def _saved(colors: ColorMap, mask: Floats, notes: Sequence[str]) -> Answer:
    """The correction, which another request hands in as ``look``.

    Raises:
        BadInput: there is none that could be kept.
    """
    return Answer(look_text(look_of(colors, mask)).encode(), LOOK, notes)


def _psd(
    behind: Picture,
    pasted: Pixels,
    result: Pixels,
    mask: Floats,
    notes: Sequence[str],
    layers: Layers | None,
) -> Answer:
    """The result as layers; with effects, each step as one.

    Raises:
        Problem: what is transparent cannot be kept.
    """
    if behind.alpha is not None:
        raise Problem(422, "PSD: expected a picture without transparency, got one with it")
    steps = layers.made if layers else None
    return Answer(psd_bytes(behind.colors, pasted, result, mask, steps), PSD, notes)


def _answer(
    types: Sequence[str], picture: Picture, result: Pixels, mask: Floats, notes: Sequence[str]
) -> Answer:
    """The result in the picture's own type, PNG where that cannot be written, or as is asked for.

    Args:
        types: media types that the client takes, the most wanted first; none: any.
        picture: the composite.
        result: as for :func:`phnet.images.save`.
        mask: likewise.
        notes: warnings, a sentence each.
    """
    kind = "JPEG" if picture.format == "MPO" else picture.format
    kind = kind if kind in MEDIA_TYPES else "PNG"
    if types and MEDIA_TYPES[kind] not in types:
        taken = [name for name, media in MEDIA_TYPES.items() if media in types]
        kind = next((name for name in taken if name != "JPEG" or picture.alpha is None), taken[0])
    notes = [*notes, *left_out("", kind, picture)]
    return Answer(encoded(kind, picture, result, mask), MEDIA_TYPES[kind], notes)
