"""Read a multipart form into memory: its files never touch the disk, its size is bounded."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from phnet.web.limits import Limits
from phnet.web.problems import Problem

LONGEST_OPTION = 1024  # bytes
NUMBER = r"-?\d{1,6}(\.\d{1,6})?"


class Options(BaseModel):
    """What a form may say besides its pictures."""

    model_config = ConfigDict(extra="forbid")


class MatteOptions(Options):
    """How to find the person: there is nothing to choose."""


class ColourOptions(Options):
    """What every form that asks for harmonized colours may say."""

    strength: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = Field(
        1.0, description="How much of the change to take."
    )
    model: str = Field("portrait", description="A name that GET /v1/models lists.")
    lift: Literal["auto", "guided", "lut", "none"] = Field(
        "auto", description="How the network's small result comes to full size."
    )


class HarmonizeOptions(ColourOptions):
    """How to harmonize."""

    resolution: Annotated[int, Field(ge=16, le=1024)] | None = Field(
        None, description="Side that the network sees; the model's own if left out."
    )
    invert_mask: bool = Field(False, description="The mask is white where the background is.")


class ComposeOptions(ColourOptions):
    """How to compose."""

    place: Annotated[str, Field(pattern=f"^{NUMBER},{NUMBER},{NUMBER}$")] | None = Field(
        None,
        description=(
            "x,y,scale: the portrait's upper left corner in the background's pixels, and the "
            "background's pixels per pixel of the portrait. Left out: at the bottom, centred."
        ),
        examples=["120,40,0.5"],
    )
    fit: Literal["cover"] | None = Field(
        None, description="Let the portrait cover the whole background instead."
    )


Chosen = TypeVar("Chosen", bound=Options)


@dataclass(frozen=True)
class Fields(Generic[Chosen]):
    """What a form has: its files, with descriptions, and its options."""

    required: dict[str, str]
    optional: dict[str, str]
    options: type[Chosen]

    def schema(self) -> dict[str, Any]:
        """For OpenAPI, with examples, which FastAPI cannot know of a form that is read by hand."""
        described = self.options.model_json_schema()["properties"]
        for option in described.values():
            option.pop("title", None)
        binary = {
            name: {"type": "string", "format": "binary", "description": text}
            for name, text in (self.required | self.optional).items()
        }
        least: dict[str, Any] = dict.fromkeys(self.required, "(bytes)")
        examples = {"all defaults": {"value": least}}
        if self.optional:
            value = least | dict.fromkeys(self.optional, "(bytes)") | {"strength": 0.5}
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
    """What was handed in."""

    files: dict[str, bytes]
    options: Chosen


HARMONIZE = Fields(
    {"composite": "The picture with the pasted person: PNG, JPEG, WebP or TIFF."},
    {"mask": "White (or opaque) where the pasted person is; left out, the person is found."},
    HarmonizeOptions,
)
COMPOSE = Fields(
    {
        "portrait": "A photo of a person, or a cut-out with alpha.",
        "background": "The new background; the answer has its size and type.",
    },
    {"mask": "White where the person is in the portrait; left out, the person is found."},
    ComposeOptions,
)
MATTE = Fields({"photo": "A photo of a person: PNG, JPEG, WebP or TIFF."}, {}, MatteOptions)


async def read(request: Request, fields: Fields[Chosen], limits: Limits) -> Form[Chosen]:
    """Read the request's form.

    Raises:
        Problem: 413, 415 or 422, with a sentence.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise Problem(415, "expected a form of the type multipart/form-data")
    parser = MultiPartParser(
        request.headers,
        _bounded(request, limits.body),
        max_files=len(fields.required) + len(fields.optional),
        max_fields=len(fields.options.model_fields),
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
        return await _checked(form.multi_items(), fields)
    finally:
        await form.close()


async def _checked(
    items: list[tuple[str, str | UploadFile]], fields: Fields[Chosen]
) -> Form[Chosen]:
    expected = list(fields.required | fields.optional)
    files: dict[str, bytes] = {}
    options: dict[str, str] = {}
    for name, value in items:
        if name in files or name in options:
            raise Problem(422, "expected each field once, got one of them twice")
        if isinstance(value, UploadFile):
            if name not in expected:
                named = " and ".join(expected)
                raise Problem(422, f"expected files named {named}, got another name")
            files[name] = await value.read()
        elif name in expected:
            raise Problem(422, f"{name}: expected a file, got text")
        elif value:  # browsers send an empty text for what was not chosen
            options[name] = value
    # Browsers send an empty file for one that was not chosen.
    files = {name: content for name, content in files.items() if content}
    for name in fields.required:
        if name not in files:
            raise Problem(422, f"{name}: expected a picture, got none")
    try:
        return Form(files, fields.options.model_validate(options))
    except ValidationError as error:
        first = error.errors()[0]
        where = str(first["loc"][0])
        known = where if where in fields.options.model_fields else "an unknown option"
        raise Problem(422, f"{known}: {first['msg'][:1].lower()}{first['msg'][1:]}") from error


def size(request: Request, limits: Limits) -> int:
    """How many bytes the body has, or may have."""
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
