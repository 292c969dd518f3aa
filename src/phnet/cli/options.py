"""Options that several commands share, worded once."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Lift(StrEnum):
    """How the network's small result is brought to the composite's size."""

    auto = "auto"
    guided = "guided"
    lut = "lut"
    none = "none"


class Refine(StrEnum):
    """How a matting network's coarse answer becomes an edge."""

    guided = "guided"
    closed_form = "closed-form"
    none = "none"


Model = Annotated[
    str | None,
    typer.Option(
        help="Another ONNX network, or 'int8' or 'full'.", show_default="the embedded one"
    ),
]
Matte = Annotated[
    Path | None,
    typer.Option(
        "--matte",
        help="Another matting network, ONNX or tflite (tflite: extra 'matte').",
        show_default="the embedded one",
    ),
]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads.", show_default="all cores")]
SelfEnsemble = Annotated[
    bool,
    typer.Option(
        "--self-ensemble",
        help="Take the mean with what the network makes of the mirror image: a little better, "
        "in twice its time.",
    ),
]
LiftChoice = Annotated[
    Lift, typer.Option(help="How the network's small result comes to full size.")
]
