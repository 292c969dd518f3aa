"""Read a multipart form into memory: its files never touch the disk, its size is bounded."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from phnet.web.limits import Limits
from phnet.web.problems import Problem

FILES = ("composite", "mask")
LONGEST_OPTION = 1024  # bytes


class Options(BaseModel):
    """How to harmonize."""

    model_config = ConfigDict(extra="forbid")

    lift: Literal["guided", "lut", "none"] = Field(
        "guided", description="How the network's small result comes to full size."
    )
    strength: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = Field(
        1.0, description="How much of the change to take."
    )
    resolution: Annotated[int, Field(ge=16, le=1024)] | None = Field(
        None, description="Side that the network sees; the model's own if left out."
    )
    invert_mask: bool = Field(False, description="The mask is white where the background is.")
    model: str = Field("portrait", description="A name that GET /v1/models lists.")


@dataclass(frozen=True)
class Form:
    """What was handed in."""

    composite: bytes
    mask: bytes | None
    options: Options


def schema() -> dict[str, Any]:
    """The form, for OpenAPI: with examples, which FastAPI cannot know of a form read by hand."""
    described = Options.model_json_schema()["properties"]
    for option in described.values():
        option.pop("title", None)
    files = {
        "composite": "The picture with the pasted person: PNG, JPEG, WebP or TIFF.",
        "mask": "White (or opaque) where the pasted person is; left out, the person is found.",
    }
    binary = {
        name: {"type": "string", "format": "binary", "description": text}
        for name, text in files.items()
    }
    content = {
        "schema": {
            "type": "object",
            "required": ["composite"],
            "additionalProperties": False,
            "properties": binary | described,
        },
        "examples": {
            "with a mask": {"value": {"composite": "(bytes)", "mask": "(bytes)"}},
            "half the change": {
                "value": {"composite": "(bytes)", "mask": "(bytes)", "strength": 0.5}
            },
        },
    }
    return {"required": True, "content": {"multipart/form-data": content}}


async def read(request: Request, limits: Limits) -> Form:
    """Read the request's form.

    Raises:
        Problem: 413, 415 or 422, with a sentence.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise Problem(415, "expected a form of the type multipart/form-data")
    parser = MultiPartParser(
        request.headers,
        _bounded(request, limits.body),
        max_files=len(FILES),
        max_fields=len(Options.model_fields),
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
        return await _checked(form.multi_items())
    finally:
        await form.close()


async def _checked(items: list[tuple[str, str | UploadFile]]) -> Form:
    files: dict[str, bytes] = {}
    options: dict[str, str] = {}
    for name, value in items:
        if name in files or name in options:
            raise Problem(422, f"{name}: expected once, got it twice")
        if isinstance(value, UploadFile):
            if name not in FILES:
                raise Problem(422, "expected files named composite and mask, got another name")
            files[name] = await value.read()
        elif name in FILES:
            raise Problem(422, f"{name}: expected a file, got text")
        elif value:  # browsers send an empty text for what was not chosen
            options[name] = value
    # Browsers send an empty file for one that was not chosen.
    if not files.get("composite"):
        raise Problem(422, "composite: expected a picture, got none")
    try:
        chosen = Options.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][:1])
        known = where if where in Options.model_fields else "an unknown option"
        raise Problem(422, f"{known}: {first['msg'][:1].lower()}{first['msg'][1:]}") from error
    return Form(files["composite"], files.get("mask") or None, chosen)


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
