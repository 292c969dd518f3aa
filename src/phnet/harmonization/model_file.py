"""Model files from outside: what their cards, their shapes and their results may be."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from phnet.errors import BadModel
from phnet.files import json_of
from phnet.matting import sessions

DEFAULT_LIGHT = 0.95  # chosen on real pastes; for networks that take a light and do not say
PLANES = 13  # of a field
LARGEST_SIDE = 4096  # of a field
CHANNELS = {"image": 3, "mask": 1}


@dataclass(frozen=True)
class Card:
    """Metadata of a model file."""

    name: str
    resolution: int  # side of the square that the network works at
    multiple: int  # height and width must be multiples of this
    light: float  # what the network is asked for where the user says nothing
    about: dict[str, Any]  # all of the card


def read_card(metadata: dict[str, str], path: Path) -> Card:
    """The card in a file's metadata; a file without one works at 256 pixels.

    Raises:
        BadModel: it is no JSON, or asks for what cannot be.
    """
    text = metadata.get("phnet", "{}")
    try:
        about = json_of(text)
        resolution, multiple = int(about.get("resolution", 256)), int(about.get("multiple", 1))
        name, light = str(about.get("name", path.stem)), float(about.get("light", DEFAULT_LIGHT))
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise BadModel(f"{path}: expected a readable card in its metadata, but {error}") from error
    if not (16 <= resolution <= 4096 and 1 <= multiple <= 64):
        raise BadModel(
            f"{path}: expected a resolution of 16 to 4096 and a multiple of 1 to 64 in its card, "
            f"got {resolution} and {multiple}"
        )
    if not 0 <= light <= 1:
        raise BadModel(f"{path}: expected a light of 0 to 1 in its card, got {light}")
    return Card(name, resolution, multiple, light, about)


def check_session(session: Any, path: Path) -> None:
    """Refuse a network of other inputs and outputs than ours.

    Raises:
        BadModel: names or ranks are others.
    """
    inputs = {each.name: each.shape for each in session.get_inputs()}
    outputs = {each.name: each.shape for each in session.get_outputs()}
    known = (["image", "mask"], ["image", "mask", "light"])
    if list(inputs) not in known or "harmonized" not in outputs:
        raise BadModel(
            f"{path}: expected a network with inputs image, mask and output harmonized, "
            f"got inputs {_named(inputs)} and outputs {_named(outputs)}"
        )
    for name, channels in CHANNELS.items():
        shape = inputs[name]
        if len(shape) != 4 or (isinstance(shape[1], int) and shape[1] != channels):
            raise BadModel(
                f"{path}: expected the input {name} to be (1, {channels}, height, width), "
                f"got {tuple(shape)}"
            )


def _named(found: dict[str, Any]) -> str:
    return (", ".join(found) or "none")[:200]


def run(session: Any, feed: dict[str, Any], output: str, path: Path, seconds: float | None) -> Any:
    """Run a network once.

    Args:
        session: of ONNX Runtime.
        feed: image (1, 3, h, w), mask (1, 1, h, w) and, for some, light (1,), float32.
        output: "harmonized", or "field" where the network has one.
        path: of the network, for sentences.
        seconds: after which it is given up; None: never.

    Returns:
        Its picture (1, 3, h, w), or its field (1, 13, rows, columns), of finite numbers.

    Raises:
        BadModel: it fails, takes too long, or gives something else.
    """
    (result,) = sessions.run(session, [output], feed, path, seconds)
    shape = getattr(result, "shape", None)
    expected = feed["image"].shape
    if output == "field" and shape is not None and len(shape) == 4:
        expected = (1, PLANES, *(min(max(side, 1), LARGEST_SIDE) for side in shape[2:]))
    if shape != expected or result.dtype.kind != "f":
        raise BadModel(
            f"{path}: expected numbers of the shape {expected} as the network's result, "
            f"got {type(result).__name__ if shape is None else shape}"
        )
    if not np.isfinite(result).all():
        raise BadModel(f"{path}: expected finite numbers as the network's result, got NaN or inf")
    return result
