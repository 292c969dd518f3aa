"""From uploaded bytes to answered bytes: the models, and the work that a thread does."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from pydantic import BaseModel, Field

from phnet.decoding import Source
from phnet.errors import BadModel
from phnet.harmonizer import Harmonizer, find_model
from phnet.image import check_mask, encoded, load, load_mask, mask_notes
from phnet.matte import Matter
from phnet.web.forms import Form
from phnet.web.limits import Limits
from phnet.web.problems import Problem

MEDIA_TYPES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WEBP": "image/webp",
    "TIFF": "image/tiff",
}
DEFAULT = "portrait"


class Model(BaseModel):
    """A network that requests can choose."""

    name: str = Field(examples=[DEFAULT])
    default: bool = Field(description="Whether it is taken where a request names none.")
    resolution: int = Field(description="Side of the square that it works at.", examples=[128])
    parameters: int | None = Field(description="How many numbers it has learned.")


class Models(BaseModel):
    """All networks that requests can choose."""

    models: list[Model]


@dataclass(frozen=True)
class Answer:
    """A harmonized picture, encoded."""

    content: bytes
    media_type: str
    notes: Sequence[str]  # what a person should know, a sentence each


class Service:
    """The loaded networks; used from several threads."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._matter = Matter(threads=limits.threads)
        files = {DEFAULT: find_model(None)}
        with suppress(BadModel):  # the package with the full network may not be installed
            files["full"] = find_model("full")
        self._harmonizers = {name: Harmonizer(file, limits.threads) for name, file in files.items()}

    def models(self) -> Models:
        """What can be chosen."""
        return Models(
            models=[
                Model(
                    name=name,
                    default=name == DEFAULT,
                    resolution=harmonizer.card.resolution,
                    parameters=harmonizer.card.about.get("parameters"),
                )
                for name, harmonizer in self._harmonizers.items()
            ]
        )

    def harmonize(self, form: Form) -> Answer:
        """Decode, harmonize and encode.

        Raises:
            PHNetError: the pictures cannot be used; says why.
            Problem: the model does not exist.
        """
        options = form.options
        harmonizer = self._harmonizers.get(options.model)
        if harmonizer is None:
            raise Problem(422, f"model: expected one of {', '.join(self._harmonizers)}")
        notes: list[str] = []
        picture = load(Source("composite", form.composite, self._limits.pixels))
        if form.mask is None:
            alpha = self._matter.matte(picture.rgb)
            notes.append("no mask was given; the person was found in the picture itself")
        else:
            alpha = load_mask(Source("mask", form.mask, self._limits.pixels))
        if options.invert_mask:
            alpha = 1 - alpha
        alpha = check_mask(alpha, picture.size)
        notes += mask_notes(alpha)
        result = harmonizer.harmonize(
            picture.colours,
            alpha,
            resolution=options.resolution,
            lift=options.lift,
            strength=options.strength,
        )
        kind = "JPEG" if picture.format == "MPO" else picture.format
        kind = kind if kind in MEDIA_TYPES else "PNG"
        return Answer(encoded(kind, picture, result, alpha), MEDIA_TYPES[kind], notes)
