"""Read a multipart form into memory: its files never touch the disk, its size is bounded."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, Generic, Literal, Optional, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from phnet import options
from phnet.options import Checked, option, options_of
from phnet.web.limits import Limits
from phnet.web.problems import Problem

LONGEST_OPTION = 1024  # bytes


@dataclass(frozen=True)
class MatteOptions(Checked):
    """Options of matte: there is nothing to choose."""


@dataclass(frozen=True)
class HarmonizeRequest(options.HarmonizeOptions):
    """Options of harmonize, with one of the server's networks."""

    model: str = option("portrait", "A name that GET /v1/models lists.")


@dataclass(frozen=True)
class ComposeRequest(options.ComposeOptions):
    """Options of compose, with one of the server's networks."""

    model: str = option("portrait", "A name that GET /v1/models lists.")


# What a request may cost is less than what a person's own machine may do.
NARROWER: dict[str, dict[str, Any]] = {"resolution": {"le": 1024}}
# One of the ways of the first needs an extra, and is slow; the server has its own bound.
LEFT_OUT = {"foreground", "max_megapixels"}
EXAMPLES = {"place": ["120,40,0.5"]}


def form_model(kind: type[Checked]) -> type[BaseModel]:
    """The model that checks a form's texts, and that OpenAPI shows."""
    fields: dict[str, Any] = {}
    for one in options_of(kind):
        if one.name in LEFT_OUT:
            continue
        about = one.about
        known = Literal[one.choices] if one.choices else str if about.parse else one.type
        limits: dict[str, Any] = {"ge": about.low, "le": about.high, "pattern": about.pattern}
        if one.type is float:
            limits["allow_inf_nan"] = False
        limits = {name: value for name, value in limits.items() if value is not None}
        known = Annotated[known, Field(**limits | NARROWER.get(one.name, {}))]
        text = (
            f"{about.help.removesuffix('.')}; left out: {about.unset}."
            if one.optional
            else about.help
        )
        described = Field(one.default, description=text, examples=EXAMPLES.get(one.name))
        fields[one.name] = (Optional[known] if one.optional else known, described)  # noqa: UP045
    config = ConfigDict(extra="forbid")
    made: type[BaseModel] = create_model(kind.__name__, __config__=config, **fields)
    return made


def chosen_by(model: BaseModel, kind: "type[Chosen]") -> "Chosen":
    """The options that a checked form chose."""
    given = model.model_dump()
    for one in options_of(kind):
        if one.about.parse and given.get(one.name) is not None:
            given[one.name] = one.about.parse(given[one.name])
    return kind(**given)


# What the other doors write to files, this one answers to who asks for its type.
_ASK = "expected a request without it; ask for {} by the header Accept: {}"
ASKED_FOR = {
    "save_look": _ASK.format("the look", "application/vnd.phnet.look+json"),
    "save_lut": _ASK.format("the table", "application/x-cube"),
    "save_psd": _ASK.format("a PSD", "image/vnd.adobe.photoshop"),
    "save_parts": _ASK.format("the steps as layers", "image/vnd.adobe.photoshop"),
}

Chosen = TypeVar("Chosen", bound=Checked)


@dataclass(frozen=True)
class Fields(Generic[Chosen]):
    """Fields of a form: its files, with descriptions, and its options."""

    required: dict[str, str]
    optional: dict[str, str]
    options: type[Chosen]

    @cached_property
    def model(self) -> type[BaseModel]:
        """Checks the options' texts."""
        return form_model(self.options)

    def schema(self) -> dict[str, Any]:
        """For OpenAPI, with examples, which FastAPI cannot know of a form that is read by hand."""
        described = self.model.model_json_schema()["properties"]
        for described_one in described.values():
            described_one.pop("title", None)
        binary = {
            name: {"type": "string", "format": "binary", "description": text}
            for name, text in (self.required | self.optional).items()
        }
        least: dict[str, Any] = dict.fromkeys(self.required, "(bytes)")
        examples = {"all defaults": {"value": least}}
        if self.optional:
            value = least | {"mask": "(bytes)", "strength": 0.5}
            examples["with a mask, half the change"] = {"value": value}
        if "place" in described:
            examples["placed, at half its size"] = {"value": least | {"place": "120,40,0.5"}}
        content = {
            "schema": {
                "type": "object",
                "required": list(self.required),
                "additionalProperties": False,
                "properties": binary | described,
            },
            "examples": examples,
        }
        return {"required": True, "content": {"multipart/form-data": content}}


@dataclass(frozen=True)
class Form(Generic[Chosen]):
    """A form that was read: files and options."""

    files: dict[str, bytes]
    options: Chosen
    types: Sequence[str] = ()  # of the answer that the client takes, the most wanted first


HARMONIZE = Fields(
    {"composite": "The picture with the pasted person: PNG, JPEG, WebP or TIFF."},
    {
        "mask": "White (or opaque) where the pasted person is; left out, the person is found.",
        "reference": "A picture that the light is read from instead of the background.",
        "look": "A look that was saved (JSON): it is applied, and none is found.",
    },
    HarmonizeRequest,
)
COMPOSE = Fields(
    {
        "portrait": "A photo of a person, or a cut-out with alpha.",
        "background": "The new background; the answer has its size and type.",
    },
    {
        "mask": "White where the person is in the portrait; left out, the person is found.",
        "reference": "A picture that the light is read from instead of the background.",
        "look": "A look that was saved (JSON): it is applied, and none is found.",
    },
    ComposeRequest,
)
MATTE = Fields({"photo": "A photo of a person: PNG, JPEG, WebP or TIFF."}, {}, MatteOptions)


async def read(
    request: Request, fields: Fields[Chosen], limits: Limits, types: Sequence[str] = ()
) -> Form[Chosen]:
    """Read the request's form; ``types`` are kept in it.

    Raises:
        Problem: 413, 415 or 422, with a sentence.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise Problem(415, "expected a form of the type multipart/form-data")
    parser = MultiPartParser(
        request.headers,
        _bounded(request, limits.body),
        max_files=len(fields.required) + len(fields.optional),
        max_fields=len(fields.model.model_fields),
        max_part_size=LONGEST_OPTION,
    )
    # More than the body can have: a file stays in memory.
    parser.spool_max_size = limits.body + 1
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Problem(422, f"the form cannot be read: {error.message}") from error
    except ClientDisconnect as error:
        raise Problem(400, "the connection was closed before the form was whole") from error
    try:
        return replace(await _checked(form.multi_items(), fields), types=types)
    finally:
        await form.close()


async def _checked(
    items: list[tuple[str, str | UploadFile]], fields: Fields[Chosen]
) -> Form[Chosen]:
    expected = list(fields.required | fields.optional)
    files: dict[str, bytes] = {}
    texts: dict[str, str] = {}
    for name, value in items:
        if name in files or name in texts:
            raise Problem(422, "expected each field once, got one of them twice")
        if isinstance(value, UploadFile):
            if name not in expected:
                named = " and ".join(expected)
                raise Problem(422, f"expected files named {named}, got another name")
            files[name] = await value.read()
        elif name in expected:
            raise Problem(422, f"{name}: expected a file, got text")
        elif value:  # browsers send an empty text for what was not chosen
            texts[name] = value
    # Browsers send an empty file for one that was not chosen.
    files = {name: content for name, content in files.items() if content}
    for name in fields.required:
        if name not in files:
            raise Problem(422, f"{name}: expected a picture, got none")
    try:
        return Form(files, chosen_by(fields.model.model_validate(texts), fields.options))
    except ValidationError as error:
        first = error.errors()[0]
        where = str(first["loc"][0])
        if where in ASKED_FOR:
            raise Problem(422, f"{where}: {ASKED_FOR[where]}") from error
        known = where if where in fields.model.model_fields else "an unknown option"
        raise Problem(422, f"{known}: {first['msg'][:1].lower()}{first['msg'][1:]}") from error


def size(request: Request, limits: Limits) -> int:
    """Size of the body that it has, or may have, in bytes."""
    length = request.headers.get("content-length", "")
    known = length.isascii() and length.isdigit()
    return min(int(length), limits.body) if known else limits.body


async def _bounded(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """The request's body, refused as soon as it is known to be too large."""
    too_large = Problem(413, f"expected a request of at most {most >> 20} MiB")
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length) > most:
        raise too_large
    got = 0
    async for chunk in request.stream():
        got += len(chunk)
        if got > most:
            raise too_large
        yield chunk
